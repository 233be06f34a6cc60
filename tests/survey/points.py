"""Points of the fibres over SΣ, critical or not, put together here from (32)-(33)."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from menon.material import product, size
from survey.material import Net, change, full_hessian, gauge


class Critical(NamedTuple):
    """A point P(A_1 + Z)P⁻¹ of (32)-(33), put together here; S is 0-based."""

    net: Net
    S: tuple[int, ...]
    P: list[np.ndarray]
    Z: list[np.ndarray]

    @property
    def r(self):
        return len(self.S)

    @property
    def Q(self):
        return [i for i in range(self.net.sigma.size) if i not in self.S]

    @property
    def Sigma_Q(self):
        return self.net.Sigma[self.Q]

    @property
    def leading(self):
        return list(self.S) == sorted(range(self.r))

    @property
    def value(self):
        return 0.5 * (self.net.sigma[self.Q] ** 2).sum()

    def is_critical(self):
        """The exact condition, in Z."""
        if not self.Q:
            return True
        h, back = self.net.h, self.Sigma_Q.T
        return all(
            size(self.word(1, j - 1) @ back @ self.word(j + 1, h)) == 0 for j in range(1, h + 1)
        )

    def is_tight(self):
        """The exact criterion for S = {1..r}, r < d_y: no pair of layers p < q is loose."""
        h, back = self.net.h, self.Sigma_Q.T
        return all(
            size(self.word(p + 1, q - 1)) == 0
            or size(self.word(1, p - 1) @ back @ self.word(q + 1, h)) == 0
            for p in range(1, h + 1)
            for q in range(p + 1, h + 1)
        )

    def word(self, first, last):
        """Z_{first:last}; empty: an identity of the size that fits."""
        if last < first:
            dims = [self.net.widths[0], *(d - self.r for d in self.net.widths[1:])]
            return np.eye(dims[last])
        return product(self.Z[first - 1 : last])

    def is_strict(self):
        return bool(self.Q) and not (self.leading and self.is_tight())


def near_diagonal(widths, sigma, S):
    """The layers of (32)."""
    r, S = len(S), list(S)
    layers = [np.zeros((b, a)) for a, b in itertools.pairwise(widths)]
    layers[0][range(r), S] = np.array(sigma)[S]
    for W in layers[1:-1]:
        W[range(r), range(r)] = 1
    layers[-1][S, range(r)] = 1
    return layers


def fibre_point(widths, sigma, S, Z, seed=3, *, plain=False):
    """(32)-(33) in random bases, or plain."""
    r, layers = len(S), near_diagonal(widths, sigma, S)
    dropped = [i for i in range(len(sigma)) if i not in S]
    layers[0][r:] += Z[0]
    for W, B in zip(layers[1:-1], Z[1:-1], strict=True):
        W[r:, r:] += B
    layers[-1][np.ix_(dropped, range(r, widths[-2]))] += Z[-1]
    P = [np.eye(d) for d in widths[1:-1]] if plain else gauge(widths, seed)
    net = Net(tuple(widths), np.array(sigma), change(layers, P))
    return Critical(net, tuple(S), P, list(Z))


def blocks_of_Z(widths, S, zero, generator, *, sparse=False):
    """Random blocks Z, zero at the layers named (from 1); sparse ones of one entry each."""
    r = len(S)
    shapes = [(b - r, a - r) for a, b in itertools.pairwise(widths)]
    shapes[0] = (widths[1] - r, widths[0])
    blocks = []
    for p, shape in enumerate(shapes, start=1):
        Z = np.zeros(shape) if p in zero else generator.standard_normal(shape)
        if sparse and Z.size:
            Z = Z * (np.arange(Z.size) == generator.integers(Z.size)).reshape(shape)
        blocks.append(Z)
    return blocks


CASES = [
    ((3, 3, 2), (2.0, 1.0)),
    ((4, 3, 3, 2), (2.0, 1.0)),
    ((3, 4, 4, 3), (3.0, 2.0, 1.0)),
    ((3, 3, 4, 3, 2), (2.0, 1.0)),
]


def subsets(n):
    return [S for r in range(n + 1) for S in itertools.combinations(range(n), r)]


def fibre_points():
    """Points of fibres, critical or not: every signature, every set of zero blocks, and sparse Z.

    With r = d_y, Z_h is empty and the others are free.
    """
    generator = np.random.default_rng(12)
    for widths, sigma in CASES:
        h = len(widths) - 1
        for S in subsets(len(sigma)):
            for zero in subsets(h):
                for sparse in (True, False) if len(zero) < 2 else (False,):
                    Z = blocks_of_Z(widths, S, [p + 1 for p in zero], generator, sparse=sparse)
                    point = fibre_point(widths, sigma, S, Z, int(generator.integers(999)))
                    if size(point.word(1, h)) == 0:
                        yield point


ALL_POINTS = list(fibre_points())
CRITICAL = [point for point in ALL_POINTS if point.is_critical()]


def thinned(points, count=60):
    """About as many, spread evenly."""
    return points[:: max(1, len(points) // count)]


def saddles():
    return [point for point in CRITICAL if point.Q]


def least_eigenvalue(net):
    """The least eigenvalue of the Hessian over its spectral radius."""
    spectrum = np.linalg.eigvalsh(full_hessian(net))
    return spectrum[0] / max(1.0, np.abs(spectrum).max())


def strict(point):
    return least_eigenvalue(point.net) < -1e-9

"""Weights to measure at, and the plain arithmetic that rows are measured against."""

from __future__ import annotations

import itertools
import math
from functools import reduce
from typing import NamedTuple

import numpy as np

from dlngeo import balanced, energies, flows, observables
from dlngeo import weights as networks


def flat(value) -> np.ndarray:
    if isinstance(value, tuple | list):
        return np.concatenate([flat(part) for part in value])
    return np.ravel(np.asarray(value))


def size(value) -> float:
    return float(np.linalg.norm(flat(value)))


def gap(ours, exact) -> float:
    """The error relative to the size of the exact value."""
    return size(flat(ours) - flat(exact)) / size(exact)


def product(layers):
    return reduce(lambda B, W: W @ B, layers)


def along(function, x, v):
    """The derivative of an analytic function along v, exact to rounding: a complex step."""
    step = 1e-40
    return np.imag(function(*[a + 1j * step * b for a, b in zip(x, v, strict=True)])) / step


def slope(function, W):
    """The matrix of partial derivatives, (3.7), by complex steps."""
    units = np.eye(W.size).reshape(-1, *W.shape)
    return np.array([along(function, (W,), (Z,)) for Z in units]).reshape(W.shape)


def lifted_slope(E, layers):
    """Partial derivatives of E(W_N ⋯ W_1) by the entries of every layer."""
    return tuple(
        slope(lambda X, p=p: E(product((*layers[:p], X, *layers[p + 1 :]))), W)
        for p, W in enumerate(layers)
    )


class Quartic:
    """An energy that is neither quadratic nor invariant: Σ W⁴/4 + ½‖W - Φ‖²."""

    def __init__(self, target):
        self.target = target

    def value(self, W):
        return (W**4 / 4 + (W - self.target) ** 2 / 2).sum(axis=(-2, -1))

    def gradient(self, W):
        return W**3 + W - self.target

    def hessian(self, W, Z):
        return 3 * W**2 * Z + Z


def energy_for(layers, seed=5):
    shape = (layers[-1].shape[0], layers[0].shape[1])
    return Quartic(np.random.default_rng(seed).standard_normal(shape))


class Point(NamedTuple):
    """Balanced weights W_p = Q_p Λ Q_{p-1}ᵀ made here, not by the library."""

    Q: list[np.ndarray]
    lam: np.ndarray

    @property
    def layers(self):
        return tuple((Q * self.lam) @ P.T for P, Q in itertools.pairwise(self.Q))

    @property
    def N(self):
        return len(self.Q) - 1

    @property
    def r(self):
        return self.lam.size

    @property
    def sigma(self):
        return self.lam**self.N

    @property
    def W(self):
        return (self.Q[-1] * self.sigma) @ self.Q[0].T

    @property
    def widths(self):
        return tuple(len(Q) for Q in self.Q)

    @property
    def vectors(self):
        """Random ambient vectors."""
        generator = np.random.default_rng(9)
        return tuple(generator.standard_normal(W.shape) for W in self.layers)

    @property
    def Z(self):
        """A tangent vector downstairs, and another."""
        Z = np.random.default_rng(11).standard_normal((2, *self.W.shape))
        Pu, Pv = self.Q[-1] @ self.Q[-1].T, self.Q[0] @ self.Q[0].T
        return Z - (Z - Pu @ Z) @ (np.eye(len(Pv)) - Pv)


FULL = [  # widths all equal to the rank
    ((3, 3, 3), (1.5, 0.9, 0.4)),
    ((3, 3, 3, 3), (1.4, 0.8, 0.5)),
    ((2, 2, 2, 2, 2, 2), (1.2, 0.7)),
]
LESS = [  # rank r, and rectangular
    ((3, 3, 3), (1.3, 0.6)),
    ((2, 4, 5, 3), (1.2, 0.7)),
    ((4, 3, 3, 5, 4), (1.1,)),
]


def point(widths, lam, seed=0):
    generator = np.random.default_rng(seed)
    r = len(lam)
    return Point(
        [np.linalg.qr(generator.standard_normal((d, r)))[0] for d in widths], np.array(lam)
    )


def full():
    return [point(*case, seed) for seed, case in enumerate(FULL)]


def all_points():
    return full() + [point(*case, seed) for seed, case in enumerate(LESS)]


def sorted_points():
    """The points in the frames that the library's SVD of their weights chooses."""
    for P in all_points():
        Q, lam = balanced.to_svd(P.layers, rank=P.r)
        yield Point(list(Q), lam)


def sorted_bases():
    """The sorted points, and the library's basis there.

    Both from the very same weights: put together again from their frames they are the same to
    rounding, but a sign of a singular vector may hang on that.
    """
    for P, given in zip(sorted_points(), all_points(), strict=True):
        yield P, balanced.orthonormal_basis(given.layers, rank=given.r)


def any_weights(*, square=False):
    """Weights that are not balanced."""
    generator = np.random.default_rng(3)
    shapes = [(3, 3, 3), (2, 2, 2, 2)] if square else [(3, 3, 3), (2, 3, 4, 2), (3, 2, 4, 2, 3)]
    for widths in shapes:
        yield tuple(generator.standard_normal((b, a)) for a, b in itertools.pairwise(widths))


def power(Q, s, exponent):
    """(Q diag(s) Qᵀ)^exponent, the zeroth power being the identity."""
    return np.eye(len(Q)) if exponent == 0 else (Q * s**exponent) @ Q.T


def root(S):
    values, vectors = np.linalg.eigh(S)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def operator(P, N=None):
    """𝒜 as a matrix on row-by-row entries, the sum (4.14)."""
    N = P.N if N is None else N
    s = P.lam**P.N
    return sum(
        np.kron(power(P.Q[-1], s**2, (N - k) / N), power(P.Q[0], s**2, (k - 1) / N))
        for k in range(1, N + 1)
    )


def infinite_operator(P, nodes=60):
    """𝒜_∞ as a matrix, (14.7) by Gauss-Legendre quadrature."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return sum(
        0.5
        * weight
        * np.kron(power(P.Q[-1], P.sigma**2, (1 - t) / 2), power(P.Q[0], P.sigma**2, (1 + t) / 2))
        for t, weight in zip(x, w, strict=True)
    )


def act(matrix, Z):
    return (matrix @ Z.ravel()).reshape(Z.shape)


def library_operator(P, function, N=None):
    """A library operator on matrices, as a matrix."""
    W, N = P.W, P.N if N is None else N
    keywords = {} if P.r == min(W.shape) else {"rank": P.r}
    columns = [function(W, Z, N, **keywords).ravel() for Z in np.eye(W.size).reshape(-1, *W.shape)]
    return np.array(columns).T


def antisymmetric(d):
    """The basis (8.7)."""
    for k, l in itertools.combinations(range(d), 2):  # noqa: E741
        A = np.zeros((d, d))
        A[k, l], A[l, k] = math.sqrt(0.5), -math.sqrt(0.5)
        yield A


def turned(P, A, theta=None):
    """(8.2): the velocity of the weights when frame p turns by A[p] and Λ moves by θ."""
    theta = np.zeros(P.r) if theta is None else theta
    return tuple(
        A[p + 1] @ W + (P.Q[p + 1] * theta) @ P.Q[p].T - W @ A[p] for p, W in enumerate(P.layers)
    )


def one_turn(P, p, A):
    return turned(P, [A if q == p else np.zeros((d, d)) for q, d in enumerate(P.widths)])


def hidden_turns(P):
    return [(p, A) for p in range(1, P.N) for A in antisymmetric(P.widths[p])]


def orthonormal(columns, count=None):
    """An orthonormal basis of the span, by SVD."""
    U, s, _ = np.linalg.svd(np.array(columns).T, full_matrices=False)
    return U[:, s > 1e-9 * s[0]] if count is None else U[:, :count]


def orbit_space(P):
    return orthonormal([flat(one_turn(P, p, A)) for p, A in hidden_turns(P)])


def tangent_space(P):
    turns = [flat(one_turn(P, p, A)) for p, d in enumerate(P.widths) for A in antisymmetric(d)]
    zero = [np.zeros((d, d)) for d in P.widths]
    return orthonormal(turns + [flat(turned(P, zero, e)) for e in np.eye(P.r)])


def differential_matrix(P):
    """dφ on all entries of the weights, by complex steps."""
    units = np.eye(sum(W.size for W in P.layers))
    columns = [
        along(lambda *w: product(w), P.layers, networks.from_vector(e, P.widths)).ravel()
        for e in units
    ]
    return np.array(columns).T


def rank(matrix):
    return int(np.linalg.matrix_rank(np.array(matrix), tol=1e-8))


def log_volume(sigma, N):
    """½ Σ_{k<l} log K_kl of real or complex σ, (6.2) without its constant."""
    pairs = itertools.combinations(sigma, 2)
    return sum(np.log((a**2 - b**2) / (a ** (2 / N) - b ** (2 / N))) for a, b in pairs) / 2


def path(energy, layers, times, **keywords):
    return flows.gradient_flow(
        energy, layers, (0, 2), t_eval=times, method="DOP853", rtol=1e-12, atol=1e-14, **keywords
    )


STENCIL = np.array([1, -8, 0, 8, -1]) / 12


def measured_velocity(run, h):
    """Velocity at the middle of five times, error O(h⁴)."""
    return np.tensordot(STENCIL, run.W, axes=1) / h


COMPLETION = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))


def rank_one_minimisers(values):
    for a in values:
        W = np.array([[1, a], [1 / a, 1]])
        yield float(COMPLETION.value(W))
        yield observables.singular_values(W)[1] / size(W)

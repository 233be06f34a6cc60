"""Networks to measure at, and the plain arithmetic that rows are measured against."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

from dlngeo import energies
from menon.material import flat, product, size


def diagonal(values, rows, columns):
    """A rectangular diagonal matrix."""
    matrix = np.zeros((rows, columns))
    matrix[range(len(values)), range(len(values))] = values
    return matrix


def place(blocks, k, widths):
    """blk_k of blocks, of real or complex numbers."""
    edges = np.concatenate([[0], np.cumsum(widths)])
    matrix = np.zeros((sum(widths), sum(widths)), dtype=np.result_type(*blocks))
    for j, F in enumerate(blocks):
        matrix[edges[j + k] : edges[j + k + 1], edges[j] : edges[j + 1]] = F
    return matrix


def chain(layers, first, last):
    """F_last ⋯ F_first, counted from 1; an identity that fits if empty."""
    if last < first:
        return np.eye(layers[last].shape[-1] if last < len(layers) else layers[-1].shape[-2])
    return product(layers[first - 1 : last])


class Net(NamedTuple):
    """Weights with a target of diagonal σ."""

    widths: tuple[int, ...]
    sigma: np.ndarray
    layers: tuple[np.ndarray, ...]

    @property
    def h(self):
        return len(self.layers)

    @property
    def Sigma(self):
        return diagonal(self.sigma, self.widths[-1], self.widths[0])

    @property
    def W(self):
        return product(self.layers)

    @property
    def Xi(self):
        return self.Sigma - self.W

    @property
    def A(self):
        return place(self.layers, 1, self.widths)

    @property
    def E(self):
        return place([self.Sigma], self.h, self.widths)

    @property
    def M(self):
        return place([self.Xi], self.h, self.widths)

    @property
    def energy(self):
        return energies.Quadratic(self.Sigma)

    @property
    def loss(self):
        return 0.5 * size(self.Xi) ** 2

    @property
    def velocity(self):
        """(9) written out."""
        return descent(self.layers, self.Sigma)

    @property
    def C(self):
        return [V @ V.T - W.T @ W for V, W in itertools.pairwise(self.layers)]

    @property
    def V(self):
        """Another block-shift tuple."""
        generator = np.random.default_rng(77)
        return tuple(generator.standard_normal(W.shape) for W in self.layers)

    def at(self, layers):
        return self._replace(layers=tuple(layers))


SHAPES = [
    ((3, 3, 2), (2.0, 1.0)),
    ((4, 3, 3, 2), (2.5, 1.5)),
    ((5, 4, 3, 3, 3), (3.0, 2.0, 0.7)),
    ((3, 2, 3, 2, 3, 2), (3.0, 1.25)),
]


def random_net(widths, sigma, seed=0, scale=0.7):
    generator = np.random.default_rng(seed)
    layers = [scale * generator.standard_normal((b, a)) for a, b in itertools.pairwise(widths)]
    return Net(tuple(widths), np.array(sigma), tuple(layers))


def nets():
    return [random_net(*shape, seed) for seed, shape in enumerate(SHAPES)]


def descent(layers, Sigma):
    """W_{j+1:h}ᵀ (Σ - W_{1:h}) W_{1:j-1}ᵀ for every j, of real or complex stacks."""
    h, W = len(layers), product(layers)
    return tuple(
        np.swapaxes(chain(layers, j + 1, h), -1, -2)
        @ (Sigma - W)
        @ np.swapaxes(chain(layers, 1, j - 1), -1, -2)
        for j in range(1, h + 1)
    )


def full_hessian(net):
    """The Hessian of the loss: complex steps of the gradient along every entry at once."""
    n = sum(W.size for W in net.layers)
    step, start, layers = 1e-40, 0, []
    for W in net.layers:
        units = np.zeros((n, W.size))
        units[start : start + W.size] = np.eye(W.size)
        layers.append(W + 1j * step * units.reshape(n, *W.shape))
        start += W.size
    G = [-np.imag(V) / step for V in descent(layers, net.Sigma)]
    matrix = np.concatenate([V.reshape(n, -1) for V in G], axis=1)
    return (matrix + matrix.T) / 2


def second(net, V):
    """d²/dε² L(A + εV) by the full Hessian."""
    v = flat(V)
    return v @ full_hessian(net) @ v


def commute(F, G):
    return F @ G - G @ F


def sym(F):
    return F + F.T


def haar(generator, d):
    Q, R = np.linalg.qr(generator.standard_normal((d, d)))
    return Q * np.sign(np.diag(R))


def gauge(widths, seed=1, *, orthogonal=False):
    """Changes of basis of the hidden layers, random and well conditioned."""
    generator = np.random.default_rng(seed)
    bases = []
    for d in widths[1:-1]:
        scale = 1 if orthogonal else 2.0 ** generator.uniform(-1, 1, d)
        bases.append((haar(generator, d) * scale) @ haar(generator, d))
    return bases


def change(layers, P):
    """P_p W_p P_{p-1}⁻¹."""
    left = [*P, np.eye(layers[-1].shape[0])]
    right = [np.eye(layers[0].shape[1]), *P]
    return tuple(L @ W @ np.linalg.inv(R) for L, W, R in zip(left, layers, right, strict=True))


def basis_matrix(P, widths):
    """blk_0(1, P_1, ..., P_{h-1}, 1)."""
    return place([np.eye(widths[0]), *P, np.eye(widths[-1])], 0, widths)


def integrate(net, times, decay=0.0):
    """The flow by another integrator: layers at the times."""
    shapes = [W.shape for W in net.layers]
    edges = np.cumsum([0, *(W.size for W in net.layers)])

    def unpack(y):
        return [
            y[a:b].reshape(s) for (a, b), s in zip(itertools.pairwise(edges), shapes, strict=True)
        ]

    def right(_, y):
        layers = unpack(y)
        return flat(descent(layers, net.Sigma)) - decay * y

    run = solve_ivp(
        right,
        (0, times[-1]),
        flat(net.layers),
        t_eval=times,
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
    )
    return [net.at(unpack(y)) for y in run.y.T]


def scalar(*w, sigma=1.0):
    net = random_net((1,) * (len(w) + 1), (sigma,))
    return net.at([np.array([[x]]) for x in w])


def sum_over_layers(net):
    """Σ_j (A^{h-j})ᵀM(A^{j-1})ᵀ."""
    M, power = net.M, np.linalg.matrix_power
    return sum(power(net.A, net.h - j).T @ M @ power(net.A, j - 1).T for j in range(1, net.h + 1))

"""One step of a scheme for the Langevin equation against the equation's generator, without chance.

E f(one step from W) against f + hLf + ½h²L²f, with the generator L of Menon's (12.12) written out
here and its derivatives taken by differences. The normal numbers of a step run through a cubature
that is exact to degree 5, so nothing is random: a scheme of weak order p leaves O(h^{p+1}), and any
wrong drift or noise, upstairs or downstairs, leaves O(h).
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from dlngeo import _equation, balanced, energies
from dlngeo.langevin.schemes import SCHEMES

STARTS = {
    2: np.array([[1.3, 0.3], [-0.2, 0.7]]),
    3: np.array([[1.3, 0.3, 0.1], [-0.2, 0.8, 0.2], [0.1, -0.3, 0.5]]),
}


class Equation(NamedTuple):
    """What stands in (12.12); the energy is ½‖W - Φ‖², or none."""

    d: int
    depth: int
    kappa: float
    beta: float = 2.0
    gamma: float = 0.2
    energy: bool = True
    entropy: bool = True  # grad S
    spread: bool = True  # Σ″

    @property
    def target(self):
        return np.diag([1.0, -0.4, 0.3][: self.d]) + 0.2

    def coefficients(self, W):
        """The drift, and the columns of noise √(2κ/β) √K_kl u_kv_lᵀ, for a stack."""
        U, s, Vt = np.linalg.svd(W)
        N, beta, kappa = self.depth, self.beta, self.kappa
        lam, K = s ** (1 / N), np.empty(W.shape)
        force = -self.gamma * N * s
        if self.spread:
            force = force + (kappa / beta) * (N - 1) * lam ** (N - 2)  # (12.9)
        for k, l in itertools.product(range(self.d), repeat=2):  # noqa: E741
            a, b = lam[..., k], lam[..., l]
            if k == l:
                K[..., k, k] = N * a ** (2 * N - 2)
                continue
            K[..., k, l] = (a ** (2 * N) - b ** (2 * N)) / (a**2 - b**2)
            if self.entropy:  # (12.8)
                pull = N * a ** (2 * N - 1) / (a ** (2 * N) - b ** (2 * N)) - a / (a**2 - b**2)
                force[..., k] += pull * a ** (N - 1) / beta
        slope = U.mT @ (W - self.target) @ Vt.mT if self.energy else np.zeros(W.shape)
        drift = U @ (force[..., None] * np.eye(self.d) - K * slope) @ Vt
        units = U.mT[..., :, None, :, None] * Vt[..., None, :, None, :]
        noise = np.sqrt(2 * kappa / beta * K)[..., None, None] * units
        return drift, noise.reshape(*W.shape[:-2], self.d**2, self.d, self.d)

    def stepper(self, name, start):
        """A scheme of the library, its first state, and the end-to-end matrix of a state."""
        energy = energies.Quadratic(self.target) if self.energy else None
        scheme = SCHEMES["projection" if name == "upstairs" else name](
            _equation.Equation(energy, self.depth, self.beta, self.kappa, self.gamma, self.entropy),
            self.d,
        )
        if scheme.upstairs:
            start = balanced.lift(start, self.depth, rng=0)
        return scheme, scheme.start(start), lambda state: scheme.read(scheme.record(state))[0]


def cubature(n):
    """Stroud's rule of degree 5 for n normal numbers, 2n² + 1 points."""
    one = np.sqrt(n + 2) * np.vstack((np.eye(n), -np.eye(n)))
    rows = []
    for i, j in itertools.combinations(range(n), 2):
        for a, b in itertools.product((1, -1), repeat=2):
            row = np.zeros(n)
            row[i], row[j] = a, b
            rows.append(row)
    two = np.sqrt((n + 2) / 2) * np.array(rows).reshape(-1, n)
    points = np.vstack((np.zeros((1, n)), one, two))
    weights = [2 / (n + 2)], [(4 - n) / (2 * (n + 2) ** 2)] * len(one), [(n + 2) ** -2] * len(two)
    return points, np.concatenate(weights)


def observables(W):
    """The entries of W, their square sum and the fourth power of the first."""
    entries = W.reshape(*W.shape[:-2], -1)
    square, fourth = (entries**2).sum(axis=-1), entries[..., 0] ** 4
    return np.concatenate((entries, square[..., None], fourth[..., None]), axis=-1)


FIRST = {-3: -1 / 60, -2: 3 / 20, -1: -3 / 4, 1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
SECOND = {-3: 1 / 90, -2: -3 / 20, -1: 3 / 2, 0: -49 / 18, 1: 3 / 2, 2: -3 / 20, 3: 1 / 90}


def generator(f, equation, step=0.02):
    """Lf = Df[drift] + ½ Σ D²f[noise, noise], by differences of sixth order."""

    def Lf(W):
        drift, noise = equation.coefficients(W)
        first = sum(c * f(W + step * k * drift) for k, c in FIRST.items()) / step
        here = W[..., None, :, :]
        second = sum(c * f(here + step * k * noise) for k, c in SECOND.items()) / step**2
        return first + 0.5 * second.sum(axis=-2)

    return Lf


def one_step(name, equation, times):
    """E f(one step of length h), (time, observable)."""
    scheme, first, end = equation.stepper(name, STARTS[equation.d])
    points, mass = cubature(scheme.noise_size)
    states = np.broadcast_to(first, (len(points), *first.shape))
    return np.array([mass @ observables(end(scheme.step(states, points, h))) for h in times])


def local_errors(name, equation, times):
    """E f(one step) - f - hLf - ½h²L²f for each h."""
    start, h = STARTS[equation.d], np.asarray(times)[:, None]
    Lf = generator(observables, equation)
    expansion = observables(start) + h * Lf(start) + h**2 / 2 * generator(Lf, equation)(start)
    return one_step(name, equation, times) - expansion


def scheme_generator(name, equation, h=2e-5):
    """The generator of a scheme at the start: (E f(one step) - f)/h, extrapolated to h = 0."""
    here = observables(STARTS[equation.d])
    whole, half = one_step(name, equation, (h, h / 2)) - here
    return 4 * half / h - whole / h


def exact_generator(equation):
    """Lf at the start."""
    return generator(observables, equation)(STARTS[equation.d])

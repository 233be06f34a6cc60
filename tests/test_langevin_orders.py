"""Orders of the schemes for the Langevin equation, weak by cubature and strong by coupled noise.

One step from W against f + hLf + ½h²L²f, with the generator L of Menon's (12.12) written out here
and its derivatives taken by differences. The normal numbers of a step run through a cubature that
is exact to degree 5, so nothing here is random: a scheme of weak order p leaves O(h^{p+1}), and any
wrong drift or noise, upstairs or downstairs, leaves O(h).
"""

import itertools

import numpy as np
import pytest

from dlngeo import energies
from dlngeo.dynamics import upstairs
from dlngeo.dynamics.root_chart import RootChart
from dlngeo.dynamics.schemes import EulerDownstairs, RootEuler, Terms, WeakTwo
from dlngeo.dynamics.upstairs import BalancedWeights
from dlngeo.geometry import balanced
from dlngeo.weights import flatten, push_forward

BETA, KAPPA, GAMMA = 2.0, 0.6, 0.2
TARGETS = {d: np.diag([1.0, -0.4, 0.3][:d]) + 0.2 for d in (2, 3)}
STARTS = {
    2: np.array([[1.3, 0.3], [-0.2, 0.7]]),
    3: np.array([[1.3, 0.3, 0.1], [-0.2, 0.8, 0.2], [0.1, -0.3, 0.5]]),
}


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


def coefficients(W, depth, kappa):
    """Drift of (12.12) and the columns of noise, √(2κ/β) √K_kl u_kv_lᵀ, for a stack."""
    U, s, Vt = np.linalg.svd(W)
    N, d, lam = depth, s.shape[-1], s ** (1 / depth)
    K = np.empty(W.shape)
    force = (kappa / BETA) * (N - 1) * lam ** (N - 2) - GAMMA * N * s  # Σ″ and weight decay
    for k, l in itertools.product(range(d), repeat=2):  # noqa: E741
        a, b = lam[..., k], lam[..., l]
        if k == l:
            K[..., k, k] = N * a ** (2 * N - 2)
            continue
        K[..., k, l] = (a ** (2 * N) - b ** (2 * N)) / (a**2 - b**2)
        pull = N * a ** (2 * N - 1) / (a ** (2 * N) - b ** (2 * N)) - a / (a**2 - b**2)
        force[..., k] += pull * a ** (N - 1) / BETA  # Σ′
    slope = U.mT @ (W - TARGETS[d]) @ Vt.mT
    drift = U @ (force[..., None] * np.eye(d) - K * slope) @ Vt
    units = U.mT[..., :, None, :, None] * Vt[..., None, :, None, :]
    noise = np.sqrt(2 * kappa / BETA * K)[..., None, None] * units
    return drift, noise.reshape(*W.shape[:-2], d * d, d, d)


FIRST = {-3: -1 / 60, -2: 3 / 20, -1: -3 / 4, 1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
SECOND = {-3: 1 / 90, -2: -3 / 20, -1: 3 / 2, 0: -49 / 18, 1: 3 / 2, 2: -3 / 20, 3: 1 / 90}


def generator(f, depth, kappa, step=0.02):
    """Lf = Df[drift] + ½ Σ D²f[noise, noise], by differences of sixth order."""

    def Lf(W):
        drift, noise = coefficients(W, depth, kappa)
        first = sum(c * f(W + step * k * drift) for k, c in FIRST.items()) / step
        here = W[..., None, :, :]
        second = sum(c * f(here + step * k * noise) for k, c in SECOND.items()) / step**2
        return first + 0.5 * second.sum(axis=-2)

    return Lf


def stepper_of(name, d, depth, kappa, start):
    """A scheme, its first state, and the end-to-end matrix of a state."""
    terms = Terms(energies.Quadratic(TARGETS[d]), BETA, kappa, GAMMA, entropy=True)
    if name == "upstairs":
        space = BalancedWeights((d,) * (depth + 1))
        first = flatten(balanced.lift(start, depth, rng=0))
        return upstairs.upstairs(terms, space), first, space.observe
    if name == "euler":
        scheme = EulerDownstairs(terms, d, depth, 0.0)
    else:
        chart = RootChart(terms.energy, depth, BETA, kappa, GAMMA)
        scheme = {"root": RootEuler, "weak2": WeakTwo}[name](chart, d, 0.0)
    return scheme, scheme.start(start), scheme.end_to_end


def local_errors(name, d, depth, kappa, times):
    """E f(one step) - f - hLf - ½h²L²f for each h: (time, observable), and Lf."""
    start = STARTS[d]
    scheme, first, end = stepper_of(name, d, depth, kappa, start)
    Lf = generator(observables, depth, kappa)
    once, twice = Lf(start), generator(Lf, depth, kappa)(start)
    points, mass = cubature(scheme.noise_size)
    states = np.broadcast_to(first, (len(points), *first.shape))
    errors = []
    for h in times:
        mean = mass @ observables(end(scheme.step(states, points, h)))
        errors.append(mean - observables(start) - h * once - h**2 / 2 * twice)
    return np.array(errors), once


def fit(times, errors):
    """The exponent of errors ~ h^q, and its standard error."""
    line, covariance = np.polyfit(np.log(times), np.log(errors), 1, cov=True)
    return line[0], np.sqrt(covariance[0, 0])


CASES = [(2, 2, 0.6), (2, 3, 2.0), (3, 2, 1.0), (3, 3, 0.3), (2, 5, 0.6)]
SCHEMES = ("root", "euler", "upstairs", "weak2")


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(("d", "depth", "kappa"), CASES)
def test_weak_order_by_cubature(name, d, depth, kappa):
    times = 1e-3 * 2.0 ** -np.arange(4)
    errors, _ = local_errors(name, d, depth, kappa, times)
    order, error = fit(times, np.linalg.norm(errors, axis=1))
    assert error < 0.01, (order, error)
    assert abs(order - (3 if name == "weak2" else 2)) < 0.02, (order, error)


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(("depth", "kappa"), [(2, 0.0), (3, 0.6), (5, 2.0)])
def test_one_step_has_the_generator_of_the_equation(name, depth, kappa):
    # (E f(step) - f)/h → Lf: for upstairs this is the submersion of one generator on another
    h = 2e-5
    errors, once = local_errors(name, 2, depth, kappa, (h, h / 2))
    limit = 2 * errors[1] / (h / 2) - errors[0] / h
    assert np.abs(limit).max() < 1e-6 * np.abs(once).max()


def on_a_straight_line(layers, step):
    """Balanced weights over W + dφ(V): a retraction of first order."""
    below = list(itertools.accumulate(layers, lambda B, W: W @ B))
    return balanced.lift(below[-1] + push_forward(tuple(step), layers, below), len(layers))


def test_retraction_of_first_order_has_another_generator(monkeypatch):
    monkeypatch.setattr(upstairs, "retract", on_a_straight_line)
    errors, once = local_errors("upstairs", 2, 3, 0.6, (1e-4,))
    assert np.abs(errors).max() / 1e-4 > 0.1 * np.abs(once).max()


# ---------------------------------------------------------------------------------- strong order


def test_strong_order_one_half_by_coupled_noise():
    # the noise does not commute: both have order 1/2, measured 0.502 ± 0.016 and 0.486 ± 0.009,
    # and one and the same limit
    depth, time, finest, n = 3, 0.01, 1024, 1000
    increments = np.random.default_rng(0).standard_normal((finest, n, 4))

    def end(name, steps):
        scheme, first, W = stepper_of(name, 2, depth, KAPPA, STARTS[2])
        state = np.broadcast_to(first, (n, 2, 2))
        for normals in increments.reshape(steps, -1, n, 4).sum(axis=1) * np.sqrt(steps / finest):
            state = scheme.step(state, normals, time / steps)
        return W(state)

    exact, levels = end("root", finest), np.array([8, 16, 32, 64])
    for name in ("root", "euler"):
        squares = [np.sum((end(name, k) - exact) ** 2, axis=(1, 2)) for k in levels]
        groups = np.array(squares).reshape(len(levels), 10, -1).mean(axis=2)
        orders = np.polyfit(np.log(time / levels), np.log(groups) / 2, 1)[0]
        error = orders.std(ddof=1) / np.sqrt(10)
        assert error < 0.02, (orders.mean(), error)
        assert abs(orders.mean() - 0.5) < 0.05, (orders.mean(), error)

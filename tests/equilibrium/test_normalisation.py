"""Where Z is finite: against integrals cut off at growing bounds, and against sampled densities."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import entropy, metric
from dlngeo.energies import LinearRegression, MatrixCompletion, MatrixSensing, Quadratic
from dlngeo.equilibrium import Normalisability, is_rotation_invariant, normalisable
from dlngeo.equilibrium._normalisation import Setting

INF = math.inf


class Radial:
    """E = f(‖W‖²): an energy of a user's own."""

    def __init__(self, function, slope):
        self.function, self.slope = function, slope

    def value(self, W):
        return self.function((W**2).sum(axis=(-2, -1)))

    def gradient(self, W):
        return 2 * self.slope((W**2).sum(axis=(-2, -1)))[..., None, None] * W

    def hessian(self, W, Z):
        raise NotImplementedError


class Smallest:
    """E = ½ σ_min²: rotation-invariant, and blind to all singular values but one."""

    def value(self, W):
        return 0.5 * np.linalg.svd(W, compute_uv=False)[..., -1] ** 2

    def gradient(self, W):
        U, sigma, Vt = np.linalg.svd(W)
        return sigma[..., -1, None, None] * U[..., :, -1:] * Vt[..., -1:, :]

    def hessian(self, W, Z):
        raise NotImplementedError


def logarithm(strength):
    """E = strength log(1 + ‖W‖²)."""
    return Radial(lambda s: strength * np.log1p(s), lambda s: strength / (1 + s))


def square(d):
    return Quadratic(np.zeros((d, d)))


def finite(energy, d=2, beta=1.0, **rest):
    return normalisable(energy, shape=(d, d), beta=beta, **rest).finite


# ------------------------------------------------------------------------ rotation invariance


def test_energies_that_see_singular_values_alone(rng):
    d = 3
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    everything = np.ones((d, d), dtype=bool)
    for energy in (
        square(d),
        LinearRegression(3 * rotation, np.zeros((d, d))),
        MatrixCompletion(np.zeros((d, d)), everything),
        MatrixSensing(np.eye(d * d).reshape(-1, d, d), np.zeros(d * d)),
        logarithm(2.0),
        Smallest(),
    ):
        assert is_rotation_invariant(energy, d)


def test_energies_that_see_more(rng):
    d = 3
    nearly = np.ones((d, d), dtype=bool)
    nearly[2, 2] = False
    for energy in (
        Quadratic(np.eye(d)),
        Quadratic(1e-9 * np.eye(d)),
        LinearRegression(np.diag([1.0, 1.0, 1.0001]), np.zeros((d, d))),
        MatrixCompletion(np.zeros((d, d)), nearly),
        MatrixSensing(np.eye(d)[None], np.zeros(1)),  # ½ (tr W)²: one-sided turns change it
    ):
        assert not is_rotation_invariant(energy, d)


def test_rectangular_energies():
    assert is_rotation_invariant(Quadratic(np.zeros((2, 4))), (2, 4))
    assert not is_rotation_invariant(Quadratic(np.ones((2, 4))), (2, 4))
    with pytest.raises(ValueError, match="shape"):
        is_rotation_invariant(Quadratic(np.zeros((2, 4))), 2)


# ------------------------------------------------------------------------------- depth infinity


def log_mass(kappa, farthest):
    """Log of the mass of d = 2, depth inf, E = ½‖W‖², with log(σ_1/σ_2) below ``farthest``."""
    u = np.linspace(-20, 3, 1201)[:, None]
    s = np.linspace(-12, math.log(farthest), 3001)
    gap = np.exp(s)
    a = 1 / (2 * kappa)
    energy = np.exp(2 * u) * (1 + np.exp(-2 * gap)) / (2 * kappa)
    log = a * (2 * u + np.log(-np.expm1(-2 * gap)) - s) + 2 * s - energy
    top = log.max()
    return top + math.log(np.exp(log - top).sum() * (s[1] - s[0]))


@pytest.mark.parametrize("kappa", [0.15, 0.2, 0.24, 0.26, 0.4, 1.0])
def test_depth_infinity_against_cut_off_integrals(kappa):
    # the mass within a gap g grows like ∫^g u^{1-a} du, d = 2
    one, two = (log_mass(kappa, g) for g in (1e8, 1e10))
    grows = two - one > 1e-2 * math.log(100)
    assert finite(square(2), depth=INF, kappa=kappa) is not grows


def test_depth_infinity_threshold():
    for d in (2, 3, 10):
        edge = (d - 1) / (2 * d)
        assert finite(square(d), d, depth=INF, kappa=0.999 * edge) is True
        answer = normalisable(square(d), shape=(d, d), depth=INF, beta=1.0, kappa=edge)
        assert answer.finite is False and "depth inf" in answer.reason
        # no energy that is finite at σ = 0 helps
        assert finite(Quadratic(np.eye(d)), d, depth=INF, kappa=edge) is False
    assert finite(square(1), 1, depth=INF, kappa=1e-3) is False


# ----------------------------------------------------------------------------- growth at infinity


@pytest.mark.parametrize("kappa", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_logarithmic_energy_against_cut_off_integrals(depth, kappa):
    """∫ over λ_2 < λ_1 < L for E = s log(1 + ‖W‖²) settles, or grows, as L does."""
    a, b = 1 / (2 * kappa), 1 - 1 / (2 * kappa)

    def mass(strength, limit):
        t, weight = np.polynomial.legendre.leggauss(60)
        t = (t[:, None] + 1) / 2  # λ_2 = t λ_1
        log = np.linspace(-30, math.log(limit) / depth, 6001)
        lam = np.exp(log)
        pair = (lam ** (2 * depth) * (1 - t ** (2 * depth))) ** a * (lam**2 * (1 - t**2)) ** b
        held = (1 + lam ** (2 * depth) * (1 + t ** (2 * depth))) ** (-strength / kappa)
        density = pair * held * lam**2 * weight[:, None] / 2
        return density.sum() * (log[1] - log[0])

    critical = kappa / 2 * (2 * (a + b / depth) + 2 / depth)  # both values large
    for strength, known in ((0.9 * critical, False), (1.1 * critical, True)):
        settled = bool(mass(strength, 1e24) / mass(strength, 1e20) < 1.01)
        assert settled is known
        assert finite(logarithm(strength), depth=depth, kappa=kappa) is known


def test_energies_that_grow_faster_than_logarithms():
    for energy in (
        square(3),
        Radial(lambda s: (1 + s) ** 0.05, lambda s: 0.05 * (1 + s) ** -0.95),
        Radial(lambda s: np.log1p(s) ** 2, lambda s: 2 * np.log1p(s) / (1 + s)),
    ):
        assert finite(energy, 3, depth=2) is True


def test_energies_that_do_not_grow():
    bounded = Radial(lambda s: s / (1 + s), lambda s: 1 / (1 + s) ** 2)
    for energy in (bounded, Smallest()):
        answer = normalisable(energy, shape=(3, 3), depth=2, beta=1.0)
        assert answer.finite is False and "weight_decay would help" in answer.reason
        assert finite(energy, 3, depth=2, weight_decay=0.1) is True


def test_weight_decay_against_an_energy_that_falls():
    falling = Radial(lambda s: -s, lambda s: -np.ones_like(s))
    assert finite(falling, 3, depth=1, weight_decay=1.0) is False  # -σ² + σ²/2
    assert finite(falling, 3, depth=1, weight_decay=4.0) is True
    assert finite(falling, 3, depth=2, weight_decay=4.0) is False  # -σ² + 4σ
    assert finite(square(3), 3, depth=1e6, weight_decay=1e-3) is True


# ---------------------------------------------------------------------------------- completion


def hole(d, entries):
    mask = np.ones((d, d), dtype=bool)
    for i, j in entries:
        mask[i, j] = False
    return MatrixCompletion(np.eye(d), mask)


@pytest.mark.parametrize(
    ("d", "entries", "directions", "rank"),
    [(2, [(1, 1)], 1, 1), (2, [(0, 1), (1, 0)], 2, 2), (3, [(0, 0), (0, 1)], 2, 1)],
)
@pytest.mark.parametrize("depth", [2, 3, INF])
def test_growth_along_what_is_not_seen(rng, d, entries, directions, rank, depth):
    """The exponent is the measured slope of log(volume of g^N · e^{S/κ}) plus the directions."""
    kappa = 0.15
    setting = Setting.of(None, (d, d), depth, 1.0, kappa, None, 0.0)
    W, D = rng.standard_normal((d, d)), np.zeros((d, d))
    for i, j in entries:
        D[i, j] = 0.7 + i + j
    levels = []
    for x in (1e5, 1e6):
        point = W + x * D
        levels.append(
            metric.log_volume_density(point, depth) + entropy.boltzmann(point, depth) / kappa
        )
    slope = (levels[1] - levels[0]) / math.log(10)
    t, q = setting.null_space_powers()
    known = directions - rank * t - q * sum(d - i for i in range(1, rank + 1))
    # at depth inf logarithms of the gaps go along with the power
    assert_allclose(directions + slope, known, rtol=0.2 if math.isinf(depth) else 1e-3)


@pytest.mark.parametrize("kappa", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("depth", [1, 2, 3, 30, INF])
def test_completion_has_no_mass_at_small_kappa(depth, kappa):
    for energy in (hole(2, [(1, 1)]), hole(2, [(0, 1), (1, 0)])):
        answer = normalisable(energy, shape=(2, 2), depth=depth, beta=1.0, kappa=kappa)
        assert answer.finite is False and "Z = ∞" in answer.reason


def one_hole_mass(depth, kappa, farthest):
    """∫ over 10 < |W_22| < farthest for the other entries at a fixed generic place."""
    x = np.concatenate([sign * np.geomspace(10, farthest, 4000) for sign in (-1, 1)])
    W = np.empty((x.size, 2, 2))
    W[:] = [[0.7, 0.4], [-0.3, 0.0]]
    W[:, 1, 1] = x
    log = metric.log_volume_density(W, depth) + entropy.boltzmann(W, depth) / kappa
    return (np.exp(log) * np.abs(x)).sum() * math.log(farthest / 10)


@pytest.mark.parametrize(("depth", "kappa"), [(2, 0.4), (2, 1.0), (3, 0.6), (3, 1.0), (6, 3.0)])
def test_one_hole_against_cut_off_integrals(depth, kappa):
    near, far = (one_hole_mass(depth, kappa, limit) for limit in (1e12, 1e16))
    settled = bool(abs(far / near - 1) < 0.02)
    assert finite(hole(2, [(1, 1)]), depth=depth, kappa=kappa) is settled


def test_what_confines_a_completion():
    energy = hole(2, [(0, 1), (1, 0)])
    assert finite(energy, depth=2, weight_decay=0.1) is True
    assert finite(hole(2, []), depth=2) is True
    # at larger κ the volume of a deep network falls fast enough along the hole
    assert finite(energy, depth=3) is False
    assert finite(energy, depth=4) is True
    narrow = normalisable(energy, shape=(2, 2), depth=2, beta=1.0, widths=(2, 1, 2))
    assert narrow.finite is None


def test_other_energies():
    assert finite(Quadratic(np.eye(2)), depth=3) is True
    assert finite(LinearRegression(np.eye(2), np.eye(2)), depth=3) is True
    tilted = Radial(lambda s: s, lambda s: np.ones_like(s))
    tilted.value = lambda W: (W**2).sum(axis=(-2, -1)) + W[..., 0, 0]
    unknown = normalisable(tilted, shape=(2, 2), depth=3, beta=1.0)
    assert unknown.finite is None and "neither" in unknown.reason


def test_energies_that_forbid():
    """NaN and infinity far out keep all mass near; -infinity does not."""
    for wall, known in ((np.nan, True), (np.inf, True), (-np.inf, False)):
        energy = Radial(lambda s, w=wall: np.where(s < 1e9, s, w), lambda s: np.ones_like(s))
        assert finite(energy, depth=2) is known


def test_true_only_where_finite():
    assert Normalisability(True, "")
    assert not Normalisability(False, "")
    assert not Normalisability(None, "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": (2, 3)}, "widths"),
        ({"shape": 2}, "shape must be two integers"),
        ({"depth": 0.5}, "depth"),
        ({"beta": 0}, "beta"),
        ({"kappa": 0}, "kappa"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"depth": INF, "weight_decay": 1}, "weight_decay 0"),
        ({"widths": (2, 2)}, "do not fit depth"),
    ],
)
def test_refusals(change, words):
    arguments = {"shape": (2, 2), "depth": 2, "beta": 1.0} | change
    energy = Quadratic(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=words):
        normalisable(energy, **arguments)

"""The law of large width at any κ: its formulas against other ones, and a small run of the study.

Statistical tests allow 5 standard errors.
"""

import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

import dlngeo as dln
from dlngeo.equilibrium import _limit_kappa

STUDIES = Path(__file__).parents[2] / "studies"
SIZES = np.array([10, 20, 40])


@pytest.fixture(scope="module")
def width():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import width

        yield width
    for name in ("width", "width_law"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def small(width):
    """(quantity, 2) at three widths, N = 3, κ = 2."""
    rows = []
    for d in SIZES:
        cell = SimpleNamespace(energy=width.ball(d), depth=3.0, cell={"kappa": 2.0}, W=np.ones(1))
        rows.append(width.gas(cell)[0])
    return np.array(rows)


# ----------------------------------------------------------------------------- the formulas


@pytest.mark.parametrize("kappa", [0.1, 0.3, 0.5, 0.7, 3.0])
@pytest.mark.parametrize("depth", [1.0, 2.0, 5.0])
def test_the_mean_is_exact(width, depth, kappa):
    """Lim κ[a + b/N], a = 1/(2κ), b = 1 - a."""
    mu = width.law(depth, kappa)
    assert_allclose(mu.moments[:2], [1, 0.5 * (1 + (2 * kappa - 1) / depth)], rtol=1e-12)
    assert mu.high == pytest.approx(width.law(depth, kappa).high)
    assert (mu.low > 0) == (kappa < 0.5 and depth > 1)


@pytest.mark.parametrize(("depth", "kappa"), [(2.0, 0.1), (3.0, 0.3), (2.0, 2.0), (4.0, 0.7)])
def test_the_equilibrium_equation(width, depth, kappa):
    """The force at x is zero, its principal value by pairs on both sides of x in log y."""
    mu, t, theta = width.law(depth, kappa), 2 * kappa - 1, 1 / depth
    low, high = np.log(mu.low or 1e-40), np.log(mu.high)

    def mass(v):
        return float(mu.density(np.array([np.exp(v)]))[0]) * np.exp(v)

    for x in mu.low + (mu.high - mu.low) * np.array([0.15, 0.6]):
        u = np.log(x)

        def kernel(v, u=u):
            return -(1 / np.expm1(v - u) + t * theta / np.expm1(theta * (v - u)))

        reach = 0.5 * (high - u)

        def even(w, u=u, kernel=kernel):
            return kernel(u + w) * mass(u + w) + kernel(u - w) * mass(u - w)

        total = quad(even, 1e-7, reach, epsabs=1e-9, limit=200)[0]
        total += quad(lambda v: kernel(v) * mass(v), u + reach, high, epsabs=1e-9, limit=200)[0]
        total += quad(lambda v: kernel(v) * mass(v), low, u - reach, epsabs=1e-9, limit=400)[0]
        assert_allclose(total, x, rtol=2e-4)


def test_collocation_tends_to_the_formula(width):
    """Just below ½ the gap is e^-34 of the edge, and two ways that share no code meet."""
    law = sys.modules["width_law"]
    mu = law.law(2.0, 0.48)
    assert 0 < mu.low < 1e-14
    assert_allclose(mu.high, _limit_kappa.edge(2.0, 0.48), rtol=1e-12)
    assert_allclose(mu.moments, _limit_kappa.moments(2.0, 4, 0.48), rtol=1e-12)
    with pytest.raises(ValueError, match="edge"):
        law.law(2.0, 0.4999)
    with pytest.raises(ValueError, match="positive"):
        law.law(2.5, -1.0)


@pytest.mark.parametrize(("depth", "kappa"), [(2.0, 0.1), (8.0, 0.25), (3.0, 0.4), (3.0, 2.0)])
def test_outside_the_force_points_inwards(width, depth, kappa):
    mu, t, theta = width.law(depth, kappa), 2 * kappa - 1, 1 / depth
    y = np.geomspace(mu.low or 1e-12 * mu.high, mu.high, 20001)
    weight = mu.density(y) * y
    assert (weight >= 0).all()

    def force(x):
        kernel = x / (x - y) + t * theta * x**theta / (x**theta - y**theta)
        return np.trapezoid(kernel * weight, np.log(y)) - x

    assert all(force(mu.high * share) < 0 for share in (1.01, 1.1, 2, 10))
    if mu.low:
        assert all(force(mu.low * share) > 0 for share in (0.99, 0.9, 0.5, 0.01))


def test_spacing_laws(width):
    """The variance of Gaudin's law, 0.286; E(0) = 1, E'(0) = -1."""
    laws = width.spacing_laws()
    assert laws["spread"] == pytest.approx(0.286, abs=1e-3)
    slope = (width.gap_probability(1e-5) - width.gap_probability(0.0)) / 1e-5
    assert slope == pytest.approx(-1, abs=1e-4)


def test_fits(width):
    d = np.array([8.0, 16, 32, 64])
    values = 2 + 3 / d - 5 / d**2
    rows = np.zeros((4, 9, 2)) + 1e-3
    rows[:, 0, 0] = values
    assert width.extrapolated(d, rows, "m1")[0] == pytest.approx(2, rel=1e-9)
    variance = d ** (2 * (2 / 3 - 0.6)) * np.exp(2 * d ** (-2 / 3))
    assert width.edge_exponent(d, variance, 0.01 * variance)[0] == pytest.approx(0.6, rel=1e-9)


# -------------------------------------------------------------------------------- the study


def test_the_law_over_widths(width, small):
    limits = width.wanted(3.0, 2.0)
    for name, limit in limits.items():
        value, error = width.extrapolated(SIZES, small, name)
        assert abs(value - limit) < 5 * error, name
    assert width.extrapolated(SIZES, small, "m2")[1] < 0.02 * limits["m2"]
    at_one = dln.equilibrium.limit_moments(3, 2)[2]  # of κ = 1, which is far off
    assert abs(limits["m2"] - at_one) > 20 * width.extrapolated(SIZES, small, "m2")[1]


def test_edge_and_spacings(width, small):
    variance = small[:, width.QUANTITIES.index("top_variance")].T
    value, error = width.edge_exponent(SIZES, *variance)
    assert abs(value - 2 / 3) < 5 * error
    value, error = width.edge_exponent(SIZES, *variance, corrected=False)
    same, other = width.edge_exponent(SIZES, *width.wishart(SIZES, 2000), corrected=False)
    assert abs(value - same) < 5 * np.hypot(error, other)  # as of Wishart matrices
    value, error = width.extrapolated(SIZES, small, "repulsion")
    assert error < 0.1 and value < 1.5  # the first power, not the second
    assert small[:, -1, 0].max() < 1.1


def test_below_one_half_there_is_a_gap(width):
    """The least x tends to where μ begins, by d^{-2/3} and 1/d; elsewhere to zero."""
    rows = np.array([width.measure(width.draws(d, 3.0, 0.1)[0], 3.0, 0.1) for d in SIZES])
    value, error = width.extrapolated(SIZES, rows, "least")
    assert abs(value - width.law(3.0, 0.1).low) < 5 * error
    assert error < 0.1 * value


def test_weight_decay_alone_has_the_same_factor(width):
    """For cx^p in place of x: L^s p P(0)/((p + s) P(s)), cpL^p = P(0)P(p); decay is p = 1/N."""
    depth, kappa, decay = 3.0, 2.0, 1e6  # against which ½ Tr WᵀW is 1e-17
    rows = np.zeros((len(SIZES), len(width.QUANTITIES), 2)) + 1.0
    for row, d in zip(rows, SIZES, strict=True):
        found = dln.equilibrium.sample_singular_values(
            width.ball(d), shape=(d, d), depth=depth, beta=float(d), kappa=kappa,
            weight_decay=decay, n_paths=8, n_draws=300, warmup=150, rng=1,
        )  # fmt: skip
        squares = (decay * depth * found.sigma ** (2 / depth)) ** 2
        each = squares.mean(axis=-1)
        row[1] = each.mean(), each.std() / np.sqrt(width.effective_size(each))
    value, error = width.extrapolated(SIZES, rows, "m2")
    one, two = _limit_kappa.factor(np.array([1.0, 2.0]) / depth + 0j, depth, kappa).real
    zero = np.sqrt((depth - 1 + 2 * kappa) / (2 * kappa * depth))
    limit = (2 * kappa * depth * zero * one) ** 2 * zero / (3 * two)
    assert abs(value - limit) < 5 * error
    assert error < 0.02 * limit


def test_the_file(width):
    description = tomllib.loads((STUDIES / "width.toml").read_text())
    assert description["energy"] == {"call": "width:ball"}
    assert set(description["grid"]) == {"depth", "kappa", "energy.size"}
    assert min(description["grid"]["kappa"]) < 0.5 < 1 < max(description["grid"]["kappa"])

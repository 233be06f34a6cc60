"""A small version of the study of noise on problem 14.1: the law far out, and paths in stages.

Statistical statements allow 5 standard errors; seeds are fixed.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

import dlngeo as dln

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def noise():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import noise

        yield noise
    for name in ("noise", "noise_law", "noise_paths", "noise_outside"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def law(noise):
    return sys.modules["noise_law"]


@pytest.fixture(scope="module")
def paths(noise):
    return sys.modules["noise_paths"]


# ----------------------------------------------------------------------------- the law far out


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("kappa", [0.5, 1.0, 3.0])
def test_the_drift_by_differences_of_the_generator(law, depth, kappa):
    """(κ Δ R² + (½ - κ) ∇ log h · ∇R²)/(βN) by central differences of log h."""

    def log_h(x):
        return np.log((x[0] ** (2 * depth) - x[1] ** (2 * depth)) / (x[0] ** 2 - x[1] ** 2))

    x, step = np.array([1.7, 0.6]), 1e-5
    slope = [(log_h(x + e) - log_h(x - e)) / (2 * step) for e in step * np.eye(2)]
    found = (4 * kappa + (0.5 - kappa) * 2 * (x @ slope)) / (0.7 * depth)
    assert found == pytest.approx(law.drift(depth, kappa, 0.7), rel=1e-8, abs=1e-8)
    bessel = 2 * kappa * law.dimension(depth, kappa) / (0.7 * depth)
    assert bessel == pytest.approx(found, rel=1e-8, abs=1e-8)
    assert law.exponent(2, 1.0) == 1 and law.exponent(5, 1.0) == law.exponent(3, 1.0) == 1.5


@pytest.mark.parametrize(("depth", "kappa"), [(2, 1.0), (3, 0.5), (3, 1.0), (5, 1.0), (5, 2.0)])
def test_the_median_ratio_halves_the_reversible_density(law, depth, kappa):
    """Of the pair's density h^{1/(2κ) - 1} dλ_1 dλ_2 on a circle, h as a quotient."""

    def density(theta):
        x, y = np.cos(theta), np.sin(theta)
        h = (x ** (2 * depth) - y ** (2 * depth)) / (x**2 - y**2)
        return h ** (1 / (2 * kappa) - 1)

    middle = np.arctan(law.ratio(depth, kappa) ** (1 / depth))
    below, above = (quad(density, *ends)[0] for ends in ((0, middle), (middle, np.pi / 4 - 1e-9)))
    assert_allclose(below, above, rtol=1e-5)
    if kappa == 0.5 or depth == 2:
        assert_allclose(law.ratio(depth, kappa), np.tan(np.pi / 8) ** depth, rtol=1e-6)


def test_the_radial_process_in_one_dimension(law):
    """δ = 1: √2 + |B|, B of variance t."""
    times = np.array([1.0, 30.0, 1000.0])
    R, laws = law.radial(2, 1.0, times)
    assert_allclose(laws.sum(axis=1), 1.0, rtol=1e-9)
    assert (laws >= 0).all()
    exact = 2 + times + 2 * np.sqrt(2) * np.sqrt(2 * times / np.pi)
    assert_allclose(laws @ R**2, exact, rtol=2e-3)


def test_the_radial_process_settles_where_it_returns(law):
    """δ = -2, N = 5, κ = 1: P(R² > u) = 2/u at long times, and E[R^5] ~ t^{3/2}."""
    R, laws = law.radial(5, 1.0, [1e5, 1e6])
    above = 1 - laws[1].cumsum()
    some = (R**2 > 3) & (R**2 < 100)
    assert_allclose(above[some], 2 / R[some] ** 2, rtol=0.03)
    first, last = laws @ R**5
    assert np.log10(last / first) == pytest.approx(1.5, abs=0.01)


def test_the_radial_process_of_another_core(law, noise):
    """N = 2, κ = 1: half of E[(√c + |B|)²], and the core found again from means."""
    at, t = law.unseen(2, 1.0), np.geomspace(2, 50, 9)
    for c in (0.7, 3.0):
        exact = (c + t + 2 * np.sqrt(c) * np.sqrt(2 * t / np.pi)) / 2
        assert_allclose(at(t, c), exact, rtol=2e-3)
        assert noise.core(at, t, exact * np.array([[0.5], [1.5]])) == pytest.approx(c, rel=0.01)


def test_the_share_of_an_entry(law):
    """κ = ½, N = 3: |Z|³ (t/3)^{3/2} in the long run, Z normal."""
    t = 5e3
    assert law.unseen(3, 0.5)(t, 0.5) == pytest.approx(
        np.sqrt(8 / np.pi) * (t / 3) ** 1.5, rel=0.02
    )


@pytest.mark.parametrize(("depth", "kappa", "p"), [(2, 0.5, 1.0), (3, 0.5, 1.5), (5, 0.5, 2.5)])
def test_the_exponent_of_the_radial_process(law, noise, depth, kappa, p):
    times = [1e5, 1e6]
    R, laws = law.radial(depth, kappa, times)
    assert noise.slope(np.array(times), laws @ R**depth) == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize(("depth", "end", "power"), [(2, 100.0, 0.0), (3, 60.0, -0.75)])
def test_without_noise_in_W(noise, law, depth, end, power):
    path = noise.still(depth, [0.0, end / 2, end])
    size = (path.singular_values ** (2 / depth)).sum(axis=-1)
    ratio = path.singular_values[:, 1] / path.singular_values[:, 0]
    assert (size[2] - size[1]) / (end / 2) == pytest.approx(law.drift(depth, 0, 1.0), rel=0.01)
    assert np.log2(ratio[2] / ratio[1]) == pytest.approx(power, abs=0.05)


# ------------------------------------------------------------------------------------ estimates


def test_the_fit(noise):
    t, rng = np.geomspace(1, 100, 30), np.random.default_rng(0)
    paths = t**0.8 * np.exp(0.4 * t**-0.5) * rng.exponential(size=(2000, 1))
    value, error = noise.bootstrap(noise.fit, t, paths)
    assert value == pytest.approx(0.8, abs=1e-6) and error < 1e-6
    assert noise.slope(t, t**1.5) == pytest.approx(1.5)


def test_the_controlled_mean_is_the_mean_and_varies_less(noise):
    rng, found = np.random.default_rng(1), np.zeros((4000, 1, 5))
    found[:, 0, 3] = rng.standard_normal(4000)
    found[:, 0, 0] = 3 + 2 * found[:, 0, 3] + 0.1 * rng.standard_normal(4000)
    better = noise.controlled(found)[:, 0]
    assert better.std() == pytest.approx(0.1, rel=0.05)
    assert abs(better.mean() - 3) < 5 * 0.1 / np.sqrt(4000)


# ------------------------------------------------------------------------------ paths in stages


def test_singular_values(paths):
    W = np.random.default_rng(2).standard_normal((50, 2, 2))
    sigma = np.linalg.svd(W, compute_uv=False)
    assert_allclose(paths.singular_values(W), sigma, rtol=1e-9)
    assert_allclose(paths.radius(W, 3), (sigma ** (2 / 3)).sum(axis=-1), rtol=1e-9)


def test_a_matrix_of_low_rank_is_lifted_to_the_side_that_it_was_on(paths):
    low = np.array([[2.0, 6.0], [1.0, 3.0]]) + 1e-16
    for before in (np.eye(2), np.diag([1.0, -1.0])):
        W = paths._of_full_rank(np.array([low, np.eye(2)]), np.array([before, np.eye(2)]))
        sigma = np.linalg.svd(W[0], compute_uv=False)
        assert sigma[1] == pytest.approx(1e-14 * sigma[0], rel=0.2)
        assert_allclose(W[0], low, atol=1e-13)
        assert np.sign(np.linalg.det(W[0])) == np.linalg.det(before)
        assert (W[1] == np.eye(2)).all()


def test_a_path_that_failed_stays_so(paths):
    plan = paths.Plan(2, 1.0, 1.0, 0.02, 9)
    W = np.tile([[1.0, 0.5], [0.2, 1.0]], (9, 1, 1))
    W[4] = np.nan
    new, sums = paths._follow(plan, W, 0.0, 0.02, iter(range(9)))
    lost = np.arange(9) == 4
    assert (np.isnan(new[:, 0, 0]) == lost).all() and (np.isnan(sums[:, 0]) == lost).all()


@pytest.mark.parametrize(("depth", "kappa"), [(2, 0.5), (3, 1.0), (5, 1.0)])
def test_stages_are_the_langevin_equation(paths, depth, kappa):
    """λ_1² + λ_2² and βE beside one run with a short step; the martingale's mean is 0."""
    plan = paths.Plan(depth, kappa, 2.0, 0.4, 400)
    found = paths.follow(plan, 5, 7)
    size, martingale, energy = found[:, -1, 1], found[:, -1, 3], found[:, -1, 4]
    assert np.isfinite(found).all()
    assert abs(martingale.mean()) < 5 * martingale.std() / 20
    start = np.random.default_rng(5).standard_normal((400, 2, 2))
    run = dln.langevin.simulate(
        paths.ENERGY, start, depth=depth, beta=2.0, kappa=kappa, dt=2e-3, n_steps=200, rng=5
    )
    other = paths.radius(run.W[:, -1], depth)
    error = np.hypot(size.std(), other.std()) / 20
    assert abs(size.mean() - other.mean()) < 5 * error
    late = 2.0 * run.energy[:, run.t > plan.times(5)[-2]].mean(axis=1)
    assert abs(energy.mean() - late.mean()) < 5 * np.hypot(energy.std(), late.std()) / 20


def test_a_small_run(noise, paths, tmp_path, monkeypatch, capsys):
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    cells = {(depth, 1, 1): (0.5, 16) for depth in (2, 3, 5)} | {(2, 1, 4): (2.0, 8)}
    for where in (noise, paths):
        monkeypatch.setattr(where, "CELLS", cells)
    monkeypatch.setattr(paths, "PATHS", 16)
    monkeypatch.setattr(paths, "COUNT", 9)
    monkeypatch.setattr(noise, "STILL", {2: 0.5, 3: 0.5, 5: 0.5})
    study = dln.sweeps.read(STUDIES / "noise.toml")
    grid = study.grid | {"beta": [1.0, 4.0], "kappa": [1.0]}
    runs = dln.sweeps.run(dataclasses.replace(study, grid=grid), tmp_path / "store")
    assert (runs["status"] == 0).all()
    found = {plan[:3]: len(values) for plan, _, values in noise.cells(runs)}
    assert found == {key: count for key, (_, count) in cells.items()}
    assert np.isnan(runs["growth"].sel(depth=3, beta=4.0)).all()
    noise.draw(runs)
    noise.report(runs, begin=0.1)
    words = capsys.readouterr().out
    assert words.count("16 of 16 paths") == 3 and words.count("laws of |W_12|") == 1


def test_far_out(noise, law, tmp_path):
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    import noise_outside

    study = dln.sweeps.read(STUDIES / "noise_outside.toml")
    dynamics = study.dynamics | {"steps": 200, "engine": "auto"}
    study = dataclasses.replace(study, paths=200, grid={"depth": [3], "kappa": [1.0]})
    runs = dln.sweeps.run(dataclasses.replace(study, dynamics=dynamics), tmp_path / "store")
    cell = runs.sel(depth=3, kappa=1.0)
    assert (cell["status"] == 0).all()
    size = noise_outside.radius(cell, 3)
    rise = (size[:, -1] - size[:, 0]) / 0.02
    assert abs(rise.mean() - law.drift(3, 1.0, 1.0)) < 5 * rise.std() / np.sqrt(200)
    value, error = noise_outside.balance(cell, 3, 1.0)
    assert abs(value - 1) < 5 * error
    noise_outside.draw(runs)
    noise_outside.report(runs)

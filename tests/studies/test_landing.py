"""Small versions of the studies of where completion lands, and of which completions couple.

Statistical statements allow 5 standard errors; seeds are fixed.
"""

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import dlngeo as dln

pytest.importorskip("zarr")
pytest.importorskip("xarray")

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def modules():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import coupling
        import landing

        yield landing, coupling


def small(name, paths, grid, folder):
    study = dln.sweeps.read(STUDIES / f"{name}.toml")
    study = dataclasses.replace(study, paths=paths, grid=study.grid | grid)
    return dln.sweeps.run(study, folder)


@pytest.fixture(scope="module")
def ends(tmp_path_factory, modules):
    grid = {"depth": [2, 3, 10], "scale": [0.1, 0.01]}
    return small("landing", 300, grid, tmp_path_factory.mktemp("landing") / "store")


def test_what_is_conserved_is_kept(ends, modules):
    for depth in (2, 3, 10):
        for scale in (0.1, 0.01):
            found = modules[0].checks(ends.sel(depth=depth, scale=scale), depth)
            assert (found.failed, found.flips) == (0, 0)
            assert found.drift < 1e-9
            assert found.conditioned < 1e3
            if depth == 2:
                assert found.closed < 1e-8
                assert found.p_value > 1e-3


def test_sides_of_the_determinant(ends, modules):
    landing = modules[0]
    ratios = {}
    for depth in (2, 3, 10):
        cell = ends.sel(depth=depth, scale=0.01)
        q, up = landing.ratio(cell), cell["det_start"].values > 0
        ratios[depth] = np.median(q[up]), np.median(q[~up])
    # deeper is closer to rank one where det W(0) > 0, further from it where det W(0) < 0
    assert ratios[2][0] > 3 * ratios[3][0] > 9 * ratios[10][0]
    assert 9 * ratios[2][1] < 3 * ratios[3][1] < 2 * ratios[10][1]


def test_ends_gather_by_the_law_of_the_invariant(ends, modules):
    landing = modules[0]
    three = ends.sel(depth=3, scale=0.01)
    down = three["det_start"].values < 0
    c = np.abs(three["invariant_start"].values[:, 0])
    np.testing.assert_allclose(landing.log_a(three)[down] / (2 ** (-2 / 3) * c[down]), 1, atol=0.03)


def test_at_infinite_depth(tmp_path, modules):
    landing = modules[0]
    deep = small("landing", 40, {"depth": [math.inf], "scale": [0.1]}, tmp_path / "store")
    deep = deep.sel(depth=math.inf, scale=0.1)
    found = landing.checks(deep, math.inf)
    assert (found.failed, found.flips) == (0, 0)
    assert found.drift < 1e-9
    # with c, det W fixes the end: W_12² - W_21² = c (σ_1² - σ_2²) / (2 log(σ_1/σ_2))
    sigma = deep["singular_values"].values.T
    mean = (sigma[0] ** 2 - sigma[1] ** 2) / (2 * np.log(sigma[0] / sigma[1]))
    c, x, y = deep["invariant_start"].values[:, 0], deep["W_0_1"].values, deep["W_1_0"].values
    np.testing.assert_allclose(x**2 - y**2, c * mean, rtol=1e-8)


def test_the_exponent(tmp_path, modules):
    landing = modules[0]
    scales = [1e-3, 1e-4, 1e-5, 1e-6]
    runs = small("landing_exponents", 400, {"depth": [3], "scale": scales}, tmp_path / "store")
    rows = [runs.sel(depth=3, scale=scale) for scale in scales]
    draws = [landing.log_a(row)[row["det_start"].values < 0] for row in rows]
    found = landing.exponent(np.array(scales), draws, 3.0)
    assert found.error < 0.06
    assert abs(found.value - 2 / 3) < 5 * found.error
    landing.draw_exponents(runs)


def test_the_fit_finds_an_exponent_under_its_correction(modules):
    rng, scales = np.random.default_rng(0), np.array([1e-3, 1e-4, 1e-5, 1e-6])
    draws = [2 * s**0.4 * (1 + 0.5 * s**0.4) * np.exp(rng.standard_normal(4000)) for s in scales]
    found = modules[0].exponent(scales, draws, 5.0)
    assert abs(found.value - 0.4) < 5 * found.error < 0.1


def test_jumps_of_diagonal_starts(modules):
    """Each entry moves alone, exactly; one may come before the other, or both at once."""
    start = np.array([[1e-2, 1e-3], [1e-2, 1e-2], [1e-2, 1e-7]])
    energy = dln.energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    depth = 3.0
    times = dln.exact.passage_time(start, 0.9999, 1.0, depth)
    W = np.array([np.diag(one) for one in start])
    runs = SimpleNamespace(energy=energy, start=W, depth=depth, t_end=times.max(axis=1))
    down, up, half, rise = modules[0].jumps(runs).T
    np.testing.assert_array_equal(down, 0)  # the first goes down from 1.36 all the time
    np.testing.assert_array_equal(up, [1, 0, 1])  # then, as the last does, from 1 to 2
    t = np.linspace(0, 1.5 * times.max(axis=1), 4000)[..., None]
    rank = dln.observables.effective_rank(dln.exact.singular_value(t, start, 1.0, depth))
    np.testing.assert_allclose(rise, rank[-1] - rank.min(axis=0), atol=1e-3)
    at_half = 1 - 0.99 * math.sqrt(0.5)  # both at once: (1 - w)² from 0.99² to half of it
    known = dln.exact.passage_time(1e-2, at_half, 1.0, depth)
    np.testing.assert_allclose(half[1], known, rtol=1e-4)


def test_when_the_rank_jumps(tmp_path, modules):
    landing = modules[0]
    runs = small("landing_jumps", 20, {"depth": [3], "scale": [1e-2, 1e-3]}, tmp_path / "store")
    cell = runs.sel(depth=3, scale=1e-3)
    down, up, half, _ = cell["jumps"].values.T
    assert 0.1 < (down > 0).mean() < 0.9 and (up > 0).sum() <= 2 and np.isfinite(half).all()
    ratio = np.median(half) / np.median(runs.sel(depth=3, scale=1e-2)["jumps"].values[:, 2])
    assert 1.6 < ratio < 3.2  # 10^{1/3} = 2.15, and a correction
    landing.draw_jumps(runs)


def test_which_completions_couple(tmp_path, modules):
    coupling = modules[1]
    scales = [1.0, 1e-2, 1e-4]
    grid = {"energy.blocks": ["1+1", "1+1+1"], "depth": [2, 3], "scale": scales}
    runs = small("coupling", 150, grid, tmp_path / "store")
    for blocks in ("1+1", "1+1+1"):
        q, sign = coupling.ratios(runs, blocks, 3)
        assert np.median(q[-1]) < 0.01 * np.median(q[0])
        q, sign = coupling.ratios(runs, blocks, 2)
        least = np.median(q[-1][sign[-1] > 0])
        assert least > 0.2  # decoupled: no less at any scale
    q, sign = coupling.ratios(runs, "1+1", 2)
    assert np.median(q[-1][sign[-1] < 0]) < 1e-6  # where det W < 0 nothing else is left
    coupling.draw(runs)


def test_a_diagonal_start_never_couples():
    for d in (2, 3, 4):
        energy = dln.energies.MatrixCompletion(np.eye(d), np.eye(d, dtype=bool))
        starts = 1e-3 * np.diag(np.arange(1.0, d + 1))[None]
        for depth in (2, 3, 4):
            run = dln.flows.ensemble(energy, starts, (0, 1e9), depth=depth, stop_loss=1e-16, gtol=0)
            np.testing.assert_allclose(run.W_end[0], np.eye(d), atol=1e-7)

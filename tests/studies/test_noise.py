"""A small version of the study of noise on problem 14.1: the squared Bessel process far out.

Statistical statements allow 5 standard errors; seeds are fixed.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

import dlngeo as dln

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def noise():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import noise

        yield noise
    sys.modules.pop("noise", None)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("kappa", [0.5, 1.0, 3.0])
def test_the_drift_by_differences_of_the_generator(noise, depth, kappa):
    """(κ Δ R² + (½ - κ) ∇ log h · ∇R²)/(βN) by central differences of log h."""

    def log_h(x):
        return np.log((x[0] ** (2 * depth) - x[1] ** (2 * depth)) / (x[0] ** 2 - x[1] ** 2))

    x, step = np.array([1.7, 0.6]), 1e-5
    slope = [(log_h(x + e) - log_h(x - e)) / (2 * step) for e in step * np.eye(2)]
    found = (4 * kappa + (0.5 - kappa) * 2 * (x @ slope)) / (0.7 * depth)
    assert found == pytest.approx(noise.drift(depth, kappa, 0.7), rel=1e-8, abs=1e-8)
    bessel = 2 * kappa * noise.dimension(depth, kappa) / (0.7 * depth)
    assert bessel == pytest.approx(found, rel=1e-8, abs=1e-8)
    assert noise.exponent(2, 1.0) == 1 and noise.exponent(5, 1.0) == noise.exponent(3, 1.0) == 1.5


def test_the_fit(noise):
    t, rng = np.geomspace(1, 100, 30), np.random.default_rng(0)
    paths = t**0.8 * np.exp(0.4 * t**-0.5) * rng.exponential(size=(2000, 1))
    value, error = noise.fit(t, paths)
    assert value == pytest.approx(0.8, abs=1e-6) and error < 1e-6


@pytest.mark.parametrize(("depth", "t_end", "power"), [(2, 100.0, 0.0), (3, 60.0, -0.75)])
def test_without_noise_in_W(noise, depth, t_end, power):
    path = noise.still(depth, t_end)
    size = (path.singular_values ** (2 / depth)).sum(axis=-1)
    ratio = path.singular_values[:, 1] / path.singular_values[:, 0]
    assert (size[2] - size[1]) / (t_end / 2) == pytest.approx(noise.drift(depth, 0, 1.0), rel=0.01)
    assert np.log2(ratio[2] / ratio[1]) == pytest.approx(power, abs=0.05)


def test_far_out(noise, tmp_path):
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    study = dln.sweeps.read(STUDIES / "noise_outside.toml")
    dynamics = study.dynamics | {"steps": 200, "engine": "auto"}
    study = dataclasses.replace(study, paths=200, grid={"depth": [3], "kappa": [1.0]})
    study = dataclasses.replace(study, dynamics=dynamics)
    runs = dln.sweeps.run(study, tmp_path / "store")
    cell = runs.sel(depth=3, kappa=1.0)
    assert (cell["status"] == 0).all()
    size = noise.radius(cell, 3)
    rise = (size[:, -1] - size[:, 0]) / 0.02
    assert abs(rise.mean() - noise.drift(3, 1.0, 1.0)) < 5 * rise.std() / np.sqrt(200)
    value, error = noise.balance(cell, 3, 1.0, 1.0)
    assert abs(value - 1) < 5 * error
    noise.draw_outside(runs)

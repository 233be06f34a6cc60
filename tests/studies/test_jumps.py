"""A small version of the study of rank jumps: times, losses of plateaus, what is left of σ_3."""

import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import dlngeo as dln

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(scope="module")
def jumps():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import jumps

        yield jumps
    sys.modules.pop("jumps", None)


def test_the_fit(jumps):
    scales = np.array([1e-4, 1e-5, 1e-6, 1e-7])
    assert jumps.exponent(scales, 0.7 * scales**-0.4 - 3) == pytest.approx(0.4, rel=1e-6)


def test_critical_values(jumps):
    """At rest on rank one: E' vanishes along the columns and rows of W."""
    zero, one = jumps.critical_values(10)
    energy = jumps.table(10)
    assert zero == energy.value(np.zeros((10, 10)))
    U, _, Vt = np.linalg.svd(-energy.gradient(np.zeros((10, 10))))
    u, v = U[:, 0], Vt[0]
    mask = energy.mask if hasattr(energy, "mask") else None
    assert mask is not None
    target = -energy.gradient(np.zeros((10, 10)))
    for _ in range(500):  # alternating least squares
        u = (target @ v) / (mask @ v**2)
        v = (target.T @ u) / (mask.T @ u**2)
    assert one == pytest.approx(energy.value(np.outer(u, v)), rel=1e-8)


def test_depth_three(jumps):
    description = tomllib.loads((STUDIES / "jumps.toml").read_text())
    Z, energy, rows = np.array(description["start"]["matrix"]), jumps.table(10), []
    scales = np.array([1e-4, 1e-5, 1e-6, 1e-7])
    for scale in scales:
        starts = scale * Z[None]
        run = dln.flows.ensemble(
            energy, starts, (0, 1e9), depth=3, stop_loss=1e-3, gtol=0, rtol=1e-7
        )
        cell = SimpleNamespace(energy=energy, start=starts, t_end=run.t_end, depth=3)
        rows.append(jumps.stages(cell)[0])
    rows = np.array(rows)
    for k in range(2):
        assert jumps.exponent(scales, rows[:, k]) == pytest.approx(1 / 3, rel=0.01)
    assert abs(rows[-1, 3]) < 1e-4  # the plateau's loss is that at rest on rank one
    decades = rows[:-1, 4] / rows[1:, 4]
    np.testing.assert_allclose(decades, 10, rtol=0.01)  # σ_3 goes as the scale

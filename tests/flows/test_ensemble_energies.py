"""Which energies ensembles of flows are compiled for, and starts that are too large for them."""

import numpy as np
import pytest

from dlngeo import balanced, energies, flows


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_from_far_too_large_a_start_the_sign_of_the_determinant_is_kept_or_the_member_fails(engine):
    energy = energies.Quadratic(np.diag([3, 1, 0.5]))
    starts = 1e14 * np.random.default_rng(5).standard_normal((20, 3, 3))
    run = flows.ensemble(energy, starts, (0, 1e4), depth=3, stop_loss=1e-10, gtol=0, engine=engine)
    kept = np.linalg.slogdet(run.W_end)[0] == np.linalg.slogdet(starts)[0]
    unfit = run.energy_end > 0.1249  # where det W < 0 the energy stays above 1/8, at det W = 0
    assert ((run.status == -1) | unfit)[~kept].all()
    assert unfit[kept & (np.linalg.slogdet(starts)[0] < 0)].all()
    assert (~kept).any() and "the sign of det W changed" in run.message


class Halved(energies.Quadratic):
    """A quarter of the distance squared: what it inherits compiled is not its own."""

    def value(self, W):
        return 0.5 * super().value(W)

    def gradient(self, W):
        return 0.5 * super().gradient(W)


def test_a_class_that_changes_the_gradient_is_not_taken_for_its_parent():
    pytest.importorskip("numba")
    energy = Halved(np.diag([2.0, 1.0]))
    starts = 0.5 * np.random.default_rng(0).standard_normal((5, 2, 2))
    run = flows.ensemble(energy, starts, (0, 3), depth=2, rtol=1e-9)
    assert run.engine.startswith("numpy")
    for start, end in zip(starts, run.W_end, strict=True):
        alone = flows.gradient_flow(energy, start, (0, 3), depth=2, rtol=1e-10)
        np.testing.assert_allclose(end, alone.W[-1], atol=1e-7)
    with pytest.raises(ValueError, match="part compiled"):
        flows.ensemble(energy, starts, (0, 3), depth=2, engine="numba")


@pytest.mark.parametrize("upstairs", [False, True])
def test_one_flow_from_far_too_large_a_start_is_not_said_to_fit(upstairs):
    energy = energies.Quadratic(np.diag([3, 1, 0.5]))
    starts = 1e14 * np.random.default_rng(5).standard_normal((20, 3, 3))
    false = 0
    for start in starts[np.linalg.slogdet(starts)[0] < 0][:2]:
        begin = (balanced.lift(start, 3), {}) if upstairs else (start, {"depth": 3})
        run = flows.gradient_flow(energy, begin[0], (0, 1e4), gtol=0, stop_loss=1e-10, **begin[1])
        fits = run.energy[-1] < 0.1249
        assert (run.status == -1) == fits
        assert not fits or "the sign of det W changed" in run.message
        false += fits
    assert false

"""Which energies ensembles of flows are compiled for."""

import numpy as np
import pytest

from dlngeo import energies, flows

pytest.importorskip("numba")


class Halved(energies.Quadratic):
    """A quarter of the distance squared: what it inherits compiled is not its own."""

    def value(self, W):
        return 0.5 * super().value(W)

    def gradient(self, W):
        return 0.5 * super().gradient(W)


def test_a_class_that_changes_the_gradient_is_not_taken_for_its_parent():
    energy = Halved(np.diag([2.0, 1.0]))
    starts = 0.5 * np.random.default_rng(0).standard_normal((5, 2, 2))
    run = flows.ensemble(energy, starts, (0, 3), depth=2, rtol=1e-9)
    assert run.engine.startswith("numpy")
    for start, end in zip(starts, run.W_end, strict=True):
        alone = flows.gradient_flow(energy, start, (0, 3), depth=2, rtol=1e-10)
        np.testing.assert_allclose(end, alone.W[-1], atol=1e-7)
    with pytest.raises(ValueError, match="part compiled"):
        flows.ensemble(energy, starts, (0, 3), depth=2, engine="numba")

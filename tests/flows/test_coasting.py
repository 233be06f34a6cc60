"""Steps that a compiled loop takes by itself are those that the group's own loop would take."""

import math

import numpy as np
import pytest

from dlngeo import energies, flows, weights
from dlngeo._lockstep import compiled_motion
from dlngeo._lockstep.compiled_motion import CompiledMotion
from dlngeo._lockstep.numpy_motion import NumpyMotion
from dlngeo.weights import flatten

pytest.importorskip("numba")


def completion(d, share=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return energies.MatrixCompletion(rng.standard_normal((d, d)), rng.random((d, d)) < share)


def matrices(count, d, seed=1):
    return np.random.default_rng(seed).standard_normal((count, d, d)) / math.sqrt(d)


def bits(energy, starts, **options):
    run = flows.ensemble(energy, starts, engine="numba", **options)
    return [run.W_end, run.t_end, run.energy_end, run.status, *run.stats.values()] + (
        [run.W] if run.W is not None else []
    )


CASES = {
    "to a bound": {"depth": 3, "stop_loss": 1e-10, "rtol": 1e-8, "gtol": 0},
    "stationary": {"depth": 2, "gtol": 1e-6},
    "to the end": {"depth": 1, "t_span": (0, 7)},
    "frames": {"depth": 3, "t_eval": [0, 0.1, 5, 5.5, 80], "stop_loss": 1e-7},
    "ROCK4": {"depth": 3, "method": "ROCK4", "stop_loss": 1e-8},
    "DOP853": {"depth": 3, "method": "DOP853", "rtol": 1e-4, "stop_loss": 1e-8},
    "real depth": {"depth": 2.5, "stop_loss": 1e-6},
    "infinite depth": {"depth": math.inf, "stop_loss": 1e-4, "t_span": (0, 50)},
    "decay": {"depth": 3, "weight_decay": 0.1, "t_span": (0, 30)},
    "a budget": {"depth": 3, "max_steps": 30, "stop_loss": 1e-10},
}


@pytest.mark.parametrize("case", CASES)
def test_whoever_takes_the_steps_the_bits_are_the_same(case, monkeypatch):
    options = {"t_span": (0, 2000)} | CASES[case]
    energy, starts = completion(3), matrices(37, 3)
    coasting = bits(energy, starts, **options)
    monkeypatch.setattr(compiled_motion, "_TURNS", 60)  # the compiled loop comes back early
    early = bits(energy, starts, **options)
    for name in ("coast_pair", "coast_stabilised"):
        monkeypatch.setattr(CompiledMotion, name, getattr(NumpyMotion, name))  # which take none
    by_steps = bits(energy, starts, **options)
    for one, two, three in zip(coasting, early, by_steps, strict=True):
        assert np.array_equal(one, three, equal_nan=True)
        assert np.array_equal(two, three, equal_nan=True)


def test_the_case_at_hand_coasts(monkeypatch):
    calls = []
    step = CompiledMotion.pair

    def counted(self, *arguments):
        calls.append(len(arguments[0]))
        return step(self, *arguments)

    monkeypatch.setattr(CompiledMotion, "pair", counted)
    run = flows.ensemble(
        completion(3), matrices(40, 3), (0, 1e4), depth=3, stop_loss=1e-10, gtol=0, rtol=1e-8,
        engine="numba", method="DOP853",
    )  # fmt: skip
    assert run.stats["steps"].sum() > 800 and sum(calls) < 200  # members and steps, one by one


def settled(J, v):
    """A power method that ends when the length of the image moves by a percent; its rounds."""
    found = 0.0
    for rounds in range(1, 51):
        v = v / np.linalg.norm(v)
        image = J @ v
        found, before, v = np.linalg.norm(image), found, image
        if rounds > 1 and abs(found - before) <= 0.01 * found:
            break
    return found, rounds


@pytest.mark.parametrize("count", [1, 8, 11])
def test_radii_are_those_of_the_jacobian(count):
    energy, widths = completion(3, 0.7), (3, 4, 3)
    y = flatten(weights.random(widths, 0.8, rng=0, size=count))
    motion = CompiledMotion(energy, widths, 0.0, 0.2, 1e-8)
    f = motion.look(y).f
    begin = np.random.default_rng(3).standard_normal(y.shape)
    radius, direction, evaluations = motion.radii(y, f, begin)
    unit = 1e-6 * np.eye(y.shape[1])
    for k in range(count):
        J = (motion.look(y[k] + unit).f - motion.look(y[k] - unit).f) / 2e-6
        found, rounds = settled(J, begin[k])
        assert math.isclose(radius[k], 1.2 * found, rel_tol=1e-5) and rounds == evaluations[k]
    assert np.allclose(np.linalg.norm(direction, axis=1), 1)
    alone = motion.radii(y[:1], f[:1], begin[:1])
    assert alone[0] == radius[0] and (alone[1] == direction[0]).all()
    twin = NumpyMotion(energy, widths, 0.0, 0.2, 1e-8).radii(y, f, begin)
    np.testing.assert_allclose(twin[0], radius, rtol=1e-5)
    assert (twin[2] == evaluations).all()

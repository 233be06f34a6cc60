"""Trajectories on disk: every field comes back bit for bit, of each kind of run."""

import dataclasses

import numpy as np
import pytest

from dlngeo import flows
from dlngeo._results import archive
from dlngeo.energies import Quadratic
from dlngeo.flows import Trajectory

ENERGY = Quadratic(np.array([[2.0, 0.3], [0.0, 1.0]]))
LAYERS = (
    np.array([[0.5, 0.1], [0.0, 0.3], [0.2, 0.1]]),
    np.array([[0.4, 0.0, 0.1], [0.1, 0.2, 0.3]]),
)
STACK = tuple(np.stack([W, 2 * W]) for W in LAYERS)
RUNS = {
    "weights": lambda: flows.gradient_flow(ENERGY, LAYERS, (0.0, 1.0)),
    "stack": lambda: flows.gradient_flow(ENERGY, STACK, (0.0, 1.0), stop_loss=1.0),
    "matrix": lambda: flows.gradient_flow(ENERGY, np.eye(2), (0.0, 1.0), depth=np.inf),
    "failed": lambda: flows.gradient_flow(ENERGY, LAYERS, (0.0, 1.0), max_steps=1),
    "implicit": lambda: flows.gradient_flow(ENERGY, LAYERS, (0.0, 1.0), method="BDF"),
    "descent": lambda: flows.gradient_descent(ENERGY, LAYERS, 0.1, 12, save_every=5),
    "eleven layers": lambda: flows.gradient_flow(ENERGY, 11 * (np.eye(2),), (0.0, 0.1)),
}


def equal(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("name", RUNS)
def test_every_field_comes_back(tmp_path, name):
    run = RUNS[name]()
    run.save(tmp_path / "run.dlngeo")
    again = Trajectory.load(tmp_path / "run.dlngeo")
    for field in dataclasses.fields(run):
        assert equal(getattr(run, field.name), getattr(again, field.name)), field.name
    assert repr(again) == repr(run) and again.success is run.success


def test_numpy_alone_reads_it(tmp_path):
    run = RUNS["weights"]()
    run.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as arrays:
        assert equal(arrays["W"], run.W)
        assert equal(arrays["W_2"], run.weights[1])


def test_what_lacks_a_field_is_refused(tmp_path):
    archive.write(tmp_path / "x", "Trajectory", {"t": np.arange(3.0)}, {"status": 0})
    with pytest.raises(ValueError, match=r"x must hold the fields of Trajectory: .*missing"):
        Trajectory.load(tmp_path / "x")
    archive.write(tmp_path / "x", "Ensemble", {"t": np.arange(3.0)}, {"status": 0})
    with pytest.raises(ValueError, match="Ensemble"):
        Trajectory.load(tmp_path / "x")

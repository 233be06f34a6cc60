"""What "bit for bit" depends on, seen from processes that run in different environments."""

import json
import sys

import numpy as np
import pytest
import scipy

import dlngeo
from dlngeo import _environment, equilibrium, langevin
from dlngeo.energies import Quadratic
from environments import elsewhere, other_kernel


def test_versions_and_processor_are_named_in_words():
    found = _environment.numerics()
    assert (found["dlngeo"], found["numpy"]) == (dlngeo.__version__, np.__version__)
    assert found["scipy"] == scipy.__version__
    assert found["python"] == sys.version.split()[0]
    assert {"blas", "kernel", "simd", "machine"} < set(found)
    assert all(isinstance(value, str) and value for value in found.values())
    assert json.loads(json.dumps(found)) == found


def test_what_is_returned_is_the_callers_own():
    _environment.numerics()["kernel"] = "mine"
    assert _environment.numerics()["kernel"] != "mine"


def test_same_environment_is_the_same_in_another_process():
    # there nothing was loaded before; here the whole test suite may have been
    assert elsewhere() == _environment.numerics()


def test_kernel_is_the_one_that_runs():
    name = other_kernel()
    found, ours = elsewhere(OPENBLAS_CORETYPE=name), _environment.numerics()
    assert found["kernel"] == name
    said = _environment.differences(ours, found)
    assert said == f"kernel {ours['kernel']}, now {name}"
    assert _environment.differences(found, ours) == f"kernel {name}, now {ours['kernel']}"


def test_vector_instructions_are_those_that_numpy_uses():
    used = _environment.numerics()["simd"].split()
    if used == ["none"]:
        pytest.skip("NumPy uses no more than its baseline here")
    without = elsewhere(NPY_DISABLE_CPU_FEATURES=" ".join(used))
    assert without["simd"] == "none"


def test_differences_are_told_one_by_one():
    then = {"numpy": "2.0.0", "kernel": "Zen", "old": "x"}
    now = {"numpy": "2.1.0", "kernel": "Zen", "new": "y"}
    assert _environment.differences(then, now) == (
        "numpy 2.0.0, now 2.1.0; new unknown, now y; old x, now unknown"
    )
    assert _environment.differences(then, then) == ""


def test_whatever_is_random_says_where_it_was_run():
    energy, start = Quadratic(np.zeros((2, 2))), np.diag([1.0, 0.5])
    told = {"beta": 1.0, "rng": 0, "n_paths": 2}
    run = {"dt": 0.1, "n_steps": 8}
    results = [
        langevin.simulate(energy, start, depth=2, **run, **told),
        langevin.brownian_motion(start, depth=2, **run, **told),
        langevin.simulate_unbalanced(energy, (start, start), **run, **told),
        equilibrium.metropolis(energy, start, depth=2, **run, **told),
        equilibrium.sample(energy, shape=(2, 2), depth=2, n_draws=8, warmup=8, **told),
    ]
    for result in results:
        assert result.provenance["versions"] == _environment.numerics()

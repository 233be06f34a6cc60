"""One BLAS thread inside long runs on small matrices, and the caller's number after them."""

import inspect
import os
import subprocess
import sys
from threading import Event, Thread

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from dlngeo import flows, weights
from dlngeo._threads import SMALL, one_blas_thread
from dlngeo.energies import Quadratic


@pytest.fixture
def threads():
    """Two BLAS threads, as threads of any caller find them; tells how many there are."""
    blas = ThreadpoolController().select(user_api="blas")
    found = blas.limit(limits=2, user_api="blas")
    with blas.limit(limits=None):  # leaves the say to whoever comes next
        pass
    yield lambda: {library["num_threads"] for library in blas.info()}
    found.restore_original_limits()
    with blas.limit(limits=None):
        pass


@pytest.fixture
def inside(threads):
    return one_blas_thread(lambda *args, **kwargs: threads())


def test_the_number_is_one_inside_and_restored_after(threads, inside):
    assert threads() == {2}
    assert inside() == inside(np.eye(3), [np.eye(2)]) == {1}
    assert one_blas_thread(inside)() == {1}
    assert threads() == {2}

    @one_blas_thread
    def broken():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert threads() == {2}


@pytest.mark.parametrize(
    "large",
    [np.zeros((513, 512)), [np.eye(2), np.zeros((513, 512))], Quadratic(np.zeros((513, 512)))],
    ids=["matrix", "weights", "energy"],
)
def test_large_matrices_have_the_threads_they_are_given(inside, large):
    assert inside(large) == inside(start=large) == {2}


def test_what_is_no_large_matrix(inside):
    assert SMALL == 512 * 512
    stack, times = np.zeros((SMALL, 2, 2)), np.zeros(2 * SMALL)
    assert inside(np.zeros((512, 512)), stack, times, "RKC", None, 3.0, object()) == {1}


def test_threads_of_the_caller_at_once(threads):
    """The first to come leaves first: the other has one thread to its end, and then all is back."""
    leave = {name: Event() for name in "ab"}
    came = {name: Event() for name in "ab"}
    seen = {}

    @one_blas_thread
    def run(name):
        came[name].set()
        assert leave[name].wait(60)
        seen[name] = threads()

    runs = {name: Thread(target=run, args=name) for name in "ab"}
    for name in "ab":
        runs[name].start()
        assert came[name].wait(60)
    for name in "ab":
        leave[name].set()
        runs[name].join(60)
    assert seen == {"a": {1}, "b": {1}}
    assert threads() == {2}


def test_a_flow_and_its_callback_have_one(threads):
    seen = []
    energy = Quadratic(np.diag([2.0, 1.0]))
    start = weights.random((2, 2, 2), 0.1, rng=0)
    flows.gradient_flow(energy, start, (0, 1), callback=lambda t, W: seen.append(threads()))
    assert seen and all(number == {1} for number in seen)
    assert threads() == {2}


def test_signatures_are_those_of_the_functions():
    assert list(inspect.signature(flows.gradient_flow).parameters)[:3] == [
        "energy", "start", "t_span",
    ]  # fmt: skip
    assert flows.gradient_flow.__doc__.startswith("Integrate the gradient flow")


def test_numbers_do_not_depend_on_the_number_of_threads():
    """Products of this size are shared out by OpenBLAS, and rounded otherwise then."""
    program = """
import hashlib, numpy as np, dlngeo as dln
rng = np.random.default_rng(0)
energy = dln.energies.Quadratic(rng.standard_normal((150, 200)) / 10)
start = dln.weights.random((200, 150, 150), 0.1, rng=0)
run = dln.flows.gradient_flow(energy, start, (0, 1), rtol=1e-3)
print(hashlib.sha256(run.W.tobytes()).hexdigest())
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"OPENBLAS_NUM_THREADS": number},
            capture_output=True, text=True, check=True,
        ).stdout
        for number in "12"
    }  # fmt: skip
    assert len(said) == 1

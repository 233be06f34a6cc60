"""One matrix completion by a network of depth 3, by SciPy, diffrax and gradient descent.

d = 30, rank 3, 40 % observed, a balanced start with all singular values of each layer 1e-2. All
move the weights, seven products a right-hand side, up to the time T when E has fallen to 1e-10,
and return W at eight times, the last of them T.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness import Skip
from benchmarks.peers import jax_on_one_thread

Ends = Callable[[], np.ndarray]
DEPTH = 3


@dataclass(frozen=True)
class Problem:
    """The largest singular value of the truth, T, and the seed of the data and the start.

    How stiff it is depends on all three: where some entries hang on few observations, the last
    directions take hundreds of times as long as the others.
    """

    name: str
    norm: float
    time: float
    seed: int = 0
    d: int = 30
    rank: int = 3
    share: float = 0.4
    scale: float = 1e-2

    def times(self) -> np.ndarray:
        """T/300, ..., T, equally far apart in their logarithms."""
        return np.geomspace(self.time / 300, self.time, 8)

    def data(self) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
        """The truth, the mask, the weights at the start."""
        rng = np.random.default_rng(self.seed)
        truth = rng.standard_normal((self.d, self.rank)) @ rng.standard_normal((self.rank, self.d))
        truth *= self.norm / np.linalg.norm(truth, 2)
        mask = rng.random((self.d, self.d)) < self.share
        frames = [np.linalg.qr(rng.standard_normal((self.d, self.d)))[0] for _ in range(DEPTH + 1)]
        start = tuple(self.scale * frames[p + 1] @ frames[p].T for p in range(DEPTH))
        return truth, mask, start


def velocity(problem: Problem, truth: Any, mask: Any) -> Callable[..., Any]:
    """dW_p/dt of stacked weights (3, d, d), in any array library."""

    def of(A: Any, B: Any, C: Any) -> tuple[Any, Any, Any]:
        BA, CB = B @ A, C @ B
        rest = mask * (truth - CB @ A)
        return CB.T @ rest, C.T @ rest @ A.T, rest @ BA.T

    return of


def flat(problem: Problem) -> tuple[Callable[[float, np.ndarray], np.ndarray], np.ndarray]:
    """The right-hand side for solve_ivp, and the start."""
    truth, mask, start = problem.data()
    of, shape = velocity(problem, truth, mask.astype(float)), (DEPTH, problem.d, problem.d)

    def f(t: float, y: np.ndarray) -> np.ndarray:
        room = np.empty(shape)
        room[0], room[1], room[2] = of(*y.reshape(shape))
        return room.ravel()

    return f, np.concatenate([W.ravel() for W in start])


def products(y: Any, d: int) -> np.ndarray:
    """W at all times from flat weights (time, 3 d²)."""
    A, B, C = np.moveaxis(np.asarray(y).reshape(-1, DEPTH, d, d), 1, 0)
    return C @ B @ A


def scipy_solver(problem: Problem, method: str, rtol: float) -> Ends:
    """``solve_ivp`` on the weights."""
    from scipy.integrate import solve_ivp

    f, start = flat(problem)

    def run() -> np.ndarray:
        end = solve_ivp(
            f, (0, problem.time), start, method=method, rtol=rtol, atol=rtol * problem.scale,
            t_eval=problem.times(),
        )  # fmt: skip
        if not end.success:
            raise RuntimeError(end.message)
        return products(end.y.T, problem.d)

    return run


@functools.cache
def reference(problem: Problem) -> np.ndarray:
    """W at those times by SciPy's DOP853 at rtol 1e-12."""
    return scipy_solver(problem, "DOP853", 1e-12)()


def diffrax_solver(problem: Problem, solver: str, rtol: float) -> Ends:
    """The solver of diffrax with its PID controller, jitted."""
    jax = jax_on_one_thread()
    import diffrax

    truth, mask, start = problem.data()
    of = velocity(problem, jax.numpy.asarray(truth), jax.numpy.asarray(mask, dtype=float))
    term = diffrax.ODETerm(lambda t, y, args: of(*y))
    controller = diffrax.PIDController(rtol=rtol, atol=rtol * problem.scale)

    @jax.jit
    def solve(y: Any) -> Any:
        return diffrax.diffeqsolve(
            term, getattr(diffrax, solver)(), 0.0, problem.time, None, y, max_steps=10**7,
            stepsize_controller=controller, adjoint=diffrax.ForwardMode(),
            saveat=diffrax.SaveAt(ts=problem.times()), throw=False,
        ).ys  # fmt: skip

    return lambda: products(np.stack(solve(start), axis=1), problem.d)


class _Seen:
    """W of a descent at the steps before and after each time, and between them on a line."""

    def __init__(self, problem: Problem, rate: float) -> None:
        self.places = problem.times() / rate
        self.wanted: dict[int, np.ndarray] = {}
        for k in np.floor(self.places).astype(int):
            self.wanted |= dict.fromkeys((int(k), int(k) + 1), np.empty(0))
        self.steps = max(self.wanted) + 1

    def at_times(self) -> np.ndarray:
        """W (time, d, d)."""
        found = []
        for place in self.places:
            k = int(np.floor(place))
            share = place - k
            found.append((1 - share) * self.wanted[k] + share * self.wanted[k + 1])
        return np.stack(found)


def numpy_descent(problem: Problem, rate: float) -> Ends:
    """Gradient descent of that step for the time T: Euler's method, no allocation in its loop."""
    truth, mask, start = problem.data()
    weight = mask.astype(float)

    def run() -> np.ndarray:
        A, B, C = (W.copy() for W in start)
        seen = _Seen(problem, rate)
        BA, CB, rest, one, two, three, four = (np.empty_like(truth) for _ in range(7))
        for k in range(seen.steps):
            np.matmul(B, A, out=BA)
            np.matmul(C, B, out=CB)
            np.matmul(C, BA, out=rest)
            if k in seen.wanted:
                seen.wanted[k] = rest.copy()
            np.subtract(truth, rest, out=rest)
            np.multiply(weight, rest, out=rest)
            np.multiply(rest, rate, out=rest)
            np.matmul(CB.T, rest, out=one)
            np.matmul(C.T, rest, out=two)
            np.matmul(two, A.T, out=three)
            np.matmul(rest, BA.T, out=four)
            A += one
            B += three
            C += four
        return seen.at_times()

    return _finite(run)


def torch_descent(problem: Problem, rate: float) -> Ends:
    """torch.optim.SGD and autograd."""
    import torch

    torch.set_num_threads(1)
    truth, mask, start = problem.data()
    target, weight = torch.tensor(truth), torch.tensor(mask, dtype=torch.float64)

    def run() -> np.ndarray:
        A, B, C = (torch.tensor(W, requires_grad=True) for W in start)
        seen = _Seen(problem, rate)
        optimiser = torch.optim.SGD([A, B, C], lr=rate)
        for k in range(seen.steps):
            optimiser.zero_grad()
            W = C @ B @ A
            if k in seen.wanted:
                seen.wanted[k] = W.detach().numpy().copy()
            loss = 0.5 * (weight * (target - W)).square().sum()
            loss.backward()
            optimiser.step()
        return seen.at_times()

    return _finite(run)


def _finite(run: Ends) -> Ends:
    """Diverging is no answer."""

    def checked() -> np.ndarray:
        with np.errstate(all="ignore"):
            W = run()
        if not np.isfinite(W).all():
            raise Skip("diverges at this step")
        return W

    return checked

"""Many starts of a completion, each to its end: problem 14.1, and random ones of width 3, 5, 10.

Menon's 14.1 is ½(w_11 - 1)² + ½(w_22 - 1)² on 2 × 2, from Gaussian starts lifted to balanced
weights, at rtol 1e-8 to E = 1e-16; at depth inf on W itself. The bound is a plain C++ loop of the
same pair of order 8. The others are halves of the entries of a Gaussian matrix, to E = 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import BOUND, PEER, Contender, Goal, Row
from benchmarks.peers import jax_on_one_thread, native

RTOL, STOP = 1e-8, 1e-16
LATE = {2: 1e7, 3: 1e4, 5: 1e4, 10: 1e4}  # by which all but a few are at their ends
DEPTHS = (2, 3, 5, math.inf)
WIDTHS = {3: 1 / 100, 5: 1 / 50, 10: 1 / 20}  # beside a loop over gradient_flow
ENGINES = ("numpy", "numba")


def corner(d: int) -> Any:
    """The diagonal of 2 × 2 is seen, of others a random half of a Gaussian matrix."""
    from dlngeo import energies

    if d == 2:
        return energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    rng = np.random.default_rng(7)
    mask = rng.random((d, d)) < 0.5
    mask[0, 0] = True
    return energies.MatrixCompletion(rng.standard_normal((d, d)), mask)


def starts(d: int, depth: float, count: int) -> Any:
    """Balanced weights over Gaussian matrices, stacked; the matrices at depth inf."""
    from dlngeo import balanced

    W = np.random.default_rng(1).standard_normal((count, d, d)) / math.sqrt(d)
    return W if math.isinf(depth) else balanced.lift(W, int(depth))


def members(begin: Any, depth: float) -> tuple[list[Any], dict[str, float]]:
    """Each start by itself, and what gradient_flow must be told."""
    if math.isinf(depth):
        return list(begin), {"depth": depth}
    return [tuple(W[k] for W in begin) for k in range(len(begin[0]))], {}


def ours(d: int, depth: float, count: int, stop: float, engine: str) -> Callable[[], Any]:
    from dlngeo import flows

    if engine == "numba":
        import numba  # noqa: F401
    begin, energy = starts(d, depth, count), corner(d)
    options = {"depth": depth} if math.isinf(depth) else {}

    def run() -> None:
        found = flows.ensemble(
            energy, begin, (0, LATE[d]), stop_loss=stop, gtol=0, rtol=RTOL, engine=engine, **options
        )
        if (found.energy_end > stop).mean() > 0.05:
            raise RuntimeError(f"not at the end: {found.message}")

    return run


def one_by_one(d: int, depth: float, count: int, stop: float, method: str) -> Callable[[], Any]:
    """A loop over gradient_flow."""
    from dlngeo import flows

    each, options = members(starts(d, depth, count), depth)
    energy = corner(d)

    def run() -> None:
        for begin in each:
            flows.gradient_flow(
                energy, begin, (0, LATE[d]), stop_loss=stop, gtol=0, rtol=RTOL, t_eval=[LATE[d]],
                method=method, **options,
            )  # fmt: skip

    return run


def native_loop(depth: float, count: int) -> Callable[[], Any]:
    begin = starts(2, depth, count)
    if math.isinf(depth):
        return native.loop(begin.reshape(count, 4), 0, RTOL, STOP)
    flat = np.concatenate([W.reshape(count, 4) for W in begin], axis=1)
    return native.loop(flat, int(depth), RTOL, STOP)


def scipy_loop(d: int, depth: float, count: int, stop: float) -> Callable[[], Any]:
    """``solve_ivp`` with an event, a start at a time, weights stacked."""
    from scipy.integrate import solve_ivp

    each, _ = members(starts(d, depth, count), depth)
    energy, N = corner(d), int(depth)
    A, mask = energy.observed, np.asarray(energy.mask, dtype=float)

    def rest(y: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        layers = y.reshape(N, d, d)
        below = [layers[0]]
        for W in layers[1:]:
            below.append(W @ below[-1])
        return below, mask * (A - below[-1])

    def f(t: float, y: np.ndarray) -> np.ndarray:
        layers, (below, G) = y.reshape(N, d, d), rest(y)
        slope = np.empty_like(layers)
        for p in range(N - 1, 0, -1):
            slope[p], G = G @ below[p - 1].T, layers[p].T @ G
        slope[0] = G
        return slope.ravel()

    def ended(t: float, y: np.ndarray) -> float:
        return 0.5 * float((rest(y)[1] ** 2).sum()) - stop

    ended.terminal = True  # type: ignore[attr-defined]

    def run() -> None:
        for begin in each:
            y = np.concatenate([W.ravel() for W in begin])
            atol = 1e-3 * RTOL * np.abs(y).max()
            solve_ivp(f, (0, LATE[d]), y, "DOP853", rtol=RTOL, atol=atol, events=ended)

    return run


def diffrax_stack(d: int, depth: float, count: int, stop: float) -> Callable[[], Any]:
    """``jit(vmap(diffeqsolve))`` with Dopri8 and an event."""
    jax = jax_on_one_thread()
    import diffrax

    begin, energy = starts(d, depth, count), corner(d)
    A, mask = jax.numpy.asarray(energy.observed), np.asarray(energy.mask, dtype=float)

    def loss(layers: Any) -> Any:
        W = layers[0]
        for layer in layers[1:]:
            W = layer @ W
        return 0.5 * ((mask * (W - A)) ** 2).sum()

    def field(t: Any, y: Any, args: Any) -> Any:
        return jax.tree.map(lambda slope: -slope, jax.grad(loss)(y))

    def ended(t: Any, y: Any, args: Any, **rest: Any) -> Any:
        return loss(y) - stop

    def one(layers: Any) -> Any:
        largest = jax.numpy.stack([jax.numpy.abs(W).max() for W in layers]).max()
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Dopri8(), 0.0, LATE[d], None, layers, max_steps=100_000,
            stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=1e-3 * RTOL * largest),
            event=diffrax.Event(ended), adjoint=diffrax.ForwardMode(), throw=False,
        ).ys  # fmt: skip

    many = jax.jit(jax.vmap(one))
    return lambda: jax.block_until_ready(many(begin))


def contenders(d: int, depth: float, count: int, stop: float) -> list[Contender]:
    few = 16 if d == 2 else 60
    found = []
    if d == 2:
        found.append(
            Contender("C++ loop", lambda: native_loop(depth, count), count, BOUND)
        )  # fmt: skip
    found += [
        Contender(
            f"flows.ensemble, {engine}", lambda e=engine: ours(d, depth, count, stop, e), count
        )
        for engine in ENGINES
    ]
    for method in ("auto", "DOP853") if d == 2 else ("auto",):
        found.append(
            Contender(f"loop over gradient_flow, {method}",
                      lambda m=method: one_by_one(d, depth, few, stop, m), few)
        )  # fmt: skip
    if d == 2 and math.isfinite(depth):
        found += [
            Contender("loop over SciPy DOP853",
                      lambda: scipy_loop(d, depth, few, stop), few, PEER),
            Contender("diffrax Dopri8, vmap",
                      lambda: diffrax_stack(d, depth, count, stop), count, PEER),
        ]  # fmt: skip
    return found


def rows(quick: bool) -> list[Row]:
    """Problem 14.1 by depth, random completions by width."""
    count = 500 if quick else 4000
    found = [
        Row("Ensembles of flows", f"14.1, N = {depth:g}", "start",
            contenders(2, depth, count, STOP),
            goals=[Goal("flows.ensemble, numba", "C++ loop", 2.0),
                   Goal("flows.ensemble, numpy", "C++ loop", 15.0)])
        for depth in (DEPTHS[1:2] if quick else DEPTHS)
    ]  # fmt: skip
    for d, limit in [] if quick else WIDTHS.items():
        goal = Goal("flows.ensemble, numba", "loop over gradient_flow, auto", limit)
        found.append(
            Row("Ensembles of flows", f"d = {d}, N = 3", "start",
                contenders(d, 3, 1000 if d < 10 else 200, 1e-12), goals=[goal])
        )  # fmt: skip
    return found

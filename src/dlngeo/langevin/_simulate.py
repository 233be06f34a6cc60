"""Many paths of the Langevin equation, and Brownian motions (Menon, 12.3, 12.11-12.12, Theorem 18).

The smallest singular value reaches zero in finite time. There λ_d = σ_d^{1/N} is reflected: the
sign of det W is kept. Collisions of singular values are harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import RNG, Array
from dlngeo._equation import Equation
from dlngeo._paths.run import Callback, Run
from dlngeo._paths.stepping import all_paths
from dlngeo._results.ensemble import Ensemble, build
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, require_stacks
from dlngeo.langevin._start import Start
from dlngeo.langevin.schemes import SCHEMES


@one_blas_thread
def simulate(
    energy: Energy,
    start: Sequence[ArrayLike] | Array | Ensemble,
    *,
    depth: float | None = None,
    beta: float,
    kappa: float = 1.0,
    weight_decay: float = 0.0,
    dt: float,
    n_steps: int,
    n_paths: int | None = None,
    rng: RNG = None,
    upstairs: bool | None = None,
    save_every: int | None = None,
    method: str = "auto",
    first_path: int = 0,
    workers: int = 1,
    callback: Callback | None = None,
    engine: str = "auto",
) -> Ensemble:
    """Simulate the Riemannian Langevin equation.

    Parameters
    ----------
    energy : Energy
    start : balanced square weights, or a d × d matrix of full rank with ``depth``; or an ensemble
        One start for all paths, or a stack (path, d, d) with one for each. An :class:`Ensemble` of
        this function goes on: every path from its state in the scheme and its place in its stream,
        so that with the same equation and dt both runs together are one, bit for bit. What is
        returned begins with its last frame.
    depth : real number >= 1, or inf
        With a matrix only. At ``inf`` the process of the metric g^∞.
    beta : float > 0
        Inverse temperature.
    kappa : float >= 0
        Noise in the observable is of strength 2κ/β, noise in the gauge of strength 2/β. At 0 the
        observable follows the gradient flow of the free energy, upstairs as dt → 0.
    weight_decay : float >= 0
    dt : float > 0
    n_steps : int >= 1
    n_paths : int >= 1
        None: one for each start, so 1 where there is one start.
    rng : anything that ``numpy.random.default_rng`` takes
        Path k draws from child k of its seed, whatever the number of paths. An integer or a
        ``SeedSequence`` gives the same noise each time; a ``Generator`` other noise each time, for
        a seed is spawned from it. ``provenance`` tells which.
    upstairs : bool or None
        None: upstairs exactly when weights were given. True lifts a matrix (whole depth).
    save_every : int or None
        A frame is kept every so many steps, the start and the last step in any case; None: some
        100.
    method : str
        A name in :data:`SCHEMES`; "auto" is the first that fits.

        - ``weak2``: weak order 2 in the root chart, three decompositions a step; the default at
          finite depth. (At κ = 0 the classical Runge-Kutta method, of order 4.)
        - ``root``: Euler-Maruyama in the root chart.
        - ``euler``: Euler-Maruyama in W; the default at depth inf. Biased where singular values
          come close to zero.
        - ``projection``: upstairs, Euler-Maruyama along the tangent space, then projection.
    first_path : int >= 0
        Run paths ``first_path``, ..., ``first_path + n_paths - 1`` of the seed: with
        ``n_paths=1`` one path of an earlier run again.
    workers : int >= 1
        Threads among which the paths are shared; the numbers do not depend on it.
    callback : callable or None
        ``callback(t, W)`` at each frame after the start that is kept, with W (path, d, d) of all
        paths; it may raise StopIteration, and the run ends there.
    engine : "auto", "numpy" or "numba"
        What computes. Engines see the same noise and agree to rounding, not to the last bit.
        ``numba`` (the extra ``fast``) takes eight paths at once, for energies that bound their
        Hessian: all is compiled for those with the part ``compiled``, as the library's; any other
        is asked in Python, eight matrices at a time. "auto" takes it where it can, but downstairs
        for such energies of 2 × 2 matrices; for an ensemble that goes on the engine that it
        was run by. ``provenance`` says which one it was.

    Returns
    -------
    Ensemble
        A path that cannot be followed ends there, its later frames NaN, and the others go on:
        ``status`` is -1 for it, and ``message`` says when and why.

    Raises
    ------
    numpy.linalg.LinAlgError
        For a start (upstairs a layer of it) of lower numerical rank, σ_d <= d ε σ_1, unless it is
        graded so that even σ_d is certain, or the depth is 1. It is a ``ValueError`` too.
    ValueError, TypeError
        For a start that is not square, and any other bad input. What an energy raises passes as it
        is.

    Notes
    -----
    Where dt is too long for the drift at hand, dt [N σ_1^{2-2/N} ‖E″‖ + (N-1) σ_1^{1-2/N} ‖E′‖] > 1
    for σ_1 the largest singular value, the step is taken in parts (``weak2``: twice as many), with
    the increments of a Brownian bridge; upstairs also where two singular values of a layer are so
    small that noise would lead past both. A step that fails, or leads to where the drift turns 4
    times too fast for it, is tried again in halves, by that path alone. The message counts such
    steps. That keeps a run stable and its law right as dt → 0. How exact it is at a given dt only a
    shorter dt tells.

    Source: Menon, (12.8)-(12.13), (12.3), (12.11); the scheme of weak order 2, infinite depth,
    weight decay and the root chart derived (docs/langevin.md).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.Quadratic(np.zeros((2, 2)))
    >>> run = dln.langevin.simulate(
    ...     energy, np.diag([1.0, 0.5]), depth=2, beta=1.0, dt=0.02, n_steps=50, n_paths=100, rng=0
    ... )
    >>> run.W.shape, run.success
    ((100, 51, 2, 2), True)
    >>> again = dln.langevin.simulate(  # path 7 by itself
    ...     energy, np.diag([1.0, 0.5]), depth=2, beta=1.0, dt=0.02, n_steps=50,
    ...     n_paths=1, first_path=7, rng=0,
    ... )
    >>> bool((again.W[0] == run.W[7]).all())
    True
    """
    begin = Start.of(start, depth, upstairs)
    equation = Equation.of(energy, begin.depth, beta, kappa, weight_decay)
    run = begin.run(dt, n_steps, save_every, n_paths, rng, first_path, workers, callback)
    require_stacks(energy, begin.W[np.isfinite(begin.W[:, 0, 0])][0], "start")
    return _follow(equation, run, begin, begin.method(method), engine, "Langevin")


def _follow(
    equation: Equation, run: Run, begin: Start, method: str, engine: str, name: str
) -> Ensemble:
    """The ensemble of a run."""
    scheme = SCHEMES[method](equation, begin.d)
    engine = begin.engine(engine, scheme)
    end = None if begin.earlier is None else begin.earlier.end
    if end is None:
        point = begin.weights if scheme.upstairs else begin.W
        first, kept = scheme.start(point), scheme.keep(begin.W)
    else:
        first, kept = end.state, end.kept
    outcome = all_paths(
        scheme, first, run, scheme.record,
        kept=kept, end=end, show=lambda frame: scheme.read(frame)[0], engine=engine,
    )  # fmt: skip
    W, weights = scheme.read(outcome.frames)
    if weights is None:
        W[:, 0] = begin.W  # to the last bit
    provenance = outcome.provenance() | equation.provenance()
    provenance |= {"equation": name, "method": method, "upstairs": scheme.upstairs}
    provenance |= begin.engines(engine)
    ends = outcome.ends(None if begin.earlier is None else begin.earlier.ends)
    message = outcome.message(ends)
    return build(equation, outcome.times, W, weights, ends, message, provenance, outcome.end)


@one_blas_thread
def brownian_motion(
    start: Sequence[ArrayLike] | Array,
    *,
    on: Literal["end-to-end", "balanced", "orbit"] = "end-to-end",
    depth: float | None = None,
    beta: float,
    dt: float,
    n_steps: int,
    n_paths: int | None = None,
    rng: RNG = None,
    save_every: int | None = None,
    first_path: int = 0,
    workers: int = 1,
    callback: Callback | None = None,
    engine: str = "auto",
) -> Ensemble:
    """Brownian motion of generator Δ/β on (M_d, g^N), on (M, ι), or on an orbit in (M, ι).

    Parameters
    ----------
    start, depth, beta, dt, n_steps, n_paths, rng, save_every, first_path, workers, callback, engine
        As for :func:`simulate`.
    on : "end-to-end", "balanced" or "orbit"
        - ``end-to-end``: Theorem 18, W drifts by Q_N Σ″ Q_0ᵀ / β.
        - ``balanced``: on the whole balanced manifold. W then drifts by grad S / β besides.
        - ``orbit``: along the gauge orbit of the start alone; W moves by grad S / β.

    Notes
    -----
    Noise along the orbit only, projected at the end of each step on M, is not confined to one
    orbit: the orbit's mean curvature carries it, which is what (12.6)-(12.7) say.
    Source: Menon, Theorem 18, (12.1)-(12.2), item 3 of 12.1 corrected.

    Examples
    --------
    On an orbit W hardly moves, by the orbit's curvature alone:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> start = dln.balanced.lift(np.diag([2.0, 1.0]), 2)
    >>> run = dln.langevin.brownian_motion(
    ...     start, on="orbit", beta=1.0, dt=0.01, n_steps=10, n_paths=4, rng=0
    ... )
    >>> run.W.shape, run.success
    ((4, 11, 2, 2), True)
    """
    _checks.choice(on, "on", ("end-to-end", "balanced", "orbit"))
    up = on != "end-to-end"
    if up and depth is not None and not float(_checks.depth(depth)).is_integer():
        raise ValueError(f"on={on!r} moves weights: depth must be whole, not {depth:g}")
    begin = Start.of(start, depth, up)
    kappa = 0.0 if on == "orbit" else 1.0
    equation = Equation(None, begin.depth, _checks.positive(beta, "beta"), kappa, entropy=up)
    run = begin.run(dt, n_steps, save_every, n_paths, rng, first_path, workers, callback)
    method = begin.method("auto")
    return _follow(equation, run, begin, method, engine, f"Brownian motion, {on}")

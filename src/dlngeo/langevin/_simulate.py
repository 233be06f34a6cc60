r"""The Riemannian Langevin equation, downstairs on W and upstairs on balanced weights.

.. math:: dW = \Big[-\mathcal A_{N,W}(E'(W)) + \tfrac1\beta Q_N\Sigma'Q_0^T
   + \tfrac\kappa\beta Q_N\Sigma''Q_0^T - \gamma NW\Big]dt
   + \sqrt{2\kappa/\beta}\;\mathcal A_{N,W}^{1/2}(dB)

(Menon, 12.12 with 12.8-12.10, (12.10) corrected), for square W of full rank, any real depth and the
limit of infinite depth. Noise is drawn in the entries of W, so a path does not depend on the signs
and order of singular vectors; path k draws from child k of the seed, so it does not depend on its
company either.

The smallest singular value reaches zero in finite time. There λ_d = σ_d^{1/N} is reflected: the
sign of det W is kept. Collisions of singular values are harmless.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

from numpy.typing import ArrayLike

from dlngeo import _checks, _rank, balanced
from dlngeo._checks import RNG, Array, Weights
from dlngeo._linalg import product
from dlngeo._paths.stepping import Plan, all_paths
from dlngeo._results.ensemble import Ensemble, build
from dlngeo._threads import one_blas_thread
from dlngeo.balanced.charts import coordinates
from dlngeo.energies import Energy, require_stacks
from dlngeo.langevin._upstairs import BalancedWeights, end_to_end
from dlngeo.langevin._upstairs import upstairs as _upstairs
from dlngeo.langevin.root_chart import RootChart, orientation
from dlngeo.langevin.schemes import EulerDownstairs, RootEuler, WeakTwo
from dlngeo.langevin.schemes import Terms as _Terms
from dlngeo.weights import flatten, unflatten


@one_blas_thread
def simulate(
    energy: Energy,
    start: Sequence[ArrayLike] | Array,
    *,
    depth: float | None = None,
    beta: float,
    kappa: float = 1.0,
    weight_decay: float = 0.0,
    dt: float,
    n_steps: int,
    n_paths: int = 1,
    rng: RNG = None,
    upstairs: bool | None = None,
    save_every: int | None = None,
    method: Literal["auto", "weak2", "root", "euler"] = "auto",
    engine: Literal["auto", "numpy"] = "auto",
    first_path: int = 0,
    workers: int = 1,
) -> Ensemble:
    """Simulate the Riemannian Langevin equation.

    Parameters
    ----------
    energy : Energy
    start : balanced square weights, or a d × d matrix of full rank with ``depth``
        One start for all paths.
    depth : real number >= 1, or inf
        With a matrix only. At ``inf`` the process of the metric g^∞.
    beta : float > 0
        Inverse temperature.
    kappa : float >= 0
        Noise in the observable is of strength 2κ/β, noise in the gauge of strength 2/β. At 0 the
        observable follows the gradient flow of the free energy, upstairs as dt → 0.
    weight_decay : float >= 0
    dt : float > 0
    n_steps, n_paths : int >= 1
    rng : anything that ``numpy.random.default_rng`` takes
        Path k draws from child k of its seed, whatever the number of paths. An integer or a
        ``SeedSequence`` gives the same noise each time; a ``Generator`` other noise each time, for
        a seed is spawned from it. ``provenance`` tells which.
    upstairs : bool or None
        None: upstairs exactly when weights were given. True lifts a matrix (whole depth).
    save_every : int or None
        A frame is kept every so many steps, the start and the last step in any case; None: some
        100.
    method : "auto", or downstairs "weak2", "root", "euler"
        - ``weak2``: Ninomiya and Ninomiya's scheme of weak order 2 in the root chart, eight
          decompositions a step; the default at finite depth.
        - ``root``: Euler-Maruyama in the root chart.
        - ``euler``: Euler-Maruyama in W; the default at depth inf. Biased where singular values
          come close to zero.
    engine : "auto" or "numpy"
        What runs the steps; there is one so far.
    first_path : int >= 0
        Run paths ``first_path``, ..., ``first_path + n_paths - 1`` of the seed: with
        ``n_paths=1`` one path of an earlier run again.
    workers : int >= 1
        Threads among which the paths are shared; the numbers do not depend on it.

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
    for σ_1 the largest singular value, the step is taken in parts, with the increments of a
    Brownian bridge; upstairs also where two singular values of a layer are so small that noise
    would lead past both. A step that fails, or leads to where the drift turns 4 times too fast for
    it, is tried again in halves, by that path alone. The message counts such steps. That keeps a
    run stable and its law right as dt → 0. How exact it is at a given dt only a shorter dt tells.

    Source: Menon, (12.8)-(12.13), (12.3), (12.11); S. Ninomiya and M. Ninomiya, Finance Stoch. 13
    (2009) 415-443, for the scheme; infinite depth, weight decay and the root chart derived.
    """
    terms = _Terms(
        energy,
        _checks.positive(beta, "beta"),
        _checks.non_negative(kappa, "kappa"),
        _checks.non_negative(weight_decay, "weight_decay"),
        entropy=True,
    )
    _checks.choice(engine, "engine", ("auto", "numpy"))
    plan = Plan.of(dt, n_steps, save_every, n_paths, rng, first_path, workers)
    point, layers, whole = _start(start, depth, upstairs)
    require_stacks(energy, point, "start")
    return _simulate(terms, plan, point, layers, whole, method, "Langevin")


def _simulate(
    terms: _Terms,
    plan: Plan,
    point: Array,
    layers: Weights | None,
    depth: float,
    method: str,
    equation: str,
) -> Ensemble:
    if layers is not None:
        if method != "auto":
            raise ValueError(f"upstairs there is one method, 'auto', not {method!r}")
        space = BalancedWeights((len(point),) * (len(layers) + 1))
        run = all_paths(_upstairs(terms, space), flatten(layers), plan)
        weights = unflatten(run.frames, space.widths)
        W = product(weights)
    else:
        method = _method(method, depth)
        scheme = _downstairs(method, terms, point, depth)
        run = all_paths(scheme, scheme.start(point), plan, scheme.end_to_end)
        weights, W = None, run.frames
        W[:, 0] = point  # to the last bit
    provenance = plan.provenance() | {
        "equation": equation, "entropic_drift": terms.entropy, "method": method,
        "upstairs": layers is not None, "depth": depth, "beta": terms.beta, "kappa": terms.kappa,
        "weight_decay": terms.gamma, "cut": run.cut,
    }  # fmt: skip
    ends, message = run.ends(plan), run.message(plan)
    return build(terms.energy, plan.times(), W, weights, ends, message, provenance)


# ------------------------------------------------------------------------------------ arguments


def _start(
    start: Any, depth: float | None, upstairs: bool | None
) -> tuple[Array, Weights | None, float]:
    """The end-to-end matrix, the weights if the run is upstairs, and the depth."""
    if upstairs is not None:
        _checks.flag(upstairs, "upstairs")
    if depth is None:
        layers = _checks.weights(start, "start")
        if any(W.ndim != 2 or W.shape != layers[0].shape for W in layers) or (
            layers[0].shape[0] != layers[0].shape[1]
        ):
            raise ValueError(
                "start must be square weights of one width, one network; the shapes are "
                f"{[W.shape for W in layers]}"
            )
        if len(layers) > 1:
            _rank.require_full_layers(layers, "start")
        coordinates(layers, layers[0].shape[0])  # refuses what is not balanced
        whole = float(len(layers))
        return end_to_end(layers, "start"), layers if upstairs in (None, True) else None, whole
    whole = _checks.depth(depth)
    point = _checks.matrix(cast("ArrayLike", start), "start")
    if point.ndim != 2 or point.shape[0] != point.shape[1]:
        raise ValueError(f"start must be one square matrix; its shape is {point.shape}")
    if whole > 1:
        _rank.require_full(point, "start")
    if not upstairs:
        return point, None, whole
    if not whole.is_integer():
        raise ValueError(f"upstairs=True needs a whole depth, not {whole:g}")
    return point, balanced.lift(point, int(whole)), whole


def _method(method: str, depth: float) -> str:
    if _checks.choice(method, "method", ("auto", "weak2", "root", "euler")) == "auto":
        return "euler" if math.isinf(depth) else "weak2"
    if math.isinf(depth) and method != "euler":
        raise ValueError(
            f"at depth inf there is no root chart: method must be 'euler', not {method!r}"
        )
    return method


def _downstairs(
    name: str, terms: _Terms, point: Array, depth: float
) -> RootEuler | EulerDownstairs:
    sign = 0.0 if depth == 1 else orientation(point)
    if name == "euler":
        return EulerDownstairs(terms, len(point), depth, sign)
    chart = RootChart(terms.energy, depth, *terms[1:])
    return (WeakTwo if name == "weak2" else RootEuler)(chart, len(point), sign)


@one_blas_thread
def brownian_motion(
    start: Sequence[ArrayLike] | Array,
    *,
    on: Literal["end-to-end", "balanced", "orbit"] = "end-to-end",
    depth: float | None = None,
    beta: float,
    dt: float,
    n_steps: int,
    n_paths: int = 1,
    rng: RNG = None,
    save_every: int | None = None,
    first_path: int = 0,
    workers: int = 1,
) -> Ensemble:
    """Brownian motion of generator Δ/β on (M_d, g^N), on (M, ι), or on an orbit in (M, ι).

    Parameters
    ----------
    start, depth, beta, dt, n_steps, n_paths, rng, save_every, first_path, workers
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
    """
    _checks.choice(on, "on", ("end-to-end", "balanced", "orbit"))
    up = on != "end-to-end"
    if up and depth is not None and not float(_checks.depth(depth)).is_integer():
        raise ValueError(f"on={on!r} moves weights: depth must be whole, not {depth:g}")
    beta = _checks.positive(beta, "beta")
    terms = _Terms(None, beta, 0.0 if on == "orbit" else 1.0, 0.0, up)
    plan = Plan.of(dt, n_steps, save_every, n_paths, rng, first_path, workers)
    equation = f"Brownian motion, {on}"
    return _simulate(terms, plan, *_start(start, depth, up), "auto", equation)

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
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import product
from dlngeo.dynamics.ensemble import Ensemble, build
from dlngeo.dynamics.noise import Streams, seed_sequence
from dlngeo.dynamics.root_chart import RootChart, reflected, runge_kutta
from dlngeo.energies import Energy
from dlngeo.geometry import balanced, entropy, metric
from dlngeo.geometry.charts import coordinates
from dlngeo.geometry.retraction import retract
from dlngeo.geometry.tangent import Split
from dlngeo.weights import RNG, flatten, gradient, unflatten

_CHUNK = 1024  # paths that run side by side
_BLOCK = 32  # steps whose noise is drawn at once


class Stepper(Protocol):
    """One step of a scheme, for a stack of states."""

    noise_size: int

    def step(self, state: Array, normals: Array, dt: float) -> Array:
        """The next state."""
        ...

    def end_to_end(self, state: Array) -> Array:
        """The end-to-end matrices of states."""
        ...


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
        Path k draws from child k of its seed, whatever the number of paths.
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

    Returns
    -------
    Ensemble
        With status -1 where a path left the range of floating point; the frames end before, and
        the message says when.

    Raises
    ------
    ValueError, TypeError
        For a start that is not square of full rank, and any other bad input.

    Notes
    -----
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
    run = _Run(dt, n_steps, n_paths, rng, save_every)
    return _simulate(terms, start, depth, upstairs, run, method)


class _Terms(NamedTuple):
    """What stands in the equation."""

    energy: Energy | None
    beta: float
    kappa: float
    gamma: float
    entropy: bool


class _Run(NamedTuple):
    dt: float
    n_steps: int
    n_paths: int
    rng: RNG
    save_every: int | None


def _simulate(
    terms: _Terms,
    start: Sequence[ArrayLike] | Array,
    depth: float | None,
    upstairs: bool | None,
    run: _Run,
    method: str,
) -> Ensemble:
    dt = _checks.positive(run.dt, "dt")
    n_steps = _checks.integer(run.n_steps, "n_steps", 1)
    n_paths = _checks.integer(run.n_paths, "n_paths", 1)
    every = max(1, n_steps // 100) if run.save_every is None else run.save_every
    every = _checks.integer(every, "save_every", 1)
    point, layers, whole = _start(start, depth, upstairs)
    stepper: Stepper
    if layers is not None:
        if method != "auto":
            raise ValueError(f"upstairs there is one method, 'auto', not {method!r}")
        stepper, first, name = Upstairs(terms, layers), flatten(layers), "auto"
    else:
        name = _method(method, whole)
        downstairs = _downstairs(name, terms, point, whole)
        stepper, first = downstairs, downstairs.start(point)
    seed = seed_sequence(run.rng)
    plan = _Plan(dt, n_steps, every)
    frames, reached = _all_paths(stepper, first, plan, n_paths, seed)
    status, message = 0, "all steps were taken"
    if reached < n_steps:
        status = -1
        message = f"a path could not be followed beyond t = {reached * dt:g}: take a shorter dt"
    t = dt * np.array(plan.saved()[: frames.shape[1]])
    weights = unflatten(frames, stepper.widths) if isinstance(stepper, Upstairs) else None
    provenance = {
        "entropy": seed.entropy, "spawn_key": seed.spawn_key, "method": name, "dt": dt,
        "n_steps": n_steps, "upstairs": layers is not None, "depth": whole, "beta": terms.beta,
        "kappa": terms.kappa, "weight_decay": terms.gamma,
    }  # fmt: skip
    W = stepper.end_to_end(frames)
    return build(terms.energy, t, W, weights, status, message, provenance)


# ------------------------------------------------------------------------------------ arguments


def _start(
    start: Sequence[ArrayLike] | Array, depth: float | None, upstairs: bool | None
) -> tuple[Array, Weights | None, float]:
    """The end-to-end matrix, the weights if the run is upstairs, and the depth."""
    if depth is None:
        layers = _checks.weights(start, "start")
        if any(W.ndim != 2 or W.shape != layers[0].shape for W in layers) or (
            layers[0].shape[0] != layers[0].shape[1]
        ):
            raise ValueError(
                "start must be square weights of one width, one network; the shapes are "
                f"{[W.shape for W in layers]}"
            )
        coordinates(layers, layers[0].shape[0])  # refuses what is not balanced, or singular
        whole = float(len(layers))
        return product(layers), layers if upstairs in (None, True) else None, whole
    whole = _checks.depth(depth)
    point = _checks.matrix(np.asarray(start), "start")
    if point.ndim != 2 or point.shape[0] != point.shape[1]:
        raise ValueError(f"start must be one square matrix; its shape is {point.shape}")
    if whole > 1 and not np.linalg.svd(point, compute_uv=False)[-1] > 0:
        raise ValueError("start must have full rank; its smallest singular value is 0")
    if not upstairs:
        return point, None, whole
    if not whole.is_integer():
        raise ValueError(f"upstairs=True needs a whole depth, not {whole:g}")
    return point, balanced.lift(point, int(whole)), whole


def _method(method: str, depth: float) -> str:
    if method == "auto":
        return "euler" if math.isinf(depth) else "weak2"
    if method not in ("weak2", "root", "euler"):
        raise ValueError(f"method must be 'auto', 'weak2', 'root' or 'euler', not {method!r}")
    if math.isinf(depth) and method != "euler":
        raise ValueError(
            f"at depth inf there is no root chart: method must be 'euler', not {method!r}"
        )
    return method


def _downstairs(
    name: str, terms: _Terms, point: Array, depth: float
) -> RootEuler | EulerDownstairs:
    orientation = 0.0 if depth == 1 else float(np.linalg.slogdet(point)[0])
    if name == "euler":
        return EulerDownstairs(terms, len(point), depth, orientation)
    chart = RootChart(terms.energy, depth, *terms[1:])
    return (WeakTwo if name == "weak2" else RootEuler)(chart, len(point), orientation)


# --------------------------------------------------------------------------------------- the loop


class _Plan(NamedTuple):
    dt: float
    n_steps: int
    every: int

    def saved(self) -> list[int]:
        """The steps whose frames are kept."""
        steps = list(range(0, self.n_steps + 1, self.every))
        return steps if steps[-1] == self.n_steps else [*steps, self.n_steps]


def _all_paths(
    stepper: Stepper, first: Array, plan: _Plan, n_paths: int, seed: np.random.SeedSequence
) -> tuple[Array, int]:
    """Frames (path, time, ...) of all paths, and the last step that was good for all."""
    saved = plan.saved()
    frames = np.empty((n_paths, len(saved), *first.shape))
    reached = plan.n_steps
    for begin in range(0, n_paths, _CHUNK):
        paths = range(begin, min(begin + _CHUNK, n_paths))
        streams = Streams(seed, paths)
        state = np.broadcast_to(first, (len(paths), *first.shape)).copy()
        frames[begin : paths.stop, 0] = state
        step, slot = 0, 1
        while step < reached:
            for normals in streams.normals(min(_BLOCK, reached - step), stepper.noise_size):
                with np.errstate(all="ignore"):
                    new = _attempt(stepper, state, normals, plan.dt)
                if new is None:
                    reached = step
                    break
                state, step = new, step + 1
                if slot < len(saved) and step == saved[slot]:
                    frames[begin : paths.stop, slot] = state
                    slot += 1
    kept = sum(1 for step in saved if step <= reached)
    return frames[:, :kept], reached


def _attempt(stepper: Stepper, state: Array, normals: Array, dt: float) -> Array | None:
    """The next state; None where a path cannot be followed."""
    try:
        new = stepper.step(state, normals, dt)
    except (np.linalg.LinAlgError, ValueError):
        return None
    return new if np.isfinite(new).all() else None


# ------------------------------------------------------------------------------------ the schemes


class RootEuler:
    """Euler-Maruyama in the root chart; the smallest λ is reflected."""

    def __init__(self, chart: RootChart, d: int, orientation: float) -> None:
        self._chart, self._shape, self._orientation = chart, (d, d), orientation
        self.noise_size = d * d

    def start(self, W: Array) -> Array:
        """The root of W."""
        return self._chart.to_root(W)

    def end_to_end(self, state: Array) -> Array:
        """W of roots."""
        return self._chart.from_root(state)

    def step(self, state: Array, normals: Array, dt: float) -> Array:
        """One step."""
        B = math.sqrt(dt) * normals.reshape(-1, *self._shape)
        new = state + self._chart.field(state, B, dt, ito=True)
        return self._reflected(new)

    def _reflected(self, Y: Array) -> Array:
        return reflected(Y, np.full(len(Y), self._orientation)) if self._orientation else Y


class WeakTwo(RootEuler):
    """Ninomiya and Ninomiya's scheme: the flow of Z_1, then of Z_2, random combinations of fields.

    Z_1 = √h S_1·V, Z_2 = h V_0 + √h S_2·V with Var S_1 = 1/2, Var S_2 = 3/2, Cov = -1/2, so that
    S_1 + S_2 is the step's Brownian increment.
    """

    def __init__(self, chart: RootChart, d: int, orientation: float) -> None:
        super().__init__(chart, d, orientation)
        self.noise_size = 2 * d * d

    def step(self, state: Array, normals: Array, dt: float) -> Array:
        """One step."""
        B, X = np.moveaxis(normals.reshape(-1, 2, *self._shape), 1, 0) * math.sqrt(dt)
        one = X / math.sqrt(2)
        two = B - one
        chart = self._chart
        if chart.kappa:
            state = runge_kutta(state, lambda Y: chart.field(Y, one, 0.0, ito=False))
        new = runge_kutta(state, lambda Y: chart.field(Y, two, dt, ito=False))
        return self._reflected(new)


class EulerDownstairs:
    """Euler-Maruyama in the entries of W."""

    def __init__(self, terms: _Terms, d: int, depth: float, orientation: float) -> None:
        self._terms, self._depth, self._shape = terms, depth, (d, d)
        self._orientation = orientation
        self.noise_size = d * d

    def start(self, W: Array) -> Array:
        """W itself."""
        return W

    def end_to_end(self, state: Array) -> Array:
        """W itself."""
        return state

    def step(self, state: Array, normals: Array, dt: float) -> Array:
        """One step."""
        energy, beta, kappa, gamma, with_entropy = self._terms
        depth, B = self._depth, normals.reshape(-1, *self._shape)
        drift = kappa / beta * metric.ito_drift(state, depth)
        if with_entropy:
            drift = drift + entropy.gradient(state, depth) / beta
        if energy is not None:
            drift = drift - metric.gradient(energy, state, depth)
        drift = drift - gamma * (1.0 if math.isinf(depth) else depth) * state
        noise = metric.sqrt(state, B, depth) * math.sqrt(2 * kappa * dt / beta)
        new = state + dt * drift + noise
        return reflected(new, np.full(len(new), self._orientation)) if self._orientation else new


class Upstairs:
    """Tangential noise on the balanced manifold, by a retraction of second order."""

    def __init__(self, terms: _Terms, layers: Weights) -> None:
        self._terms = terms
        self.widths = (layers[0].shape[-1], *(W.shape[-2] for W in layers))
        self.noise_size = sum(W.size for W in layers)
        self._orientation = float(np.linalg.slogdet(product(layers))[0])

    def end_to_end(self, state: Array) -> Array:
        """The products of the weights."""
        return product(unflatten(state, self.widths))

    def step(self, state: Array, normals: Array, dt: float) -> Array:
        """One step."""
        layers = unflatten(state, self.widths)
        split = Split.of(layers, unflatten(normals, self.widths), None)
        energy, beta, kappa, gamma, _ = self._terms
        amplitude = math.sqrt(2 * dt / beta)
        V = [
            amplitude * (along + math.sqrt(kappa) * across) - dt * gamma * W
            for along, across, W in zip(split.vertical(), split.horizontal(), layers, strict=True)
        ]
        if energy is not None:
            V = [v - dt * slope for v, slope in zip(V, gradient(energy, layers), strict=True)]
        return flatten(self._reflected(retract(layers, V)))

    def _reflected(self, layers: Weights) -> Weights:
        """With the last layer's λ_d reflected, where the sign of det W is not the start's."""
        turned = np.linalg.det(product(layers)) * self._orientation < 0
        if not turned.any():
            return layers
        frames, lam = coordinates(tuple(W[turned] for W in layers), self.widths[0])
        last = layers[-1].copy()
        after, before = frames[-1][..., -1:], frames[-2][..., -1:]
        last[turned] -= 2 * lam[..., -1:, None] * after * np.swapaxes(before, -1, -2)
        return (*layers[:-1], last)


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
) -> Ensemble:
    """Brownian motion of generator Δ/β on (M_d, g^N), on (M, ι), or on an orbit in (M, ι).

    Parameters
    ----------
    start, depth, beta, dt, n_steps, n_paths, rng, save_every
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
    if on not in ("end-to-end", "balanced", "orbit"):
        raise ValueError(f"on must be 'end-to-end', 'balanced' or 'orbit', not {on!r}")
    terms = _Terms(
        None, _checks.positive(beta, "beta"), 0.0 if on == "orbit" else 1.0, 0.0, on != "end-to-end"
    )
    run = _Run(dt, n_steps, n_paths, rng, save_every)
    return _simulate(terms, start, depth, on != "end-to-end", run, "auto")

"""Where a run of the Langevin equation begins: one start, one a path, or an ensemble's end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks, _rank, balanced
from dlngeo._checks import RNG, Array, Weights
from dlngeo._engine import recorded
from dlngeo._linalg import product
from dlngeo._paths.run import Callback, Run
from dlngeo._random import restored
from dlngeo._results.ensemble import Ensemble
from dlngeo.balanced.charts import coordinates
from dlngeo.langevin.engines import engine_for
from dlngeo.langevin.schemes import chosen


class Start(NamedTuple):
    """First end-to-end matrices (1 or path, d, d), the weights above them upstairs, and the depth.

    And the ensemble that goes on, where it is one.
    """

    W: Array
    weights: Weights | None
    depth: float
    earlier: Ensemble | None = None

    @property
    def d(self) -> int:
        """The width."""
        return int(self.W.shape[-1])

    @classmethod
    def of(
        cls, start: Sequence[ArrayLike] | Array | Ensemble, depth: float | None, upstairs: Any
    ) -> Start:
        """Weights, or a matrix with its depth; stacks of them hold a start for each path."""
        if upstairs is not None:
            _checks.flag(upstairs, "upstairs")
        if isinstance(start, Ensemble):
            return _of_ensemble(start, depth, upstairs)
        if depth is None:
            if isinstance(start, np.ndarray):
                raise ValueError("start must be a tuple of weights, or an array with its depth")
            return _of_weights(_checks.weights(start, "start"), upstairs is not False)
        point = _checks.one_array(start, "start")
        return _of_matrix(point, _checks.depth(depth), bool(upstairs))

    def run(
        self,
        dt: float,
        n_steps: int,
        save_every: int | None,
        n_paths: int | None,
        rng: RNG,
        first_path: int,
        workers: int,
        callback: Callback | None,
    ) -> Run:
        """The run that begins here; where an ensemble goes on it counts its steps on."""
        starts = len(self.W)
        if n_paths is None:
            n_paths = starts
        elif _checks.integer(n_paths, "n_paths", 1) != starts != 1:
            raise ValueError(f"n_paths must be {starts}, as many as start has, not {n_paths}")
        if self.earlier is not None:
            if rng is not None or first_path:
                raise ValueError("rng and first_path must not be given: start goes on with its own")
            rng = restored(self.earlier.provenance)
            first_path = self.earlier.provenance["first_path"]
        run = Run.of(
            dt, n_steps, save_every, n_paths, rng,
            first_path=first_path, workers=workers, callback=callback,
        )  # fmt: skip
        return run if self.earlier is None else run.after(self.earlier.provenance)

    def method(self, method: str) -> str:
        """The scheme's name."""
        upstairs = self.weights is not None
        if self.earlier is None:
            return chosen(method, upstairs, self.depth)
        known: str = self.earlier.provenance["method"]
        if method not in ("auto", known):
            raise ValueError(f"method must be {known!r}, by which start was run, not {method!r}")
        return known

    def engine(self, engine: str, scheme: Any) -> str:
        """The engine's name: where an ensemble goes on with "auto", that by which it was run."""
        if self.earlier is None or engine != "auto":
            return engine_for(engine, scheme)
        known = str(self.earlier.provenance.get("engine", "numpy")).split()[0]
        try:
            return engine_for(known, scheme)
        except (ImportError, ValueError) as error:
            raise type(error)(
                f"start was run by {self.earlier.provenance['engine']}: {error}; another engine "
                "goes on where it is asked for"
            ) from None

    def engines(self, engine: str) -> dict[str, Any]:
        """What provenance says of an engine, and of others that took earlier steps."""
        now = recorded(engine)
        if self.earlier is None:
            return {"engine": now}
        then = self.earlier.provenance
        others = [*then.get("engines_before", ()), then.get("engine", now)]
        before = tuple(dict.fromkeys(other for other in others if other != now))
        return {"engine": now} | ({"engines_before": before} if before else {})


def _of_ensemble(start: Ensemble, depth: float | None, upstairs: bool | None) -> Start:
    if start.end is None or start.equation is None:
        raise ValueError(
            "start must be an ensemble of langevin.simulate, to its last frame: this one does not "
            "know the states of its paths"
        )
    if len(start.end.state) != len(start.W):
        raise ValueError(
            f"start must have a state for each path; it has {len(start.end.state)} for "
            f"{len(start.W)} paths: an ensemble goes on as a whole"
        )
    whole, weights = start.equation.depth, start.weights
    if depth is not None and _checks.depth(depth) != whole:
        raise ValueError(f"depth must be {whole:g}, as start has it, not {depth:g}")
    if upstairs is not None and upstairs != (weights is not None):
        raise ValueError(f"upstairs must be {weights is not None}, as start has it")
    if not np.isfinite(start.W[:, -1]).all(axis=(1, 2)).any():
        raise ValueError("start must have a path that goes on; all have ended")
    last = None if weights is None else tuple(W[:, -1] for W in weights)
    return Start(start.W[:, -1], last, whole, start)


def _of_weights(layers: Weights, upstairs: bool) -> Start:
    d = layers[0].shape[-1]
    if any(W.ndim not in (2, 3) or W.shape != layers[0].shape for W in layers) or (
        layers[0].shape[-2] != d
    ):
        raise ValueError(
            "start must be square weights of one width, one network or (path, d, d) each; the "
            f"shapes are {[W.shape for W in layers]}"
        )
    if len(layers) > 1:
        _rank.require_full_layers(layers, "start")
    coordinates(layers, d)  # refuses what is not balanced
    W = end_to_end(layers, "start")
    stacks = tuple(_stack(layer) for layer in layers) if upstairs else None
    return Start(_stack(W), stacks, float(len(layers)))


def _of_matrix(start: ArrayLike, depth: float, upstairs: bool) -> Start:
    W = _checks.matrix(start, "start")
    if W.ndim not in (2, 3) or W.shape[-2] != W.shape[-1]:
        raise ValueError(
            f"start must be one square matrix, or (path, d, d); its shape is {W.shape}"
        )
    if depth > 1:
        _rank.require_full(W, "start")
    if upstairs and not float(depth).is_integer():
        raise ValueError(f"upstairs=True needs a whole depth, not {depth:g}")
    lifted = tuple(_stack(w) for w in balanced.lift(W, int(depth))) if upstairs else None
    return Start(_stack(W), lifted, depth)


def _stack(W: Array) -> Array:
    return W if W.ndim == 3 else W[None]


def end_to_end(layers: Weights, name: str) -> Array:
    """W of the weights that a run starts from; refused where it leaves floating point."""
    with np.errstate(over="ignore", invalid="ignore"):
        W = product(layers)
    if not np.isfinite(W).all():
        raise ValueError(f"{name} must have a finite end-to-end matrix; its entries overflow")
    return W

"""What is kept of runs: functions of W at the start, at the end and along time, and yours."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from dlngeo import observables
from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd
from dlngeo._store.runs import Variable
from dlngeo.spectral import two_by_two
from dlngeo.sweeps.dynamics import Runs
from dlngeo.sweeps.settings import function
from dlngeo.sweeps.study import Cell
from dlngeo.weights import imbalances

Shape = tuple[int, int]
_ENTRY = re.compile(r"W_(\d+)_(\d+)")
_WHEN = {"_start": "start", "_t": "time"}


class Matrices:
    """A stack (k, m, n) of finite matrices, decomposed once however much is read off it."""

    def __init__(self, W: Array, runs: Runs) -> None:
        self.W, self.runs = W, runs
        self._svd: tuple[Array, Array, Array] | None = None

    @property
    def svd(self) -> tuple[Array, Array, Array]:
        """U, sigma, Vᵀ."""
        if self._svd is None:
            small = self.W.shape[1:] == (2, 2)
            self._svd = two_by_two.svd(self.W) if small else svd(self.W)
        return self._svd


def _energy(of: Matrices) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):  # an energy may be infinite
        return np.asarray(of.runs.energy.value(of.W))


def _det(of: Matrices) -> Array:
    """The determinant; of 2 × 2 matrices true to rounding."""
    if of.W.shape[1:] != (2, 2):
        return np.asarray(np.linalg.det(of.W))
    _, sigma, Vt = of.svd  # U turns, so the sign is that of Vᵀ
    turn = Vt[:, 0, 0] * Vt[:, 1, 1] - Vt[:, 0, 1] * Vt[:, 1, 0]
    return np.asarray(np.copysign(sigma[:, 0] * sigma[:, 1], turn))


def _invariant(of: Matrices) -> Array:
    """The diagonal of (WWᵀ)^{1/N} - (WᵀW)^{1/N}; of logarithms at infinite depth."""
    U, sigma, Vt = of.svd
    depth = of.runs.depth
    with np.errstate(divide="ignore"):
        size = 2 * np.log(sigma) if math.isinf(depth) else sigma ** (2 / depth)
    difference = U**2 - np.swapaxes(Vt, -1, -2) ** 2
    return np.asarray((difference * size[:, None, :]).sum(axis=-1))


# name: function of Matrices, dimensions after the paths', their sizes for W of a shape
_OF_W: dict[str, tuple[Callable[[Matrices], Array], tuple[str, ...], Callable[[Shape], Any]]] = {
    "W": (lambda of: of.W, ("row", "column"), lambda shape: shape),
    "energy": (_energy, (), lambda shape: ()),
    "singular_values": (lambda of: of.svd[1], ("index",), lambda shape: (min(shape),)),
    "effective_rank": (lambda of: observables.effective_rank(of.svd[1]), (), lambda shape: ()),
    "det": (_det, (), lambda shape: ()),
    "invariant": (_invariant, ("index",), lambda shape: (shape[0],)),
}
_OF_ENDS: dict[str, Callable[[Runs], Array]] = {
    "t_end": lambda runs: runs.t_end,
    "status": lambda runs: runs.status.astype(np.int64),
    "imbalance": lambda runs: _imbalance(runs),
}
_SQUARE = ("det", "invariant")


def _imbalance(runs: Runs) -> Array:
    """max_p ‖G_p‖_F of the weights at the end."""
    assert runs.weights is not None  # the study was checked
    sizes = [np.zeros(runs.status.size), *(frobenius(G) for G in imbalances(runs.weights))]
    return np.asarray(np.max(sizes, axis=0))


# ------------------------------------------------------------------------------------ names


def split(name: str) -> tuple[str, str]:
    """An observable of W, and when: "start", "time" or "end"."""
    for suffix, when in _WHEN.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), when
    return name, "end"


def variable(name: str) -> str:
    """The name in the dataset."""
    return name.rpartition(":")[2]


def _is_of_W(name: str) -> bool:
    return name in _OF_W or _ENTRY.fullmatch(name) is not None


def require_name(name: str, folder: str) -> None:
    """Refuse what is no observable at the start or the end."""
    if ":" in name:
        function(name, folder, "observables")
        return
    base, when = (name, "end") if name in _OF_ENDS else split(name)
    if not (name in _OF_ENDS or (_is_of_W(base) and when != "time")):
        raise ValueError(
            f"observables must be among {', '.join((*_OF_W, *_OF_ENDS))}, W_i_j (an entry, counted "
            "from 0), those of W with _start behind, or 'module:function'; not "
            f"{name!r}"
        )


def require_series_name(name: str) -> None:
    """Refuse what is no observable along time."""
    if not _is_of_W(name):
        raise ValueError(
            f"series.observables must be among {', '.join(_OF_W)} and W_i_j; not {name!r}"
        )


def misfit(name: str, cell: Cell, shape: Shape) -> str:
    """Why an observable cannot be had of a cell with W of a shape; empty where it can."""
    base, _ = split(name)
    if base in _SQUARE and shape[0] != shape[1]:
        return f"{base} needs square W; W is {shape[0]} x {shape[1]}"
    entry = _ENTRY.fullmatch(base)
    if entry and not (int(entry[1]) < shape[0] and int(entry[2]) < shape[1]):
        return f"{base} is no entry of W, which is {shape[0]} x {shape[1]}, counted from 0"
    up = cell.dynamics.get("upstairs") or cell.dynamics["kind"] == "descent"
    if base == "imbalance" and not up:
        return "imbalance needs weights: upstairs = true"
    return ""


# ---------------------------------------------------------------------------------- values


def read(runs: Runs, names: list[str], series: list[str], folder: str) -> dict[str, Variable]:
    """The observables of some runs, by their names in the dataset."""
    stacks = {"end": lambda: runs.W, "start": lambda: runs.start}
    of: dict[str, Matrices] = {}
    found = {}
    for name in names:
        if ":" in name:
            found[variable(name)] = _yours(name, runs, folder)
        elif name in _OF_ENDS:
            found[name] = Variable((), _OF_ENDS[name](runs))
        elif name == "energy":
            found[name] = Variable((), runs.energy_end)
        else:
            base, when = split(name)
            sigma = _of_factors(runs.starts if when == "start" else runs.ends)
            if sigma is not None and base in ("singular_values", "effective_rank"):
                rank = Variable((), observables.effective_rank(sigma))
                found[name] = rank if base == "effective_rank" else Variable(("index",), sigma)
                continue
            if when not in of:
                of[when] = Matrices(stacks[when](), runs)
            found[name] = _of_finite(base, of[when], (), (runs.status.size,))
    if series:
        assert runs.W_t is not None
        paths, times, *shape = runs.W_t.shape
        frames = Matrices(runs.W_t.reshape(paths * times, *shape), runs)
        for name in series:
            found[f"{name}_t"] = _of_finite(name, frames, ("time",), (paths, times))
    return found


def _of_factors(matrices: Any) -> Array | None:
    """The singular values (path, r) of matrices in factors; None of others."""
    if isinstance(matrices, np.ndarray) or not all(hasattr(one, "sigma") for one in matrices):
        return None
    return np.stack([one.sigma for one in matrices])


def _of_finite(base: str, of: Matrices, more: tuple[str, ...], stack: tuple[int, ...]) -> Variable:
    """A function of W, NaN where W is."""
    entry = _ENTRY.fullmatch(base)
    if entry:
        values = of.W[:, int(entry[1]), int(entry[2])]
        return Variable(more, values.reshape(stack))
    compute, dimensions, size = _OF_W[base]
    there = np.isfinite(of.W).all(axis=(1, 2))
    if there.all():
        values = compute(of)
    else:
        values = np.full((len(of.W), *size(of.W.shape[1:])), np.nan)
        if there.any():
            values[there] = compute(Matrices(np.ascontiguousarray(of.W[there]), of.runs))
    return Variable((*more, *dimensions), values.reshape(*stack, *values.shape[1:]))


def _yours(name: str, runs: Runs, folder: str) -> Variable:
    """What a function of yours reads off runs."""
    values = np.asarray(function(name, folder, "observables")(runs))
    if values.shape[:1] != runs.status.shape or values.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must return an array of real numbers (path, ...) of {runs.status.size} paths, "
            f"not of shape {values.shape} and type {values.dtype}"
        )
    own = variable(name)
    values = values.astype(np.int64 if values.dtype.kind in "iu" else np.float64)
    return Variable(tuple(f"{own}_{k}" for k in range(values.ndim - 1)), values)

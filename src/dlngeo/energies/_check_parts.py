"""What an energy says of itself, held against what it does: the optional parts of the protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlngeo._checks import Array
from dlngeo._engine import chosen
from dlngeo._linalg import svd_product
from dlngeo.energies._on_lanes import on_lanes
from dlngeo.energies._protocol import Energy


def require_own_shape(energy: Energy, shape: tuple[int, ...], name: str) -> None:
    """Refuse matrices of another shape than the energy's own, where it has one."""
    own = getattr(energy, "shape", shape)
    if not isinstance(own, tuple) or len(own) != 2:
        raise TypeError(f"energy.shape must be (m, n), where there is one, not {own!r}")
    if own != shape:
        raise ValueError(
            f"{name} must have shape (..., {own[0]}, {own[1]}) end to end, as the energy's "
            f"matrices have, not {shape}"
        )


def check_parts(energy: Any, W: Array, bend: Array, tol: float) -> None:
    """Refuse in words an optional part that is not true at W, to ``tol``.

    ``bend`` (k, k) is the form of E''(W) in k orthonormal directions.
    """
    require_own_shape(energy, W.shape, "W")
    norm = getattr(energy, "hessian_norm", None)
    if norm is not None:
        _check_norm(norm, bend, whole=len(bend) == W.size, tol=tol)
    bound, seen = getattr(energy, "hessian_bound", None), float(np.linalg.norm(bend, 2))
    if bound is not None and not seen <= bound * (1 + tol):
        raise ValueError(
            "energy.hessian_bound must be at least the norm of E'' at every W, where there is one; "
            f"it is {bound:.6g}, and the norm at one W {seen:.6g}"
        )
    spectral = getattr(energy, "spectral", None)
    if spectral is not None:
        _check_spectral(energy, W, spectral, tol)
    if callable(getattr(energy, "null_space", None)):
        _check_null_space(energy.null_space(), W.shape)
    if callable(getattr(energy, "fits", None)):
        _check_fits(energy, W, tol)
    if callable(getattr(energy, "entries", None)):
        _check_entries(energy, W, tol)
    if callable(getattr(energy, "compiled", None)) and chosen("auto") == "numba":
        _check_compiled(energy, W, tol)


def _check_norm(norm: float, bend: Array, *, whole: bool, tol: float) -> None:
    seen = float(np.linalg.norm(bend, 2))
    if seen > norm * (1 + tol) or (whole and seen < norm * (1 - tol)):
        raise ValueError(
            "energy.hessian_norm must be the norm of E'' at every W, where there is one; it is "
            f"{norm:.6g}, and the norm at one W {seen:.6g}"
        )


def _check_spectral(energy: Any, W: Array, spectral: Any, tol: float) -> None:
    U, sigma, Vt = np.linalg.svd(W, full_matrices=False)
    value, slope = spectral(sigma)
    gradient = svd_product(U, slope, Vt)
    size = np.linalg.norm(gradient)
    near = tol * (abs(value) + size * np.linalg.norm(W))
    if not (
        abs(energy.value(W) - value) <= near
        and np.linalg.norm(energy.gradient(W) - gradient) <= tol * size
    ):
        raise ValueError(
            "energy.spectral must give E and its derivatives as functions of the singular values, "
            "where there is one; at W it does not"
        )


def _check_null_space(null: Any, shape: tuple[int, ...]) -> None:
    entries = np.asarray(null.entries)
    if entries.shape != shape or entries.dtype != np.bool_:
        raise ValueError(
            f"energy.null_space().entries must hold booleans of shape {shape}; they have shape "
            f"{entries.shape} and dtype {entries.dtype}"
        )


def _check_fits(energy: Any, W: Array, tol: float) -> None:
    nearest = energy.fits().project(W)
    if not energy.value(nearest) <= tol**2 * max(energy.value(W), energy.value(0 * W)):
        raise ValueError("energy.fits().project(W) must be of energy 0; it is not")


def _check_entries(energy: Any, W: Array, tol: float) -> None:
    entries = energy.entries()
    rows = np.repeat(np.arange(len(W)), np.diff(entries.starts))
    value, slope = entries.loss(W[rows, entries.columns])
    gradient = np.zeros_like(W)
    gradient[rows, entries.columns] = slope
    size = np.linalg.norm(gradient)
    near = tol * (abs(value.sum()) + size * np.linalg.norm(W))
    if not (
        abs(energy.value(W) - value.sum()) <= near
        and np.linalg.norm(energy.gradient(W) - gradient) <= tol * size
    ):
        raise ValueError(
            "energy.entries() must give E and E', where there is one; at W it does not"
        )


def _check_compiled(energy: Any, W: Array, tol: float) -> None:
    value, slope = on_lanes(energy.compiled(), W[None])
    size = np.linalg.norm(slope)
    near = tol * (abs(value[0]) + size * np.linalg.norm(W))
    if not (
        abs(energy.value(W) - value[0]) <= near
        and np.linalg.norm(energy.gradient(W) - slope[0]) <= tol * size
    ):
        raise ValueError(
            "energy.compiled() must give E and E', where there is one; at W it does not"
        )

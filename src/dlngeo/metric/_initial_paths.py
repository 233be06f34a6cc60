r"""Paths between two matrices of one rank, from which geodesics are aimed.

The straight line between the roots Y = UΛVᵀ, Λ = Σ^{1/N}, in which g^N differs from the Frobenius
metric by a factor N at most, and the polar path. Neither depends on the choices of an SVD.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.linalg import schur

from dlngeo._checks import Array
from dlngeo._linalg import frobenius, svd, transpose
from dlngeo.spectral.frame import Frame

_CHART = 8  # the depth whose root gives the chart at depth inf


def starts(start: Frame, end: Frame) -> list[Callable[[float], Array]]:
    """The root path; for square matrices of full rank the polar path too."""
    paths = [root_path(start, end)]
    if start.shape[0] == start.shape[1] == start.sigma.size:
        paths.append(polar_path(start, end))
    return paths


def root_path(start: Frame, end: Frame, bow: float = 0.0) -> Callable[[float], Array]:
    """The line between the roots U Σ^{1/N} Vᵀ, bent aside by a share of their distance."""
    depth, r = min(start.depth, _CHART), start.sigma.size
    roots = [(f.U * f.sigma ** (1 / depth)) @ f.Vt for f in (start, end)]
    aside = bow * frobenius(roots[1] - roots[0]) * _aside(start.shape)

    def path(t: float) -> Array:
        U, lam, Vt = svd((1 - t) * roots[0] + t * roots[1] + t * (1 - t) * aside)
        return np.asarray((U[:, :r] * lam[:r] ** depth) @ Vt[:r])

    return path


def _aside(shape: tuple[int, ...]) -> Array:
    """A direction of norm 1 that no symmetry of the two ends is likely to single out."""
    size = math.prod(shape)
    direction = np.cos(np.arange(1.0, size + 1) ** 2).reshape(shape)
    return np.asarray(direction / np.linalg.norm(direction))


def polar_path(start: Frame, end: Frame) -> Callable[[float], Array]:
    """Q_0 exp(tΩ) with the line between the P^{1/N} (log P) of the polar decompositions QP."""
    depth = start.depth
    Q = [f.U @ f.Vt for f in (start, end)]
    P = []
    for f in (start, end):
        values = np.log(f.sigma) if math.isinf(depth) else f.sigma ** (1 / depth)
        P.append(transpose(f.Vt) @ (values[:, None] * f.Vt))
    turn = _rotation(Q[0].T @ Q[1])

    def path(t: float) -> Array:
        values, vectors = np.linalg.eigh((1 - t) * P[0] + t * P[1])
        sigma = np.exp(values) if math.isinf(depth) else values**depth
        return np.asarray(Q[0] @ turn(t) @ (vectors * sigma) @ vectors.T)

    return path


def _rotation(Q: Array) -> Callable[[float], Array]:
    """T → Q^t for a rotation Q: planes turn by the shorter way."""
    T, V = schur(Q, output="real")
    planes, k = [], 0
    flips = []
    while k < len(T):
        if k + 1 < len(T) and abs(T[k + 1, k]) > 1e-14:
            planes.append((k, k + 1, math.atan2(T[k + 1, k], T[k, k])))
            k += 2
            continue
        if T[k, k] < 0:
            flips.append(k)
        k += 1
    planes += [(i, j, math.pi) for i, j in zip(flips[::2], flips[1::2], strict=False)]

    def power(t: float) -> Array:
        R = np.eye(len(T))
        for i, j, angle in planes:
            c, s = math.cos(t * angle), math.sin(t * angle)
            R[i, i], R[i, j], R[j, i], R[j, j] = c, -s, s, c
        return np.asarray(V @ R @ V.T)

    return power

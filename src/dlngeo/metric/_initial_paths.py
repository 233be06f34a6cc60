r"""Paths between two matrices of one rank, from which geodesics are pulled taut.

Each is given in the chart Y = UΣ^{1/2}Vᵀ at some times: the line, the line bent aside, and the
polar path. None depends on the choices of an SVD.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import schur

from dlngeo._checks import Array
from dlngeo._linalg import frobenius


def bent(step: Array, times: Array) -> Array:
    """What is added to the line to bend it aside by its length, (time, k, k)."""
    aside = np.cos(np.arange(1.0, step.size + 1) ** 2).reshape(step.shape)
    # A direction that no symmetry of the two ends is likely to single out.
    aside *= frobenius(step) / np.linalg.norm(aside)
    return np.asarray((times * (1 - times))[:, None, None] * aside)


def polar_path(start: Array, end: Array, depth: float, times: Array) -> Array:
    """Q_0 exp(tΩ) with the line between the P^{2/N} (log P) of the decompositions QP of Y.

    Of square Y with determinants of one sign, (time, k, k).
    """
    power = 2 / depth
    Q, P = [], []
    for Y in (start, end):
        U, a, Vt = np.linalg.svd(Y)
        values = np.log(a) if power == 0 else a**power
        Q.append(U @ Vt)
        P.append(Vt.T @ (values[:, None] * Vt))
    t = times[:, None, None]
    values, vectors = np.linalg.eigh((1 - t) * P[0] + t * P[1])
    a = np.exp(values) if power == 0 else np.abs(values) ** (1 / power)
    turned = Q[0] @ _powers(Q[0].T @ Q[1], times)
    return np.asarray(turned @ (vectors * a[:, None, :]) @ vectors.mT)


def _powers(Q: Array, times: Array) -> Array:
    """Q^t for a rotation Q: planes turn by the shorter way."""
    T, V = schur(Q, output="real")
    planes, flips, k = [], [], 0
    while k < len(T):
        if k + 1 < len(T) and abs(T[k + 1, k]) > 1e-14:
            planes.append((k, k + 1, math.atan2(T[k + 1, k], T[k, k])))
            k += 2
            continue
        if T[k, k] < 0:
            flips.append(k)
        k += 1
    planes += [(i, j, math.pi) for i, j in zip(flips[::2], flips[1::2], strict=False)]
    R = np.repeat(np.eye(len(T))[None], len(times), axis=0)
    for i, j, angle in planes:
        c, s = np.cos(times * angle), np.sin(times * angle)
        R[:, i, i], R[:, i, j], R[:, j, i], R[:, j, j] = c, -s, s, c
    return np.asarray(V @ R @ V.T)

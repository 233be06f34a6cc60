"""Of what type a stationary point is: the index of Hess F relative to g^N, in all directions."""

from __future__ import annotations

import numpy as np

from dlngeo._checks import Array
from dlngeo.landscapes._points.restriction import Restriction
from dlngeo.landscapes._quantities import Quantities, Sheet

ZERO = 1e-8  # a gradient below this, relative to its terms, counts as zero
_FLAT = 1e-7  # and a second derivative


def near_zero(F: Restriction, axes: tuple[Array, ...], W: Array, slope: Array) -> Array:
    """Whether E′ is within rounding of a zero of it, by E″: its own terms may all be zero there."""
    cell = sum(
        float(np.diff(x).max() * np.linalg.norm(D))
        for x, D in zip(axes, F.section.directions, strict=True)
    )
    basis = np.eye(F.d**2).reshape(-1, F.d, F.d)
    bend = np.asarray(F.energy.hessian(W[:, None], basis)).reshape(len(W), -1)
    length = np.maximum(np.minimum(np.linalg.norm(W, axis=(1, 2)), cell), 1e-6 * cell)
    return np.asarray(slope <= ZERO * np.abs(bend).max(axis=1, initial=0.0) * length)


def indices(F: Restriction, W: Array, rank: Array, still: Array) -> tuple[Array, Array]:
    """How many eigenvalues of Hess F are negative, and how many zero; -1 where that is not told."""
    index, zeros = np.full(len(W), -1), np.full(len(W), -1)
    for r in (F.d, F.d - 1):
        here = np.flatnonzero(still & (F.smooth | (rank == r)))
        if not len(here):
            continue
        sheet = Sheet.of(F.energy, W[here], F.d if F.smooth else r, True)
        if F.smooth:  # E″ itself has the same signs, and no zeros at singular matrices
            assert sheet.bend is not None
            own = np.broadcast_to(F.gamma * np.eye(F.d**2), sheet.bend.shape)
            terms = [sheet.bend, own]
        else:
            terms = Quantities(sheet, F.depth, F.beta, F.gamma).hessian_terms()
        form = sum(terms, np.zeros(()))
        size = sum((np.abs(np.diagonal(x, axis1=1, axis2=2)) for x in terms), np.zeros(()))
        for k, each, scale in zip(here, form, size, strict=True):
            if np.isfinite(each).all() and np.isfinite(scale).all():
                index[k], zeros[k] = signature(each, scale)
    return index, zeros


def signature(form: Array, terms: Array) -> tuple[int, int]:
    """How many eigenvalues of a form are negative, and zero, by the terms of its diagonal."""
    scale = np.sqrt(np.where(terms > 0, terms, 1.0))
    if not form.size:
        return 0, 0
    values = np.linalg.eigvalsh(form / scale[:, None] / scale)
    level = _FLAT * max(1.0, float(np.abs(values).max()))
    return int((values < -level).sum()), int((np.abs(values) <= level).sum())

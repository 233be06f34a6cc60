r"""Critical points of the network's loss: all of them, and of what kind (Wendin-Altafini, 4.4-4.5).

The loss is ½|Σ - W_N ⋯ W_1|² with Σ of positive distinct diagonal ``sigma``, d_y × d_x, d_y <= d_x,
N >= 2 layers of any widths. At a critical point the end-to-end matrix is SΣ, of signature S and
rank r, and bases P and blocks Z give the weights (:mod:`~dlngeo.critical_points._parametrisation`).
A critical point is

- a minimum, and then a global one, if S keeps the min(d_y, d_min) largest σ;
- a strict saddle if S keeps not the r largest, or if for some p < q neither Z_{q-1} ⋯ Z_{p+1} nor
  Z_{p-1} ⋯ Z_1 Σ_Qᵀ Z_N ⋯ Z_{q+1} vanishes (empty products are identities);
- a non-strict saddle ("tightened") otherwise.

For two layers every saddle with a hidden node to spare is strict. A bottleneck d_min < d_y adds no
non-strict saddles: those of rank d_min are the minimum or strict.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import frobenius, prefix_products, product, transpose
from dlngeo._results.brief import brief
from dlngeo.critical_points._parametrisation import (
    conjugate,
    dropped_by,
    nearest,
    parametrise,
    prepare,
    rectangular,
)
from dlngeo.critical_points._signatures import (
    leading,
)
from dlngeo.weights import pull_back


class Classification(NamedTuple):
    """What a point is: for one network a str, a signature or None, a float; arrays for a stack.

    ``kind`` is "minimum", "strict saddle", "non-strict saddle" or "regular"; ``signature`` is None
    at regular points; ``value`` is the loss.
    """

    kind: Any
    signature: Any
    value: Any

    def __repr__(self) -> str:
        return brief(self)


def classify(weights: Sequence[ArrayLike], sigma: ArrayLike, tol: float = 1e-9) -> Classification:
    r"""Minimum, strict saddle, non-strict saddle, or no critical point at all.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays
    sigma : (d_y,) array
        The diagonal of Σ: positive and distinct, in any order.
    tol : float > 0
        Relative, for every numerical decision. A point counts as critical if each layer's gradient
        is at most tol (σ_max + Π_k |W_k|) Π_{k≠p} |W_k| and the end-to-end matrix lies within
        √tol (σ_max + Π_k |W_k|), and σ_min / 4, of an SΣ. A product of blocks Z counts as zero if,
        layer by layer, what is left of its range is stretched by no more than tol |W_k|; so
        the decision does not wear off with depth.

        All this sees the shape of a layer, however small it is. The absolute scale is that of
        balanced layers at the minimum, σ_max^{1/N}: a layer is negligible where the norms of any k
        consecutive layers, itself among them, multiply to at most tol σ_max^{k/N}.
        A point that is critical once its negligible layers are zero is taken for that one.

    Returns
    -------
    Classification
        ``.kind``, ``.signature``, ``.value``; for a stack each an array, of objects but for the
        value.

    Raises
    ------
    ValueError
        If the widths do not fit Σ; if the σ are not positive and distinct beyond the rounding of a
        network of these widths; or if the layers are
        so large against their product that rounding hides the smallest σ.

    Notes
    -----
    The Hessian is not formed. Source: Wendin and Altafini, Prop. 18 corrected (tightened is said
    exactly; two layers have no tightened saddles); with bottlenecks.

    Examples
    --------
    >>> import dlngeo as dln
    >>> weights = dln.critical_points.sample([3.0, 2.0, 1.0], (3, 3, 3), (0, 2), rng=0)
    >>> found = dln.critical_points.classify(weights, [3.0, 2.0, 1.0])
    >>> found.kind, found.signature, round(float(found.value), 6)
    ('strict saddle', (0, 2), 2.0)
    """
    layers, values = prepare(weights, sigma)
    tol = _checks.positive(tol, "tol")
    given = layers
    layers, keep, critical = _settled(layers, values, tol)
    rank = keep.sum(axis=-1)
    top = np.array(
        [np.isin(np.arange(values.size), leading(values, r)) for r in range(values.size + 1)]
    )
    first = (keep == top[rank]).all(axis=-1)
    most = min(values.size, *(W.shape[-2] for W in layers))
    minimum, candidate = critical & first & (rank == most), critical & first & (rank < most)
    kind = np.full(critical.shape, "regular", dtype=object)
    kind[critical] = "strict saddle"
    kind[minimum] = "minimum"
    if candidate.any():
        tight = ~_is_loose(tuple(W[candidate] for W in layers), values, keep[candidate], tol)
        kind[candidate] = np.where(tight, "non-strict saddle", "strict saddle")
    residual = product(given) - rectangular(given, values)
    squares = np.where(keep, 0.0, values**2).sum(axis=-1)
    value = 0.5 * np.where(critical, squares, (residual**2).sum(axis=(-2, -1)))
    names = np.full(critical.shape, None, dtype=object)
    for index in map(tuple, np.argwhere(critical)):
        names[index] = tuple(int(i) for i in np.flatnonzero(keep[index]))
    if not critical.shape:
        return Classification(kind[()], names[()], float(value))
    return Classification(kind, names, value)


def negative_direction(
    weights: Sequence[ArrayLike], sigma: ArrayLike, tol: float = 1e-9
) -> Weights:
    r"""A tangent tuple V along which the Hessian form at a strict saddle is negative.

    Where the signature S misses one of the r largest σ, V = P R P⁻¹ swaps the greatest σ_i dropped
    against the least σ_j kept, and :math:`\mathfrak h(A, V) = \sigma_j^2 - \sigma_i^2` exactly.
    Elsewhere V changes two layers p < q in the blocks of Z alone, where the saddle is not
    tightened.

    Parameters
    ----------
    weights : tuple of (d_p, d_{p-1}) arrays, one network
    sigma, tol
        As for :func:`classify`.

    Raises
    ------
    ValueError
        If the weights are not a strict saddle, or a stack.

    Notes
    -----
    Source: Wendin and Altafini, Prop. 21 corrected (V = P R P⁻¹, not P⁻¹ R P); the second case is
    derived.
    """
    kind = classify(weights, sigma, tol).kind
    if np.ndim(kind) or kind != "strict saddle":
        raise ValueError(f"weights must be one strict saddle; they are of the kind {kind!r}")
    layers, values = prepare(weights, sigma)
    layers, _, _ = _settled(layers, values, tol)
    parameters = parametrise(layers, sigma, tol)
    kept, dropped = parameters.signature, dropped_by(parameters.signature, values.size)
    R = [np.zeros_like(W) for W in layers]
    if kept != leading(values, len(kept)):
        i = max(dropped, key=lambda k: values[k])
        j = min(range(len(kept)), key=lambda k: values[kept[k]])
        R[0][j, i], R[-1][i, j] = values[i], 1.0
    else:
        r = len(kept)
        p, q, one, two = _loose_pair(parameters.Z, values, dropped)
        R[p - 1][r:, slice(None) if p == 1 else slice(r, None)] = one
        R[q - 1][
            np.ix_(
                dropped if q == len(R) else range(r, R[q - 1].shape[0]), range(r, R[q - 1].shape[1])
            )
        ] = two
    return conjugate(R, parameters.P)


def _loose_pair(Z: Weights, sigma: Array, dropped: list[int]) -> tuple[int, int, Array, Array]:
    """Layers p < q and changes b xᵀ, y aᵀ of Z_p, Z_q that make the form most negative.

    With x, y the leading singular pair of Z_{p-1} ⋯ Z_1 Σ_Qᵀ Z_N ⋯ Z_{q+1}, the form is quadratic
    in (b, a); its least eigenvalue is found over all p < q.
    """
    depth = len(Z)
    back = np.zeros((Z[0].shape[1], len(dropped)))  # Σ_Qᵀ
    back[dropped, range(len(dropped))] = sigma[dropped]

    def path(first: int, last: int) -> Array:
        """Z_last ⋯ Z_first, an identity if empty."""
        size = Z[first - 1].shape[1] if first <= depth else Z[-1].shape[0]
        return product([np.eye(size), *Z[first - 1 : last]])

    best, found = np.inf, (0, 0, back, back)
    for p, q in itertools.combinations(range(1, depth + 1), 2):
        head, tail, middle = path(1, p - 1), path(q + 1, depth), path(p + 1, q - 1)
        D = head @ back @ tail
        if not (D.size and middle.size):
            continue
        X, s, Yt = np.linalg.svd(D)
        x, y = X[:, 0], Yt[0]
        u, v = head.T @ x, tail @ y
        K, F = path(p + 1, depth), path(1, q - 1)
        corner = np.outer(K.T @ v, F @ u) - s[0] * middle.T
        M = np.block([[(u @ u) * K.T @ K, corner], [corner.T, (v @ v) * F @ F.T]])
        least, vectors = np.linalg.eigh(M)
        if least[0] < best:
            b, a = np.split(vectors[:, 0], [K.shape[1]])
            best, found = least[0], (p, q, np.outer(b, x), np.outer(y, a))
    return found


# --------------------------------------------------------------------------- numerical decisions


def _settled(layers: Weights, sigma: Array, tol: float) -> tuple[Weights, Array, Array]:
    """The layers, negligible ones zero where that makes a critical point; its S; whether it is."""
    keep, near = nearest(layers, sigma, tol)
    critical = near & _is_critical(layers, sigma, tol)
    drop = _negligible(layers, sigma, tol) & ~critical
    if not drop.any():
        return layers, keep, critical
    reduced = tuple(np.where(d[..., None, None], 0.0, W) for d, W in zip(drop, layers, strict=True))
    other, near = nearest(reduced, sigma, tol)
    found = drop.any(axis=0) & near & _is_critical(reduced, sigma, tol)
    chosen = found[..., None, None]
    settled = tuple(np.where(chosen, R, W) for R, W in zip(reduced, layers, strict=True))
    return settled, np.where(found[..., None], other, keep), critical | found


def _negligible(layers: Weights, sigma: Array, tol: float) -> Array:
    """Which layers, (N, ...), lie on no path of consecutive layers above tol of its natural size.

    In units of σ_max^{1/N}; logarithms of the largest products that end and that begin at a layer.
    """
    with np.errstate(divide="ignore"):
        size = np.log([np.linalg.norm(W, ord=2, axis=(-2, -1)) for W in layers])
    size -= np.log(sigma.max()) / len(layers)
    ending, beginning = list(size), list(size)
    for p in range(1, len(layers)):
        ending[p] = size[p] + np.maximum(ending[p - 1], 0.0)
        beginning[-1 - p] = size[-1 - p] + np.maximum(beginning[-p], 0.0)
    beyond = [*(np.maximum(after, 0.0) for after in beginning[1:]), 0.0]
    through = [before + after for before, after in zip(ending, beyond, strict=True)]
    return np.asarray(through) <= np.log(tol)


def _is_critical(layers: Weights, sigma: Array, tol: float) -> Array:
    norms = [np.linalg.norm(W, ord=2, axis=(-2, -1))[..., None, None] for W in layers]
    units = tuple(W / np.where(n > 0, n, 1.0) for W, n in zip(layers, norms, strict=True))
    residual = product(layers) - rectangular(layers, sigma)
    scale = sigma.max() + np.prod(norms, axis=0)
    prefixes = prefix_products(units)
    gradient = pull_back(residual / scale, units, prefixes)
    return np.all([frobenius(G) <= tol for G in gradient], axis=0)


def _is_loose(layers: Weights, sigma: Array, keep: Array, tol: float) -> Array:
    """Whether for some p < q neither of the two products of Z vanishes, over a stack of points.

    The range of a product is followed from layer to layer through an orthonormal basis, starting
    from the part N_p of layer p on which Z acts, which needs no decision on rank.
    """
    depth, stack = len(layers), keep.shape[:-1]
    starts = _z_spaces(layers, keep)
    inner: dict[tuple[int, int], Array] = {}
    for p in range(1, depth):
        basis = starts[p]
        for q in range(p + 1, depth + 1):
            inner[p, q] = np.asarray(basis.any(axis=(-2, -1)))
            if q < depth:
                basis = _follow(layers[q - 1], basis, tol)
    loose = np.zeros(stack, dtype=bool)
    for q in range(2, depth + 1):
        basis = starts[q]
        for W in layers[q:]:
            basis = _follow(W, basis, tol)
        basis = _return(basis, sigma, layers[0].shape[-1])
        for p in range(1, q):
            loose = loose | (inner[p, q] & basis.any(axis=(-2, -1)))
            basis = _follow(layers[p - 1], basis, tol)
    return loose


def _z_spaces(layers: Weights, keep: Array) -> list[Array]:
    """Bases of N_p, the null space of U_Sᵀ W_N ⋯ W_{p+1}, for p = 0 (not used) to N."""
    suffix = keep[..., None] * np.eye(keep.shape[-1])
    rank = keep.sum(axis=-1)[..., None, None]
    spaces = [(1.0 - keep)[..., None] * np.eye(keep.shape[-1])]
    for W in reversed(layers[1:]):
        suffix = suffix @ W
        V = transpose(np.linalg.svd(suffix)[2])
        spaces.append(V * (np.arange(V.shape[-1]) >= rank))
    spaces.append(np.empty(0))
    return spaces[::-1]


def _follow(W: Array, basis: Array, tol: float) -> Array:
    """An orthonormal basis of the image under W, columns of zeros where it has no more vectors."""
    U, s, _ = np.linalg.svd(W @ basis, full_matrices=False)
    norm = np.linalg.norm(W, ord=2, axis=(-2, -1))[..., None]
    image: Array = U * (s > tol * norm)[..., None, :]
    return image


def _return(basis: Array, sigma: Array, columns: int) -> Array:
    """An orthonormal basis of the image under Σᵀ, which loses no vector."""
    count = basis.any(axis=-2).sum(axis=-1)[..., None]
    image = np.zeros((*basis.shape[:-2], columns, basis.shape[-1]))
    image[..., : sigma.size, :] = sigma[:, None] * basis
    U = np.linalg.svd(image, full_matrices=False)[0]
    return np.asarray(U * (np.arange(U.shape[-1]) < count)[..., None, :])

r"""Skip connections as a wider network in block-shift form (Wendin and Altafini, section 7).

A skip from layer k to layer l > k + 1 of the same width adds the identity, W_l ⋯ W_{k+1} + 1. Its
signal is carried by d_k(l - k - 1) extra nodes, one set in each layer between:

.. math:: \tilde W_{k+1} = \begin{bmatrix} W_{k+1} \\ 1 \end{bmatrix},\quad
   \tilde W_p = \begin{bmatrix} W_p & 0 \\ 0 & 1 \end{bmatrix},\quad
   \tilde W_l = \begin{bmatrix} W_l & 1 \end{bmatrix}

(corrected: the printed blocks end one layer early). The edges of weight 1 do not learn, so the
gradient flow is that of the wide network with a mask: 1 on the learning blocks, 0 elsewhere, which
is again the negative gradient of the loss in the learning weights.

``skips`` is a sequence of pairs (k, l) of layers, 0 the input and N the output; several may start,
end or run side by side.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array, Weights
from dlngeo._linalg import layer_widths
from dlngeo.adjacency._blocks import place

Skips = Sequence[tuple[int, int]]


def skip_widths(widths: Sequence[int], skips: Skips) -> tuple[int, ...]:
    """The widths of the network that carries the skips: Σ d_k(l - k - 1) more nodes in all.

    Source: Wendin and Altafini, section 7 corrected.

    Raises
    ------
    ValueError
        If a skip does not pass over a layer, or joins layers of different widths.
    """
    widths, skips = _checked(widths, skips)
    return tuple(sum(_parts(p, widths, skips)) for p in range(len(widths)))


def with_skips(weights: Sequence[ArrayLike], skips: Skips) -> Weights:
    """The weights W̃ of the network in block-shift form that has these skip connections.

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays
    skips : sequence of pairs (k, l), l > k + 1, with d_k = d_l

    Returns
    -------
    tuple of arrays
        Of the widths :func:`skip_widths`; W_p is the leading block of W̃_p. Its end-to-end matrix
        is W_N ⋯ W_1 + W_N ⋯ W_{l+1} W_k ⋯ W_1 for one skip, and the sum over all paths in general.

    Notes
    -----
    Source: Wendin and Altafini, section 7 ("Skip connections") corrected.
    """
    layers = _checks.weights(weights)
    widths, skips = _checked(layer_widths(layers), skips)
    extended = []
    for p, W in enumerate(layers, start=1):
        rows, columns = _carried(p, skips), _carried(p - 1, skips)
        row_widths, column_widths = _parts(p, widths, skips), _parts(p - 1, widths, skips)
        wide = np.zeros((*W.shape[:-2], sum(row_widths), sum(column_widths)))
        wide[..., : widths[p], : widths[p - 1]] = W
        for skip in skips:
            if skip[0] < p <= skip[1]:
                i = rows.index(skip) + 1 if skip in rows else 0
                j = columns.index(skip) + 1 if skip in columns else 0
                wide[..., _span(row_widths, i), _span(column_widths, j)] = np.eye(widths[skip[0]])
        extended.append(wide)
    return tuple(extended)


def skip_mask(widths: Sequence[int], skips: Skips) -> Array:
    """The mask A_W of the learning entries, ``(n_v, n_v)`` of bool: the leading blocks W_p of W̃_p.

    For :func:`gradient` with the widths :func:`skip_widths`. Source: Wendin and Altafini,
    section 7.
    """
    widths, skips = _checked(widths, skips)
    wide = skip_widths(widths, skips)
    mask = np.zeros((sum(wide), sum(wide)), dtype=bool)
    for p in range(1, len(widths)):
        mask[place(wide, p, p - 1)][: widths[p], : widths[p - 1]] = True
    return mask


def without_skips(extended: Sequence[ArrayLike], widths: Sequence[int]) -> Weights:
    """The learning blocks W_p of extended weights (or of their gradient), copied."""
    wide, widths = _checks.weights(extended, "extended"), _checks.widths(widths)
    if len(wide) != len(widths) - 1 or any(
        W.shape[-2] < b or W.shape[-1] < a
        for W, (a, b) in zip(wide, itertools.pairwise(widths), strict=True)
    ):
        raise ValueError(
            f"extended must contain blocks of the widths {widths}; "
            f"their shapes are {[W.shape for W in wide]}"
        )
    return tuple(
        W[..., :b, :a].copy() for W, (a, b) in zip(wide, itertools.pairwise(widths), strict=True)
    )


def _carried(layer: int, skips: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The skips that pass over a layer, in the order of their nodes there."""
    return [skip for skip in skips if skip[0] < layer < skip[1]]


def _parts(layer: int, widths: tuple[int, ...], skips: list[tuple[int, int]]) -> list[int]:
    """Sizes of the groups of nodes of a layer: its own, then one for each skip over it."""
    return [widths[layer], *(widths[k] for k, _ in _carried(layer, skips))]


def _span(sizes: list[int], index: int) -> slice:
    return slice(sum(sizes[:index]), sum(sizes[: index + 1]))


def _checked(widths: Sequence[int], skips: Skips) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    widths = _checks.widths(widths)
    pairs = []
    for skip in _checks.sequence(skips, "skips", "a sequence of pairs (k, l) of layers"):
        if not isinstance(skip, tuple | list) or len(skip) != 2:
            raise ValueError(f"skips must be pairs (k, l) of layers; one is {_checks.shown(skip)}")
        k, l = (_checks.integer(layer, "skips", 0) for layer in skip)  # noqa: E741
        if not k + 1 < l < len(widths):
            raise ValueError(
                f"skips (k, l) must have 0 <= k, k + 1 < l <= {len(widths) - 1}; one is {skip}"
            )
        if widths[k] != widths[l]:
            raise ValueError(
                f"skips must join layers of one width; {skip} joins {widths[k]} and {widths[l]}"
            )
        pairs.append((k, l))
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"skips must not be named twice; they are {pairs}")
    return widths, pairs

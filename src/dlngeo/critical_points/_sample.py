"""Random critical points (Wendin and Altafini, sections 4.3-4.4)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import RNG, Array, Weights
from dlngeo.critical_points import _intervals
from dlngeo.critical_points._parametrisation import assembled, check_rank, dropped_by
from dlngeo.critical_points._signatures import (
    Signature,
    check_signature,
    check_target,
    check_widths,
)
from dlngeo.weights import haar_frame


def sample(
    sigma: ArrayLike,
    widths: Sequence[int],
    signature: Iterable[int],
    *,
    rng: RNG = None,
    tightened: bool | None = None,
    size: int | tuple[int, ...] = (),
) -> Weights:
    """Weights of a random critical point of given signature.

    Parameters
    ----------
    sigma : (d_y,) array of positive distinct numbers
    widths : (d_0, ..., d_N)
    signature : 0-based indices
    rng : anything that ``numpy.random.default_rng`` takes
    tightened : bool or None
        True: tightened, a non-strict saddle if the signature holds the largest σ. False: not
        tightened, a strict saddle. None: as it comes.
    size : int or tuple of int
        Leading dimensions, for a stack; every point has intervals of its own.

    Raises
    ------
    ValueError
        If a layer is narrower than the signature has indices, or no point is (not) tightened.

    Notes
    -----
    Z is a sum of intervals (of a cyclic quiver) of random lengths in random bases, which reaches
    every Z that is critical, with fewer than two zero blocks too; hidden bases P are random of
    condition at most 4. For cΣ all layers are c^{1/N} times as large. Source: Wendin and
    Altafini, (32)-(33), the exact condition (corrected).

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> weights = dln.critical_points.sample([3.0, 2.0, 1.0], (3, 3, 3), (0, 2), rng=0)
    >>> bool(np.allclose(dln.weights.end_to_end(weights), np.diag([3.0, 0.0, 1.0])))
    True
    """
    values = check_target(sigma, widths)
    dims, kept = check_widths(values, widths), check_signature(signature, values.size)
    check_rank(dims, kept)
    generator, shape = _checks.rng(rng), _checks.stack(size)
    if tightened is not None:
        _checks.flag(tightened, "tightened")
    unit = values.max()  # Z and the kept part are of one size, whatever that of Σ
    values, root = values / unit, unit ** (1 / (len(dims) - 1))
    layers = [np.empty((*shape, b, a)) for a, b in itertools.pairwise(dims)]
    for index in np.ndindex(shape):
        P = [_well_conditioned(d, generator) for d in dims[1:-1]]
        Z = _random_blocks(values, dims, kept, generator, tightened)
        for layer, W in zip(layers, assembled(values, dims, kept, P, Z), strict=True):
            layer[index] = root * W
    return tuple(layers)


def _random_blocks(
    sigma: Array,
    dims: tuple[int, ...],
    kept: Signature,
    generator: np.random.Generator,
    tightened: bool | None,
) -> Weights:
    room, dropped = [d - len(kept) for d in dims[1:-1]], dropped_by(kept, sigma.size)
    m, n = len(dropped), dims[0] - sigma.size
    pattern = _intervals.blocks(_intervals.draw(room, m, n, generator, tightened), room)
    # Bases along the bridges: at the output G, at the input Σ_Qᵀ G, each column of length one.
    root = np.sqrt(sigma[dropped])[:, None]
    seed = _well_conditioned(m, generator)
    output = seed / root
    output /= np.linalg.norm(output, axis=0)
    entry = np.zeros((m + n, m + n))
    entry[:m, :m] = (root * seed) / np.linalg.norm(root * seed, axis=0)
    entry[:m, m:] = 0.5 * generator.standard_normal((m, n))
    entry[m:, m:] = _well_conditioned(n, generator)
    frames = [entry, *(_well_conditioned(d, generator) for d in room), output]
    blocks = [
        F @ np.linalg.solve(E.T, J.T).T
        for J, (E, F) in zip(pattern, itertools.pairwise(frames), strict=True)
    ]
    first = np.zeros((room[0], dims[0]))
    first[:, [*dropped, *range(sigma.size, dims[0])]] = blocks[0]
    return (first, *blocks[1:])


def _well_conditioned(d: int, generator: np.random.Generator) -> Array:
    """A random matrix of singular values between ½ and 2."""
    scale = 2.0 ** generator.uniform(-1, 1, size=d)
    matrix: Array = (haar_frame(d, d, generator) * scale) @ haar_frame(d, d, generator)
    return matrix

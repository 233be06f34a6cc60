"""Initialisations of the weights: Gaussian, balanced and decoupled."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from dlngeo import _checks
from dlngeo._checks import RNG, Array, Weights
from dlngeo._linalg import orthonormalise, svd_product, transpose


def random(
    widths: Sequence[int], scale: float, *, rng: RNG = None, size: int | tuple[int, ...] = ()
) -> Weights:
    """Independent Gaussian entries of mean 0 and standard deviation ``scale``.

    Parameters
    ----------
    widths : (d_0, ..., d_N)
    scale : float > 0
    rng : anything that ``numpy.random.default_rng`` takes
    size : int or tuple of int
        Leading dimensions, for a stack of networks.

    Examples
    --------
    >>> import dlngeo as dln
    >>> [W_p.shape for W_p in dln.weights.random((4, 3, 2), 0.1, rng=0)]
    [(3, 4), (2, 3)]
    """
    widths, scale, size = _checks_random(widths, scale, size)
    generator = _checks.rng(rng)
    return tuple(
        scale * generator.standard_normal((*size, rows, columns))
        for columns, rows in itertools.pairwise(widths)
    )


def random_balanced(
    widths: Sequence[int], scale: float, *, rng: RNG = None, size: int | tuple[int, ...] = ()
) -> Weights:
    r"""Balanced weights W_p = Q_p Λ Q_{p-1}ᵀ with Haar frames and Gaussian singular values.

    Q_p is uniform on the Stiefel manifold St(r, d_p), r = min_p d_p, and Λ holds the r largest
    singular values of a d_N × d_0 matrix of Gaussian entries of standard deviation ``scale``. For
    equal widths each layer has the law of one layer of :func:`random`; the end-to-end matrix is
    Q_N Λ^N Q_0ᵀ.

    Parameters
    ----------
    widths, scale, rng, size
        As for :func:`random`.

    Notes
    -----
    Source: Menon, (5.15)-(5.20); the idea of Arora, Cohen, Golowich and Hu (2019), Procedure 1.

    Examples
    --------
    >>> import dlngeo as dln
    >>> weights = dln.weights.random_balanced((3, 3, 3, 3), 0.1, rng=0)
    >>> bool(dln.weights.is_balanced(weights))
    True
    """
    widths, scale, size = _checks_random(widths, scale, size)
    generator = _checks.rng(rng)
    rank = min(widths)
    gaussian = generator.standard_normal((*size, widths[-1], widths[0]))
    lam = scale * np.linalg.svd(gaussian, compute_uv=False)[..., :rank]
    frames = [haar_frame(d, rank, generator, size) for d in widths]
    return tuple(svd_product(Q, lam, transpose(P)) for P, Q in itertools.pairwise(frames))


def random_decoupled(
    widths: Sequence[int], scale: float, *, rng: RNG = None, size: int | tuple[int, ...] = ()
) -> Weights:
    """Decoupled (spectral) weights: diagonal layers in Haar-rotated bases of the hidden layers.

    W_p = P_p Λ_p P_{p-1}ᵀ with P_0 = P_N = I, P_p Haar on O(d_p) between, and Λ_p a rectangular
    diagonal matrix of Gaussian entries of standard deviation ``scale``. The gradient flow of
    :class:`~dlngeo.energies.Quadratic` with a diagonal target keeps them decoupled.

    Parameters
    ----------
    widths, scale, rng, size
        As for :func:`random`.

    Notes
    -----
    Source: Wendin and Altafini, section 5, Props. 31 and 32 (corrected).
    """
    widths, scale, size = _checks_random(widths, scale, size)
    generator = _checks.rng(rng)
    identity = [np.broadcast_to(np.eye(d), (*size, d, d)) for d in (widths[0], widths[-1])]
    hidden = [haar_frame(d, d, generator, size) for d in widths[1:-1]]
    frames = [identity[0], *hidden, identity[1]]
    layers = []
    for P, Q in itertools.pairwise(frames):
        r = min(P.shape[-1], Q.shape[-1])
        diagonal = scale * generator.standard_normal((*size, r))
        layers.append(svd_product(Q[..., :r], diagonal, transpose(P[..., :r])))
    return tuple(layers)


def _checks_random(
    widths: Sequence[int], scale: float, size: int | tuple[int, ...]
) -> tuple[tuple[int, ...], float, tuple[int, ...]]:
    return _checks.widths(widths), _checks.positive(scale, "scale"), _checks.stack(size)


def haar_frame(d: int, r: int, generator: np.random.Generator, size: tuple[int, ...] = ()) -> Array:
    """Uniform (Haar) orthonormal r-frames in R^d, ``(*size, d, r)``."""
    return orthonormalise(generator.standard_normal((*size, d, r)))

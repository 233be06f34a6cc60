"""Linear algebra that several floors need: products of layers, roots, an SVD true to rounding."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.linalg import lapack

from dlngeo._checks import Array, Weights


def transpose(W: Array) -> Array:
    """The transpose of each matrix of a stack."""
    return W.mT


def frobenius(W: Array) -> Array:
    """The Frobenius norm of each matrix of a stack, without overflow or underflow."""
    largest = np.abs(W).max(axis=(-2, -1))
    scale = np.where(largest > 0, largest, 1.0)
    return largest * np.linalg.norm(W / scale[..., None, None], axis=(-2, -1))


def product(factors: Sequence[Array]) -> Array:
    """F_k ⋯ F_2 F_1 of the factors (F_1, ..., F_k)."""
    result = factors[0]
    for factor in factors[1:]:
        result = factor @ result
    return result


def prefix_products(factors: Iterable[Array]) -> list[Array]:
    """F_1, F_2 F_1, ..., F_k ⋯ F_1 of the factors (F_1, ..., F_k)."""
    return list(itertools.accumulate(factors, lambda B, F: F @ B))


def suffix_products(factors: Sequence[Array]) -> list[Array]:
    """F_k ⋯ F_1, F_k ⋯ F_2, ..., F_k of the factors (F_1, ..., F_k)."""
    return list(itertools.accumulate(reversed(factors), lambda A, F: A @ F))[::-1]


def layer_widths(layers: Sequence[Array]) -> tuple[int, ...]:
    """(d_0, ..., d_N) of layers W_p (..., d_p, d_{p-1})."""
    return (layers[0].shape[-1], *(W.shape[-2] for W in layers))


def together(layers: Iterable[Array]) -> Weights:
    """The layers as weights: each with the leading dimensions that they have together."""
    parts = tuple(layers)
    stack = np.broadcast_shapes(*(W.shape[:-2] for W in parts))
    return tuple(
        W if W.shape[:-2] == stack else np.broadcast_to(W, (*stack, *W.shape[-2:])).copy()
        for W in parts
    )


def sign_changed(before: Array, after: Array) -> Array:
    """Whether det W has changed its sign between two stacks of square matrices, for certain.

    That is, where no least singular value is so small that its sign is rounding.
    """
    with np.errstate(all="ignore"):
        changed = np.asarray(np.linalg.slogdet(before)[0] * np.linalg.slogdet(after)[0] < 0)
    for W in (before, after):
        sigma = np.linalg.svd(W[changed], compute_uv=False)
        changed[changed] = sigma[..., -1] > 1e-8 * sigma[..., 0]
    return changed


def svd_product(U: Array, sigma: Array, Vt: Array) -> Array:
    """U diag(sigma) Vt of stacks: the inverse of :func:`svd`."""
    return np.asarray((U * sigma[..., None, :]) @ Vt)


def psd_root(M: Array, name: str, slack: Array | float, rounding: float = 0.0) -> Array:
    """The root of symmetric matrices whose eigenvalues are negative by ``slack`` at most.

    Eigenvalues of at most ``rounding`` times the largest are taken as zero.
    """
    values, vectors = np.linalg.eigh(M)
    if (values[..., 0] < -np.asarray(slack)).any():
        raise ValueError(
            f"{name} must be positive semidefinite; its least eigenvalue is {values.min():.3g}"
        )
    floor = rounding * np.maximum(values[..., -1:], 0.0)
    root = np.sqrt(np.where(values > floor, values, 0.0))
    return svd_product(vectors, root, transpose(vectors))


def diagonal_matrix(values: Array, rows: int, columns: int) -> Array:
    """The ``rows`` × ``columns`` matrices with these values (..., r) first on their diagonals."""
    index = np.arange(values.shape[-1])
    result = np.zeros((*values.shape[:-1], rows, columns))
    result[..., index, index] = values
    return result


def completed(frame: Array) -> Array:
    """Orthogonal matrices whose first columns are a frame with orthonormal columns."""
    r = frame.shape[-1]
    if r == frame.shape[-2]:
        return frame
    return np.concatenate((frame, np.linalg.qr(frame, mode="complete")[0][..., r:]), axis=-1)


def orthonormalise(A: Array) -> Array:
    """Gram-Schmidt on the columns, first to last, by QR with the diagonal of R made positive."""
    Q, R = np.linalg.qr(A)
    sign = np.where(np.diagonal(R, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    frame: Array = Q * sign[..., None, :]
    return frame


def svd(W: Array) -> tuple[Array, Array, Array]:
    """Thin singular value decomposition U, sigma, Vᵀ of a stack, accurate for graded matrices.

    LAPACK's ``gesdd`` finds a singular value to rounding relative to the *largest* one. A matrix
    D_1 C D_2 with diagonal D_i and well-conditioned C determines even its smallest singular value
    to rounding (Demmel and Veselić, 1992), and one-sided Jacobi (``gejsv``) finds it. It is slower,
    so it is used only where it can know more: rows or columns that differ by more than a factor of
    100 together with singular values that differ by more than 1000.
    """
    U, sigma, Vt = np.linalg.svd(W, full_matrices=False)
    for index in map(tuple, np.argwhere(sigma[..., -1] < 1e-3 * sigma[..., 0])):
        if graded(W[index]):
            U[index], sigma[index], Vt[index] = _jacobi_svd(W[index])
    return U, sigma, Vt


def singular_values(W: Array) -> Array:
    """The singular values of a stack alone, as :func:`svd` finds them to rounding."""
    sigma = np.linalg.svd(W, compute_uv=False)
    for index in map(tuple, np.argwhere(sigma[..., -1] < 1e-3 * sigma[..., 0])):
        if graded(W[index]):
            sigma[index] = _jacobi_svd(W[index])[1]
    return sigma


def graded(W: Array) -> bool:
    """Whether rows or columns of a matrix differ by more than a factor of 100 in size."""
    size = np.abs(W)
    rows, columns = size.max(axis=-1), size.max(axis=-2)
    return bool(rows.min() < 1e-2 * rows.max() or columns.min() < 1e-2 * columns.max())


def _jacobi_svd(W: Array) -> tuple[Array, Array, Array]:
    if W.shape[0] < W.shape[1]:
        V, sigma, Ut = _jacobi_svd(W.T)
        return Ut.T, sigma, V.T
    # joba=2: graded rows and columns; jobr=0: keep small singular values; jobt=0: work on the
    # transpose where that is better graded (without it digits are lost).
    values, U, V, work, _, info = lapack.dgejsv(W, joba=2, jobu=0, jobv=0, jobr=0, jobt=0, jobp=1)
    if info != 0:  # no convergence in 30 sweeps
        U, sigma, Vt = np.linalg.svd(W, full_matrices=False)
        return U, sigma, Vt
    # jobp=1 drowns underflow in entries of some 1e-146, which are no part of a frame.
    U, V = (np.where(np.abs(Q) > 1e-140, Q, 0.0) for Q in (U[:, : W.shape[1]], V))
    return U, values * (work[0] / work[1]), V.T

r"""Lyapunov exponents of stochastic gradient descent at a minimum that interpolates the data.

To first order a step multiplies the residuals e of the n samples by 1 - (η/b) K Σ_{i∈B} e_i e_iᵀ, B
a random batch of b samples and K the tangent kernel. SGD is stable there exactly if the largest
Lyapunov exponent of these products is negative. That is no question of the sharpness alone: it may
hold beyond the edge 2/η of gradient descent, and fail before it. The loss is the mean over samples,
(1/n) Σ_i ½‖W x_i - y_i‖².

Source: Chemnitz, Engel, Kuehn and Kuntz, the part on Lyapunov exponents of interpolation solutions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _callbacks, _checks
from dlngeo._callbacks import Callback
from dlngeo._checks import RNG, Array
from dlngeo._linalg import product, transpose
from dlngeo._threads import one_blas_thread
from dlngeo.stability._batches import MOST_BATCHES, batch_size, batches, positive
from dlngeo.stability._commuting import commuting_exponent


def tangent_kernel(weights: Sequence[ArrayLike], X: ArrayLike) -> Array:
    r"""Inner products of the gradients of all outputs at all samples.

    .. math:: K_{(i,a),(j,b)} = \langle\nabla f_a(x_i), \nabla f_b(x_j)\rangle =
       \sum_p (A_{p+1}A_{p+1}^T)_{ab}\; x_i^TB_{p-1}^TB_{p-1}x_j

    Parameters
    ----------
    weights : tuple of (..., d_p, d_{p-1}) arrays
    X : (d_0, n) array
        Inputs, one sample a column.

    Returns
    -------
    (..., n d_N, n d_N) array
        Sample by sample, the outputs of each together. Its largest eigenvalue over n is the
        sharpness of the mean loss wherever the network interpolates.
    """
    layers = _checks.weights(weights)
    X = _checks.matrix(X, "X")
    if X.shape[-2] != layers[0].shape[-1]:
        raise ValueError(f"X must have shape (..., {layers[0].shape[-1]}, n), not {X.shape}")
    stack, n, m = layers[0].shape[:-2], X.shape[-1], layers[-1].shape[-2]
    total = np.zeros((*stack, n, m, n, m))
    for p in range(len(layers)):
        B = product([X, *layers[:p]])
        A = product(layers[p + 1 :]) if p + 1 < len(layers) else np.eye(m)
        inner, outer = transpose(B) @ B, A @ transpose(A)
        total += inner[..., :, None, :, None] * outer[..., None, :, None, :]
    return total.reshape(*stack, n * m, n * m)


class LyapunovEstimate(NamedTuple):
    """The largest Lyapunov exponents, decreasing, and their standard errors over the chains."""

    exponents: Array
    standard_errors: Array

    def __repr__(self) -> str:
        top = self.exponents.max(initial=-math.inf)
        error = self.standard_errors.max(initial=0.0)
        return (
            f"LyapunovEstimate(exponents {self.exponents.shape} up to {top:.4g}, standard errors "
            f"up to {error:.2g})"
        )


@one_blas_thread
def lyapunov(
    kernel: ArrayLike,
    step: ArrayLike,
    *,
    outputs: int = 1,
    batch: int = 1,
    n_exponents: int = 1,
    n_steps: int = 2000,
    n_chains: int = 50,
    rng: RNG = None,
    callback: Callback | None = None,
) -> LyapunovEstimate:
    r"""Lyapunov exponents of SGD at an interpolating minimum, from random products by QR.

    .. math:: e \leftarrow \Big(1 - \frac\eta b\,K\sum_{i\in B}e_ie_i^T\Big)e, \qquad
       B \text{ a random batch of } b \text{ samples}

    e holds the residuals of all samples; the batches are drawn without replacement and independent
    of each other. Directions outside the range of K hold still for want of parameters and are left
    out.

    Parameters
    ----------
    kernel : (n outputs, n outputs) array
        Symmetric and positive semidefinite; :func:`tangent_kernel` at the minimum.
    step : array of numbers η > 0
        All see the same batches.
    outputs : int
        Rows of the kernel that belong to one sample.
    batch : int
        n means gradient descent, whose exponents are exact.
    n_exponents : int
        At most the rank of the kernel. The small ones mean nothing where a step annihilates a
        direction: they are -∞ then.
    n_steps, n_chains : int
        Each chain is run for a tenth of n_steps first.
    rng : anything that ``numpy.random.default_rng`` takes
    callback : callable or None
        ``callback(count, exponents)`` after each counted step, with the estimate so far; it may
        raise StopIteration, and that estimate is returned. Not called where no chain is run.

    Returns
    -------
    LyapunovEstimate
        Arrays of shape (*step.shape, n_exponents), per step of SGD. Standard errors are zero where
        the exponent is exact: full batches, and kernels of rank 1.

    Notes
    -----
    The products are formed in the space of the weights, where each factor is symmetric.
    Source: Chemnitz, Engel, Kuehn and Kuntz; the cocycle's matrix form derived.
    """
    eta = positive(step, "step")
    G = _features(kernel, outputs)
    n, rank = G.shape[0], G.shape[2]
    batch, k = batch_size(batch, n), _checks.integer(n_exponents, "n_exponents", 1)
    n_steps = _checks.integer(n_steps, "n_steps", 1)
    n_chains = _checks.integer(n_chains, "n_chains", 2)
    if k > rank:
        raise ValueError(f"n_exponents must be at most the rank {rank} of the kernel, not {k}")
    _callbacks.checked(callback)
    if batch == n:
        return _full_batch(G, eta, k)
    if rank == 1 and math.comb(n, batch) <= MOST_BATCHES:
        top = commuting_exponent((G**2).sum(axis=(1, 2)), eta, batch=batch)[..., None]
        return LyapunovEstimate(top, np.zeros_like(top))
    growths = _growths(G, eta, batch, (n_chains, rank, k), _checks.rng(rng))
    sums, count = np.zeros((*eta.shape, n_chains, k)), 0
    for count, growth in zip(range(1 - n_steps // 10, n_steps + 1), growths, strict=False):
        if count < 1:
            continue
        sums += growth
        if callback is not None and _callbacks.stops(callback, count, (sums / count).mean(axis=-2)):
            break
    means = sums / count
    with np.errstate(invalid="ignore"):
        errors = means.std(axis=-2, ddof=1) / math.sqrt(n_chains)
    return LyapunovEstimate(means.mean(axis=-2), np.where(np.isnan(errors), 0.0, errors))


def _growths(
    G: Array, eta: Array, batch: int, shape: tuple[int, int, int], generator: np.random.Generator
) -> Iterator[Array]:
    """log|diag R| of each step of the chains, (*eta.shape, chains, exponents), without end."""
    n_chains, rank, _ = shape
    Q = np.linalg.qr(generator.standard_normal(shape)).Q
    Q = np.broadcast_to(Q, (*eta.shape, *Q.shape))
    pace = eta[..., None, None, None] / batch
    while True:
        drawn = G[_draw(generator, len(G), batch, n_chains)].reshape(n_chains, -1, rank)
        Q, growth = _orthogonalise(Q - pace * (transpose(drawn) @ (drawn @ Q)))
        yield growth


def sum_of_exponents(
    kernel: ArrayLike, step: ArrayLike, *, outputs: int = 1, batch: int = 1
) -> Array:
    r"""The sum of all Lyapunov exponents of SGD, exactly: the mean rate of volumes.

    .. math:: \sum_k\lambda_k = \mathbb E_B\ln\Big|\det\Big(1 - \frac\eta b K_{BB}\Big)\Big|

    Parameters
    ----------
    kernel, step, outputs, batch
        As for :func:`lyapunov`.

    Returns
    -------
    array of the shape of step

    Raises
    ------
    ValueError
        If there are more than 200,000 batches to average over.

    Notes
    -----
    If it is positive SGD is unstable. Source: derived.
    """
    eta, G = positive(step, "step"), _features(kernel, outputs)
    n, rank = G.shape[0], G.shape[2]
    total = np.zeros(eta.shape)
    every = batches(n, batch_size(batch, n))
    for indices in every:
        drawn = G[indices].reshape(-1, rank)
        values = np.linalg.svd(drawn, compute_uv=False) ** 2
        with np.errstate(divide="ignore"):
            total += np.log(np.abs(1 - eta[..., None] / batch * values)).sum(axis=-1)
    return total / len(every)


class StabilityMap(NamedTuple):
    """The largest Lyapunov exponent over (step, batch), with standard errors: (S, B) arrays."""

    steps: Array
    batches: tuple[int, ...]
    exponents: Array
    standard_errors: Array

    @property
    def stable(self) -> Array:
        """Whether the exponent is negative beyond three standard errors."""
        negative: Array = self.exponents + 3 * self.standard_errors < 0
        return negative

    def __repr__(self) -> str:
        return (
            f"StabilityMap({len(self.steps)} steps, batches {_checks.shown(self.batches)}: "
            f"{self.stable.sum()} of {self.stable.size} stable)"
        )


def stability_map(
    kernel: ArrayLike,
    steps: ArrayLike,
    batches: Sequence[int],
    *,
    outputs: int = 1,
    n_steps: int = 2000,
    n_chains: int = 50,
    rng: RNG = None,
    callback: Callback | None = None,
) -> StabilityMap:
    """The largest Lyapunov exponent of SGD for every step and batch size.

    Parameters
    ----------
    kernel, outputs, n_steps, n_chains, rng
        As for :func:`lyapunov`.
    steps : (S,) array of numbers > 0
    batches : B batch sizes, the number of samples for gradient descent
    callback : callable or None
        ``callback(count, exponents)`` after each batch size, with its exponents (S,); it may raise
        StopIteration to leave out the batch sizes that follow.

    Returns
    -------
    StabilityMap
    """
    eta = np.atleast_1d(positive(steps, "steps"))
    batches = _checks.sequence(batches, "batches", "a sequence of integers")
    sizes = tuple(_checks.integer(b, f"batches[{k}]", 1) for k, b in enumerate(batches))
    generator = _checks.rng(rng)
    _callbacks.checked(callback)
    runs = partial(lyapunov, kernel, eta, outputs=outputs, n_steps=n_steps, n_chains=n_chains)
    estimates: list[LyapunovEstimate] = []
    for b in sizes:
        estimates.append(runs(batch=b, rng=generator))
        if _callbacks.stops(callback, len(estimates), estimates[-1].exponents[..., 0]):
            break
    top, errors = (np.stack([e[j][..., 0] for e in estimates], axis=-1) for j in (0, 1))
    return StabilityMap(eta, sizes[: len(estimates)], top, errors)


# ------------------------------------------------------------------------------------- pieces


def _features(kernel: ArrayLike, outputs: int) -> Array:
    """G of shape (n, outputs, rank) with K = GGᵀ."""
    K, outputs = _checks.matrix(kernel, "kernel"), _checks.integer(outputs, "outputs", 1)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or K.shape[0] % outputs:
        raise ValueError(
            f"kernel must be one square matrix of n · {outputs} rows, not of shape {K.shape}"
        )
    size = np.abs(K).max()
    if np.abs(K - K.T).max() > 1e-10 * size:
        raise ValueError("kernel must be symmetric; it is not")
    values, V = np.linalg.eigh(K)
    if not values[-1] > 0 or values[0] < -1e-10 * values[-1]:
        raise ValueError(
            "kernel must be positive semidefinite and not zero; its eigenvalues go from "
            f"{values[0]:.3g} to {values[-1]:.3g}"
        )
    kept = values > K.shape[0] * np.finfo(float).eps * values[-1]
    return (V[:, kept] * np.sqrt(values[kept])).reshape(-1, outputs, int(kept.sum()))


def _full_batch(G: Array, eta: Array, k: int) -> LyapunovEstimate:
    values = np.linalg.svd(G.reshape(-1, G.shape[2]), compute_uv=False) ** 2 / G.shape[0]
    with np.errstate(divide="ignore"):
        exponents = np.log(np.abs(1 - eta[..., None] * values))
    exponents = -np.sort(-exponents, axis=-1)[..., :k]
    return LyapunovEstimate(exponents, np.zeros_like(exponents))


def _orthogonalise(Y: Array) -> tuple[Array, Array]:
    """Q of Y = QR and log|diag R|."""
    if Y.shape[-1] > 1:
        Q, R = np.linalg.qr(Y)
        size = np.abs(np.diagonal(R, axis1=-2, axis2=-1))
    else:
        norm = np.linalg.norm(Y, axis=-2, keepdims=True)
        Q, size = np.where(norm > 0, Y, 1.0) / np.where(norm > 0, norm, 1.0), norm[..., 0]
    with np.errstate(divide="ignore"):
        return Q, np.log(size)


def _draw(generator: np.random.Generator, n: int, batch: int, chains: int) -> Array:
    if batch == 1:
        return generator.integers(n, size=(chains, 1))
    return generator.permuted(np.tile(np.arange(n), (chains, 1)), axis=1)[:, :batch]

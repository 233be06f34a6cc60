r"""The end game: Newton's method on the manifold of the matrices of rank r, where it may be used.

A tangent vector U M Vᵀ + U_p Vᵀ + U V_pᵀ has the coordinates (M, U_p, V_p), U_p ⟂ U and V_p ⟂ V, in
which the Frobenius product is the usual one. With S = E'(W) and D = E''(W)[Z] the Hessian is

.. math:: M' = U^TDV, \quad U_p' = (I - UU^T)(DV + SV_p\Sigma^{-1}), \quad
   V_p' = (I - VV^T)(D^TU + S^TU_p\Sigma^{-1}).

Source: Vandereycken, SIAM J. Optim. 23 (2013), 1214-1236, Proposition 2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy
from dlngeo.lowrank._factors import Factors, of_product, started
from dlngeo.lowrank._pulls import Pull, pull_of, require_energy

_LEAST = 1e-6  # least curvature over the largest from which a minimum is taken for isolated
_CG = 200  # products with the Hessian a step, at most


@dataclass(frozen=True)
class Polished:
    """What :func:`polish` found.

    Attributes
    ----------
    W : Factors
    energy : float
    slope : float
        Norm of the gradient on the manifold.
    moved : float
        ‖W - start‖_F.
    least, largest : float
        Extreme curvatures on the tangent space at the start, by Lanczos to one percent.
    steps, products : int
        Newton steps, and products with the Hessian.
    status : int
        1: the slope fell to its bound, or to where rounding hides it; 0: max_steps were taken; -1:
        the curvature is not positive, so that there may be no isolated minimum to go to.
    message : str
    """

    W: Factors
    energy: float
    slope: float
    moved: float
    least: float
    largest: float
    steps: int
    products: int
    status: int
    message: str

    def __repr__(self) -> str:
        return f"Polished(E {self.energy:.3g}, moved {self.moved:.3g}, {self.message})"


@one_blas_thread
def polish(
    energy: Energy,
    start: Factors | ArrayLike,
    *,
    rank: int | None = None,
    gtol: float = 1e-12,
    max_steps: int = 20,
    engine: str = "auto",
) -> Polished:
    """Go from the end of a flow to the minimum of E on the matrices of rank r beside it.

    Newton's method by conjugate gradients with steps halved until E falls, and only where all
    curvatures on the tangent space are positive: a continuum of minimisers is left to the flow,
    which alone says which of them is reached.

    Parameters
    ----------
    energy : Energy
        Without weight decay.
    start, rank, engine
        As for :func:`flow`.
    gtol : float
        Stop where the slope on the manifold is at most gtol · ‖E'(0)‖_F.
    max_steps : int

    Returns
    -------
    Polished

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> rng = np.random.default_rng(0)
    >>> truth = dln.lowrank.random_start((60, 40), 2, scale=1.0, rng=rng)
    >>> rows, cols = np.nonzero(rng.random((60, 40)) < 0.4)
    >>> energy = dln.energies.SparseCompletion(rows, cols, truth.entries(rows, cols), (60, 40))
    >>> run = dln.lowrank.flow(
    ...     energy, dln.lowrank.spectral_start(energy, 2), (0, 100), depth=3, stop_loss=1e-4
    ... )
    >>> found = dln.lowrank.polish(energy, run.factors())
    >>> found.status, found.energy < 1e-20, found.moved < 0.2
    (1, True, True)
    """
    gtol, max_steps = _checks.non_negative(gtol, "gtol"), _checks.integer(max_steps, "max_steps", 0)
    W = started(start, rank)
    sparse = callable(getattr(energy, "entries", None))
    shape = len(W.U), len(W.V)
    require_energy(energy, np.broadcast_to(0.0, shape) if sparse else W.dense(), "start")
    return _Newton(pull_of(energy, shape, engine), W).run(gtol, max_steps)


class _Local:
    """E about one W: value, slope, and products with the Hessian, in flat coordinates."""

    def __init__(self, pull: Pull, W: Factors) -> None:
        self.W, two = W, (W.U * W.sigma, W.V)
        self.value, self._S = pull.value(*two), pull.gradient(*two)
        self._bend, self.products = pull.second(*two), 0
        self.gradient = self._tangent(self._S @ W.V, self._S.T @ W.U)

    def _tangent(self, by_V: Array, by_U: Array, more: tuple[Array, Array] | None = None) -> Array:
        """Coordinates of what has these products with V and, transposed, with U."""
        U, V = self.W.U, self.W.V
        M = U.T @ by_V
        if more is not None:
            by_V, by_U = by_V + more[0], by_U + more[1]
        parts = M, by_V - U @ (U.T @ by_V), by_U - V @ (V.T @ by_U)
        return np.concatenate([part.reshape(-1) for part in parts])

    def parts(self, x: Array) -> tuple[Array, Array, Array]:
        """M, U_p and V_p."""
        m, r = self.W.U.shape
        M, Up, Vp = np.split(x, [r * r, r * r + m * r])
        return M.reshape(r, r), Up.reshape(-1, r), Vp.reshape(-1, r)

    def hessian(self, x: Array) -> Array:
        self.products += 1
        (M, Up, Vp), (U, sigma, V) = self.parts(x), self.W
        by_V, by_U = self._bend((np.hstack([U @ M + Up, U]), np.hstack([V, Vp])), U, V)
        return self._tangent(by_V, by_U, (self._S @ (Vp / sigma), self._S.T @ (Up / sigma)))

    def project(self, x: Array) -> Array:
        (M, Up, Vp), (U, _, V) = self.parts(x), self.W
        parts = M, Up - U @ (U.T @ Up), Vp - V @ (V.T @ Vp)
        return np.concatenate([part.reshape(-1) for part in parts])

    def moved(self, x: Array) -> Factors:
        """The nearest matrix of rank r to W + Z."""
        (M, Up, Vp), (U, sigma, V) = self.parts(x), self.W
        r = sigma.size
        core = np.block([[np.diag(sigma) + M, np.eye(r)], [np.eye(r), np.zeros((r, r))]])
        found = of_product(np.hstack([U, Up]), core, np.hstack([V, Vp]))
        return Factors(found.U[:, :r], found.sigma[:r], found.V[:, :r])

    def extremes(self) -> tuple[float, float]:
        """The least and the largest curvature, to a percent; nan where Lanczos does not settle."""
        size, begin = (
            self.gradient.size,
            np.random.default_rng(0).standard_normal(self.gradient.size),
        )
        begin = self.project(begin)
        options: dict[str, Any] = {"k": 1, "tol": 1e-2, "v0": begin, "return_eigenvectors": False}
        inside = LinearOperator((size, size), matvec=self.hessian)
        try:
            (largest,) = eigsh(inside, which="LA", **options)

            def shifted(x: Array) -> Array:
                inner = self.project(x)
                return self.hessian(inner) + largest * (x - inner)

            whole = LinearOperator((size, size), matvec=shifted)
            (least,) = eigsh(whole, which="SA", maxiter=500, **options)
        except ArpackNoConvergence:
            return math.nan, math.nan
        return float(least), float(largest)


class _Newton:
    def __init__(self, pull: Pull, start: Factors) -> None:
        self._pull, self._start, self._here = pull, start, _Local(pull, start)
        self._products = self._steps = 0
        self._least, self._largest = self._here.extremes()

    def run(self, gtol: float, max_steps: int) -> Polished:
        zero = [np.zeros((len(frame), 1)) for frame in (self._start.U, self._start.V)]
        bound = gtol * self._pull.slope(*zero)
        if not self._least > _LEAST * self._largest:
            return self._end(-1, "the curvature on the tangent space is not positive throughout")
        while self._steps < max_steps:
            if np.linalg.norm(self._here.gradient) <= bound:
                return self._end(1, "the slope fell to its bound")
            step = self._direction()
            if step is None:
                return self._end(-1, "a direction without positive curvature came up")
            if not self._go(step):
                return self._end(1, "the energy falls no further: rounding hides the slope")
        return self._end(0, f"took {max_steps} steps")

    def _direction(self) -> Array | None:
        """Conjugate gradients for H x = -g; None where a curvature is not positive."""
        here = self._here
        g = here.gradient
        size = float(np.linalg.norm(g))
        goal = size * min(0.1, math.sqrt(size / max(float(np.linalg.norm(here.W.sigma)), size)))
        x, rest = np.zeros_like(g), -g
        along, square = rest.copy(), size * size
        for _ in range(_CG):
            image = here.hessian(along)
            bend = float(along @ image)
            if not bend > 0:
                return None
            x += square / bend * along
            rest -= square / bend * image
            before, square = square, float(rest @ rest)
            if math.sqrt(square) <= goal:
                break
            along = rest + square / before * along
        return x

    def _go(self, step: Array) -> bool:
        """Move by the step, halved until E falls."""
        self._products += self._here.products
        self._here.products = 0
        for _ in range(30):
            there = self._here.moved(step)
            if self._pull.value(there.U * there.sigma, there.V) < self._here.value:
                self._here = _Local(self._pull, there)
                self._steps += 1
                return True
            step = step / 2
        return False

    def _end(self, status: int, message: str) -> Polished:
        W, before = self._here.W, self._start
        change = of_product(
            np.hstack([W.U * W.sigma, before.U * before.sigma]),
            np.diag(np.repeat([1.0, -1.0], W.sigma.size)),
            np.hstack([W.V, before.V]),
        )
        return Polished(
            W,
            self._here.value,
            float(np.linalg.norm(self._here.gradient)),
            float(np.linalg.norm(change.sigma)),
            self._least,
            self._largest,
            self._steps,
            self._products + self._here.products,
            status,
            message,
        )

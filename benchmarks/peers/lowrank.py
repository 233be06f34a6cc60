"""Completion of a large table by pymanopt, its fixed-rank manifold with a gradient by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benchmarks.harness import Skip

CHUNK = 1 << 12  # entries of which rows are gathered at a time


@dataclass(frozen=True)
class Table:
    """A table of rank r with singular values 2 ... 1, observed at about ``count`` places."""

    d: int = 10_000
    rank: int = 10
    count: int = 10**6

    def observed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, columns and values, by rows."""
        rng = np.random.default_rng(0)
        places = np.unique(rng.integers(0, self.d**2, self.count))
        rows, cols = places // self.d, places % self.d
        U, V = (np.linalg.qr(rng.standard_normal((self.d, self.rank)))[0] for _ in range(2))
        U *= np.linspace(2, 1, self.rank)
        return rows, cols, np.einsum("kr,kr->k", U[rows], V[cols])


class Residual:
    """The residual on the observed places as a sparse matrix."""

    def __init__(self, table: Table, in_chunks: bool) -> None:
        self.in_chunks = in_chunks
        rows, cols, self.values = table.observed()
        self.shape, self.rows = (table.d, table.d), rows
        starts = np.searchsorted(rows, np.arange(table.d + 1))
        self.last: np.ndarray | None = None
        self.matrix = csr_array((self.values.copy(), cols.astype(np.int32), starts), self.shape)

    def at(self, u: np.ndarray, s: np.ndarray, vt: np.ndarray) -> csr_array:
        """Computed once a point: the cost and the gradient ask for it in turn."""
        if self.last is u:
            return self.matrix
        L, R, r = u * s, np.ascontiguousarray(vt.T), s.size
        cols, data = self.matrix.indices, self.matrix.data
        if not self.in_chunks:
            data[:] = np.einsum("kr,kr->k", L[self.rows], R[cols]) - self.values
            self.last = u
            return self.matrix
        left, right = np.empty((2, CHUNK, r))
        for k in range(0, data.size, CHUNK):
            few = data[k : k + CHUNK].size
            np.take(L, self.rows[k : k + CHUNK], axis=0, out=left[:few], mode="clip")
            np.take(R, cols[k : k + CHUNK], axis=0, out=right[:few], mode="clip")
            left[:few] *= right[:few]
            np.dot(left[:few], np.ones(r), out=data[k : k + CHUNK])
        data -= self.values
        self.last = u
        return self.matrix


def gradient(table: Table, in_chunks: bool) -> Callable[[], Any]:
    """Cost and Riemannian gradient at one point, as pymanopt's solvers ask for them.

    Rows of the factors are gathered by indexing, as a user writes it, or in chunks that stay in the
    cache, as the library does.
    """
    try:
        import pymanopt
    except ImportError:
        raise Skip("pymanopt is not installed") from None
    problem, start = problem_of(table, pymanopt, in_chunks)
    u, s, vt = start

    def call() -> Any:
        start = manifold_point(u, s, vt)  # new arrays: no residual is known yet
        return problem.cost(start), problem.riemannian_gradient(start)

    return call


def solve(table: Table, share: float) -> Callable[[], Any]:
    """Conjugate gradients to a share of E(0), from the truncated decomposition."""
    try:
        import pymanopt
        from pymanopt.optimizers import ConjugateGradient
    except ImportError:
        raise Skip("pymanopt is not installed") from None
    problem, start = problem_of(table, pymanopt, in_chunks=True)
    bound = share * 0.5 * float(problem.values @ problem.values)
    least = float(np.sqrt(2 * bound * table.count) / table.d)  # of the slope, where E = bound

    def call() -> Any:
        optimizer = ConjugateGradient(
            verbosity=0, max_iterations=500, min_gradient_norm=least,
            min_step_size=1e-30, max_time=600,
        )  # fmt: skip
        return optimizer.run(problem, initial_point=start)

    return call


def problem_of(table: Table, pymanopt: Any, in_chunks: bool) -> tuple[Any, Any]:
    from pymanopt.manifolds import FixedRankEmbedded
    from scipy.sparse.linalg import svds

    residual = Residual(table, in_chunks)
    manifold = FixedRankEmbedded(table.d, table.d, table.rank)

    @pymanopt.function.numpy(manifold)
    def cost(u: np.ndarray, s: np.ndarray, vt: np.ndarray) -> float:
        data = residual.at(u, s, vt).data
        return 0.5 * float(data @ data)

    @pymanopt.function.numpy(manifold)
    def slope(u: np.ndarray, s: np.ndarray, vt: np.ndarray) -> Any:
        S = residual.at(u, s, vt)
        by_v = S @ np.ascontiguousarray(vt.T)
        by_u = S.T @ u
        return by_v * s, np.einsum("ir,ir->r", u, by_v), (by_u * s).T

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=slope)
    problem.values = residual.values
    observed = residual.matrix.copy()
    observed.data = residual.values
    begin = np.random.default_rng(0).standard_normal(table.d)
    u, s, vt = svds(observed, k=table.rank, v0=begin)
    Z = np.einsum("kr,kr->k", (u * s)[residual.rows], vt.T[residual.matrix.indices])
    s = s * float(Z @ residual.values) / float(Z @ Z)
    return problem, manifold_point(u[:, ::-1], s[::-1], vt[::-1])


def manifold_point(u: np.ndarray, s: np.ndarray, vt: np.ndarray) -> Any:
    from pymanopt.manifolds.fixed_rank import _FixedRankPoint

    return _FixedRankPoint(u.copy(), s.copy(), vt.copy())

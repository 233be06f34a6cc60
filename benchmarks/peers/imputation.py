"""Completion as others do it: means, iterated SVD, soft-impute, ALS, and pymanopt on fixed rank.

Each method is given entries to train on and may hold out a tenth of them to choose its rank, its
regularisation and its rounds, and whether column means or biases of rows and columns are taken off
first; with what it chose it runs again on all of them.

Sources: Mazumder, Hastie and Tibshirani, JMLR 11 (2010), for hard and soft impute; Koren, Bell and
Volinsky, Computer 42 (2009), for biases and alternating least squares; Vandereycken, SIAM J. Optim.
23 (2013), for conjugate gradients on the matrices of fixed rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from benchmarks.harness import Skip

Factors = tuple[np.ndarray, np.ndarray]
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
ROUNDS = 300  # of one setting, at most


class Seen(NamedTuple):
    """Entries of a table, sorted by rows."""

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    def some(self, which: np.ndarray) -> Seen:
        which = np.sort(which)
        return Seen(self.rows[which], self.cols[which], self.values[which], self.shape)

    def matrix(self, data: np.ndarray) -> csr_array:
        starts = np.searchsorted(self.rows, np.arange(self.shape[0] + 1))
        return csr_array((data, self.cols, starts), shape=self.shape)

    def of(self, L: np.ndarray, R: np.ndarray) -> np.ndarray:
        """Entries of L Rᵀ at these places."""
        return entries(L, R, self.rows, self.cols)


class Offsets(NamedTuple):
    """What is taken off first: a mean, and biases of rows and columns."""

    mean: float
    of_rows: np.ndarray
    of_cols: np.ndarray

    def at(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        return self.mean + self.of_rows[rows] + self.of_cols[cols]


def entries(L: np.ndarray, R: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    found = np.empty(rows.size)
    for k in range(0, rows.size, 1 << 12):
        few = slice(k, k + (1 << 12))
        found[few] = np.einsum("kr,kr->k", L[rows[few]], R[cols[few]])
    return found


def means(seen: Seen) -> Offsets:
    """Of each column; of everything, where it has no entry."""
    mean, n = float(seen.values.mean()), seen.shape[1]
    count = np.bincount(seen.cols, minlength=n)
    total = np.bincount(seen.cols, seen.values - mean, n)
    return Offsets(mean, np.zeros(seen.shape[0]), total / np.maximum(count, 1))


def biases(seen: Seen, shrinkage: float) -> Offsets:
    """By ridge regression, rows and columns in turn."""
    (m, n), mean = seen.shape, float(seen.values.mean())
    b, c = np.zeros(m), np.zeros(n)
    for _ in range(20):
        rest = seen.values - mean - c[seen.cols]
        b = np.bincount(seen.rows, rest, m) / (np.bincount(seen.rows, minlength=m) + shrinkage)
        rest = seen.values - mean - b[seen.rows]
        c = np.bincount(seen.cols, rest, n) / (np.bincount(seen.cols, minlength=n) + shrinkage)
    return Offsets(mean, b, c)


# -------------------------------------------------------------------------------- choosing


class Task:
    """Entries to train on, a tenth of them set apart, and what may be taken off first."""

    def __init__(self, seen: Seen, seed: int, clip: bool) -> None:
        order = np.random.default_rng(seed).permutation(seen.values.size)
        held = round(0.1 * order.size)
        self.seen, self.hidden, self.fit = seen, seen.some(order[:held]), seen.some(order[held:])
        self.limits = (seen.values.min(), seen.values.max()) if clip else (-math.inf, math.inf)

    def error(self, offsets: Offsets, factors: Factors | None = None) -> float:
        """On what was set apart."""
        found = offsets.at(self.hidden.rows, self.hidden.cols)
        if factors is not None:
            found = found + self.hidden.of(*factors)
        missed = np.clip(found, *self.limits) - self.hidden.values
        return float(np.sqrt(np.mean(missed**2)))

    def predict(self, offsets: Offsets, factors: Factors | None = None) -> Predict:
        def call(rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
            found = offsets.at(rows, cols)
            if factors is not None:
                found = found + entries(*factors, rows, cols)
            return np.clip(found, *self.limits)

        return call

    def ways(self) -> tuple[Callable[[Seen], Offsets], ...]:
        """What may be taken off first."""
        shrinkage = self.shrinkage()
        return means, lambda seen: biases(seen, shrinkage)

    def shrinkage(self) -> float:
        return min((0.3, 1.0, 3.0, 10.0, 30.0), key=lambda s: self.error(biases(self.fit, s)))


Path = Callable[[Seen], Iterable[Factors]]


def chosen(task: Task, paths: dict[Any, Path]) -> Predict:
    """The setting and the round that predict best what was set apart, then on all entries."""
    ways = task.ways()
    best: tuple[float, int, Any, int] = (math.inf, 0, None, 0)
    for way, taken in enumerate(ways):
        offsets = taken(task.fit)
        for setting, path in paths.items():
            found = _best_round(task, offsets, path)
            best = min(best, (found[0], way, setting, found[1]), key=lambda one: one[0])
    _, way, setting, rounds = best
    offsets = ways[way](task.seen)
    steps = paths[setting](_without(task.seen, offsets))
    return task.predict(offsets, next(islice(steps, rounds - 1, None)))


def _without(seen: Seen, offsets: Offsets) -> Seen:
    return seen._replace(values=seen.values - offsets.at(seen.rows, seen.cols))


def _best_round(task: Task, offsets: Offsets, path: Path) -> tuple[float, int]:
    best, kept = math.inf, 0
    for k, factors in enumerate(islice(path(_without(task.fit, offsets)), ROUNDS), start=1):
        error = task.error(offsets, factors)
        if error < best:
            best, kept = error, k
        if k >= 2 * kept + 5:
            break
    return best, kept


# --------------------------------------------------------------------------------- methods


def column_mean(task: Task) -> Predict:
    return task.predict(means(task.seen))


def row_and_column_biases(task: Task) -> Predict:
    return task.predict(biases(task.seen, task.shrinkage()))


class _Filled:
    """Observed entries in the place of those of L Rᵀ: a sparse matrix plus one of low rank."""

    def __init__(self, seen: Seen, rank: int) -> None:
        self.seen, self.rank = seen, min(rank, *seen.shape)
        begin = np.random.default_rng(0).standard_normal((seen.shape[1], self.rank))
        self.basis = np.linalg.qr(begin)[0]
        self.L, self.R = (np.zeros((size, 1)) for size in seen.shape)
        for _ in range(4):
            self.svd()

    def widen(self, rank: int) -> None:
        """Have a basis of so many columns, settled."""
        more = rank - self.basis.shape[1]
        new = np.random.default_rng(rank).standard_normal((len(self.basis), max(more, 0)))
        self.basis = np.linalg.qr(np.hstack([self.basis, new]))[0]
        for _ in range(10 if more > 0 else 0):
            self.svd()

    def truncate(self) -> None:
        """To the rank of the basis."""
        u, s, v = self.svd()
        self.L, self.R = u * s, v

    def svd(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Leading singular triplets: one step of subspace iteration from the last ones."""
        S = self.seen.matrix(self.seen.values - self.seen.of(self.L, self.R))
        Q = np.linalg.qr(S @ self.basis + self.L @ (self.R.T @ self.basis))[0]
        u, s, vt = np.linalg.svd((S.T @ Q + self.R @ (self.L.T @ Q)).T, full_matrices=False)
        self.basis = vt.T
        return Q @ u, s, vt.T


def iterated_svd(task: Task) -> Predict:
    """Truncate, put the observed entries back, and so on, one rank after another.

    Each rank begins where the one before validated best, for rounds matter as ridges do; it ends
    after three ranks that do no better.
    """
    ways = task.ways()
    found = [_grown(task, way(task.fit)) for way in ways]
    best = min(range(len(ways)), key=lambda k: found[k][0])
    offsets = ways[best](task.seen)
    state = _Filled(_without(task.seen, offsets), 1)
    for rank, rounds in enumerate(found[best][1], start=1):
        state.widen(rank)
        for _ in range(rounds):
            state.truncate()
    return task.predict(offsets, (state.L, state.R))


def _grown(task: Task, offsets: Offsets) -> tuple[float, list[int]]:
    """The least error, and the rounds of each rank up to the one that has it."""
    state, schedule = _Filled(_without(task.fit, offsets), 1), []
    best, chosen_rank = math.inf, 0
    for rank in range(1, min(task.seen.shape) + 1):
        state.widen(rank)
        error, kept, there = math.inf, 0, None
        for k in range(1, ROUNDS + 1):
            state.truncate()
            now = task.error(offsets, (state.L, state.R))
            if now < error:
                error, kept, there = now, k, (state.L, state.R, state.basis)
            if k >= 2 * kept + 20:
                break
        state.L, state.R, state.basis = there
        schedule.append(kept)
        if error < best:
            best, chosen_rank = error, rank
        if rank >= chosen_rank + 3:
            break
    return best, schedule[:chosen_rank]


def _soft(seen: Seen, rank: int) -> Iterator[Factors]:
    """Along a path of thresholds, each from where the last one ended."""
    state = _Filled(seen, rank)
    threshold = float(state.svd()[1][0])
    for _ in range(40):
        threshold *= 0.85
        for _ in range(15):
            u, s, v = state.svd()
            before, kept = state.L, np.maximum(s - threshold, 0)
            size = float(np.sqrt((kept**2).sum()))
            cross = float(np.sum((before.T @ (u * kept)) * (state.R.T @ v)))
            old = float(np.sum((before.T @ before) * (state.R.T @ state.R)))
            state.L, state.R = u * kept, v
            if old + size**2 - 2 * cross < 1e-5 * max(old, 1e-300):
                break
        yield state.L, state.R


def soft_impute(task: Task) -> Predict:
    """The nuclear norm as a penalty, along a warm-started path; the penalty by validation."""
    return chosen(task, {50: lambda seen: _soft(seen, 50)})


def _als(seen: Seen, rank: int, ridge: float, by_count: bool) -> Iterator[Factors]:
    S, ones = seen.matrix(seen.values), seen.matrix(np.ones(seen.values.size))
    sides = [(S, ones), (S.T.tocsr(), ones.T.tocsr())]
    counts = [np.maximum(np.asarray(one.sum(axis=1)), 1) if by_count else 1.0 for _, one in sides]
    R = np.random.default_rng(0).standard_normal((seen.shape[1], rank)) / math.sqrt(rank)
    while True:
        L = _ridge(*sides[0], R, ridge * counts[0])
        R = _ridge(*sides[1], L, ridge * counts[1])
        yield L, R


def _ridge(S: csr_array, ones: csr_array, other: np.ndarray, ridge: Any) -> np.ndarray:
    """Each row by least squares against the other side's factors."""
    size = other.shape[1]
    i, j = np.triu_indices(size)
    half = ones @ (other[:, i] * other[:, j])
    gram = np.empty((S.shape[0], size, size))
    gram[:, i, j] = gram[:, j, i] = half
    gram[:, range(size), range(size)] += np.broadcast_to(ridge, S.shape[0])[:, None]
    return np.linalg.solve(gram, (S @ other)[..., None])[..., 0]


def alternating(task: Task) -> Predict:
    """Alternating ridge regressions; rank, ridge and rounds by validation."""
    noise = task.error(biases(task.fit, task.shrinkage()))  # in units of which a ridge is said
    ranks = [r for r in (5, 10, 20) if 2 * r <= min(task.seen.shape)]
    settings = [(r, a, False) for r, a in product(ranks, (0.01, 0.1, 1.0, 10.0, 15.0, 20.0))]
    settings += [(r, a, True) for r, a in product(ranks, (0.03, 0.1))]
    return chosen(task, {
        (r, a, by): lambda seen, r=r, a=a, by=by: islice(_als(seen, r, a * noise, by), 40)
        for r, a, by in settings
    })  # fmt: skip


def fixed_rank(task: Task) -> Predict:
    """Conjugate gradients of pymanopt with a ridge; rank and ridge by validation."""
    try:
        import pymanopt
    except ImportError:
        raise Skip("pymanopt is not installed") from None
    ranks = [r for r in (2, 4, 8, 16) if 2 * r <= min(task.seen.shape)]
    return chosen(task, {
        (r, a): lambda seen, r=r, a=a: [_conjugate_gradients(pymanopt, seen, r, a)]
        for r, a in product(ranks, (0.0, 0.03, 0.1, 0.2))
    })  # fmt: skip


def _conjugate_gradients(pymanopt: Any, seen: Seen, rank: int, ridge: float) -> Factors:
    from pymanopt.manifolds import FixedRankEmbedded
    from pymanopt.optimizers import ConjugateGradient

    from benchmarks.peers.lowrank import manifold_point

    manifold, last = FixedRankEmbedded(*seen.shape, rank), {}

    def residual(u: np.ndarray, s: np.ndarray, vt: np.ndarray) -> np.ndarray:
        if last.get("at") is not u:
            last.update(at=u, data=seen.of(u * s, np.ascontiguousarray(vt.T)) - seen.values)
        return last["data"]

    @pymanopt.function.numpy(manifold)
    def cost(u: np.ndarray, s: np.ndarray, vt: np.ndarray) -> float:
        data = residual(u, s, vt)
        return 0.5 * float(data @ data) + 0.5 * ridge * float(s @ s)

    @pymanopt.function.numpy(manifold)
    def slope(u: np.ndarray, s: np.ndarray, vt: np.ndarray) -> Any:
        S = seen.matrix(residual(u, s, vt))
        by_v, by_u = S @ vt.T + ridge * u * s, S.T @ u + ridge * vt.T * s
        return by_v * s, np.einsum("ir,ir->r", u, by_v), (by_u * s).T

    state = _Filled(seen, rank)
    u, s, v = state.svd()
    fitted = seen.of(u * s, v)
    s = s * float(fitted @ seen.values) / float(fitted @ fitted)
    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=slope)
    run = ConjugateGradient(verbosity=0, max_iterations=60, min_gradient_norm=1e-6)
    u, s, vt = run.run(problem, initial_point=manifold_point(u, s, v.T)).point
    return u * s, vt.T


METHODS: dict[str, Callable[[Task], Predict]] = {
    "column mean": column_mean,
    "biases": row_and_column_biases,
    "iterated SVD": iterated_svd,
    "soft-impute": soft_impute,
    "ALS": alternating,
    "pymanopt CG": fixed_rank,
}

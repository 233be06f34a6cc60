r"""Discrete geodesics upstairs: a shortest path of g^N where shooting finds none.

By Riemannian submersion (Menon, Theorem 13) the distance of W_0 and W_1 is that of their fibres in
M_r. A discrete path of n + 1 balanced networks W^i_p = Q^i_p Λ^i Q^i_{p-1}ᵀ, the first and last on
these fibres, is relaxed: each frame in turn takes the polar factor, each Λ the mean that makes the
discrete energy Σ_i Σ_p ‖W^{i+1}_p - W^i_p‖² least while all else stands still. Nothing is singular
where λ vanishes, so the path may lie on the boundary, where the shortest path between full-rank
matrices may have to go. Derived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dlngeo._checks import Array
from dlngeo._linalg import svd, svd_product, transpose
from dlngeo.balanced.charts import chart
from dlngeo.balanced.retraction import nearest_coordinates

_SWEEPS = 150
_REFINEMENTS = 2  # each halves the links
_STILL = 1e-11  # relative change of the energy at which sweeping ends


class DiscreteGeodesic(NamedTuple):
    """A shortest discrete path, downstairs, and its length."""

    path: Array  # (n + 1, m, n)
    length: float  # extrapolated to n → ∞
    least: float  # the least λ on the way, relative to the largest


class _State:
    """Frames Q_p (n + 1, d_p, r) and lam (n + 1, r) of a discrete path."""

    def __init__(self, path: Array, depth: int, rank: int) -> None:
        U, sigma, Vt = svd(path)
        first, last = transpose(Vt)[..., :rank], U[..., :rank]
        self.lam = sigma[:, :rank] ** (1 / depth)
        core = _aligned(first, last, self.lam)
        self.frames = [first.copy(), *(core.copy() for _ in range(depth - 1)), last.copy()]
        self.oriented = path.shape[-2] == path.shape[-1] == rank

    def layers(self) -> list[Array]:
        return [
            svd_product(Q, self.lam, transpose(P))
            for P, Q in zip(self.frames[:-1], self.frames[1:], strict=True)
        ]

    def path(self) -> Array:
        sigma = self.lam ** (len(self.frames) - 1)
        return svd_product(self.frames[-1], sigma, transpose(self.frames[0]))

    def energy(self) -> float:
        return float(sum((np.diff(W, axis=0) ** 2).sum() for W in self.layers()))

    def sweep(self) -> None:
        """Relax the points of even, then of odd number; at both ends the gauge alone."""
        last = len(self.lam) - 1
        for parity in (1, 0):
            chosen = np.arange(parity, last + 1, 2)
            inner = (chosen > 0) & (chosen < last)
            beside = [self._neighbours(W, chosen) for W in self.layers()]
            self._settle(chosen[inner], [0.5 * S[inner] for S in beside])
            depth = len(beside)
            for p in range(depth + 1):
                moving = inner if p in (0, depth) else np.ones_like(inner)
                self._turn(p, chosen, beside, moving)
            here = [Q[chosen[inner]] for Q in self.frames]
            diagonals = [
                np.einsum("iak,iab,ibk->ik", Q, S[inner], P)
                for P, Q, S in zip(here[:-1], here[1:], beside, strict=True)
            ]
            self.lam[chosen[inner]] = np.maximum(0.5 * np.mean(diagonals, axis=0), 0.0)

    def _settle(self, points: Array, middle: list[Array]) -> None:
        """Move points to balanced weights read off the middle of their neighbours, where closer."""
        frames, lam = nearest_coordinates(middle, self.lam.shape[-1])
        layers = [W[points] for W in self.layers()]
        closer = (lam >= 0).all(axis=-1) & (
            _squared(chart(frames, lam), middle) < _squared(layers, middle)
        )
        if self.oriented:
            before = self.frames[0][points] @ transpose(self.frames[-1][points])
            closer &= np.linalg.det(frames[0] @ transpose(frames[-1])) * np.linalg.det(before) > 0
        for Q, new in zip(self.frames, frames, strict=True):
            Q[points[closer]] = new[closer]
        self.lam[points[closer]] = lam[closer]

    def _neighbours(self, W: Array, chosen: Array) -> Array:
        """The sum of both neighbours' layers; one of them at an end."""
        last = len(W) - 1
        before = np.where((chosen > 0)[:, None, None], W[np.maximum(chosen - 1, 0)], 0.0)
        after = np.where((chosen < last)[:, None, None], W[np.minimum(chosen + 1, last)], 0.0)
        return np.asarray(before + after)

    def _turn(self, p: int, chosen: Array, beside: list[Array], moving: Array) -> None:
        lam = self.lam[chosen][:, None, :]
        total = np.zeros_like(self.frames[p][chosen])
        if p > 0:
            total = total + beside[p - 1] @ (self.frames[p - 1][chosen] * lam)
        if p < len(beside):
            total = total + transpose(beside[p]) @ (self.frames[p + 1][chosen] * lam)
        U, _, Vt = np.linalg.svd(total, full_matrices=False)
        turned = U @ Vt
        old = self.frames[p][chosen]
        if self.oriented and p in (0, len(beside)):  # the sign of det W is kept
            flipped = np.linalg.det(turned) * np.linalg.det(old) < 0
            U[flipped, :, -1] *= -1
            turned = U @ Vt
        self.frames[p][chosen[moving]] = turned[moving]


def _aligned(first: Array, last: Array, lam: Array) -> Array:
    """Hidden frames (n + 1, r, r) that let the outer layers change as little as may be."""
    right, left = first * lam[:, None, :], last * lam[:, None, :]
    core = [np.eye(lam.shape[-1])]
    for i in range(1, len(lam)):
        at_input = core[-1] @ transpose(right[i - 1]) @ right[i]
        at_output = core[-1] @ transpose(left[i - 1]) @ left[i]
        U, _, Vt = np.linalg.svd(at_input + at_output)
        core.append(U @ Vt)
    return np.stack(core)


def _squared(layers: Sequence[Array], others: Sequence[Array]) -> Array:
    parts = [((W - X) ** 2).sum(axis=(-2, -1)) for W, X in zip(layers, others, strict=True)]
    return np.asarray(sum(parts))


def discrete_geodesic(path: Array, depth: int, rank: int) -> DiscreteGeodesic:
    """Relax a discrete path that starts as ``path`` (k + 1, m, n), then halve its links."""
    state = _State(path, depth, rank)
    lengths = []
    for level in range(_REFINEMENTS + 1):
        if level:
            state = _refined(state)
        _relax(state)
        lengths.append(np.sqrt((len(state.lam) - 1) * state.energy()))
    finest = state.path()
    finest[0], finest[-1] = path[0], path[-1]
    length = float((4 * lengths[-1] - lengths[-2]) / 3)
    return DiscreteGeodesic(finest, length, float(state.lam.min() / state.lam.max()))


def _relax(state: _State) -> None:
    energy = state.energy()
    for _ in range(_SWEEPS):
        for _ in range(8):
            state.sweep()
        before, energy = energy, state.energy()
        if before - energy <= _STILL * energy:
            return


def _refined(state: _State) -> _State:
    """A path of twice as many links; each new point starts as its left neighbour."""
    count = 2 * (len(state.lam) - 1) + 1
    source = np.arange(count) // 2
    finer = object.__new__(_State)
    finer.frames = [Q[source].copy() for Q in state.frames]
    finer.lam = state.lam[source].copy()
    finer.oriented = state.oriented
    return finer

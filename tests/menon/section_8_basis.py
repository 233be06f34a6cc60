"""Section 8.3: the orthonormal basis of T_W M, (8.17) to Theorem 14."""

# ruff: noqa: E741
# k and l are the paper's indices.

from __future__ import annotations

import itertools
import math

import numpy as np

from dlngeo import balanced
from menon.material import (
    all_points,
    differential_matrix,
    flat,
    full,
    gap,
    orbit_space,
    size,
    sorted_bases,
    sorted_points,
    tangent_space,
)
from menon.registry import printed, row, same


def explicit_basis(P, sign=-1):
    """(8.20)-(8.24): the vectors l, and u by pair and p; the printed (8.21) has sign = +1."""
    q = [Q.T for Q in P.Q]
    lines = [
        [np.outer(q[s][k], q[s - 1][k]) / math.sqrt(P.N) for s in range(1, P.N + 1)]
        for k in range(P.r)
    ]
    turns = []
    for k, l in itertools.combinations(range(P.r), 2):
        a, b, N = P.lam[k], P.lam[l], P.N
        kl = lambda s, k=k, l=l: np.outer(q[s][k], q[s - 1][l])  # noqa: E731
        lk = lambda s, k=k, l=l: np.outer(q[s][l], q[s - 1][k])  # noqa: E731
        end = math.sqrt((a**2 - b**2) / (a ** (2 * N) - b ** (2 * N)))
        turns.append([[end * a ** (s - 1) * b ** (N - s) * lk(s) for s in range(1, N + 1)]])
        for p in range(1, N):
            turns[-1].append(
                [
                    coefficient(a, b, p, s, N) * kl(s) + sign * coefficient(b, a, p, s, N) * lk(s)
                    for s in range(1, N + 1)
                ]
            )
        turns[-1].append([end * a ** (N - s) * b ** (s - 1) * kl(s) for s in range(1, N + 1)])
    return lines, turns


def coefficient(a, b, p, s, N):
    """(8.22)."""
    norm = math.sqrt(N * (a**2 + b**2 - 2 * a * b * math.cos(p * math.pi / N)))
    return (a * math.sin((s - 1) * p * math.pi / N) - b * math.sin(s * p * math.pi / N)) / norm


def turn_residuals(depths):
    """The library's u against the formulas, for the p that `depths(N)` names."""
    for P, basis in sorted_bases():
        u = basis.u
        for pair, turns in enumerate(explicit_basis(P)[1]):
            for p in depths(P.N):
                yield gap([layer[pair, p] for layer in u], turns[p])


@row("(8.17)", "balanced.to_svd", test="balanced.chart_z_and_back", note="definition")
def _():
    """The columns q_{p,k} of Q_p."""
    for P, given in zip(sorted_points(), all_points(), strict=True):
        yield from (size(Q.T @ Q - np.eye(P.r)) for Q in P.Q)
        yield gap(P.layers, given.layers)


@row(
    "(8.18)",
    "balanced.orthonormal_basis",
    tol=0.0,
    test="submersion.theorem_14_gives_an_orthonormal_basis",
    note="definition",
)
def _():
    """**l**^k, 1 ≤ k ≤ d."""
    for P, basis in sorted_bases():
        pairs = P.r * (P.r - 1) // 2
        for layers, count in ((basis.l, (P.r,)), (basis.u, (pairs, P.N + 1))):
            yield float(len(layers) != P.N)
            yield float(any(layer.shape[:-2] != count for layer in layers))


same("(8.19)", "**u**^{k,l,p}, 1 ≤ k < l ≤ d, 0 ≤ p ≤ N", "(8.18)", note="definition")


@row(
    "(8.20)", "balanced.orthonormal_basis", test="submersion.theorem_14_gives_an_orthonormal_basis"
)
def _():
    """l_s^k = q_{s,k}q_{s-1,k}ᵀ/√N."""
    for P, basis in sorted_bases():
        for k, exact in enumerate(explicit_basis(P)[0]):
            yield gap([layer[k] for layer in basis.l], exact)


@row(
    "(8.21)",
    "balanced.orthonormal_basis",
    tol=1e-12,
    test="submersion.theorem_14_gives_an_orthonormal_basis",
)
def _():
    """u_s = a^{klps} q_{s,k}q_{s-1,l}ᵀ - a^{lkps} q_{s,l}q_{s-1,k}ᵀ."""
    yield from turn_residuals(lambda N: range(1, N))
    for P in full():
        orbit = orbit_space(P)
        u = balanced.orthonormal_basis(P.layers).u
        for pair, p in itertools.product(range(P.r * (P.r - 1) // 2), range(1, P.N)):
            vector = flat([layer[pair, p] for layer in u])
            yield size(vector - orbit @ (orbit.T @ vector))


@printed("(8.21)", "plus: orthonormal and killed by dφ, but not tangent to M")
def _():
    for P in sorted_points():
        T = tangent_space(P)
        for turns in explicit_basis(P, sign=1)[1]:
            yield max(size(flat(u) - T @ (T.T @ flat(u))) for u in turns[1 : P.N])


@row(
    "(8.22)",
    "balanced.orthonormal_basis",
    tol=1e-12,
    test="submersion.theorem_14_gives_an_orthonormal_basis",
)
def _():
    """The coefficients a^{klps}."""
    for P, basis in sorted_bases():
        u = basis.u
        pairs = itertools.combinations(range(P.r), 2)
        for pair, (k, l) in enumerate(pairs):
            for p, s in itertools.product(range(1, P.N), range(1, P.N + 1)):
                part = u[s - 1][pair, p]
                here, there = P.lam[k], P.lam[l]
                yield abs(
                    P.Q[s][:, k] @ part @ P.Q[s - 1][:, l] - coefficient(here, there, p, s, P.N)
                )


@row(
    "(8.23)",
    "balanced.orthonormal_basis",
    tol=1e-12,
    test="submersion.theorem_14_gives_an_orthonormal_basis",
)
def _():
    """u^{k,l,0} = √K⁻¹ λ_k^{s-1}λ_l^{N-s} q_{s,l}q_{s-1,k}ᵀ."""
    yield from turn_residuals(lambda N: [0])


@row(
    "(8.24)",
    "balanced.orthonormal_basis",
    tol=1e-12,
    test="submersion.theorem_14_gives_an_orthonormal_basis",
)
def _():
    """u^{k,l,N} = √K⁻¹ λ_k^{N-s}λ_l^{s-1} q_{s,k}q_{s-1,l}ᵀ."""
    yield from turn_residuals(lambda N: [N])


@row(
    "Theorem 14",
    "balanced.orthonormal_basis",
    tol=1e-11,
    test="submersion.theorem_14_gives_an_orthonormal_basis",
    note="u^{k,l,p}, 1 ≤ p ≤ N - 1, span Ker dφ; at lower rank with the vectors `outside`, derived",
)
def _():
    """(**l**, **u**) is an orthonormal basis of T_W M."""
    for P in all_points():
        basis = balanced.orthonormal_basis(P.layers, rank=P.r)
        parts = [
            np.concatenate([a.reshape(-1, *W.shape), b.reshape(-1, *W.shape), c])
            for a, b, c, W in zip(*basis, P.layers, strict=True)
        ]
        columns = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1).T
        T = tangent_space(P)
        yield size(columns.T @ columns - np.eye(columns.shape[1]))
        yield size(columns @ columns.T - T @ T.T)
        D = differential_matrix(P)
        u = np.concatenate(
            [
                part[:, 1 : P.N].reshape(-1, W.size)
                for part, W in zip(basis.u, P.layers, strict=True)
            ],
            axis=1,
        )
        yield size(D @ u.T)

"""Phases of the free energy of d × d matrices whose diagonal of ones is observed, for whole N.

With T the nuclear norm of W, E ≥ (d/2)(1 - T/d)² where T ≤ d, and a W of any singular values σ has
this E: a positive one with equal diagonal entries (Schur, Horn). Where T ≥ d there is one of E = 0
(Thompson, Sing). So F is least where this bound, with entropy and decay, is least in σ alone:
``reduced`` finds that, from polynomials in σ^{2/N} and nothing else, and the minimisers are *all* W
of these σ, either with a diagonal of ones, or positive with all diagonal entries T/d.
"""

from __future__ import annotations

import itertools
import math
import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize, root

import dlngeo as dln

COLUMNS = ("count", "rank", "least dimension", "dimension", "miss", "σ_1", "σ_2", "σ_3", "σ_4")
ALIKE = 1e-6  # singular values this near, relative to the largest, are equal


def diagonal(size: int) -> Any:
    """½ Σ (W_ii - 1)²."""
    return dln.energies.MatrixCompletion(np.eye(size), np.eye(size, dtype=bool))


# --------------------------------------------------------------------- the problem in σ alone


def bound(lam: Any, depth: int, beta: float, decay: float) -> tuple[float, Any]:
    """β times the bound of F in the roots λ = σ^{1/N}, but for a constant, and its gradient."""
    d, N, j = len(lam), depth, np.arange(depth)
    x, short = lam**2, max(0.0, 1 - float((lam**N).sum()) / len(lam))
    powers = x[:, None] ** j
    pairs = powers @ powers[:, ::-1].T  # Σ_j x_k^j x_l^{N-1-j} = (σ_k² - σ_l²)/(x_k - x_l)
    pairs[np.arange(d), np.arange(d)] = 1.0
    if not (pairs > 0).all():
        return math.inf, np.zeros(d)
    steep = (j[1:] * x[:, None] ** (j[1:] - 1)) @ powers[:, N - 1 - j[1:]].T
    steep[np.arange(d), np.arange(d)] = 0.0
    value = beta * (d / 2 * short**2 + decay * N / 2 * x.sum()) - np.log(pairs).sum() / 4
    pull = beta * N * (decay * lam - short * lam ** (N - 1))
    return float(value), pull - (steep / pairs).sum(axis=1) * lam


def reduced(size: int, depth: int, beta: float, decay: float, starts: int = 30) -> Any:
    """The singular values of the minimisers."""
    rng = np.random.default_rng(0)
    heat = size * (size - 1) * (depth - 1) / (2 * decay * beta * depth)  # Σ λ² where E = 0
    ends = []
    for k in range(starts):
        x = np.full(size, 1.0) if k % 3 == 0 else rng.dirichlet(np.full(size, 0.7)) + 1e-9
        if k % 2:
            x[-1] = 0.0
        first = np.sqrt(x / x.sum() * max(heat, float(k % 4 > 1))) * 10 ** rng.uniform(-0.5, 0.3)
        ends.append(_finished(first * (1 + 1e-3 * rng.standard_normal(size)), depth, beta, decay))
    return np.sort(min(ends)[1])[::-1] ** depth


def _finished(lam: Any, depth: int, beta: float, decay: float) -> tuple[float, Any]:
    """A local minimum in λ ≥ 0, stationary to rounding."""
    options = {"ftol": 1e-16, "gtol": 1e-10, "maxiter": 2000}
    arguments = (depth, beta, decay)
    end: Any = minimize(
        bound, lam, arguments, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(lam),
        options=options,
    )  # fmt: skip
    lam = np.where(end.x > 1e-6 * end.x.max(), end.x, 0.0)
    there = lam > 0

    def slope(y: Any) -> Any:
        return bound(_put(there, y), *arguments)[1][there]

    exact = _put(there, root(slope, lam[there], tol=1e-14).x)
    value = bound(exact, *arguments)[0] if (exact >= 0).all() else math.inf
    return (value, tuple(exact)) if value <= end.fun + 1e-10 else (float(end.fun), tuple(lam))


def _put(there: Any, y: Any) -> Any:
    lam = np.zeros(len(there))
    lam[there] = y
    return lam


def dimension(sigma: Any) -> int:
    """Of the set of minimisers with these singular values, where conditions are independent.

    Matrices of singular values σ are O(d) × O(d) modulo what leaves one alone, symmetric ones O(d)
    modulo that; a diagonal of ones is d conditions, equal diagonal entries are d - 1.
    """
    d, kinds = len(sigma), np.split(sigma, np.nonzero(-np.diff(sigma) > ALIKE * sigma[0])[0] + 1)
    zeros = len(kinds[-1]) if kinds[-1][0] <= ALIKE * sigma[0] else 0
    turns = sum(len(k) * (len(k) - 1) // 2 for k in kinds) - zeros * (zeros - 1) // 2
    if sigma.sum() > d:
        return max(0, d * (d - 1) - turns - zeros * (zeros - 1) - d)
    return max(0, (d * (d - 1) - zeros * (zeros - 1)) // 2 - turns - (d - 1))


def full_rank(size: int, depth: float) -> bool:
    """Whether S is larger at d equal σ than at d - 1 of them and a zero, of the same Σ σ^{2/N}."""
    return math.log(depth) / (depth - 1) > size / 2 * math.log(size / (size - 1))


def threshold(size: int, depth: float) -> float:
    """γβ up to which E = 0, where S is largest at equal singular values, d or d - 1 of them."""
    if full_rank(size, depth):
        return (size - 1) * (depth - 1) / (2 * depth)
    return size * (depth - 1) / (2 * depth) * ((size - 1) / size) ** (2 / depth)


def breaking(size: int, depth: float, s: float) -> tuple[float, float]:
    """β and γ at which d - 1 equal singular values s, T < d, cease to be a minimum."""
    d, N = size, depth
    most = (N - 1) * (3 * N * d - (N + 1) * (d - 1)) / (6 * N * (N - 2))  # of γβ s^{2/N}
    beta = (most - d * (N - 1) / (2 * N)) / (s * (1 - (d - 1) * s / d))
    return beta, most / (beta * s ** (2 / N))


# --------------------------------------------------------------------------- what is measured


def found_minimisers(runs: Any) -> Any:
    """What the search finds: how many (0: a continuum), of what kind, how far from ``reduced``."""
    beta, decay, size = runs.cell["beta"], runs.cell["weight_decay"], runs.W.shape[-1]
    found = dln.entropy.minimise_free_energy(runs.energy, runs.depth, beta, decay)
    W, sigma = found.points, np.linalg.svd(found.points, compute_uv=False)
    wanted = reduced(size, int(runs.depth), beta, decay)
    part = min(1.0, wanted.sum() / size)
    gaps = [np.abs(sigma - wanted).max(), np.abs(np.diagonal(W, 0, 1, 2) - part).max()]
    if part < 1:
        gaps.append(np.abs(W - W.swapaxes(1, 2)).max())
    row = np.full(len(COLUMNS), np.nan)
    row[:5] = (
        len(W) if found.family == "points" else 0, found.ranks.max(), found.dimensions.min(),
        found.dimensions.max(), max(gaps),
    )  # fmt: skip
    row[5 : 5 + size] = sigma.mean(axis=0)
    return np.tile(row, (len(runs.W), 1))


def measured_breaking(depth: float, beta: float, s: float) -> float:
    """At d = 3, γ at which (σ_1 - σ_2)² of minimisers found, extrapolated from beyond, is zero."""
    there, gaps = breaking(3, depth, s)[1], []
    for share in (1.002, 1.004):
        found = dln.entropy.minimise_free_energy(diagonal(3), depth, beta, share * there)
        sigma = np.linalg.svd(found.points, compute_uv=False)
        gaps.append(((sigma[:, 0] - sigma[:, 1]) ** 2).mean())
    return float(there * (1 + 0.002 - 0.002 * gaps[0] / (gaps[1] - gaps[0])))


def leaps(size: int, depth: int, beta: float, decays: tuple[float, float]) -> tuple[Any, ...]:
    """γ between these where σ_2/σ_1 jumps, and the singular values on either side."""
    low, high = decays
    ends = [reduced(size, depth, beta, g, starts=12) for g in decays]
    for _ in range(20):
        middle = (low + high) / 2
        there = reduced(size, depth, beta, middle, starts=12)
        ratios = [s[1] / s[0] for s in (ends[0], there, ends[1])]
        if abs(ratios[1] - ratios[0]) < abs(ratios[1] - ratios[2]):
            low, ends[0] = middle, there
        else:
            high, ends[1] = middle, there
    return (low + high) / 2, *ends


# -------------------------------------------------------------------------------- what is shown


def draw(ds: Any) -> Figure:
    """Singular values over γ at N = 3, found and by the problem in σ alone, for d = 3 and 4."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    shades, marks = ("#000000", "#1b6f8a", "#c77f1a"), "o^s"
    beta, grid = float(ds.beta.values[0]), np.geomspace(0.04, 1.6, 120)
    for axes, size in zip(figure.subplots(1, 2), ds["size"].values, strict=True):
        curves = np.array([reduced(int(size), 3, beta, g, starts=12) for g in grid])
        rows = ds["found_minimisers"].sel(size=size, depth=3, beta=beta)
        for k in range(int(size) - 1):
            line, width = ("-", "--", ":")[k], (1.0, 1.5, 2.5)[k]
            axes.plot(grid, curves[:, k], line, color=shades[k], lw=width)
            axes.plot(
                ds.weight_decay, rows.values[:, 0, 5 + k], marks[k], mfc="none",
                ms=(5, 6, 9)[k], color=shades[k], label=f"$σ_{k + 1}$",
            )  # fmt: skip
        axes.axvline(threshold(int(size), 3) / beta, color="#999999", lw=0.8)
        axes.set(xlabel="γ", xscale="log", yscale="log", title=f"d = {size}, N = 3, β = {beta:g}")
        axes.set(ylim=(0.08, 30), ylabel="singular values of the minimisers")
        axes.legend(fontsize=8)
    return figure


def report(ds: Any) -> None:
    """Print kinds of minimisers and the worst misses, thresholds, breaking, and what β → ∞ does."""
    rows, axes = ds["found_minimisers"].isel(path=0), ("size", "depth", "beta", "weight_decay")
    groups: dict[Any, list[float]] = {}
    for cell in itertools.product(*(ds[axis].values for axis in axes)):
        size, depth, beta, decay = cell
        row = rows.sel(dict(zip(axes, cell, strict=True))).values
        sigma = reduced(int(size), int(depth), beta, decay)
        where = "E = 0" if sigma.sum() > size else "E > 0"
        alike = "equal" if sigma[0] - sigma[int(row[1]) - 1] < ALIKE else "unlike"
        kind = (int(size), int(depth), where, *row[:4].astype(int), dimension(sigma), alike)
        groups.setdefault(kind, []).append(row[4])
    for kind, misses in sorted(groups.items()):
        d, N, where, count, rank, least, most, wanted, alike = kind
        print(
            f"d = {d}, N = {N}, {where}, {len(misses)} cells: {count} points of rank {rank}, σ "
            f"{alike}, dimension {least} to {most} ({wanted}), worst miss {max(misses):.2g}"
        )
    for size in (3, 4):
        for N in (2, 3, 4):
            wanted = threshold(size, N)
            seen = measured_threshold(size, N)
            print(f"d = {size}, N = {N}: threshold {seen:.8f}, formula {wanted:.8f}")
    for s in (1.2, 1.0):
        beta, gamma = breaking(3, 3, s)
        seen = measured_breaking(3, beta, s)
        print(f"d = 3, N = 3, β = {beta:.5f}: breaking at γ = {seen:.7f}, formula {gamma:.7f}")
    for between in ((0.4, 0.6), (0.8, 1.2)):
        print("d = 4, N = 3, β = 5: jump at γ, from, to", *leaps(4, 3, 5.0, between))
    for beta in (1e2, 1e3, 1e4, 1e5):
        sigma = reduced(3, 3, beta, 0.2)
        print(f"d = 3, N = 3, γ = 0.2, β = {beta:g}: {sigma}, {(2 / (0.6 * beta)) ** 1.5}")


def measured_threshold(size: int, depth: int) -> float:
    """As at d = 2."""
    from phases import measured_threshold

    return measured_threshold(depth, 10.0, diagonal(size), threshold(size, depth))


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))

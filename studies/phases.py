"""The phases of the free energy of problem 14.1 with weight decay: every minimiser is known.

With T the nuclear norm of W, E ≥ (1 - T/2)² where T ≤ 2: with equality where W ≥ 0 has equal
diagonal entries. At given Σ σ^{2/N} neither S nor T is larger than at rank one (N > 2), at equal
singular values (N < 2). So T = 2m is all that is left to find; c = min(2, 2^{2/N}):

- γβ < (N - 1)/(Nc): m = ((N - 1)/(γβNc))^{N/2} > 1, W_11 = W_22 = 1 and E = 0;
- else m < 1 is where (1 - m)² + (γN/2) c m^{2/N} - (1 - 1/N)(log m)/β is least, W ≥ 0 and
  W_11 = W_22 = m. For N > 2 there may be two such wells, and m jumps where they are level.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

import dlngeo as dln

COLUMNS = ("count", "rank", "dimension", "log_a", "half_norm", "miss")
ENERGY = dln.energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))

# ------------------------------------------------------------------------------- what is proved


def spread(depth: float) -> float:
    """The c of Σ σ^{2/N} = c m^{2/N}: two singular values of size m, or one of 2m."""
    return min(2.0, 2 ** (2 / depth))


def threshold(depth: float) -> float:
    """γβ up to which the diagonal is fitted exactly."""
    return (depth - 1) / (depth * spread(depth))


def height(m: Any, depth: float, beta: float, decay: float) -> Any:
    """F at T = 2m ≤ 2, but for a constant."""
    penalty = decay * depth / 2 * spread(depth) * m ** (2 / depth)
    return (1 - m) ** 2 + penalty - (1 - 1 / depth) * np.log(m) / beta


def wells(depth: float, beta: float, decay: float) -> Any:
    """All m < 1 where F is stationary, increasing: one, or a well, a ridge and a well."""

    def fall(m: Any) -> Any:  # -m times the derivative
        pull = decay * spread(depth) * m ** (2 / depth)
        return 2 * m * (1 - m) - pull + (1 - 1 / depth) / beta

    free = (threshold(depth) / (decay * beta)) ** (depth / 2)  # no m below it is stationary
    grid = np.geomspace(free, 1.0, 4001)
    turns = np.nonzero(np.diff(np.sign(fall(grid))))[0]
    return np.array([brentq(fall, *grid[k : k + 2], xtol=1e-300, rtol=1e-15) for k in turns])


def half_norm(depth: float, beta: float, decay: float) -> float:
    """m, half of the nuclear norm of the minimisers."""
    free = (threshold(depth) / (decay * beta)) ** (depth / 2)
    if free >= 1:
        return float(free)
    found = wells(depth, beta, decay)
    return float(found[np.argmin(height(found, depth, beta, decay))])


def minimisers(depth: float, beta: float, decay: float) -> Any:
    """The minimisers; at N = 2 the corners of rank one of the curve or segment that they fill."""
    m = half_norm(depth, beta, decay)
    if m < 1 and depth < 2:
        return m * np.eye(2)[None]
    if m < 1:
        return m * np.array([[[1.0, s], [s, 1.0]] for s in (1, -1)])
    root = math.sqrt(m * m - 1)
    if depth < 2:
        return np.array([[[1.0, s * root], [-s * root, 1.0]] for s in (1, -1)])
    signs = [(s, t) for s in (1, -1) for t in (1, -1)]
    return np.array([[[1.0, s * (m + t * root)], [s * (m - t * root), 1.0]] for s, t in signs])


def distance(W: Any, depth: float, beta: float, decay: float) -> float:
    """How far a matrix is from the nearest minimiser, in its largest entry or a bound of that."""
    if depth != 2:
        gaps = np.abs(W - minimisers(depth, beta, decay)).max(axis=(1, 2))
        return float(gaps.min())
    m, (r, s) = half_norm(depth, beta, decay), (W[0, 1], W[1, 0])
    diagonal = np.abs(np.diag(W) - min(m, 1.0)).max()
    if m < 1:
        return float(max(diagonal, abs(r - s), abs(r) - m))
    # det W > 0 on the sides |r - s| = const, det W < 0 on |r + s| = const
    side = abs(r - s) - 2 * math.sqrt(m * m - 1) if r * s < 1 else abs(r + s) - 2 * m
    return float(max(diagonal, abs(side)))


def end_point(depth: float) -> tuple[float, float, float]:
    """β, γ and m where the line of jumps ends, N > 2: F' = F'' = F''' = 0."""
    m = (depth - 2) / (4 * (depth - 1))
    beta = (depth - 1) / (depth * m * (depth * (1 - 2 * m) - 2 * (1 - m)))
    return beta, depth * m * (1 - 2 * m) / (2 * m) ** (2 / depth), m


def coldest_jump(depth: float, size: int = 2) -> tuple[float, float]:
    """γ and m of the jump as β → ∞, for d × d: (d/2)(1 - m)² + (γN/2)(dm)^{2/N} = d/2."""
    m = (depth - 2) / (depth - 1)
    return (size * m) ** (1 - 2 / depth) / (depth - 1), m


def jump(depth: float, beta: float) -> float:
    """γ where two wells are level, for β beyond the end point."""
    _, end, _ = end_point(depth)

    def upper(decay: float) -> bool:  # which well it is, told by the turn of the slope
        turn = (decay * spread(depth) * (1 - 2 / depth) / (2 * depth)) ** (depth / (2 * depth - 2))
        return half_norm(depth, beta, decay) > turn

    low, high = coldest_jump(depth)[0] * 0.999, end * 1.001
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if upper(middle) else (low, middle)
    return low


# --------------------------------------------------------------------------- what is measured


def found_minimisers(runs: Any) -> Any:
    """What the search finds: how many (0: a continuum), of which kind, how far from formulas."""
    beta, decay = runs.cell["beta"], runs.cell["weight_decay"]
    found = dln.entropy.minimise_free_energy(runs.energy, runs.depth, beta, decay)
    W = found.points
    with np.errstate(divide="ignore"):
        lean = np.abs(np.log(np.abs(W[:, 0, 1] / W[:, 1, 0]))).max() / 2
    row = [
        len(W) if found.family == "points" else 0,
        found.ranks.max() + 0.5 * (found.ranks.min() < found.ranks.max()),
        found.dimensions.max(),
        lean,
        np.linalg.svd(W, compute_uv=False).sum(axis=1).mean() / 2,
        max(distance(one, runs.depth, beta, decay) for one in W),
    ]
    return np.tile(row, (len(runs.W), 1))


def measured_threshold(depth: float, beta: float, energy: Any = ENERGY, there: Any = None) -> float:
    """Where T/d - 1 of the minimisers that were found, extrapolated from two γ below, is zero."""
    there, step = threshold(depth) if there is None else there, 2e-4
    heights = []
    for share in (1 - step, 1 - 2 * step):
        found = dln.entropy.minimise_free_energy(energy, depth, beta, share * there / beta)
        norms = np.linalg.svd(found.points, compute_uv=False).sum(axis=1)
        heights.append(norms.mean() / len(found.points[0]) - 1)
    return float(there * (1 - step + step * heights[0] / (heights[1] - heights[0])))


def measured_jump(depth: float, beta: float) -> float:
    """Where the minimisers that were found jump, by halving an interval of 1 % about ``jump``."""
    formula = jump(depth, beta)
    low, high = 0.995 * formula, 1.005 * formula
    ridge = wells(depth, beta, formula)[1]
    for _ in range(12):
        middle = (low + high) / 2
        W = dln.entropy.minimise_free_energy(ENERGY, depth, beta, middle).points[0]
        low, high = (middle, high) if W[0, 0] > ridge else (low, middle)
    return (low + high) / 2


# -------------------------------------------------------------------------------- what is shown

SHADES, LINES = ("#999999", "#000000", "#1b6f8a", "#c77f1a", "#7a3b69"), ("-.", "-", "--", ":", "-")


def draw(ds: Any) -> Figure:
    """The phases in the plane of γ and 1/β at N = 3; m over γ at one β; log |a| over γβ."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    _plane(left, ds)
    beta, decays = float(ds.beta.values[1]), np.geomspace(0.008, 1.0, 400)
    for depth, shade, line in zip(ds.depth.values, SHADES, LINES, strict=False):
        style = {"ls": line, "color": shade, "lw": 1}
        curve = [half_norm(depth, beta, g) for g in decays]
        middle.plot(decays, curve, label=f"N = {depth:g}", **style)
        rows = ds["found_minimisers"].sel(depth=depth).values[..., 0, :]
        middle.plot(ds.weight_decay, rows[1, :, 4], "o", mfc="none", ms=4, color=shade)
        if depth <= 2:
            continue
        grid = np.geomspace(0.04, 60, 400)
        lean = [math.acosh(max(1.0, half_norm(depth, 1.0, g))) for g in grid]
        right.plot(grid, lean, label=f"N = {depth:g}", **style)
        for b, mark, some in zip(ds.beta.values, "o^s", rows, strict=False):
            seen = some[:, 0] > 0
            x = ds.weight_decay.values[seen] * b
            right.plot(x, some[seen, 3], mark, mfc="none", ms=4, color=shade)
    middle.set(xlabel="γ", ylabel="half of the nuclear norm, m", xscale="log", yscale="log")
    middle.set(ylim=(1e-3, 30), title=f"β = {beta:g}")
    middle.legend(fontsize=7, loc="lower left")
    right.set(xlabel="γβ", ylabel="|log |a|| of the minimisers", xscale="log", ylim=(-0.2, 6))
    right.set_title(
        ", ".join(f"{m} β = {b:g}" for m, b in zip("○△□", ds.beta.values, strict=False))
    )
    right.legend(fontsize=7)
    return figure


def _plane(axes: Any, ds: Any, depth: float = 3.0) -> None:
    """Where the phases are, and what the search found there."""
    beta_end, end, _ = end_point(depth)
    heat = np.geomspace(1e-3, 1 / beta_end, 40)
    axes.plot([jump(depth, 1 / h) for h in heat[:-1]] + [end], heat, "k-", lw=2)
    axes.plot(end, 1 / beta_end, "ko", ms=6)
    gamma = np.geomspace(0.005, 2, 50)
    axes.plot(gamma, gamma / threshold(depth), "k--", lw=1)
    for count, mark in ((4, "s"), (2, "o")):
        cells = ds["found_minimisers"].sel(depth=depth)[..., 0, 0] == count
        at = [(g, 1 / b) for b in ds.beta.values for g in ds.weight_decay.values
              if cells.sel(beta=b, weight_decay=g)]  # fmt: skip
        if at:
            axes.plot(*np.array(at).T, mark, mfc="none", color="#1b6f8a", label=f"{count} found")
    axes.text(0.009, 0.6, "four minimisers, E = 0", fontsize=8)
    axes.text(0.13, 0.0015, "two,\nm large", fontsize=8)
    axes.text(0.7, 0.0015, "two,\nm small", fontsize=8)
    axes.set(xlabel="γ", ylabel="1/β", xscale="log", yscale="log", title=f"N = {depth:g}")
    axes.set(xlim=(0.007, 2), ylim=(1e-3, 1.5))
    axes.legend(fontsize=7, loc="lower left")


def cold(depth: float, decay: float) -> tuple[float, float]:
    """The limit of m as β → ∞ at a γ below the jump, and β times what is above it there."""
    m = half_norm(depth, 1e30, decay)
    return m, (1 - 1 / depth) / (4 * m - 2 + 4 / depth * (1 - m))


def report(ds: Any) -> None:
    """Print how far the minimisers are from the formulas; thresholds, jumps, or the limit."""
    rows = ds["found_minimisers"].values.reshape(-1, len(COLUMNS))
    axes = (ds[k].values for k in ds["found_minimisers"].dims[:3])
    depths, betas, decays = (one.ravel() for one in np.meshgrid(*axes, indexing="ij"))
    kinds = np.column_stack([depths, decays * betas < [threshold(N) for N in depths], rows[:, :3]])
    miss = rows[:, 5] / np.maximum(1.0, rows[:, 4])
    for kind in np.unique(kinds, axis=0):
        some = (kinds == kind).all(axis=1)
        print(
            f"N = {kind[0]:g}, {'below' if kind[1] else 'above'}: {some.sum()} cells of count "
            f"{kind[2]:g}, rank {kind[3]:g}, dimension {kind[4]:g}; worst miss, "
            f"relative above 1, {miss[some].max():.2g}, least m {rows[some, 4].min():.2g}"
        )
    if ds.beta.max() > 1e3:
        return _report_cold(ds)
    for N in map(float, ds.depth.values):
        found = measured_threshold(N, 10.0)
        print(f"N = {N:g}: threshold {found:.8f}, formula {threshold(N):.8f}")
        if N > 2:
            beta, gamma, m = end_point(N)
            print(f"   jumps end at β = {beta:.6f}, γ = {gamma:.6f}, m = {m:.6f}")
            found, formula = measured_jump(N, 4 * beta), jump(N, 4 * beta)
            sizes = wells(N, 4 * beta, formula)[::2]
            print(f"   β = {4 * beta:.6g}: jump at γ = {found:.7f}, formula {formula:.7f}, {sizes}")
    return None


def _report_cold(ds: Any) -> None:
    """Print the limit at each γ, what is above it, and the power of 1/β."""
    for N in map(float, ds.depth.values):
        for decay in map(float, ds.weight_decay.values):
            rows = ds["found_minimisers"].sel(depth=N, weight_decay=decay).values[:, 0]
            m, rate = cold(N, decay)
            above = (rows[:, 4] - m) * ds.beta.values
            power = -np.diff(np.log(rows[:, 4] - m)) / np.diff(np.log(ds.beta.values))
            print(f"N = {N:g}, γ = {decay:g}: limit {m:.10f}, b = {rate:.6f}, measured {above}")
            print(f"   powers of 1/β {power}")


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))

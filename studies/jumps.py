"""Jumps of the rank in completions that learn one direction after another, and the losses between.

A jump is when the loss falls half-way from one critical value to the next: E at rest on rank 0, on
rank 1, and 0. Each start is shrunk to the scales of ``ladder``, so that what depends on the start
does not blur an exponent.

For N >= 3 the flow leaves rank k as Ẇ = 𝒜_W(-E') with a constant E', homogeneous of degree
2 - 2/N: times go as scale^{-(1-2/N)}. For N = 2 it is linear in the layers: ``depth_two``.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import least_squares

import dlngeo as dln

JUMPS = 2  # the rank of the target
LEFT = 1e-6  # of E(0): where a flow has ended
RTOL = 1e-7
LAST = 6  # of the scales, to which rates and powers of N = 2 are fitted
QUANTITIES = ("t1", "t2", "loss0", "loss1", "third")
STYLES = {2: (":", "#c77f1a"), 3: ("--", "#1b6f8a"), 4: ("-.", "#777777"), 5: ("-", "#000000")}
SIZES = (("o", "--", "#1b6f8a"), ("s", ":", "#c77f1a"), ("^", "-", "#000000"))


def ladder(depth: float) -> Any:
    """The scales to which starts are shrunk."""
    return 10.0 ** -(np.arange(4, 31, 2) if depth == 2 else np.arange(4, 9))


@functools.cache
def table(size: int, seed: int) -> Any:
    """½ Σ (W_ij - T_ij)² over half of the entries of a T of rank 2, singular values d and d/2."""
    rng = np.random.default_rng((2, size, seed))
    U, V = (np.linalg.qr(rng.standard_normal((size, JUMPS)))[0] for _ in range(2))
    mask = rng.permutation(size * size).reshape(size, size) < size * size // 2
    return dln.energies.MatrixCompletion(size * (U * [1.0, 0.5]) @ V.T, mask)


class Rest(NamedTuple):
    """What is at rest on rank 0, and on rank 1 where the flow of rank 1 from zero ends."""

    W: Any  # of rank 1
    loss: Any  # E on both
    slopes: Any  # the singular values of E' on both
    approach: float  # the least rate, of two layers, at which the flow of rank 1 comes to W


@functools.cache
def rest(size: int, seed: int) -> Rest:
    """Rank 1 begins along the leading singular vectors of E'(0), the fastest way out."""
    energy = table(size, seed)
    zero = np.zeros(energy.shape)
    U, first, Vt = np.linalg.svd(-energy.gradient(zero))
    start = dln.lowrank.Factors(U[:, :1], np.array([0.1]), Vt[:1].T)
    path = dln.lowrank.flow(energy, start, (0, 1e3), depth=2, rtol=1e-9, gtol=0)
    W = path.factors().dense()
    second = np.linalg.svd(energy.gradient(W), compute_uv=False)
    loss = np.array([energy.value(zero), energy.value(W)])
    return Rest(W, loss, np.stack([first, second]), _approach(energy, path.factors()))


def _approach(energy: Any, W: Any) -> float:
    """The second least eigenvalue of E(abᵀ)'s Hessian at |a| = |b|; the least is the gauge's, 0."""
    a, b = (frame[:, 0] * W.sigma[0] ** 0.5 for frame in (W.U, W.V))
    mixed = energy.mask * np.outer(a, b) + energy.gradient(np.outer(a, b))
    blocks = [np.diag(energy.mask @ b**2), mixed], [mixed.T, np.diag(energy.mask.T @ a**2)]
    return float(np.linalg.eigvalsh(np.block([*map(list, blocks)]))[1])


# ------------------------------------------------------------------------------------- the flows


def stages(runs: Any) -> Any:
    """(path, scale, quantity): of each start, its entries of mean square 1, on the ladder."""
    size, seed = runs.cell["size"], runs.cell["seed"]
    starts = runs.start / np.sqrt((runs.start**2).mean(axis=(1, 2), keepdims=True))
    scales, depth = ladder(runs.depth), int(runs.depth)
    return np.array([[stage(s * Z, size, seed, depth) for s in scales] for Z in starts])


def stage(W: Any, size: int, seed: int, depth: int) -> Any:
    """Both jumps' times; E half-way to each over E at rest, less 1; σ_3/σ_1. NaN: it failed."""
    energy, loss = table(size, seed), rest(size, seed).loss
    layers, begins, times = dln.balanced.lift(W, depth), [], []
    for bound in (loss.sum() / 2, loss[1] / 2, LEFT * loss[0]):
        path = _flow(energy, layers, 1e30, bound)
        if path.status != 1:
            return np.full(len(QUANTITIES), np.nan)
        begins.append(layers)
        times.append(path.t[-1])
        layers = [one[-1] for one in path.weights]
    half = [_flow(energy, begins[k], times[k] / 2).energy[-1] for k in range(JUMPS)]
    sigma = [np.linalg.svd(one, compute_uv=False) for one in layers]
    third = np.prod([one[2] / one[0] for one in sigma])  # of the product's, as layers are balanced
    return np.array([times[0], times[0] + times[1], *(half / loss - 1), third])


def _flow(energy: Any, layers: Any, t: float, bound: float | None = None) -> Any:
    """The layers' flow to a time, or down to a loss; its last state alone is kept."""
    return dln.flows.gradient_flow(
        energy, layers, (0, t), t_eval=[t], stop_loss=bound, gtol=0, rtol=RTOL
    )


def course(size: int, seed: int, depth: int, scale: float) -> Any:
    """One flow to its end, every step of it."""
    Z = np.random.default_rng(7).standard_normal((size, size))
    layers, bound = dln.balanced.lift(scale * Z, depth), 1e-3 * rest(size, seed).loss[0]
    return dln.flows.gradient_flow(
        table(size, seed), layers, (0, 1e9), stop_loss=bound, gtol=0, rtol=1e-6
    )


# ---------------------------------------------------------------------------------------- laws


def depth_two(size: int, seed: int) -> dict[str, float]:
    """What the flow of two layers, linear near zero and near rank one, says as the scale → 0.

    Direction k grows as e^{2 s_k t}: near zero with the singular values s_k of E'(0), near rank one
    with those s'_k of E' there. The flow of rank 1 comes to rest as e^{-λt}, E as e^{-2λt}. With
    ℓ = log(1/scale): the time t1 and the wait t2 - t1 over ℓ; the powers of the scale with which
    half-way between E comes to the critical value and goes away from it, and with which σ_3/σ_1
    tends to 0.
    """
    s, after = rest(size, seed).slopes
    gap = 1 - s[1] / s[0]
    wait = gap / (2 * after[0])
    return {
        "t1": 1 / (2 * s[0]),
        "wait": wait,
        "coming": rest(size, seed).approach * wait,
        "going": after[0] * wait,
        "third": 1 - s[2] / s[0] - gap * after[1] / after[0],
    }


def exponent(scales: Any, times: Any) -> float:
    """The p of t = α scale^{-p} + b."""

    def misfit(x: Any) -> Any:
        return (np.exp(x[0]) * scales ** -x[1] + x[2]) / times - 1

    guess = -np.polyfit(np.log(scales), np.log(times), 1)
    found = least_squares(misfit, [-guess[1], guess[0], 0.0], x_scale="jac", xtol=1e-14, ftol=1e-14)
    return float(found.x[1])


def power(scales: Any, values: Any) -> float:
    """The p of |value| = α scale^p."""
    return float(np.polyfit(np.log(scales), np.log(np.abs(values)), 1)[0])


def rate(scales: Any, times: Any) -> float:
    """The a of t = a log(1/scale) + b."""
    return float(-np.polyfit(np.log(scales), times, 1)[0])


def alone(depth: float, slope: Any, wait: Any) -> Any:
    """What E loses half-way through a wait by its leading direction: a of ȧ = N a^{2-2/N} slope."""
    return slope * ((depth - 2) * slope * wait / 2) ** (-depth / (depth - 2))


def left(scales: Any, values: Any, p: float, q: float) -> float:
    """What a scale^p + b scale^q leaves of values, in units of scale^p, over the largest."""
    over = values / scales**p
    design = np.stack([np.ones_like(scales), scales ** (q - p)], axis=-1)
    found = np.linalg.lstsq(design, over, rcond=None)[0]
    return float(np.abs(design @ found - over).max() / np.abs(over).max())


def laws_of(rows: Any, size: int, seed: int, depth: float) -> dict[str, float]:
    """The exponents and rates of one start's ladder."""
    scales = ladder(depth)
    columns = dict(zip(QUANTITIES, rows.T, strict=True))
    wait = columns["t2"] - columns["t1"]
    if depth == 2:
        few, law = slice(-LAST, None), depth_two(size, seed)
        s = scales[few]
        return {
            "t1 over law": rate(s, columns["t1"][few]) / law["t1"],
            "wait over law": rate(s, wait[few]) / law["wait"],
            "third over law": power(s, columns["third"][few]) / law["third"],
            "loss1 at the end": columns["loss1"][-1],
            "loss1 left": left(s, columns["loss1"][few], law["coming"], law["going"]),
        }
    few, (loss, slopes) = slice(-3, None), rest(size, seed)[1:3]
    first = -alone(depth, slopes[0, 0], columns["t1"][-1]) / loss[0]
    second = -alone(depth, slopes[1, 0], wait[-1]) / loss[1]
    return {
        "t1": exponent(scales, columns["t1"]),
        "t2": exponent(scales, columns["t2"]),
        **{name: power(scales[few], columns[name][few]) for name in QUANTITIES[2:]},
        "loss0 over alone": columns["loss0"][-1] / first,
        "loss1 over alone": columns["loss1"][-1] / second,
        "third over scale": columns["third"][-1] / scales[-1],
    }


def tables_of(ds: Any, depth: float, size: int) -> Any:
    """The laws of each table and start, as (quantity, table, path)."""
    found = []
    for seed in ds.seed.values.tolist():
        rows = ds["stages"].sel(depth=depth, size=size, seed=seed).values
        found.append([laws_of(one, size, seed, depth) for one in rows])
    return {name: np.array([[one[name] for one in row] for row in found]) for name in found[0][0]}


# ---------------------------------------------------------------------------- figures, report


def draw(ds: Any) -> Figure:
    """A loss in steps; times of both jumps over the scale; losses of plateaus and σ_3."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    size, seed = int(ds["size"].values[-1]), int(ds.seed.values[0])
    loss = rest(size, seed).loss
    for depth, (line, shade) in STYLES.items():
        path = course(size, seed, depth, 1e-6)
        end = np.interp(-loss[1] / 2, -path.energy, path.t)
        left.plot(path.t / end, path.energy / loss[0], line, color=shade, label=f"N = {depth}")
    for level in (*loss, 0.0):
        left.axhline(level / loss[0], color="0.7", lw=0.8, zorder=0)
    left.set(xlim=(0, 1.15), xlabel="time over that of the second jump", ylabel="loss over E(0)")
    left.set_title(f"d = {size}, scale 10⁻⁶; grey: critical values", fontsize=9)
    left.legend(fontsize=8, loc="lower left")
    for depth in ds.depth.values:
        scales, (line, shade) = ladder(depth), STYLES[int(depth)]
        middle.plot([], [], line, color=shade, label=f"N = {depth:g}")
        for big, (mark, *_) in zip(ds["size"].values, SIZES, strict=False):
            rows = ds["stages"].sel(depth=depth, size=big).values
            t2, miss, third = (np.median(np.abs(rows[..., k]), axis=(0, 1)) for k in (1, 3, 4))
            style = {"marker": mark, "ls": line, "ms": 4, "color": shade, "mfc": "none"}
            middle.loglog(scales, t2, **style)
            right.loglog(scales, miss, **style)
            if big == size:
                right.loglog(scales, third, "x", ls=line, ms=4, color=shade)
    for big, (mark, *_) in zip(ds["size"].values, SIZES, strict=False):
        middle.plot([], [], "k" + mark, ms=4, mfc="none", label=f"d = {big}")
    middle.set(xlabel="scale of the start", ylabel="time of the second jump, median")
    middle.set_ylim(0.5, 1e5)
    middle.legend(fontsize=8, ncols=2, loc="upper right")
    right.set(xlabel="scale of the start")
    right.set_ylabel(f"loss half-way to it, over critical, less 1\ncrosses: σ₃/σ₁, d = {size}")
    return figure


def draw_depth_two(ds: Any) -> Figure:
    """Times, the loss between the jumps and σ_3 of each table, first start, over the scale."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    scales, folds = ladder(2), -np.log(ladder(2))
    for size, (mark, line, shade) in zip(ds["size"].values.tolist(), SIZES, strict=False):
        for k, seed in enumerate(ds.seed.values.tolist()):
            rows = ds["stages"].sel(depth=2, size=size, seed=seed).values[0]
            style = {"marker": mark, "ls": line, "ms": 3, "lw": 0.8, "color": shade, "mfc": "none"}
            law, wait = depth_two(size, seed), rows[:, 1] - rows[:, 0]
            left.plot(folds, wait / law["wait"], **style, label=None if k else f"d = {size}")
            middle.loglog(scales, np.abs(rows[:, 3]), **style)
            right.loglog(scales, rows[:, 4], **style)
    left.plot(folds, folds, "-", color="0.6", lw=3, zorder=0, label="slope 1")
    left.set(xlabel="log(1/scale)", ylabel="time between the jumps, over its rate", title="N = 2")
    left.legend(fontsize=8)
    middle.set(xlabel="scale of the start", ylabel="|loss half-way, over critical, less 1|")
    right.set(xlabel="scale of the start", ylabel="σ₃/σ₁ at the end")
    return figure


def report(ds: Any) -> None:
    """Print means and standard errors over tables, each the mean of its starts; median and ends."""
    missing = int(np.isnan(ds["stages"].values).any(axis=(-1, -2)).sum())
    if missing:
        raise SystemExit(f"{missing} starts have failed or are missing; the laws are of all")
    for depth in ds.depth.values.tolist():
        for size in ds["size"].values.tolist():
            print(f"N = {depth:g}, d = {size}")
            for name, values in tables_of(ds, depth, size).items():
                each = values.mean(axis=1)
                error = each.std(ddof=1) / np.sqrt(each.size)
                print(
                    f"   {name}: {each.mean():.6g} ± {error:.2g}; median {np.median(values):.6g}, "
                    f"from {values.min():.6g} to {values.max():.6g}"
                )
    if 3 in ds.depth.values:
        print(steps(int(ds["size"].values[-1]), int(ds.seed.values[0])))


def steps(size: int, seed: int) -> str:
    """Plateaus of the loss and of the effective rank along one flow, N = 3, scale 1e-6."""
    path = course(size, seed, 3, 1e-6)
    t, loss = np.append(path.t, 1.5 * path.t[-1]), np.append(path.energy, path.energy[-1])
    rank = np.append(path.effective_rank, path.effective_rank[-1])
    height = 0.25 * rest(size, seed).loss[1]
    found = dln.observables.plateaus(t, loss, height=height, length=0.01)
    return f"loss: {found}\neffective rank: {dln.observables.plateaus(t, rank, length=0.01)}"


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))

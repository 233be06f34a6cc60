"""Where completion lands for problem 14.1: what is read off the ends, checked and drawn.

At every end W_11 = W_22 = 1, and |a| = |W_12 / W_21|^{1/2}: of rank one it is [[1, a], [1/a, 1]].
"""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import kstest

import dlngeo as dln

LINES = ("-", "--", "-.", ":", (0, (4, 1, 1, 1, 1, 1)), (0, (9, 2)))
SHADES = ("#000000", "#1b4f8a", "#2f8f6b", "#c77f1a", "#c0392b", "#9a9a9a")


def log_a(ends: Any) -> Any:
    """|log |a|| of each end."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(0.5 * np.log(np.abs(ends["W_0_1"].values / ends["W_1_0"].values)))


def ratio(ends: Any) -> Any:
    """σ_2/σ_1 of each end."""
    sigma = ends["singular_values"].values
    return sigma[..., 1] / sigma[..., 0]


def closed_form(ends: Any) -> tuple[Any, Any]:
    """W_12 and W_21 at the end for N = 2, from the start alone.

    det > 0: I = (W_12 + W_21)/(2 √det) and the sign of W_21 - W_12 are kept, and
    det W(∞) = 1/(1 + I²) + c²/(4I²). det < 0: J = (W_21 - W_12)/(2 √|det|) and the sign of
    W_12 + W_21 are kept, and det W(∞) = -c²/(4J²).
    """
    x, y, det = (ends[name].values for name in ("W_0_1_start", "W_1_0_start", "det_start"))
    c = ends["invariant_start"].values[..., 0]
    root = 2 * np.sqrt(np.abs(det))
    plus, minus = (x + y) / root, (y - x) / root
    end = np.where(det > 0, 1 / (1 + plus**2) + c**2 / (4 * plus**2), c**2 / (4 * minus**2))
    apart = np.sign(minus) * np.abs(c) * np.sqrt(1 + plus**2) / np.abs(plus)
    together = 2 * plus * np.sqrt(end)
    down = 2 * minus * np.sqrt(end)
    up = np.sign(plus) * np.sqrt(np.maximum(down**2 + 4 * (1 + end), 0.0))
    total, difference = np.where(det > 0, together, up), np.where(det > 0, apart, down)
    return (total - difference) / 2, (total + difference) / 2


class Checks(NamedTuple):
    """What must hold of the ends at one depth and scale."""

    failed: int  # members that did not end as asked
    flips: int  # of the sign of det W, of W_12 + W_21 or of W_21 - W_12
    drift: float  # of c, largest among ends with σ_2/σ_1 > 1e-5
    conditioned: float  # of c, times σ_2/σ_1, largest of all, in units of ε
    closed: float  # distance from the closed form, relative to the largest entry; NaN but at N = 2
    p_value: float  # of k against √2 x/√(1+x²) where det > 0; NaN but at N = 2


def checks(ends: Any, depth: float) -> Checks:
    """Hold the ends of one cell against what is conserved."""
    x, y, det = (ends[name].values for name in ("W_0_1", "W_1_0", "det"))
    x0, y0, det0 = (ends[f"{name}_start"].values for name in ("W_0_1", "W_1_0", "det"))
    pairs = [(x + y, x0 + y0), (y - x, y0 - x0)] + ([(det, det0)] if depth > 1 else [])
    flips = sum(int((np.sign(one) != np.sign(two)).sum()) for one, two in pairs)
    q = ratio(ends)
    drift = np.abs(ends["invariant"].values - ends["invariant_start"].values)[..., 0]
    drift = drift if depth > 1 else np.zeros_like(drift)
    closed = p_value = math.nan
    if depth == 2:
        wanted = np.stack(closed_form(ends))
        size = np.maximum(np.abs(wanted).max(axis=0), 1.0)
        closed = float((np.abs(wanted - [x, y]) / size).max())
        k = ((1 - q) / (1 + q))[det0 > 0]
        p_value = float(kstest(k, lambda v: math.sqrt(2) * v / np.sqrt(1 + v**2)).pvalue)
    epsilon = float(np.finfo(float).eps)
    return Checks(
        int((ends["status"].values != 1).sum()),
        flips,
        float(drift[q > 1e-5].max(initial=0.0)),
        float((drift * np.minimum(q, 1.0)).max()) / epsilon,
        closed,
        p_value,
    )


class Exponent(NamedTuple):
    """The slope of the mean of log |log |a|| over log scale, with its standard error."""

    value: float
    error: float


def exponent(scales: Any, draws: list[Any], depth: float, terms: int = 1) -> Exponent:
    """Fit log y = α + p log s + Σ_j b_j s^{2j/N} to the mean of log |log |a||, by its errors."""
    mean = np.array([np.log(one).mean() for one in draws])
    error = np.array([np.log(one).std() / math.sqrt(one.size) for one in draws])
    powers = [scales ** (2 * j / depth) for j in range(1, terms + 1)]
    design = np.stack([np.ones(len(draws)), np.log(scales), *powers], axis=-1) / error[:, None]
    inverse = np.linalg.pinv(design)[1]
    return Exponent(float(inverse @ (mean / error)), float(np.linalg.norm(inverse)))


# -------------------------------------------------------------------------------------- jumps

TIMES = np.append(0.0, np.geomspace(1e-2, 3e4, 3000))
WAIT, HEIGHT = 1.5, 0.25  # times the time to the end; of a jump in the effective rank


def jumps(runs: Any) -> Any:
    """Of each path: jumps of its effective rank down and up, when the loss is half, the rise.

    The rise is the effective rank at the end less the least one on the way. NaN where the end comes
    after ``TIMES``.
    """
    path = dln.flows.ensemble(
        runs.energy, runs.start, (0, TIMES[-1]), depth=runs.depth, rtol=1e-8, gtol=0, t_eval=TIMES
    )
    rank, loss = dln.observables.effective_rank(_sigma(path.W)), runs.energy.value(path.W)
    return np.array([_jumps(*one) for one in zip(rank, loss, runs.t_end, strict=True)])


def _sigma(W: Any) -> Any:
    """Of 2 × 2: σ_1 ± σ_2 are lengths of two vectors."""
    a, b, c, d = W[..., 0, 0], W[..., 0, 1], W[..., 1, 0], W[..., 1, 1]
    one, two = np.hypot(a + d, b - c), np.hypot(a - d, b + c)
    return np.stack([one + two, np.abs(one - two)], axis=-1) / 2


def _jumps(rank: Any, loss: Any, end: float) -> Any:
    if not end * WAIT <= TIMES[-1]:
        return [np.nan] * 4
    seen = end * WAIT >= TIMES
    t, rank, loss = TIMES[seen], rank[seen], loss[seen]
    height = dln.observables.plateaus(t, rank, height=HEIGHT).height
    k = int(np.argmax(loss < loss[0] / 2))
    half = np.interp(loss[0] / 2, loss[[k, k - 1]], t[[k, k - 1]])
    return [(height < 0).sum(), (height > 0).sum(), half, rank[-1] - rank.min()]


# ------------------------------------------------------------------------------------ figures


def _name(depth: float) -> str:
    return "N = ∞" if math.isinf(depth) else f"N = {depth:g}"


def _distribution(axes: Any, values: Any, **style: Any) -> None:
    quantiles = np.linspace(0, 1, 801)[1:-1]
    axes.plot(np.quantile(values, quantiles), quantiles, lw=1.3, **style)


def draw(ds: Any) -> Figure:
    """The ends in the plane of the two entries that are not observed, and their distributions."""
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    axes = figure.subplots(2, 3)
    middle = ds.scale.values[len(ds.scale) // 2]
    for panel, depth in zip(axes[0], (2, 3, math.inf), strict=True):
        _plane(panel, ds.sel(depth=depth, scale=middle), f"{_name(depth)}, scale {middle:g}")
    least = ds.scale.values.min()
    for depth, line, shade in zip(ds.depth.values, LINES, SHADES, strict=False):
        ends = ds.sel(depth=depth, scale=least)
        up = ends["det_start"].values > 0
        style = {"ls": line, "color": shade, "label": _name(depth)}
        for panel, members in zip(axes[1, :2], (up, ~up), strict=True):
            _distribution(panel, ratio(ends)[members], **style)
        _distribution(axes[1, 2], log_a(ends), **style)
    titles = ("det W(0) > 0", "det W(0) < 0", "all starts")
    names = ("σ₂/σ₁ at the end", "σ₂/σ₁ at the end", "|log |a|| at the end")
    limits = (1e-4, 1), (1e-6, 1), (1e-4, 10)
    for panel, title, name, limit in zip(axes[1], titles, names, limits, strict=True):
        panel.set(title=f"{title}, scale {least:g}", xlabel=name, xscale="log", xlim=limit)
        panel.set_ylim(0, 1)
    axes[1, 0].set_ylabel("share of the ends below")
    axes[1, 0].legend(fontsize=8, loc="upper left")
    return figure


def _plane(panel: Any, ends: Any, title: str) -> None:
    curve = np.geomspace(0.2, 5, 200)
    for sign in (1, -1):
        panel.plot(sign * curve, sign / curve, color="0.6", lw=0.8, zorder=0)
    up = ends["det_start"].values > 0
    kinds = (~up, "v", "#e69f00", "det W(0) < 0"), (up, "o", "#1b3f70", "det W(0) > 0")
    for members, marker, shade, label in kinds:
        some = np.flatnonzero(members)[:1500]
        x, y = ends["W_0_1"].values[some], ends["W_1_0"].values[some]
        panel.plot(x, y, marker, ms=2, mew=0, alpha=0.6, color=shade, label=label)
    panel.set(title=title, xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xlabel="$W_{12}$")
    panel.set_ylabel("$W_{21}$")
    panel.legend(fontsize=7, loc="lower right", markerscale=3)


def draw_exponents(ds: Any) -> Figure:
    """How |log |a|| and σ_2/σ_1 tend to zero with the scale of the start."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    scales = ds.scale.values
    for k, depth in enumerate(ds.depth.values):
        style = {"ls": LINES[k], "color": SHADES[2 * k]}
        for up, marker in ((True, "o"), (False, "v")):
            rows = [ds.sel(depth=depth, scale=scale) for scale in scales]
            kept = [(row["det_start"].values > 0) == up for row in rows]
            label = f"{_name(depth)}, det W(0) {'>' if up else '<'} 0"
            style |= {"marker": marker, "ms": 4, "label": label}
            pairs = list(zip(rows, kept, strict=True))
            over = [
                log_a(row)[m] / (2 ** (-2 / depth) * np.abs(row["invariant_start"].values[m, 0]))
                for row, m in pairs
            ]
            left.loglog(scales, [abs(np.median(one) - 1) for one in over], **style)
            right.loglog(scales, [np.median(ratio(row)[m]) for row, m in pairs], **style)
    left.set(xlabel="scale of the start", ylabel="median of $2^{2/N}$|log |a||/|c|, less 1")
    right.set(xlabel="scale of the start", ylabel="median σ₂/σ₁ at the end")
    right.legend(fontsize=8)
    return figure


def draw_jumps(ds: Any) -> Figure:
    """When the loss is half, and how many effective ranks jump, over the scale of the start."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    scales = ds.scale.values
    for k, depth in enumerate(ds.depth.values):
        cell, style = ds.sel(depth=depth), {"ls": LINES[k], "color": SHADES[2 * k], "ms": 4}
        found = cell["jumps"].transpose("scale", "path", "jumps_0").values
        middle = np.nanmedian(found[..., 2], axis=1)
        left.loglog(scales, middle, "o", label=_name(depth), **style)
        down, two = (found[..., 0] > 0).mean(axis=1), (_ratios(cell) > 0.5).mean(axis=1)
        right.semilogx(scales, down, "o", label=f"{_name(depth)}, a jump down", **style)
        up = (found[..., 1] > 0).mean(axis=1)
        right.semilogx(scales, up, "^", label=f"{_name(depth)}, a jump up", **style)
        right.semilogx(
            scales, two, "s", mfc="white", label=f"{_name(depth)}, σ₂/σ₁ > ½ at the end", **style
        )
    left.set(xlabel="scale of the start", ylabel="median time at which the loss is half")
    left.legend(fontsize=8)
    right.set(xlabel="scale of the start", ylabel="share of the starts", ylim=(-0.02, 1.0))
    right.legend(fontsize=7, ncols=2, loc="upper center")
    return figure


def _ratios(cell: Any) -> Any:
    sigma = cell["singular_values"].transpose("scale", "path", "index").values
    return sigma[..., 1] / sigma[..., 0]


# -------------------------------------------------------------------------------------- words


def report_jumps(ds: Any) -> None:
    """Print how many jumps there are, when, and how the time goes with the scale."""
    scales = ds.scale.values
    for depth in ds.depth.values:
        cell = ds.sel(depth=depth)
        found = cell["jumps"].transpose("scale", "path", "jumps_0").values
        down, up, half, rise = np.moveaxis(found, -1, 0)
        two, power = _ratios(cell) > 0.5, 1 - 2 / depth
        for k, scale in enumerate(scales):
            middle, both = np.median(half[k]), two[k]
            print(
                f"{_name(depth)}, scale {scale:g}: {np.isnan(half[k]).sum()} not seen; share with "
                f"a jump down {(down[k] > 0).mean():.4f}, up {(up[k] > 0).mean():.4f}, several "
                f"{(down[k] + up[k] > 1).mean():.4f}; σ₂/σ₁ > ½ {both.mean():.4f}, after a rise "
                f"{(both & (rise[k] > HEIGHT)).mean():.4f}; median time {middle:.4g}, "
                f"× scale^{power:.2f} {middle * scale**power:.4f}"
            )
        if depth > 2:
            found = exponent(scales[1:], list(half[1:]), 2 / power)
            print(f"   exponent of the time {found}, -(1 - 2/N) = {-power:.4f}")
        else:
            gain, error = half.mean(axis=1), half.std(axis=1) / np.sqrt(half.shape[1])
            print(f"   time for a decade {-np.diff(gain)} ± {np.hypot(error[1:], error[:-1])}")


def report(ds: Any) -> None:
    """Print what is checked, and what is found, of each depth and scale."""
    if "jumps" in ds:
        report_jumps(ds)
        return
    for depth in ds.depth.values:
        for scale in ds.scale.values:
            ends = ds.sel(depth=depth, scale=scale)
            up = ends["det_start"].values > 0
            print(f"{_name(depth)}, scale {scale:g}: {checks(ends, float(depth))}")
            for sign, members in (("> 0", up), ("< 0", ~up)):
                q, h = ratio(ends)[members], log_a(ends)[members]
                det = np.abs(ends["det"].values[members])
                print(
                    f"   det {sign}: median σ₂/σ₁ {np.median(q):.4g}, share above ½ "
                    f"{(q > 0.5).mean():.5f}, median |log|a|| {np.median(h):.4g}, "
                    f"median |det| {np.median(det):.4g}"
                )
    small = ds.scale.values < 5e-3
    for depth in ds.depth.values if small.sum() > 3 else ():
        for up in (True, False):
            rows = [ds.sel(depth=depth, scale=scale) for scale in ds.scale.values[small]]
            draws = [log_a(row)[(row["det_start"].values > 0) == up] for row in rows]
            found = exponent(ds.scale.values[small], draws, float(depth))
            print(f"{_name(depth)}, det {'>' if up else '<'} 0: {found}, 2/N = {2 / depth:.4f}")


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))

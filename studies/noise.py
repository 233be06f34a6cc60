"""Noise on problem 14.1: how the entries that are not observed grow, and how far from rank one.

Paths of the Langevin equation (``noise_paths``) beside what theory says (``noise_law``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from noise_law import dimension, drift, exponent, radial, ratio, unseen
from noise_paths import CELLS, ENERGY, Plan
from scipy.optimize import minimize_scalar
from scipy.stats import ks_2samp

import dlngeo as dln

LINES, SHADES = {0.5: "-", 1.0: "--"}, {0.5: "#000000", 1.0: "#1b6f8a"}
STILL = {2: 100.0, 3: 50.0, 5: 6.0}  # where κ = 0 ends, at β = 1


def still(depth: float, times: Any) -> Any:
    """κ = 0, β = 1: the flow of the free energy from near the matrix of ones."""
    start = np.array([[1.0, 1.0], [0.8, 1.0]])
    return dln.flows.free_energy_flow(
        ENERGY, start, (0, times[-1]), depth=depth, beta=1.0, rtol=1e-6, t_eval=times
    )


def cells(ds: Any) -> Iterator[tuple[Plan, Any, Any]]:
    """Of each cell its plan, t/β, and (path, time, quantity) of the paths that did not fail."""
    for key, cell in CELLS.items():
        plan = Plan(*key, *cell)
        found = ds["growth"].sel(depth=plan.depth, kappa=plan.kappa, beta=plan.beta).values[0]
        good = np.isfinite(found[:, -1, 0])
        yield plan, plan.times(found.shape[1]) / plan.beta, found[good]


# -------------------------------------------------------------------------------- estimates


def controlled(found: Any) -> Any:
    """½(|W_12| + |W_21|) less its regression on the martingale (path, time): of the same mean."""
    x, martingale = found[..., 0], found[..., 3]
    slope = (martingale * (x - x.mean(axis=0))).mean(axis=0) / (martingale**2).mean(axis=0)
    return x - slope * martingale


def fit(t: Any, mean: Any) -> float:
    """The p of log mean = α + p log t + b t^{-½}."""
    design = np.stack([np.ones(t.size), np.log(t), t**-0.5], axis=-1)
    return float(np.linalg.pinv(design)[1] @ np.log(mean))


def slope(t: Any, mean: Any) -> float:
    """The p of log mean = α + p log t."""
    return float(np.polyfit(np.log(t), np.log(mean), 1)[0])


def core(law: Any, t: Any, paths: Any) -> float:
    """The core with which the radial process follows means of paths, by least squares."""
    mean = paths.mean(axis=0)
    weight = mean / paths.std(axis=0)

    def misfit(c: float) -> float:
        return float(np.sum((weight * np.log(law(t, c) / mean)) ** 2))

    return float(minimize_scalar(misfit, bounds=(0.1, 10.0), method="bounded").x)


def bootstrap(estimate: Any, t: Any, paths: Any, draws: int = 200) -> tuple[float, float]:
    """An estimate from the means of paths, and its standard error over draws of paths."""
    rng, n = np.random.default_rng(0), len(paths)
    means = [paths[rng.integers(n, size=n)].mean(axis=0) for _ in range(draws)]
    return estimate(t, paths.mean(axis=0)), float(np.std([estimate(t, m) for m in means]))


# ----------------------------------------------------------------------------------- figure


def draw(ds: Any) -> Figure:
    """E|W_12| and the median of σ_2/σ_1 over time, for each depth."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, 3, sharex="col")
    place = {2: 0, 3: 1, 5: 2}
    for plan, t, found in cells(ds):
        top, bottom = panels[:, place[plan.depth]]
        style: dict[str, Any] = {"ls": LINES[plan.kappa], "color": SHADES[plan.kappa]}
        label = f"κ = {plan.kappa:g}"
        if plan.beta > 1:
            filled = style["color"] if plan.kappa == 1 else "none"
            style = {"ls": "none", "marker": "o", "ms": 4, "color": style["color"], "mfc": filled}
            label, t, found = f"{label}, β = {plan.beta:g}", t[::2], found[:, ::2]
        else:
            bottom.axhline(ratio(plan.depth, plan.kappa), **style, lw=3, alpha=0.25, zorder=0)
        better = controlled(found)
        top.loglog(t, better.mean(axis=0), **style, label=label)
        if plan.beta == 1:
            top.loglog(t, np.median(found[..., 0], axis=0), **style, lw=0.8)
            late, law = t >= t[-1] / 10.1, unseen(plan.depth, plan.kappa)
            c = core(law, t[late], better[:, late])
            words = None if plan.kappa == 1 else "radial process"
            top.loglog(t[late], law(t[late], c), color="0.75", lw=5, zorder=0, label=words)
        bottom.semilogx(t, np.median(found[..., 2], axis=0), **style)
    for depth, end in STILL.items():
        t = np.geomspace(0.1, end, 30)
        path, (top, bottom) = still(depth, np.append(0.0, t)), panels[:, place[depth]]
        sigma = path.singular_values[1:]
        entries = np.abs(path.W[1:, [0, 1], [1, 0]]).mean(axis=1)
        top.loglog(t, entries, ":", color="#c77f1a", lw=2, label="κ = 0")
        bottom.semilogx(t, sigma[:, 1] / sigma[:, 0], ":", color="#c77f1a", lw=2)
        top.set(title=f"N = {depth}")
        top.legend(fontsize=7)
        bottom.set(xlabel="t/β")
        bottom.set_ylim(bottom=0)
    panels[0, 0].set_ylabel("½(|W₁₂| + |W₂₁|):\nmean (thick), median (thin)")
    panels[1, 0].set_ylabel("median of σ₂/σ₁")
    return figure


# ------------------------------------------------------------------------------------ words


def report(ds: Any, begin: float = 1.9) -> None:
    """Print growth, equipartition, balance and the distance from rank one, cell by cell.

    Exponents are fitted from the time t/β on, or from a quarter of all time where that is less.
    """
    warm = {}
    for plan, t, found in cells(ds):
        depth, kappa, beta = plan[:3]
        n, (x, size, ratios, martingale, energy) = len(found), np.moveaxis(found, -1, 0)
        late = energy[:, t > t[-1] / 2.1].mean(axis=1)
        work = martingale[:, -1] / (2 * (4 * kappa + depth - 1) * t[-1] / depth)
        rise = (size[:, -1] - size[:, -5] - martingale[:, -1] + martingale[:, -5]) / (t[-1] / 2)
        print(
            f"N = {depth:g}, κ = {kappa:g}, β = {beta:g}, t = {plan.t_end:g}: {n} of {plan.paths} "
            f"paths; βE/κ {late.mean() / kappa:.4f} ± {late.std() / kappa / n**0.5:.4f}, balance "
            f"{1 + work.mean():.4f} ± {work.std() / n**0.5:.4f}, drift {rise.mean():.3f} ± "
            f"{rise.std() / n**0.5:.3f} (far out {drift(depth, kappa, 1.0):.3f})"
        )
        better, some = controlled(found), t > min(begin, t[-1] / 4.1)
        print(
            f"   E|W_12| {x[:, -1].mean():.4g} ± {x[:, -1].std() / n**0.5:.2g}, controlled "
            f"{better[:, -1].mean():.4g} ± {better[:, -1].std() / n**0.5:.2g}, median "
            f"{np.median(x[:, -1]):.4g} (an octave before {np.median(x[:, -5]):.4g}); σ₂/σ₁ "
            f"{np.median(ratios[:, 0]):.3f}, {np.median(ratios[:, -5]):.4f}, "
            f"{np.median(ratios[:, -1]):.4f} (in the long run {ratio(depth, kappa):.4f})"
        )
        law, last = unseen(depth, kappa), some & (t >= t[-1] / 10.1)
        c, away = core(law, t[last], better[:, last]), better.mean(axis=0)[last]
        away = away / law(t[last], c) - 1
        print(
            f"   radial process of core {c:.3f}: E|W_12| in the last decade "
            f"{100 * away.min():+.1f} to {100 * away.max():+.1f} % beside it"
        )
        for name, estimate, which in (("fitted", fit, some), ("last decade", slope, last)):
            p, error = bootstrap(estimate, t[which], better[:, which])
            print(
                f"   exponent, {name}: {p:.3f} ± {error:.3f}, of the radial process of that core "
                f"{estimate(t[which], law(t[which], c)):.3f}, of core 2 "
                f"{estimate(t[which], law(t[which], 2.0)):.3f}, in the long run "
                f"{exponent(depth, kappa):g}"
            )
        if beta == 1:
            warm[depth, kappa] = t, found
            continue
        times, other = warm[depth, kappa]
        at = int(np.argmin(np.abs(np.log(times / t[-1]))))
        same = (times <= times[at]) & (times > times[at] / 10.1)
        test = ks_2samp(x[:, -1], other[:, at, 0])
        print(
            f"   at β = 1 and t/β = {times[at]:.3g}: E|W_12| "
            f"{controlled(other)[:, at].mean():.4g}, exponent in the last decade "
            f"{slope(times[same], controlled(other)[:, same].mean(axis=0)):.3f}; laws of |W_12| "
            f"differ by {test.statistic:.3f}, p = {test.pvalue:.2g}"
        )


def report_long(end: float = 1e4) -> None:
    """Print the exponents of the radial process in each decade to ``end``."""
    for depth in (2, 3, 5):
        for kappa in (0.5, 1.0):
            times = np.geomspace(1.0, end, 1 + round(np.log10(end)))
            R, laws = radial(depth, kappa, times)
            steps = np.diff(np.log10(laws @ R**depth))
            print(
                f"radial, N = {depth}, κ = {kappa:g}, δ = {dimension(depth, kappa):g}: exponents "
                + ", ".join(f"{p:.3f}" for p in steps)
            )


def report_still() -> None:
    """Print κ = 0: the drift of λ_1² + λ_2², and the exponents of E|W_12| and σ_2/σ_1."""
    for depth, end in STILL.items():
        path = still(depth, [0.0, end / 2, end])
        size = (path.singular_values ** (2 / depth)).sum(axis=-1)
        ratios = path.singular_values[:, 1] / path.singular_values[:, 0]
        entry = np.abs(path.W[:, 0, 1])
        print(
            f"N = {depth}, κ = 0, t/β = {end:g}: drift {(size[2] - size[1]) / (end / 2):.4f} "
            f"(far out {drift(depth, 0, 1.0):.4f}), |W_12| {entry[2]:.4g}, exponent "
            f"{np.log2(entry[2] / entry[1]):.4f}, σ₂/σ₁ {ratios[2]:.4g}, exponent "
            f"{np.log2(ratios[2] / ratios[1]):.4f}"
        )


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))
    report_long()
    report_still()

"""Noise on problem 14.1: λ_1² + λ_2² is a squared Bessel process, and what follows from it.

λ = σ^{1/N}, E = ½((W_11 - 1)² + (W_22 - 1)²). Far out the pair (λ_1, λ_2) moves by the generator
(κΔ + (½ - κ) ∇ log h · ∇)/(βN), h = (λ_1^{2N} - λ_2^{2N})/(λ_1² - λ_2²), of degree 2N - 2.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import chi2, kstest

import dlngeo as dln

LINES, SHADES = ("-", "--", ":"), ("#000000", "#1b6f8a", "#c77f1a")


def dimension(depth: float, kappa: float) -> float:
    """δ of the squared Bessel process that λ_1² + λ_2² is far out."""
    return 2 + (depth - 1) * (1 / kappa - 2)


def drift(depth: float, kappa: float, beta: float) -> float:
    """The mean of d(λ_1² + λ_2²)/dt far out, 2κδ/(βN); at κ = 0 its limit."""
    return 2 * (2 * kappa + (depth - 1) * (1 - 2 * kappa)) / (beta * depth)


def exponent(depth: float, kappa: float) -> float:
    """The p of E|W_12| ~ t^p: N/2 where δ ≥ 0 (over log t at δ = 0), (N + δ)/2 where δ < 0."""
    return depth / 2 if kappa == 0 else (depth + min(dimension(depth, kappa), 0.0)) / 2


def radius(cell: Any, depth: float) -> Any:
    """λ_1² + λ_2², (path, time)."""
    sigma = cell["singular_values_t"].transpose("path", "time", "index").values
    return (sigma ** (2 / depth)).sum(axis=-1)


def unseen(cell: Any) -> Any:
    """½(|W_12| + |W_21|), (path, time)."""
    names = ("W_0_1_t", "W_1_0_t")
    return sum(np.abs(cell[k].transpose("path", "time").values) for k in names) / 2


def still(depth: float, t_end: float) -> Any:
    """κ = 0, β = 1: the flow of the free energy from near the matrix of ones."""
    energy = dln.energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    start = np.array([[1.0, 1.0], [0.8, 1.0]])
    return dln.flows.free_energy_flow(
        energy, start, (0, t_end), depth=depth, beta=1.0, rtol=1e-6, t_eval=[0, t_end / 2, t_end]
    )


def balance(cell: Any, depth: float, kappa: float, beta: float) -> tuple[float, float]:
    """E[R²(t) - R²(0) + 2∫⟨W, E'⟩] over 2(4κ + N - 1) t/(βN), which is 1; and its error."""
    t = cell["time"].values
    diagonal = [cell[f"W_{k}_{k}_t"].transpose("path", "time").values for k in range(2)]
    work = np.trapezoid(sum(w * (w - 1) for w in diagonal), t, axis=1)
    size = radius(cell, depth)
    each = (size[:, -1] - size[:, 0] + 2 * work) * beta * depth
    each /= 2 * (4 * kappa + depth - 1) * t[-1]
    return float(each.mean()), float(each.std() / np.sqrt(len(each)))


def fit(t: Any, paths: Any, draws: int = 200) -> tuple[float, float]:
    """The p of a mean over paths, log mean = α + p log t + b t^{-½}, and its bootstrap error."""
    design = np.stack([np.ones(t.size), np.log(t), t**-0.5], axis=-1)
    solve = np.linalg.pinv(design)[1]
    rng = np.random.default_rng(0)
    found = [
        solve @ np.log(paths[rng.integers(len(paths), size=len(paths))].mean(axis=0))
        for _ in range(draws)
    ]
    return float(solve @ np.log(paths.mean(axis=0))), float(np.std(found))


# ------------------------------------------------------------------------------------ figures


def _cells(ds: Any) -> Any:
    for depth in ds.depth.values:
        for k, kappa in enumerate(ds.kappa.values):
            cell = ds.sel(depth=depth, kappa=kappa)
            yield float(depth), float(kappa), cell, {"ls": LINES[k], "color": SHADES[k]}


def draw(ds: Any) -> Figure:
    """Growth of what is not observed, its law at the end, and the distance from rank one."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    t = ds["time"].values
    for _, kappa, cell, style in _cells(ds):
        x, sigma = unseen(cell), cell["singular_values_t"].transpose("path", "time", "index").values
        style["label"] = f"κ = {kappa:g}"
        left.loglog(t[1:], x.mean(axis=0)[1:], **style)
        left.loglog(t[1:], np.median(x, axis=0)[1:], **style | {"lw": 0.8, "label": None})
        share = (np.arange(len(x)) + 0.5) / len(x)
        law = kappa * chi2(1 / kappa).ppf(share)
        middle.semilogx(law, share, color="0.7", lw=3, zorder=0)
        middle.semilogx(np.sort(sigma[:, -1].sum(axis=-1)) / t[-1], share, **style)
        ratio = np.median(sigma[..., 1] / sigma[..., 0], axis=0)
        right.semilogx(t[1:], ratio[1:], **style)
    left.loglog(t[1:], t[1:] / 2, color="0.7", lw=3, zorder=0, label="t/(2β)")
    left.set(xlabel="t/β", ylabel="|W₁₂|: mean (thick), median (thin)")
    middle.set(
        xlabel="(σ₁ + σ₂) β/t at the end", ylabel="share of the paths below", xlim=(1e-2, 20)
    )
    right.set(xlabel="t/β", ylabel="median of σ₂/σ₁", ylim=(0, 0.6))
    right.axhline(np.tan(np.pi / 8) ** 2, color="0.7", lw=3, zorder=0)  # in the long run
    left.legend(fontsize=7)
    return figure


def draw_outside(ds: Any) -> Figure:
    """E[λ_1² + λ_2²] over time, beside the drift of the squared Bessel process."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = figure.subplots(1, ds.sizes["depth"], squeeze=False)[0]
    t, beta = ds["time"].values, 1.0
    for depth, panel in zip(ds.depth.values, panels, strict=True):
        for _, kappa, cell, style in _cells(ds.sel(depth=[depth])):
            rise = radius(cell, depth) - radius(cell, depth)[:, :1]
            error = rise.std(axis=0) / np.sqrt(len(rise))
            panel.plot(t, rise.mean(axis=0), **style, label=f"κ = {kappa:g}")
            panel.plot(t, drift(depth, kappa, beta) * t, color="0.7", lw=3, zorder=0)
            low, high = rise.mean(axis=0) - error, rise.mean(axis=0) + error
            panel.fill_between(t, low, high, color=style["color"], alpha=0.2, lw=0)
        panel.set(title=f"N = {depth:g}", xlabel="t/β")
    panels[0].set_ylabel("mean of λ₁² + λ₂², less its start")
    panels[0].legend(fontsize=7)
    return figure


# -------------------------------------------------------------------------------------- words


def report(ds: Any, beta: float = 1.0) -> None:
    """Print the drift and the balance of each cell, and the growth where time is long."""
    t = ds["time"].values
    for depth, kappa, cell, _ in _cells(ds):
        size, energy = radius(cell, depth), beta * cell["energy_t"].transpose("path", "time").values
        begin = len(t) // 4  # the observed entries have come to equilibrium
        rise = (size[:, -1] - size[:, begin]) / (t[-1] - t[begin])
        late = energy[:, t > t[-1] / 2].mean(axis=1)
        root = np.sqrt(len(size))
        value, error = balance(cell, depth, kappa, beta)
        print(
            f"N = {depth:g}, κ = {kappa:g}, {int((cell['status'] != 0).sum())} failed: drift "
            f"{rise.mean():.4f} ± {rise.std() / root:.4f} "
            f"(far out {drift(depth, kappa, beta):.4f}), "
            f"βE {late.mean():.4f} ± {late.std() / root:.4f}, balance {value:.4f} ± {error:.4f}"
        )
        if t[-1] > 10:
            x, late = unseen(cell), t >= 1
            sigma = cell["singular_values_t"].transpose("path", "time", "index").values
            ratio = np.median(sigma[..., 1] / sigma[..., 0], axis=0)
            law = chi2(dimension(depth, kappa), scale=kappa * t[-1] / beta * 2 / depth)
            test = kstest(size[:, -1], law.cdf).pvalue
            p, spread = fit(t[late], x[:, late])
            print(
                f"   E|W_12| {x[:, -1].mean():.3f} ± {x[:, -1].std() / root:.3f}, median "
                f"{np.median(x[:, -1]):.3f} at t/β = {t[-1] / beta:g}; exponent {p:.3f} ± "
                f"{spread:.3f}, in theory {exponent(depth, kappa):g}; "
                f"χ² p = {test:.2g}; "
                f"median σ₂/σ₁ from {ratio[0]:.3f} to "
                f"{ratio[-1]:.3f}"
            )


def report_still() -> None:
    """Print κ = 0: the drift of λ_1² + λ_2², and the exponent of σ_2/σ_1."""
    for depth, t_end in ((2, 300.0), (3, 60.0), (5, 6.0)):
        path = still(depth, t_end)
        size = (path.singular_values ** (2 / depth)).sum(axis=-1)
        ratio = path.singular_values[:, 1] / path.singular_values[:, 0]
        print(
            f"N = {depth}, κ = 0, t/β = {t_end:g}: drift {(size[2] - size[1]) / (t_end / 2):.4f} "
            f"(far out {drift(depth, 0, 1.0):.4f}), σ₂/σ₁ {ratio[2]:.4g}, exponent "
            f"{np.log2(ratio[2] / ratio[1]):.4f}"
        )


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))
    report_still()

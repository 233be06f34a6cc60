"""The drift of λ_1² + λ_2² far out, where nothing is near rank one, beside ``noise_law``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from noise_law import drift

import dlngeo as dln

LINES, SHADES = ("-", "--"), ("#000000", "#1b6f8a")


def radius(cell: Any, depth: float) -> Any:
    """λ_1² + λ_2², (path, time)."""
    sigma = cell["singular_values_t"].transpose("path", "time", "index").values
    return (sigma ** (2 / depth)).sum(axis=-1)


def balance(cell: Any, depth: float, kappa: float) -> tuple[float, float]:
    """E[R²(t) - R²(0) + 2∫⟨W, E'⟩] over 2(4κ + N - 1) t/N, at β = 1, which is 1; and its error."""
    t = cell["time"].values
    diagonal = [cell[f"W_{k}_{k}_t"].transpose("path", "time").values for k in range(2)]
    work = np.trapezoid(sum(w * (w - 1) for w in diagonal), t, axis=1)
    size = radius(cell, depth)
    each = (size[:, -1] - size[:, 0] + 2 * work) * depth / (2 * (4 * kappa + depth - 1) * t[-1])
    return float(each.mean()), float(each.std() / np.sqrt(len(each)))


def draw(ds: Any) -> Figure:
    """E[λ_1² + λ_2²] over time, beside the drift of the squared Bessel process."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels, t = figure.subplots(1, ds.sizes["depth"], squeeze=False)[0], ds["time"].values
    for depth, panel in zip(ds.depth.values, panels, strict=True):
        for k, kappa in enumerate(ds.kappa.values):
            size = radius(ds.sel(depth=depth, kappa=kappa), depth)
            rise = size - size[:, :1]
            mean, error = rise.mean(axis=0), rise.std(axis=0) / np.sqrt(len(rise))
            panel.plot(t, mean, LINES[k], color=SHADES[k], label=f"κ = {kappa:g}")
            panel.plot(t, drift(depth, kappa, 1.0) * t, color="0.7", lw=3, zorder=0)
            panel.fill_between(t, mean - error, mean + error, color=SHADES[k], alpha=0.2, lw=0)
        panel.set(title=f"N = {depth:g}", xlabel="t/β")
    panels[0].set_ylabel("mean of λ₁² + λ₂², less its start")
    panels[0].legend(fontsize=7)
    return figure


def report(ds: Any) -> None:
    """Print the drift, when the observed entries have come to equilibrium, and the balance."""
    t = ds["time"].values
    begin = len(t) // 4
    for depth in ds.depth.values:
        for kappa in ds.kappa.values:
            cell = ds.sel(depth=depth, kappa=kappa)
            size = radius(cell, depth)
            rise = (size[:, -1] - size[:, begin]) / (t[-1] - t[begin])
            late = cell["energy_t"].transpose("path", "time").values[:, t > t[-1] / 2].mean(axis=1)
            value, error = balance(cell, depth, kappa)
            root = np.sqrt(len(size))
            print(
                f"N = {depth:g}, κ = {kappa:g}, {int((cell['status'] != 0).sum())} failed: drift "
                f"{rise.mean():.4f} ± {rise.std() / root:.4f} (far out "
                f"{drift(depth, kappa, 1.0):.4f}), βE {late.mean():.4f} ± "
                f"{late.std() / root:.4f}, balance {value:.4f} ± {error:.4f}"
            )


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))

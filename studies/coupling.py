"""Completion of the matrix of ones from diagonal blocks: does σ_2/σ_1 vanish with the start?

At N = 2 rows of W_2 and columns of W_1 of different blocks never meet: the dynamics is decoupled.
From N = 3 on the layers between belong to all blocks.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import dlngeo as dln

LINES, MARKERS, SHADES = ("-", "--", ":"), ("o", "s", "^"), ("#000000", "#1b6f8a", "#c77f1a")


def ones(blocks: str) -> Any:
    """½ Σ (W_ij - 1)² over diagonal blocks of sizes such as "1+1+2"."""
    sizes = [int(size) for size in blocks.split("+")]
    mask = np.zeros((sum(sizes), sum(sizes)), dtype=bool)
    for size, end in zip(sizes, np.cumsum(sizes), strict=True):
        mask[end - size : end, end - size : end] = True
    return dln.energies.MatrixCompletion(np.ones(mask.shape), mask)


def ratios(ds: Any, blocks: str, depth: float) -> tuple[Any, Any]:
    """σ_2/σ_1 (scale, path) at the end, and the sign of det W(0)."""
    cell = ds.sel(blocks=blocks, depth=depth)
    sigma = cell["singular_values"].transpose("scale", "path", "index").values
    sign = np.sign(cell["det_start"].transpose("scale", "path").values)
    return sigma[..., 1] / sigma[..., 0], sign


def slope(scales: Any, q: Any) -> tuple[float, float]:
    """The exponent of the median of q (scale, path) over the last decade, and its error."""
    logs = np.log(q[-2:])
    error = 1.2533 * logs.std(axis=1) / np.sqrt(logs.shape[1])
    step = np.log(scales[-2] / scales[-1])
    medians = np.median(logs, axis=1)
    return float((medians[0] - medians[1]) / step), float(np.hypot(*error) / step)


def draw(ds: Any) -> Figure:
    """The median of σ_2/σ_1 over the scale, for each pattern, depth and sign of det W(0)."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = figure.subplots(1, ds.sizes["blocks"], sharey=True)
    for panel, blocks in zip(panels, ds.blocks.values, strict=True):
        for k, depth in enumerate(ds.depth.values):
            q, sign = ratios(ds, blocks, depth)
            for up in (True, False):
                medians = [
                    np.median(row[s > 0 if up else s < 0]) for row, s in zip(q, sign, strict=True)
                ]
                label = f"N = {depth:g}, det W(0) {'>' if up else '<'} 0"
                style = {"ls": LINES[k], "color": SHADES[k], "marker": MARKERS[k], "ms": 4}
                style |= {} if up else {"mfc": "white"}
                panel.loglog(ds.scale.values, medians, label=label, **style)
        size = sum(int(n) for n in str(blocks).split("+"))
        panel.set(
            title=f"d = {size}, blocks {blocks}", xlabel="scale of the start", ylim=(1e-10, 2)
        )
    panels[0].set_ylabel("median σ₂/σ₁ at the end")
    panels[-1].legend(fontsize=7, loc="lower right")
    return figure


def report(ds: Any) -> None:
    """Print medians, and the last exponents."""
    for blocks in ds.blocks.values:
        for depth in ds.depth.values:
            q, sign = ratios(ds, blocks, depth)
            failed = int((ds.sel(blocks=blocks, depth=depth)["status"].values != 1).sum())
            for up in (1, -1):
                rows = [row[s == up] for row, s in zip(q, sign, strict=True)]
                least = min(map(len, rows))
                value, error = slope(ds.scale.values, np.array([row[:least] for row in rows]))
                medians = ", ".join(f"{np.median(row):.3g}" for row in rows)
                print(
                    f"{blocks}, N = {depth:g}, det {'>' if up > 0 else '<'} 0: {medians}; "
                    f"exponent {value:.3f} ± {error:.3f}; {failed} failed"
                )


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))

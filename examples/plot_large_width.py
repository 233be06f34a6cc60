"""The semicircle law of deep linear networks, and what fluctuates around it (Menon, 14.3).

For E = ½ Tr WᵀW and κ = 1 the singular values of the equilibrium W are sampled at growing width d.
Their law tends to one that depends on the depth alone (top left). Its moments are reached like 1/d,
the mean along a line known exactly, the third along a fit (top right, bars of 2 s.e.). The largest
singular value fluctuates like the top eigenvalue of a random symmetric matrix (bottom left), and
neighbours repel as its eigenvalues do (bottom right).

    python examples/plot_large_width.py [FIGURE.png]
"""

import sys

import numpy as np
from matplotlib.figure import Figure

from dlngeo import equilibrium, large_width

WIDTHS = (20, 40, 80, 160)
DEPTHS = {1: ("0.65", "o"), 2: ("0.35", "s"), 5: ("black", "^")}

studies = {
    depth: large_width.converge(
        depth, WIDTHS, n_draws=300, rng=depth, report=lambda label, _: print(label, end=" ")
    )
    for depth in DEPTHS
}
print()

figure = Figure(figsize=(10, 7.6), layout="constrained")
(law, moments), (edge, spacing) = figure.subplots(2, 2)

for depth, (shade, marker) in DEPTHS.items():
    study, top = studies[depth], equilibrium.limit_support(depth)[1]
    grid = np.linspace(0, np.sqrt(top), 400)[1:]
    # the density of σ√(β/d) = √x, which is finite enough at zero to be drawn
    law.plot(grid, 2 * grid * equilibrium.limit_density(grid**2, depth), color=shade, label=depth)
    root = np.sqrt(study.x[-1].ravel())
    height, ends = np.histogram(root, np.linspace(0, 2.1, 43), density=True)
    seen = height > 0
    law.plot(((ends[1:] + ends[:-1]) / 2)[seen], height[seen], marker, color=shade, markersize=3)
    first, third = study.moments[0], study.moments[2]
    inverse = np.linspace(0, 1 / WIDTHS[0], 50)
    exact = [equilibrium.mean_square(1, depth=depth, beta=1.0), first.limit]  # at 1/d = 1, 0
    moments.plot(inverse, 1 + inverse * (exact[0] / exact[1] - 1), color=shade, linewidth=1)
    fit = np.polynomial.Polynomial.fit(
        1 / study.widths, third.values / third.limit, 2, w=1 / third.errors
    )
    moments.plot(inverse, fit(inverse), "--", color=shade, linewidth=1)
    for series, face in ((first, shade), (third, "white")):
        moments.errorbar(
            (1 + 0.02 * (marker == "^") - 0.02 * (marker == "o")) / study.widths,
            series.values / series.limit,
            2 * series.errors / series.limit,
            capsize=2,
            color=shade,
            markerfacecolor=face,
            linestyle="none",
            marker=marker,
            markersize=4,
        )
grid = np.linspace(0, np.sqrt(np.e), 400)[1:]
law.plot(
    grid,
    2 * grid * equilibrium.limit_density(grid**2, np.inf),
    "k:",
    label=r"$\infty$ (limit only)",
)
law.set(
    title=f"Law of $\\sigma\\sqrt{{\\beta/d}}$: limit, and gas at d = {WIDTHS[-1]}",
    xlabel=r"$\sigma\sqrt{\beta/d}$",
    ylabel="density",
    ylim=(0, 1.6),
)
law.legend(title="depth", frameon=False)
moments.axhline(1, color="0.8", linewidth=0.8, zorder=0)
moments.set(
    title=r"$m_1$ (full) and $m_3$ (open) of $\beta\sigma^2/d$ over their limits",
    xlabel="1/d",
    ylabel=r"$m_k(d)\,/\,m_k$",
)

s = np.linspace(-5, 4, 300)
density = np.gradient(large_width.tracy_widom(s), s)
edge.plot(s, density, "k-", linewidth=1.2, label=r"Tracy-Widom, $\beta = 1$")
r = np.linspace(0, 1, 200)
spacing.plot(r, large_width.spacing_ratio_density(r), "k-", linewidth=1.2, label="three levels")
spacing.plot(r, 2 / (1 + r) ** 2, "k:", linewidth=1.2, label="no repulsion")
for depth, (shade, marker) in DEPTHS.items():
    study = studies[depth]
    style = {"color": shade, "markersize": 4, "label": f"depth {depth}"}
    tops = large_width.edge_variable(study.x[-1], depth)
    tops += large_width.TRACY_WIDOM[0] - tops.mean()  # of order d^{-1/3}: see the table printed
    ratios = large_width.spacing_ratios(study.x[-1])
    for axes, draws, bins in (
        (edge, tops, np.linspace(-5, 4, 28)),
        (spacing, ratios, np.linspace(0, 1, 21)),
    ):
        height, ends = np.histogram(draws, bins, density=True)
        axes.plot((ends[1:] + ends[:-1]) / 2, height, marker, **style)
edge.set(
    title=f"Largest singular value at d = {WIDTHS[-1]}, mean aligned",
    xlabel=r"$d^{2/3}A\,(x_{\max}-\mathrm{edge})$",
    ylabel="density",
)
spacing.set(
    title="Ratio of neighbouring spacings of $\\sigma$ in the bulk",
    xlabel="smaller / larger",
    ylabel="density",
)
for axes in (edge, spacing):
    axes.legend(frameon=False)
for axes in (law, moments, edge, spacing):
    axes.spines[["top", "right"]].set_visible(False)

NAMES = ("edge_mean", "edge_variance", "edge_skewness", "spacing_ratio")
for depth, study in studies.items():
    print(f"depth {depth}, extrapolated from d = {', '.join(map(str, WIDTHS))}:")
    named = [(f"m_{k}", series) for k, series in enumerate(study.moments, start=1)]
    named += [(name.replace("_", " "), getattr(study, name)) for name in NAMES]
    for name, series in named:
        print(
            f"  {name:14s} {series.extrapolated:8.4f} ± {series.error:.4f}, limit "
            f"{series.limit:.4f} ({series.deviation:+.1f} s.e.)"
        )

target = sys.argv[1] if len(sys.argv) > 1 else "large_width.png"
figure.savefig(target, dpi=130)
print(f"wrote {target}")

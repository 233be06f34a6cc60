"""Free energies on planes through matrix space, and what moves across them.

The three presets of `dlngeo landscape`, and a figure of paths: on Menon's problem 14.1 Langevin
paths and a geodesic across the hyperbola of rank-one matrices, the free energy as a surface, and
its minimisers on both sides of the threshold γβ = (N-1)/(N 2^{2/N}).

    python examples/plot_landscapes.py [FOLDER]
"""

# %%
import io
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import dlngeo as dln
from dlngeo.landscapes.figures import landscape_figure

DEPTH, BETA = 3, 20.0
energy = dln.energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])


def save(figure, path):
    """A small file: 96 dots per inch and 200 colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=96)
    Image.open(buffer).convert("RGB").quantize(200).save(path, optimize=True)


# %% The presets
def draw_preset(name):
    config = dln.landscapes.PRESETS[name]
    landscape = config.landscape()
    title = f"dlngeo landscape --preset {name}"
    return landscape_figure(landscape, title, flow=config.flow_lines)


# %% Langevin paths and a geodesic. Noise keeps off the hyperbola and spreads along it
def draw_paths(axes, landscape):
    dln.landscapes.plot(landscape, "F", axes, colorbar=False)
    W = landscape.section.points([1.6, 0.3])
    noisy = dln.langevin.simulate(
        energy, W, depth=DEPTH, beta=BETA, weight_decay=0.018, dt=0.01, n_steps=300, n_paths=3,
        rng=3, save_every=2,
    )  # fmt: skip
    dln.landscapes.draw_paths(axes, landscape, noisy, linewidth=0.5, color="white")
    one, two = landscape.section.points([[-1.0, 1.5], [2.5, -1.5]])
    Z = dln.metric.log(one, two, DEPTH)
    geodesic = dln.metric.geodesic(one, Z, DEPTH, np.linspace(0, 1, 60))
    dln.landscapes.draw_paths(axes, landscape, geodesic, color="black", linewidth=1.6)
    axes.plot(1.6, 0.3, "ko", markersize=5, zorder=5)
    axes.set_title("Three Langevin paths (white) and a geodesic (black)", fontsize=10)
    off = landscape.section.distance(geodesic).max()
    print(f"geodesic of length {dln.metric.distance(one, two, DEPTH):.4f}, off the plane {off:.3f}")


# %% Minimisers beside the threshold
def draw_threshold(axes, decay):
    landscape = dln.landscapes.plane(
        energy, depth=DEPTH, beta=BETA, weight_decay=decay, extent=3.0, n=300, quantities=("F",)
    )
    dln.landscapes.plot(landscape, "F", axes, points=True, colorbar=False)
    edge = (DEPTH - 1) / (DEPTH * 2 ** (2 / DEPTH))
    count = landscape.points.kind.count("minimiser")
    where = "on the plane" if landscape.points.distance.max() < 1e-6 else "off the plane"
    said = f"γβ = {decay * BETA:.2f} (threshold {edge:.2f}): {count} minimisers, {where}"
    axes.set_title(said, fontsize=10)
    print(f"γβ = {decay * BETA:.3f}: {landscape.points!r}")


def paths_figure():
    figure = Figure(figsize=(10, 8.6), layout="constrained")
    landscape = dln.landscapes.plane(
        energy, depth=DEPTH, beta=BETA, weight_decay=0.018, extent=3.0, n=300, quantities=("F",)
    )
    draw_paths(figure.add_subplot(2, 2, 1), landscape)
    surface = figure.add_subplot(2, 2, 2, projection="3d")
    dln.landscapes.plot(landscape, "F", surface, kind="surface")
    surface.view_init(35, -110)
    surface.set_title("The free energy, with its edge of rank one", fontsize=10)
    draw_threshold(figure.add_subplot(2, 2, 3), 0.0165)
    draw_threshold(figure.add_subplot(2, 2, 4), 0.024)
    return figure


# %%
if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    for name in dln.landscapes.PRESETS:
        save(draw_preset(name), folder / f"landscape_{name.replace('-', '_')}.png")
    save(paths_figure(), folder / "landscape_paths.png")

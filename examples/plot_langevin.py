"""Noise upstairs and motion downstairs: the Langevin equation's pictures, from real paths.

Menon's Figures 9.3 (tangential noise drives spheres outward), 9.4 (stochastic upstairs,
deterministic downstairs at κ = 0) and 9.5 (a curve of rank-one matrices in the zero set of the
energy, here with paths on it); then singular values that noise drives apart, and the equilibrium
of a wide matrix beside its limit. Each panel prints what it shows in numbers.

    python examples/plot_langevin.py [FIGURE.png]
"""

# %%
import sys

import numpy as np
from matplotlib.figure import Figure

import dlngeo as dln
from dlngeo.langevin import Sphere, submersion_sde

VIEW = -np.pi / 3  # the gauge where paths start, on the side of the fibres that is seen
GREY = [str(shade) for shade in (0.0, 0.35, 0.6)]


# %% Figure 9.3: noise along circles in the plane. The radius has no noise, and grows: (11.10-11.11)
def draw_circle(axes):
    beta, dt, n_steps = 1.0, 5e-4, 3000
    run = submersion_sde(
        Sphere(2), [1.0, 0.0], beta=beta, kappa=0.0, dt=dt, n_steps=n_steps, n_paths=3, rng=1
    )
    exact = np.sqrt(1 + 2 * run.t / beta)  # the free-energy flow r' = (d - 1)/(βr), (12.7)
    angle = np.linspace(0, 2 * np.pi, 200)
    for k in np.linspace(0, n_steps, 5).astype(int):
        axes.plot(
            exact[k] * np.cos(angle), exact[k] * np.sin(angle), "--", color="0.75", lw=1, zorder=0
        )
        axes.annotate(f"t = {run.t[k]:.2g}", (0, -exact[k]), ha="center", va="bottom", fontsize=7)
    for m, shade in zip(run.m, GREY, strict=True):
        axes.plot(*m.T, color=shade, lw=0.7)
    axes.plot(1, 0, "ko", ms=5)
    axes.set(aspect="equal", xlabel="$m_1$", ylabel="$m_2$")
    axes.set_title("Fig. 9.3: tangential noise drives the circle outward", fontsize=10)
    off = np.abs(run.x[:, -1] - exact[-1]).max()
    print(f"9.3: radius at t = {run.t[-1]:g}: {exact[-1]:.4f} by the flow, paths within {off:.4f}")


# %% Figure 9.4: κ = 0. Weights wander along the fibres while W follows the free energy
def quasistatic():
    energy = dln.energies.Quadratic(np.diag([1.2, 0.4]))
    c, s = np.cos(VIEW), np.sin(VIEW)
    start = dln.balanced.act(
        dln.balanced.lift(np.diag([0.3, 0.2]), 2), (np.array([[c, -s], [s, c]]),)
    )
    return dln.simulation.beside_flow(
        energy, start, beta=1.0, kappa=0.0, dt=5e-4, n_steps=3000, n_paths=3, rng=2, save_every=4
    )


def draw_upstairs(axes, result):
    W_1 = result.ensemble.weights[0]
    sigma = result.free_energy_flow.singular_values[:, 0]
    angle = np.linspace(0, 2 * np.pi, 90)
    height = np.linspace(sigma.min(), sigma.max(), 20)
    radius, turn = np.meshgrid(np.sqrt(height), angle)
    axes.plot_surface(
        radius * np.cos(turn), radius * np.sin(turn), radius**2, color="0.9", alpha=0.25, lw=0
    )
    for h in height[::5]:
        axes.plot(np.sqrt(h) * np.cos(angle), np.sqrt(h) * np.sin(angle), h, color="0.6", lw=0.8)
    values = result.ensemble.singular_values[:, :, 0]
    for k, shade in enumerate(GREY[:2]):
        axes.plot(W_1[k, :, 0, 0], W_1[k, :, 1, 0], values[k], color=shade, lw=0.8)
    axes.plot(0 * sigma, 0 * sigma, sigma, color="C3", lw=2.5)
    axes.text(0.1, 0.1, sigma[-1] * 1.05, "W downstairs", color="C3", fontsize=8)
    axes.set_xlabel("$(W_1)_{11}$", fontsize=8, labelpad=-4)
    axes.set_ylabel("$(W_1)_{21}$", fontsize=8, labelpad=-4)
    axes.set_zlabel(r"$\sigma_1(W)$", fontsize=8, labelpad=-4)
    axes.tick_params(labelsize=7, pad=-2)
    axes.view_init(elev=24, azim=np.degrees(VIEW))
    axes.set_title("Fig. 9.4: noise along the orbits, none across", fontsize=10)


def draw_downstairs(axes, result):
    t, flow = result.ensemble.t, result.free_energy_flow
    for k, shade in enumerate(GREY):
        up, down = result.ensemble.weights[0][k, :, 0, 0], result.ensemble.W[k, :, 0, 0]
        axes.plot(t, up, color=shade, lw=0.7, label="upstairs, $(W_1)_{11}$" if k == 0 else None)
        axes.plot(t, down, color="C3", lw=1, label="downstairs, $W_{11}$" if k == 0 else None)
    axes.plot(flow.t, flow.W[:, 0, 0], "k--", lw=1.2, label="free-energy flow (12.7)")
    plain = result.gradient_flow
    axes.plot(plain.t, plain.W[:, 0, 0], "k:", lw=1.4, label="gradient flow of E")
    axes.set(xlabel="time t", ylabel="entry")
    axes.legend(fontsize=7, frameon=False, loc="lower left")
    axes.set_title("The same paths in time: $\\kappa = 0$", fontsize=10)
    print(f"9.4: paths within {result.departure().max():.4f} (rms) of the free-energy flow")


# %% Figure 9.5: the hyperbola of rank-one minimisers in the zero set of the energy
def draw_hyperbola(axes):
    energy = dln.energies.MatrixCompletion.from_nan([[1.0, np.nan], [np.nan, 1.0]])
    result = dln.simulation.beside_flow(
        energy, [[0.2, 0.9], [0.04, 0.2]], depth=3, beta=200.0, weight_decay=0.02,
        dt=0.05, n_steps=800, n_paths=3, rng=5, save_every=1,
    )  # fmt: skip
    a = np.geomspace(0.2, 5, 300)
    axes.plot(a, 1 / a, color="C3", lw=2.5, zorder=1, label="rank one and E = 0 (14.3)")
    for W, shade in zip(result.ensemble.W, ("0.35", "0.55", "0.75"), strict=True):
        axes.plot(W[:, 0, 1], W[:, 1, 0], color=shade, lw=0.6, zorder=0)
        axes.plot(W[-1, 0, 1], W[-1, 1, 0], "o", color=shade, mec="black", ms=5, zorder=3)
    flow = result.free_energy_flow.W
    axes.plot(flow[:, 0, 1], flow[:, 1, 0], "k--", lw=1.4, label="free-energy flow")
    axes.plot([], [], color="0.55", lw=0.8, label="paths, κ = 1")
    axes.plot(0.9, 0.04, "ks", ms=5, label="start")
    axes.set(xlim=(0, 3), ylim=(-0.2, 2.4), xlabel="$W_{12}$", ylabel="$W_{21}$")
    axes.legend(fontsize=7, frameon=False)
    axes.set_title("Fig. 9.5: paths near the rank-one minimisers", fontsize=10)
    late = result.ensemble.W[:, 400:].reshape(-1, 2, 2)
    far = dln.simulation.on_hyperbola(late).distance
    print(f"9.5: after t = 20 the paths are {far.mean():.3f} from the hyperbola in the mean")


# %% Singular values that start equal: the flows keep them so, noise drives them apart
def draw_repulsion(axes):
    eye = np.eye(4)
    result = dln.simulation.beside_flow(
        dln.energies.Quadratic(eye), eye, depth=3, beta=50.0, dt=0.01, n_steps=200, n_paths=100,
        rng=3, save_every=2,
    )  # fmt: skip
    t, (mean, error) = result.ensemble.t, result.band("singular_values")
    axes.plot(t, result.ensemble.singular_values[0], color="0.75", lw=0.7)
    for k, style in enumerate(("-", "--", "-.", ":")):
        axes.fill_between(
            t, mean[:, k] - 2 * error[:, k], mean[:, k] + 2 * error[:, k], color="0.8"
        )
        axes.plot(t, mean[:, k], style, color="black", lw=1.2, label=rf"$\sigma_{k + 1}$, mean")
    axes.plot(
        t, result.free_energy_flow.singular_values[:, 0], color="C3", label="all, free-energy flow"
    )
    axes.plot([], [], color="0.75", lw=0.7, label="one path")
    axes.set(xlabel="time t", ylabel="singular value", ylim=(0.3, 1.75))
    axes.legend(fontsize=7, frameon=False, ncols=2, loc="upper left")
    axes.margins(x=0)
    axes.set_title("Noise drives equal singular values apart", fontsize=10)
    print("repulsion: means at the end", mean[-1].round(3), "s.e.", error[-1].round(3))


# %% Equilibrium: paths of a wide matrix, beside the law of large width
def draw_equilibrium(axes, d=16, depth=2):
    zero, scale = np.zeros((d, d)), np.sqrt(dln.equilibrium.mean_square(d, depth=depth, beta=d))
    run = dln.langevin.simulate(
        dln.energies.Quadratic(zero), scale * np.eye(d), depth=depth, beta=d, dt=0.05,
        n_steps=200, n_paths=40, rng=4, save_every=20,
    )  # fmt: skip
    late = run.singular_values[:, run.t >= 3]
    top = np.sqrt(dln.equilibrium.limit_support(depth)[1])
    axes.hist(
        late.ravel(), 40, density=True, color="0.85", edgecolor="0.6", label=f"paths, d = {d}"
    )
    x = np.linspace(0, top, 400)[1:]
    law = 2 * x * dln.equilibrium.limit_density(x**2, depth)
    axes.plot(x, law, "k-", lw=1.4, label="law of large width")
    axes.set(xlabel=r"$\sigma\sqrt{\beta/d}$", ylabel="density")
    axes.legend(fontsize=7, frameon=False)
    axes.set_title(f"Equilibrium of $E = \\frac{{1}}{{2}}\\|W\\|^2$, depth {depth}", fontsize=10)
    square = (late**2).mean(axis=(1, 2))
    exact = dln.equilibrium.mean_square(d, depth=depth, beta=d)
    error = square.std(ddof=1) / np.sqrt(square.size)
    print(f"equilibrium: mean of σ² {square.mean():.4f} ± {error:.4f}, exact {exact:.4f}")


def main(target):
    figure = Figure(figsize=(13, 8), layout="constrained")
    grid = figure.add_gridspec(2, 3)
    still = quasistatic()
    draw_circle(figure.add_subplot(grid[0, 0]))
    draw_upstairs(figure.add_subplot(grid[0, 1], projection="3d"), still)
    draw_downstairs(figure.add_subplot(grid[0, 2]), still)
    draw_hyperbola(figure.add_subplot(grid[1, 0]))
    draw_repulsion(figure.add_subplot(grid[1, 1]))
    draw_equilibrium(figure.add_subplot(grid[1, 2]))
    figure.savefig(target, dpi=120)
    print("drawn:", target)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "langevin.png")

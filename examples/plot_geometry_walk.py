"""A walk through the geometry: from a matrix to its fibre, orbit volume, horizontal lift, geodesic.

Run it cell by cell, or as a whole: it prints what each step finds beside an independent figure, and
draws Figures 9.1 and 9.2 of Menon's paper from real numbers.

    python examples/plot_geometry_walk.py [FIGURE.png]
"""

# %% A matrix, and balanced networks that multiply to it
import sys

import numpy as np
from matplotlib.figure import Figure

import dlngeo as dln

DEPTH = 2
W = np.array([[1.0, 0.6], [-0.2, 0.8]])

layers = dln.balanced.lift(W, DEPTH)
print("W =", W.tolist(), " singular values", dln.observables.singular_values(W).round(4))
print("imbalance of the symmetric lift:", dln.balanced.residual(layers))
print("its product is W up to        :", np.abs(dln.weights.end_to_end(layers) - W).max())


# %% The fibre over W is an orbit of O_2: two circles. Walk round it and measure
def rotations(angle):
    """A stack of plane rotations."""
    c, s = np.cos(angle), np.sin(angle)
    return np.moveaxis(np.array([[c, -s], [s, c]]), 2, 0)


def walked_length(start, steps=4000):
    """The length of one circle of the fibre over ``start``, as a polyline upstairs."""
    angle = np.linspace(0, 2 * np.pi, steps + 1)
    gauge = rotations(angle)
    stack = [np.broadcast_to(X, (steps + 1, 2, 2)) for X in dln.balanced.lift(start, DEPTH)]
    path = dln.weights.to_vector(dln.balanced.act(stack, (gauge,)))
    return np.linalg.norm(np.diff(path, axis=0), axis=1).sum()


volume = np.exp(dln.entropy.boltzmann(W, DEPTH))
print(f"orbit volume: {volume:.8f} by (6.2), {2 * walked_length(W):.8f} by walking both circles")

# %% A velocity downstairs and its horizontal lift: the same length, and no part along the fibre
Z = np.array([[0.1, 0.5], [0.4, -0.3]])
lifted = dln.submersion.horizontal_lift(layers, Z)
print("length of Z in g²      :", np.sqrt(dln.metric.inner(W, Z, Z, DEPTH)))
print("length of its lift     :", dln.weights.norm(lifted))
print("its part along the fibre:", dln.weights.norm(dln.submersion.vertical(layers, lifted)))

# %% A geodesic, its end, and the way back
end = dln.metric.exp(W, Z, DEPTH)
print("exp(Z) =", end.round(6).tolist())
print(
    "distance to it:",
    dln.metric.distance(W, end, DEPTH),
    " log returns Z up to",
    np.abs(dln.metric.log(W, end, DEPTH) - Z).max(),
)

# %% Depth one is the straight line; depth bends it
target = np.array([[-0.3, 1.1], [-1.2, 0.2]])
paths = {depth: dln.metric.connect(W, target, depth).path for depth in (1, 2, 4, np.inf)}

# %% Figure 9.1: one hidden unit. Conic sections g = w_1² - w_2², and the flow that stays on them
LEVELS = (-1.5, -0.75, -0.25, 0.0, 0.25, 0.75, 1.5)


def conic(g):
    """Both branches of the variety, by the chart that goes out from its longer half axis."""
    u = np.linspace(-1.9, 1.9, 201)
    for sign in (1.0, -1.0):
        Q, G = (np.full((u.size, 1, 1), sign),), (np.full((u.size, 1, 1), g),)
        if g <= 0:  # w_2 = ±√(w_1² - g) for every w_1
            yield dln.balanced.from_right_polar(u[:, None, None], Q, G)
        else:  # w_1 = ±√(w_2² + g) for every w_2
            yield dln.balanced.from_left_polar(u[:, None, None], Q, G)


def draw_foliation(axes):
    for g in LEVELS:
        for w_1, w_2 in conic(g):
            style = {"color": "black", "lw": 2.0} if g == 0 else {"color": "0.65", "lw": 1.0}
            axes.plot(w_1.ravel(), w_2.ravel(), **style)
    energy = dln.energies.Quadratic([[0.5]])
    for start in np.random.default_rng(3).uniform(-1.6, 1.6, (12, 2)):
        run = dln.flows.gradient_flow(energy, [[[w]] for w in start], (0, 30))
        w_1, w_2 = (X.ravel() for X in run.weights)
        axes.plot(w_1, w_2, color="C3", lw=1.6)
        axes.plot(w_1[-1], w_2[-1], "o", color="C3", ms=4)
    u = np.linspace(0.27, 1.8, 100)
    for sign in (1, -1):
        axes.plot(sign * u, sign * 0.5 / u, "--", color="C0", lw=1.3)
    axes.set(xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), xlabel="$w_1$", ylabel="$w_2$", aspect="equal")
    axes.plot([], [], color="black", lw=2, label="balanced, $g = 0$")
    axes.plot([], [], color="0.65", label="$w_1^2 - w_2^2 = g$")
    axes.plot([], [], color="C3", label="gradient flow")
    axes.plot([], [], "--", color="C0", label="$w_2 w_1 = 1/2$, minimisers")
    axes.legend(loc="lower left", fontsize=7, framealpha=0.9)
    axes.set_title("Fig. 9.1: varieties $M_g$, $d=1$, $N=2$", fontsize=10)


# %% Figure 9.2: the balanced manifold sliced into orbits, d = 2, N = 2
SECOND = 0.5  # λ_2, and frames Q_0 = Q_2 = I, are held fixed; λ_1 and the gauge move


def draw_orbits(axes):
    angle = np.linspace(0, 2 * np.pi, 121)
    rotation = rotations(angle)
    heights = np.linspace(SECOND, 1.5, 21)
    surface = []
    for lam in heights:
        eye = np.broadcast_to(np.eye(2), (angle.size, 2, 2))
        spectrum = np.broadcast_to([lam, SECOND], (angle.size, 2))
        W_1, _ = dln.balanced.from_svd((eye, rotation, eye), spectrum)
        surface.append((W_1[:, 0, 0], W_1[:, 1, 0], np.full(angle.size, lam**2)))
    X, Y, height = (np.array(c) for c in zip(*surface, strict=True))
    axes.plot_surface(X, Y, height, color="0.85", alpha=0.5, lw=0)
    for k in range(0, len(heights), 4):
        axes.plot(X[k], Y[k], height[k], color="black", lw=1.2)
        axes.plot([0], [0], [height[k, 0]], "o", color="C3", ms=4)
    axes.plot([0, 0], [0, 0], [SECOND**2, heights[-1] ** 2], color="C3", lw=2)
    axes.text(0.08, 0.08, heights[-1] ** 2 + 0.12, "$W$ downstairs", color="C3", fontsize=8)
    axes.set_xlabel("$(W_1)_{11}$", fontsize=8, labelpad=-4)
    axes.set_ylabel("$(W_1)_{21}$", fontsize=8, labelpad=-4)
    axes.set_zlabel("$\\sigma_1(W)$", fontsize=8, labelpad=-4)
    axes.tick_params(labelsize=7, pad=-2)
    axes.view_init(elev=22, azim=-55)
    axes.set_title("Fig. 9.2: $M$ sliced into orbits $O_W$, $\\sigma_2 = 1/4$", fontsize=10)


# %% The orbit's volume feels the gap between singular values; the geodesics do too
def draw_volumes(axes):
    ratio = np.geomspace(0.02, 1, 60)
    for depth, style in ((2, "-"), (3, "--"), (5, ":")):
        stack = ratio[:, None, None] * np.diag([0.0, 1.0]) + np.diag([1.0, 0.0])
        S = dln.entropy.boltzmann(stack, depth)
        axes.plot(ratio, S - S[-1], style, color="black", label=f"$N = {depth}$, (6.2)")
    some = ratio[::8]
    walked = np.array([walked_length(np.diag([1.0, s])) for s in some])
    walked = np.log(walked / walked_length(np.eye(2)))
    axes.plot(some, walked, "o", color="C3", mfc="none", label="$N = 2$, walked upstairs")
    axes.set(xscale="log", xlabel="$\\sigma_2/\\sigma_1$", ylabel="$S(W) - S(I)$")
    axes.legend(fontsize=7)
    axes.set_title("Orbit volume: entropy of the gauge, $d = 2$", fontsize=10)


def draw_geodesics(axes):
    styles = {1: "-", 2: "--", 4: "-.", np.inf: ":"}
    for depth, path in paths.items():
        name = "\\infty" if np.isinf(depth) else f"{depth}"
        axes.plot(path[:, 0, 0], path[:, 0, 1], styles[depth], label=f"$N = {name}$", lw=1.6)
    for point, label in ((W, "$W$"), (target, "$W'$")):
        axes.plot(*point[0], "ko", ms=5)
        axes.annotate(label, point[0], xytext=(6, 4), textcoords="offset points")
    axes.set(xlabel="$W_{11}$", ylabel="$W_{12}$")
    axes.legend(fontsize=7, loc="lower left")
    axes.set_title("Geodesics of $g^N$ between two matrices", fontsize=10)


def main(target_file):
    figure = Figure(figsize=(10, 9), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    draw_foliation(figure.add_subplot(grid[0, 0]))
    draw_orbits(figure.add_subplot(grid[0, 1], projection="3d"))
    draw_volumes(figure.add_subplot(grid[1, 0]))
    draw_geodesics(figure.add_subplot(grid[1, 1]))
    figure.savefig(target_file, dpi=130)
    print("drawn:", target_file)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "geometry_walk.png")

"""Three flows, one motion: the weights, the end-to-end matrix, and the whole adjacency matrix.

From a balanced start the weight flow (Menon, 3.6), the end-to-end flow (4.11) and the matrix ODE
of the adjacency matrix (Wendin and Altafini, 12) give the same W(t), to the integrators' tolerance.
From an unbalanced start the imbalance is conserved, the velocity of W is (4.9), not (4.11).

    python examples/plot_three_flows.py [FIGURE.png]
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import dlngeo as dln

WIDTHS = (4, 5, 5, 3)
DEPTH = len(WIDTHS) - 1
TIMES = np.linspace(0, 4, 121)
SOLVER = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-13, "gtol": 0}

rng = np.random.default_rng(0)
energy = dln.energies.Quadratic(rng.standard_normal((WIDTHS[-1], WIDTHS[0])))


def three_flows(start):
    """The same start in the three state spaces."""
    span = (TIMES[0], TIMES[-1])
    upstairs = dln.flows.gradient_flow(energy, start, span, t_eval=TIMES, **SOLVER)
    network = dln.flows.adjacency_flow(
        energy, dln.adjacency.from_weights(start), WIDTHS, span, t_eval=TIMES, **SOLVER
    )
    downstairs = dln.flows.gradient_flow(
        energy, dln.weights.end_to_end(start), span, depth=DEPTH, t_eval=TIMES, **SOLVER
    )
    return upstairs, network, downstairs


def distance(one, two):
    """‖W_one(t) - W_two(t)‖_F, zero not drawn."""
    gap = np.linalg.norm(one.W - two.W, axis=(1, 2))
    return np.where(gap > 0, gap, np.nan)


figure = Figure(figsize=(10, 7), layout="constrained")
panels = figure.subplots(2, 2)
starts = {
    "balanced start": dln.weights.random_balanced(WIDTHS, 0.4, rng=1),
    "unbalanced start": dln.weights.random(WIDTHS, 0.5, rng=1),
}
for row, (name, start) in zip(panels, starts.items(), strict=True):
    upstairs, network, downstairs = three_flows(start)
    left, right = row
    for k in range(min(WIDTHS)):
        line = {"color": str(0.25 * k), "linewidth": 3, "alpha": 0.5}
        label = "weights" if k == 0 else None
        left.plot(TIMES, upstairs.singular_values[:, k], label=label, **line)
        label = "adjacency matrix" if k == 0 else None
        left.plot(TIMES, network.singular_values[:, k], "k:", linewidth=1.5, label=label)
        label = "end-to-end, (4.11)" if k == 0 else None
        left.plot(TIMES, downstairs.singular_values[:, k], "k--", linewidth=1, label=label)
    left.set(title=f"Singular values of W(t), {name}", xlabel="flow time t", ylabel=r"$\sigma_k$")
    left.legend(frameon=False)

    right.semilogy(
        TIMES, distance(network, upstairs), "k:", label=r"$\|W$: adjacency − weights$\|_F$"
    )
    right.semilogy(
        TIMES, distance(downstairs, upstairs), "k--", label=r"$\|W$: (4.11) − weights$\|_F$"
    )
    drift = np.where(upstairs.imbalance_drift > 0, upstairs.imbalance_drift, np.nan)
    right.semilogy(TIMES, drift, color="0.6", label=r"$\max_p\|G_p(t)-G_p(0)\|_F$")
    right.set(title=f"What differs, {name}", xlabel="flow time t", ylabel="size", ylim=(1e-17, 10))
    right.legend(frameon=False, loc=(0.42, 0.6))
    for axes in row:
        axes.spines[["top", "right"]].set_visible(False)
    k = TIMES.size // 8
    velocity = dln.weights.end_to_end_velocity(energy, [W[k] for W in upstairs.weights])
    by_4_11 = -dln.metric.gradient(energy, upstairs.W[k], DEPTH)
    relative = np.linalg.norm(by_4_11 - velocity) / np.linalg.norm(velocity)
    print(
        f"{name}: adjacency against weights {np.nanmax(distance(network, upstairs)):.1e}, "
        f"(4.11) against weights {np.nanmax(distance(downstairs, upstairs)):.1e}, "
        f"imbalance drift {upstairs.imbalance_drift.max():.1e}, velocity at t = {TIMES[k]:g}: "
        f"(4.11) differs from (4.9) by {relative:.1e} relatively"
    )

target = sys.argv[1] if len(sys.argv) > 1 else "three_flows.png"
figure.savefig(target, dpi=130)
print(f"wrote {target}")

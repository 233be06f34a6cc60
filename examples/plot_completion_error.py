"""How many entries a deep linear network needs to complete a matrix, by its depth.

A random 100 x 100 matrix of rank 5 or 10 and Frobenius norm 100, observed at random places;
networks of depth 2, 3 and 4 follow the gradient flow from balanced weights whose end-to-end matrix
has singular values 1e-3, until the mean square error on the observed entries is 1e-7. Beside them
the matrix of least nuclear norm that fits. The flow takes up directions as they come up
(``lowrank.flow`` with ``scale=``), which takes seconds where the flow of all layers takes minutes
at depth 4; ``full`` is that flow, from Gaussian weights, to compare.

Source: Arora, Cohen, Hu and Luo, "Implicit Regularization in Deep Matrix Factorization" (2019),
figure 2, by gradient flow in the place of descent.

    python examples/plot_completion_error.py [FIGURE.png]
"""

import sys
import time

import numpy as np
from matplotlib.figure import Figure

import dlngeo as dln

SIZE, NORM, SCALE, FITTED = 100, 100.0, 1e-3, 1e-7
COUNTS = {5: (1500, 2000, 2500, 3000), 10: (2500, 3000, 3500, 4000)}
DEPTHS = (2, 3, 4)


def problem(rank, count, rng=0):
    """The truth, and its completion from ``count`` entries."""
    generator = np.random.default_rng(rng)
    A, B = generator.standard_normal((2, SIZE, rank))
    truth = A @ B.T
    truth *= NORM / np.linalg.norm(truth)
    mask = np.zeros(SIZE**2, dtype=bool)
    mask[generator.permutation(SIZE**2)[:count]] = True
    return truth, dln.energies.MatrixCompletion(truth, mask.reshape(SIZE, SIZE))


def network(energy, count, depth):
    """Where the flow of this depth ends, as directions come up."""
    rows, cols = np.nonzero(energy.mask)
    seen = dln.energies.SparseCompletion(rows, cols, energy.observed[rows, cols], (SIZE, SIZE))
    run = dln.lowrank.flow(
        seen, None, (0, 1e7), depth=depth, scale=SCALE, stop_loss=0.5 * count * FITTED, rtol=1e-4,
        max_steps=20_000,
    )  # fmt: skip
    assert run.status == 1, run.message
    return run.factors().dense()


def full(energy, count, depth):
    """Where all layers end, from Gaussian weights of standard deviation 1e-3."""
    start = dln.weights.random((SIZE,) * (depth + 1), SCALE, rng=0)
    run = dln.flows.gradient_flow(
        energy, start, (0, 1e7), stop_loss=0.5 * count * FITTED, rtol=1e-3, max_steps=20_000
    )
    assert run.status == 1, run.message
    return run.W[-1]


def error(W, truth, energy):
    """Mean square error where nothing was observed."""
    return float(np.mean((W - truth)[~energy.mask] ** 2))


def errors(rank, count):
    """By depth, and of the least nuclear norm."""
    truth, energy = problem(rank, count)
    found = {f"depth {depth}": network(energy, count, depth) for depth in DEPTHS}
    found["least nuclear norm"] = dln.nuclear_norm.minimum_nuclear_norm(energy).W
    return {name: error(W, truth, energy) for name, W in found.items()}


def draw(found):
    """One panel a rank."""
    figure = Figure(figsize=(9.5, 4.0), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    styles = (("o", "-", "0.6"), ("s", "-", "0.0"), ("^", "--", "0.25"), ("x", ":", "0.0"))
    for axis, (rank, rows) in zip(axes, found.items(), strict=True):
        for name, (marker, line, grey) in zip(rows[0][1], styles, strict=True):
            axis.plot(
                [count for count, _ in rows], [one[name] for _, one in rows], label=name,
                marker=marker, linestyle=line, color=grey,
            )  # fmt: skip
        freedom = rank * (2 * SIZE - rank)
        axis.axvline(freedom, color="0.8", linewidth=1, zorder=0)
        axis.annotate(
            f"{freedom} parameters", (freedom, 1), xycoords=("data", "axes fraction"), fontsize=8,
            xytext=(3, -10), textcoords="offset points", color="0.4",
        )  # fmt: skip
        axis.set(
            yscale="log",
            ylim=(FITTED, 3),
            title=f"rank {rank}",
            xlabel="observed entries of 10,000",
        )
        axis.grid(True, color="0.9", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("mean square error on the others")
    axes[0].legend(frameon=False)
    return figure


def main(path):
    found = {}
    for rank, counts in COUNTS.items():
        found[rank] = []
        for count in counts:
            begun = time.perf_counter()
            one = errors(rank, count)
            found[rank].append((count, one))
            said = ", ".join(f"{name} {value:.2g}" for name, value in one.items())
            print(f"rank {rank}, {count}: {said} ({time.perf_counter() - begun:.0f} s)", flush=True)
    draw(found).savefig(path, dpi=150)
    print(path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "completion_error.png")

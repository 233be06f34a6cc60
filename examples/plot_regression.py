"""A regression of one's own, reduced, trained, and its path drawn through the saddles it passes.

Data: total fertility rate of 193 countries (World Bank). X holds the years 1960, 1965, ..., 1985
of each country, Y the years 1990, 1995, ..., 2010, both less their means over the countries. The
loss ½|Y - W X|² / countries is reduced to ½|Σ - W|² + constant with a diagonal Σ by whitening, a
network of three layers is trained from small weights, and the trained weights are taken back.

Each saddle on the way, truncated Σ, is a solution of its own: the least-squares fit of that rank.
A third of the countries is held out, so that one sees which of them are worth learning.

    python examples/plot_regression.py [FIGURE.png]
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import dlngeo as dln
from dlngeo import sequential

EARLY, LATE = range(1960, 1990, 5), range(1990, 2015, 5)
SCALE, DEPTH = 0.01, 3


def data():
    """X and Y of the countries that train and of those held out, one a column."""
    table = dln.tables.dataset("fertility")
    years = [table.columns.index(str(year)) for year in (*EARLY, *LATE)]
    rates = table.values[:, years]
    rates = rates[np.isfinite(rates).all(axis=1)]
    order = np.random.default_rng(0).permutation(len(rates))
    train, test = np.split(rates[order], [2 * len(rates) // 3])
    mean = train.mean(axis=0)
    cut = len(EARLY)
    return [((part - mean)[:, :cut].T, (part - mean)[:, cut:].T) for part in (train, test)]


(X, Y), (X_test, Y_test) = data()
n, m, count = len(X), len(Y), X.shape[1]
energy = dln.energies.LinearRegression(X / np.sqrt(count), Y / np.sqrt(count))

reduced = energy.whiten()
target = reduced.energy.target
sigma = np.diag(target)
print(f"{count} countries to train on, {X_test.shape[1]} held out; Σ = diag{np.round(sigma, 4)}")

start = dln.weights.random((n, *[n] * (DEPTH - 1), m), SCALE, rng=0)
path = dln.flows.gradient_flow(
    reduced.energy, start, (0.0, 1e7), stop_loss=1e-4 * sigma[-1] ** 2, gtol=0.0
)
found = sequential.learning(path, target)
print(path)
print(f"verdict: {found.verdict}; D_k = {np.round(found.distance, 4)}")
print(f"          gap_k = {np.round(found.gap, 2)}")

# Back to the units of the data: E(unwhitened) = energy(whitened) + constant.
layers = reduced.maps.unwhiten(path.weights)
W = dln.weights.end_to_end(layers)
assert np.allclose(energy.value(W), path.energy + reduced.constant)
least_squares = np.linalg.lstsq(X.T, Y.T, rcond=None)[0].T
error = np.linalg.norm(W[-1] - least_squares) / np.linalg.norm(least_squares)
print(f"the end differs from the least-squares solution by {error:.1e}, relatively")


def rmse(W, X, Y):
    """Root mean square error in births per woman, of each W of a stack."""
    return np.sqrt(((Y - W @ X) ** 2).mean(axis=(-2, -1)))


# Each saddle is the least-squares fit of its rank: project the fitted values on k directions.
directions = np.linalg.svd(least_squares @ X, full_matrices=False)[0]
for k, when in enumerate(found.tau, start=1):
    P = directions[:, :k] @ directions[:, :k].T
    fit, here = P @ least_squares @ X, W[np.searchsorted(path.t, when)] @ X
    print(f"rank {k}: fitted values off by {np.linalg.norm(here - fit) / np.linalg.norm(fit):.1e}")

figure = Figure(figsize=(15, 8), layout="constrained")
values, loss, distances, errors = (figure.add_subplot(2, 3, k) for k in (1, 2, 4, 5))
cube, modes = figure.add_subplot(2, 3, 3, projection="3d"), figure.add_subplot(2, 3, 6)
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
shades = [str(0.13 * k) for k in range(m + 1)]

for k in range(m):
    values.plot(
        path.t, path.singular_values[:, k], c=shades[k], ls=STYLES[k], label=rf"$\sigma_{k + 1}$"
    )
    values.axhline(sigma[k], color="0.7", linewidth=0.8)
values.set(title="Learnt one by one", ylabel="singular values of W", yscale="log")
values.set_ylim(sigma[-1] / 100, 30 * sigma[0])

loss.plot(path.t, path.energy, "k-", label="loss of the reduced problem")
plateaus = 0.5 * np.cumsum(sigma[::-1] ** 2)[::-1]
for k, level in enumerate(plateaus):
    loss.axhline(level, color="0.6", linestyle=":", label="critical values" if k == 0 else None)
loss.set(title="Plateaus at the critical values", ylabel="loss", yscale="log")
loss.set_ylim(bottom=plateaus[-1] / 30)

leading = [range(k) for k in range(m + 1)]
apart = sequential.saddle_distances(path, target, leading)
for k in range(m + 1):
    label = "0" if k == 0 else rf"$\Sigma_{k}$" + (" (end)" if k == m else "")
    distances.plot(path.t, apart[:, k], c=shades[k], ls=STYLES[k], label=label)
distances.set(title="From saddle to saddle", ylabel=r"$\|W(t)-\Sigma_k\|_F$", yscale="log")
distances.set_ylim(bottom=apart.min() / 30)

errors.plot(path.t, rmse(W, X, Y), "k-", label="countries trained on")
errors.plot(path.t, rmse(W, X_test, Y_test), "k--", label="countries held out")
for k, when in enumerate(found.tau[:-1]):
    errors.axvline(when, color="0.7", linewidth=0.8)
    errors.annotate(f" rank {k + 1}", (when, 0.98), xycoords=("data", "axes fraction"), va="top")
errors.set(title="What each stage is worth", ylabel="error, births per woman", yscale="log")
errors.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"], minor=False)
errors.yaxis.set_minor_formatter("")

along = np.diagonal(path.W, axis1=1, axis2=2) / sigma  # 1 where a mode is learnt
corners = np.array(list(np.ndindex(2, 2, 2)))
cube.plot(*corners.T, "o", color="0.6", label="critical points")
cube.plot(
    [0, 1, 1, 1],
    [0, 0, 1, 1],
    [0, 0, 0, 1],
    "kX",
    markersize=9,
    label=r"$0, \Sigma_1, \Sigma_2, \Sigma_3$",
)
cube.plot(*along[:, :3].T, "k-", linewidth=2, label="the path")
cube.set(xlabel="mode 1", ylabel="mode 2", zlabel="mode 3", title="The path, in shares learnt")
cube.set_xticks([0, 1]), cube.set_yticks([0, 1]), cube.set_zticks([0, 1])
cube.set_box_aspect(None, zoom=0.85)
cube.legend(fontsize=8)

for k in range(3):
    u = reduced.maps.to_output[k]
    u = u * np.sign(u[np.abs(u).argmax()])
    modes.plot(LATE, u, c=shades[k], ls=STYLES[k], marker="o", label=f"mode {k + 1}")
modes.axhline(0, color="0.7", linewidth=0.8)
modes.set(title="What the first modes predict", xlabel="year", ylabel="share in the mode")
modes.set_xticks(LATE)
modes.legend(frameon=False, fontsize=8)
modes.spines[["top", "right"]].set_visible(False)

for axes in (values, loss, distances, errors):
    columns = m + 1 if axes in (values, distances) else 1
    place = {values: "upper left", errors: "center right"}.get(axes, "lower left")
    axes.legend(frameon=axes is errors, fontsize=8, ncols=columns, columnspacing=1, loc=place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xscale="log", xlim=(found.rise[0] / 3, 1.3 * path.t[-1]), xlabel="flow time t")
figure.suptitle(f"Fertility of {LATE[0]}-{LATE[-1]} from that of {EARLY[0]}-{EARLY[-1]}")

for k, saddle in enumerate(found.tau, start=1):
    at = np.searchsorted(path.t, saddle)
    print(
        f"rank {k}: t = {saddle:8.4g}, error {rmse(W[at], X, Y):.4f} on the countries trained on, "
        f"{rmse(W[at], X_test, Y_test):.4f} on those held out"
    )

name = sys.argv[1] if len(sys.argv) > 1 else "regression.png"
figure.savefig(name, dpi=130)
print(f"wrote {name}")

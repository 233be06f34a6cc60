"""Wide matrices in equilibrium over d, N and κ: the law of x = βσ²/d, its edges, its spacings.

The gas of singular values is drawn by ``equilibrium.sample_singular_values`` and held against
``width_law``, the law of Tracy and Widom (Dyson's index 1) and the spacings of large real symmetric
matrices. For all κ two σ repel each other with the first power of their distance.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from width_law import law

import dlngeo as dln
from dlngeo.equilibrium.mixing import effective_size
from dlngeo.large_width import TRACY_WIDOM

PATHS, DRAWS, WARMUP = 8, 400, 150
QUANTITIES = ("m1", "m2", "m3", "least", "top", "top_variance", "ratio", "spread", "repulsion")
POWERS = {
    "m1": (1, 2), "m2": (1, 2), "m3": (1, 2), "least": (2 / 3, 1), "top": (1 / 3, 2 / 3),
    "top_variance": (2 / 3,), "ratio": (1,), "spread": (1,), "repulsion": (1,),
}  # fmt: skip
LAW_BINS, SPACING_BINS = np.linspace(0.0, 1.0, 41), np.linspace(0.0, 3.0, 31)
CLOSE = 0.3  # of a mean spacing
RATIO = 0.5307  # mean ratio of spacings of large real symmetric matrices (Atas et al., 2013)


def ball(size: int) -> Any:
    """½ Tr WᵀW."""
    return dln.energies.Quadratic(np.zeros((size, size)))


@functools.lru_cache(maxsize=1)
def draws(size: int, depth: float, kappa: float) -> Any:
    """σ²/d at β = 1 (path, draw, d), decreasing, and the worst R̂."""
    seed = (29, size, round(1000 * depth), round(1000 * kappa))
    found = dln.equilibrium.sample_singular_values(
        ball(size), shape=(size, size), depth=depth, beta=1.0, kappa=kappa,
        n_paths=PATHS, n_draws=DRAWS, warmup=WARMUP, rng=np.random.SeedSequence(seed),
    )  # fmt: skip
    return found.sigma**2 / size, found.r_hat.max()


def spacings(x: Any) -> Any:
    """Of log σ in the middle half, each over its mean: for σ it would change within few gaps."""
    d = x.shape[-1]
    gaps = -np.diff(np.log(x[..., d // 4 : d - d // 4]), axis=-1)
    return gaps / gaps.mean(axis=(0, 1))


def measure(x: Any, depth: float, kappa: float) -> Any:
    """(quantity, 2): means over (path, draw) and standard errors, in the order of QUANTITIES."""
    mu, d, s = law(depth, kappa), x.shape[-1], spacings(x)
    top = d ** (2 / 3) * mu.scale * (x[..., 0] - mu.high)
    ratio = np.minimum(s[..., 1:], s[..., :-1]) / np.maximum(s[..., 1:], s[..., :-1])
    near, nearer = (s < CLOSE).mean(axis=-1), (s < CLOSE / 2).mean(axis=-1)
    repulsion = np.log2(near.mean() / nearer.mean()) - 1
    change = (near / near.mean() - nearer / nearer.mean()) / np.log(2)
    each = [
        *((x**k).mean(axis=-1) for k in (1, 2, 3)), x[..., -1], top, (top - top.mean()) ** 2,
        ratio.mean(axis=-1), ((s - 1) ** 2).mean(axis=-1), repulsion + change,
    ]  # fmt: skip
    return np.array([(v.mean(), v.std() / np.sqrt(effective_size(v))) for v in each])


def gas(runs: Any) -> Any:
    """What ``measure`` measures, and the worst R̂ twice, (path, quantity, 2)."""
    x, r_hat = draws(runs.energy.shape[0], runs.depth, runs.cell["kappa"])
    row = np.vstack([measure(x, runs.depth, runs.cell["kappa"]), (r_hat, r_hat)])
    return np.tile(row, (len(runs.W), 1, 1))


def law_counts(runs: Any) -> Any:
    """How many x lie in bins of x/edge."""
    x, _ = draws(runs.energy.shape[0], runs.depth, runs.cell["kappa"])
    counts = np.histogram(x / law(runs.depth, runs.cell["kappa"]).high, LAW_BINS)[0]
    return np.tile(counts, (len(runs.W), 1))


def spacing_counts(runs: Any) -> Any:
    """How many spacings lie in bins."""
    x, _ = draws(runs.energy.shape[0], runs.depth, runs.cell["kappa"])
    return np.tile(np.histogram(spacings(x), SPACING_BINS)[0], (len(runs.W), 1))


# ------------------------------------------------------------- what holds for large matrices


def gap_probability(s: Any) -> Any:
    """Of no level on an interval of s mean spacings: a Fredholm determinant (Gaudin, 1961)."""
    s = np.asarray(s, dtype=float)[..., None]
    node, weight = np.polynomial.legendre.leggauss(30)
    y, weight = s * (node + 1) / 4, s * weight / 4
    minus, plus = y[..., :, None] - y[..., None, :], y[..., :, None] + y[..., None, :]
    kernel = np.sinc(minus) + np.sinc(plus)
    root = np.sqrt(weight)
    return np.linalg.det(np.eye(30) - root[..., :, None] * kernel * root[..., None, :])


def spacing_laws() -> dict[str, float]:
    """``ratio``, ``spread`` and ``repulsion`` of large real symmetric matrices."""
    node, weight = np.polynomial.legendre.leggauss(60)
    spread = 2 * (4 * weight) @ gap_probability(4 * (node + 1)) - 1  # E(8) is 1e-18

    def below(s: float) -> float:
        return float(1 + (gap_probability(s + 1e-4) - gap_probability(s - 1e-4)) / 2e-4)

    return {
        "ratio": RATIO,
        "spread": float(spread),
        "repulsion": float(np.log2(below(CLOSE) / below(CLOSE / 2)) - 1),
    }


# ------------------------------------------------------------------------------------- fits


def fitted(design: Any, values: Any, errors: Any) -> tuple[Any, Any]:
    """Coefficients of weighted least squares, and their standard errors."""
    inverse = np.linalg.pinv(design / errors[:, None])
    return inverse @ (values / errors), np.linalg.norm(inverse, axis=1)


def extrapolated(sizes: Any, rows: Any, name: str) -> tuple[float, float]:
    """A quantity at d = ∞, by the powers of 1/d in POWERS, of rows (d, quantity, 2)."""
    values, errors = rows[:, QUANTITIES.index(name)].T
    inverse = 1 / np.asarray(sizes, dtype=float)
    design = np.stack([inverse**p for p in (0, *POWERS[name])], axis=-1)
    coefficient, error = fitted(design, values, errors)
    return float(coefficient[0]), float(error[0])


def edge_exponent(
    sizes: Any, variance: Any, error: Any, corrected: bool = True
) -> tuple[float, float]:
    """The p of √variance d^{-2/3} = α d^{-p} (1 + b d^{-2/3}); b = 0 where not ``corrected``."""
    sizes = np.asarray(sizes, dtype=float)
    logs = 0.5 * np.log(variance) - 2 / 3 * np.log(sizes)
    columns = [np.ones(len(sizes)), -np.log(sizes), sizes ** (-2 / 3)][: 3 if corrected else 2]
    coefficient, errors = fitted(np.stack(columns, axis=-1), logs, 0.5 * error / variance)
    return float(coefficient[1]), float(errors[1])


def wishart(sizes: Any, count: int) -> tuple[Any, Any]:
    """``top_variance`` of N = κ = 1 and its error, from Wishart's bidiagonal model."""
    rng, rows, mu = np.random.default_rng(31), [], law(1.0, 1.0)
    for d in map(int, sizes):
        k, model = np.arange(d), np.zeros((count, d, d))
        model[:, k, k] = np.sqrt(rng.chisquare(d - k, (count, d)))
        model[:, k[1:], k[:-1]] = np.sqrt(rng.chisquare(d - k[1:], (count, d - 1)))
        top = np.linalg.eigvalsh(model @ np.swapaxes(model, 1, 2))[:, -1] / d
        square = (d ** (2 / 3) * mu.scale * (top - top.mean())) ** 2
        rows.append((square.mean(), square.std() / np.sqrt(count)))
    return tuple(np.array(rows).T)


def wanted(depth: float, kappa: float) -> dict[str, float]:
    """What each quantity should tend to; the least x where there is a gap."""
    mu = law(depth, kappa)
    gap = {"least": mu.low} if mu.low else {}
    moments = {f"m{k}": float(mu.moments[k]) for k in (1, 2, 3)}
    edge = {"top": TRACY_WIDOM[0], "top_variance": TRACY_WIDOM[1]}
    return moments | gap | edge | spacing_laws()


# ---------------------------------------------------------------------------- figure, report


def draw(ds: Any) -> Figure:
    """Histograms on the laws, spreads of x_max over d, spacings."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    sizes, depth = ds["size"].values, float(ds.depth.values[len(ds.depth) // 2])
    shades = ("#000000", "#1b6f8a", "#c77f1a", "#777777")
    marks, lines = ("o", "s", "^", "v"), ("-", "--", ":", "-.")
    shown = [k for k in ds.kappa.values if k in (0.1, 0.5, 1.0, 5.0)]
    for kappa, shade, mark, line in zip(shown, shades, marks, lines, strict=False):
        cell = ds.sel(depth=depth, kappa=kappa)
        mu, counts = law(depth, float(kappa)), cell["law_counts"].values[-1, 0]
        grid = np.linspace(0.004, 0.999, 400)
        centre, label = 0.5 * (LAW_BINS[1:] + LAW_BINS[:-1]), f"κ = {kappa:g}"
        height = counts / (PATHS * DRAWS * sizes[-1]) / np.diff(LAW_BINS)
        left.plot(centre, height, mark, ms=3, mfc="none", color=shade, label=label)
        left.plot(grid, mu.high * mu.density(grid * mu.high), line, color=shade, lw=1)
        rows = cell["gas"].values[:, 0]
        spread = rows[:, QUANTITIES.index("top_variance"), 0] ** 0.5
        deviation = spread / (sizes ** (2 / 3) * mu.scale)
        middle.loglog(sizes, deviation, mark, ms=4, mfc="none", color=shade, label=label)
        limit = TRACY_WIDOM[1] ** 0.5 / (sizes ** (2 / 3) * mu.scale)
        middle.loglog(sizes, limit, line, color=shade, lw=1)
        counts = cell["spacing_counts"].values[-1, 0]
        centre = 0.5 * (SPACING_BINS[1:] + SPACING_BINS[:-1])
        right.plot(centre, counts / counts.sum() / np.diff(SPACING_BINS), mark, ms=3, mfc="none",
                   color=shade)  # fmt: skip
    s = np.linspace(0, 3, 200)
    right.plot(s, np.pi / 2 * s * np.exp(-np.pi / 4 * s**2), "-", color="black", lw=1,
               label="Wigner's surmise, β = 1")  # fmt: skip
    left.set(xlabel="x / upper edge", ylabel="density", ylim=(0, 4), title=f"N = {depth:g}")
    middle.set(xlabel="d", ylabel="standard deviation of $x_{max}$", title=f"N = {depth:g}")
    middle.set_xticks(sizes, [str(d) for d in sizes])
    middle.minorticks_off()
    right.set(xlabel="spacing of log σ over its mean", ylabel="density")
    right.set(title=f"N = {depth:g}, d = {sizes[-1]}")
    left.legend(fontsize=7)
    middle.legend(fontsize=7)
    right.legend(fontsize=7)
    return figure


def report(ds: Any) -> None:
    """Print what was extrapolated, its error, and its distance from the limit in errors."""
    sizes, pulls = ds["size"].values, {name: [] for name in POWERS}
    powers = {True: [], False: []}
    for depth in map(float, ds.depth.values):
        for kappa in map(float, ds.kappa.values):
            rows = ds["gas"].sel(depth=depth, kappa=kappa).values[:, 0]
            mu, limits = law(depth, kappa), wanted(depth, kappa)
            least = np.array2string(rows[:, QUANTITIES.index("least"), 0], precision=3)
            print(f"N = {depth:g}, κ = {kappa:g}: μ on ({mu.low:.4g}, {mu.high:.6g})")
            print(f"   worst R-hat {rows[:, -1, 0].max():.3f}, mean least x {least}")
            for name in limits:
                value, error = extrapolated(sizes, rows, name)
                pulls[name].append((value, error, (value - limits[name]) / error))
                print(f"   {name}: {value:.5g} ± {error:.2g}, limit {limits[name]:.5g}, "
                      f"{pulls[name][-1][2]:+.1f}")  # fmt: skip
            variance = rows[:, QUANTITIES.index("top_variance")].T
            for corrected, found in powers.items():
                found.append(edge_exponent(sizes, *variance, corrected))
    for name, found in pulls.items():
        value, error, pull = np.array(found).T
        mean, total = np.average(value, weights=error**-2), np.sum(error**-2) ** -0.5
        print(f"{name}: χ² {np.sum(pull**2):.1f} of {len(pull)}, worst {abs(pull).max():.1f}"
              + ("" if name[0] in "ml" else f"; together {mean:.5f} ± {total:.5f}"))  # fmt: skip
    control = wishart(sizes, 10000)
    for corrected, found in powers.items():
        value, error = np.array(found).T
        mean, total = np.average(value, weights=error**-2), np.sum(error**-2) ** -0.5
        same = edge_exponent(sizes, *control, corrected)
        print(f"edge exponent{', corrected' if corrected else ''}: {mean:.4f} ± {total:.4f}, "
              f"χ² {np.sum(((value - mean) / error) ** 2):.1f} of {len(value) - 1}; Wishart "
              f"{same[0]:.4f} ± {same[1]:.4f}")  # fmt: skip
    last = ds["gas"].values[..., -1, 0, :, :].reshape(-1, len(QUANTITIES) + 1, 2)
    for name in ("ratio", "spread", "repulsion"):
        value, error = last[:, QUANTITIES.index(name)].T
        mean, total = np.average(value, weights=error**-2), np.sum(error**-2) ** -0.5
        print(f"{name} at d = {sizes[-1]}: {mean:.5f} ± {total:.5f}, "
              f"χ² {np.sum(((value - mean) / error) ** 2):.1f} of {len(value) - 1}")  # fmt: skip


if __name__ == "__main__":
    report(dln.sweeps.load(sys.argv[1]))

"""The Gibbs density: quadrature of the definition, a Gaussian, and what cannot be normalised."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

from dlngeo import energies, entropy, landscapes, metric

DIAGONAL = energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])


def weight(energy, W, depth, beta, kappa, decay):
    """e^{(S - βE)/κ} vol(g^N), unnormalised."""
    F = entropy.free_energy(energy, W, depth, beta, decay)
    return np.exp(-beta * F / kappa + metric.log_volume_density(W, depth))


def mass(landscape, values):
    """What the density integrates to, by the trapezoidal rule."""
    for x in reversed(landscape.coordinates.values()):
        values = np.trapezoid(values, x, axis=-1)
    return float(values)


def test_at_depth_one_it_is_gaussian():
    energy = energies.Quadratic(np.diag([0.3, 0.1]))
    landscape = landscapes.plane(
        energy, depth=1, beta=4.0, kappa=2.0, extent=5.0, n=301, quantities="density"
    )
    x, y = landscape.coordinates.values()
    exact = norm.pdf(x, scale=math.sqrt(0.5))[:, None] * norm.pdf(y, scale=math.sqrt(0.5))
    assert_allclose(landscape.values["density"], exact, rtol=1e-8, atol=1e-10)
    assert_allclose(mass(landscape, landscape.values["density"]), 1.0, rtol=1e-10)


@pytest.mark.parametrize(("depth", "kappa"), [(2, 1.0), (3, 1.0), (3, 0.3), (5, 2.0)])
def test_on_a_line_it_is_the_definition_over_its_integral(depth, kappa):
    energy, decay, beta = energies.Quadratic(np.diag([1.0, 0.5])), 0.1, 4.0
    landscape = landscapes.plane(
        energy, depth=depth, beta=beta, kappa=kappa, weight_decay=decay, axes=((1, 1),),
        at=[[1.0, 0.25], [0.25, 0.0]], extent=(-1.0, 2.0), n=3001, quantities="density",
    )  # fmt: skip
    (x,) = landscape.coordinates.values()

    edge = 0.0625  # det W = s - 1/16

    def density(u, sign):
        """In u, s = edge ± u^N, where the singularity |det W|^{1/N-1} is none."""
        u = max(u, 1e-13 ** (1 / depth))
        W = landscape.section.points([edge + sign * u**depth])
        return float(weight(energy, W, depth, beta, kappa, decay)) * depth * u ** (depth - 1)

    total = sum(
        quad(density, 0, abs(end - edge) ** (1 / depth), args=(sign,), limit=200)[0]
        for sign, end in ((1, 2.0), (-1, -1.0))
    )
    there = np.abs(x - edge) > 1e-9
    W = landscape.section.points(x[there, None])
    exact = weight(energy, W, depth, beta, kappa, decay) / total
    assert_allclose(landscape.values["density"][there], exact, rtol=2e-3)


def test_on_the_plane_of_14_1_it_integrates_to_one():
    """At W_12 = s the rest is a line across W_21 = 1/s: quadrature, line by line."""
    depth, beta, decay = 3, 20.0, 0.05
    landscape = landscapes.plane(
        DIAGONAL, depth=depth, beta=beta, weight_decay=decay, extent=2.0, n=401,
        quantities="density",
    )  # fmt: skip

    def slice_mass(s):
        def density(y):
            W = landscape.section.points([s, y])
            return float(weight(DIAGONAL, W, depth, beta, 1.0, decay))

        def beside(u, sign):
            u = max(u, 1e-4)
            return density(1 / s + sign * u**depth) * depth * u ** (depth - 1)

        if abs(s) < 0.5:
            return quad(density, -2, 2)[0]
        above, below = (2 - 1 / s) ** (1 / depth), (2 + 1 / s) ** (1 / depth)
        return quad(beside, 0, above, args=(1,))[0] + quad(beside, 0, below, args=(-1,))[0]

    nodes, weights = np.polynomial.legendre.leggauss(12)
    parts = [(-2.0, -0.5), (-0.5, 0.0), (0.0, 0.5), (0.5, 2.0)]
    total = sum(
        0.5 * (b - a) * w * slice_mass(0.5 * (a + b) + 0.5 * (b - a) * node)
        for a, b in parts
        for node, w in zip(nodes, weights, strict=True)
    )
    for i, j in ((50, 60), (200, 220), (390, 10)):
        x = [list(landscape.coordinates.values())[k][m] for k, m in enumerate((i, j))]
        exact = weight(DIAGONAL, landscape.section.points(x), depth, beta, 1.0, decay) / total
        assert_allclose(landscape.values["density"][i, j], exact, rtol=1e-2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight_decay": 0.0}, "cannot be normalised: Z = ∞"),
        ({"beta": math.inf}, "needs a finite beta"),
        ({"depth": math.inf, "weight_decay": 0.0}, "finite depth"),
        ({"rank": 1}, "leave rank at None"),
        ({"at": np.zeros((2, 2)), "depth": 4}, "near its matrix with 2 zero singular values"),
        ({"axes": ((0, 0), (0, 1)), "at": np.zeros((2, 2))}, "lies in det W = 0"),
        ({"n": 5, "extent": 30.0}, "take more points"),
    ],
)
def test_what_cannot_be_normalised_is_refused(changes, words):
    call = {
        "depth": 2, "beta": 2.0, "weight_decay": 0.1, "extent": 2.0, "n": 60,
        "quantities": "density",
    }  # fmt: skip
    with pytest.raises(ValueError, match=words):
        landscapes.plane(DIAGONAL, **(call | changes))


def test_at_det_zero_it_is_nan_and_large_beside_it():
    landscape = landscapes.plane(
        DIAGONAL, depth=3, beta=2.0, weight_decay=0.1, extent=2.0, n=81, quantities="density"
    )
    values = landscape.values["density"]
    assert np.isnan(values[60, 60]) and np.isnan(values[50, 80])  # (1, 1) and (1/2, 2)
    assert np.nanmax(values) > 10 * values[40, 40]

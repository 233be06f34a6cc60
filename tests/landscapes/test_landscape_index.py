"""The index of stationary points: second derivatives of F in the entries, by definition.

At a critical point the signs of the Hessian hang on no metric and no coordinates (Sylvester), so
that differences of F in the entries of W, or in a chart of the stratum, tell the same numbers.
"""

import math

import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy, landscapes
from dlngeo.landscapes._quantities import Quantities, Sheet

DIAGONAL = energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])
BETA = 20


def exact_F(sigma, diagonal, depth, decay):
    """F of problem 14.1 at two singular values, for whole depths: K is a sum of powers of λ²."""
    N = mp.mpf(depth)
    one, two = (s ** (1 / N) for s in sigma)
    K = sum(one ** (2 * j) * two ** (2 * (depth - 1 - j)) for j in range(depth))
    E = sum((x - 1) ** 2 for x in diagonal) / 2
    return E - mp.log(K) / (2 * BETA) + decay * N / 2 * (one**2 + two**2)


def full_F(w, depth, decay):
    """At the entries of W."""
    a, b, c, d = w
    plus, minus = mp.sqrt((a + d) ** 2 + (b - c) ** 2), mp.sqrt((a - d) ** 2 + (b + c) ** 2)
    return exact_F(((plus + minus) / 2, abs(plus - minus) / 2), (a, d), depth, decay)


def edge_F(x, depth, decay):
    """In the chart (a, b, c) of the matrices of rank one."""
    a, b, c = x
    d = b * c / a
    return exact_F((mp.sqrt(a**2 + b**2 + c**2 + d**2), mp.mpf(0)), (a, d), depth, decay)


def signs(F, x):
    """How many eigenvalues of F's second derivative are negative, and zero: in 50 digits."""
    with mp.workdps(50):
        h, x, n = mp.mpf(10) ** -12, [mp.mpf(float(v)) for v in x], len(x)
        form = mp.matrix(n, n)
        for i in range(n):
            for j in range(n):
                for s in (1, -1):
                    for t in (1, -1):
                        y = list(x)
                        y[i] += s * h
                        y[j] += t * h
                        form[i, j] += s * t * F(y) / (4 * h**2)
        values = [float(v) for v in mp.eigsy(form, eigvals_only=True)]
    level = 1e-10 * max(map(abs, values))
    return sum(v < -level for v in values), sum(abs(v) <= level for v in values)


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("decay", [0.012, 0.03])
def test_index_is_that_of_second_derivatives_in_the_entries(depth, decay):
    """On the plane of [[x, y], [y, x]], which a symmetry of 14.1 keeps: all are stationary."""
    section = landscapes.Section.along(np.zeros((2, 2)), [np.eye(2), [[0, 1], [1, 0]]])
    landscape = landscapes.plane(
        DIAGONAL, depth=depth, beta=BETA, weight_decay=decay, axes=section, extent=(-1.6, 1.7), n=60
    )
    points, decay_ = landscape.points, mp.mpf(decay)
    checked = set()
    for k, W in enumerate(points.W):
        assert points.stationary[k]
        entries = W.ravel()
        if points.rank[k] == 2:
            wanted = signs(lambda w: full_F(w, depth, decay_), entries)
        else:
            wanted = signs(lambda w: edge_F(w, depth, decay_), entries[:3])
            across, (U, sigma, Vt) = [], np.linalg.svd(W)
            with mp.workdps(50):
                size, small = mp.mpf(float(sigma[0])), mp.mpf(10) ** -12
                edge = exact_F((size, mp.mpf(0)), np.diagonal(W), depth, decay_)
                for side in (1, -1):
                    beside = np.diagonal(W) + side * small * U[:, 1] * Vt[1]
                    new = exact_F((size, small), beside, depth, decay_)
                    across.append(int(mp.sign(new - edge)))
            if depth > 2:
                assert [points.across[k]] * 2 == across
            elif points.across[k]:
                assert across == [points.across[k]] * 2
        assert (points.index[k], points.zeros[k]) == wanted
        checked.add((int(points.rank[k]), int(points.index[k])))
    assert checked  # minima and saddles of both ranks


def test_minimisers_have_index_zero_and_a_continuum_has_its_dimension():
    for depth, decay in ((3, 0.018), (2, 0.01)):
        found = entropy.minimise_free_energy(DIAGONAL, depth, BETA, decay)
        points = landscapes.plane(
            DIAGONAL, depth=depth, beta=BETA, weight_decay=decay, extent=2.0, n=10
        ).points
        count = points.kind.count("minimiser")
        assert (points.index[:count] == 0).all()
        full = found.ranks == 2
        assert (points.zeros[:count][full] == found.dimensions[full]).all()


def test_at_the_identity_of_14_1_one_direction_falls_and_one_is_flat():
    """F′(I) = 0 where γβ = (N-1)/2N. Rotations of I change F in fourth order alone."""
    points = landscapes.plane(
        DIAGONAL, depth=3, beta=BETA, weight_decay=1 / 60, extent=0.5, n=41
    ).points
    (k,) = np.flatnonzero((np.abs(points.coordinates) < 1e-3).all(axis=1))
    assert points.stationary[k] and points.rank[k] == 2
    assert (points.index[k], points.zeros[k], points.across[k]) == (1, 1, 0)


class Wells:
    """½‖V‖² and ½v⁴ - v² of the diagonal of V = W - B: saddles of many indices about B."""

    def __init__(self, target):
        self.target, self.shape = target, target.shape
        self.where = np.eye(len(target))

    def value(self, W):
        V = W - self.target
        return 0.5 * (V**2).sum((-2, -1)) + ((0.5 * V**4 - V**2) * self.where).sum((-2, -1))

    def gradient(self, W):
        V = W - self.target
        return V + (2 * V**3 - 2 * V) * self.where

    def hessian(self, W, Z):
        return Z * (1 + (6 * (W - self.target) ** 2 - 2) * self.where)


@pytest.mark.parametrize(("d", "depth"), [(2, 1.5), (2, 2), (2, math.inf), (3, 3)])
def test_index_is_that_of_differences_of_the_free_energy(d, depth):
    """Signs, and exchanges of equal entries, keep diag(x, y, y): what is critical there is so."""
    energy = Wells(np.diag([1.6, 1.4, 1.4][:d]))
    free = np.eye(d * d).reshape(-1, d, d)
    section = landscapes.Section.along(
        np.zeros((d, d)), [np.diag([1.0, 0, 0][:d]), np.diag([0.0, 1, 1][:d])]
    )
    points = landscapes.plane(
        energy, depth=depth, beta=9.0, axes=section, extent=(0.3, 2.6), n=80
    ).points
    h, checked = 1e-3, set()
    for k, W in enumerate(points.W):
        if not points.stationary[k] or points.rank[k] < d:
            continue

        def F(s, t, W=W):
            V = W + h * (s * free[:, None] + t * free)
            return entropy.free_energy(energy, V.reshape(-1, d, d), depth, 9.0)

        form = (F(1, 1) - F(1, -1) - F(-1, 1) + F(-1, -1)).reshape(d * d, d * d) / (4 * h**2)
        values = np.linalg.eigvalsh(form)
        assert np.abs(values).min() > 1e-3  # the differences tell their signs
        assert points.index[k] == (values < 0).sum() and points.zeros[k] == 0
        checked.add(int(points.index[k]))
    assert checked >= {0, 1, 2}


@pytest.mark.parametrize("depth", [2.5, 3, 6])
def test_above_depth_two_the_index_in_all_directions_is_that_of_the_limit(depth):
    energy = energies.Quadratic(np.diag([1.5, 0.2]))
    points = landscapes.plane(
        energy, depth=depth, beta=4.0, axes=((0, 0), (1, 1)), extent=3.0, n=50
    ).points
    edge = (points.rank == 1) & points.stationary
    assert edge.any()
    sheet = Sheet.of(energy, points.W[edge], 2, True)
    values = np.linalg.eigvalsh(Quantities(sheet, depth, 4.0, 0.0).hessian())
    whole = points.index[edge] + (points.across[edge] < 0)
    assert_allclose((values < 0).sum(axis=-1), whole)


def test_orbits_of_a_symmetry_are_zeros():
    """F is that of QWQᵀ where the target is the identity: planes in space, a set of dimension 2."""
    section = landscapes.Section.along(
        np.zeros((3, 3)), [np.diag([1.0, 1, 0]), np.diag([0.0, 0, 1])]
    )
    points = landscapes.plane(
        energies.Quadratic(np.eye(3)), depth=3, beta=5.0, axes=section, extent=(0.4, 2), n=30
    ).points
    assert points.kind == ("minimiser",) and points.zeros.tolist() == [0]  # a multiple of I
    points = landscapes.plane(
        energies.Quadratic(np.eye(3)), depth=3, beta=5.0, axes=section,
        extent=((0.4, 2), (-0.5, 0.52)), n=30,
    ).points  # fmt: skip
    (k,) = np.flatnonzero(points.rank == 2)
    assert points.stationary[k] and points.across[k] == -1
    assert (points.index[k], points.zeros[k]) == (0, 2)


@pytest.mark.parametrize("depth", [1, 2, 3, math.inf])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e100])
def test_without_entropy_and_decay_points_of_any_rank_are_found(depth, scale):
    """There F = E is smooth at singular matrices, and E′ may have no terms to be compared with."""
    rng = np.random.default_rng(2)
    X, B = rng.standard_normal((2, 6)), np.diag([2.0, 0.0]) * scale
    for energy in (energies.Quadratic(B), energies.LinearRegression(X, B @ X)):
        points = landscapes.plane(
            energy, depth=depth, axes=((0, 0), (1, 1)), at=np.zeros((2, 2)), extent=3 * scale, n=24
        ).points
        assert points.kind == ("minimum",) and points.rank.tolist() == [1]
        assert_allclose(points.W[0] / scale, np.diag([2.0, 0.0]), atol=1e-9)
        assert points.stationary.all() and points.index.tolist() == [0]


def test_what_is_not_stationary_has_no_index():
    points = landscapes.plane(
        DIAGONAL, depth=3, beta=BETA, weight_decay=0.018, extent=2.5, n=40
    ).points
    off = ~points.stationary
    assert off.any() and (points.index[off] == -1).all() and (points.zeros[off] == -1).all()
    assert (points.across[points.rank == 1] == 1).all()

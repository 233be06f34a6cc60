"""Z along free entries: exponents against integrals, the programme against brute force."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import entropy, metric
from dlngeo.energies import LinearRegression, Logistic, MatrixCompletion, MatrixSensing
from dlngeo.equilibrium import normalisable
from dlngeo.equilibrium._normalisation import Setting
from dlngeo.equilibrium._null_space import _directions, _fall, _largest, confined


def powers(depth, kappa):
    share = 1 - 1 / depth
    return share, 2 * (1 - 1 / (2 * kappa)) * share


def finite(energy, depth=2, kappa=1.0, **rest):
    keywords = {"shape": energy.shape, "depth": depth, "beta": 1.0, "kappa": kappa} | rest
    return normalisable(energy, **keywords).finite


def pattern(text):
    """Unseen entries from rows such as "x.x"."""
    return np.array([[c == "x" for c in row] for row in text.split()])


# ---------------------------------------------------------------------- the integrals themselves


def shell(depth, kappa, size):
    """The mass of completion with the diagonal seen, size < |W_12| < 2 size, |W_21| < |W_12|.

    The diagonal (a, c) is normal about (1, 1), by quadrature, W_12 = x, and in place of W_21 runs
    det W = ±e^τ: the density is |det|^{1/N-1} K^{1/(2κ)-1}, K from the singular values.
    """
    node, weight = np.polynomial.hermite_e.hermegauss(10)
    a, c = (v.ravel()[:, None, None] for v in np.meshgrid(1 + node, 1 + node))
    gauss = np.outer(weight, weight).ravel()[:, None, None]
    x = size * 2 ** ((np.arange(20) + 0.5) / 20)[:, None]
    tau = np.linspace(-30 * depth, math.log(5 * size**2), 1500)
    total, step, root = 0.0, tau[1] - tau[0], 2 / depth
    for sign in (-1, 1):
        det = np.exp(tau)
        y = (a * c - sign * det) / x
        square = a**2 + c**2 + x**2 + y**2
        one = 0.5 * (np.sqrt(square + 2 * det) + np.sqrt(np.maximum(square - 2 * det, 0)))
        ratio = np.minimum(det / one**2, 1 - 1e-9)
        K = one ** (2 - root) * (1 - ratio**2) / (1 - ratio**root)
        density = det ** (1 / depth - 1) * K ** (1 / (2 * kappa) - 1)
        total += (
            gauss * density * det * (abs(y) < x)
        ).sum() * step  # dy = e^τ dτ / x, dx = x dlog x
    return total


@pytest.mark.parametrize(
    ("depth", "kappa"), [(2, 1.0), (3, 1.0), (4, 1.0), (2, 5.0), (3, 1.5), (5, 0.7), (2.5, 0.6)]
)
def test_two_by_two_completion_against_its_integral(depth, kappa):
    """Z = ∞ for κ = 1 at depths 2 and 3, finite from 4 on: the law of the shells says so."""
    exponent = 2 / depth - (2 - 2 / depth) * (1 - 1 / (2 * kappa))
    measured = math.log10(shell(depth, kappa, 1e9) / shell(depth, kappa, 1e8))
    assert_allclose(measured, exponent, atol=0.02)
    energy = MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    assert finite(energy, depth, kappa) is (exponent < -1e-12)
    assert finite(energy, depth, kappa) is ((depth - 1) * (1 - 1 / (2 * kappa)) > 1 + 1e-12)


# --------------------------------------------------------------------------------- exponents


RECTANGLES = [("xxx xxx ...", 1), ("xxx xxx ...", 2), ("xx. xx. ...", 1), ("... ..x ...", 1)]


@pytest.mark.parametrize("widths", [(3, 3, 3), (3, 4, 3)])
@pytest.mark.parametrize(("rows", "rank"), RECTANGLES)
def test_exponents_of_rectangles_are_slopes(rng, rows, rank, widths):
    """The number of directions is the rank of a tangent space, the fall is measured."""
    free, kappa, depth = pattern(rows), 0.8, len(widths) - 1
    k, l = free.any(axis=1).sum(), free.any(axis=0).sum()  # noqa: E741
    L, R = rng.standard_normal((k, rank)), rng.standard_normal((rank, l))
    tangents = [np.outer(L[:, i], e) for i in range(rank) for e in np.eye(l)]
    tangents += [np.outer(e, R[i]) for i in range(rank) for e in np.eye(k)]
    directions = np.linalg.matrix_rank(np.reshape(tangents, (-1, k * l)))
    assert (rank, directions) in set(_directions(free))
    W, D = rng.standard_normal((3, 3)), np.zeros((3, 3))
    D[:k, :l] = L @ R
    if k == l == 1:
        D = np.roll(D, (1, 2), axis=(0, 1))
    levels = [
        metric.log_volume_density(W + x * D, depth)
        + entropy.boltzmann(W + x * D, depth, widths=widths) / kappa
        for x in (1e6, 1e7)
    ]
    setting = Setting.of(None, (3, 3), depth, 1.0, kappa, widths, 0.0)
    slope = (levels[1] - levels[0]) / math.log(10)
    assert_allclose(-_fall(rank, 3, *setting.null_space_powers()), slope, atol=2e-3)


def test_rows_that_cancel_decide():
    """Two free rows of three may be nearly parallel: no sizes of entries show that."""
    free, (t, q) = pattern("xxx xxx ..."), (0.98, 1.43)
    assert _largest(free, np.array([q, q, t])) < -0.1
    assert confined(free, t, q)[0] is False  # 4 - t - 2q > 0


def largest_by_lattice(free, powers):
    """F over all v in {-1, 0, 1}, v <= 0 where seen and 1 somewhere free."""
    r = len(free)
    choices = [(-1, 0, 1) if one else (-1, 0) for one in free.ravel()]
    v = np.array(list(itertools.product(*choices)))
    v = v[(v == 1).any(axis=1)].reshape(-1, r, r)
    total = v.sum(axis=(1, 2)).astype(float)
    for j, power in enumerate(powers, 1):
        terms = [
            v[:, rows, columns].sum(axis=1)
            for rows in itertools.combinations(range(r), j)
            for columns in itertools.permutations(range(r), j)
        ]
        total -= power * np.max(terms, axis=0)
    return total.max()


@pytest.mark.parametrize("rows", ["x. .x", "xx x.", "x.. .x. ..x", "xx. x.. ...", ".x. x.x .x."])
def test_programme_against_all_sizes(rng, rows):
    free = pattern(rows)
    for _ in range(4):
        powers = rng.random(len(free)) * 1.5
        powers[-1] = rng.random()
        assert_allclose(_largest(free, powers), largest_by_lattice(free, powers), atol=1e-9)


def test_what_is_proved_does_not_contradict_itself(rng):
    """More entries seen, or a smaller rectangle, never turns a finite Z into an infinite one."""
    for _ in range(60):
        free = rng.random((3, 3)) < 0.6
        place = tuple(rng.integers(3, size=2))
        free[place] = True
        less = free.copy()
        less[tuple(rng.choice(np.argwhere(free)))] = False
        if not less.any():
            continue
        t, q = powers(rng.integers(2, 9), rng.uniform(0.5, 4))
        more_seen, fewer_seen = confined(less, t, q)[0], confined(free, t, q)[0]
        assert not (fewer_seen is True and more_seen is False)
        assert confined(free.T, t, q)[0] == fewer_seen
        turned = free[rng.permutation(3)][:, rng.permutation(3)]
        assert confined(turned, t, q)[0] == fewer_seen


# ----------------------------------------------------------------------------------- energies


def test_energies_by_what_they_see(rng):
    X = rng.standard_normal((3, 5))
    thin = np.vstack([X[:2], X[:1] + X[1:2]])  # rank 2: after a rotation one column is free
    column = MatrixCompletion(np.zeros((3, 3)), np.array([[1, 1, 0]] * 3))
    Y = rng.standard_normal((3, 5))
    whole = MatrixSensing(rng.standard_normal((9, 3, 3)), np.zeros(9))
    partial = MatrixSensing(rng.standard_normal((5, 3, 3)), np.zeros(5))
    answers = []
    for depth, kappa in ((2, 1.0), (3, 2.0), (6, 1.0), (20, 5.0)):
        assert finite(LinearRegression(X, Y), depth, kappa) is True
        assert finite(whole, depth, kappa) is True
        seen = finite(column, depth, kappa)
        assert finite(LinearRegression(thin, Y), depth, kappa) is seen
        answers.append(seen)
        assert finite(partial, depth, kappa, weight_decay=0.1) is True
    assert {True, False} <= set(answers)
    assert finite(partial) is False
    assert finite(LinearRegression(thin, Y), widths=(3, 1, 3)) is None


def test_logistic_by_what_it_separates(rng):
    X = rng.standard_normal((2, 12))
    mixed = np.where(np.arange(12) % 2, 1.0, -1.0)
    parted = np.sign(rng.standard_normal(2) @ X)
    X = np.hstack([X, X])
    mixed, parted = np.append(mixed, -mixed), np.append(parted, parted)
    assert finite(Logistic(X, [mixed, mixed])) is True
    assert finite(Logistic(X, [parted, mixed])) is False  # 2 - 1/2 - 1/2 > 0
    assert finite(Logistic(X, [parted, parted]), depth=30, kappa=30.0) is False
    assert finite(Logistic(X, [parted, mixed]), depth=30, kappa=30.0) is True  # 2 - 0.97 - 1.9
    assert finite(Logistic(X, [parted, parted]), weight_decay=1e-3) is True


def test_rectangular_completion():
    mask = np.ones((2, 3), dtype=bool)
    mask[0, 0] = False
    energy = MatrixCompletion(np.zeros((2, 3)), mask)
    # 1 - t - q with t = 2s for widths (3, 2, 2), the least that keep the rank
    assert finite(energy, depth=2, widths=(3, 2, 2), kappa=1.0) is True
    assert finite(energy, depth=2, widths=(3, 2, 2), kappa=0.3) is False
    # wide layers weigh down large matrices less: t = 2s - 20/(Nκ)
    assert finite(energy, depth=2, widths=(3, 22, 2), kappa=1.0) is False

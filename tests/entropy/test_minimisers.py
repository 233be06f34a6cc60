"""Minimisers of the free energy: closed forms of (14.1) and brute force in other coordinates."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm
from scipy.optimize import basinhopping, brentq, minimize, minimize_scalar

from dlngeo import energies, entropy
from dlngeo.entropy import minimise_free_energy

BETA = 4.0
COMPLETION = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))  # Menon, (14.1)


def assert_same_set(ours, wanted, atol):
    """Two sets of matrices, as sets."""
    wanted = np.asarray(wanted)
    gaps = np.abs(ours[:, None] - wanted[None]).max(axis=(-2, -1))
    assert gaps.shape == (len(wanted), len(wanted))
    assert (gaps.min(axis=1) < atol).all() and (gaps.min(axis=0) < atol).all(), (ours, wanted)


def plain(E, sigma, depth, gamma):
    """F from its definition, singular values given, the constant left out; +inf at two zeros."""
    F = E
    for k in range(len(sigma)):
        for m in range(k):
            a, b = sigma[k], sigma[m]
            if abs(a - b) < 1e-6 * (a + b):
                b += 1e-5 * (a + b)
            with np.errstate(divide="ignore"):
                F -= 0.5 * np.log((a**2 - b**2) / (a ** (2 / depth) - b ** (2 / depth))) / BETA
    return F + gamma * depth / 2 * (np.asarray(sigma) ** (2 / depth)).sum()


def constant(d, depth):
    return -(depth - 1) * entropy.orthogonal_group_log_volume(d) / BETA


# ------------------------------------------------------------------ (14.1): closed forms


@pytest.mark.parametrize(("depth", "excess"), [(2.5, 2.0), (3, 1.02), (3, 8.0), (4, 2.0), (7, 1.5)])
def test_completion_has_two_minimisers_above_the_threshold(depth, excess):
    threshold = (depth - 1) / (depth * 2 ** (2 / depth))
    gamma = excess * threshold / BETA
    found = minimise_free_energy(COMPLETION, depth, BETA, gamma, starts=5)

    def slope(m):  # of F at m times the matrix of ones
        force = (1 - 1 / depth) / (BETA * m)
        return 2 * (m - 1) - force + 2 * gamma * (2 * m) ** (2 / depth - 1)

    m = brentq(slope, 1e-9, 1, xtol=1e-16, rtol=1e-15)
    assert found.family == "points"
    assert_same_set(found.points, [[[m, s * m], [s * m, m]] for s in (1, -1)], 1e-10)
    assert (found.ranks == 1).all() and not found.dimensions.any()
    assert (found.residuals < 1e-12).all()
    assert (found.curvatures > 0).all() and (found.multipliers > 0).all()
    value = plain((m - 1) ** 2, [2 * m, 0.0], depth, gamma) + constant(2, depth)
    assert_allclose(found.value, value, rtol=1e-12)


@pytest.mark.parametrize(
    ("depth", "excess"), [(2.5, 0.98), (3, 0.98), (3, 0.2), (4, 0.5), (5, 0.7)]
)
def test_completion_has_four_minimisers_below_the_threshold(depth, excess):
    gamma = excess * (depth - 1) / (depth * 2 ** (2 / depth)) / BETA
    found = minimise_free_energy(COMPLETION, depth, BETA, gamma, starts=5)
    m = ((depth - 1) / (gamma * depth * BETA)) ** (depth / 2) / 2
    root = math.sqrt(m * m - 1)
    wanted = [[[1, s * (m + t * root)], [s * (m - t * root), 1]] for s in (1, -1) for t in (1, -1)]
    assert_same_set(found.points, wanted, 1e-9 * m)
    assert (found.ranks == 1).all() and (found.multipliers > 0).all()
    assert (found.residuals < 1e-12).all()
    value = plain(0.0, [2 * m, 0.0], depth, gamma) + constant(2, depth)
    assert_allclose(found.value, value, rtol=1e-12)


@pytest.mark.parametrize("depth", [3, 4])
def test_one_search_and_the_symmetries_find_all_four(depth):
    """Transposing and changing signs make three minimisers of the one that was found."""
    gamma = 0.5 * (depth - 1) / (depth * 2 ** (2 / depth)) / BETA
    found = minimise_free_energy(COMPLETION, depth, BETA, gamma, starts=1)
    m = ((depth - 1) / (gamma * depth * BETA)) ** (depth / 2) / 2
    root = math.sqrt(m * m - 1)
    wanted = [[[1, s * (m + t * root)], [s * (m - t * root), 1]] for s in (1, -1) for t in (1, -1)]
    assert_same_set(found.points, wanted, 1e-9 * m)
    assert sorted(found.hits > 0) == [False, False, False, True] and found.hits.sum() <= 2


def test_completion_at_the_threshold_is_degenerate():
    # two pairs meet: F grows like the fourth power, in points no better known than ε^{1/3}
    gamma = 2 / (3 * 2 ** (2 / 3)) / BETA
    found = minimise_free_energy(COMPLETION, 3, BETA, gamma, starts=6)
    assert found.family == "points"
    assert_same_set(found.points, [[[1, s], [s, 1]] for s in (1, -1)], 1e-4)
    assert (np.abs(found.curvatures) < 1e-8).all()


@pytest.mark.parametrize("scale", [0.2, 2.0])
def test_completion_at_depth_two_is_a_continuum(scale):
    # F depends on ν = σ_1 + σ_2 and on the diagonal alone
    gamma = scale / BETA
    found = minimise_free_energy(COMPLETION, 2, BETA, gamma, starts=8)
    assert found.family == "continuum" and (found.dimensions == 1).all()
    assert set(found.ranks.tolist()) == {1, 2}
    assert len(found.points) > 4
    nuclear = np.linalg.svd(found.points, compute_uv=False).sum(axis=-1)
    diagonal = np.diagonal(found.points, axis1=-2, axis2=-1)
    r, s = found.points[:, 0, 1], found.points[:, 1, 0]
    if scale < 0.25:  # the best ν may be had with the diagonal at 1: a closed curve
        assert_allclose(nuclear, 1 / (2 * gamma * BETA) * np.ones_like(nuclear), rtol=1e-9)
        assert_allclose(diagonal, 1, atol=1e-9)
    else:  # the symmetric segment W_12 = W_21 in [-m, m]
        m = brentq(lambda m: 2 * (m - 1) + 2 * gamma - 1 / (2 * BETA * m), 1e-6, 1, xtol=1e-15)
        assert_allclose(diagonal, m, atol=1e-10)
        assert_allclose(r, s, atol=1e-10)
        assert (np.abs(r) < m * (1 + 1e-10)).all()
        assert_allclose(nuclear, 2 * m, rtol=1e-10)
    ends = found.ranks == 1
    assert_allclose(found.multipliers[ends], 0, atol=1e-10)  # F is flat into full rank
    assert np.isinf(found.multipliers[~ends]).all()


@pytest.mark.parametrize("depth", [2, 3, 10, math.inf])
def test_without_decay_completion_has_none(depth):
    found = minimise_free_energy(COMPLETION, depth, BETA)
    assert found.family == "none" and found.value == -math.inf
    assert found.points.shape == (0, 2, 2)
    D = np.array([[0.0, 1.0], [1.0, 0.0]]) / math.sqrt(2)
    assert_allclose(found.direction, D, atol=1e-13)
    assert_allclose(found.rate, (1 - 1 / depth) / BETA, rtol=1e-14)
    # F at W_12 = W_21 = x: -(1/β)[(1 - 1/N) log x + ½ log N] + constant + o(1)
    x = 1e9
    F = entropy.free_energy(COMPLETION, np.eye(2) + x * D * math.sqrt(2), depth, BETA)
    law = -found.rate * math.log(x)
    if math.isinf(depth):
        assert_allclose(F, law, rtol=1e-6)
    else:
        assert_allclose(F, law - 0.5 * math.log(depth) / BETA + constant(2, depth), rtol=1e-6)


def test_depth_one_has_the_minimisers_of_the_energy():
    found = minimise_free_energy(COMPLETION, 1, BETA)
    assert found.family == "continuum" and found.dimensions[0] == 2
    assert_allclose(found.points[0], np.eye(2), atol=1e-14)
    found = minimise_free_energy(COMPLETION, 1, BETA, 0.25)
    assert found.family == "points"
    assert_allclose(found.points[0], np.eye(2) / 1.25, atol=1e-14)
    assert_allclose(found.value, 0.2**2 + 0.125 * 2 / 1.25**2, rtol=1e-13)


# ---------------------------------------------------------------------------- brute force


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 5])
@pytest.mark.parametrize("target", [1.0, 0.3, -0.7, 0.0])
@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_one_by_one_is_a_scalar_problem(target, depth, gamma):
    def F(w):
        return 0.5 * (w - target) ** 2 + gamma * depth / 2 * abs(w) ** (2 / depth)

    grid = np.linspace(-2, 2, 4001)
    start = grid[np.argmin(F(grid))]
    fine = minimize_scalar(F, bounds=(start - 2e-3, start + 2e-3), options={"xatol": 1e-13})
    best = min(float(fine.fun), F(0.0))
    found = minimise_free_energy(energies.Quadratic([[target]]), depth, BETA, gamma, starts=6)
    assert found.family == "points"
    assert_allclose(found.value - constant(1, depth), best, atol=1e-12)
    assert_allclose(F(found.points[0, 0, 0]), best, atol=1e-12)
    assert found.ranks[0] == (0 if found.points[0, 0, 0] == 0 else 1)


def from_angles(p, d, depth):
    """W and its singular values from two rotations, roots of singular values, and a reflection."""
    pairs = d * (d - 1) // 2
    turns = []
    for angles in (p[:pairs], p[pairs : 2 * pairs]):
        A = np.zeros((d, d))
        A[np.triu_indices(d, 1)] = angles
        turns.append(expm(A - A.T))
    roots = p[2 * pairs :]
    signed = np.sign(roots) * np.abs(roots) ** depth
    return turns[0] @ np.diag(signed) @ turns[1], np.abs(signed)


def brute_force(energy, d, depth, gamma, starts, rng):
    """The lowest values and matrices found by a quasi-Newton method in angles and roots."""

    def F(p):
        W, sigma = from_angles(p, d, depth)
        return plain(float(energy.value(W)), np.sort(sigma), depth, gamma)

    ends = []
    for _ in range(starts):
        p = rng.standard_normal(d * d)
        p = minimize(F, p, method="BFGS", options={"gtol": 1e-7}).x
        ends.append((F(p), from_angles(p, d, depth)[0]))
    return min(ends, key=lambda end: end[0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the brute force steps to infinity
@pytest.mark.parametrize(
    ("depth", "gamma"), [(1.5, 0.0), (1.5, 0.6), (2, 0.0), (2, 0.6), (3, 0.05), (3, 0.6), (5, 0.0)]
)
def test_generic_targets_against_brute_force(rng, depth, gamma):
    energy = energies.Quadratic(rng.standard_normal((2, 2)))
    found = minimise_free_energy(energy, depth, BETA, gamma, starts=8)
    value, W = brute_force(energy, 2, depth, gamma, 8, rng)
    assert found.family == "points" and len(found.points) == 1
    assert_allclose(found.value - constant(2, depth), value, atol=1e-8)
    assert_allclose(found.points[0], W, atol=1e-4)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("depth", "gamma", "rank"), [(3, 0.0, 3), (3, 0.3, 2)])
def test_three_by_three_against_brute_force(rng, depth, gamma, rank):
    energy = energies.Quadratic(rng.standard_normal((3, 3)))
    found = minimise_free_energy(energy, depth, BETA, gamma, starts=6)
    value, W = brute_force(energy, 3, depth, gamma, 3, rng)
    assert len(found.points) == 1 and found.ranks[0] == rank
    assert found.value - constant(3, depth) <= value + 1e-9
    assert_allclose(found.value - constant(3, depth), value, atol=1e-6)
    assert_allclose(found.points[0], W, atol=1e-3)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_three_by_three_against_basin_hopping_on_entries(rng):
    energy, depth = energies.Quadratic(rng.standard_normal((3, 3))), 2

    def F(w):
        W = w.reshape(3, 3)
        return plain(float(energy.value(W)), np.linalg.svd(W)[1], depth, 0.0)

    generator = np.random.default_rng(1)  # basinhopping's own seed has two names

    def leap(w):
        return w + generator.uniform(-1, 1, w.shape)

    end = basinhopping(F, energy.target.ravel(), niter=4, T=0, take_step=leap)
    found = minimise_free_energy(energy, depth, BETA, starts=6)
    assert_allclose(found.value - constant(3, depth), end.fun, atol=1e-8)
    assert_allclose(found.points[0].ravel(), end.x, atol=1e-4)


# --------------------------------------------------------------------------- what must hold


@pytest.mark.parametrize(("depth", "gamma"), [(1.5, 0.1), (2, 1.0), (3, 0.1), (3, 1.0), (6, 0.3)])
def test_scaling_identity(rng, depth, gamma):
    # d/dc of F at (cΛ)^N: N⟨E′, W⟩ - d(d-1)(N-1)/(2β) + γN Σ σ^{2/N} = 0, at rank d - 1 too
    d, energy = 3, energies.MatrixCompletion(rng.standard_normal((3, 3)), rng.random((3, 3)) < 0.7)
    found = minimise_free_energy(energy, depth, BETA, gamma, starts=3)
    for W, rank in zip(found.points, found.ranks, strict=True):
        sigma = np.linalg.svd(W, compute_uv=False)[:rank]
        terms = [
            depth * (energy.gradient(W) * W).sum(),
            -d * (d - 1) / 2 * (depth - 1) / BETA,
            gamma * depth * (sigma ** (2 / depth)).sum(),
        ]
        assert abs(sum(terms)) < 1e-10 * np.abs(terms).sum()


@pytest.mark.parametrize("depth", [2, 3, math.inf])
def test_full_rank_minimisers_are_stationary(rng, depth):
    energy = energies.Quadratic(rng.standard_normal((3, 3)))
    found = minimise_free_energy(energy, depth, BETA, starts=6)
    (W,) = found.points
    slope = entropy.free_energy_gradient(energy, W, depth, BETA, riemannian=False)
    assert np.abs(slope).max() < 1e-12
    assert_allclose(
        found.value, entropy.free_energy(energy, W, depth, BETA), rtol=1e-13, atol=1e-14
    )
    basis = np.eye(9).reshape(-1, 3, 3)
    H = entropy.free_energy_hessian(energy, W, depth, BETA, basis).reshape(9, 9)
    assert_allclose(found.curvatures[0], np.linalg.eigvalsh((H + H.T) / 2)[0], rtol=1e-9)


def test_symmetric_energies_have_symmetric_continua():
    # E = ½‖W‖²: both components of a multiple of O(2)
    found = minimise_free_energy(energies.Quadratic(np.zeros((2, 2))), 3, BETA, 0.1, starts=6)
    assert found.family == "continuum" and (found.dimensions == 1).all()
    sigma = np.linalg.svd(found.points, compute_uv=False)
    assert_allclose(sigma, sigma[0, 0], rtol=1e-9)
    assert set(np.sign(np.linalg.det(found.points))) == {1.0, -1.0}


def test_spectrum_that_can_be_had_at_zero_energy_comes_in_many_ways():
    # three of nine entries observed: E = 0 and the best spectrum leave 8 - 3 - 3 dimensions free
    energy = energies.MatrixCompletion.from_triplets([0, 1, 2], [0, 1, 2], [0.1] * 3, (3, 3))
    found = minimise_free_energy(energy, 3, BETA, 0.1, starts=2)
    assert found.family == "continuum" and (found.dimensions == 2).all()
    assert_allclose(energy.value(found.points), 0, atol=1e-20)
    sigma = np.linalg.svd(found.points, compute_uv=False)
    assert_allclose(sigma[:, :2], sigma[0, 0], rtol=1e-8)


@pytest.mark.parametrize(
    ("d", "depth", "beta", "gamma", "ratio", "dimension"),
    [
        (3, 4, 5.0, 0.05, 1.0, 2),  # diagonal 1: 5 dimensions of σ (1, 1, 0), 3 conditions
        (3, 3, 40.0, 0.4, 183.0, 1),  # symmetric, diagonal of equal entries: 3 and 2
        (4, 4, 40.0, 0.4, 580.0, 2),  # of σ (σ, 1, 1, 0): 5 and 3
    ],
)
def test_continua_of_unlike_singular_values_have_their_dimension(
    d, depth, beta, gamma, ratio, dimension
):
    energy = energies.MatrixCompletion(np.eye(d), np.eye(d, dtype=bool))
    found = minimise_free_energy(energy, depth, beta, gamma, starts=1)
    assert found.family == "continuum" and (found.dimensions == dimension).all()
    assert (found.ranks == d - 1).all()
    sigma = np.linalg.svd(found.points, compute_uv=False)
    assert_allclose(sigma[:, 0] / sigma[:, d - 2], ratio, rtol=0.01)


def test_logistic_energies(rng):
    X = rng.standard_normal((2, 8))
    separable = energies.Logistic(X, np.sign(rng.standard_normal((2, 2)) @ X))
    found = minimise_free_energy(separable, 2, BETA)
    assert found.family == "none" and "not proved" in found.message
    values = [
        entropy.free_energy(separable, x * found.direction, 2, BETA) for x in (1e6, 1e9, 1e12)
    ]
    assert_allclose(np.diff(values), -found.rate * math.log(1e3), rtol=1e-3)
    assert minimise_free_energy(separable, 2, BETA, 0.5, starts=4).family == "points"
    found = minimise_free_energy(separable, 1, BETA)
    assert found.family == "none" and 0 <= found.value < 1e-3


def test_same_call_same_answer():
    first, second = (minimise_free_energy(COMPLETION, 2, BETA, 0.5, starts=5) for _ in range(2))
    assert (first.points == second.points).all() and first.message == second.message
    other = minimise_free_energy(COMPLETION, 2, BETA, 0.5, starts=5, rng=1)
    assert other.points.shape != first.points.shape or (other.points != first.points).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: minimise_free_energy(COMPLETION, math.inf, 1, 0.1), "depth inf"),
        (lambda: minimise_free_energy(energies.Quadratic(np.ones((2, 3))), 2, 1), "square"),
        (lambda: minimise_free_energy(COMPLETION, 0.5, 1), "depth"),
        (lambda: minimise_free_energy(COMPLETION, 2, 0), "beta"),
        (lambda: minimise_free_energy(COMPLETION, 2, 1, -1), "weight_decay"),
        (lambda: minimise_free_energy(COMPLETION, 2, 1, starts=0), "starts"),
        (lambda: minimise_free_energy(COMPLETION, 2, 1, shape=(2,)), "square"),
        (lambda: minimise_free_energy(object(), 2, 1), "pass shape"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("c", [1e-100, 1e12])
@pytest.mark.parametrize(("depth", "gamma"), [(2, 0.0), (3, 0.1), (math.inf, 0.0)])
def test_the_unit_of_the_energy_does_not_matter(c, depth, gamma):
    """Of the target cB at β/c² and γ c^{2-2/N} the minimisers are c times those of B at β and γ.

    Searches that began at size one called F unbounded below where it still fell at 1e6.
    """
    B = np.array([[1.0, 0.3], [-0.2, 0.7]])
    want = minimise_free_energy(energies.Quadratic(B), depth, 5.0, gamma, starts=6)
    decay = gamma * c ** (2 - 2 / depth) if gamma else 0.0
    got = minimise_free_energy(energies.Quadratic(c * B), depth, 5.0 / c**2, decay, starts=6)
    assert (got.family, got.dimensions.tolist()) == (want.family, want.dimensions.tolist())
    np.testing.assert_allclose(got.points / c, want.points, rtol=1e-7)


def test_samples_of_a_continuum_of_tiny_matrices_stay_apart():
    """Points some 1e-9 from each other were one; the set is the same at every size."""
    constraints = np.array([np.eye(2), [[0.0, 1.0], [1.0, 0.0]]])
    values = np.array([1.0, 0.3])
    counts = []
    for c in (1.0, 1e-9):
        energy = energies.MatrixSensing(constraints, c * values)
        found = minimise_free_energy(energy, 2, 5.0 / c**2, 0.2 * c)
        assert found.family == "continuum"
        counts.append(len(found.points))
    assert min(counts) > 20


def test_callback_sees_every_start_and_may_end_the_search():
    energy, seen = energies.Quadratic(np.diag([2.0, 1.0])), []
    whole = entropy.minimise_free_energy(
        energy, 2, 5.0, 0.1, starts=6, callback=lambda count, W: seen.append((count, W))
    )
    assert [count for count, _ in seen] == [1, 2, 3, 4, 5, 6]
    assert all(W.shape == (2, 2) and np.isfinite(W).all() for _, W in seen)
    plain = entropy.minimise_free_energy(energy, 2, 5.0, 0.1, starts=6)
    assert np.array_equal(whole.points, plain.points) and whole.message == plain.message

    def twice(count, W):
        if count == 2:
            raise StopIteration

    found = entropy.minimise_free_energy(energy, 2, 5.0, 0.1, starts=6, callback=twice)
    assert found.searches < whole.searches
    assert "the callback ended the search after 2 of 6 starts" in found.message
    assert found.value == pytest.approx(whole.value, rel=1e-9)

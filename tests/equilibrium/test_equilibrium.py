"""The Gibbs measure: its density from entropy and volume, its samples from the law they claim."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import entropy, equilibrium, metric
from dlngeo._results.ensemble import Ensemble
from dlngeo.energies import LinearRegression, MatrixCompletion, Quadratic
from dlngeo.equilibrium.mixing import effective_size, split_rhat
from dlngeo.weights import haar_frame

INF = math.inf


class Quartic:
    """E = ¼ Tr (WᵀW)², rotation-invariant."""

    def value(self, W):
        return 0.25 * ((W.mT @ W) ** 2).sum(axis=(-2, -1))

    def gradient(self, W):
        return W @ W.mT @ W

    def hessian(self, W, Z):
        raise NotImplementedError


def square(m, n=None):
    return Quadratic(np.zeros((m, m if n is None else n)))


# ------------------------------------------------------------------------------------- density


def from_entropy(sigma, depth, beta, kappa, widths, decay, rng):
    """Log of e^{(S - βF)/κ} vol(g^N) against dλ: the matrix measure times its Jacobian."""
    n, m, r = widths[0], widths[-1], len(sigma)
    W = haar_frame(m, r, rng) * sigma @ haar_frame(n, r, rng).T
    keywords = {"rank": r, "widths": None if math.isinf(depth) else widths}
    free = entropy.free_energy(Quartic(), W, depth, beta, decay, **keywords)  # E - S/β + decay
    total = metric.log_volume_density(W, depth, **keywords) - beta / kappa * free
    pairs = itertools.combinations(sigma, 2)
    total += sum(math.log(abs(s * s - t * t)) for s, t in pairs)
    total += (m + n - 2 * r) * np.log(sigma).sum()  # Frobenius volume of the stratum
    if not math.isinf(depth):
        total += (1 - 1 / depth) * np.log(sigma).sum()  # dσ = N λ^{N-1} dλ
    return total


@pytest.mark.parametrize("kappa", [0.2, 0.5, 1.0, 4.0])
@pytest.mark.parametrize(
    ("widths", "decay"),
    [((3, 3), 0), ((3,) * 4, 0.3), ((3, 5, 4), 0), ((5, 3, 7, 4), 0.2), ((4, 2, 4), 0), (3, 0)],
)
def test_density_is_entropy_energy_and_volume(rng, widths, decay, kappa):
    depth = INF if widths == 3 else len(widths) - 1
    widths = (3, 3) if widths == 3 else widths
    r, beta = min(widths), 1.7
    points = rng.random((3, r)) * 2 + 0.05
    ours = equilibrium.log_density(
        _shaped(Quartic(), widths),
        points,
        depth=depth,
        beta=beta,
        kappa=kappa,
        widths=None if math.isinf(depth) else widths,
        weight_decay=decay,
    )
    known = [from_entropy(s, depth, beta, kappa, widths, decay, rng) for s in points]
    assert_allclose(ours - ours[0], np.array(known) - known[0], rtol=1e-11, atol=1e-11)


def _shaped(energy, widths):
    energy.shape = (widths[-1], widths[0])
    return energy


def test_real_depth_and_order_and_stacks(rng):
    sigma = rng.random((2, 5, 4))
    values = equilibrium.log_density(square(4), sigma, depth=2.5, beta=1.0)
    assert values.shape == (2, 5)
    turned = equilibrium.log_density(square(4), sigma[..., [2, 0, 3, 1]], depth=2.5, beta=1.0)
    assert_allclose(turned, values, rtol=1e-13)
    one = equilibrium.log_density(square(4), sigma[1, 2], depth=2.5, beta=1.0)
    assert_allclose(one, values[1, 2], rtol=1e-14)


def test_density_where_values_meet_or_vanish():
    def at(sigma, depth=3, **rest):
        return equilibrium.log_density(square(2), sigma, depth=depth, beta=1.0, **rest)

    assert at([1.0, 1.0]) == -np.inf
    assert at([0.0, 0.0]) == -np.inf
    assert math.isfinite(at([1.0, 0.0]))  # the smallest may vanish
    assert at([1.0, 0.0], widths=(2, 3, 2, 2)) == -np.inf
    # close together the density is linear in the gap
    rise = at([1 + 2e-13, 1.0]) - at([1 + 1e-13, 1.0])
    gaps = (1 + 2e-13) - 1, (1 + 1e-13) - 1
    assert_allclose(rise, math.log(gaps[0] / gaps[1]), atol=1e-11)
    with pytest.raises(ValueError, match="positive at depth inf"):
        at([1.0, 0.0], INF)


def test_density_of_two_at_depth_two_by_hand():
    # N = 2, d = 2: K = σ_1 + σ_2, λ² = σ
    one, two, beta, kappa = 1.3, 0.4, 0.9, 0.7
    known = -beta / kappa * (one**2 + two**2) / 2 + math.log(one + two) / (2 * kappa)
    known += math.log(one - two)
    ours = equilibrium.log_density(square(2), [one, two], depth=2, beta=beta, kappa=kappa)
    assert_allclose(ours, known, rtol=1e-14)


# ------------------------------------------------------------------------------------- samples


def deviation(draws, known):
    """(mean - known) in standard errors; draws (path, draw)."""
    return (draws.mean() - known) * math.sqrt(effective_size(draws)) / draws.std()


def test_samples_have_their_singular_values_and_haar_frames():
    sample = equilibrium.sample(square(3), shape=(3, 3), depth=2, beta=2.0, n_draws=500, rng=1)
    sigma = sample.singular_values
    assert sample.W.shape == (4, 500, 3, 3) and sigma.shape == (4, 500, 3)
    assert_allclose(np.linalg.svd(sample.W, compute_uv=False), sigma, rtol=1e-9, atol=1e-12)
    # every entry has mean 0 and variance E[mean σ²]/d, and signs of det W are equally likely
    exact = equilibrium.mean_square(3, depth=2, beta=2.0)
    for i, j in np.ndindex(3, 3):
        assert abs(deviation(sample.W[..., i, j], 0)) < 5
        assert abs(deviation(sample.W[..., i, j] ** 2, exact / 3)) < 5
    assert abs(deviation(np.sign(np.linalg.det(sample.W)), 0)) < 5
    # left and right frames are independent: E W ⊗ W has no part between different entries
    assert abs(deviation(sample.W[..., 0, 0] * sample.W[..., 1, 1], 0)) < 5


def test_a_sample_is_an_ensemble():
    sample = equilibrium.sample(
        square(2, 3), shape=(2, 3), depth=2, beta=1.0, widths=(3, 1, 2), n_draws=30, rng=9
    )
    assert isinstance(sample, Ensemble) and isinstance(sample, equilibrium.GibbsSample)
    assert np.array_equal(sample.t, np.arange(30.0))
    assert sample.singular_values.shape == (4, 30, 2)
    assert not sample.singular_values[..., 1].any()  # of rank one, to the last bit
    assert_allclose(sample.energy, 0.5 * (sample.W**2).sum(axis=(-2, -1)), rtol=1e-14)
    assert_allclose(sample.effective_rank, 1.0, rtol=1e-14)
    assert sample.success and sample.weights is None
    assert sample.provenance["seed"] == 9 and sample.provenance["spawn_key"] == ()
    logs = np.log(sample.singular_values[..., :1])
    assert_allclose(sample.r_hat, split_rhat(logs), rtol=1e-12)
    assert_allclose(sample.effective_size, effective_size(logs), rtol=1e-10)
    assert sample.acceptance.shape == (4,)
    assert "R-hat" in repr(sample)
    with pytest.raises(AttributeError):
        sample.W = 0


@pytest.mark.parametrize("shape", [(2, 3), (3, 3)])
def test_depth_one_is_gaussian(shape):
    widths = (shape[1], shape[0])
    sample = equilibrium.sample(
        square(*shape), shape=shape, depth=1, beta=2.0, kappa=0.6, widths=widths, rng=2
    )
    for power, known in ((2, 0.3), (4, 3 * 0.3**2)):
        assert abs(deviation((sample.W**power).mean(axis=(-2, -1)), known)) < 5


@pytest.mark.parametrize(
    ("widths", "kappa", "decay"), [((4, 2, 3), 1.0, 0.0), ((3, 3, 3), 0.4, 0.5), ((2, 6, 5), 2, 1)]
)
def test_energy_balance(widths, kappa, decay):
    """Scaling σ: (β/κ) E[Σ σ ∂V/∂σ] is the degree of the rest of the density, for any V."""
    depth, r, beta = len(widths) - 1, min(widths), 1.5
    energy = _shaped(Quartic(), widths)
    sample = equilibrium.sample_singular_values(
        energy,
        shape=energy.shape,
        depth=depth,
        beta=beta,
        kappa=kappa,
        widths=widths,
        weight_decay=decay,
        n_draws=600,
        rng=3,
    )
    spare = sum(d - r for d in widths[1:-1])
    extra = widths[0] + widths[-1] - 2 * r + spare / kappa
    pair = 1 / (2 * kappa) * (1 - 1 / depth) + 1 / depth
    degree = r * (r - 1) * pair + r * (extra + 1) / depth
    slope = (sample.sigma**4).sum(axis=-1)
    slope += decay * (sample.sigma ** (2 / depth)).sum(axis=-1)
    assert abs(deviation(beta / kappa * slope, degree)) < 5


def test_rank_deficient_samples_have_the_rank():
    sample = equilibrium.sample(
        square(4), shape=(4, 4), depth=2, beta=1.0, widths=(4, 2, 4), n_draws=20, rng=0
    )
    assert sample.r_hat.shape == (2,)
    assert (np.linalg.svd(sample.W, compute_uv=False)[..., 2:] < 1e-12).all()


def test_a_path_is_a_child_of_the_seed():
    keywords = {"shape": (3, 3), "depth": 3, "beta": 1.0, "n_draws": 20, "warmup": 30}
    four = equilibrium.sample(square(3), **keywords, rng=7)
    two = equilibrium.sample(square(3), **keywords, n_paths=2, rng=np.random.SeedSequence(7))
    assert np.array_equal(four.W[:2], two.W)
    again = np.random.SeedSequence(four.provenance["seed"], spawn_key=four.provenance["spawn_key"])
    assert np.array_equal(equilibrium.sample(square(3), **keywords, rng=again).W, four.W)
    gas = equilibrium.sample_singular_values(square(3), **keywords, rng=7)
    assert np.array_equal(gas.sigma, four.singular_values)
    assert not np.array_equal(equilibrium.sample(square(3), **keywords, rng=8).W, four.W)


def test_beta_is_a_unit_of_length():
    keywords = {"shape": (3, 3), "depth": 3, "n_draws": 20, "warmup": 30, "rng": 7}
    one = equilibrium.sample(square(3), beta=1.0, **keywords).singular_values
    huge = equilibrium.sample(square(3), beta=1e20, **keywords).singular_values
    assert_allclose(huge.mean() * 1e10, one.mean(), rtol=0.2)


def test_energies_that_refuse_infinite_matrices():
    """One and the same measure, the energy checking its argument at every step."""
    d, keywords = 3, {"depth": 2, "beta": 1.0, "n_draws": 200, "rng": 5}
    checked = LinearRegression(np.eye(d), np.zeros((d, d)))
    draws = equilibrium.sample_singular_values(checked, shape=(d, d), **keywords).sigma
    plain = equilibrium.sample_singular_values(square(d), shape=(d, d), **keywords).sigma
    # the same noise; sums of squares taken in another order, and chains that forget it
    assert_allclose(draws[:, :5], plain[:, :5], rtol=1e-2)
    assert (
        abs(deviation((draws**2).mean(axis=-1), equilibrium.mean_square(d, depth=2, beta=1.0))) < 5
    )


class Steep:
    """E = e^{4 ‖W‖²}, which overflows within a leap or two; it refuses what is not finite."""

    def value(self, W):
        assert np.isfinite(W).all()
        return np.exp(4 * (W**2).sum(axis=(-2, -1)))

    def gradient(self, W):
        return 8 * self.value(W)[..., None, None] * W

    def hessian(self, W, Z):
        raise NotImplementedError


def test_a_leap_too_far_is_refused():
    sample = equilibrium.sample_singular_values(
        Steep(), shape=(3, 3), depth=2, beta=1.0, n_draws=600, warmup=2, rng=0
    )  # no time to find the step
    assert np.isfinite(sample.sigma).all()
    # the balance of test_energy_balance, E[Σ σ ∂V/∂σ] = 3 · 2 · ¾ + 3/2
    square_sum = (sample.sigma**2).sum(axis=-1)
    assert abs(deviation(8 * square_sum * np.exp(4 * square_sum), 6.0)) < 5


def test_refused_measures():
    def refuse(energy, words, **change):
        keywords = {"shape": (2, 2), "depth": 2, "beta": 1.0} | change
        with pytest.raises(ValueError, match=words):
            equilibrium.sample(energy, **keywords)

    hole = MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))
    refuse(hole, "cannot be normalised.*does not see")
    refuse(hole, "must be rotation-invariant", weight_decay=0.1)
    refuse(Quadratic(np.eye(2)), "must be rotation-invariant")
    refuse(square(2), "cannot be normalised.*depth inf", depth=INF)
    refuse(square(2, 3), "shape")
    refuse(square(2, 3), "widths", shape=(2, 3))
    refuse(square(2), "n_draws", n_draws=3)
    refuse(square(2), "n_paths", n_paths=0)
    refuse(square(2), "beta", beta=-1.0)
    with pytest.raises(ValueError, match="rotation-invariant"):
        equilibrium.log_density(Quadratic(np.eye(2)), [1.0, 2.0], depth=2, beta=1.0)
    with pytest.raises(ValueError, match="least width"):
        equilibrium.log_density(square(3), [1.0, 2.0, 3.0], depth=2, beta=1.0, widths=(3, 2, 3))


# ------------------------------------------------------------------------- the law of large width


def extrapolated_moments(depth, kappa, count, paths=4, draws=300):
    """m_1, ..., m_count of βσ²/d at d = ∞, from d = 12, 24, 48 by 1/d and 1/d²; standard errors."""
    inverse, means, errors = [], [], []
    for d in (12, 24, 48):
        sigma = equilibrium.sample_singular_values(
            square(d),
            shape=(d, d),
            depth=depth,
            beta=1.0,
            kappa=kappa,
            n_paths=paths,
            n_draws=draws,
            warmup=100,
            rng=d,
        ).sigma
        x = sigma**2 / d
        draws_of = np.stack([(x**k).mean(axis=-1) for k in range(1, count + 1)], axis=-1)
        inverse.append(1 / d)
        means.append(draws_of.mean(axis=(0, 1)))
        errors.append(draws_of.std(axis=(0, 1)) / np.sqrt(effective_size(draws_of)))
    to_limit = np.linalg.inv(np.vander(inverse, increasing=True))[0]  # the parabola at 1/d = 0
    return to_limit @ means, np.sqrt((to_limit**2) @ np.square(errors))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_law_of_large_width(depth):
    moments, error = extrapolated_moments(depth, 1.0, 3)
    assert (error < 0.02 * moments).all()
    limit = equilibrium.limit_moments(depth, 3)[1:]
    assert (abs(moments - limit) < 5 * error).all()
    # and the law of twice the depth some 16 errors, whatever way rounding leads the chains
    if depth > 1:
        other = equilibrium.limit_moments(2 * depth, 3)[1:]
        assert (abs(moments - other) > 5 * error).any()


def test_half_kappa_is_marchenko_pastur_at_every_depth():
    moments, error = extrapolated_moments(3, 0.5, 3)
    limit = equilibrium.limit_moments(1, 3)[1:] / 2.0 ** np.arange(1, 4)
    assert (abs(moments - limit) < 5 * error).all()

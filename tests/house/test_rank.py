"""The rank that is asserted, against the one that double precision can tell."""

import math

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced, energies, entropy, flows, metric, submersion, weights
from dlngeo._linalg import svd
from dlngeo.metric import FrozenSpaceWarning

INF = math.inf
ONE = np.array([[1.0, 2.0], [2.0, 4.0]])
TWO = np.outer([1.0, 2, 3], [2.0, 1, 1]) + np.outer([1.0, -1, 2], [0.0, 3, 1])
ENERGY = energies.Quadratic(np.eye(2))
refuses = pytest.raises


def low_rank(rng, widths, r):
    """Balanced weights of rank r, rounded as products are."""
    sigma = np.concatenate((np.linspace(2, 1, r), np.zeros(min(widths) - r)))
    return balanced.random(widths, sigma, rng=rng)


# ------------------------------------------------------------------------------ downstairs

SINGULAR = {
    "inner": lambda W, Z, N, **k: metric.inner(W, Z, Z, N, **k),
    "solve": lambda W, Z, N, **k: metric.solve(W, Z, N, **k),
    "volume": lambda W, Z, N, **k: metric.log_volume_density(W, N, **k),
    "exp": lambda W, Z, N, **k: metric.exp(W, 0.01 * W, N, **k),
    "geodesic": lambda W, Z, N, **k: metric.geodesic(W, 0.01 * W, N, [0.5], **k),
    "log": lambda W, Z, N, **k: metric.log(W, 2 * W, N, **k),
    "distance": lambda W, Z, N, **k: metric.distance(2 * W, W, N, **k),
    "connect": lambda W, Z, N, **k: metric.connect(W, 2 * W, N, **k).distance,
}
FULL_RANK_ONLY = {
    "hessian": lambda W, Z, N: entropy.free_energy_hessian(ENERGY, W, N, 1.0, Z),
    "gradient": lambda W, Z, N: entropy.free_energy_gradient(ENERGY, W, N, 1.0, riemannian=False),
    "laplacian": lambda W, Z, N: entropy.free_energy_laplacian(ENERGY, W, N, 1.0),
}


@pytest.mark.filterwarnings("ignore::dlngeo.metric.FrozenSpaceWarning")
@pytest.mark.parametrize("depth", [2, 3, 2.5, INF])
@pytest.mark.parametrize(("W", "rank"), [(ONE, 1), (TWO, 2)], ids=["2x2", "3x3"])
@pytest.mark.parametrize("name", SINGULAR)
def test_what_is_singular_refuses_and_names_the_rank(name, W, rank, depth):
    Z = W + 0.1
    for scale in (1e-150, 1.0, 1e150):
        with refuses(np.linalg.LinAlgError, match=f"numerical rank is {rank}.*rank={rank}"):
            SINGULAR[name](scale * W, Z, depth)
    assert not np.isnan(SINGULAR[name](W, W, depth, rank=rank)).any()


@pytest.mark.parametrize("depth", [1.5, 2, 3, INF])
@pytest.mark.parametrize("name", FULL_RANK_ONLY)
def test_what_exists_at_full_rank_only_refuses(name, depth):
    with refuses(
        np.linalg.LinAlgError, match="numerical rank is 1, σ_2 <= 2 ε σ_1 being rounding$"
    ):
        FULL_RANK_ONLY[name](ONE, np.eye(2), depth)


def test_a_stated_rank_that_is_too_large_is_refused():
    W = np.outer([1.0, 2, 3], [3.0, 1, 2])
    with refuses(np.linalg.LinAlgError, match="W must have rank 2; its numerical rank is 1"):
        metric.inner(W, W, W, 3, rank=2)
    with refuses(np.linalg.LinAlgError, match="no rank= fits it"):
        metric.inner(np.zeros((2, 2)), np.eye(2), np.eye(2), 3)


def test_known_values_at_the_stated_rank():
    assert metric.inner(ONE, np.eye(2), np.eye(2), 2, rank=1) == pytest.approx(0.1, rel=1e-14)


@pytest.mark.parametrize("name", SINGULAR)
def test_depth_one_never_refuses(name):
    assert np.isfinite(SINGULAR[name](ONE, np.eye(2), 1)).all()
    if name not in ("log", "distance", "connect", "volume"):
        assert np.isfinite(SINGULAR[name](np.zeros((2, 2)), np.eye(2), 1)).all()


def test_a_stack_says_which():
    W = np.stack([np.eye(2), np.eye(2), ONE])
    with refuses(np.linalg.LinAlgError, match=r"^W\[2\] must"):
        metric.solve(W, np.eye(2), 3)
    with refuses(np.linalg.LinAlgError, match=r"^W\[1\]\[0\] must"):
        metric.apply(W[1:, None], np.ones((5, 1, 1, 2, 2)), 10)
    with refuses(np.linalg.LinAlgError, match="^W must"):
        metric.apply(ONE, np.ones((5, 2, 2)), 10)


# ------------------------------------------------------- continuous functions, against 60 digits


def exact_apply(W, Z, depth):
    """𝒜(Z) of a matrix W = u vᵀ of rank one by its definition, whole depth."""
    with mpmath.workdps(60):
        W, Z = mpmath.matrix(W.tolist()), mpmath.matrix(Z.tolist())
        total = mpmath.zeros(Z.rows, Z.cols)
        size = mpmath.mnorm(W, "f")
        left, right = W * W.T / size**2, W.T * W / size**2  # projectors
        for k in range(1, depth + 1):
            a, b = 2 * mpmath.mpf(depth - k) / depth, 2 * mpmath.mpf(k - 1) / depth
            P = left * size**a if depth > k else mpmath.eye(Z.rows)
            Q = right * size**b if k > 1 else mpmath.eye(Z.cols)
            total += P * Z * Q
        return np.array(total.tolist(), dtype=float)


@pytest.mark.parametrize("depth", [2, 3, 4, 6, 10, 20])
def test_apply_is_right_or_refuses(depth, rng):
    """At rank one, unstated: the answer to 1e-10, or a refusal; at N = 2 to rounding."""
    answered = 0
    for _ in range(40):
        W = np.outer(*rng.standard_normal((2, 3)))
        Z = rng.standard_normal((3, 3))
        want = exact_apply(W, Z, depth)
        try:
            got = metric.apply(W, Z, depth)
        except np.linalg.LinAlgError as error:
            assert "pass rank=1" in str(error)
            continue
        answered += 1
        assert np.abs(got - want).max() <= (1e-14 if depth == 2 else 2e-10) * np.abs(want).max()
    assert answered == (40 if depth <= 3 else 0)


@pytest.mark.parametrize("function", [metric.apply, metric.sqrt])
def test_infinite_depth_refuses_what_was_a_third_off(function):
    Z = np.array([[1.0, -1.0], [0.5, 2.0]])
    with refuses(np.linalg.LinAlgError, match="pass rank=1"):
        function(ONE, Z, INF)
    with pytest.warns(FrozenSpaceWarning):
        assert np.isfinite(function(ONE, Z, INF, rank=1)).all()


def test_entropy_at_corank_one():
    """S = log c_2 (N - 1) + ½ log K(σ_1, σ_2): at N = 2 K = σ_1 + σ_2, hardly moved by rounding."""
    want = entropy.orthogonal_group_log_volume(2) + 0.5 * math.log(5)
    assert entropy.boltzmann(ONE, 2) == pytest.approx(want, rel=1e-15)
    assert entropy.boltzmann(np.diag([1.0, 0.0]), 10) == pytest.approx(
        9 * entropy.orthogonal_group_log_volume(2), rel=1e-15
    )
    for depth in (4, 10, INF):
        with refuses(np.linalg.LinAlgError, match="pass rank=1"):
            entropy.boltzmann(ONE, depth)
    for function in (entropy.boltzmann, entropy.gradient):
        with refuses(np.linalg.LinAlgError, match="pass rank=1"):
            function(np.outer([1.0, 2, 3], [1.0, 1, 2]), 3)  # corank two: S is -inf


def test_free_energy_and_its_gradient_go_by_the_entropy():
    energy = energies.Quadratic(np.eye(2))
    assert np.isfinite(entropy.free_energy(energy, ONE, 2, 1.0))
    for depth, decay in ((10, 0.0), (5, 1.0)):
        with refuses(np.linalg.LinAlgError, match="pass rank=1"):
            entropy.free_energy(energy, ONE, depth, 1.0, decay)
        with refuses(np.linalg.LinAlgError, match="pass rank=1"):
            entropy.free_energy_gradient(energy, ONE, depth, 1.0, decay)


def test_zeros_that_the_pattern_of_entries_shows_are_known():
    """As today: diag(1, 0) has σ_2 = 0, whatever the depth."""
    D, Z = np.diag([1.0, 0.0]), np.array([[1.0, 2.0], [3.0, 4.0]])
    arrow = np.array([[1.0, 2, 3], [2, 0, 0], [3, 0, 0]])  # of rank two by its zeros
    for depth in (3, 10, 50):
        want = np.array([[depth, 2], [3, 0]])
        assert_allclose(metric.apply(D, Z, depth), want, rtol=1e-15, atol=1e-15)
        got, stated = (metric.apply(arrow, np.eye(3), depth, rank=r) for r in (None, 2))
        assert_allclose(got, stated, rtol=1e-13, atol=1e-13 * np.abs(stated).max())
    with pytest.warns(FrozenSpaceWarning):
        stated = metric.apply(D, Z, INF, rank=1)
    assert_allclose(metric.apply(D, Z, INF), stated)
    assert entropy.boltzmann(np.diag([1.0, 0, 0]), 3) == -INF


def test_a_flow_does_not_start_where_rounding_decides():
    """At depth 3 and more a σ of rounding size grows from where the exact one would stay zero."""
    energy = energies.Quadratic(np.eye(3))
    W = np.outer([1.0, 2, 3], [0.1, 0.2, 0.1])
    with refuses(np.linalg.LinAlgError, match="pass rank=1"):
        flows.gradient_flow(energy, W, (0, 1), depth=10)
    assert flows.gradient_flow(energy, W, (0, 1), depth=10, rank=1).success
    assert flows.gradient_flow(energy, np.zeros((3, 3)), (0, 1), depth=10).success


# ------------------------------------------------------------------- graded matrices, both sides


def graded_case(rng, condition, *, decades=12, d=3):
    """D_1 C D_2 with C of this condition number: σ_3 some 1e-24 of σ_1."""
    U, V = (np.linalg.qr(A)[0] for A in rng.standard_normal((2, d, d)))
    C = (U * np.geomspace(1, 1 / condition, d)) @ V
    scale = np.logspace(0, -decades, d)
    return scale[:, None] * C * scale


def exact_singular_values(W):
    with mpmath.workdps(120):
        return np.array([float(s) for s in mpmath.svd_r(mpmath.matrix(W.tolist()), compute_uv=0)])


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6, 1e9, 1e12])
def test_graded_matrices_are_accepted_where_their_scaled_condition_certifies(condition, rng):
    for _ in range(5):
        W = graded_case(rng, condition)
        want = exact_singular_values(W)
        assert want[-1] < 1e-20 * want[0]
        assert metric.inner(W, W, W, 2) > 0
        assert_allclose(svd(W)[1], want, rtol=min(1e-14 * condition, 1e-3))


def test_graded_matrices_of_singular_scaled_core_are_refused(rng):
    """Rounding is then all that there is of σ_3, however small."""
    for _ in range(20):
        C = np.round(8 * rng.standard_normal((3, 2))) @ np.round(8 * rng.standard_normal((2, 3)))
        scale = 2.0 ** np.array([0, -20, -40])
        with refuses(np.linalg.LinAlgError, match="numerical rank is 2"):
            metric.inner(scale[:, None] * C * scale, np.eye(3), np.eye(3), 3)
    with refuses(np.linalg.LinAlgError, match="numerical rank is 1"):
        metric.inner(np.array([[1, 2e-20], [2e-20, 4e-40]]), np.eye(2), np.eye(2), 2)


@pytest.mark.parametrize("W", [np.diag([1.0, 1e-300]), np.diag([1e-300, 1.0, 1e-30])])
def test_diagonal_matrices_are_graded(W):
    s = np.diag(W)
    assert metric.inner(W, W, W, 2) == pytest.approx(s.sum() / 2, rel=1e-14)


def test_small_but_not_of_rounding_size_is_accepted(rng):
    U, V = (np.linalg.qr(A)[0] for A in rng.standard_normal((2, 3, 3)))
    W = (U * [1.0, 0.5, 1e-14]) @ V
    assert metric.inner(W, W, W, 2) > 0
    with refuses(np.linalg.LinAlgError):
        metric.inner((U * [1.0, 0.5, 1e-17]) @ V, W, W, 2)


# -------------------------------------------------------------------------------- upstairs

UPSTAIRS = {
    "project": lambda w, V, **k: balanced.project_tangent(w, V, **k)[0],
    "vertical": lambda w, V, **k: submersion.vertical(w, V, **k)[0],
    "horizontal": lambda w, V, **k: submersion.horizontal(w, V, **k)[0],
    "lift": lambda w, V, **k: submersion.horizontal_lift(w, V[0], **k)[0],
    "curvature": lambda w, V, **k: balanced.mean_curvature(w, **k)[0],
    "second form": lambda w, V, **k: balanced.second_fundamental_form(w, V, V, **k)[0],
    "retract": lambda w, V, **k: balanced.retract(w, [0.01 * X for X in V], **k)[0],
    "basis": lambda w, V, **k: balanced.orthonormal_basis(w, **k).l[0],
    "chart": lambda w, V, **k: balanced.to_svd(w, **k)[1],
}


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("name", UPSTAIRS)
def test_layers_of_lower_rank_are_refused(name, depth, rng):
    layers = low_rank(rng, (4,) * (depth + 1), 2)
    V = tuple(rng.standard_normal((depth, 4, 4)))
    for stated in ({}, {"rank": 3}):
        with refuses(np.linalg.LinAlgError, match=r"weights\[0\].*numerical rank is 2.*rank=2"):
            UPSTAIRS[name](layers, V, **stated)
    assert np.isfinite(UPSTAIRS[name](layers, V, rank=2)).all()


@pytest.mark.parametrize("name", UPSTAIRS)
def test_one_layer_of_any_rank_is_taken(name, rng):
    V = (rng.standard_normal((2, 2)),)
    for W in (ONE, np.zeros((2, 2))):
        assert np.isfinite(UPSTAIRS[name]((W,), V)).all()


@pytest.mark.parametrize("name", UPSTAIRS)
def test_deep_networks_are_ordinary_however_small_their_product(name):
    """Ten Gaussian balanced layers: σ_10/σ_1 of W is below rounding, of a layer it is not."""
    layers = weights.random_balanced((10,) * 11, 1.0, rng=0)
    sigma = np.linalg.svd(weights.end_to_end(layers), compute_uv=False)
    assert sigma[-1] < 1e-15 * sigma[0]
    assert np.isfinite(UPSTAIRS[name](layers, layers)).all()


def test_every_layer_is_looked_at():
    """Balanced to 1e-10 relatively, yet the second layer has lost its second singular value."""
    layers = (np.diag([1.0, 1e-6]), np.full((2, 2), 0.5))
    turn = np.array([[1.0, 1.0], [1.0, -1.0]]) / math.sqrt(2)
    first = turn @ layers[0]
    with refuses(np.linalg.LinAlgError, match=r"weights\[1\] must have full rank 2"):
        balanced.to_svd((first, layers[1]))


def test_lift_of_a_matrix_of_lower_rank():
    with refuses(np.linalg.LinAlgError, match="pass rank=1"):
        balanced.lift(np.ones((3, 3)), 3)
    layers = balanced.lift(np.ones((3, 3)), 3, rank=1)
    assert_allclose(weights.end_to_end(layers), np.ones((3, 3)), rtol=1e-14)
    for W in balanced.lift(np.diag([8.0, 0.0]), 3):
        assert_allclose(W, np.diag([2.0, 0.0]), rtol=1e-15)


# ------------------------------------------------------------------- infinite, and out of balance


def test_an_infinite_answer_is_never_steady(monkeypatch):
    """An SVD that happens to return σ_2 = 0 leaves the same doubt: S is -inf there, or finite."""
    from dlngeo.spectral import fibre_volume as fibres

    def rounded_to_zero(W):
        U, sigma, Vt = svd(W)
        return U, np.where(sigma < 1e-15 * sigma[..., :1], 0.0, sigma), Vt

    monkeypatch.setattr(fibres, "svd", rounded_to_zero)
    with refuses(np.linalg.LinAlgError, match="pass rank=1"):
        entropy.boltzmann(ONE, INF)
    with refuses(np.linalg.LinAlgError, match="pass rank=1"):
        entropy.boltzmann(np.ones((3, 3)), 3)


def test_layers_that_differ_in_a_small_direction_are_refused():
    """Balanced to 1e-9 of their norm, but not in λ_2, which the lift divides by."""
    layers = (np.diag([1.0, 1e-6]), np.diag([1.0, 3e-5]))
    with refuses(ValueError, match=r"balanced in every direction; weights\[1\]"):
        submersion.horizontal_lift(layers, np.eye(2))
    close = (np.diag([1.0, 1e-6]), np.diag([1.0, 1e-6 * (1 + 1e-5)]))
    lifted = submersion.horizontal_lift(close, np.eye(2))
    assert_allclose(submersion.differential(close, lifted), np.eye(2), atol=1e-4)


def test_polar_chart_of_a_matrix_of_rank_one():
    """(uuᵀ)^{1/2} = uuᵀ/|u|, without the root of what rounding leaves in a square."""
    u = np.outer([1.0, 2, 3], [1.0, 2, 3])
    for chart in (balanced.from_right_polar, balanced.from_left_polar):
        for layer in chart(u, (np.eye(3),) * 3):
            assert_allclose(layer, u, rtol=1e-13)


def test_bures_wasserstein_at_rank_one():
    v, w = (np.outer(x, x) for x in ([1.0, 2, 3], [3.0, 0, -1]))
    assert submersion.bures_wasserstein(v, v) < 1e-14
    assert submersion.bures_wasserstein(v, w) == pytest.approx(math.sqrt(24), rel=1e-14)

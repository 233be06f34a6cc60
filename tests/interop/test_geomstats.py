"""The face to geomstats: its abstract test cases, its estimators and its other metrics as oracles.

geomstats' test cases come in two kinds. Those that draw their own data are all run here, each on
every space, or listed as refused with the reason; those that want expected values are replaced by
tests of this file.
"""

import inspect
import itertools
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)  # of its backend loader
    pytest.importorskip("geomstats")

import geomstats.backend as gs
from geomstats.geometry.general_linear import GeneralLinear
from geomstats.geometry.matrices import MatricesMetric
from geomstats.geometry.spd_matrices import SPDBuresWassersteinMetric, SPDMatrices
from geomstats.learning.frechet_mean import FrechetMean

from dlngeo import balanced, metric, weights
from dlngeo.interop.geomstats import (
    BalancedManifold,
    DeepLinearMetric,
    EndToEndMatrices,
    GaugeAction,
)

INF = math.inf

# --------------------------------------------------------------------- geomstats' own test cases

DATA = {"n_points": [1, 2], "n_times": [3], "n_reps": [2], "atol": [1e-6]}
VECTORS = "geomstats computes this for points that are vectors only"
TRANSPORT = "no closed form of parallel transport is known; geomstats' ladders approximate it"
COORDINATES = "the ambient metric has no matrix on the N d² entries of a tangent vector"
CURVATURE = [
    "test_covariant_riemann_tensor_bianchi_identity",
    "test_covariant_riemann_tensor_is_interchange_symmetric",
    "test_covariant_riemann_tensor_is_skew_symmetric_1",
    "test_covariant_riemann_tensor_is_skew_symmetric_2",
]
PARALLEL = [
    "test_parallel_transport_bvp_norm",
    "test_parallel_transport_bvp_transported_is_tangent",
    "test_parallel_transport_bvp_vec",
    "test_parallel_transport_ivp_norm",
    "test_parallel_transport_ivp_transported_is_tangent",
    "test_parallel_transport_ivp_vec",
]
REFUSED_DOWNSTAIRS = {
    "test_geodesic_equation_vec": (NotImplementedError, VECTORS),
    **{name: (NotImplementedError, VECTORS) for name in CURVATURE},
    **{name: (NotImplementedError, TRANSPORT) for name in PARALLEL},
}
REFUSED_UPSTAIRS = {
    **REFUSED_DOWNSTAIRS,
    "test_metric_matrix_is_spd": (NotImplementedError, COORDINATES),
}


def end_to_end(d, depth):
    return EndToEndMatrices(d, positive_det=True, equip=False).equip_with_metric(
        DeepLinearMetric, depth=depth
    )


SPACES = {
    "end-to-end 1": lambda: EndToEndMatrices(1),
    "end-to-end 3": lambda: EndToEndMatrices(3),
    "positive determinant": lambda: EndToEndMatrices(2, positive_det=True),
    "balanced 1 x 1": lambda: BalancedManifold(1, 3),
    "balanced depth 1": lambda: BalancedManifold(2, 1),
    "balanced depth 4": lambda: BalancedManifold(3, 4),
}
METRICS = {
    "g^1 on 3 x 3": (3, 1),
    "g^2 on 2 x 2": (2, 2),
    "g^2.5 on 1 x 1": (1, 2.5),
    "g^inf on 1 x 1": (1, INF),
}


def own_data(test_case):
    """The tests of an abstract case that draw their own data, with every choice of arguments."""
    for name in [name for name in dir(test_case) if name.startswith("test_")]:
        parameters = list(inspect.signature(getattr(test_case, name)).parameters)[1:]
        if set(parameters) <= set(DATA):
            for values in itertools.product(*(DATA[p] for p in parameters)):
                yield name, dict(zip(parameters, values, strict=True))


def cases():
    """(label, abstract case, space, data generator, test, arguments, what refuses it) of all."""
    from geomstats.test.random import EmbeddedSpaceRandomDataGenerator
    from geomstats.test_cases.geometry.base import LevelSetTestCase, VectorSpaceOpenSetTestCase
    from geomstats.test_cases.geometry.riemannian_metric import RiemannianMetricTestCase

    class NearUpstairs(EmbeddedSpaceRandomDataGenerator):
        """Near the unit matrices, so that geodesics stay within full rank."""

        def __init__(self, space):
            super().__init__(space, amplitude=8.0)

        def random_point(self, n_points=1):
            return near_the_units(self.space, n_points)

    class Near(EmbeddedSpaceRandomDataGenerator):
        """Near the identity, so that geodesics stay within full rank."""

        def __init__(self, space):
            super().__init__(space, amplitude=8.0)

        def random_point(self, n_points=1):
            return np.eye(self.space.d) + self.space.random_point(n_points, bound=0.1)

    for label, space in SPACES.items():
        upstairs = label.startswith("balanced")
        base = LevelSetTestCase if upstairs else VectorSpaceOpenSetTestCase
        for name, arguments in own_data(base):
            yield label, base, space, EmbeddedSpaceRandomDataGenerator, name, arguments, None
        if upstairs:
            for name, arguments in own_data(RiemannianMetricTestCase):
                refused = REFUSED_UPSTAIRS.get(name)
                yield label, RiemannianMetricTestCase, space, NearUpstairs, name, arguments, refused
    for label, (d, depth) in METRICS.items():
        for name, arguments in own_data(RiemannianMetricTestCase):

            def space(d=d, depth=depth):
                return end_to_end(d, depth)

            refused = REFUSED_DOWNSTAIRS.get(name)
            yield label, RiemannianMetricTestCase, space, Near, name, arguments, refused


# It gives vectors upstairs to horizontal_lift, which holds only where base and total space are one
# set; in its place test_derivative_of_the_integrability_tensor.
LIFTS_UPSTAIRS = "test_integrability_tensor_derivative_vec"
BUNDLES = {"1 x 1": (1, 3), "depth 1": (2, 1), "depth 2": (2, 2), "depth 3": (3, 3)}


def bundle(d, depth):
    space = BalancedManifold(d, depth).equip_with_group_action(GaugeAction(d, depth))
    assert space.equip_with_quotient() is None
    return space


def near_the_units(space, n_points=1):
    """Balanced weights near the unit matrices, in a gauge near the unit one."""
    shape = space.shape if n_points == 1 else (n_points, *space.shape)
    noise = gs.random.normal(size=shape)
    return space.projection(np.eye(space.d) + 0.1 * noise)


def bundle_cases():
    from geomstats.test.random import RandomDataGenerator
    from geomstats.test_cases.geometry.fiber_bundle import FiberBundleTestCase

    class Upstairs(RandomDataGenerator):
        def __init__(self, space):
            super().__init__(space, amplitude=8.0)

        def random_point(self, n_points=1):
            return near_the_units(self.space, n_points)

    class Downstairs(Upstairs):
        def random_point(self, n_points=1):
            return np.eye(self.space.d) + self.space.random_point(n_points, bound=0.1)

    for label, size in BUNDLES.items():
        for name, arguments in own_data(FiberBundleTestCase):
            if name == LIFTS_UPSTAIRS:
                continue
            yield label, (FiberBundleTestCase, size, Upstairs, Downstairs, name, arguments)


def pytest_generate_tests(metafunc):
    if "of_a_bundle" in metafunc.fixturenames:
        metafunc.parametrize(
            "of_a_bundle",
            [
                pytest.param(case, id="-".join([label, case[4], *map(str, case[5].values())]))
                for label, case in bundle_cases()
            ],
        )
    if "abstract" in metafunc.fixturenames:
        for mark in ("random", "shape", "type", "vec", "mathprop"):
            metafunc.config.addinivalue_line("markers", f"{mark}: of geomstats' test cases")
        parameters = [
            pytest.param(
                case[1:],
                id="-".join([case[0], case[1].__name__, case[4], *map(str, case[5].values())]),
            )
            for case in cases()
        ]
        metafunc.parametrize("abstract", parameters)


def test_the_abstract_test_cases_of_geomstats(abstract):
    base, space, generator, name, arguments, refused = abstract
    case = type("Case", (base,), {})()
    case.space = space()
    case.data_generator = generator(case.space)
    case.setup_method()
    gs.random.seed(7)
    if refused is None:
        getattr(case, name)(**arguments)
    else:
        with pytest.raises(refused[0]):
            getattr(case, name)(**arguments)


def test_the_fiber_bundle_test_case_of_geomstats(of_a_bundle):
    """All of it that draws its own data passes, but for the one that lifts vectors upstairs."""
    base, (d, depth), upstairs, downstairs, name, arguments = of_a_bundle
    case = type("Case", (base,), {})()
    case.total_space, case.base = bundle(d, depth), end_to_end(d, depth)
    case.data_generator = upstairs(case.total_space)
    case.base_data_generator = downstairs(case.base)
    case.setup_method()
    gs.random.seed(11)
    getattr(case, name)(**arguments)


# ------------------------------------------------------------------------------------ downstairs


def test_points_of_another_shape_do_not_belong():
    space = EndToEndMatrices(2)
    assert not space.belongs(np.ones(2))
    assert not space.belongs(np.ones((2, 3)))
    assert space.belongs(np.ones((4, 5, 3, 3))).tolist() == np.zeros((4, 5)).astype(bool).tolist()
    manifold = BalancedManifold(2, 3)
    assert not manifold.belongs(np.eye(2))
    assert not manifold.belongs(np.stack([np.eye(2)] * 2))
    assert manifold.belongs(np.zeros((4, 2, 3, 3))).tolist() == [False] * 4


def test_invertible_matrices_belong_in_every_unit():
    points = np.array([np.eye(2), [[1, 2], [2, 4]], [[0, 0], [0, 0]], np.diag([1.0, -1e-9])])
    for unit in (1.0, 1e-200, 1e150):
        assert EndToEndMatrices(2).belongs(unit * points).tolist() == [True, False, False, True]
        positive = EndToEndMatrices(2, positive_det=True)
        assert positive.belongs(unit * points).tolist() == [True, False, False, False]
    assert EndToEndMatrices(2).belongs(points[3], atol=1e-8).tolist() is False
    assert not EndToEndMatrices(2).belongs(np.array([[np.nan, 0], [0, 1]]))


def test_projection_moves_only_what_does_not_belong(rng):
    space, positive = EndToEndMatrices(3), EndToEndMatrices(3, positive_det=True)
    W = rng.standard_normal((20, 3, 3))
    graded = np.diag([1.0, 1e-4, 1e-9])
    np.testing.assert_array_equal(space.projection(W), W)
    np.testing.assert_array_equal(space.projection(graded), graded)
    inside = np.linalg.det(W) > 0
    moved = positive.projection(W)
    np.testing.assert_array_equal(moved[inside], W[inside])
    assert 0 < inside.sum() < 20
    np.testing.assert_allclose(np.linalg.det(moved), np.abs(np.linalg.det(W)), rtol=1e-12)
    # A reflection in the direction of the smallest singular value: the shortest that exists.
    sigma = np.linalg.svd(W[~inside], compute_uv=False)
    moves = np.linalg.norm(moved[~inside] - W[~inside], axis=(-2, -1))
    np.testing.assert_allclose(moves, 2 * sigma[:, -1], rtol=1e-12)
    for singular in (np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, -1.0, 0.0])):
        for case in (space, positive):
            assert case.belongs(case.projection(singular), atol=1e-6)
            assert np.abs(case.projection(singular) - singular).max() < 1e-5


def test_random_points_repeat_with_the_seed_of_geomstats():
    for space in (EndToEndMatrices(3), BalancedManifold(3, 2)):
        draws = []
        for seed in (1, 1, 2):
            gs.random.seed(seed)
            base = space.random_point(4)
            draws.append(np.stack([base, space.random_tangent_vec(base, 4)]))
        np.testing.assert_array_equal(draws[0], draws[1])
        for first, second in zip(draws[0], draws[2], strict=True):  # points; tangent vectors
            assert np.abs(first - second).max() > 0.1
        assert np.abs(draws[0][0, 0] - draws[0][0, 1]).max() > 0.1


@pytest.mark.parametrize("depth", [1, 2, 3.5, INF])
def test_matrices_of_the_metric(rng, depth):
    space = end_to_end(3, depth)
    W, a, b = rng.standard_normal((3, 5, 3, 3))
    g, h = space.metric.metric_matrix(W), space.metric.cometric_matrix(W)
    flat_a, flat_b = a.reshape(5, 9), b.reshape(5, 9)
    np.testing.assert_allclose(
        np.einsum("bi,bij,bj->b", flat_a, g, flat_b), space.metric.inner_product(a, b, W), rtol=1e-9
    )
    np.testing.assert_allclose(
        np.einsum("bi,bij,bj->b", flat_a, h, flat_b), space.metric.inner_coproduct(a, b, W)
    )
    for one, other in zip(g, h, strict=True):
        np.testing.assert_allclose(one @ other, np.eye(9), atol=1e-14 * np.linalg.cond(other))
    np.testing.assert_allclose(space.metric.hamiltonian((W, a)), metric.inner(
        W, metric.apply(W, a, depth), metric.apply(W, a, depth), depth) / 2)  # fmt: skip


def test_depth_one_is_the_euclidean_metric_of_geomstats(rng):
    space, other = EndToEndMatrices(3), GeneralLinear(3)
    assert isinstance(other.metric, MatricesMetric)
    W, V, Z = np.eye(3) + 0.2 * rng.standard_normal((3, 4, 3, 3))
    for name, arguments in {
        "inner_product": (V, Z, W),
        "squared_norm": (V, W),
        "norm": (V, W),
        "dist": (W, V),
        "squared_dist": (W, V),
        "exp": (0.1 * Z, W),
        "log": (V, W),
    }.items():
        want = getattr(other.metric, name)(*arguments)
        np.testing.assert_allclose(getattr(space.metric, name)(*arguments), want, rtol=1e-12)


def test_depth_two_on_symmetric_matrices_is_twice_bures_wasserstein():
    """Transposition is an isometry of g^N, so its fixed points are totally geodesic."""
    other = SPDMatrices(3, equip=False).equip_with_metric(SPDBuresWassersteinMetric)
    ours = end_to_end(3, 2).metric
    gs.random.seed(3)
    W, V = (np.eye(3) + 0.1 * other.random_point(2) for _ in range(2))
    Z, Y = 0.1 * other.random_tangent_vec(W), other.random_tangent_vec(W)
    np.testing.assert_allclose(
        ours.inner_product(Z, Y, W), 2 * other.metric.inner_product(Z, Y, W), rtol=1e-10
    )
    np.testing.assert_allclose(ours.exp(Z, W), other.metric.exp(Z, W), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(
        ours.dist(W, V), np.sqrt(2) * other.metric.dist(W, V), rtol=1e-7
    )  # theirs is a root of a difference
    np.testing.assert_allclose(ours.log(V, W), other.metric.log(V, W), atol=1e-8)


@pytest.mark.parametrize("depth", [1, 2, 3, 4.5, INF])
def test_frechet_mean_of_commuting_matrices(rng, depth):
    """Diagonal matrices of one order are flat in λ = σ^{1/N} (at depth inf: in log σ)."""
    space = end_to_end(3, depth)
    sigma = np.sort(rng.uniform(0.5, 2, (5, 3)))[:, ::-1]
    w = rng.uniform(0.5, 1, 5)
    U, V = (np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(2))
    V[:, 0] *= np.linalg.det(U) * np.linalg.det(V)
    if depth == INF:
        mean = np.exp(np.average(np.log(sigma), axis=0, weights=w))
    else:
        mean = np.average(sigma ** (1 / depth), axis=0, weights=w) ** depth
    estimator = FrechetMean(space)
    estimator.set(epsilon=1e-22)
    points = (U * sigma[:, None, :]) @ V.T
    estimate = estimator.fit(points, weights=w).estimate_
    np.testing.assert_allclose(estimate, (U * mean) @ V.T, atol=1e-10)


@pytest.mark.parametrize("depth", [2, INF])
def test_distances_of_commuting_matrices(rng, depth):
    space = end_to_end(2, depth)
    sigma = np.sort(rng.uniform(0.5, 2, (4, 2)))[:, ::-1]
    flat = np.log(sigma) if depth == INF else np.sqrt(depth) * sigma ** (1 / depth)
    want = np.linalg.norm(flat[:, None] - flat, axis=-1)
    points = sigma[:, :, None] * np.eye(2)
    np.testing.assert_allclose(space.metric.dist_pairwise(points), want, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        space.metric.dist_broadcast(points[:3], points), want[:3], atol=1e-14
    )
    assert space.metric.diameter(points) == pytest.approx(want.max(), rel=1e-12)
    nearest = space.metric.closest_neighbor_index(points[0], points[1:])
    assert nearest == want[0, 1:].argmin()


def test_frechet_mean_minimises_the_variance(rng):
    """Of matrices that do not commute: a minimum along two lines, by its parabola."""
    space = end_to_end(2, 2)
    points = np.eye(2) + 0.2 * rng.standard_normal((3, 2, 2))
    estimator = FrechetMean(space)
    estimator.set(epsilon=1e-14)
    mean = estimator.fit(points).estimate_
    h = 1e-3
    for direction in rng.standard_normal((2, 2, 2)):
        ahead, here, behind = (
            (space.metric.dist(mean + s * h * direction, points) ** 2).sum() for s in (1, 0, -1)
        )
        vertex = (behind - ahead) / (2 * (ahead + behind - 2 * here))  # in units of h
        assert ahead + behind > 2 * here
        assert abs(vertex) < 1e-2


@pytest.mark.parametrize("depth", [3, INF])
def test_exp_and_log_are_inverse(rng, depth):
    ours = end_to_end(2, depth).metric
    W, V = np.eye(2) + 0.1 * rng.standard_normal((2, 2, 2))
    velocity = ours.log(point=V, base_point=W)
    np.testing.assert_allclose(ours.exp(tangent_vec=velocity, base_point=W), V, atol=1e-11)
    np.testing.assert_allclose(ours.dist(W, V), ours.norm(velocity, W), rtol=1e-11)
    np.testing.assert_allclose(ours.geodesic(W, end_point=V)([0.0, 1.0]), [W, V], atol=1e-11)


def test_geodesics_take_times_as_geomstats_does(rng):
    ours = end_to_end(2, 3).metric
    W, Z = np.eye(2) + 0.1 * rng.standard_normal((5, 2, 2)), 0.1 * rng.standard_normal((5, 2, 2))
    path = ours.geodesic(W, initial_tangent_vec=Z)
    assert path(0.5).shape == (5, 1, 2, 2)
    assert path([0.0, -0.3, 0.9]).shape == (5, 3, 2, 2)
    assert ours.geodesic(W[0], initial_tangent_vec=Z)(0.5).shape == (5, 1, 2, 2)
    np.testing.assert_allclose(path([1.0, -0.5])[:, 1], ours.exp(-0.5 * Z, W), atol=1e-11)
    with pytest.raises(ValueError, match="one of"):
        ours.geodesic(W)
    with pytest.raises(ValueError, match="one of"):
        ours.geodesic(W, end_point=W, initial_tangent_vec=Z)
    with pytest.raises(np.linalg.LinAlgError):
        ours.geodesic(np.eye(2), initial_tangent_vec=-np.diag([4.0, 0.0]))(1.0)


def test_ladders_of_geomstats_approximate_parallel_transport(rng):
    """Pole ladders keep lengths with an error of second order in the rungs."""
    ours = end_to_end(2, 2).metric
    W, V, Z = np.eye(2), *(0.4 * rng.standard_normal((2, 2, 2)))
    end = ours.exp(Z, W)
    errors = []
    for rungs in (2, 4):
        moved = ours.ladder_parallel_transport(V, W, Z, n_rungs=rungs, alpha=2)
        length = ours.norm(moved["transported_tangent_vec"], end)
        errors.append(abs(length - ours.norm(V, W)))
    assert errors[0] < 1e-2
    assert 3 < errors[0] / errors[1] < 5.5


def test_constructors_check():
    with pytest.raises(ValueError, match="d must be"):
        EndToEndMatrices(0)
    with pytest.raises(TypeError, match="depth must be"):
        BalancedManifold(2, 2.5)
    with pytest.raises(ValueError, match="depth must be"):
        DeepLinearMetric(EndToEndMatrices(2), 0.5)
    with pytest.raises(ValueError, match="must hold matrices"):
        DeepLinearMetric(BalancedManifold(2, 2), 2)


# -------------------------------------------------------------------------------------- upstairs


def tangent_space(manifold, point):
    """An orthonormal basis of the kernel of the Jacobian, by differences (exact: quadratic)."""
    units = np.eye(point.size).reshape(-1, *manifold.shape)
    columns = (manifold.submersion(point + units) - manifold.submersion(point - units)) / 2
    _, s, Vt = np.linalg.svd(columns.reshape(len(units), -1).T)
    return Vt[(s > 1e-10).sum() :]


@pytest.mark.parametrize(("d", "depth"), [(1, 3), (2, 1), (2, 4), (3, 2), (3, 3)])
def test_tangent_space_is_the_kernel_of_the_submersion(rng, d, depth):
    manifold = BalancedManifold(d, depth)
    gs.random.seed(d + depth)
    point, vector = manifold.random_point(), rng.standard_normal((depth, d, d))
    basis = tangent_space(manifold, point)
    assert manifold.dim == len(basis)
    want = (basis.T @ (basis @ vector.ravel())).reshape(vector.shape)
    got = manifold.to_tangent(vector, point)
    np.testing.assert_allclose(got, want, atol=1e-12)
    assert manifold.is_tangent(got, point)
    assert depth == 1 or not manifold.is_tangent(vector, point, atol=1e-6)
    slope = manifold.submersion(point + vector) - manifold.submersion(point - vector)
    np.testing.assert_allclose(manifold.tangent_submersion(vector, point), slope / 2, atol=1e-12)
    assert not manifold.is_tangent(np.ones((depth, d + 1, d)), point)


def test_balanced_weights_belong():
    manifold = BalancedManifold(3, 3)
    layers = np.stack(weights.random_balanced([3] * 4, 1.0, rng=0, size=5), axis=-3)
    assert manifold.belongs(layers).all()
    for unit in (1e-200, 1e100):
        assert manifold.belongs(unit * layers).all()
        assert not manifold.belongs(unit * layers[:, [0, 0, 1]]).any()
    unbalanced, singular, broken = layers.copy(), layers.copy(), layers.copy()
    unbalanced[:, 1] *= 1 + 1e-9
    broken[0, 0, 0, 0] = np.nan
    U, s, Vt = np.linalg.svd(layers)
    s[..., -1] = 0
    singular = (U * s[..., None, :]) @ Vt
    assert balanced.contains(tuple(np.moveaxis(singular, -3, 0))).all()
    assert not manifold.belongs(unbalanced).any()
    assert not manifold.belongs(singular).any()
    assert manifold.belongs(broken).tolist() == [False, True, True, True, True]


def test_projection_is_nearest_to_first_order(rng):
    manifold = BalancedManifold(3, 4)
    gs.random.seed(5)
    point = manifold.random_point()
    np.testing.assert_allclose(manifold.projection(point), point, atol=1e-13)
    direction = rng.standard_normal(point.shape)
    errors = []
    for h in (1e-2, 1e-3, 1e-4):
        nearest = np.stack(balanced.retract(tuple(point), tuple(h * direction)))
        errors.append(np.abs(manifold.projection(point + h * direction) - nearest).max() / h**2)
    assert max(errors) < 1.5 * min(errors)
    anywhere = manifold.projection(rng.standard_normal((200, 4, 3, 3)))
    assert manifold.belongs(anywhere).all()
    np.testing.assert_allclose(manifold.projection(anywhere), anywhere, atol=1e-12)
    assert manifold.belongs(manifold.projection(np.zeros((4, 3, 3))), atol=1e-6)


def test_embedded_metric_is_the_metric_of_the_ambient_product(rng):
    manifold = BalancedManifold(2, 3)
    gs.random.seed(6)
    point = manifold.random_point(4)
    a, b = manifold.to_tangent(rng.standard_normal((2, 4, 3, 2, 2)), point)
    want = manifold.embedding_space.metric.inner_product(a, b, point)
    np.testing.assert_allclose(manifold.metric.inner_product(a, b, point), want)
    np.testing.assert_allclose(manifold.metric.inner_product(a, b), want)
    assert manifold.metric.inner_product(a[0], b[0], point).shape == (4,)
    # On horizontal vectors it is g^N downstairs, by the submersion: the length of a projection of a
    # lifted covector.
    layers = tuple(np.moveaxis(point, -3, 0))
    P = rng.standard_normal((4, 2, 2))
    lifted = np.stack(weights.pull_back(P, layers, [layers[0], layers[1] @ layers[0]]), axis=-3)
    W = layers[2] @ layers[1] @ layers[0]
    assert manifold.is_tangent(lifted, point).all()
    downstairs = end_to_end(2, 3).metric.inner_coproduct(P, P, W)
    np.testing.assert_allclose(manifold.metric.squared_norm(lifted, point), downstairs)


def test_geodesics_upstairs_lie_over_those_downstairs(rng):
    """Horizontal ones; aligned points are their ends, and no point of a fibre is nearer."""
    space, downstairs = bundle(2, 3), end_to_end(2, 3)
    gs.random.seed(3)
    point, base = near_the_units(space, 4), near_the_units(space)
    phi = space.fiber_bundle
    aligned = phi.align(point, base)
    np.testing.assert_allclose(
        phi.riemannian_submersion(aligned), phi.riemannian_submersion(point), atol=1e-11
    )
    far = downstairs.metric.dist(*(phi.riemannian_submersion(W) for W in (base, point)))
    np.testing.assert_allclose(space.metric.dist(base, aligned), far, rtol=1e-9)
    assert (space.metric.dist(base, point) > far).all()
    with pytest.raises(np.linalg.LinAlgError, match="determinants of the same signs"):
        space.metric.dist(base, np.array([-1, -1, 1])[:, None, None] * base[..., ::-1])
    path = space.metric.geodesic(base, end_point=point)([0.0, 0.3, 1.0])
    assert path.shape == (4, 3, 3, 2, 2)
    np.testing.assert_allclose(path[:, 2], point, atol=1e-10)


def test_gauge_action(rng):
    """It moves along the fibres, and is an isometry."""
    space = bundle(3, 3)
    gs.random.seed(4)
    point, other = near_the_units(space), near_the_units(space)
    turn = np.linalg.qr(rng.standard_normal((2, 3, 3)))[0]
    moved = space.group_action(turn, point)
    assert space.belongs(moved, atol=1e-12)
    phi = space.fiber_bundle
    for W in (point, moved):
        np.testing.assert_allclose(
            phi.riemannian_submersion(W), phi.riemannian_submersion(point), atol=1e-13
        )
    far = space.metric.dist(moved, space.group_action(turn, other))
    np.testing.assert_allclose(far, space.metric.dist(point, other), rtol=1e-9)


def test_derivative_of_the_integrability_tensor(rng):
    """Along a geodesic, of fields that are extended otherwise: by projection of constant ones."""
    space = bundle(2, 3)
    phi, g = space.fiber_bundle, space.metric
    gs.random.seed(5)
    W = near_the_units(space)
    x, y, e = space.to_tangent(rng.standard_normal((3, *space.shape)), W)
    x, y = phi.horizontal_projection(np.stack((x, y)), W)

    def field(vector, t):
        there = g.exp(t * x, W)
        return space.to_tangent(vector, there), there

    def slope(function, h=1e-3):
        near, far = (function(t) - function(-t) for t in (h, 2 * h))
        return space.to_tangent((8 * near - far) / (12 * h), W)

    def tensor(t):
        (Y, there), (E, _) = field(y, t), field(e, t)
        return phi.integrability_tensor(Y, E, there)

    nabla = [slope(lambda t, v=v: field(v, t)[0]) for v in (y, e)]
    derivative, value = phi.integrability_tensor_derivative(x, y, nabla[0], e, nabla[1], W)
    np.testing.assert_allclose(derivative, slope(tensor), atol=1e-7)
    np.testing.assert_allclose(value, phi.integrability_tensor(y, e, W), atol=1e-14)
    stacked = phi.integrability_tensor_derivative(
        np.stack((x, x)), y, nabla[0], np.stack((e, 2 * e)), np.stack((nabla[1], 2 * nabla[1])), W
    )
    for many, one in zip(stacked, (derivative, value), strict=True):
        np.testing.assert_allclose(many, np.stack((one, 2 * one)), atol=1e-9)


def test_wrong_shapes_are_refused_upstairs():
    manifold = BalancedManifold(2, 3)
    for call in (manifold.projection, manifold.submersion):
        with pytest.raises(ValueError, match="point must have shape"):
            call(np.ones((2, 2)))
    with pytest.raises(ValueError, match="vector must have shape"):
        manifold.to_tangent(np.ones((2, 2)), manifold.random_point())


def test_the_library_does_not_import_geomstats():
    code = (
        "import sys, dlngeo\n"
        "for name in dlngeo.__all__: getattr(dlngeo, name)\n"
        "assert not {'geomstats', 'pymanopt'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ----------------------------------------------------------------------------- bad arguments


def calls():
    """(name, function, names of its arguments, a good value for all of them)."""
    space = end_to_end(3, 2)
    g = space.metric
    W = np.eye(3) + 0.05 * np.arange(9.0).reshape(3, 3)
    yield "inner_product", g.inner_product, ("tangent_vec_a", "tangent_vec_b", "base_point"), W
    coproduct = ("cotangent_vec_a", "cotangent_vec_b", "base_point")
    yield "inner_coproduct", g.inner_coproduct, coproduct, W
    yield "metric_matrix", g.metric_matrix, ("base_point",), W
    yield "cometric_matrix", g.cometric_matrix, ("base_point",), W
    yield "exp", g.exp, ("tangent_vec", "base_point"), W
    yield "log", g.log, ("point", "base_point"), W
    yield "dist", g.dist, ("point_a", "point_b"), W
    yield "geodesic", g.geodesic, ("initial_point", "end_point"), W
    yield "geodesic by velocity", g.geodesic, ("initial_point", "initial_tangent_vec"), W
    yield "to_tangent", space.to_tangent, ("vector", "base_point"), W
    yield "projection", space.projection, ("point",), W
    upstairs = BalancedManifold(3, 2)
    layers = np.stack(balanced.random((3, 3, 3), [3.0, 2.0, 1.0], rng=0))
    yield "submersion", upstairs.submersion, ("point",), layers
    yield "tangent_submersion", upstairs.tangent_submersion, ("vector", "point"), layers
    yield "to_tangent upstairs", upstairs.to_tangent, ("vector", "base_point"), layers
    yield "projection upstairs", upstairs.projection, ("point",), layers
    inner = ("tangent_vec_a", "tangent_vec_b", "base_point")
    h = upstairs.metric
    yield "embedded", h.inner_product, inner, layers
    yield "exp upstairs", h.exp, ("tangent_vec", "base_point"), layers
    yield "log upstairs", h.log, ("point", "base_point"), layers
    yield "dist upstairs", h.dist, ("point_a", "point_b"), layers
    yield "squared_dist upstairs", h.squared_dist, ("point_a", "point_b"), layers
    yield "geodesic upstairs", h.geodesic, ("initial_point", "end_point"), layers
    phi = bundle(3, 2).fiber_bundle
    yield "submersion of the bundle", phi.riemannian_submersion, ("point",), layers
    vector = ("tangent_vec", "base_point")
    yield "differential", phi.tangent_riemannian_submersion, vector, layers
    yield "horizontal", phi.horizontal_projection, vector, layers
    yield "vertical", phi.vertical_projection, vector, layers
    yield "lift", phi.lift, ("point",), W
    yield "lift of a vector", phi.horizontal_lift, ("tangent_vec", "base_point"), W
    yield "align", phi.align, ("point", "base_point"), layers
    yield "integrability", phi.integrability_tensor, inner, layers


CALLS = list(calls())


@pytest.mark.parametrize(
    ("function", "names", "good"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS]
)
def test_every_argument_is_checked_against_the_space(function, names, good):
    """Base points of another size, too: their values did not enter everywhere."""
    function(**{name: good for name in names})
    wrong = [1.0, np.ones(3), good[..., :2, :2], np.full(good.shape, np.nan), "point", 1j * good]
    for name in names:
        for value in wrong:
            arguments = {other: good for other in names} | {name: value}
            with pytest.raises((ValueError, TypeError), match=rf"^{name} must"):
                function(**arguments)


def test_predicates_answer_no_to_what_is_no_vector():
    space, upstairs = end_to_end(2, 2), BalancedManifold(2, 2)
    layers = upstairs.random_point()
    for value in (1.0, np.ones(3), "vector", 1j * np.eye(2), np.full((2, 2), np.inf)):
        assert not space.is_tangent(value, np.eye(2))
        assert not space.belongs(value)
    for value in (1.0, "vector", 1j * layers, np.full((2, 2, 2), np.nan)):
        assert not upstairs.is_tangent(value, layers)
        assert not upstairs.belongs(value)
    both = np.stack((0 * layers, np.full((2, 2, 2), np.nan)))
    np.testing.assert_array_equal(upstairs.is_tangent(both, layers), [True, False])
    with pytest.raises(ValueError, match="base_point must have shape"):
        space.is_tangent(np.eye(2), np.eye(3))
    with pytest.raises(ValueError, match="base_point must be balanced"):
        upstairs.to_tangent(layers, layers * np.array([1.0, 2.0])[:, None, None])

"""Quantities of a landscape against definitions: point functions, geodesics, high precision."""

import math

import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, entropy, landscapes, metric
from dlngeo.entropy.laplacian import entropy_hessian, entropy_laplacian
from dlngeo.landscapes._quantities import Quantities, Sheet

ALL = ("E", "S", "F", "slope", "curvature")
DEPTHS = [1, 1.5, 2, 3, 4.7, 13, math.inf]


class Quartic:
    """An energy whose second derivative varies: ½‖W - B‖² + ¼ Σ W⁴."""

    def __init__(self, target):
        self.target, self.shape = target, target.shape

    def value(self, W):
        return 0.5 * ((W - self.target) ** 2).sum((-2, -1)) + 0.25 * (W**4).sum((-2, -1))

    def gradient(self, W):
        return W - self.target + W**3

    def hessian(self, W, Z):
        return Z + 3 * W**2 * Z


def random_plane(d, depth, beta=3.0, decay=0.2, seed=0, **more):
    """A generic plane, its energy and its points."""
    rng = np.random.default_rng(seed)
    energy = Quartic(rng.standard_normal((d, d)))
    base, one, two = rng.standard_normal((3, d, d))
    decay = 0.0 if math.isinf(depth) else decay
    landscape = landscapes.plane(
        energy, depth=depth, beta=beta, weight_decay=decay, axes=(one, two), at=base, extent=1.0,
        n=5, quantities=ALL, **more,
    )  # fmt: skip
    x = np.stack(np.meshgrid(*landscape.coordinates.values(), indexing="ij"), axis=-1)
    return landscape, energy, landscape.section.points(x), decay


@pytest.mark.parametrize("d", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", DEPTHS)
def test_values_are_those_of_the_point_functions(d, depth):
    landscape, energy, W, decay = random_plane(d, depth)
    found = landscape.values
    assert_allclose(found["E"], energy.value(W), rtol=1e-14)
    assert_allclose(found["S"], entropy.boltzmann(W, depth), rtol=1e-12, atol=1e-12)
    F = entropy.free_energy(energy, W, depth, 3.0, decay)
    assert_allclose(found["F"], F, rtol=1e-12, atol=1e-12)
    gradient = entropy.free_energy_gradient(energy, W, depth, 3.0, decay)
    length = np.sqrt(metric.inner(W, gradient, gradient, depth))
    assert_allclose(found["slope"], length, rtol=1e-9)


def brute_hessian(F, W, depth, rank=None, h=0.02):
    """Hess F(Z, Z) = d²/dt² F(exp(tZ)) by differences of order 6, polarised over a g-basis."""
    d = W.shape[-1]
    basis = metric.sqrt(W, np.eye(d * d).reshape(-1, d, d), depth, rank=rank)  # 𝒜^{1/2} E_ij
    pairs = [(a, b) for a in range(d * d) for b in range(a, d * d)]
    Z = np.array([basis[a] + basis[b] * (a != b) for a, b in pairs])
    weights = np.array([1 / 90, -3 / 20, 1.5, -49 / 18, 1.5, -3 / 20, 1 / 90])
    second = []
    for direction in Z:
        path = metric.geodesic(W, direction, depth, h * np.arange(-3, 4), rank=rank)
        second.append(float(weights @ F(path)) / h**2)
    form = np.zeros((d * d, d * d))
    for (a, b), value in zip(pairs, second, strict=True):
        form[a, b] = form[b, a] = value
    own = np.diagonal(form).copy()
    for a, b in pairs:
        if a != b:
            form[a, b] = form[b, a] = 0.5 * (form[a, b] - own[a] - own[b])
    return form


@pytest.mark.parametrize("depth", [1, 1.5, 2, 3, 4.7, math.inf])
def test_curvature_is_the_second_derivative_along_geodesics(depth):
    d, decay = 2, 0.0 if math.isinf(depth) else 0.3
    rng = np.random.default_rng(1)
    energy = Quartic(rng.standard_normal((d, d)))
    W = np.array([[1.5, 0.4], [-0.3, 1.1]])

    def F(V):
        return entropy.free_energy(energy, V, depth, 2.0, decay)

    brute = brute_hessian(F, W, depth)
    sheet = Sheet.of(energy, W[None], d, True)
    exact = Quantities(sheet, depth, 2.0, decay).hessian()[0]
    scale = np.abs(brute).max()
    assert_allclose(np.linalg.eigvalsh(exact), np.linalg.eigvalsh(brute), atol=2e-6 * scale)
    # and not the eigenvalues alone: 𝒜^{1/2} E_ij are rotated to √K u_k v_lᵀ by the frames
    turn = np.einsum("ik,lj->ijkl", sheet.U[0], sheet.Vt[0]).reshape(d * d, -1)
    assert_allclose(turn.T @ brute @ turn, exact, atol=2e-6 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [2, 3, 4.7, math.inf])
def test_curvature_along_geodesics_of_three_by_three(depth):
    rng = np.random.default_rng(2)
    energy = Quartic(rng.standard_normal((3, 3)))
    W = np.diag([2.0, 1.5, 1.0]) + 0.2 * rng.standard_normal((3, 3))
    brute = brute_hessian(lambda V: entropy.free_energy(energy, V, depth, 2.0), W, depth)
    exact = Quantities(Sheet.of(energy, W[None], 3, True), depth, 2.0, 0.0).hessian()[0]
    values = np.linalg.eigvalsh(brute)
    assert_allclose(np.linalg.eigvalsh(exact), values, atol=5e-6 * np.abs(values).max())


@pytest.mark.parametrize(("rank", "depth"), [(1, 2), (1, 3), (1, 4.7)])
def test_curvature_at_lower_rank_is_that_of_the_stratum(rank, depth):
    rng = np.random.default_rng(3)
    energy = Quartic(rng.standard_normal((2, 2)))
    W = np.outer([1.2, 0.7], [0.9, -0.5])

    def F(V):
        return entropy.free_energy(energy, V, depth, 2.0, 0.3, rank=rank)

    brute = np.linalg.eigvalsh(brute_hessian(F, W, depth, rank=rank))
    brute = np.delete(brute, np.abs(brute).argmin())  # the direction that leaves the stratum
    exact = Quantities(Sheet.of(energy, W[None], rank, True), depth, 2.0, 0.3).hessian()[0]
    assert_allclose(np.linalg.eigvalsh(exact), brute, atol=2e-6 * np.abs(brute).max())


def test_values_at_lower_rank_are_those_of_the_stratum():
    landscape, energy, W, decay = random_plane(3, 3, rank=2)
    F = entropy.free_energy(energy, W, 3, 3.0, decay, rank=2)
    assert_allclose(landscape.values["F"], F, rtol=1e-12)
    U, sigma, Vt = np.linalg.svd(W)
    point = (U[..., :2] * sigma[..., None, :2]) @ Vt[..., :2, :]
    assert_allclose(landscape.values["E"], energy.value(point), rtol=1e-12)
    gradient = entropy.free_energy_gradient(energy, W, 3, 3.0, decay, rank=2)
    length = np.sqrt(metric.inner(W, gradient, gradient, 3, rank=2))
    assert_allclose(landscape.values["slope"], length, rtol=1e-9)


@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("depth", DEPTHS)
def test_trace_of_the_hessian_is_the_laplacian(d, depth):
    rng = np.random.default_rng(4)
    energy, W = Quartic(rng.standard_normal((d, d))), rng.standard_normal((6, d, d))
    decay = 0.0 if math.isinf(depth) else 0.4
    form = Quantities(Sheet.of(energy, W, d, True), depth, 2.0, decay).hessian()
    laplacian = entropy.free_energy_laplacian(energy, W, depth, 2.0, decay)
    assert_allclose(np.trace(form, axis1=-2, axis2=-1), laplacian, rtol=1e-11)
    assert_allclose(form, form.mT, atol=1e-13 * np.abs(form).max())


def exact_entropy_hessian(sigma, depth):
    """The same in 60 digits: derivatives in λ and of log |X|² for fields X of rotations."""
    with mp.workdps(60):
        N = None if math.isinf(depth) else mp.mpf(depth)
        s = [mp.mpf(float(x)) for x in sigma]
        # flat radial coordinates: √N λ, and log σ at depth inf
        x0 = [mp.log(v) for v in s] if N is None else [mp.sqrt(N) * v ** (1 / N) for v in s]

        def value(x):
            return mp.exp(x) if N is None else (x / mp.sqrt(N)) ** N

        def K(a, b, xa, xb):
            if N is None:
                return (a**2 - b**2) / (2 * (xa - xb))
            return (a**2 - b**2) / ((xa**2 - xb**2) / N)

        def S(*x):
            total = mp.mpf(0)
            for k in range(len(x)):
                for m in range(k):
                    total += mp.log(abs(K(value(x[k]), value(x[m]), x[k], x[m]))) / 2
            return total

        d = len(s)
        step = mp.mpf(10) ** -15

        def shifted(f, *moves):
            x = list(x0)
            for k, sign in moves:
                x[k] += sign * step * x0[k] if N is not None else sign * step
            return f(*x)

        def width(k):
            return step * x0[k] if N is not None else step

        def first(f, k):
            return (shifted(f, (k, 1)) - shifted(f, (k, -1))) / (2 * width(k))

        radial, own, mixed = (np.zeros((d, d)) for _ in range(3))
        for k in range(d):
            for m in range(d):
                four = sum(a * b * shifted(S, (k, a), (m, b)) for a in (1, -1) for b in (1, -1))
                radial[k, m] = float(four / (4 * width(k) * width(m)))
        for k in range(d):
            for m in range(d):
                if k == m:
                    continue

                def length(sign, k=k, m=m):
                    def f(*x):
                        a, b = value(x[k]), value(x[m])
                        return mp.log((a + sign * b) ** 2 / K(a, b, x[k], x[m]))

                    return f

                half = [
                    sum(first(S, j) * first(length(sign), j) for j in (k, m)) / 2
                    for sign in (-1, 1)  # symmetric, skew
                ]
                own[k, m] = float((half[0] + half[1]) / 2)
                mixed[k, m] = float((half[0] - half[1]) / 2)
        return radial, own, mixed


@pytest.mark.parametrize("depth", [1.5, 2, 3, 4.7, 20, math.inf])
@pytest.mark.parametrize(
    "sigma",
    [(2.0, 1.0), (1.0, 1 + 1e-7), (1.0, 1 + 1e-3), (1.0, 1e-9), (3.0, 1e-2), (2.0, 1.0, 0.3),
     (1.0, 1 + 1e-6, 1e-5)],
)  # fmt: skip
def test_hessian_of_the_entropy_to_rounding(sigma, depth):
    found = entropy_hessian(np.array(sigma), depth)
    exact = exact_entropy_hessian(sigma, depth)
    for part, true in zip(found, exact, strict=True):
        # relative to the largest of the terms that make the form up
        assert_allclose(part, true, rtol=1e-11, atol=1e-12 * max(np.abs(x).max() for x in exact))


def test_hessian_of_the_entropy_where_singular_values_are_equal():
    near = entropy_hessian(np.array([1.0, 1.0 - 1e-8, 0.5]), 3)
    equal = entropy_hessian(np.array([1.0, 1.0, 0.5]), 3)
    for one, two in zip(near, equal, strict=True):
        assert_allclose(one, two, atol=1e-7)
    total = sum(np.trace(part) for part in (equal.radial,)) + equal.own.sum()
    assert_allclose(total, entropy_laplacian(np.array([1.0, 1.0, 0.5]), 3), rtol=1e-13)


@pytest.mark.parametrize("depth", [2.5, 3, 6])
def test_curvature_and_slope_have_their_limits_at_the_boundary(depth):
    energy = Quartic(np.array([[1.0, 0.3], [-0.2, 0.5]]))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    at = np.array([turn @ np.diag([1.3, s]) for s in (0.0, 1e-18, -1e-18)])
    found = Quantities(Sheet.of(energy, at, 2, True), depth, 2.0, 0.3)
    size = 1e-18 ** min(2 / depth, 1 - 2 / depth)
    for values in (found.slope(), found.curvature(), found.free_energy()):
        assert np.isfinite(values).all()
        assert_allclose(values[1:], values[0], rtol=100 * size + 1e-12)


def test_what_is_infinite_or_has_no_limit_is_nan():
    energy = energies.Quadratic(np.eye(2))
    zero, edge = np.zeros((2, 2)), np.diag([1.0, 0.0])

    def there(W, depth):
        shown = landscapes.plane(
            energy, depth=depth, beta=2.0, axes=(np.eye(2),), at=W, extent=(0, 1), n=2,
            quantities=ALL,
        ).values  # fmt: skip
        return {name for name, values in shown.items() if np.isfinite(values[0])}

    assert there(zero, 3) == {"E"}
    assert there(zero, 1) == set(ALL)
    assert there(edge, 3) == set(ALL)
    assert there(edge, 2) == {"E", "S", "F", "slope"}
    assert there(edge, 1.5) == {"E", "S", "F", "slope"}
    assert there(edge, math.inf) == {"E"}


def test_at_beta_inf_there_is_no_entropy():
    landscape, energy, W, _ = random_plane(2, 3, beta=math.inf)
    decay = 0.1 * 3 * (np.linalg.svd(W, compute_uv=False) ** (2 / 3)).sum(-1)
    assert_allclose(landscape.values["F"], energy.value(W) + decay, rtol=1e-13)
    gradient = metric.gradient(energy, W, 3) + 0.2 * 3 * W
    length = np.sqrt(metric.inner(W, gradient, gradient, 3))
    assert_allclose(landscape.values["slope"], length, rtol=1e-10)


def test_hyperbola_is_exact_to_rounding_where_rank_is_one():
    """On W_12 W_21 = 1, exactly representable: S is that of rank one, continued."""
    energy = energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])
    a = np.array([0.25, 0.5, 1.0, 2.0, 4.0])
    W = np.stack([np.ones(5), a, 1 / a, np.ones(5)], axis=-1).reshape(-1, 2, 2)
    found = Quantities(Sheet.of(energy, W, 2, True), 10, 2.0, 0.0)
    constant = 9 * entropy.orthogonal_group_log_volume(2)
    assert_allclose(found.entropy(), constant + 0.9 * np.log(a + 1 / a), rtol=1e-14)


def test_sequences_are_separate_calls():
    energy = energies.Quadratic(np.diag([2.0, 1.0]))
    several = landscapes.plane(
        energy, depth=(2, 2.5), beta=[5.0, 8.0], weight_decay=(0.0, 0.1), kappa=(0.8, 1.0),
        axes=((0, 1), (1, 0)), at=np.diag([2.0, 1.0]), extent=0.9, n=61,
        quantities=(*ALL, "density"),
    )  # fmt: skip
    assert several.dimensions("E") == ("W_12", "W_21")
    assert several.dimensions("S") == ("depth", "W_12", "W_21")
    assert several.dimensions("density") == (
        "depth", "beta", "weight_decay", "kappa", "W_12", "W_21",
    )  # fmt: skip
    for depth, beta, decay, kappa in ((2, 5.0, 0.1, 0.8), (2.5, 8.0, 0.0, 1.0)):
        single = landscapes.plane(
            energy, depth=depth, beta=beta, weight_decay=decay, kappa=kappa,
            axes=((0, 1), (1, 0)), at=np.diag([2.0, 1.0]), extent=0.9, n=61,
            quantities=(*ALL, "density"),
        )  # fmt: skip
        chosen = several.select(depth=depth, beta=beta, weight_decay=decay, kappa=kappa)
        for name, values in single.values.items():
            np.testing.assert_array_equal(chosen.values[name], values)


def test_arrays_have_names_in_xarray():
    xarray = pytest.importorskip("xarray")
    landscape, *_ = random_plane(2, 3)
    several = landscapes.plane(
        energies.Quadratic(np.eye(2)), depth=(1, math.inf), extent=2, n=(3, 4)
    )
    assert isinstance(landscape["F"], xarray.DataArray)
    assert landscape["F"].dims == ("x", "y")
    np.testing.assert_array_equal(landscape["F"].values, landscape.values["F"])
    whole = several.to_xarray()
    assert dict(whole.sizes) == {"W_12": 3, "W_21": 4, "depth": 2}
    assert whole["S"].dims == ("depth", "W_12", "W_21") and whole["E"].dims == ("W_12", "W_21")
    assert float(whole["S"].sel(depth=1, W_12=0, method="nearest").max()) == 0.0
    assert whole.attrs["rank"] == 2 and "Quadratic" in whole.attrs["energy"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantities": ("E", "G")}, "quantities must be"),
        ({"extent": (2, 1)}, "extent must increase"),
        ({"extent": ((0, 1),)}, "extent must have 2 pairs, one for each axis"),
        ({"n": 1}, "n must be an integer >= 2"),
        ({"depth": math.inf, "weight_decay": 0.1}, "weight_decay must be 0 at depth inf"),
        ({"depth": 1, "rank": 1}, "rank must be None at depth 1"),
        ({"depth": (2, 2)}, "depth must hold distinct numbers"),
        ({"beta": 0.0}, "beta must be > 0"),
        ({"axes": ((0, 1), (0, 1))}, "axes must span"),
        ({"axes": ((0, 1), np.eye(2))}, "not one of each"),
        ({"at": np.ones((2, 3))}, "at"),
        ({"at": np.eye(3)}, "at must"),
        ({"axes": landscapes.Section.along(np.eye(2), [np.eye(2)], ["S"])}, "numbers: S"),
        ({"axes": landscapes.Section.along(np.eye(2), [np.eye(2)], ["depth"])}, "numbers: depth"),
    ],
)
def test_refusals_say_what_is_wrong(changes, words):
    call = {"depth": 2, "extent": 1.0, "n": 3} | changes
    with pytest.raises((ValueError, TypeError), match=words):
        landscapes.plane(energies.Quadratic(np.eye(2)), **call)

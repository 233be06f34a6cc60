"""The Hessian of the lifted loss against nested dual numbers and 40-digit golden values.

The oracle replaces every layer by a 4 × 4 block triangular matrix that represents
W + ε₁V₁ + ε₂V₂ with ε₁² = ε₂² = 0; one block of the product is then the mixed derivative of the
end-to-end matrix, exact to rounding, and none of the library's recursions is used.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlngeo import hessian, weights
from dlngeo.energies import LinearRegression, Logistic, MatrixCompletion, Quadratic

NETWORKS = [(3, 2), (2, 2, 2), (3, 3, 2), (4, 3, 3, 2), (2, 5, 1, 3), (3, 2, 2, 2, 2, 2)]


# ------------------------------------------------------------------------------------ oracles


def dual_product(layers, V1, V2):
    """φ and its derivatives along V1, along V2, and along both, by dual numbers."""
    total = None
    for W, a, b in zip(layers, V1, V2, strict=True):
        zero = np.zeros_like(W)
        block = np.block(
            [[W, a, b, zero], [zero, W, zero, b], [zero, zero, W, a], [zero, zero, zero, W]]
        )
        total = block if total is None else block @ total
    m, n = layers[-1].shape[0], layers[0].shape[1]
    return [total[:m, k * n : (k + 1) * n] for k in range(4)]


def bilinear(energy, layers, V1, V2):
    """The second derivative of E ∘ φ along V1 and V2, by the chain rule."""
    W, first, second, both = dual_product(layers, V1, V2)
    return (energy.hessian(W, first) * second).sum() + (energy.gradient(W) * both).sum()


def full(energy, layers):
    """The Hessian entry by entry."""
    widths = weights.widths(layers)
    size = weights.to_vector(layers).size
    units = [weights.from_vector(unit, widths) for unit in np.eye(size)]
    return np.array([[bilinear(energy, layers, a, b) for b in units] for a in units])


def numbers(strings):
    """Golden weights, kept as strings."""
    return tuple(np.array(W, dtype=float) for W in strings)


def diagonal(sigma, widths):
    target = np.zeros((widths[-1], widths[0]))
    np.fill_diagonal(target, np.array(sigma, dtype=float))
    return target


def energies(widths, rng):
    m, n = widths[-1], widths[0]
    X, labels = rng.standard_normal((n, 7)), np.where(rng.random((m, 7)) < 0.5, -1.0, 1.0)
    mask = rng.random((m, n)) < 0.6
    mask[0, 0] = True
    return [
        Quadratic(rng.standard_normal((m, n))),
        LinearRegression(X, rng.standard_normal((m, 7))),
        MatrixCompletion(rng.standard_normal((m, n)), mask),
        Logistic(X, labels),
    ]


def close(got, want, tolerance=1e-13):
    scale = max(np.abs(want).max(), 1e-300)
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale)


# -------------------------------------------------------------------- form, product, full matrix


@pytest.mark.parametrize("widths", NETWORKS)
def test_form_and_product_are_second_derivatives(widths, rng):
    for energy in energies(widths, rng):
        layers, V, U = (weights.random(widths, 1.0, rng=rng) for _ in range(3))
        want = bilinear(energy, layers, V, V)
        assert hessian.form(energy, layers, V) == pytest.approx(want, rel=1e-12, abs=1e-12)
        image = hessian.apply(energy, layers, V)
        assert [H.shape for H in image] == [W.shape for W in layers]
        product = sum((H * D).sum() for H, D in zip(image, U, strict=True))
        assert product == pytest.approx(bilinear(energy, layers, V, U), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("widths", NETWORKS)
def test_the_full_matrix_entry_by_entry(widths, rng):
    for energy in energies(widths, rng)[::3]:
        layers = weights.random(widths, 1.0, rng=rng)
        got = hessian.dense(energy, layers)
        close(got, full(energy, layers))
        np.testing.assert_array_equal(got, got.T)


@pytest.mark.parametrize("name", ["h2", "h3", "h5"])
def test_golden_networks(name, golden_flow):
    case = golden_flow["networks"][name]
    layers, V = numbers(case["W"]), numbers(case["V"])
    energy = Quadratic(diagonal(case["sigma"], case["d"]))
    assert hessian.form(energy, layers, V) == pytest.approx(
        float(case["hessian_form_AV"]), rel=1e-13
    )
    for method in ("dense", "lanczos"):
        ends = hessian.extreme_eigenvalues(energy, layers, method=method)
        assert ends.least == pytest.approx(float(case["hessian_min_eig"]), rel=1e-12)
        assert ends.greatest == pytest.approx(float(case["hessian_max_eig"]), rel=1e-12)


def test_golden_spectra(golden_flow):
    for case in golden_flow["critical_points"].values():
        layers = numbers(case["W"])
        energy = Quadratic(diagonal(case["sigma"], case["d"]))
        want = np.array(case["hessian_eigs"], dtype=float)
        got = np.linalg.eigvalsh(hessian.dense(energy, layers))
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-13 * max(1, np.abs(want).max()))
        assert hessian.nullity(energy, layers) == case["n_zero"]
        ends = hessian.extreme_eigenvalues(energy, layers, method="lanczos")
        np.testing.assert_allclose(ends, want[[0, -1]], rtol=0, atol=1e-11 * max(1, want[-1]))


def test_form_along_a_gauge_direction_at_a_minimum_is_zero(rng):
    """V = [D, A] is tangent to the orbit of the hidden bases, along which φ is constant."""
    layers = weights.random((3, 4, 5, 2), 1.0, rng=rng)
    energy = Quadratic(weights.end_to_end(layers))
    D = [
        np.zeros((3, 3)),
        rng.standard_normal((4, 4)),
        rng.standard_normal((5, 5)),
        np.zeros((2, 2)),
    ]
    V = [D[p + 1] @ W - W @ D[p] for p, W in enumerate(layers)]
    scale = max(np.abs(W).max() for W in V) ** 2
    assert abs(hessian.form(energy, layers, V)) < 1e-12 * scale


@given(
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-3, 1.0, 30.0]),
)
def test_product_is_symmetric_and_carries_the_form(widths, seed, scale):
    generator = np.random.default_rng(seed)
    layers = weights.random(widths, scale, rng=generator)
    U, V = (weights.random(widths, 1.0, rng=generator) for _ in range(2))
    energy = Quadratic(generator.standard_normal((widths[-1], widths[0])))
    HU, HV = hessian.apply(energy, layers, U), hessian.apply(energy, layers, V)

    def dot(A, B):
        return sum((a * b).sum() for a, b in zip(A, B, strict=True))

    size = np.sqrt(dot(HU, HU) * dot(V, V)) + np.sqrt(dot(HV, HV) * dot(U, U))
    size += 10 * abs(scale) ** (len(layers) - 2)
    assert abs(dot(HU, V) - dot(HV, U)) < 1e-12 * size
    assert abs(dot(HV, V) - hessian.form(energy, layers, V)) < 1e-12 * size


# ------------------------------------------------------------------------------------- stacks


def test_a_stack_equals_a_loop(rng):
    """Of as many networks as the layers have rows, so that a wrong axis would be seen."""
    widths = (3, 3, 3, 3)
    layers, V = (
        weights.random(widths, 1.0, rng=rng, size=(2, 3)),
        weights.random(widths, 1.0, rng=1),
    )
    energy = Quadratic(rng.standard_normal((3, 3)))
    form, image = hessian.form(energy, layers, V), hessian.apply(energy, layers, V)
    matrix, null = hessian.dense(energy, layers), hessian.nullity(energy, layers)
    ends = hessian.extreme_eigenvalues(energy, layers)
    lanczos = hessian.extreme_eigenvalues(energy, layers, method="lanczos")
    minimum = hessian.sharpness_at_minimum(layers)
    assert matrix.shape == (2, 3, 27, 27)
    for index in np.ndindex(2, 3):
        one = tuple(W[index] for W in layers)
        assert form[index] == pytest.approx(hessian.form(energy, one, V), rel=1e-12)
        for got, want in zip(image, hessian.apply(energy, one, V), strict=True):
            close(got[index], want)
        close(matrix[index], hessian.dense(energy, one))
        assert null[index] == hessian.nullity(energy, one)
        alone = hessian.extreme_eigenvalues(energy, one)
        assert (ends.least[index], ends.greatest[index]) == pytest.approx(alone, rel=1e-12)
        assert (lanczos.least[index], lanczos.greatest[index]) == pytest.approx(alone, rel=1e-10)
        assert minimum[index] == pytest.approx(hessian.sharpness_at_minimum(one), rel=1e-13)


def test_many_tangents_at_one_point(rng):
    layers, V = (
        weights.random((3, 2, 4), 1.0, rng=rng),
        weights.random((3, 2, 4), 1.0, rng=1, size=5),
    )
    energy = Quadratic(rng.standard_normal((4, 3)))
    form, image = hessian.form(energy, layers, V), hessian.apply(energy, layers, V)
    for k in range(5):
        one = tuple(D[k] for D in V)
        assert form[k] == pytest.approx(hessian.form(energy, layers, one), rel=1e-12)
        for got, want in zip(image, hessian.apply(energy, layers, one), strict=True):
            close(got[k], want)


# ---------------------------------------------------------------------------- ends of the spectrum


@pytest.mark.parametrize("widths", [(12, 9, 11), (8, 8, 8, 8), (6, 10, 4, 9, 5)])
def test_lanczos_finds_the_ends_of_the_whole_spectrum(widths, rng):
    for energy in energies(widths, rng)[::3]:
        layers = weights.random(widths, 0.5, rng=rng)
        want = np.linalg.eigvalsh(hessian.dense(energy, layers))[[0, -1]]
        got = hessian.extreme_eigenvalues(energy, layers, method="lanczos")
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-9 * np.abs(want).max())


@pytest.mark.parametrize("method", ["dense", "lanczos"])
def test_symmetric_ends_and_the_origin(method):
    """At 0 a network of two layers has the eigenvalues ±σ_i; a deeper one has only zeros."""
    energy = Quadratic(np.diag([3.0, 2.0]))
    two = tuple(np.zeros((2, 2)) for _ in range(2))
    assert hessian.extreme_eigenvalues(energy, two, method=method) == pytest.approx(
        (-3, 3), rel=1e-12
    )
    three = (*two, np.zeros((2, 2)))
    assert hessian.extreme_eigenvalues(energy, three, method=method) == (0, 0)


@pytest.mark.parametrize("method", ["dense", "lanczos"])
def test_networks_of_one_and_two_weights(method):
    """L = ½(σ - w₂w₁)²: Hessian [[w₂², 2w₁w₂ - σ], [2w₁w₂ - σ, w₁²]]."""
    energy = Quadratic([[1.0]])
    assert hessian.extreme_eigenvalues(energy, ([[5.0]],), method=method) == (1, 1)
    want = np.linalg.eigvalsh([[9, 11.0], [11.0, 4]])
    got = hessian.extreme_eigenvalues(energy, ([[2.0]], [[3.0]]), method=method)
    np.testing.assert_allclose(got, want, rtol=1e-14)


@pytest.mark.parametrize("widths", [(2, 2, 2), (3, 3, 2), (4, 3, 5, 2), (2, 4, 4, 3)])
def test_nullity_of_a_regular_minimum(widths, rng):
    """The dimension of M_0 is Σ d_p d_{p-1} - d_x d_y where no bottleneck makes φ degenerate."""
    layers = weights.random(widths, 1.0, rng=rng)
    energy = Quadratic(weights.end_to_end(layers))
    count = sum(W.size for W in layers) - widths[0] * widths[-1]
    assert hessian.nullity(energy, layers) == count


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_nullity_does_not_depend_on_scale(size, golden_flow):
    """W → cW with Σ → c^N Σ multiplies the Hessian by c^{2N-2} and changes no rank."""
    for case in golden_flow["critical_points"].values():
        layers = tuple(size * W for W in numbers(case["W"]))
        energy = Quadratic(diagonal(case["sigma"], case["d"]) * size ** len(layers))
        assert hessian.nullity(energy, layers) == case["n_zero"]


def test_nullity_sees_through_products_that_vanish_only_to_rounding(rng):
    """Layers orthogonal to each other but for rounding; of the Hessian nothing else is left."""
    Q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    low, high = Q[:, :2] @ Q[:, :2].T, Q[:, 2:] @ Q[:, 2:].T
    layers = (np.zeros((4, 4)), low, high, low, np.zeros((4, 4)))
    assert np.abs(hessian.dense(Quadratic(np.eye(4)), layers)).max() > 0
    assert hessian.nullity(Quadratic(np.eye(4)), layers) == 5 * 16


# ---------------------------------------------------------------------------------- sharpness


@pytest.mark.parametrize("widths", [(3, 2), (3, 3, 2), (2, 5, 3), (4, 3, 3, 2), (3, 2, 2, 4, 2)])
def test_sharpness_at_a_minimum(widths, rng):
    layers = weights.random(widths, 1.0, rng=rng)
    energy = Quadratic(weights.end_to_end(layers))
    want = np.linalg.eigvalsh(full(energy, layers))[-1]
    assert hessian.sharpness(energy, layers) == pytest.approx(want, rel=1e-13)
    assert hessian.sharpness_at_minimum(layers) == pytest.approx(want, rel=1e-13)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_sharpness_of_balanced_minima(depth):
    layers = weights.random_balanced((4,) * (depth + 1), 1.0, rng=1)
    largest = np.linalg.norm(weights.end_to_end(layers), ord=2)
    want = depth * largest ** (2 - 2 / depth)
    assert hessian.sharpness_at_minimum(layers) == pytest.approx(want, rel=1e-13)


def test_sharpness_of_a_large_output_is_found_by_lanczos():
    layers = weights.random_balanced((25, 22, 24, 30), 1.0, rng=1)  # 750 > 400
    largest = np.linalg.norm(weights.end_to_end(layers), ord=2)
    assert hessian.sharpness_at_minimum(layers) == pytest.approx(3 * largest ** (4 / 3), rel=1e-12)


def test_golden_sharpness(golden_flow):
    """The mean of x² over two samples, in one energy: ½ (5/2) |1 - w₂w₁|²."""
    case = golden_flow["edge_of_stability"]
    energy = LinearRegression(
        np.array([[1.0, 2.0]]) / np.sqrt(2), np.array([[1.0, 2.0]]) / np.sqrt(2)
    )
    layers = ([[2.0]], [[0.5]])
    want = float(case["sharpness=mean(x^2) q"])
    assert hessian.sharpness(energy, layers) == pytest.approx(want, rel=1e-14)
    assert hessian.sharpness_at_minimum(layers) == pytest.approx(4.25, rel=1e-14)


# ---------------------------------------------------------------------------------- bad input


def test_bad_input_is_refused():
    energy, layers = Quadratic(np.eye(2)), (np.eye(2), np.eye(2))
    for call in (hessian.form, hessian.apply):
        with pytest.raises(ValueError, match="V must have the layers of the weights"):
            call(energy, layers, (np.ones((3, 2)), np.ones((2, 3))))
        with pytest.raises(ValueError, match=r"V\[0\] must be finite"):
            call(energy, layers, (np.full((2, 2), np.nan), np.eye(2)))
    with pytest.raises(ValueError, match="weights must chain"):
        hessian.dense(energy, (np.ones((3, 2)), np.eye(2)))
    with pytest.raises(ValueError, match="method must be"):
        hessian.extreme_eigenvalues(energy, layers, method="power")
    with pytest.raises(ValueError, match="tol must be"):
        hessian.nullity(energy, layers, tol=-1)
    with pytest.raises(ValueError, match="tol must be"):
        hessian.extreme_eigenvalues(energy, layers, tol=0)

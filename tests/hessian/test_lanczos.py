"""Both ends of a spectrum, of operators that are given by the spectrum they are made of."""

import numpy as np
import pytest

from dlngeo import energies, hessian, stability
from dlngeo.hessian._lanczos import extremes


def operator(spectrum, rng):
    basis = np.linalg.qr(rng.standard_normal((len(spectrum), len(spectrum))))[0]
    return lambda v: basis @ (spectrum * (basis.T @ v))


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize(
    "values",
    [
        [3.0],
        [-2.0],
        [0.0, 1.0],
        [-1.0, 0.0, 5.0],
        [1e-7, 1.0],
        np.linspace(-1, 1, 19),
        np.linspace(-1, 1, 20),
        np.linspace(-1, 1, 21),
        np.linspace(0, 1, 39) ** 2,
        np.linspace(0, 1, 60) ** 2,
        np.linspace(-1, 1, 300),
    ],
    ids=len,
)
def test_ends_of_operators_with_few_and_many_eigenvalues(values, scale, rng):
    spectrum = scale * np.resize(values, 420)
    least, greatest = extremes(operator(spectrum, rng), 420, 1e-9)
    size = np.abs(spectrum).max()
    assert abs(least - spectrum.min()) < 1e-9 * size
    assert abs(greatest - spectrum.max()) < 1e-9 * size


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_multiples_of_the_identity(size):
    for factor in (0.0, 1.0, -7.0, 1e-300):
        calls = []

        def product(v, factor=factor, calls=calls):
            calls.append(1)
            return factor * v

        assert extremes(product, size, 1e-6) == pytest.approx((factor, factor), rel=1e-14)
        assert len(calls) <= 2


@pytest.mark.parametrize("size", [1, 2, 5])
def test_small_operators(size, rng):
    spectrum = rng.standard_normal(size)
    got = extremes(operator(spectrum, rng), size, 1e-10)
    assert got == pytest.approx((spectrum.min(), spectrum.max()), abs=1e-12)


def test_an_operator_without_values_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="range of floating point"):
        extremes(lambda v: v * np.nan, 5, 1e-6)


def test_networks_whose_hessian_is_a_multiple_of_the_identity():
    # one layer: the Hessian of ½|W - Φ|² is the identity; at three identities dφ dφᵀ is 3
    layer = [2 * np.eye(25)]
    energy = energies.Quadratic(np.eye(25))
    assert hessian.sharpness_at_minimum([np.eye(25)] * 3) == pytest.approx(3, rel=1e-14)
    assert hessian.sharpness_at_minimum([2 * np.eye(25)] * 4) == pytest.approx(256, rel=1e-14)
    assert hessian.sharpness(energy, layer) == pytest.approx(1, rel=1e-14)
    ends = hessian.extreme_eigenvalues(energy, layer, method="lanczos")
    assert (ends.least, ends.greatest) == pytest.approx((1, 1), rel=1e-14)
    run = stability.descend(energy, layer, 0.1, 3)
    np.testing.assert_allclose(run.sharpness, 1, rtol=1e-14)


def test_identities_of_width_25_upstairs():
    # Hessian at W_1 = W_2 = W_3 = 1 = Φ: dφᵀdφ of V_1 + V_2 + V_3, of eigenvalues 0 and 3
    energy, layers = energies.Quadratic(np.eye(25)), [np.eye(25)] * 3
    ends = hessian.extreme_eigenvalues(energy, layers)
    assert ends.least == pytest.approx(0, abs=1e-12)
    assert ends.greatest == pytest.approx(3, rel=1e-12)
    # at 0 of depth 2: W_1, W_2 -> -⟨V_2 V_1, Φ⟩, of eigenvalues -1 and 1
    ends = hessian.extreme_eigenvalues(energy, [np.zeros((25, 25))] * 2)
    assert (ends.least, ends.greatest) == pytest.approx((-1, 1), rel=1e-12)


@pytest.mark.parametrize("width", [3, 25])
def test_a_hessian_beyond_floating_point_is_refused(width):
    energy, one = energies.Quadratic(np.eye(width)), np.eye(width)
    for depth, factor in ((2, 1e200), (3, 1e120)):
        layers = [factor * one] * depth
        with pytest.raises(np.linalg.LinAlgError, match="exceeds the range of floating point"):
            hessian.sharpness_at_minimum(layers)
        with pytest.raises(ValueError, match="weights must have a product within the range"):
            hessian.sharpness(energy, layers)
    layers = [1e200 * one, 1e-200 * one]
    for call in (hessian.extreme_eigenvalues, hessian.sharpness):
        with pytest.raises(np.linalg.LinAlgError, match="exceeds the range of floating point"):
            call(energy, layers)

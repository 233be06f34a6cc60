"""Energies on lanes, held against their NumPy forms."""

import numpy as np
import pytest

import dlngeo as dln
from dlngeo.energies import on_lanes

pytest.importorskip("numba")


def _energies():
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((3, 7)), rng.standard_normal((2, 7))
    return [
        dln.energies.Quadratic(rng.standard_normal((2, 3))),
        dln.energies.MatrixCompletion(rng.standard_normal((2, 3)), rng.random((2, 3)) < 0.5),
        dln.energies.LinearRegression(X, Y),
        dln.energies.LinearRegression(X[:, :2], Y[:, :2]),
        dln.energies.MatrixSensing(rng.standard_normal((4, 2, 3)), rng.standard_normal(4)),
        dln.energies.Logistic(X, np.sign(Y)),
    ]


@pytest.mark.parametrize("energy", _energies(), ids=repr)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_lane_is_one_matrix(energy, scale):
    W = scale * np.random.default_rng(6).standard_normal((11, 2, 3))
    value, slope = on_lanes(energy.compiled(), W)
    np.testing.assert_allclose(value, energy.value(W), rtol=1e-13)
    size = np.abs(energy.gradient(W)).max()
    np.testing.assert_allclose(slope, energy.gradient(W), rtol=1e-12, atol=1e-14 * size)
    for k in (0, 7):  # alone to the last bit
        alone = on_lanes(energy.compiled(), W[k])
        assert alone[0] == value[k] and (alone[1] == slope[k]).all()


@pytest.mark.parametrize("energy", _energies(), ids=repr)
def test_check_examines_the_compiled_part(energy):
    W = np.random.default_rng(7).standard_normal((2, 3))
    dln.energies.check(energy, W)
    wrong = dln.energies.Quadratic(np.ones((2, 3)))
    energy.compiled = wrong.compiled
    with pytest.raises(ValueError, match=r"energy.compiled\(\) must give E and E'"):
        dln.energies.check(energy, W)
    del energy.compiled


class Quartic:
    """¼ Σ A (W² - B)²."""

    def __init__(self, A, B):
        def quartic(A, B, W, slope, value):
            m, n, lanes = W.shape
            value[:] = 0.0
            for i in range(m):
                for j in range(n):
                    for p in range(lanes):
                        rest = W[i, j, p] ** 2 - B[i, j]
                        slope[i, j, p] = A[i, j] * rest * W[i, j, p]
                        value[p] += 0.25 * A[i, j] * rest * rest

        self.A, self.B = A, B
        self._compiled = dln.energies.compile_energy(quartic, A, B)

    def value(self, W):
        return 0.25 * (self.A * (W**2 - self.B) ** 2).sum(axis=(-2, -1))

    def gradient(self, W):
        return self.A * (W**2 - self.B) * W

    def hessian(self, W, Z):
        return self.A * (3 * W**2 - self.B) * Z

    def compiled(self):
        return self._compiled


def test_an_energy_of_ones_own():
    rng = np.random.default_rng(8)
    energy = Quartic(rng.random((2, 2)), rng.random((2, 2)))
    dln.energies.check(energy, rng.standard_normal((2, 2)))


def test_a_function_that_cannot_be_compiled_is_refused_by_numba():
    import numba

    def reads_files(A, B, W, slope, value):
        value[:] = hash(object())

    with pytest.raises(numba.core.errors.NumbaError):
        dln.energies.compile_energy(reads_files, np.ones((1, 1)), np.ones((1, 1)))

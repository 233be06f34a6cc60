"""The numerical range against its definition: quadratic forms of complex vectors."""

import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlngeo import adjacency
from dlngeo.adjacency import numerical_radius


def network(rng, widths, size=()):
    return adjacency.from_weights(
        [rng.standard_normal((*size, b, a)) for a, b in itertools.pairwise(widths)]
    )


def random_network(seed):
    rng = np.random.default_rng(seed)
    widths = tuple(int(d) for d in rng.integers(1, 5, rng.integers(2, 7)))
    return rng, widths, network(rng, widths)


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_the_support_is_the_same_in_every_direction(seed):
    """Prop. 11.1: the largest Re e^{iθ} x*Ax is the radius for all θ, so the range is a disk."""
    _, _, A = random_network(seed)
    radius = numerical_radius(A)
    for theta in np.linspace(0, 2 * np.pi, 7):
        turned = np.exp(1j * theta) * A
        support = np.linalg.eigvalsh((turned + turned.conj().T) / 2)[-1]
        assert radius == pytest.approx(support, rel=1e-13)


def test_quadratic_forms_stay_inside_and_reach_the_boundary(rng):
    A = network(rng, (3, 4, 2))
    radius = numerical_radius(A)
    x = rng.standard_normal((2000, 9)) + 1j * rng.standard_normal((2000, 9))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert np.abs(np.einsum("ki,ij,kj->k", x.conj(), A, x)).max() < radius
    best = np.linalg.eigh((A + A.T) / 2)[1][:, -1]
    phases = np.repeat([1, 1j, -1], [3, 4, 2])  # levels turned by a quarter
    for x, want in ((best, radius), (phases * best, -1j * radius)):
        assert x.conj() @ A @ x == pytest.approx(want, rel=1e-13)


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_spectra_of_the_symmetric_and_skew_parts(seed):
    """Prop. 11.2 and 11.3: the same up to i, and symmetric about 0. Prop. 11.4: traces vanish."""
    _, widths, A = random_network(seed)
    symmetric = np.linalg.eigvalsh((A + A.T) / 2)
    skew = np.linalg.eigvalsh((A - A.T) / 2j)
    np.testing.assert_allclose(symmetric, skew, atol=1e-13 * (1 + symmetric[-1]))
    np.testing.assert_allclose(symmetric, -symmetric[::-1], atol=1e-13 * (1 + symmetric[-1]))
    assert symmetric[-1] == pytest.approx(numerical_radius(A), rel=1e-13)
    for power in adjacency.powers(A, len(widths))[2:]:
        assert np.vdot(power, A) == 0


def test_depth_two(rng):
    W1, W2 = rng.standard_normal((3, 4)), rng.standard_normal((2, 3))
    want = 0.5 * np.sqrt(np.linalg.eigvalsh(W1 @ W1.T + W2.T @ W2)[-1])
    assert numerical_radius(adjacency.from_weights((W1, W2))) == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize("name", ["h2", "h3", "h5"])
def test_golden_radius(name, golden_flow):
    golden = golden_flow["networks"][name]
    A = adjacency.from_weights([np.array(W, dtype=float) for W in golden["W"]])
    want = float(golden["numerical_range_radius"])
    assert numerical_radius(A) == pytest.approx(want, rel=3e-16 * 4)


@pytest.mark.parametrize("scale", [1e-200, 1e-8, 1e200])
def test_no_square_leaves_the_range(scale, rng):
    A = network(rng, (2, 3, 2))
    with mpmath.workdps(30):
        want = max(mpmath.eigsy(mpmath.matrix(((A + A.T) / 2).tolist()), eigvals_only=True))
    assert numerical_radius(scale * A) == pytest.approx(scale * float(want), rel=1e-14)


def test_order_of_the_nodes_and_loose_nodes_do_not_matter(rng):
    A = network(rng, (2, 3, 2))
    A[3, :] = A[:, 3] = 0
    order = rng.permutation(7)
    want = numerical_radius(A)
    assert numerical_radius(A[np.ix_(order, order)]) == pytest.approx(want, rel=1e-13)
    assert numerical_radius(np.zeros((3, 3))) == 0


@pytest.mark.parametrize(
    "A",
    [
        np.eye(2),
        np.array([[0.0, 1.0], [1.0, 0.0]]),
        np.tril(np.ones((3, 3)), -1),  # an edge from layer 0 to layer 2
        np.array([[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0.0]]),
    ],
)
def test_matrices_whose_range_is_no_disk_are_refused(A):
    with pytest.raises(ValueError, match="block-shift form"):
        numerical_radius(A)


def test_the_symmetric_part_is_not_enough_without_levels():
    """Why the form is asked for: here λ_max of the symmetric part is below the radius."""
    A = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]) * -1.0
    support = [
        np.linalg.eigvalsh((z * A + np.conj(z) * A.T) / 2)[-1] for z in np.exp(1j * np.arange(7))
    ]
    assert np.linalg.eigvalsh((A + A.T) / 2)[-1] < 0.6 < max(support)
    with pytest.raises(ValueError, match="block-shift form"):
        numerical_radius(A)


def test_stacks(rng):
    A = network(rng, (3, 2, 2), size=(2, 3))
    got = numerical_radius(A)
    assert got.shape == (2, 3)
    for index in np.ndindex(2, 3):
        assert got[index] == pytest.approx(numerical_radius(A[index]), rel=1e-14)
    np.testing.assert_array_equal(numerical_radius(np.zeros((2, 3, 3))), np.zeros(2))


def test_bad_matrices_are_refused():
    with pytest.raises(ValueError, match="A must be square"):
        numerical_radius(np.ones((2, 3)))

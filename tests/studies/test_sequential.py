"""The criteria on curves drawn by hand, with answers known exactly; then on the network itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from dlngeo import sequential
from dlngeo._results import trajectory

TIMES = np.arange(0, 1001) / 100.0  # 0, 0.01, ..., 10


def frames(m, n, seed):
    """Two orthogonal matrices, so that nothing is diagonal."""
    rng = np.random.default_rng(seed)
    return tuple(np.linalg.qr(rng.standard_normal((d, d)))[0] for d in (m, n))


def drawn(curves, shape=(3, 4), seed=0, t=TIMES):
    """A trajectory U diag(curves) Vᵀ of curves (time, ..., r), and the map to targets."""
    U, V = frames(*shape, seed)
    curves = np.asarray(curves, dtype=float)
    r = curves.shape[-1]

    def dress(values):
        return (U[:, :r] * values[..., None, :]) @ V[:, :r].T

    W = dress(curves)
    path = trajectory.build(
        t,
        W,
        None,
        np.zeros(W.shape[:-2]),
        weight_decay=0.0,
        rank=None,
        status=0,
        message="drawn",
        stats={},
    )
    return path, dress


def ramp(start, length=1.0, t=TIMES):
    """From 0 to 1, linear over [start, start + length]."""
    return np.clip((t - start) / length, 0, 1)


# ----------------------------------------------------------------------------- drawn by hand


def test_one_after_the_other():
    path, dress = drawn(np.stack([2 * ramp(1), 1 * ramp(5)], axis=-1))
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))
    # a ramp crosses 10 % after a tenth of its length and enters the 10 % band at nine tenths
    step = 0.011
    assert_allclose(found.rise, [1.1, 5.1], atol=step)
    assert_allclose(found.settle, [1.9, 5.9], atol=step)
    assert_allclose(found.gap, [(5.1 - 1.9) / 0.8], rtol=0.03)
    assert_allclose(found.tau, [2.0, 6.0], atol=step)
    assert_allclose(found.distance, 0, atol=1e-14)
    assert_array_equal(found.rank, [1, 2])
    assert_allclose(found.sigma, [2, 1])
    assert found.verdict == "sequential"


def test_all_at_once():
    # on the line αΦ the nearest point to Φ_1 is α = σ_1²/(σ_1² + σ_2²), σ_1σ_2/|Φ| away
    path, dress = drawn(np.stack([2 * ramp(1), 1 * ramp(1)], axis=-1))
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))
    assert_allclose(found.distance, [2 / np.sqrt(5), 0], rtol=1e-3, atol=1e-14)
    assert_allclose(found.tau, [1.8, 2.0], atol=0.011)
    # 10 % is reached at a saved time, so that rounding decides between this and the next one
    assert_allclose(found.gap, [-1], atol=2 * 0.011 / 0.8)
    assert found.verdict == "simultaneous"


def test_the_wrong_one_first_is_neither():
    # sorted singular values rise in order all the same: 1 at first, then 2 above it
    path, dress = drawn(np.stack([2 * ramp(5), 1 * ramp(1)], axis=-1))
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))
    # the second entry is 1 from the time the first leaves 0, up to the rounding of the frames
    assert_allclose(found.distance[0], 1, rtol=1e-14)
    assert found.verdict == "neither"


def test_overlap_near_the_saddle_is_neither():
    # Φ_1 is passed at 0.1 σ_2, but the second starts before the first has settled
    path, dress = drawn(np.stack([2 * ramp(1, 1.0), 1 * ramp(1.7, 3.0)], axis=-1))
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))
    assert found.gap[0] > 0 and 0.05 < found.distance[0] < 0.5
    assert found.verdict == "neither"


def test_saddles_in_the_wrong_order_are_neither():
    # starts at the end, Φ_2; forgets the second, then the first: Φ_1 is met after Φ_2
    path, dress = drawn(np.stack([2 * (1 - ramp(5)), 1 - ramp(1)], axis=-1))
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))
    assert_allclose(found.distance, 0, atol=1e-14)
    assert found.tau[0] > found.tau[1]
    assert_array_equal(found.settle, np.inf)
    assert found.verdict == "neither"


def test_settling_counts_from_the_last_excursion():
    curve = 2 * ramp(1) + np.where((TIMES > 3) & (TIMES < 3.5), 0.21, 0.0)
    path, dress = drawn(np.stack([curve, ramp(5)], axis=-1))
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))
    assert found.settle[0] == pytest.approx(3.5)
    inside = 2 * ramp(1) + np.where((TIMES > 3) & (TIMES < 3.5), 0.19, 0.0)
    path, dress = drawn(np.stack([inside, ramp(5)], axis=-1))
    assert sequential.learning(path, dress(np.array([2.0, 1.0]))).settle[0] < 2


def test_what_is_never_learnt_is_infinite_and_no_nan():
    path, dress = drawn(np.stack([2 * ramp(1), 0 * TIMES], axis=-1))
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))
    assert_array_equal(found.rise[1:], [np.inf])
    assert_array_equal(found.settle[1:], [np.inf])
    assert_array_equal(found.gap, [np.inf])
    assert found.verdict == "neither"
    for curve in (0 * TIMES, 0.5 * ramp(1)):  # at rest in the origin, or half way to the end
        path, dress = drawn(np.stack([2 * curve, curve], axis=-1))
        found = sequential.learning(path, dress(np.array([2.0, 1.0])))
        assert_array_equal(found.gap, [-1])
        assert found.verdict == "neither"


def test_jumps_between_saved_times():
    t = np.arange(4.0)
    for curves, gap in ([[0, 0], [2, 0], [2, 1], [2, 1]], np.inf), ([[0, 0], *[[2, 1]] * 3], -1):
        path, dress = drawn(curves, t=t)
        assert_array_equal(sequential.learning(path, dress(np.array([2.0, 1.0]))).gap, [gap])


def test_equal_singular_values_are_one_stage():
    path, dress = drawn(np.stack([2 * ramp(1), 2 * ramp(1.5), ramp(6)], axis=-1))
    found = sequential.learning(path, dress(np.array([2.0, 2.0, 1.0])))
    assert_array_equal(found.rank, [2, 3])
    assert_allclose(found.rise, [1.1, 6.1], atol=0.011)  # the first of the pair
    assert_allclose(found.settle, [2.4, 6.9], atol=0.011)  # the last
    assert found.verdict == "sequential"


def test_a_zero_singular_value_is_not_waited_for():
    path, dress = drawn(np.stack([2 * ramp(1), ramp(6)], axis=-1), shape=(3, 5))
    found = sequential.learning(path, dress(np.array([2.0, 1.0])))  # of rank 2 of 3
    assert_array_equal(found.rank, [1, 2])
    assert found.verdict == "sequential"


def test_rank_judges_the_first_ones_only_in_their_unit():
    path, dress = drawn(np.stack([4 * ramp(1), 2 * ramp(5), 0 * TIMES], axis=-1))
    target = dress(np.array([4.0, 2.0, 0.5]))
    assert sequential.learning(path, target).verdict == "neither"
    found = sequential.learning(path, target, rank=2)
    assert found.verdict == "sequential"
    assert_array_equal(found.rank, [1, 2])
    path, dress = drawn(np.stack([4 * ramp(1), 2 * ramp(5) + 1, 0 * TIMES], axis=-1))
    found = sequential.learning(path, target, rank=2)
    assert found.distance[0] == pytest.approx(1 / 2)  # off by 1, in units of σ_2 = 2


def test_one_stage_has_no_order():
    path, dress = drawn(2 * ramp(1)[:, None])
    found = sequential.learning(path, dress(np.array([2.0])))
    assert found.gap.shape == (0,) and found.verdict == "neither"


def test_a_stack_is_judged_one_by_one():
    slow = np.stack([2 * ramp(1), ramp(5)], axis=-1)
    fast = np.stack([2 * ramp(1), ramp(1)], axis=-1)
    swapped = np.stack([2 * ramp(5), ramp(1)], axis=-1)
    both, dress = drawn(np.stack([slow, fast, swapped], axis=1))
    target = dress(np.array([2.0, 1.0]))
    found = sequential.learning(both, target)
    assert_array_equal(found.verdict, ["sequential", "simultaneous", "neither"])
    for k, curves in enumerate((slow, fast, swapped)):
        alone = sequential.learning(drawn(curves)[0], target)
        for name in ("distance", "tau", "rise", "settle", "gap"):
            assert_allclose(getattr(found, name)[k], getattr(alone, name), atol=1e-14)


@given(
    st.integers(0, 2**32 - 1),
    st.floats(1e-6, 1e6),
    st.floats(1e-6, 1e6),
    st.lists(st.floats(0.05, 8), min_size=3, max_size=3),
)
def test_units_and_frames_do_not_matter(seed, size, pace, starts):
    sigma = np.array([5.0, 2.0, 1.0])
    curves = np.stack([s * ramp(a) for s, a in zip(sigma, starts, strict=True)], axis=-1)
    path, dress = drawn(curves)
    reference = sequential.learning(path, dress(sigma))
    path, dress = drawn(size * curves, shape=(5, 3), seed=seed, t=pace * TIMES)
    found = sequential.learning(path, dress(size * sigma))
    assert_allclose(found.distance, reference.distance, rtol=1e-9, atol=1e-12)
    # a value on the border of its band may fall to either side by rounding: one step
    assert_allclose(found.rise, pace * reference.rise, atol=0.011 * pace)
    assert_allclose(found.settle, pace * reference.settle, atol=0.011 * pace)


def test_saddle_distances_are_their_definition():
    rng = np.random.default_rng(3)
    path, _ = drawn(rng.random((6, 2)), t=np.arange(6.0))
    Phi = rng.standard_normal((3, 4))
    signatures = [(), (0,), (2,), (0, 2), (0, 1, 2)]
    found = sequential.saddle_distances(path, Phi, signatures)
    values, V = np.linalg.eigh(Phi.T @ Phi)  # ascending: σ_0 is the last of four
    for k, S in enumerate(signatures):
        P = sum((np.outer(V[:, 3 - i], V[:, 3 - i]) for i in S), np.zeros((4, 4)))
        for W, distance in zip(path.W, found[:, k], strict=True):
            assert distance == pytest.approx(np.linalg.norm(W - Phi @ P), rel=1e-12)
    assert values[1] > 0


def test_what_is_refused():
    path, dress = drawn(np.stack([2 * ramp(1), 2 * ramp(5)], axis=-1))
    with pytest.raises(ValueError, match="must have shape"):
        sequential.learning(path, np.eye(3))
    with pytest.raises(ValueError, match="other than zero"):
        sequential.learning(path, np.zeros((3, 4)))
    with pytest.raises(ValueError, match="one matrix"):
        sequential.learning(path, np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="rank must be at most 2"):
        sequential.learning(path, dress(np.array([2.0, 1.0])), rank=3)
    with pytest.raises(ValueError, match="must not cut"):
        sequential.learning(path, dress(np.array([2.0, 2.0])), rank=1)
    for signatures in ([(3,)], [(0, 0)]):
        with pytest.raises(ValueError, match=r"distinct indices in 0\.\.2"):
            sequential.saddle_distances(path, dress(np.array([2.0, 1.0])), signatures)
    with pytest.raises(ValueError, match="at least one signature"):
        sequential.saddle_distances(path, dress(np.array([2.0, 1.0])), [])
    with pytest.raises(ValueError, match="at most 4 entries"):
        sequential.diagonal_target([5, 4, 3, 2, 1])


# ------------------------------------------------------------------------------- the network


def test_the_network_of_section_6():
    target = sequential.diagonal_target()
    assert target.shape == (4, 11)
    assert_array_equal(target[:, :4], np.diag([4, 3, 2, 1]))
    assert not target[:, 4:].any()


def test_sequential_near_the_origin():
    path = sequential.train(0.1, rng=0)
    found = sequential.learning(path, sequential.diagonal_target())
    assert found.verdict == "sequential"
    assert found.distance.max() <= 0.015 and found.gap.min() >= 2.8
    assert_allclose(found.plateaus.level, range(5), atol=0.02)
    assert (found.plateaus.jump > found.rise).all() and (found.plateaus.jump < found.settle).all()
    # all singular values of all layers are σ^{1/h} at the end, up to what balance leaves open
    assert path.weights is not None
    size = np.sqrt(sum((W[-1] ** 2).sum() for W in path.weights))
    assert size == pytest.approx(np.sqrt(5 * (np.arange(1, 5) ** 0.4).sum()), rel=0.01)
    assert path.imbalance_drift.max() < 1e-4


def test_simultaneous_away_from_the_origin():
    path = sequential.train(1.0, rng=1)
    found = sequential.learning(path, sequential.diagonal_target())
    assert found.verdict == "simultaneous"
    assert found.distance[:2].min() >= 1.5
    assert_array_equal(found.gap, -1)
    assert_allclose(found.plateaus.level, [4], atol=0.01)


def test_half_way_is_neither():
    path = sequential.train(0.3, rng=0)
    found = sequential.learning(path, sequential.diagonal_target())
    assert found.verdict == "neither"
    # yet the half-rises of the sorted singular values are in order
    halves = [
        path.t[np.argmax(path.singular_values[:, k] > s / 2)] for k, s in enumerate((4, 3, 2, 1))
    ]
    assert (np.diff(halves) > 0).all()


def test_a_bottleneck_learns_what_passes_through():
    # two nodes: Φ_1 is the one saddle on the way, Φ_2 the end
    energy = sequential.Quadratic(sequential.diagonal_target((4, 2, 1), (3, 2, 3)))
    start = sequential.weights.random((3, 2, 3), 1e-3, rng=0)
    path = sequential.gradient_flow(energy, start, (0, 30))
    found = sequential.learning(path, energy.target)
    assert_array_equal(found.rank, [1, 2])
    assert found.verdict == "sequential"


def test_train_fails_loudly():
    with pytest.raises(ValueError, match="widths must be at least 2"):
        sequential.train(0.5, (2, 1), widths=(2, 1, 2), rng=0)
    with pytest.raises(RuntimeError, match="has not learnt its target"):  # takes time 1e12
        sequential.train(1e-4, (2, 1), widths=(2, 2, 2, 2, 2, 2), rng=0)


SPECTRA = [(4, 3, 2, 1), (10, 5, 2.5, 1.25), (7, 5.5, 4, 2.5)]


@pytest.mark.slow
@pytest.mark.parametrize("sigma", SPECTRA)
@pytest.mark.parametrize("seed", range(3))
def test_section_6_is_reproduced(sigma, seed):
    target = sequential.diagonal_target(sigma)
    near = sequential.learning(sequential.train(sequential.NEAR, sigma, rng=seed), target)
    assert near.verdict == "sequential"
    assert near.distance.max() <= 1.1e-3 and near.gap.min() >= 20
    away = sequential.learning(sequential.train(sequential.AWAY, sigma, rng=seed), target)
    assert away.verdict == "simultaneous"
    assert away.distance[0] >= 2.5 and away.distance[1] >= 1.5


@pytest.mark.slow
def test_time_grows_with_the_scale_to_the_power_two_minus_h():
    # the same start, halved: the time to leave the origin grows by 2^3
    target = sequential.diagonal_target()
    slow, fast = (
        sequential.learning(sequential.train(scale, rng=0), target).rise[0]
        for scale in (0.02, 0.04)
    )
    assert slow / fast == pytest.approx(8, rel=0.01)

"""Steps in parts: the law of Brownian bridges, paths that fail alone, errors that are not ours."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import balanced, dyson, energies, equilibrium, langevin, statistics
from dlngeo._paths import groups, stepping
from dlngeo._paths.bridges import Bridges
from dlngeo._paths.run import Run
from dlngeo._paths.stepping import all_paths
from dlngeo._random import Streams, seed_sequence
from dlngeo.equilibrium import _sampling

START = np.array([[1.4, 0.3], [-0.2, 0.9]])
ZERO = energies.Quadratic(np.zeros((2, 2)))
OPTIONS = {"depth": 2, "beta": 3.0, "dt": 0.01, "n_steps": 7}


class Ornstein:
    """dx = -θ x dt + dB in many coordinates at once, by Euler's method; notes its increments.

    ``parts`` says how many parts of dt = 1 the drift asks for; a step longer than ``longest``
    leads nowhere.
    """

    def __init__(self, size, parts, longest=math.inf, theta=6.0):
        self.noise_size, self.parts, self.longest, self.theta = size, parts, longest, theta
        self.lengths, self.increments = [], []

    def prepare(self, state, kept):
        return np.full(len(state), float(self.parts)), None

    def step(self, state, normals, dt, ready=None):
        h = np.broadcast_to(dt, len(state))[:, None]
        if (h > self.longest).any():
            return np.where(h > self.longest, np.nan, state)
        if (h > 0).all():
            self.lengths.append(h[:, 0].copy())
            self.increments.append(np.sqrt(h) * normals)
        return state - h * self.theta * state + np.sqrt(h) * normals


def run(stepper, n_paths=20, n_steps=1, seed=0):
    plan = Run.of(1.0, n_steps, 1, n_paths, seed)
    return all_paths(stepper, np.zeros((1, stepper.noise_size)), plan)


# ------------------------------------------------------------------------------ the bridge's law


@pytest.mark.parametrize(("parts", "longest", "count"), [(40, 9.9, 40), (1, 0.3, 4), (3, 0.2, 6)])
def test_increments_of_the_parts_are_independent_of_variance_h(parts, longest, count):
    """20 paths of 1000 coordinates: each moment of the increments to 1/√20000, at 6 errors.

    40 parts because the drift asks for them; 4 and 6 by halving what fails.
    """
    stepper = Ornstein(1000, parts, longest)
    run(stepper)
    h = np.array(stepper.lengths)  # (part, path)
    assert h.shape == (count, 20)
    assert_allclose(h, 1 / count, rtol=1e-12)
    increments = np.array(stepper.increments).reshape(count, -1) * math.sqrt(count)
    n = increments.shape[1]
    covariance = increments @ increments.T / n
    error = np.where(np.eye(count, dtype=bool), math.sqrt(2 / n), math.sqrt(1 / n))
    assert (np.abs(covariance - np.eye(count)) < 6 * error).all()


def test_ornstein_uhlenbeck_in_forty_parts_has_the_variance_of_eulers_method():
    run_ = run(Ornstein(1000, 40), n_steps=5)
    variance = (run_.frames[:, 1:] ** 2).mean(axis=(0, 2))
    h, theta, k = 1 / 40, 6.0, 40 * np.arange(1, 6)
    exact = h * (1 - (1 - theta * h) ** (2 * k)) / (1 - (1 - theta * h) ** 2)
    assert (np.abs(variance / exact - 1) < 5 * math.sqrt(2 / 20000)).all()
    assert run_.cut == 100


def test_a_step_in_parts_has_the_increment_that_was_drawn():
    for stepper in (Ornstein(3, 40, theta=0.0), Ornstein(3, 1, 0.05, theta=0.0)):
        ends = run(stepper, 4, 6).frames
        normals = Streams(0, range(4)).normals(6, 3)
        assert_allclose(ends[:, 1:], np.cumsum(np.moveaxis(normals, 0, 1), axis=1), atol=1e-12)


def test_bridges_share_no_number_with_each_other_nor_with_the_paths():
    seed, paths = np.random.SeedSequence(5), range(3, 9)
    own = Streams(seed, paths).normals(500, 4)
    bridges = Bridges(seed, paths)
    drawn = np.stack([bridges.normals(np.arange(6), 4) for _ in range(500)])
    both = np.concatenate([own.ravel(), drawn.ravel()])
    assert np.unique(both).size == both.size
    assert abs(np.corrcoef(own.ravel(), drawn.ravel())[0, 1]) < 5 / math.sqrt(drawn.size)


# ------------------------------------------------------------------------- paths that fail alone


class Fragile(Ornstein):
    """Paths whose first coordinate has gone beyond ``edge`` lead nowhere, however short a step."""

    edge = 2.0

    def step(self, state, normals, dt, ready=None):
        new = super().step(state, normals, dt)
        return np.where(state[:, :1] > self.edge, np.nan, new)


def test_a_path_ends_alone_and_the_others_do_not_notice():
    fragile = run(Fragile(2, 1, theta=0.1), n_paths=40, n_steps=12)
    whole = run(Ornstein(2, 1, theta=0.1), n_paths=40, n_steps=12)
    beyond = whole.frames[:, :, 0] > Fragile.edge
    ended = np.where(beyond.any(axis=1), beyond.argmax(axis=1), 12)
    assert 3 < (ended < 12).sum() < 37
    assert np.array_equal(fragile.reached, ended)
    assert np.array_equal(fragile.status, np.where(ended < 12, -1, 0))
    there = np.arange(13) <= ended[:, None]
    assert np.array_equal(fragile.frames[there], whole.frames[there])
    assert np.isnan(fragile.frames[~there]).all()
    first = int(np.flatnonzero(ended < 12)[0])
    assert f"path {first} at t = {ended[first]}" in fragile.message(fragile.ends())
    assert f"{(ended < 12).sum()} of 40 paths ended early" in fragile.message(fragile.ends())


def test_ended_paths_are_the_same_in_any_company(monkeypatch):
    whole = run(Fragile(2, 1, theta=0.1), n_paths=30, n_steps=8)
    monkeypatch.setattr(stepping, "_CHUNK", 7)
    monkeypatch.setattr(groups, "_BLOCK", 3)
    plan = Run.of(1.0, 8, 1, 30, 0, workers=2)
    parts = all_paths(Fragile(2, 1, theta=0.1), np.zeros((1, 2)), plan)
    assert np.array_equal(whole.frames, parts.frames, equal_nan=True)
    assert np.array_equal(whole.reached, parts.reached)


def test_upstairs_at_an_ordinary_step_no_path_is_lost():
    """The step that ended all paths at t = 0.88: λ_1 = 0.29 and noise of 0.46."""
    layers = balanced.lift(0.29**3 * np.diag([1.0, 0.3]), 3)
    options = {"beta": 1.0, "dt": 0.02, "n_steps": 4, "save_every": 1, "rng": 0}
    many = langevin.simulate(ZERO, layers, n_paths=300, **options)
    assert many.success and not many.status.any() and many.status.shape == (300,)
    assert many.provenance["cut"] > 0
    assert balanced.residual(tuple(W.reshape(-1, 2, 2) for W in many.weights)).max() < 1e-12
    assert (np.linalg.det(many.W) > 0).all()
    few = langevin.simulate(ZERO, layers, n_paths=3, first_path=50, workers=2, **options)
    assert np.array_equal(few.W, many.W[50:53])


@pytest.mark.parametrize("size", [1e-3, 1e-8])
def test_upstairs_a_small_network_grows_out_of_the_origin(size):
    """Noise of 0.3 a step, layers of 1e-3 and 1e-8: parts as short as λ², and ever longer."""
    layers = balanced.lift(size**3 * np.diag([1.0, 0.3]), 3)
    result = langevin.simulate(ZERO, layers, beta=1.0, dt=0.05, n_steps=2, n_paths=20, rng=0)
    assert result.success, result.message
    assert 0.05 < np.median(result.singular_values[:, -1, 0]) < 1


class Cliff(energies.Quadratic):
    """½‖W‖², and infinite slopes where W_11 > 2: no step leads back."""

    def gradient(self, W):
        assert np.isfinite(W).all()
        slope = super().gradient(W)
        return np.where(np.asarray(W)[..., :1, :1] > 2.0, np.nan, slope)


@pytest.mark.parametrize("upstairs", [False, True])
def test_what_an_ensemble_says_of_paths_that_ended(upstairs):
    energy = Cliff(np.zeros((2, 2)))
    options = {"depth": 2, "beta": 2.0, "dt": 0.05, "n_steps": 24, "rng": 1, "n_paths": 30}
    result = langevin.simulate(energy, START, upstairs=upstairs, save_every=4, **options)
    lost = result.status == -1
    assert 0 < lost.sum() < 30 and not result.success
    assert result.t.size == 7 and (result.ends[~lost] == result.t[-1]).all()
    there = result.t <= result.ends[:, None] + 1e-9
    for name in ("energy", "effective_rank"):
        assert np.array_equal(np.isfinite(getattr(result, name)), there)
    assert np.array_equal(np.isfinite(result.singular_values).all(axis=2), there)
    assert f"{lost.sum()} of 30 paths ended early: path {np.flatnonzero(lost)[0]} at t = " in str(
        result
    )
    with pytest.raises(ValueError, match=f"{lost.sum()} of 30 paths are not"):
        statistics.mean(result.energy)
    with pytest.raises(ValueError, match=f"{lost.sum()} of 30 ended early"):
        statistics.free_energy_balance(result, ZERO)
    with pytest.raises(ValueError, match=f"{lost.sum()} of 30 ended early"):
        statistics.first_passage_times(result, 1)
    assert np.array_equal(np.isfinite(statistics.free_energy(result, ZERO)), there)
    short = result.together()
    assert short.t.size == there.all(axis=0).sum() and np.isfinite(short.W).all()
    assert_allclose(statistics.mean(short.energy).value, result.energy[:, : short.t.size].mean(0))
    alone = langevin.simulate(
        energy, START, upstairs=upstairs, save_every=4, first_path=int(np.flatnonzero(lost)[0]),
        **options | {"n_paths": 1},
    )  # fmt: skip
    assert np.array_equal(alone.W[0], result.W[lost][0], equal_nan=True)
    assert alone.ends[0] == result.ends[lost][0]


def test_a_frame_that_overflows_ends_its_path():
    """W = Y^40 leaves floating point long before Y does."""
    start = np.diag([1.7e308, 1e-3])
    result = langevin.brownian_motion(
        start, depth=40, beta=1e-14, dt=0.01, n_steps=4, n_paths=8, rng=0
    )
    lost = result.status == -1
    assert lost.any() and "ended early" in result.message
    assert np.isfinite(result.W[~lost]).all()


def test_far_proposals_are_refused_in_three_dimensions():
    """Where Y overflows there is no decomposition: the proposal is refused, the run goes on."""

    class Steep(energies.Quadratic):
        hessian_norm = 0.0  # as if it were flat: proposals leap

        def gradient(self, W):
            return 1e200 * super().gradient(W)

    result = equilibrium.metropolis(
        Steep(np.zeros((3, 3))), np.eye(3), depth=3, beta=1.0, dt=1e3, n_steps=120, n_paths=2,
        rng=0,
    )  # fmt: skip
    assert (result.status == -1).all() and "stood still (paths 0, 1)" in result.message
    assert not result.effective_size.any()


# --------------------------------------------------------------------------- errors of the user's


class Complaining(energies.Quadratic):
    """An energy of a user's that refuses some matrices."""

    def __init__(self, error):
        super().__init__(np.zeros((2, 2)))
        self.error, self.calls = error, 0

    def gradient(self, W):
        self.calls += 1
        if self.calls > 6:
            raise self.error
        return super().gradient(W)


@pytest.mark.parametrize("error", [ValueError("mine"), np.linalg.LinAlgError("mine too")])
@pytest.mark.parametrize("options", [{}, {"upstairs": True}, {"method": "euler"}, {"workers": 2}])
def test_an_error_of_the_energy_propagates_as_it_is(error, options):
    with pytest.raises(type(error)) as caught:
        langevin.simulate(Complaining(error), START, n_paths=4, rng=0, **OPTIONS, **options)
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        equilibrium.metropolis(
            Complaining(error), START, n_paths=4, rng=0, **OPTIONS | {"n_steps": 20}
        )
    assert caught.value is error


# --------------------------------------------------------------------------------- what is a seed


def drivers(rng):
    """One number or more of noise from every driver that opens streams."""
    start = np.array([-1.0, 0.2, 1.5])
    short = {"beta": 2.0, "dt": 0.01, "n_steps": 2, "n_paths": 2}
    yield langevin.simulate(ZERO, START, depth=2, rng=rng, **short)
    yield langevin.brownian_motion(START, depth=2, on="orbit", rng=rng, **short)
    yield langevin.simulate_unbalanced(None, (START, START), rng=rng, **short)
    yield equilibrium.metropolis(ZERO, START, depth=2, rng=rng, **short)
    yield equilibrium.sample(
        ZERO, shape=(2, 2), depth=2, beta=1.0, n_paths=2, n_draws=8, warmup=2, rng=rng
    )
    yield dyson.simulate(start, rng=rng, **short)
    yield dyson.simulate_lift(np.diag(start), rng=rng, **short)


def noise(result):
    return result.W if hasattr(result, "W") else result.x


@pytest.mark.parametrize(
    "again", [np.random.default_rng, lambda s: np.random.Generator(np.random.PCG64(s)),
              np.random.PCG64],
)  # fmt: skip
def test_a_generator_gives_other_noise_each_time_and_says_which(again):
    generator = again(3)
    first, second = list(drivers(generator)), list(drivers(generator))
    for one, two in zip(first, second, strict=True):
        assert not np.array_equal(noise(one), noise(two))
    for one, two in zip(first, drivers(again(3)), strict=True):
        assert np.array_equal(noise(one), noise(two))
    for one, two in zip(first[:1], second[:1], strict=True):
        for told in (one.provenance, two.provenance):
            seed = np.random.SeedSequence(told["seed"], spawn_key=told["spawn_key"])
            rerun = next(drivers(seed))
            assert np.array_equal(rerun.W, one.W if told is one.provenance else two.W)


@pytest.mark.parametrize("seed", [7, np.random.SeedSequence(7, spawn_key=(2,)), [1, 2**40]])
def test_numbers_and_seed_sequences_give_the_same_noise_each_time(seed):
    for one, two in zip(drivers(seed), drivers(seed), strict=True):
        assert np.array_equal(noise(one), noise(two))
    one = next(drivers(seed))
    told = one.provenance
    again = np.random.SeedSequence(told["seed"], spawn_key=told["spawn_key"])
    assert np.array_equal(next(drivers(again)).W, one.W)
    if isinstance(seed, np.random.SeedSequence):
        assert seed.n_children_spawned == 0


def test_a_seed_is_that_of_numpy():
    assert seed_sequence(5).entropy == np.random.default_rng(5).bit_generator.seed_seq.entropy
    assert seed_sequence(np.random.default_rng(5)).spawn_key == (0,)


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.2.0", reason="default_rng takes none")
def test_a_random_state_advances():
    state, same = np.random.RandomState(3), np.random.RandomState(3)
    first, second = seed_sequence(state).entropy, seed_sequence(state).entropy
    assert first != second
    assert first == seed_sequence(same).entropy


def test_provenance_tells_the_equation():
    results = list(drivers(0))[:5]
    told = [(r.provenance["equation"], r.provenance["entropic_drift"]) for r in results]
    assert told == [
        ("Langevin", True),
        ("Brownian motion, orbit", True),
        ("Ito noise tangent to the G-balanced variety", False),
        ("Langevin", True),
        ("Gibbs measure", True),
    ]
    free = langevin.brownian_motion(START, depth=2, beta=1.0, dt=0.01, n_steps=1).provenance
    assert (free["equation"], free["entropic_drift"]) == ("Brownian motion, end-to-end", False)
    for known in (r.provenance for r in results):
        assert "entropy" not in known and known["seed"] == 0


def test_frames_and_singular_values_come_from_streams_of_their_own(monkeypatch):
    """What a path draws its gas from shares no number with what it draws its frames from."""
    drawn = []
    gas, frame = _sampling.sample_log_gas, _sampling.haar_frame

    def tap(generator):
        copy = np.random.Generator(type(generator.bit_generator)())
        copy.bit_generator.state = generator.bit_generator.state
        drawn.append(copy.standard_normal(300))

    def spied_gas(target, generators, **options):
        for generator in generators:
            tap(generator)
        return gas(target, generators, **options)

    def spied_frame(d, r, generator, size):
        tap(generator)
        return frame(d, r, generator, size)

    monkeypatch.setattr(_sampling, "sample_log_gas", spied_gas)
    monkeypatch.setattr(_sampling, "haar_frame", spied_frame)
    equilibrium.sample(ZERO, shape=(2, 2), depth=2, beta=1.0, n_paths=3, n_draws=8, warmup=2, rng=4)
    of_gas, of_frames = drawn[:3], drawn[3::2]  # the second frame goes on where the first ended
    assert len(of_frames) == 3
    numbers = np.concatenate(of_gas + of_frames)
    assert np.unique(numbers).size == numbers.size

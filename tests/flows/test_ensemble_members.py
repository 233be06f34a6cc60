"""Members of an ensemble of flows are strangers: stops, failures and bits are each one's own."""

import importlib.util
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo import energies, flows

NAN = math.nan
DIAGONAL = energies.MatrixCompletion.from_nan([[1, NAN], [NAN, 1]])
ENGINES = ["numpy"]
if importlib.util.find_spec("numba"):
    ENGINES.append("numba")

engines = pytest.mark.parametrize("engine", ENGINES)


def gaussian(paths, m, n, seed=0):
    return np.random.default_rng(seed).standard_normal((paths, m, n))


class Quartic:
    """E = -¼ Σ W⁴: at depth 1 an entry w blows up at t = 1/(2 w²)."""

    shape = (1, 2)

    def value(self, W):
        return -0.25 * (np.asarray(W) ** 4).sum(axis=(-2, -1))

    def gradient(self, W):
        return -(np.asarray(W) ** 3)

    def hessian(self, W, Z):
        return -3 * np.asarray(W) ** 2 * Z


class Stiff(Quartic):
    """½ (w_1² + a w_2²), a = 1e4 where w_1 is positive, else 2."""

    def _rates(self, W):
        W = np.asarray(W)
        return np.stack((np.ones_like(W[..., 0]), np.where(W[..., 0] > 0, 1e4, 2.0)), axis=-1)

    def value(self, W):
        return 0.5 * (self._rates(W) * W**2).sum(axis=(-2, -1))

    def gradient(self, W):
        return self._rates(W) * W


# ---------------------------------------------------------------------------------- stops


@engines
@pytest.mark.parametrize("bound", [0.3, 1e-3, 1e-16])
def test_each_member_stops_where_its_energy_falls_to_the_bound(engine, bound):
    starts = gaussian(30, 2, 2)
    run = flows.ensemble(
        DIAGONAL, starts, (0, 1e4), depth=3, stop_loss=bound, gtol=0, rtol=1e-9, engine=engine
    )
    value = DIAGONAL.value(starts)
    at_once = value <= bound
    assert (run.status == 1).all() and (run.t_end[at_once] == 0).all()
    assert (run.energy_end <= bound).all()
    assert_allclose(run.energy_end[~at_once], bound, rtol=2e-6)
    for k in (3, 17):
        one = flows.gradient_flow(
            DIAGONAL, starts[k], (0, 1e4), depth=3, stop_loss=bound, gtol=0, method="DOP853",
            rtol=1e-12,
        )  # fmt: skip
        assert_allclose(run.t_end[k], one.t[-1], atol=1e-4, rtol=0)  # what rtol makes of 1e-16
        assert_allclose(run.W_end[k], one.W[-1], atol=1e-7)


@engines
def test_a_negative_bound(engine):
    sensing = energies.MatrixSensing([np.eye(2)], [1.0])

    class Shifted(Quartic):
        shape = (2, 2)

        def value(self, W):
            return sensing.value(W) - 10.0

        def gradient(self, W):
            return sensing.gradient(W)

    starts = gaussian(5, 2, 2)
    run = flows.ensemble(
        Shifted(), starts, (0, 1e3), depth=2, stop_loss=-9.999, gtol=0, rtol=1e-8,
        engine="auto" if engine == "numba" else engine,
    )  # fmt: skip
    assert run.engine.startswith("numpy")  # the energy has no part that numba could compile
    assert_allclose(run.energy_end, -9.999, rtol=1e-7)


@engines
def test_each_member_has_its_own_gradient_tolerance(engine):
    starts = gaussian(20, 2, 2)
    run = flows.ensemble(DIAGONAL, starts, (0, 1e4), depth=2, gtol=1e-5, engine=engine)
    assert (run.status == 1).all() and "stationary" in run.message
    sizes = [np.linalg.norm(DIAGONAL.gradient(W), axis=(-2, -1)) for W in (starts, run.W_end)]
    assert (sizes[1] <= 1e-5 * np.maximum(sizes[0], math.sqrt(2))).all()
    # a saddle of the network is no end: E'(0) does not vanish
    zero = flows.ensemble(DIAGONAL, np.zeros((1, 2, 2)), (0, 5), depth=2, engine=engine)
    assert zero.status.tolist() == [0] and not zero.W_end.any()


@engines
def test_frames_do_not_change_a_path_and_end_with_it(engine):
    starts = gaussian(20, 2, 2)
    options = {"depth": 3, "stop_loss": 1e-3, "engine": engine}
    plain = flows.ensemble(DIAGONAL, starts, (0, 50), **options)
    times = np.linspace(0, 50, 40)
    framed = flows.ensemble(DIAGONAL, starts, (0, 50), t_eval=times, **options)
    assert (framed.W_end == plain.W_end).all() and (framed.t_end == plain.t_end).all()
    assert (np.isnan(framed.W[..., 0, 0]) == (times > framed.t_end[:, None])).all()
    assert (framed.W[:, 0] == starts).all()


# ------------------------------------------------------------------------------- failures


def test_members_that_blow_up_leave_the_others_unhurt():
    starts = np.array([[[1.0, 0.1]], [[0.1, 0.2]], [[0.0, 0.0]], [[0.5, 2.0]]])
    run = flows.ensemble(Quartic(), starts, (0, 1), depth=1, rtol=1e-10)
    assert run.status.tolist() == [-1, 0, 1, -1] and not run.success
    assert_allclose(run.t_end, [0.5, 1, 0, 0.125], rtol=1e-9)  # w blows up at 1/(2w²)
    assert_allclose(run.W_end[1, 0], np.array([0.1, 0.2]) / np.sqrt([0.98, 0.92]), rtol=1e-9)
    assert "path 0 at t = 0.5, 3 at t = 0.125" in run.message
    assert np.isfinite(run.W_end).all()
    alone = flows.ensemble(Quartic(), starts[1:2], (0, 1), depth=1, rtol=1e-10)
    assert (alone.W_end[0] == run.W_end[1]).all()


@engines
def test_starts_beyond_the_range_of_numbers_keep_to_themselves(engine):
    starts = np.array([0.5, 1e200, 2.0])[:, None, None] * np.eye(2)
    run = flows.ensemble(DIAGONAL, starts, (0, 1), depth=2, engine=engine)
    assert run.status.tolist() == [0, -1, 0] and "energy is not finite" in run.message
    assert (run.W_end[1] == starts[1]).all()
    two = flows.ensemble(DIAGONAL, starts[::2], (0, 1), depth=2, engine=engine)
    assert (two.W_end == run.W_end[::2]).all()


@engines
def test_the_budget_is_each_members_own(engine):
    starts = gaussian(20, 2, 2) * np.geomspace(1e-3, 1, 20)[:, None, None]
    free = flows.ensemble(DIAGONAL, starts, (0, 30), depth=3, engine=engine)
    most = int(np.median(free.stats["steps"]))
    run = flows.ensemble(DIAGONAL, starts, (0, 30), depth=3, max_steps=most, engine=engine)
    long = free.stats["steps"] > most
    assert ((run.status == -1) == long).all() and (run.stats["steps"] <= most).all()
    assert (run.W_end[~long] == free.W_end[~long]).all()
    assert "gave up" in run.message


# --------------------------------------------------------------------------------- methods


def test_stiff_members_change_the_method_and_others_do_not():
    starts = np.array([[[1.0, 1.0]], [[-1.0, 1.0]], [[0.5, 1e-3]], [[-2.0, 2.0]]])
    run = flows.ensemble(Stiff(), starts, (0, 3), depth=1, rtol=1e-6, gtol=0)
    assert_allclose(run.W_end[:, 0, 0], starts[:, 0, 0] * math.exp(-3), rtol=1e-5)
    assert_allclose(run.W_end[1::2, 0, 1], starts[1::2, 0, 1] * math.exp(-6), rtol=1e-5)
    assert (run.stats["stabilised"][[0, 2]] > 0).all()
    assert (run.stats["stabilised"][[1, 3]] == 0).all()
    explicit = flows.ensemble(Stiff(), starts, (0, 3), depth=1, rtol=1e-6, gtol=0, method="DOP853")
    assert (explicit.stats["stabilised"] == 0).all()
    ratio = explicit.stats["evaluations"] / run.stats["evaluations"]
    assert (ratio[[0, 2]] > 5).all() and (ratio[[1, 3]] == 1).all()


@engines
def test_errors_follow_the_tolerance(engine):
    starts = gaussian(10, 3, 3)
    rng = np.random.default_rng(0)
    energy = energies.MatrixCompletion(rng.standard_normal((3, 3)), rng.random((3, 3)) < 0.7)

    def end(**options):
        return flows.ensemble(energy, starts, (0, 3), depth=3, engine=engine, **options).W_end

    best = end(rtol=1e-13, method="DOP853")
    for method in ("DOP853", "ROCK4", "auto"):
        errors = [np.abs(end(rtol=r, method=method) - best).max() for r in (1e-5, 1e-8)]
        assert errors[0] < 1e-2 and errors[1] < 1e-5 and errors[1] < errors[0] / 30


# ------------------------------------------------------------------------------- the same bits


@engines
@pytest.mark.parametrize("depth", [3, 2.5])
@pytest.mark.parametrize("d", [2, 4])
def test_no_member_depends_on_its_company(engine, depth, d):
    rng = np.random.default_rng(d)
    energy = energies.MatrixCompletion(rng.standard_normal((d, d)), rng.random((d, d)) < 0.6)
    starts = gaussian(77, d, d)
    options = {
        "depth": depth, "t_eval": [0.5, 3.0], "stop_loss": 1e-3, "rtol": 1e-5, "engine": engine
    }  # fmt: skip

    def run(which, **more):
        found = flows.ensemble(energy, starts[which], (0, 20), **options, **more)
        arrays = found.W_end, found.W, found.t_end, found.energy_end, *found.stats.values()
        return arrays

    everyone = run(np.arange(77))
    order = np.random.default_rng(1).permutation(77)
    for which, more in (
        (order, {}),
        (np.arange(77), {"workers": 3}),
        (order[:13], {"workers": 2}),
        (order[:2], {}),
        (order[:1], {}),
        (np.array([5, 5, 5]), {}),
    ):
        for whole, some in zip(everyone, run(which, **more), strict=True):
            assert np.array_equal(whole[which], some, equal_nan=True)


def test_groups_that_fill_up_again_change_nothing(monkeypatch):
    from dlngeo._lockstep.numpy_motion import NumpyMotion

    options = {"depth": 2, "stop_loss": 1e-6, "engine": "numpy", "t_eval": [1.0]}
    starts = gaussian(150, 2, 2)
    whole = flows.ensemble(DIAGONAL, starts, (0, 100), **options)
    make = NumpyMotion.__init__

    def small(self, *arguments):
        make(self, *arguments)
        self.group = 7

    monkeypatch.setattr(NumpyMotion, "__init__", small)
    parts = flows.ensemble(DIAGONAL, starts, (0, 100), **options)
    assert (parts.W_end == whole.W_end).all() and (parts.t_end == whole.t_end).all()
    assert np.array_equal(parts.W, whole.W, equal_nan=True)


@pytest.mark.skipif(len(ENGINES) < 2, reason="needs numba")
@pytest.mark.parametrize("depth", [1, 2, 3, 7.5, math.inf])
@pytest.mark.parametrize("d", [2, 3])
def test_engines_agree(depth, d):
    rng = np.random.default_rng(d)
    energy = energies.MatrixCompletion(rng.standard_normal((d, d)), rng.random((d, d)) < 0.7)
    starts = gaussian(20, d, d)
    one, two = (
        flows.ensemble(energy, starts, (0, 2), depth=depth, rtol=1e-9, t_eval=[1], engine=engine)
        for engine in ENGINES
    )
    assert_allclose(one.W_end, two.W_end, atol=1e-10)
    assert_allclose(one.W, two.W, atol=1e-10)
    assert (one.status == two.status).all()
    assert np.abs(one.stats["steps"] - two.stats["steps"]).max() <= 1


# ------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("starts", "options", "words"),
    [
        (np.eye(2), {"depth": 2}, "path, m, n"),
        (np.zeros((0, 2, 2)), {"depth": 2}, "must hold a matrix"),
        (np.zeros((2, 3, 2, 2)), {"depth": 2}, "path, m, n"),
        ((np.eye(2), np.eye(2)), {}, "path, d_p"),
        ((np.eye(2)[None], np.eye(2)[None]), {"depth": 2}, "know their depth"),
        (np.zeros((3, 2, 3)), {"depth": 2}, "shape"),
        (np.ones((2, 2, 2)), {"depth": 2, "method": "RKC"}, "method"),
        (np.ones((2, 2, 2)), {"depth": 2, "workers": 0}, "workers"),
        (np.ones((2, 2, 2)), {"depth": 2, "engine": "fortran"}, "engine"),
        (np.ones((2, 2, 2)), {"depth": 0.5}, "depth"),
        (np.ones((2, 2, 2)), {"depth": 2, "t_eval": [3, 2]}, "t_eval"),
    ],
)
def test_refusals(starts, options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        flows.ensemble(DIAGONAL, starts, (0, 1), **options)


def test_a_rank_that_rounding_decides_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="rank"):
        flows.ensemble(DIAGONAL, np.outer([1.0, 0.3], [0.7, 1.0])[None], (0, 1), depth=10)


@pytest.mark.skipif(len(ENGINES) < 2, reason="needs numba")
def test_the_engine_numba_refuses_what_it_cannot_compile():
    with pytest.raises(ValueError, match="compiled"):
        flows.ensemble(Quartic(), np.ones((1, 1, 2)), (0, 1), depth=1, engine="numba")


def test_errors_of_an_energy_come_through():
    class Broken(Quartic):
        def gradient(self, W):
            if np.any(np.asarray(W) > 2):
                raise ArithmeticError("too large for me")
            return super().gradient(W)

    with pytest.raises(ArithmeticError, match="too large for me"):
        flows.ensemble(Broken(), np.ones((3, 1, 2)), (0, 0.6), depth=1, workers=2)

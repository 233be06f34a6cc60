"""Flows of low rank against the dense flow, definitions, and other integrators."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dlngeo import balanced, energies, flows, lowrank, weights
from dlngeo._equation import Equation
from dlngeo.flows import Control, integrate
from dlngeo.lowrank import Factors, flow, random_start, spectral_start
from dlngeo.lowrank._pulls import DensePull, SparsePull, pull_of
from dlngeo.lowrank._systems import RootFlow, _quotients

ENGINES = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(
    "not __import__('importlib.util').util.find_spec('numba')"
))]  # fmt: skip
M, N, R = 12, 9, 3
RNG = np.random.default_rng(0)


def frame(size, rank, rng=RNG):
    return np.linalg.qr(rng.standard_normal((size, rank)))[0]


TRUTH = Factors(frame(M, R), np.array([3.0, 2.0, 1.0]), frame(N, R))
ROWS, COLS = np.nonzero(RNG.random((M, N)) < 0.6)
VALUES = TRUTH.dense()[ROWS, COLS]
ENERGY = energies.SparseCompletion(ROWS, COLS, VALUES, (M, N))
LOSSES = {
    "squares": ENERGY,
    "huber": energies.SparseHuber(ROWS, COLS, VALUES, (M, N), threshold=0.2),
    "logistic": energies.SparseLogistic(ROWS, COLS, np.sign(VALUES), (M, N)),
}
START = Factors(frame(M, R), np.array([0.5, 0.3, 0.1]), frame(N, R))
TIMES = [0, 1, 3, 6]
LARGER = random_start((40, 30), 2, scale=2.0, rng=5)._replace(sigma=np.array([3.0, 2.0]))
SEEN = np.nonzero(np.random.default_rng(6).random((40, 30)) < 0.5)
ENOUGH = energies.SparseCompletion(*SEEN, LARGER.dense()[SEEN], (40, 30))


# ----------------------------------------------------------------------------------- the flow


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("depth", [2, 3, 4, 7, 2.5, 3.5])
def test_it_is_the_dense_flow(depth, decay, engine):
    options = {"depth": depth, "t_eval": TIMES, "rtol": 1e-9, "weight_decay": decay}
    dense = flows.gradient_flow(ENERGY, START.dense(), (0, 6), rank=R, **options)
    run = flow(ENERGY, START, (0, 6), engine=engine, **options)
    assert run.status == 0 and run.t.tolist() == TIMES
    for k in range(len(TIMES)):
        np.testing.assert_allclose(run.factors(k).dense(), dense.W[k], atol=1e-8)
    np.testing.assert_allclose(run.singular_values, dense.singular_values[:, :R], atol=1e-8)
    np.testing.assert_allclose(run.energy, dense.energy, rtol=1e-7)
    np.testing.assert_allclose(run.effective_rank, dense.effective_rank, rtol=1e-7)


def near_truth(amount=0.1):
    rng = np.random.default_rng(1)
    return Factors(
        *(
            np.linalg.qr(A + amount * rng.standard_normal(A.shape))[0] if A.ndim > 1 else A
            for A in TRUTH
        )
    )


def test_between_one_and_two():
    """Where σ_r grows from a small start the dense flow is stiff: from a start near its end."""
    options = {"depth": 1.5, "rtol": 1e-9, "t_eval": TIMES}
    dense = flows.gradient_flow(ENERGY, near_truth().dense(), (0, 6), rank=R, **options)
    run = flow(ENERGY, near_truth(), (0, 6), **options)
    np.testing.assert_allclose(run.factors().dense(), dense.W[-1], atol=1e-8)


def test_depth_one_is_the_projected_flow():
    def projected(t, y):
        W = y.reshape(M, N)
        U, _, Vt = np.linalg.svd(W)
        P, Q = U[:, :R] @ U[:, :R].T, Vt[:R].T @ Vt[:R]
        S = ENERGY.gradient(W)
        return -(P @ S + S @ Q - P @ S @ Q).reshape(-1)

    oracle = solve_ivp(projected, (0, 3), near_truth().dense().reshape(-1), rtol=1e-9, atol=1e-12)
    run = flow(ENERGY, near_truth(), (0, 3), depth=1, rtol=1e-9)
    np.testing.assert_allclose(run.factors().dense().reshape(-1), oracle.y[:, -1], atol=1e-7)


def test_a_wide_balanced_network_moves_the_same_way():
    """Hidden layers of more than r, balanced, upstairs."""
    network = balanced.lift(START.dense(), 3, widths=(N, 6, 5, M), rank=R)
    up = flows.gradient_flow(ENERGY, network, (0, 6), rtol=1e-9)
    run = flow(ENERGY, START, (0, 6), depth=3, rtol=1e-9)
    np.testing.assert_allclose(run.factors().dense(), up.W[-1], atol=1e-8)


@pytest.mark.parametrize("depth", [2, 3, 2.7])
def test_it_finds_what_was_observed(depth):
    run = flow(ENOUGH, spectral_start(ENOUGH, 2), (0, 1e4), depth=depth, stop_loss=1e-14)
    assert run.status == 1 and "stop_loss" in run.message
    np.testing.assert_allclose(run.factors().dense(), LARGER.dense(), atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("engine", ENGINES)
def test_other_losses(name, engine):
    energy = LOSSES[name]
    options = {"depth": 3, "rtol": 1e-8, "weight_decay": 0.01}
    dense = flows.gradient_flow(energy, START.dense(), (0, 4), rank=R, **options)
    run = flow(energy, START, (0, 4), engine=engine, **options)
    np.testing.assert_allclose(run.factors().dense(), dense.W[-1], atol=1e-6)


def test_any_energy_is_asked_by_way_of_the_dense_matrix():
    energy = energies.Quadratic(TRUTH.dense())
    options = {"depth": 3, "rtol": 1e-9}
    dense = flows.gradient_flow(energy, START.dense(), (0, 4), rank=R, **options)
    run = flow(energy, START.dense(), (0, 4), rank=R, **options)
    np.testing.assert_allclose(run.factors().dense(), dense.W[-1], atol=1e-9)


def test_the_layers_stay_balanced():
    """(4.11) holds on the balanced manifold alone: what the real-depth state drifts off it."""
    drift = []

    class Watched(RootFlow):
        def reading(self, y):
            A, B = self._outer(y)
            drift.append(np.abs(A.T @ A - B.T @ B).max())
            return super().reading(y)

    equation = Equation(ENOUGH, 2.5)
    system = Watched(equation, spectral_start(ENOUGH, 2), pull_of(ENOUGH, (40, 30), "numpy"))
    control = Control.of((0, 100), "auto", None, None, 1e-8, 1e-9, None, None, lambda t, W: None)
    run = integrate(system, control)
    assert run.status == 1
    np.testing.assert_allclose(run.factors().dense(), LARGER.dense(), atol=1e-7)
    assert max(drift) < 1e-8


def test_it_ends_where_the_slope_vanishes():
    run = flow(ENOUGH, spectral_start(ENOUGH, 2), (0, 1e6), depth=3, gtol=1e-6)
    assert run.status == 1 and "stationary" in run.message


def test_a_callback_sees_factors_and_ends_the_run():
    seen = []

    def look(t, W):
        seen.append(W)
        if t > 1:
            raise StopIteration

    run = flow(ENERGY, START, (0, 6), depth=3, callback=look)
    assert run.status == 1 and run.t[-1] > 1 and isinstance(seen[0], Factors)
    np.testing.assert_allclose(seen[-1].dense(), run.factors().dense(), atol=1e-12)


@pytest.mark.parametrize("method", ["RKC", "ROCK4", "DOP853"])
def test_other_solvers(method):
    wanted = flow(ENERGY, START, (0, 3), depth=3, rtol=1e-10).factors().dense()
    found = flow(ENERGY, START, (0, 3), depth=3, rtol=1e-8, method=method).factors().dense()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_table_that_no_memory_holds():
    size = 10**5
    rng = np.random.default_rng(2)
    truth = Factors(frame(size, 1, rng), np.array([1e6]), frame(size, 1, rng))
    rows, cols = (rng.permutation(size)[:2000] for _ in range(2))
    values = truth.entries(rows, cols)
    energy = energies.SparseCompletion(rows, cols, values, (size, size))
    run = flow(energy, truth._replace(sigma=np.array([5e5])), (0, 1e-3), depth=2, rtol=1e-3)
    assert run.status == 0 and run.energy[-1] < run.energy[0]


# --------------------------------------------------------------------------- energies by factors


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("engine", ENGINES)
def test_products_are_those_of_the_dense_gradient(name, engine):
    energy = LOSSES[name]
    L, other = RNG.standard_normal((M, 4)), RNG.standard_normal((N, 4))
    W = L @ other.T
    S, pull = energy.gradient(W), pull_of(energy, (M, N), engine)
    assert isinstance(pull, SparsePull)
    value, by_L, by_R = pull(L, other)
    np.testing.assert_allclose(value, energy.value(W), rtol=1e-12)
    np.testing.assert_allclose(by_L, S @ other, atol=1e-12)
    np.testing.assert_allclose(by_R, S.T @ L, atol=1e-12)
    np.testing.assert_allclose(pull.value(L, other), energy.value(W), rtol=1e-12)
    np.testing.assert_allclose(pull.slope(L, other), np.linalg.norm(S), rtol=1e-12)
    np.testing.assert_allclose(pull.gradient(L, other).toarray(), S, atol=1e-12)
    Z = RNG.standard_normal((M, 2)), RNG.standard_normal((N, 2))
    wanted = (Z[0] @ Z[1].T * energy.hessian(W, Z[0] @ Z[1].T)).sum()
    np.testing.assert_allclose(pull.along(L, other, Z), wanted, rtol=1e-12)


@pytest.mark.parametrize("rank", [1, 8, 9, 16, 17, 40])
@pytest.mark.parametrize("cache", [1 << 20, 5000, 1])
def test_one_pass_in_blocks_of_columns(rank, cache, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr("dlngeo.lowrank._pulls._CACHE", cache)
    L, other = RNG.standard_normal((40, rank)), RNG.standard_normal((30, rank))
    S = ENOUGH.gradient(L @ other.T)
    value, by_L, by_R = pull_of(ENOUGH, (40, 30), "numba")(L, other)
    np.testing.assert_allclose(value, ENOUGH.value(L @ other.T), rtol=1e-12)
    np.testing.assert_allclose(by_L, S @ other, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(by_R, S.T @ L, rtol=1e-10, atol=1e-10)


def test_rows_and_columns_without_entries():
    energy = energies.SparseCompletion([1, 3], [4, 0], [1.0, 2.0], (6, 5))
    L, other = RNG.standard_normal((6, 2)), RNG.standard_normal((5, 2))
    for engine in ("numpy", "auto"):
        _, by_L, by_R = pull_of(energy, (6, 5), engine)(L, other)
        S = energy.gradient(L @ other.T)
        np.testing.assert_allclose(by_L, S @ other, atol=1e-14)
        np.testing.assert_allclose(by_R, S.T @ L, atol=1e-14)


def test_a_class_with_a_gradient_of_its_own_is_asked_for_it():
    class Twice(energies.SparseCompletion):
        def gradient(self, W):
            return 2 * super().gradient(W)

    assert isinstance(pull_of(Twice([0], [0], [1.0], (2, 2)), (2, 2), "auto"), DensePull)


@pytest.mark.parametrize("power", [-0.5, 0.25, 0.5, 1.0, 3.0])
def test_divided_differences(power):
    import mpmath

    x = np.array([1.0, 1.0 + 1e-12, 2.5, 1e-9])
    with mpmath.workdps(60):
        for i, a in enumerate(map(mpmath.mpf, x.tolist())):
            for j, b in enumerate(map(mpmath.mpf, x.tolist())):
                slope = power * a ** (power - 1)
                wanted = slope if a == b else (a**power - b**power) / (a - b)
                assert _quotients(x, power)[i, j] == pytest.approx(float(wanted), rel=1e-13)


# ---------------------------------------------------------------------------- factors and starts


def test_entries_and_dense():
    W = TRUTH.dense()
    np.testing.assert_allclose(TRUTH.entries(ROWS, COLS), W[ROWS, COLS], atol=1e-14)
    assert TRUTH.entries([], []).size == 0
    assert repr(TRUTH) == "Factors(12 x 9 of rank 3)"


def test_starts_that_are_no_singular_value_decomposition():
    U, V = RNG.standard_normal((M, R)), RNG.standard_normal((N, R))
    sigma = np.array([1.0, -2.0, 0.5])
    run = flow(ENERGY, (U, sigma, V), (0, 1e-3), depth=3)
    np.testing.assert_allclose(run.factors(0).dense(), (U * sigma) @ V.T, atol=1e-12)


def test_a_start_of_more_rank_is_cut():
    W = RNG.standard_normal((M, N))
    U, sigma, Vt = np.linalg.svd(W)
    run = flow(ENERGY, W, (0, 1e-3), depth=2, rank=2)
    np.testing.assert_allclose(run.factors(0).dense(), (U[:, :2] * sigma[:2]) @ Vt[:2], atol=1e-12)


def test_a_random_start():
    W = random_start((40, 30), 5, scale=0.1, rng=3)
    np.testing.assert_allclose(W.U.T @ W.U, np.eye(5), atol=1e-14)
    np.testing.assert_allclose(np.linalg.svd(W.dense())[1][:5], 0.1, rtol=1e-12)
    same = random_start((40, 30), 5, scale=0.1, rng=3)
    np.testing.assert_array_equal(W.U, same.U)


@pytest.mark.parametrize("shape", [(30, 20), (700, 600)])
def test_a_spectral_start(shape):
    rng = np.random.default_rng(4)
    rows, cols = np.nonzero(rng.random(shape) < 0.3)
    truth = Factors(frame(shape[0], 2, rng), np.array([9.0, 5.0]), frame(shape[1], 2, rng))
    energy = energies.SparseCompletion(rows, cols, truth.entries(rows, cols), shape)
    W = spectral_start(energy, 2)
    table = np.zeros(shape)
    table[rows, cols] = truth.entries(rows, cols)
    U, sigma, Vt = np.linalg.svd(table)
    Z = (U[:, :2] * sigma[:2]) @ Vt[:2]
    best = (Z * table).sum() / (Z[rows, cols] ** 2).sum()  # least squares along Z
    np.testing.assert_allclose(W.dense(), best * Z, atol=1e-10)


# ----------------------------------------------------------------------------------- refusals


def test_infinite_depth_is_refused():
    with pytest.raises(ValueError, match="depth must be finite: at inf the singular spaces"):
        flow(ENERGY, START, (0, 1), depth=math.inf)


def test_a_lower_rank_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="numerical rank is 2: pass rank=2"):
        flow(ENERGY, START._replace(sigma=np.array([1.0, 0.5, 0.0])), (0, 1), depth=3)
    with pytest.raises(ValueError, match="rank must be at most 3"):
        flow(ENERGY, START, (0, 1), depth=3, rank=4)


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="start must have shape"):
        flow(energies.SparseCompletion([0], [0], [1.0], (3, 3)), START, (0, 1), depth=3)


def test_files(tmp_path):
    run = flow(ENERGY, START, (0, 1), depth=3, t_eval=[0, 0.5])
    run.save(tmp_path / "run")
    back = lowrank.LowRankTrajectory.load(tmp_path / "run")
    np.testing.assert_array_equal(back.U, run.U)
    np.testing.assert_array_equal(back.singular_values, run.singular_values)
    assert (back.status, back.message, back.stats) == (run.status, run.message, run.stats)
    assert repr(run).startswith("LowRankTrajectory(2 times from 0 to 0.5, 12 x 9 of rank 3, status")
    with pytest.raises(ValueError, match="archive"):
        flows.Trajectory.load(tmp_path / "run")


def test_weights_above_are_those_of_the_library():
    """The state at a whole depth is a balanced network of widths (n, r, ..., r, m)."""
    network = balanced.lift(START.dense(), 4, widths=(N, R, R, R, M))
    np.testing.assert_allclose(weights.end_to_end(network), START.dense(), atol=1e-12)
    up = flows.gradient_flow(ENERGY, network, (0, 5), rtol=1e-10)
    run = flow(ENERGY, START, (0, 5), depth=4, rtol=1e-10)
    np.testing.assert_allclose(run.factors().dense(), up.W[-1], atol=1e-9)


def test_the_example_of_the_page_runs(capsys):
    page = (Path(__file__).parents[2] / "docs" / "lowrank.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    found = {}
    exec(compile(code, "lowrank.md", "exec"), found)
    assert found["best"][0] < 0.2  # the noise is 0.1
    assert "LowRankTrajectory(" in capsys.readouterr().out

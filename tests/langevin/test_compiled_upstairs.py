"""The engine ``numba`` upstairs beside its slow twin, and its projection against the definition."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from dlngeo import balanced, energies, langevin, simulation
from dlngeo._equation import Equation
from dlngeo._linalg import frobenius
from dlngeo._paths import compiled, stepping
from dlngeo._random import Streams, seed_sequence
from dlngeo.langevin import Ensemble
from dlngeo.langevin._upstairs import Projection
from dlngeo.weights import flatten, unflatten

pytest.importorskip("numba")

ENGINES = ("numpy", "numba")
KNOWN = {"beta": 10.0, "kappa": 0.7, "weight_decay": 0.05, "dt": 1e-3}


def problem(d, seed=0):
    rng = np.random.default_rng(seed)
    mask = rng.random((d, d)) < 0.7
    mask[0, 0] = True
    energy = energies.MatrixCompletion(rng.standard_normal((d, d)), mask)
    return energy, np.eye(d) + 0.1 * rng.standard_normal((d, d))


def run(engine, d=3, **changes):
    energy, start = problem(d)
    options = KNOWN | {
        "n_steps": 60, "depth": 3, "n_paths": 11, "rng": 5, "save_every": 20, "start": start,
        "energy": energy, "upstairs": True,
    } | changes  # fmt: skip
    return langevin.simulate(options.pop("energy"), options.pop("start"), engine=engine, **options)


def apart(one, two):
    """The largest difference of weights, path by path; NaN where both have ended counts as none."""
    gaps = np.abs(np.stack(one.weights) - np.stack(two.weights)).max(axis=(0, 3, 4))
    assert_array_equal(np.isnan(gaps), np.isnan(one.W).any(axis=(2, 3)))
    return np.nan_to_num(gaps).max(axis=1)


def close(one, two, atol=1e-9):
    assert apart(one, two).max() <= atol
    for name in ("status", "ends"):
        assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.provenance["cut"] == two.provenance["cut"]
    assert_array_equal(one.end.streams, two.end.streams)
    assert_array_equal(one.end.bridges, two.end.bridges)


def same(one, two):
    for a, b in zip(one.weights, two.weights, strict=True):
        assert_array_equal(a, b)
    for name in ("t", "W", "status", "ends"):
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


# ------------------------------------------------------------------------------ beside NumPy


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_paths_are_numpys(d, depth):
    one, two = (run(engine, d, depth=depth) for engine in ENGINES)
    close(one, two, atol=1e-11)
    assert two.provenance["engine"].startswith("numba ") and "aside" not in two.provenance
    assert_array_equal(run("auto", d, depth=depth).W, two.W)


@pytest.mark.parametrize("kappa", [0.0, 2.0])
@pytest.mark.parametrize("changes", [{"weight_decay": 0.0}, {"beta": 1e6}, {"first_path": 3}])
def test_other_terms_of_the_equation(kappa, changes):
    close(*(run(engine, kappa=kappa, **changes) for engine in ENGINES), atol=1e-11)


@pytest.mark.parametrize("on", ["balanced", "orbit"])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_brownian_motion(on, depth):
    _, start = problem(4)
    options = {"depth": depth, "beta": 2.0, "dt": 1e-3, "n_steps": 40, "n_paths": 9, "rng": 1}
    close(*(langevin.brownian_motion(start, on=on, engine=e, **options) for e in ENGINES))


def _double(A, B, W, slope, value):
    value[:] = 0.0
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            for p in range(W.shape[2]):
                slope[i, j, p] = 2 * (W[i, j, p] - A[i, j])
                value[p] += (W[i, j, p] - A[i, j]) ** 2


class Python(energies.Quadratic):
    """‖W - C‖², asked in Python: what it inherits as compiled is another's."""

    def __init__(self, target):
        super().__init__(target)
        self.hessian_norm = 2.0

    def gradient(self, W):
        return 2 * super().gradient(W)


class Compiled(Python):
    """The same, compiled."""

    def __init__(self, target):
        super().__init__(target)
        self._compiled = energies.compile_energy(_double, target, np.zeros((1, 1)))

    def compiled(self):
        return self._compiled


def test_energies_of_the_librarys_and_of_ones_own():
    rng = np.random.default_rng(3)
    for energy in (
        energies.Quadratic(np.eye(3)),
        energies.LinearRegression(rng.standard_normal((3, 9)), rng.standard_normal((3, 9))),
        energies.MatrixSensing(rng.standard_normal((5, 3, 3)), rng.standard_normal(5)),
        Python(np.eye(3)),
        Compiled(np.eye(3)),
    ):
        close(*(run(engine, energy=energy) for engine in ENGINES), atol=1e-11)
    assert run("auto", 2, energy=Python(np.eye(2))).provenance["engine"].startswith("numba ")


def test_weights_are_taken_as_they_are_given():
    """Any gauge: the start of each path turned by rotations of its own."""
    rng = np.random.default_rng(2)
    starts = 0.8 * rng.standard_normal((11, 3, 3))
    layers = list(balanced.lift(starts, 3))
    for p in range(2):
        turn = np.linalg.qr(rng.standard_normal((11, 3, 3)))[0]
        layers[p], layers[p + 1] = turn @ layers[p], layers[p + 1] @ turn.mT
    close(*(run(e, start=tuple(layers), depth=None, upstairs=None) for e in ENGINES))


@pytest.mark.slow
@pytest.mark.parametrize(("d", "depth"), [(2, 3), (3, 1), (5, 2), (10, 3)])
def test_a_thousand_steps(d, depth):
    changes = {"n_steps": 1000, "save_every": 100, "n_paths": 9, "depth": depth}
    one, two = (run(engine, d, **changes) for engine in ENGINES)
    close(one, two)
    layers = [W[:, -1] for W in two.weights]
    for below, above in pairwise(layers):
        off = below @ below.mT - above.mT @ above
        assert (frobenius(off) <= 1e-14 * d * frobenius(below) ** 2).all()


# ------------------------------------------------------------------- the boundary, cut steps


@pytest.mark.parametrize(("d", "depth", "dt"), [(1, 2, 0.01), (2, 2, 0.02), (2, 3, 0.02),
                                                (3, 3, 0.01), (5, 2, 0.005)])  # fmt: skip
def test_reflection_keeps_the_sign_of_the_determinant(d, depth, dt):
    """Starts of both signs beside the boundary, which paths meet again and again."""
    starts = 0.05 * np.random.default_rng(1).standard_normal((40, d, d))
    changes = {"start": starts, "n_paths": 40, "beta": 4.0, "save_every": 1, "dt": dt}
    energy = energies.Quadratic(0.1 * np.eye(d))
    one, two = (run(e, d, energy=energy, depth=depth, **changes) for e in ENGINES)
    sign = np.sign(np.linalg.det(two.W))
    assert (sign == sign[:, :1]).all() and len(set(sign[:, 0])) == 2
    layers = np.sign(np.linalg.det(np.stack(two.weights)))
    assert (np.diff(layers, axis=2) != 0).sum() >= 20  # a path goes through, layer by layer
    # where two branches are as near, rounding chooses: such paths are counted
    assert (apart(one, two) < 1e-8).sum() >= 38


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "d", "dt"), [(2, 2, 0.02), (3, 2, 0.1), (3, 3, 0.01),
                                                (2, 5, 0.03), (4, 3, 0.01)])  # fmt: skip
def test_steps_through_the_boundary_lead_to_the_same_weights(depth, d, dt):
    """One step from 4000 starts beside it: which layers turn round is decided alike."""
    rng = np.random.default_rng(1)
    frames = [np.linalg.qr(rng.standard_normal((4000, d, d)))[0] for _ in range(depth + 1)]
    lam = 0.3 + rng.random((4000, d))
    lam[:, -1] = 0.001 + 0.1 * rng.random(4000)
    changes = {"start": balanced.from_svd(frames, lam), "depth": None, "n_paths": 4000}
    changes |= {"n_steps": 1, "dt": dt, "beta": 4.0, "energy": energies.Quadratic(np.eye(d))}
    one, two = (run(engine, d, **changes) for engine in ENGINES)
    signs = np.sign(np.linalg.det(np.stack(two.weights)))
    assert (signs[:, :, 0] != signs[:, :, 1]).any(axis=0).sum() > 400
    assert (apart(one, two) > 1e-9).sum() <= 2


def test_steps_in_parts_are_taken_alike():
    changes = {"dt": 0.05, "n_steps": 30, "beta": 3.0, "save_every": 1, "n_paths": 30}
    one, two = (run(e, 2, **changes) for e in ENGINES)
    assert one.provenance["cut"] > 20
    close(one, two, atol=1e-8)


class Cliff(Python):
    """No slope where W_11 > 1.6: no step leads back."""

    def gradient(self, W):
        return np.where(W[..., :1, :1] > 1.6, np.nan, super().gradient(W))


def test_paths_that_end_alone():
    changes = {
        "start": np.array([[1.4, 0.3], [-0.2, 0.9]]), "energy": Cliff(np.zeros((2, 2))),
        "n_paths": 30, "beta": 2.0, "dt": 0.02, "n_steps": 16, "save_every": 1, "depth": 2,
    }  # fmt: skip
    one, two = (run(engine, 2, **changes) for engine in ENGINES)
    assert 2 < (two.status < 0).sum() < 28
    close(one, two)
    rest = langevin.simulate(
        Cliff(np.zeros((2, 2))), two, n_steps=5, save_every=1, **KNOWN | {"beta": 2.0, "dt": 0.02}
    )
    assert_array_equal(np.isnan(rest.W[:, -1]).any(axis=(1, 2)), rest.status < 0)
    assert (rest.ends[two.status < 0] == two.ends[two.status < 0]).all()


def test_what_the_kernel_cannot_scale_is_left_to_numpy_and_counted():
    start = 1e-140 * np.diag([2.0, 1.0])
    changes = {"start": start, "depth": 2, "beta": 1e150, "n_steps": 5, "n_paths": 9}
    one, two = (run(engine, 2, **changes) for engine in ENGINES)
    assert_allclose(two.W, one.W, rtol=1e-12, atol=1e-155)
    assert two.provenance["aside"] == 45 and "aside" not in one.provenance


# ---------------------------------------------------------------- the projection by definition


@given(
    d=st.integers(1, 5), depth=st.integers(2, 5), seed=st.integers(0, 2**20),
    long=st.floats(0.01, 0.2), least=st.floats(0.002, 1.0),
)  # fmt: skip
def test_a_step_leads_to_where_the_rest_is_normal(d, depth, seed, long, least):
    """X is balanced, and Y - X is orthogonal to T_X M."""
    rng = np.random.default_rng(seed)
    frames = [np.linalg.qr(rng.standard_normal((8, d, d)))[0] for _ in range(depth + 1)]
    lam = np.sort(rng.uniform(0.4, 1.5, (8, d)))[:, ::-1].copy()
    lam[:, -1] *= least
    starts = balanced.from_svd(frames, lam)
    h, beta, kappa = 1e-3, 2e-3 / long**2, 0.5
    motion = {"beta": beta, "kappa": kappa, "dt": h, "weight_decay": 0.0, "depth": None}
    energy = energies.LinearRegression(np.zeros((d, 1)), np.zeros((d, 1)))  # E = 0
    end = run("numba", d, energy=energy, start=starts, n_paths=8, n_steps=1, rng=seed, **motion)
    scheme = Projection(Equation(None, depth, beta, kappa), d)
    normals = Streams(seed_sequence(seed), range(8)).normals(1, depth * d * d)[0]
    along, across = scheme.space.split(flatten(starts), normals)
    way = math.sqrt(2 * h / beta) * (along + math.sqrt(kappa) * across)
    wanted = unflatten(flatten(starts) + way, scheme.space.widths)
    if end.provenance["cut"]:
        return
    X = tuple(W[:, 1] for W in end.weights)
    U, last, Vt = np.linalg.svd(X[-1])
    turned = (*X[:-1], X[-1] - 2 * last[:, -1:, None] * U[..., -1:] * Vt[:, -1:])
    away = []
    for point in (X, turned):  # before a path was reflected, if it was
        rest = tuple(Y - W for Y, W in zip(wanted, point, strict=True))
        tangent = balanced.project_tangent(point, rest)
        away.append(np.max([frobenius(T) for T in tangent], axis=0))
    assert (np.min(away, axis=0) <= 3e-13 * frobenius(X[0])).all()
    for below, above in pairwise(X):
        assert_allclose(below @ below.mT, above.mT @ above, atol=1e-14 * d)


# --------------------------------------------------------------------- a path by itself


@pytest.mark.parametrize(("d", "depth"), [(2, 3), (3, 2), (3, 1)])
def test_a_path_is_the_same_in_any_company(d, depth, monkeypatch):
    changes = {"n_paths": 21, "n_steps": 40, "save_every": 13, "dt": 0.02, "depth": depth}
    whole = run("numba", d, **changes)
    for k in (0, 7, 8, 20):
        one = run("numba", d, **changes | {"first_path": k, "n_paths": 1})
        assert_array_equal(np.stack(one.weights)[:, 0], np.stack(whole.weights)[:, k])
    every = run("numba", d, **changes | {"save_every": 1})
    assert_array_equal(every.W[:, [0, 13, 26, 39, 40]], whole.W)
    same(run("numba", d, callback=lambda t, W: None, **changes), whole)
    monkeypatch.setattr(stepping, "_CHUNK", 5)
    monkeypatch.setattr(compiled, "_BLOCK", 7)
    same(run("numba", d, workers=3, **changes), whole)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_going_on_is_one_run(depth, tmp_path):
    changes = {"depth": depth, "save_every": 10}
    whole, first = run("numba", n_steps=50, **changes), run("numba", n_steps=20, **changes)
    first.save(tmp_path / "run")
    energy, _ = problem(3)
    begun = Ensemble.load(tmp_path / "run")
    rest = langevin.simulate(energy, begun, n_steps=30, save_every=10, **KNOWN)
    assert_array_equal(rest.W, whole.W[:, 2:])
    assert rest.provenance["engine"] == whole.provenance["engine"]
    other = langevin.simulate(energy, begun, n_steps=30, save_every=10, engine="numpy", **KNOWN)
    assert other.provenance["engines_before"] == (whole.provenance["engine"],)
    assert_allclose(other.W, rest.W, atol=1e-11)


def test_noise_beside_flows_is_simulated_by_it():
    energy, start = problem(3)
    options = {"beta": 10.0, "dt": 1e-3, "n_steps": 20, "n_paths": 4, "rng": 1, "depth": 2}
    beside = [
        simulation.beside_flow(energy, start, upstairs=True, engine=engine, **options)
        for engine in ENGINES
    ]
    assert beside[1].ensemble.provenance["engine"].startswith("numba ")
    close(*(result.ensemble for result in beside))

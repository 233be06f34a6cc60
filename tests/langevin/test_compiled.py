"""The engine ``numba`` beside its slow twin: the same noise, the same paths, the same decisions."""

import dataclasses
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dlngeo import energies, langevin
from dlngeo._paths import compiled, stepping
from dlngeo.langevin import Ensemble

pytest.importorskip("numba")

SCHEMES = {
    "weak2": [1, 2, 3, 2.5, 12], "root": [1, 2, 3, 1.5, 15.5], "euler": [1, 2, 3, 4.5, np.inf],
}  # fmt: skip
CASES = [(method, depth) for method, depths in SCHEMES.items() for depth in depths]


def problem(d, seed=0):
    rng = np.random.default_rng(seed)
    mask = rng.random((d, d)) < 0.7
    mask[0, 0] = True
    energy = energies.MatrixCompletion(rng.standard_normal((d, d)), mask)
    return energy, np.eye(d) + 0.1 * rng.standard_normal((d, d))


def run(engine, d=3, **changes):
    energy, start = problem(d)
    options = {
        "beta": 10.0, "kappa": 0.7, "weight_decay": 0.05, "dt": 1e-3, "n_steps": 60, "depth": 3,
        "n_paths": 11, "rng": 5, "save_every": 20, "start": start, "energy": energy,
    } | changes  # fmt: skip
    return langevin.simulate(options.pop("energy"), options.pop("start"), engine=engine, **options)


def same(one, two):
    for name in ("t", "W", "energy", "singular_values", "status", "ends"):
        assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


def close(one, two, atol=1e-9):
    assert_allclose(one.W, two.W, atol=atol)
    assert_array_equal(one.status, two.status)
    assert_array_equal(one.ends, two.ends)
    assert one.provenance["cut"] == two.provenance["cut"]
    assert_array_equal(one.end.streams, two.end.streams)
    assert_array_equal(one.end.bridges, two.end.bridges)


# ------------------------------------------------------------------------------ beside NumPy


@pytest.mark.parametrize(("method", "depth"), CASES)
@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_paths_are_numpys(d, method, depth):
    paths = [run(engine, d, method=method, depth=depth) for engine in ("numpy", "numba")]
    close(*paths, atol=1e-11)
    assert paths[1].provenance["engine"].startswith("numba ")


@pytest.mark.parametrize("method", SCHEMES)
@pytest.mark.parametrize("kappa", [0.0, 2.0])
def test_other_terms_of_the_equation(method, kappa):
    for changes in ({"weight_decay": 0.0}, {"beta": 1e6}, {"rng": 8, "first_path": 3}):
        changes = {"method": method, "kappa": kappa} | changes
        close(run("numpy", **changes), run("numba", **changes), atol=1e-10)


def test_brownian_motion_and_other_energies():
    _, start = problem(3)
    options = {"depth": 3, "beta": 2.0, "dt": 1e-3, "n_steps": 40, "n_paths": 5, "rng": 1}
    close(*(langevin.brownian_motion(start, engine=e, **options) for e in ("numpy", "numba")))
    rng = np.random.default_rng(3)
    for energy in (
        energies.Quadratic(np.eye(3)),
        energies.LinearRegression(rng.standard_normal((3, 9)), rng.standard_normal((3, 9))),
        energies.MatrixSensing(rng.standard_normal((5, 3, 3)), rng.standard_normal(5)),
    ):
        close(*(run(engine, energy=energy) for engine in ("numpy", "numba")))


@pytest.mark.slow
@pytest.mark.parametrize(("d", "method"), [(2, "weak2"), (5, "weak2"), (5, "root"), (10, "euler")])
def test_a_thousand_steps(d, method):
    changes = {"method": method, "n_steps": 1000, "save_every": 100, "n_paths": 9}
    close(run("numpy", d, **changes), run("numba", d, **changes))


@pytest.mark.parametrize("method", SCHEMES)
@pytest.mark.parametrize("d", [1, 2, 4])
def test_reflection_keeps_the_sign_of_the_determinant(d, method):
    """Starts of both signs beside the boundary, which most paths meet."""
    rng = np.random.default_rng(1)
    starts = 0.2 * rng.standard_normal((16, d, d))
    changes = {"start": starts, "n_paths": 16, "method": method, "beta": 4.0, "save_every": 1}
    energy = energies.Quadratic(0.1 * np.eye(d))
    one, two = (run(e, d, energy=energy, depth=3, **changes) for e in ("numpy", "numba"))
    sign = np.sign(np.linalg.det(two.W))
    assert (sign == sign[:, :1]).all() and len(set(sign[:, 0])) == 2
    # λ_d passes through zero: what is near it is amplified, so paths are counted
    apart = np.abs(one.W - two.W).max(axis=(1, 2, 3))
    assert (apart < 1e-8).mean() >= 0.8, apart


def test_steps_in_parts_are_taken_alike():
    changes = {"dt": 0.05, "n_steps": 30, "beta": 3.0, "save_every": 1}
    for method in SCHEMES:
        one, two = (run(e, 2, method=method, n_paths=30, **changes) for e in ("numpy", "numba"))
        assert one.provenance["cut"] > 20
        close(one, two, atol=1e-8)


def test_graded_matrices_in_the_entries_are_left_to_numpy():
    """Small singular values to their own rounding: at depth inf they stay small."""
    start = np.diag([1.0, 1e-3, 1e-9])
    changes = {"start": start, "depth": np.inf, "n_steps": 20, "save_every": 5, "n_paths": 4}
    one, two = (run(engine, **changes) for engine in ("numpy", "numba"))
    close(one, two)
    assert 40 < two.provenance["aside"] <= 80 and "aside" not in one.provenance
    assert_allclose(two.singular_values, one.singular_values, rtol=1e-11)


class Cliff(energies.Quadratic):
    """½‖W‖², and no slope where W_11 > 1.6: no step leads back."""

    def __init__(self, d):
        super().__init__(np.zeros((d, d)))
        self._compiled = energies.compile_energy(_cliff, np.zeros((1, 1)), np.zeros((1, 1)))

    def gradient(self, W):
        return np.where(W[..., :1, :1] > 1.6, np.nan, super().gradient(W))

    def compiled(self):
        return self._compiled


def _cliff(A, B, W, slope, value):
    m, n, lanes = W.shape
    value[:] = 0.0
    for i in range(m):
        for j in range(n):
            for p in range(lanes):
                slope[i, j, p] = np.nan if W[0, 0, p] > 1.6 else W[i, j, p]
                value[p] += 0.5 * W[i, j, p] ** 2


@pytest.mark.parametrize("method", SCHEMES)
def test_paths_that_end_alone(method):
    start = np.array([[1.4, 0.3], [-0.2, 0.9]])
    changes = {
        "start": start, "energy": Cliff(2), "n_paths": 30, "beta": 2.0, "dt": 0.05, "n_steps": 16,
        "save_every": 1, "depth": 2, "method": method,
    }  # fmt: skip
    one, two = (run(engine, 2, **changes) for engine in ("numpy", "numba"))
    assert 2 < (two.status < 0).sum() < 28
    close(one, two)
    rest = langevin.simulate(
        Cliff(2), two, n_steps=5, beta=2.0, kappa=0.7, weight_decay=0.05, dt=0.05, save_every=1
    )
    assert_array_equal(np.isnan(rest.W[:, -1]).any(axis=(1, 2)), rest.status < 0)
    assert (rest.ends[two.status < 0] == two.ends[two.status < 0]).all()


# --------------------------------------------------------------------- a path by itself


@pytest.mark.parametrize("method", SCHEMES)
@pytest.mark.parametrize("d", [2, 3])
def test_a_path_is_the_same_in_any_company(d, method, monkeypatch):
    changes = {"method": method, "n_paths": 21, "n_steps": 40, "save_every": 13, "dt": 0.02}
    whole = run("numba", d, **changes)
    for k in (0, 7, 8, 20):
        one = run("numba", d, **changes | {"first_path": k, "n_paths": 1})
        assert_array_equal(one.W[0], whole.W[k])
    every = run("numba", d, **changes | {"save_every": 1})
    assert_array_equal(every.W[:, [0, 13, 26, 39, 40]], whole.W)
    same(run("numba", d, callback=lambda t, W: None, **changes), whole)
    monkeypatch.setattr(stepping, "_CHUNK", 5)
    monkeypatch.setattr(compiled, "_BLOCK", 7)
    same(run("numba", d, workers=3, **changes), whole)


@pytest.mark.parametrize(("method", "depth"), [("weak2", 3), ("root", 2.5), ("euler", np.inf)])
def test_going_on_is_one_run(method, depth, tmp_path):
    changes = {"method": method, "depth": depth, "save_every": 10}
    whole = run("numba", n_steps=50, **changes)
    first = run("numba", n_steps=20, **changes)
    first.save(tmp_path / "run")
    energy, _ = problem(3)
    rest = langevin.simulate(
        energy, Ensemble.load(tmp_path / "run"), n_steps=30, beta=10.0, kappa=0.7,
        weight_decay=0.05, dt=1e-3, save_every=10,
    )  # fmt: skip
    assert_array_equal(rest.W, whole.W[:, 2:])
    assert rest.provenance["engine"] == whole.provenance["engine"]


def test_a_callback_ends_the_run():
    def look(t, W):
        if t > 0.025:
            raise StopIteration

    run_ = run("numba", save_every=10, callback=look)
    assert run_.provenance["n_steps"] == 30
    same(run_, run("numba", save_every=10, n_steps=30))


# ---------------------------------------------------------------------- which engine it is


def test_another_engine_goes_on_where_it_is_asked_for_and_is_recorded():
    energy, _ = problem(3)
    options = {"n_steps": 5, "beta": 10.0, "kappa": 0.7, "weight_decay": 0.05, "dt": 1e-3}
    for first, second in (("numpy", "numba"), ("numba", "numpy")):
        begun = run(first)
        assert "engines_before" not in begun.provenance
        kept = langevin.simulate(energy, begun, **options)
        assert kept.provenance["engine"] == begun.provenance["engine"]
        other = langevin.simulate(energy, begun, engine=second, **options)
        assert other.provenance["engines_before"] == (begun.provenance["engine"],)
        assert_allclose(other.W, kept.W, atol=1e-11)
    old = dataclasses.replace(begun, provenance={
        k: v for k, v in run("numpy").provenance.items() if k != "engine"
    })  # fmt: skip
    assert langevin.simulate(energy, old, **options).provenance["engine"].startswith("numpy")


class Mine(energies.Quadratic):
    """An energy of one's own: what it inherits as compiled is another's."""

    hessian_norm = 2.0

    def __init__(self, target):
        super().__init__(target)
        self.hessian_norm = 2.0

    def gradient(self, W):
        return 2 * super().gradient(W)


class Plain:
    """An energy without optional parts."""

    def value(self, W):
        return 0.5 * (W**2).sum(axis=(-2, -1))

    def gradient(self, W):
        return W

    def hessian(self, W, Z):
        return np.broadcast_to(Z, np.broadcast_shapes(W.shape, Z.shape))


def test_auto_takes_numba_where_it_serves():
    for d, energy, name in ((2, Mine(np.eye(2)), "numpy"), (3, Mine(np.eye(3)), "numba"),
                            (3, Plain(), "numpy")):  # fmt: skip
        assert run("auto", d, energy=energy).provenance["engine"].startswith(name)
    with pytest.raises(ValueError, match="engine='numba' needs an energy with"):
        run("numba", energy=Plain())
    with pytest.raises(ValueError, match="engine must be"):
        run("fortran")


@pytest.mark.parametrize("method", SCHEMES)
def test_an_energy_of_python_is_asked(method):
    changes = {"energy": Mine(np.eye(3)), "method": method, "n_paths": 13}
    one, two = run("numpy", **changes), run("numba", **changes)
    close(one, two, atol=1e-11)
    same(run("numba", workers=2, **changes), two)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_an_energy_of_python_raises_passes_as_it_is(workers):
    error = ValueError("mine")

    class Complaining(Mine):
        calls = 0

        def gradient(self, W):
            self.calls += 1
            if self.calls > 6:
                raise error
            return super().gradient(W)

    with pytest.raises(ValueError) as caught:
        run("numba", energy=Complaining(np.eye(3)), workers=workers)
    assert caught.value is error


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run("numba", dt=0.1)

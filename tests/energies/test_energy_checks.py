"""What is asked of an energy: refusals at every public door, and the examination of ``check``."""

import numpy as np
import pytest

from dlngeo import (
    adjacency,
    energies,
    entropy,
    equilibrium,
    flows,
    hessian,
    langevin,
    metric,
    rates,
    stability,
    weights,
)
from dlngeo.energies import check
from dlngeo.entropy.laplacian import free_energy_laplacian, squared_slope
from dlngeo.interop import sdeint
from dlngeo.nuclear_norm import minimum_nuclear_norm

TARGET = np.array([[1.0, 0.5], [0.2, 2.0]])
W = np.array([[2.0, 0.3], [0.1, 1.5]])
LAYERS = (np.eye(2), W)
A = adjacency.from_weights(LAYERS)
V = (W, np.eye(2))


class Mine:
    """½‖W - T‖², written by a user."""

    def value(self, W):
        return 0.5 * ((W - TARGET) ** 2).sum(axis=(-2, -1))

    def gradient(self, W):
        return W - TARGET

    def hessian(self, W, Z):
        return np.broadcast_arrays(W, Z)[1].copy()


def mine(**methods):
    return type("Mine", (Mine,), {k: staticmethod(f) for k, f in methods.items()})()


class Slope:
    value, gradient = Mine.value, Mine.gradient


NO_ENERGIES = {
    "None": (None, TypeError, "None has no value"),
    "a plain function": (lambda W: 0.5 * (W**2).sum(), TypeError, "type function has no value"),
    "a class": (Mine, TypeError, "not the class Mine"),
    "one number for all": (
        mine(value=lambda W: 0.5 * ((W - TARGET) ** 2).sum()), ValueError, "one number a matrix",
    ),
    "a matrix": (mine(value=lambda W: (W - TARGET) ** 2), ValueError, "one number a matrix"),
    "sums over the wrong axes": (
        mine(value=lambda W: (W**2).sum(axis=(0, 1))), ValueError, "one number a matrix",
    ),
    "one gradient for all": (mine(gradient=lambda W: np.ones((2, 2))), ValueError, "one matrix a"),
    "complex": (
        mine(value=lambda W: 1j + (W**2).sum(axis=(-2, -1))), ValueError, "real numbers",
    ),
}  # fmt: skip

START = {"beta": 2.0, "dt": 0.01, "n_steps": 2, "n_paths": 2, "rng": 0}
WITH_HESSIAN = {
    "langevin.simulate": lambda e: langevin.simulate(e, W, depth=2, **START),
    "upstairs": lambda e: langevin.simulate(e, W, depth=2, upstairs=True, **START),
    "metropolis": lambda e: equilibrium.metropolis(e, W, depth=2, **START),
    "stability.descend": lambda e: stability.descend(e, LAYERS, 0.1, 2),
    "hessian.form": lambda e: hessian.form(e, LAYERS, V),
    "hessian.apply": lambda e: hessian.apply(e, LAYERS, V),
    "hessian.dense": lambda e: hessian.dense(e, LAYERS),
    "hessian.extreme_eigenvalues": lambda e: hessian.extreme_eigenvalues(e, LAYERS),
    "hessian.nullity": lambda e: hessian.nullity(e, LAYERS),
    "hessian.sharpness": lambda e: hessian.sharpness(e, LAYERS),
    "free_energy_hessian": lambda e: entropy.free_energy_hessian(e, W, 2, 1.0, W),
    "free_energy_laplacian": lambda e: free_energy_laplacian(e, W, 2, 1.0),
    "minimise_free_energy": lambda e: entropy.minimise_free_energy(e, 2, 1.0, shape=(2, 2)),
}
WITHOUT = {
    "gradient_flow": lambda e: flows.gradient_flow(e, LAYERS, (0, 0.1)),
    "gradient_flow, downstairs": lambda e: flows.gradient_flow(e, W, (0, 0.1), depth=2),
    "adjacency_flow": lambda e: flows.adjacency_flow(e, A, (2, 2, 2), (0, 0.1)),
    "free_energy_flow": lambda e: flows.free_energy_flow(e, W, (0, 0.1), depth=2, beta=1.0),
    "gradient_descent": lambda e: flows.gradient_descent(e, LAYERS, 0.1, 1),
    "weights.gradient": lambda e: weights.gradient(e, LAYERS),
    "weights.end_to_end_velocity": lambda e: weights.end_to_end_velocity(e, LAYERS),
    "metric.gradient": lambda e: metric.gradient(e, W, 2),
    "free_energy": lambda e: entropy.free_energy(e, W, 2, 1.0),
    "free_energy_gradient": lambda e: entropy.free_energy_gradient(e, W, 2, 1.0),
    "squared_slope": lambda e: squared_slope(e, W, 2, 1.0),
    "stability.imbalance_change": lambda e: stability.imbalance_change(e, LAYERS, 0.1),
    "rates.measured": lambda e: rates.measured(e, LAYERS),
    "rates.rates": lambda e: rates.rates(e, LAYERS),
    "adjacency.loss": lambda e: adjacency.loss(A, e, (2, 2, 2)),
    "adjacency.gradient": lambda e: adjacency.gradient(A, e, (2, 2, 2)),
    "adjacency.commutator_velocity": lambda e: adjacency.commutator_velocity(A, e, (2, 2, 2)),
    "adjacency.norm_velocity": lambda e: adjacency.norm_velocity(A, e, (2, 2, 2)),
    "adjacency.loss_velocity": lambda e: adjacency.loss_velocity(A, e, (2, 2, 2)),
    "equilibrium.sample": lambda e: equilibrium.sample(e, shape=(2, 2), depth=2, beta=1.0),
    "equilibrium.log_density": lambda e: equilibrium.log_density(e, [1, 2], depth=2, beta=1.0),
    "equilibrium.normalisable": lambda e: equilibrium.normalisable(
        e, shape=(2, 2), depth=2, beta=1.0
    ),
    "sdeint.equations": lambda e: sdeint.equations(e, 2, depth=2, beta=1.0),
}
DOORS = WITH_HESSIAN | WITHOUT


@pytest.mark.parametrize("energy", NO_ENERGIES)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_energy_is_refused_at_every_door(door, energy):
    bad, error, message = NO_ENERGIES[energy]
    with pytest.raises(error, match=message):
        DOORS[door](bad)


@pytest.mark.parametrize("door", WITH_HESSIAN)
def test_missing_hessian_is_refused_where_it_is_needed(door):
    with pytest.raises(TypeError, match=r"energy must have .*hessian.* type Slope has no hessian"):
        WITH_HESSIAN[door](Slope())


@pytest.mark.parametrize("door", [k for k in WITHOUT if not k.startswith("equilibrium")])
def test_missing_hessian_is_no_matter_elsewhere(door):
    WITHOUT[door](Slope())


@pytest.mark.parametrize("door", [k for k in DOORS if k != "minimise_free_energy"])
def test_energy_of_other_matrices_is_refused(door):
    with pytest.raises(ValueError, match=r"matrices"):
        DOORS[door](energies.Quadratic(np.eye(3)))


# -------------------------------------------------------------------------------- examination


@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0, 1e6])
@pytest.mark.parametrize("name", ["quadratic", "regression", "completion", "sensing", "logistic"])
def test_energies_of_the_library_pass(name, scale, rng):
    X, Y = rng.standard_normal((4, 9)), rng.standard_normal((3, 9))
    energy = {
        "quadratic": energies.Quadratic(scale * rng.standard_normal((3, 4))),
        "regression": energies.LinearRegression(X, scale * Y),
        "completion": energies.MatrixCompletion(scale * Y[:, :4], rng.random((3, 4)) < 0.5),
        "sensing": energies.MatrixSensing(rng.standard_normal((5, 3, 4)), scale * X[0, :5]),
        "logistic": energies.Logistic(X / scale, np.sign(Y)),
    }[name]
    misses = check(energy, scale * rng.standard_normal((2, 3, 4)))
    assert max(misses) < 1e-7


def test_a_minimum_a_line_and_one_number_pass():
    assert max(check(energies.Quadratic(np.eye(2)), np.eye(2))) < 1e-7
    assert max(check(energies.Quadratic([[0.0]]), [[0.0]])) < 1e-7
    line = mine(
        value=lambda W: (TARGET * W).sum(axis=(-2, -1)),
        gradient=lambda W: np.broadcast_to(TARGET, W.shape).copy(),
        hessian=lambda W, Z: np.zeros(np.broadcast_shapes(W.shape, Z.shape)),
    )
    assert max(check(line, W)) < 1e-7


def test_an_energy_with_a_boundary_passes_within_it():
    class LogBarrier:
        def value(self, W):
            return 0.5 * (W**2).sum(axis=(-2, -1)) - np.linalg.slogdet(W)[1]

        def gradient(self, W):
            return W - np.linalg.inv(W).mT

        def hessian(self, W, Z):
            inverse = np.linalg.inv(W)
            return Z + (inverse @ Z @ inverse).mT

    assert max(check(LogBarrier(), 1e-3 * W)) < 1e-6


def slightly_wrong(W):
    G = W - TARGET
    G[..., 0, 1] *= 1.001
    return G


def eats(W):
    W -= TARGET
    return 0.5 * (W**2).sum(axis=(-2, -1))


BROKEN = {
    "gradient of the wrong sign": ({"gradient": lambda W: TARGET - W}, "gradient must be the deri"),
    "one entry off by 0.1 %": ({"gradient": slightly_wrong}, "gradient must be the derivative"),
    "twice the Hessian": ({"hessian": lambda W, Z: 2 * Z + 0 * W}, "hessian.* must be the deri"),
    "no symmetry": (
        {
            "gradient": lambda W: W - TARGET + 1e-12 * W[..., ::-1],
            "hessian": lambda W, Z: Z + 0.1 * Z[..., ::-1, :] * [[1.0], [0.0]] + 0 * W,
        },
        "hessian.* must be",
    ),
    "a stack mixed up": (
        {"value": lambda W: 0.5 * ((W - TARGET) ** 2).sum(axis=(-2, -1))[::-1].copy()
         if W.ndim > 2 else 0.5 * ((W - TARGET) ** 2).sum()},
        "stack must be the stack",
    ),
    "one more dimension": (
        {"value": lambda W: 0.5 * ((W - TARGET) ** 2).sum(axis=(-2, -1))
         if W.ndim > 2 else np.zeros(1)},
        "of a stack must have the shape",
    ),
    "not finite": ({"gradient": lambda W: np.full(W.shape, np.nan)}, "must be finite"),
    "writes into W": ({"value": eats}, "must not write into"),
    "one number for all": ({"value": lambda W: (W**2).sum()}, "one number a matrix"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said(name):
    methods, message = BROKEN[name]
    with pytest.raises(ValueError, match=message):
        check(mine(**methods), W)


def test_check_refuses_what_is_no_energy_or_no_matrix():
    with pytest.raises(TypeError, match="None has no value, gradient, hessian"):
        check(None, W)
    with pytest.raises(TypeError, match="has no hessian"):
        check(Slope(), W)
    with pytest.raises(ValueError, match="W must"):
        check(Mine(), np.ones(3))
    with pytest.raises(ValueError, match="tol"):
        check(Mine(), W, tol=0)


def test_a_looser_tolerance_lets_a_small_miss_through():
    assert 1e-5 < check(mine(gradient=slightly_wrong), W, tol=0.01).gradient < 1e-2


class Multiple:
    """½‖W - T‖² with derivatives that are off by a factor."""

    def __init__(self, target, factor):
        self.target, self.factor = target, factor

    def value(self, W):
        return 0.5 * ((W - self.target) ** 2).sum(axis=(-2, -1))

    def gradient(self, W):
        return self.factor * (W - self.target)

    def hessian(self, W, Z):
        return self.factor * np.broadcast_to(Z, np.broadcast_shapes(np.shape(W), np.shape(Z)))


@pytest.mark.parametrize("factor", [-1.0, 2.0])
def test_a_multiple_of_the_derivative_shows_where_it_vanishes(factor):
    """At a critical point every multiple of the gradient agrees with differences."""
    T = np.array([[1.0, 2.0], [0.5, -1.0]])
    for target in (T, 0 * T):
        energies.check(Multiple(target, 1.0), target)
        with pytest.raises(ValueError, match=r"derivative of energy\.value"):
            energies.check(Multiple(target, factor), target)


def test_an_energy_that_writes_into_what_it_is_given_is_refused():
    class Careless(Multiple):
        def gradient(self, W):
            W -= self.target
            return W

    X = np.eye(2)
    with pytest.raises(ValueError, match="must not write into what it is given"):
        metric.gradient(Careless(np.ones((2, 2)), 1.0), X, 2)
    np.testing.assert_array_equal(X, np.eye(2))


# ------------------------------------------------------------------------------ optional parts


def norms_of(sigma):
    return 0.5 * (sigma**2).sum(axis=-1), sigma


FALSE_PARTS = {
    "shape of others": ({"shape": (3, 2)}, ValueError, r"shape \(\.\.\., 3, 2\)"),
    "no shape": ({"shape": 2}, TypeError, r"energy.shape must be \(m, n\)"),
    "norm too small": ({"hessian_norm": 0.9}, ValueError, "energy.hessian_norm"),
    "norm too large": ({"hessian_norm": 1.1}, ValueError, "energy.hessian_norm"),
    "bound too small": ({"hessian_bound": 0.9}, ValueError, "energy.hessian_bound"),
    "no function of singular values": ({"spectral": norms_of}, ValueError, "energy.spectral"),
    "null space of others": (
        {"null_space": lambda: energies.NullSpace(np.zeros((3, 3), dtype=bool))},
        ValueError,
        "energy.null_space",
    ),
    "fits that do not fit": (
        {"fits": lambda: energies.Fits(lambda W: W, lambda W: W, lambda W: W, np.sum)},
        ValueError,
        "energy.fits",
    ),
}


@pytest.mark.parametrize("part", FALSE_PARTS)
def test_a_part_that_is_not_true_is_told(part):
    parts, error, words = FALSE_PARTS[part]
    energy = Mine()
    vars(energy).update(parts)
    with pytest.raises(error, match=words):
        check(energy, W)


def test_parts_that_are_true_pass():
    energy = Mine()
    vars(energy).update(
        shape=(2, 2),
        hessian_norm=1.0,
        hessian_bound=1.2,
        spectral=None,
        null_space=lambda: energies.NullSpace(np.zeros((2, 2), dtype=bool)),
        fits=lambda: energies.Fits(lambda W: TARGET, lambda W: W, lambda W: W, np.sum),
    )
    check(energy, W)


class Disguised:
    """An energy of the library, with its parts, as a user's own."""

    def __init__(self, energy, parts):
        self.value, self.gradient, self.hessian = energy.value, energy.gradient, energy.hessian
        vars(self).update({name: getattr(energy, name) for name in parts if hasattr(energy, name)})


PARTS = ("shape", "hessian_norm", "hessian_bound", "spectral", "null_space", "fits", "compiled")
HOLES = energies.MatrixCompletion(TARGET, np.array([[1, 0], [1, 1]], dtype=bool))
LIBRARY = {
    "zero": energies.Quadratic(np.zeros((2, 2))),
    "quadratic": energies.Quadratic(TARGET),
    "regression": energies.LinearRegression(W[:, :1], W[:, :1]),
    "completion": HOLES,
    "sensing": energies.MatrixSensing([W], [1.0]),
    "logistic": energies.Logistic(W, np.ones((2, 2))),
}


@pytest.mark.parametrize("depth", [2, 5])
@pytest.mark.parametrize("name", LIBRARY)
def test_parts_of_ones_own_count_as_those_of_the_library(name, depth):
    energy, setting = LIBRARY[name], {"shape": (2, 2), "depth": depth, "beta": 2.0}
    own = Disguised(energy, PARTS)
    check(own, W)
    asked = equilibrium.normalisable(energy, **setting)
    assert equilibrium.normalisable(own, **setting) == asked
    assert asked.finite is not None or name == "sensing"
    a, b = (langevin.simulate(e, W, depth=depth, **START) for e in (energy, own))
    np.testing.assert_array_equal(a.W, b.W)
    with pytest.raises(ValueError, match="matrices"):
        metric.gradient(own, np.eye(3), 2)
    if name == "zero":
        a, b = (
            equilibrium.sample_singular_values(e, n_draws=9, rng=0, **setting).sigma
            for e in (energy, own)
        )
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["completion", "sensing"])
def test_fits_of_ones_own_have_a_least_nuclear_norm(name):
    energy = LIBRARY[name]
    a, b = (minimum_nuclear_norm(e) for e in (energy, Disguised(energy, PARTS)))
    np.testing.assert_array_equal(a.W, b.W)
    with pytest.raises(TypeError, match=r"fits\(\)"):
        minimum_nuclear_norm(Disguised(energy, ()))


def test_without_parts_little_is_said():
    bare = Disguised(HOLES, ())
    answer = equilibrium.normalisable(bare, shape=(2, 2), depth=2, beta=1.0)
    assert answer.finite is None and "neither" in answer.reason
    assert weights.gradient(bare, LAYERS)[0].shape == (2, 2)


# ------------------------------------------------------------------- answers that come too late


class Late(Mine):
    """Answers as it should until W has come near to the target, then with something else."""

    def __init__(self, gradient=None, value=None):
        self._late = {"gradient": gradient, "value": value}

    def _answer(self, name, W, right):
        late = self._late[name]
        near = np.abs(np.asarray(W) - TARGET).max() < 0.3
        return right if late is None or not near else late(np.asarray(right))

    def gradient(self, W):
        return self._answer("gradient", W, super().gradient(W))

    def value(self, W):
        return self._answer("value", W, super().value(W))


LATE_RUNS = {
    "upstairs": lambda e: flows.gradient_flow(e, LAYERS, (0, 9)),
    "downstairs": lambda e: flows.gradient_flow(e, W, (0, 9), depth=3),
    "ensemble": lambda e: flows.ensemble(e, np.stack([W, W]), (0, 9), depth=2),
    "descent": lambda e: flows.gradient_descent(e, LAYERS, 0.1, 200),
}


@pytest.mark.parametrize("run", LATE_RUNS.values(), ids=LATE_RUNS)
@pytest.mark.parametrize(
    ("late", "words"),
    [
        ({"gradient": lambda G: G[..., :1]}, "energy.gradient must give shape"),
        ({"gradient": lambda G: G.sum()}, "energy.gradient must give shape"),
        ({"gradient": lambda G: [[1.0], [2.0, 3.0]]}, "rows of one length"),
        ({"gradient": lambda G: G + 1j}, "energy.gradient must give real numbers"),
        ({"value": lambda E: np.append(E, 1.0)}, "energy.value must give shape"),
    ],
    ids=["columns", "number", "ragged", "complex", "two values"],
)
def test_what_is_refused_at_first_is_refused_later_in_the_same_words(run, late, words):
    with pytest.raises(ValueError, match=words):
        run(Late(**late))


@pytest.mark.parametrize("run", LATE_RUNS.values(), ids=LATE_RUNS)
def test_nested_lists_are_matrices(run):
    lists = run(mine(gradient=lambda W: (W - TARGET).tolist()))
    arrays = run(Mine())
    name = "W_end" if hasattr(arrays, "W_end") else "W"
    assert np.array_equal(getattr(lists, name), getattr(arrays, name))

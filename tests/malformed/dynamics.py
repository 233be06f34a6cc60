"""Solvers, flows, exact solutions, stability, paths: arguments of every function."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dlngeo import energies, equilibrium, flows, langevin, solvers, statistics
from malformed.arrays import layers, matrix, span, times, vector, widths
from malformed.geometry import DIMS, NETWORK, SQUARE, Call, W, network
from malformed.kinds import (
    Argument,
    choice,
    depth,
    energy,
    file,
    flag,
    function,
    instance,
    integer,
    number,
    rank,
    rng,
)

TARGET = energies.Quadratic(np.diag([3.0, 1.0]))
HERMITIAN = np.array([[1.0, 1j], [-1j, 2.0]])


def _fall(t: Any, y: Any) -> Any:
    return -y


def _nothing(*_: Any) -> None:
    return None


def start(*, free: bool = False) -> Argument:
    """A matrix downstairs."""
    return matrix(W, free=free, square=True)


def _solvers() -> dict[str, Call]:
    solver: Call = {
        "fun": function(_fall),
        "t0": number(0.0, zero=True, negative=True),
        "y0": vector([1.0, 2.0], negative=True, empty=True),
        "t_bound": number(1.0, zero=True, negative=True, infinite=True),
        "max_step": number(0.5, infinite=True),
        "rtol": number(1e-3, arrays=True),
        "atol": number(1e-6, arrays=True, zero=True),
        "vectorized": flag(False),
        "first_step": number(0.1, none=True),
    }
    radius: Call = {"spectral_radius": function(lambda t, y: 1.0, none=True)}
    stabilised = ("solvers.Auto", "solvers.ROCK4", "solvers.RKC")
    gauss = ("solvers.GaussLegendre", "solvers.GaussLegendre2", "solvers.GaussLegendre6")
    state: Call = {"t": number(0.001, zero=True, infinite=False, negative=False)}
    states = dict.fromkeys(("solvers.Auto.state", "solvers.ROCK4.state"), state)
    return dict.fromkeys(gauss, solver) | dict.fromkeys(stabilised, solver | radius) | states


def flow_control() -> Call:
    """The keywords of every flow."""
    return {
        "t_span": span(),
        "method": choice("auto"),
        "t_eval": times([0.0, 0.01], outside=2.0),
        "stop_loss": number(-1.0, none=True, zero=True, negative=True),
        "rtol": number(1e-3),
        "atol": number(1e-3, none=True, zero=True),
        "max_steps": integer(100, none=True),
        "callback": function(_nothing, none=True),
        "weight_decay": number(0.1, zero=True),
    }


def _flows() -> dict[str, Call]:
    control = flow_control()
    gtol: Call = {"gtol": number(1e-8, zero=True)}
    down: Call = {"depth": depth(2, infinite=True), "rank": rank(2)}
    steps: Call = {
        "energy": energy(),
        "weights": network(driven=True),
        "step": number(0.01),
        "n_steps": integer(2, 0),
        "save_every": integer(1),
    }
    blocks = np.zeros((7, 7))
    blocks[2:5, :2], blocks[5:, 2:5] = NETWORK
    return {
        "flows.gradient_flow": {"energy": energy(), "start": start()} | down | control | gtol,
        "flows.adjacency_flow": {"energy": energy(), "A": matrix(blocks), "widths": widths(DIMS)}
        | control
        | gtol,
        "flows.free_energy_flow": {
            "energy": energy(),
            "W": matrix(W),
            "beta": number(2.0),
            "widths": widths(DIMS, none=True),
        }
        | down
        | control,
        "flows.ensemble": {
            "energy": energy(),
            "starts": matrix(np.stack([W, W]), square=True),
            "workers": integer(1),
            "engine": choice("auto"),
        }
        | {"depth": down["depth"]}
        | {key: control[key] for key in control if key not in ("method", "callback")}
        | {"method": choice("auto")}
        | gtol,
        "flows.FlowEnsemble.save": {"path": file(_files() / "new")},
        "flows.FlowEnsemble.load": {"path": file(_files() / "flows")},
        "flows.gradient_descent": steps
        | {key: control[key] for key in ("weight_decay", "stop_loss", "callback")},
        "stability.descend": steps | {"callback": control["callback"]},
        "flows.Trajectory.save": {"path": file(_files() / "new")},
        "flows.Trajectory.load": {"path": file(_files() / "saved")},
        "langevin.Ensemble.save": {"path": file(_files() / "new")},
        "langevin.Ensemble.load": {"path": file(_files() / "ensemble")},
        "equilibrium.GibbsSample.save": {"path": file(_files() / "new")},
        "equilibrium.GibbsSample.load": {"path": file(_files() / "sample")},
    }


def _exact() -> dict[str, Call]:
    t = vector([0.0, 1.0], scalar=True, infinite=True, empty=True, without=["-inf in it"])
    later = vector([0.0, 1.0], scalar=True, empty=True)
    sigma = vector(2.0, negative=True, scalar=True, empty=True)
    s = vector(0.5, scalar=True, empty=True)
    return {
        "exact.single_node": {
            "t": t,
            "w": vector([0.5, 0.4], negative=True, length=True),
            "sigma": sigma,
        },
        "exact.two_layer": {
            "t": later,
            "weights": layers(SQUARE),
            "target": matrix(np.diag([3.0, 1.0])),
            "tol": number(1e-10, zero=True),
        },
        "exact.decoupled_velocity": {
            "xi": matrix(np.ones((3, 2)), free=True),
            "sigma": vector([2.0, 1.0], negative=True, length=True),
        },
        "exact.layer_value": {
            "t": t,
            "z": vector(0.5, negative=True, scalar=True, empty=True),
            "sigma": sigma,
            "depth": depth(3, integral=True),
        },
        "exact.singular_value": {
            "t": t,
            "s": s,
            "sigma": sigma,
            "depth": depth(3, infinite=True),
        },
        "exact.passage_time": {
            "start": s,
            "end": vector(0.8, scalar=True, empty=True),
            "sigma": sigma,
            "depth": depth(3, infinite=True),
        },
    }


def _stability() -> dict[str, Call]:
    kernel = matrix(np.array([[2.0, 0.5], [0.5, 1.0]]), one=True, without=["more of both"])
    step = vector([0.1, 0.2], zero=False, scalar=True, empty=True)
    outputs, batch = integer(1), integer(1)
    runs: Call = {
        "n_steps": integer(4),
        "n_chains": integer(2, 2),
        "rng": rng(),
        "callback": function(_nothing, none=True),
    }
    curvatures = vector([2.0, 1.0], one=True)
    at: Call = {"kernel": kernel, "step": step, "outputs": outputs, "batch": batch}
    return {
        "stability.commuting_exponent": {"curvatures": curvatures, "step": step, "batch": batch},
        "stability.critical_steps": {"curvatures": curvatures, "batch": batch},
        "stability.lyapunov": at | runs | {"n_exponents": integer(1)},
        "stability.sum_of_exponents": at,
        "stability.stability_map": {
            "kernel": kernel,
            "steps": vector([0.1, 0.2], zero=False, empty=True, scalar=True),
            "batches": widths((1, 1), fixed=False, without=["one width", "empty"]),
            "outputs": outputs,
        }
        | runs,
        "stability.tangent_kernel": {
            "weights": network(),
            "X": matrix(np.eye(2), without=["more columns"]),
        },
        "stability.minimal_sharpness": {
            "sigma": vector([2.0, 1.0], scalar=True, empty=True),
            "depth": depth(2, integral=True),
        },
        "stability.imbalance_change": {
            "energy": energy(),
            "weights": network(driven=True),
            "step": number(0.1),
        },
        "stability.two_cycle": {
            "sigma": vector(2.0, zero=False, scalar=True, empty=True),
            "step": vector(0.7, zero=False, scalar=True, empty=True),
        },
    }


def _paths() -> dict[str, Call]:
    plan: Call = {
        "dt": number(0.01),
        "n_steps": integer(2),
        "n_paths": integer(2),
        "rng": rng(),
        "save_every": integer(1, none=True),
        "beta": number(2.0),
        "callback": function(_nothing, none=True),
    }
    each: Call = {"n_paths": integer(2, none=True)}
    among: Call = {"first_path": integer(0, 0), "workers": integer(1)}
    kappa: Call = {"kappa": number(1.0, zero=True)}
    down: Call = {"depth": depth(2, infinite=True)}
    equal = (2, 2, 2)
    simulated: Call = {
        "energy": energy(TARGET, none=True),
        "start": start(),
        "weight_decay": number(0.1, zero=True),
        "upstairs": flag(False, none=True),
        "method": choice("euler"),
    }
    return {
        "langevin.HermitianMatrices": {"d": integer(2)},
        "langevin.Sphere": {"d": integer(2)},
        "langevin.TangentNoise": {"widths": widths(DIMS, fixed=False)},
        "langevin.BalancedWeights": {"widths": widths(equal, fixed=False)},
        "langevin.imbalance_drift": {"weights": network(), "beta": number(2.0)} | kappa,
        "langevin.simulate": simulated
        | plan
        | each
        | among
        | kappa
        | down
        | {"energy": energy(TARGET), "engine": choice("auto")},
        "simulation.beside_flow": simulated
        | plan
        | each
        | kappa
        | down
        | {"workers": among["workers"], "energy": energy(TARGET), "engine": choice("auto")},
        "langevin.simulate_unbalanced": {
            "energy": energy(TARGET, none=True),
            "weights": network(driven=True),
        }
        | plan
        | among
        | kappa,
        "langevin.brownian_motion": {
            "start": start(free=True),
            "on": choice("end-to-end"),
            "engine": choice("auto"),
        }
        | plan
        | each
        | among
        | down,
        "langevin.submersion_sde": {
            "space": instance(langevin.Sphere(2)),
            "start": vector([1.0, 0.0], negative=True, length=True, without=["complex array"]),
            "gradient": function(lambda m: m, none=True),
        }
        | plan
        | kappa,
        "dyson.log_orbit_volume": {"x": vector([0.0, 1.0, 2.0], negative=True)},
        "dyson.simulate": {"x": vector([0.0, 1.0], negative=True, one=True)}
        | plan
        | {"beta": number(2.0, infinite=True)},
        "dyson.simulate_lift": {
            "M": matrix(np.eye(2), square=True, free=True, one=True, without=["complex array"])
        }
        | plan
        | {"beta": number(2.0, infinite=True)},
    }


def _statistics() -> dict[str, Call]:
    ensemble = instance(_ensemble())
    t = vector([0.0, 0.01, 0.02], length=True, one=True, negative=True)
    values = np.array([[1.0, 2.0, 3.0], [1.0, 1.5, 1.7]])
    level = number(1.8, negative=True, zero=True)
    origin = number(1.2, none=True, negative=True, zero=True)
    series = np.cumsum(np.ones((3, 40)), axis=1) % 7
    return {
        "statistics.autocorrelation_time": {
            "values": matrix(series, free=True),
            "dt": number(0.1),
        },
        "statistics.mean": {"values": vector([1.0, 2.0, 3.0], negative=True)},
        "statistics.first_passage": {
            "t": t,
            "values": matrix(values, without=["no rows", "more rows"]),
            "level": level,
            "origin": origin,
        },
        "statistics.first_passage_times": {
            "ensemble": ensemble,
            "rank": number(1.0, negative=True, zero=True),
            "origin": origin,
            "kind": choice("entropy"),
            "threshold": number(0.01, zero=True),
        },
        "statistics.mean_passage_time": {
            "passages": instance(_passages()),
            "horizon": number(0.02, zero=True),
        },
        "statistics.survival": {
            "passages": instance(_passages()),
            "t": vector([0.0, 0.01], scalar=True, empty=True, negative=True),
        },
        "statistics.free_energy": {"ensemble": ensemble, "energy": energy(TARGET)},
        "statistics.dissipation": {"ensemble": ensemble, "energy": energy(TARGET)},
        "statistics.free_energy_balance": {"ensemble": ensemble, "energy": energy(TARGET)},
        "simulation.beside": {"ensemble": ensemble, "energy": energy(TARGET)},
    }


@cache
def _ensemble() -> langevin.Ensemble:
    return langevin.simulate(TARGET, W, depth=2, beta=2.0, dt=0.01, n_steps=2, n_paths=2, rng=0)


@cache
def _passages() -> statistics.Passages:
    values = np.array([[1.0, 2.0, 3.0], [1.0, 1.5, 1.9]])
    return statistics.first_passage([0.0, 0.01, 0.02], values, 1.8)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _files() -> Path:
    """A folder in which results are saved."""
    folder = Path(_folder().name)
    if not (folder / "saved").exists():
        _trajectory().save(folder / "saved")
        _ensemble().save(folder / "ensemble")
        _sample().save(folder / "sample")
        _flow_ensemble().save(folder / "flows")
    return folder


@cache
def _sample() -> equilibrium.GibbsSample:
    law = {"shape": (2, 2), "depth": 2, "beta": 2.0, "rng": 0}
    return equilibrium.sample(energies.Quadratic(np.zeros((2, 2))), n_draws=8, warmup=2, **law)


@cache
def _trajectory() -> flows.Trajectory:
    return flows.gradient_flow(TARGET, NETWORK, (0.0, 0.1))


@cache
def _flow_ensemble() -> flows.FlowEnsemble:
    return flows.ensemble(TARGET, np.stack([W, W]), (0.0, 0.1), depth=2)


@cache
def instances() -> dict[str, Any]:
    """An object whose methods are called."""
    return {
        "flows.Trajectory": _trajectory(),
        "flows.FlowEnsemble": _flow_ensemble(),
        "langevin.Ensemble": _ensemble(),
        "equilibrium.GibbsSample": _sample(),
        "solvers.Auto": _stepped(solvers.Auto),
        "solvers.ROCK4": _stepped(solvers.ROCK4),
    }


def _stepped(solver: Any) -> Any:
    """After its first step, which passes 0.001."""
    one = solver(_fall, 0.0, np.array([1.0, 2.0]), 1.0, first_step=0.1)
    one.step()
    return one


def entries() -> dict[str, Call]:
    return _solvers() | _flows() | _exact() | _stability() | _paths() | _statistics()

"""Studies and the face to pymanopt: arguments of every function."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dlngeo import energies, flows, simulation, sweeps
from dlngeo.simulation.config import to_toml
from malformed.arrays import matrix, vector, widths
from malformed.dynamics import TARGET
from malformed.geometry import Call, W, Z, network
from malformed.kinds import (
    Argument,
    choice,
    depth,
    energy,
    flag,
    foreign,
    function,
    instance,
    integer,
    number,
    rank,
    rng,
    text,
)
from malformed.public import MODULES

SIGMA = (3.0, 1.0)
SHORT = simulation.PRESETS["hyperbola"].replaced(paths=2, steps=2)


@cache
def path() -> flows.Trajectory:
    start = (np.array([[0.5, 0.1], [0.0, 0.3]]), np.array([[0.4, 0.0], [0.1, 0.2]]))
    return flows.gradient_flow(TARGET, start, (0.0, 5.0))


def _learning() -> dict[str, Call]:
    dims = widths((3, 2, 2), fixed=False)
    learnt: Call = {"path": instance(path()), "target": matrix(TARGET.target, one=True)}
    figure: Call = {"sigma": number(1.0)}
    two = instance(path())
    inside = vector(SIGMA, length=True).malformed
    more: dict[str, Any] = {"one": (SIGMA,), "number": 3.0, "empty": ()}
    sigmas = Argument(
        (SIGMA, SIGMA),
        foreign() | more | {f"[0]: {word}": (v, SIGMA) for word, v in inside.items()},
    )
    return {
        "sequential.learning": learnt | {"rank": rank(2)},
        "sequential.saddle_distances": learnt | {"signatures": _signatures()},
        "sequential.diagonal_target": {
            "sigma": vector(SIGMA, one=True, length=True),
            "widths": dims,
        },
        "sequential.train": {
            "scale": number(1.0),
            "sigma": vector(SIGMA, one=True, length=True),
            "widths": dims,
            "rng": rng(1),
            "rtol": number(1e-3),
        },
        "survey_figures.overlaps": {"weights_": network(), "count": integer(1)},
        "survey_figures.misaligned": {"weights_": network(), "count": integer(1)},
        "survey_figures.figure_2": {"near": two, "away": two, "sigma": vector(SIGMA, length=True)},
        "survey_figures.figure_3": {"separate": two, "close": two, "sigmas": sigmas},
        "survey_figures.figure_4": {
            "sigma": vector([4.0, 3.0, 2.0, 1.0], one=True),
            "depth": depth(5, integral=True),
        },
        "survey_figures.figure_5": figure,
        "survey_figures.figure_6": figure | {"rng": rng(0)},
        "survey_figures.figure_7": figure | {"rng": rng(0)},
    }


@cache
def _folder() -> Path:
    """A folder with a configuration, gone when the tests end."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    (Path(folder.name) / "a.toml").write_text(to_toml(SHORT), encoding="utf-8")
    return Path(folder.name)


def _signatures() -> Argument:
    bad: dict[str, Any] = {
        "number": 3,
        "empty": (),
        "numbers in it": (0, 1),
        "text in it": ("ab",),
        "halves": ((0.5,),),
        "too large": ((7,),),
        "negative": ((-1,),),
        "twice": ((0, 0),),
        "None in it": (None,),
    }
    return Argument(((), (0,)), foreign() | bad)


def _limits() -> dict[str, Call]:
    x = vector(np.tile([4.0, 3.0, 2.5, 2.0, 1.5, 1.2, 1.0, 0.5], (2, 1)))
    fitting = energies.MatrixCompletion(W, np.array([[True, True], [True, False]]))
    return {
        "nuclear_norm.minimum_nuclear_norm": {
            "energy": energy(fitting),
            "tol": number(1e-3),
            "max_iterations": integer(50),
        },
        "large_width.converge": {
            "depth": depth(2),
            "widths": widths((8, 9, 10), fixed=False),
            "n_moments": integer(1),
            "n_paths": integer(1),
            "n_draws": integer(8, 8),
            "warmup": integer(1),
            "rng": rng(0),
            "report": function(lambda label, share: None),
        },
        "large_width.edge_variable": {"x": x, "depth": depth(2, infinite=True)},
        "large_width.spacing_ratios": {"x": x},
        "large_width.spacing_ratio_density": {
            "ratio": vector([0.5], negative=True, scalar=True, empty=True)
        },
        "large_width.tracy_widom": {
            "s": vector([0.5], negative=True, scalar=True, empty=True),
        },
        "simulation.read": {
            "path": Argument(_folder() / "a.toml", foreign(text=True) | {"number": 3.5}),
        },
        "simulation.run": {
            "config": instance(SHORT),
            "out": Argument(_folder() / "run", foreign(text=True) | {"number": 3.5}),
            "progress": function(None, none=True),
            "mix_environments": flag(False),
        },
        "simulation.is_hyperbola": {"energy": energy(TARGET, without=["of 5 x 5", "no gradient"])},
        "simulation.on_hyperbola": {"W": matrix(W)},
        "simulation.Comparison.band": {"observable": choice("energy")},
    }


SWEEP = sweeps.Study(
    energy={"kind": "quadratic", "target": [[1.0, 0.0], [0.0, 2.0]]},
    start={"law": "gaussian", "scale": 1.0},
    dynamics={"kind": "flow", "depth": 2, "t_end": 1.0},
)


@cache
def _swept() -> Path:
    """A folder with a study and its store."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    (Path(folder.name) / "a.toml").write_text(SWEEP.to_toml(), encoding="utf-8")
    sweeps.run(SWEEP, Path(folder.name) / "store", chunk=1)
    return Path(folder.name)


def _sweeps() -> dict[str, Call]:
    return {
        "sweeps.read": {
            "path": Argument(_swept() / "a.toml", foreign(text=True) | {"number": 3.5}),
        },
        "sweeps.load": {
            "out": Argument(_swept() / "store", foreign(text=True) | {"number": 3.5}),
        },
        "sweeps.run": {
            "study": instance(SWEEP),
            "out": Argument(_swept() / "store", foreign(text=True) | {"number": 3.5}),
            "executor": instance(None, none=True),
            "workers": integer(1),
            "chunk": integer(1, none=True),
            "mix_environments": flag(False),
            "progress": function(None, none=True),
            "notice": function(None, none=True),
        },
        "sweeps.Study.cell": {"number": integer(0, 0)},
    }


def _tables() -> dict[str, Call]:
    table = np.outer([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 0.5, 2.0, 1.5])
    file = Path(__file__).parents[2] / "src" / "dlngeo" / "data" / "fertility.csv"
    labels = Argument(
        ("a", "b"), foreign() | {"number": 3, "one text": "ab", "one of them": ("a",)}
    )
    reading: Call = {
        "path": Argument(file, foreign(text=True) | {"number": 3.5, "list": ["a.csv"]}),
        "layout": choice("auto"),
        "header": flag(True, none=True),
        "labels": integer(2, 0, none=True),
        "columns": Argument(None, foreign(none=True) | {"halves": (1.5, 2, 3), "two": ("a", "b")}),
        "delimiter": text(None),
        "decimal": choice("."),
        "missing": Argument((), foreign(text=True) | {"numbers in it": (1, 2), "number": 3}),
        "skip": integer(0, 0),
    }
    return {
        "completion.complete": {
            "table": matrix(table, free=True, one=True, without=["nan in it", "masked"]),
            "depth": depth(2, integral=True),
            "width": integer(2, none=True),
            "holdout": number(0.3, zero=True),
            "scale": number(1e-3),
            "tolerance": number(0.5),
            "rtol": number(1e-3),
            "t_max": number(1.0),
            "seed": integer(0, 0),
            "progress": function(None, none=True),
        },
        "tables.dataset": {"name": text("fertility")},
        "tables.read": reading,
        "tables.read_triplets": reading | {"progress": function(None, none=True)},
        "tables.from_matrix": {  # messages call it what the caller does
            "matrix": matrix(table, free=True, one=True, without=["nan in it", "masked"]),
            "name": text("matrix"),
        },
        "tables.from_triplets": {
            "rows": labels,
            "columns": labels,
            "values": vector([1.0, 2.0], negative=True, nan=True, length=True, without=["masked"]),
            "name": text("triplets"),
        },
    }


def _manifold() -> dict[str, Call]:
    point, vectors = matrix(W), matrix(Z)
    ends: Call = {"point_a": point, "point_b": matrix(W + 0.1 * Z)}
    at: Call = {"point": point}
    along: Call = at | {"tangent_vector": vectors}
    found: dict[str, Call] = {
        "": {
            "m": integer(2),
            "n": integer(2),
            "depth": depth(2, infinite=True),
            "rng": rng(),
            "component": integer(1, -1, none=True, without=["negative"]),
        },
        ".euclidean_to_riemannian_gradient": at | {"euclidean_gradient": vectors},
        ".euclidean_to_riemannian_hessian": along
        | {"euclidean_gradient": vectors, "euclidean_hessian": vectors},
        ".inner_product": at | {"tangent_vector_a": vectors, "tangent_vector_b": vectors},
        ".projection": at | {"vector": vectors},
        ".to_tangent_space": at | {"vector": vectors},
        ".random_tangent_vector": at,
        ".zero_vector": at,
        ".transport": ends | {"tangent_vector_a": vectors},
    }
    for name in ("exp", "norm", "retraction"):
        found[f".{name}"] = along
    for name in ("dist", "log", "pair_mean"):
        found[f".{name}"] = ends
    return {f"pymanopt.DeepLinearManifold{name}": call for name, call in found.items()}


@cache
def instances() -> dict[str, Any]:
    """An object whose methods are called."""
    comparison = simulation.beside_flow(
        TARGET, W, depth=2, beta=2.0, dt=0.01, n_steps=2, n_paths=2, rng=0
    )
    found: dict[str, Any] = {"simulation.Comparison": comparison, "sweeps.Study": SWEEP}
    if "pymanopt" in MODULES:
        from dlngeo.interop.pymanopt import DeepLinearManifold

        found["pymanopt.DeepLinearManifold"] = DeepLinearManifold(2, 2, 2.0, rng=0)
    return found


def entries() -> dict[str, Call]:
    return _learning() | _limits() | _sweeps() | _tables() | _manifold()

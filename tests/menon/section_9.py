"""Section 9: the figures."""

from __future__ import annotations

import numpy as np

from dlngeo import submersion
from menon.material import (
    all_points,
    flat,
    gap,
    orbit_space,
    rank_one_minimisers,
    tangent_space,
)
from menon.registry import later, row, same

same("Figure 9.1", "Conic sections", "(5.10)")


@row(
    "Figure 9.2",
    "submersion.vertical submersion.horizontal balanced.project_tangent",
    tol=1e-11,
    test="submersion.projections_are_those_of_brute_force",
)
def _():
    """M sliced into orbits: T_W M = vertical ⊕ horizontal."""
    for P in all_points():
        V, T = P.vectors, tangent_space(P)
        up, across = (
            flat(project(P.layers, V, rank=P.r))
            for project in (submersion.vertical, submersion.horizontal)
        )
        yield gap(up + across, T @ (T.T @ flat(V)))
        orbit = orbit_space(P)
        yield gap(up, orbit @ (orbit.T @ flat(V)))


later(
    "Figure 9.3",
    "Motion by curvature from tangential noise",
    "a law: its test compares samples; measured as (11.11)",
    "langevin.brownian_motion",
    test="dyson.sphere_grows_by_minus_half_its_mean_curvature",
)
later(
    "Figure 9.4",
    "Stochastic upstairs, deterministic downstairs",
    "a law: its test compares samples; measured as (12.6)",
    "langevin.simulate flows.free_energy_flow",
    test="langevin_laws.noise_in_the_gauge_alone_moves_w_by_curvature",
)


@row("Figure 9.5", "energies.MatrixCompletion", tol=1e-14, note="see (14.3)")
def _():
    """A rank-one curve in the zero set."""
    yield from rank_one_minimisers(np.geomspace(0.1, 10, 21))

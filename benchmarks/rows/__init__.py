"""All rows, by subject. A module here has ``rows(quick)``, a list of rows."""

from __future__ import annotations

from benchmarks.harness import Row
from benchmarks.rows import (
    completion,
    ensembles,
    geometry,
    imputation,
    landscapes,
    langevin_precision,
    langevin_steps,
    lowrank,
    right_hand_sides,
    scaling,
    startup,
)

MODULES = (
    langevin_steps,
    langevin_precision,
    right_hand_sides,
    completion,
    ensembles,
    lowrank,
    imputation,
    geometry,
    landscapes,
    scaling,
    startup,
)


def every_row(quick: bool) -> list[Row]:
    """Every row there is, in the order of the report; fewer and shorter ones where quick."""
    return [row for module in MODULES for row in module.rows(quick)]

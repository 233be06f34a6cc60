"""Incomplete matrices with labels: from files, triplets, arrays, pandas frames; data sets."""

from __future__ import annotations

from dlngeo.tables._numerals import MISSING
from dlngeo.tables._tables import (
    DATASETS,
    Table,
    dataset,
    from_matrix,
    from_triplets,
    read,
)

__all__ = [
    "DATASETS",
    "MISSING",
    "Table",
    "dataset",
    "from_matrix",
    "from_triplets",
    "read",
]


def __dir__() -> list[str]:
    return __all__

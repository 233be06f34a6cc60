"""Incomplete matrices with labels: from files, triplets, arrays, pandas frames; data sets.

A :class:`Table` is a matrix whose missing entries are NaN, with the labels of its rows and columns.

- :func:`read` makes one of a file: delimited text, ``.npy`` or ``.npz``; a matrix, or a list of
  (row, column, value).
- :func:`read_triplets` reads the same files as :class:`Triplets`: lists of observed entries, for
  tables of any size.
- :func:`from_matrix` takes arrays, masked arrays and pandas frames, :func:`from_triplets` labels
  and values.
- :func:`dataset` has what ships along, :data:`DATASETS` says what that is.

Of a text the reading rule tells names from numbers: words above columns of numbers are a header,
leading columns of words are labels, two columns of words that repeat and one of numbers are
triplets. Whatever else could be meant is refused, and the refusal names the keyword that settles
it. :data:`MISSING` lists the spellings of a missing value.
"""

from __future__ import annotations

from dlngeo.tables._numerals import MISSING
from dlngeo.tables._pairs import asked_pairs as asked_pairs
from dlngeo.tables._tables import (
    DATASETS,
    Table,
    Triplets,
    dataset,
    from_matrix,
    from_triplets,
    read,
    read_triplets,
)
from dlngeo.tables._tables import triplets_of as triplets_of

__all__ = [
    "DATASETS",
    "MISSING",
    "Table",
    "Triplets",
    "dataset",
    "from_matrix",
    "from_triplets",
    "read",
    "read_triplets",
]


def __dir__() -> list[str]:
    return __all__

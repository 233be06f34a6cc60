"""Pairs of labels, a row's and a column's, for which something is asked: a text, read in parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import batched, chain
from pathlib import Path

from dlngeo.tables._delimited import Record, records
from dlngeo.tables._numerals import shown

Pair = tuple[str, str]

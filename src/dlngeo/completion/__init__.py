"""Matrix completion by a deep linear network, held against simple baselines.

A matrix of which some entries were observed is filled in by the gradient flow of a deep linear
network from a small balanced start, which learns one singular value after another and so prefers
low rank; how long it trains is chosen by validation.

- :func:`complete` does all of it for an array, a pandas frame or a
  :class:`~dlngeo.tables.Table`, and returns a :class:`Completion`: the filled matrix, the network's
  error on entries that it never saw, and beside it the errors of the column mean and of an iterated
  truncated SVD, which had the same entries to learn from.

The protocol is one for all methods: a share of the entries is held out; the rest, the training
entries, choose what is to be chosen and are fitted; the held-out ones judge. What is handed out was
trained once more, on every observed entry.

``dlngeo complete`` is this from a file (``dlngeo.completion.study``). Files that become tables:
:mod:`dlngeo.tables`.
"""

from __future__ import annotations

from dlngeo.completion._complete import Completion, complete

__all__ = [
    "Completion",
    "complete",
]


def __dir__() -> list[str]:
    return __all__

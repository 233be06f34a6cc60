r"""Flows of low rank in factored form: W = U diag(σ) Vᵀ of any size, which is never formed.

A balanced network whose end-to-end matrix has rank r is one whose hidden layers are r wide, so the
flow on the matrices of rank r takes r (m + n) numbers of state. An energy that is a sum over
entries, :class:`dlngeo.energies.SparseCompletion` say, is asked by factors: with k entries a
velocity costs O((k + (m + n) r) r), and neither W nor E' is formed. Any other energy is too, by way
of the dense W.

- :func:`flow` is :func:`dlngeo.flows.gradient_flow` downstairs with ``rank=``;
- :func:`complete` completes a table: biases, and rank, decay and time chosen by validation;
- :func:`polish` ends what a flow began, by Newton's method, where a minimum is isolated;
- :func:`spectral_start` and :func:`random_start` make starts, as :class:`Factors`.

Source: Menon, sections 3, 4 and 14; Arora, Cohen, Hu and Luo, "Implicit Regularization in Deep
Matrix Factorization" (2019), for completion.
"""

from __future__ import annotations

from dlngeo.lowrank._completed import LowRankCompletion
from dlngeo.lowrank._completion import complete
from dlngeo.lowrank._factors import Factors
from dlngeo.lowrank._flow import flow
from dlngeo.lowrank._polish import Polished, polish
from dlngeo.lowrank._starts import random_start, spectral_start
from dlngeo.lowrank._trajectory import LowRankTrajectory

__all__ = [
    "Factors",
    "LowRankCompletion",
    "LowRankTrajectory",
    "Polished",
    "complete",
    "flow",
    "polish",
    "random_start",
    "spectral_start",
]


def __dir__() -> list[str]:
    return __all__

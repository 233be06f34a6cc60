"""A network's weights: a tuple ``(W_1, ..., W_N)``, W_p of shape ``(..., d_p, d_{p-1})``."""

from __future__ import annotations

from dlngeo.weights._layers import (
    end_to_end,
    end_to_end_velocity,
    from_vector,
    gradient,
    imbalance,
    norm,
    to_vector,
    widths,
)
from dlngeo.weights._layers import flatten as flatten
from dlngeo.weights._layers import imbalances as imbalances
from dlngeo.weights._layers import pull_back as pull_back
from dlngeo.weights._layers import push_forward as push_forward
from dlngeo.weights._layers import unflatten as unflatten
from dlngeo.weights._predicates import (
    is_aligned,
    is_balanced,
    is_decoupled,
    is_delta_balanced,
    is_diagonal,
)
from dlngeo.weights._random import haar_frame as haar_frame
from dlngeo.weights._random import random, random_balanced, random_decoupled

__all__ = [
    "end_to_end",
    "end_to_end_velocity",
    "from_vector",
    "gradient",
    "imbalance",
    "is_aligned",
    "is_balanced",
    "is_decoupled",
    "is_delta_balanced",
    "is_diagonal",
    "norm",
    "random",
    "random_balanced",
    "random_decoupled",
    "to_vector",
    "widths",
]


def __dir__() -> list[str]:
    return __all__

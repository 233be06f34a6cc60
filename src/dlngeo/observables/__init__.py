"""What everybody reads off a matrix or a path: effective rank and norms; plateaus and jumps."""

from dlngeo.observables._norms import effective_rank, nuclear_norm, schatten_norm, singular_values
from dlngeo.observables._plateaus import Plateaus, plateaus

__all__ = [
    "Plateaus",
    "effective_rank",
    "nuclear_norm",
    "plateaus",
    "schatten_norm",
    "singular_values",
]


def __dir__() -> list[str]:
    return __all__

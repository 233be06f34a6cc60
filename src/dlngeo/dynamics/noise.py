"""Gaussian noise with one stream a path: path k is the same numbers in any company.

Path k draws from child k of the seed's ``SeedSequence``, block by block, so that its numbers depend
neither on how many paths run beside it nor on how the steps are cut into blocks.
"""

from __future__ import annotations

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.weights import RNG


def seed_sequence(rng: RNG) -> np.random.SeedSequence:
    """The seed that ``numpy.random.default_rng(rng)`` would use."""
    if isinstance(rng, np.random.SeedSequence):
        return rng
    sequence = _checks.rng(rng).bit_generator.seed_seq
    if not isinstance(sequence, np.random.SeedSequence):
        raise TypeError(
            f"rng must carry a SeedSequence to spawn from, not {type(sequence).__name__}"
        )
    return sequence


class Streams:
    """Independent standard normal numbers for each path."""

    def __init__(self, rng: RNG, paths: range) -> None:
        sequence = seed_sequence(rng)
        self._generators = [
            np.random.Generator(
                np.random.SFC64(
                    np.random.SeedSequence(
                        sequence.entropy,
                        spawn_key=(*sequence.spawn_key, k),
                        pool_size=sequence.pool_size,
                    )
                )
            )
            for k in paths
        ]

    def normals(self, steps: int, size: int) -> Array:
        """(steps, paths, size) numbers, the next of each path's stream."""
        block = np.empty((len(self._generators), steps, size))
        for row, generator in zip(block, self._generators, strict=True):
            generator.standard_normal(out=row)
        return np.moveaxis(block, 0, 1)

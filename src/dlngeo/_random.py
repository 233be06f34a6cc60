"""Gaussian noise with one stream a path: path k is the same numbers in any company.

Path k draws from child k of the seed's ``SeedSequence``, block by block, so that its numbers depend
neither on how many paths run beside it nor on how the steps are cut into blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dlngeo import _checks
from dlngeo._checks import RNG, Array
from dlngeo._environment import numerics


def seed_sequence(rng: RNG) -> np.random.SeedSequence:
    """The seed of a run.

    Integers, arrays of them and a ``SeedSequence`` are the same seed each time; None is a fresh
    one. A ``Generator`` (or ``BitGenerator``) gives a child of its own, another each time, as
    ``Generator.spawn`` does: it advances.
    """
    if isinstance(rng, np.random.SeedSequence):
        return rng
    generator = _checks.rng(rng)
    sequence = generator.bit_generator.seed_seq
    if not isinstance(sequence, np.random.SeedSequence):  # of a RandomState: a draw
        return np.random.SeedSequence([int(word) for word in generator.integers(2**32, size=4)])
    lasts = isinstance(rng, np.random.Generator | np.random.BitGenerator)
    return sequence.spawn(1)[0] if lasts else sequence


def child(seed: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    """A descendant of a seed, which does not advance."""
    return np.random.SeedSequence(
        seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size
    )


def recorded(seed: np.random.SeedSequence) -> dict[str, Any]:
    """What it takes to draw from a seed again: ``SeedSequence(seed, spawn_key=spawn_key)``.

    And ``pool_size`` where it is not NumPy's own. ``versions`` tells with what the same seed gives
    the same numbers to the last bit.
    """
    entropy = seed.entropy
    if not (entropy is None or isinstance(entropy, int)):
        words = tuple(int(word) for word in np.ravel(np.asarray(entropy, dtype=object)))
        entropy = words if np.ndim(entropy) else words[0]
    key = tuple(int(k) for k in seed.spawn_key)
    record = {"seed": entropy, "spawn_key": key, "versions": numerics()}
    return record if seed.pool_size == 4 else record | {"pool_size": seed.pool_size}


def restored(provenance: Mapping[str, Any]) -> np.random.SeedSequence:
    """The seed that :func:`recorded` wrote down."""
    return np.random.SeedSequence(
        provenance["seed"],
        spawn_key=provenance["spawn_key"],
        pool_size=provenance.get("pool_size", 4),
    )


class Streams:
    """Independent standard normal numbers for each path."""

    def __init__(self, rng: RNG, paths: range, places: Array | None = None) -> None:
        sequence = seed_sequence(rng)
        self._generators = [np.random.Generator(np.random.SFC64(child(sequence, k))) for k in paths]
        for row, place in enumerate(() if places is None else places):
            bits = self._generators[row].bit_generator
            bits.state = {**bits.state, "state": {"state": place}}

    def places(self) -> Array:
        """Where each stream is: (path, 4), from which it goes on."""
        states = [generator.bit_generator.state["state"]["state"] for generator in self._generators]
        return np.array(states, dtype=np.uint64).reshape(-1, 4)

    def normals(self, steps: int, size: int) -> Array:
        """(steps, paths, size) numbers, the next of each path's stream."""
        block = np.empty((len(self._generators), steps, size))
        for row, generator in zip(block, self._generators, strict=True):
            generator.standard_normal(out=row)
        return np.moveaxis(block, 0, 1)

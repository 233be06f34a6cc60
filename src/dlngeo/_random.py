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
    """Independent standard normal numbers for each path, whose generators are made when asked."""

    def __init__(self, rng: RNG, paths: range, places: Array | None = None) -> None:
        self._seed, self._paths, self._begin = seed_sequence(rng), paths, places
        self._generators: list[np.random.Generator] = []

    def places(self) -> Array:
        """Where each stream is: (path, 4), from which it goes on."""
        if self._generators:
            states = [one.bit_generator.state["state"]["state"] for one in self._generators]
            return np.array(states, dtype=np.uint64).reshape(-1, 4)
        if self._begin is None:
            return first_places(self._seed, self._paths)
        return np.array(self._begin, dtype=np.uint64).reshape(-1, 4)

    def normals(self, steps: int, size: int) -> Array:
        """(steps, paths, size) numbers, the next of each path's stream."""
        if not self._generators:
            self._open()
        block = np.empty((len(self._generators), steps, size))
        for row, generator in zip(block, self._generators, strict=True):
            generator.standard_normal(out=row)
        return np.moveaxis(block, 0, 1)

    def _open(self) -> None:
        seeds = (child(self._seed, k) for k in self._paths)
        self._generators = [np.random.Generator(np.random.SFC64(seed)) for seed in seeds]
        for row, place in enumerate(() if self._begin is None else self._begin):
            bits = self._generators[row].bit_generator
            bits.state = {**bits.state, "state": {"state": place}}


def first_places(seed: np.random.SeedSequence, paths: range) -> Array:
    """The states (path, 4) of ``SFC64(child(seed, k))``, all paths hashed at once.

    By NumPy's documented algorithm (M. O'Neill's seed_seq), held against NumPy at the last path.
    """
    if paths and paths[0] >= 0 and paths[-1] < 2**32:
        keys = np.arange(paths[0], paths[-1] + 1, paths.step, dtype=np.uint32)
        last = child(seed, paths[-1])
        for longer in range(64):  # words of the seed beyond its pool
            if (_pools(seed.pool, keys[-1:], longer)[:, 0] == last.pool).all():
                places = _sfc64(_pools(seed.pool, keys, longer))
                if (places[-1] == _place(last)).all():
                    return places
                break
    return np.array([_place(child(seed, k)) for k in paths], dtype=np.uint64).reshape(-1, 4)


def _place(seed: np.random.SeedSequence) -> Array:
    return np.asarray(np.random.SFC64(seed).state["state"]["state"])


def _pools(pool: Array, keys: Array, longer: int) -> Array:
    """The pools (word, key) of a seed's children: one more word, mixed into each word of it."""
    size = len(pool)
    multiplier, wrap = 0x931E8875, 2**32
    constant = 0x43B0D7E5 * pow(multiplier, size * (size + longer), wrap) % wrap
    mixed = np.empty((size, len(keys)), dtype=np.uint32)
    for k, word in enumerate(pool):
        hashed = keys ^ np.uint32(constant)
        constant = constant * multiplier % wrap
        hashed = hashed * np.uint32(constant)
        hashed ^= hashed >> np.uint32(16)
        one = np.uint32(int(word) * 0xCA01F9DD % wrap) - np.uint32(0x4973F715) * hashed
        mixed[k] = one ^ (one >> np.uint32(16))
    return mixed


def _sfc64(pools: Array) -> Array:
    """States (key, 4): six words of each pool, and twelve turns of the generator."""
    words, constant, wrap = [], 0x8B51F9DD, 2**32
    for k in range(6):
        word = pools[k % len(pools)] ^ np.uint32(constant)
        constant = constant * 0x58F38DED % wrap
        word = word * np.uint32(constant)
        words.append((word ^ (word >> np.uint32(16))).astype(np.uint64))
    a, b, c = (words[k] | words[k + 1] << np.uint64(32) for k in (0, 2, 4))
    for turn in range(1, 13):
        total = a + b + np.uint64(turn)
        a, b = b ^ (b >> np.uint64(11)), c + (c << np.uint64(3))
        c = (c << np.uint64(24) | c >> np.uint64(40)) + total
    return np.stack([a, b, c, np.full_like(a, 13)], axis=1)

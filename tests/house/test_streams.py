"""Where the streams of paths begin: all seeds hashed at once, as NumPy hashes one."""

import numpy as np
import pytest

from dlngeo import _random
from dlngeo._random import Streams, child, first_places

SEEDS = {
    "zero": np.random.SeedSequence(0),
    "as long as the pool": np.random.SeedSequence(2**120 + 5),
    "longer": np.random.SeedSequence(2**300 + 5),
    "words": np.random.SeedSequence([1, 2, 3, 4, 5, 6, 7]),
    "a child": np.random.SeedSequence(3, spawn_key=(1, 2**40, 7)),
    "a wide pool": np.random.SeedSequence(3, pool_size=8),
}
PATHS = (range(5), range(100, 1000, 7), range(7, 8), range(2**32 - 2, 2**32 + 2), range(0))


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_first_places_are_those_of_numpy(seed):
    for paths in PATHS:
        exact = [np.random.SFC64(child(seed, k)).state["state"]["state"] for k in paths]
        np.testing.assert_array_equal(first_places(seed, paths), np.reshape(exact, (-1, 4)))


def test_they_are_hashed_at_once(monkeypatch):
    asked = []
    monkeypatch.setattr(
        _random, "_place", lambda seed, real=_random._place: asked.append(1) or real(seed)
    )
    first_places(np.random.SeedSequence(4), range(1000))
    assert len(asked) == 1


def test_a_stream_begins_at_its_place_and_goes_on_from_it():
    whole = Streams(7, range(3)).normals(5, 2)
    streams = Streams(7, range(3))
    begin = streams.places()
    first = streams.normals(2, 2)
    after = streams.places()
    np.testing.assert_array_equal(first, whole[:2])
    np.testing.assert_array_equal(Streams(7, range(3), begin).normals(5, 2), whole)
    np.testing.assert_array_equal(Streams(7, range(3), after).normals(3, 2), whole[2:])

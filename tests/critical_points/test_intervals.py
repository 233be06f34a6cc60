"""Intervals against matrix products: which patterns are critical, and which are tightened."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dlngeo.critical_points import _intervals

rooms = st.lists(st.integers(0, 3), min_size=1, max_size=5)
seeds = st.integers(0, 2**32 - 1)


def path(blocks, first, last):
    """Z_last ⋯ Z_first, identity if empty; layers from 1."""
    size = blocks[first - 1].shape[1] if first <= len(blocks) else blocks[-1].shape[0]
    result = np.eye(size)
    for Z in blocks[first - 1 : last]:
        result = Z @ result
    return result


def turn(bridges, inputs):
    """Σ_Qᵀ in the bases of the intervals."""
    return np.eye(bridges + inputs, bridges)


def loose(blocks, back):
    """By the definition: two layers p < q between which neither product vanishes."""
    depth = len(blocks)
    return any(
        path(blocks, p + 1, q - 1).any()
        and (path(blocks, 1, p - 1) @ back @ path(blocks, q + 1, depth)).any()
        for p in range(1, depth)
        for q in range(p + 1, depth + 1)
    )


@given(room=rooms, bridges=st.integers(0, 3), inputs=st.integers(0, 2), seed=seeds)
def test_all_intervals_are_critical_and_fill_the_layers(room, bridges, inputs, seed):
    drawn = _intervals.draw(room, bridges, inputs, np.random.default_rng(seed), None)
    blocks = _intervals.blocks(drawn, room)
    depth, back = len(room) + 1, turn(bridges, inputs)
    sizes = [bridges + inputs, *room, bridges]
    assert [Z.shape for Z in blocks] == list(zip(sizes[1:], sizes[:-1], strict=True))
    for j in range(1, depth + 1):
        assert not (path(blocks, 1, j - 1) @ back @ path(blocks, j + 1, depth)).any()
    for Z in blocks:  # at most one arrow into each node and one out
        assert Z.sum(axis=0, initial=0).max(initial=0) <= 1
        assert Z.sum(axis=1, initial=0).max(initial=0) <= 1
    assert _intervals.is_loose(drawn, depth) == loose(blocks, back)


@given(room=rooms, bridges=st.integers(0, 3), inputs=st.integers(0, 2), seed=seeds)
@pytest.mark.parametrize("tightened", [True, False])
def test_tightened_or_not_on_request(tightened, room, bridges, inputs, seed):
    generator, depth = np.random.default_rng(seed), len(room) + 1
    possible = (
        not (depth == 2 and bridges and room[0]) if tightened else bool(bridges and all(room))
    )
    if not possible:
        with pytest.raises(ValueError, match="tightened"):
            _intervals.draw(room, bridges, inputs, generator, tightened)
        return
    drawn = _intervals.draw(room, bridges, inputs, generator, tightened)
    blocks = _intervals.blocks(drawn, room)
    assert loose(blocks, turn(bridges, inputs)) != tightened


@given(room=rooms, bridges=st.integers(0, 3), inputs=st.integers(0, 2), seed=seeds)
def test_a_cut_empties_one_block_and_no_other(room, bridges, inputs, seed):
    generator, depth = np.random.default_rng(seed), len(room) + 1
    drawn = _intervals.draw(room, bridges, inputs, generator, None)
    before = _intervals.blocks(drawn, room)
    layer = int(generator.integers(1, depth + 1))
    after = _intervals.blocks(_intervals.cut(drawn, depth, layer), room)
    for p, (Z, Y) in enumerate(zip(before, after, strict=True), start=1):
        assert Y.sum() == (0 if p == layer else Z.sum())


@given(room=rooms, bridges=st.integers(1, 2), inputs=st.integers(0, 2), seed=seeds)
def test_saddles_with_fewer_than_two_zero_blocks_are_drawn(room, bridges, inputs, seed):
    """Two zero blocks are not needed: at the seeds where they are missing all is critical still."""
    assume(min(room) >= 2)
    generator = np.random.default_rng(seed)
    zeros = [
        sum(not Z.any() for Z in _intervals.blocks(drawn, room))
        for drawn in (_intervals.draw(room, bridges, inputs, generator, None) for _ in range(50))
    ]
    if len(room) >= 4:
        assert min(zeros) < 2

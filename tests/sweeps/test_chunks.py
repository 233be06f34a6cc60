"""How many runs a chunk has."""

from __future__ import annotations

import pytest

import dlngeo as dln
from dlngeo.sweeps import work


@pytest.mark.parametrize(("together", "each"), [(0.0, 0.01), (1.0, 0.1), (50.0, 2.0)])
def test_what_paths_take_together_is_no_more_than_half_of_a_chunk(monkeypatch, together, each):
    study = dln.sweeps.Study(
        energy={"kind": "quadratic", "target": [[1.0]]},
        start={"law": "gaussian", "scale": 1.0},
        dynamics={"kind": "flow", "t_end": 1.0},
        grid={"depth": [1, 2]},
        paths=10**6,
    )
    monkeypatch.setattr(work, "compute", lambda *_: None)
    monkeypatch.setattr(work, "_timed", lambda *asked: (together + each * asked[2], 8))
    size = work.chunk_size(study, 1)
    seconds = together + each * size
    assert max(1.0, 2 * together) - each <= seconds <= max(4.0, 2 * together) + each


def test_a_short_study_is_probed_shortly(monkeypatch):
    """10⁴ runs of 0.1 ms: one hundredth of them tells that they are a chunk or two."""
    study = dln.sweeps.Study(
        energy={"kind": "quadratic", "target": [[1.0]]},
        start={"law": "gaussian", "scale": 1.0},
        dynamics={"kind": "flow", "depth": 2, "t_end": 1.0},
        paths=10**4,
    )
    asked = []

    def timed(_, first, count):
        asked.append(count)
        return 4e-3 + 1e-4 * count, 8 * count

    monkeypatch.setattr(work, "compute", lambda *_: None)
    monkeypatch.setattr(work, "_timed", timed)
    assert work.chunk_size(study, 1) >= 5000
    assert sum(asked) <= 100

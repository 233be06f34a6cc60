"""A small study of completion, and the file that it stands in."""

import pytest

from dlngeo import sweeps

pytest.importorskip("zarr")

GAPS = [[1.0, float("nan")], [float("nan"), 1.0]]


def study(**changes):
    settings = {
        "energy": {"kind": "completion", "table": GAPS},
        "start": {"law": "gaussian"},
        "dynamics": {"kind": "flow", "t_end": 1e3, "engine": "numpy"},
        "grid": {"depth": [1, 2], "scale": [1.0, 0.1]},
        "observables": ["W", "W_start", "t_end", "energy", "status"],
        "paths": 10,
    }
    return sweeps.Study(**settings | changes)


def values(data):
    """All arrays of a dataset as bytes: equal bit for bit where these are."""
    return {name: (one.dims, one.values.tobytes()) for name, one in data.data_vars.items()}

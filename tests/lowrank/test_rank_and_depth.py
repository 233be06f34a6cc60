"""What depth does to a completion: the published error, as the example draws it."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "plot_completion_error.py"


@pytest.mark.slow
def test_depth_three_completes_where_depth_two_and_the_nuclear_norm_do_not():
    """Arora, Cohen, Hu and Luo (2019), figure 2: rank 5, norm 100, 2,000 entries of 100 x 100."""
    spec = importlib.util.spec_from_file_location("completion_error", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = example.errors(5, 2000)
    assert found["depth 3"] <= 1e-4
    assert found["depth 2"] > 100 * found["depth 3"]
    assert found["depth 3"] < found["least nuclear norm"] < found["depth 2"]

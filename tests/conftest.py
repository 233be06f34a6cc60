"""What several test files share: a seeded generator and the golden values."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# The same examples in every run; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("fixed")

DATA = Path(__file__).parent / "data"


@pytest.fixture(autouse=True, scope="session")
def interrupts_are_heard():
    """A shell has what it starts in the background ignore SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def golden_flow():
    """Wendin and Altafini on small explicit inputs, 20 digits, numbers as strings."""
    return json.loads((DATA / "golden-gradient-flow.json").read_text())


@pytest.fixture(scope="session")
def golden_geometry():
    """Menon on small explicit inputs, 20 digits, numbers as strings."""
    return json.loads((DATA / "golden-geometry.json").read_text())

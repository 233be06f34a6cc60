"""Validation in three runs in place of ten, where a test is not about them."""

import pytest

from dlngeo.completion import baselines


@pytest.fixture(scope="module", autouse=True)
def few_folds():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "_FOLDS", 3)
        yield

"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data; skip the test when it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data is not beside the checkout (../shared/data)")
    return SHARED_DATA

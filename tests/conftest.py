"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from earmark import cli

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data; skip the test when it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data is not beside the checkout (../shared/data)")
    return SHARED_DATA


@pytest.fixture
def run(capsys):
    """Run the command line in this process; return its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            cli.main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        # The handler holds the stderr of this test, which is closed in the next.
        logging.getLogger("earmark").handlers = []
        return stop.value.code, output.out, output.err

    return run

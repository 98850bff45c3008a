"""Marks of tests that run only when they are asked for."""

from __future__ import annotations

import os

import pytest

takes_minutes = pytest.mark.skipif(
    os.environ.get("EARMARK_CLUSTER_TESTS") != "all", reason="takes over 30 s; EARMARK_CLUSTER_TESTS=all runs it"
)

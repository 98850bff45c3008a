"""Waiting for the page: Playwright's own polling needs ``eval`` in the page, which its policy forbids."""

from __future__ import annotations

import time

import pytest


def until(page, expression: str, *, seconds: float = 60.0) -> None:
    """Wait until a JavaScript expression is true in the page."""
    deadline_s = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {seconds:g} s: {expression}; the page says {page.inner_text('body')!r}")
        page.wait_for_timeout(50)

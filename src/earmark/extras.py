"""What scores and reports need beyond the core."""

from __future__ import annotations

import importlib.util

from earmark.errors import MissingExtraError


def needs_train_extra(what: str, *modules: str) -> None:
    """Raise `MissingExtraError` unless all `modules` are installed."""
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtraError(what, "train")

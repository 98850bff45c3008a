"""Earmark: learn to recognise music from examples, by ear and by mark.

>>> import earmark
>>> earmark.load("notes").predict("key.mp3")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.data import Manifest as Manifest
    from earmark.data import read_manifest as read_manifest
    from earmark.evaluation.evaluate import evaluate as evaluate
    from earmark.explain.explain import explain as explain
    from earmark.recognizer import Recognizer as Recognizer
    from earmark.recognizer import load as load
    from earmark.runs.train import train as train

# Filled on first use (PEP 562), so that `import earmark` costs nothing and predicting never imports torch.
_HOMES = {
    "Manifest": "earmark.data",
    "Recognizer": "earmark.recognizer",
    "evaluate": "earmark.evaluation.evaluate",
    "explain": "earmark.explain.explain",
    "load": "earmark.recognizer",
    "read_manifest": "earmark.data",
    "train": "earmark.runs.train",
}

__all__ = ["Manifest", "Recognizer", "__version__", "evaluate", "explain", "load", "read_manifest", "train"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("earmark")
    if name not in _HOMES:
        raise AttributeError(f"module 'earmark' has no attribute {name!r}; it has: {', '.join(__all__)}")
    from earmark.extras import explained

    with explained(f"earmark.{name}"):
        value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

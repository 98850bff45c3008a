"""Earmark: learn to recognise music from examples, by ear and by mark.

>>> import earmark
>>> earmark.load("notes").predict("key.mp3")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.data import Examples as Examples
    from earmark.data import Manifest as Manifest
    from earmark.data import read_manifest as read_manifest
    from earmark.distributed import cluster as cluster
    from earmark.doctor import check as check
    from earmark.errors import EarmarkError as EarmarkError
    from earmark.evaluation.evaluate import evaluate as evaluate
    from earmark.explanation.explain import explain as explain
    from earmark.recognizer import Failure as Failure
    from earmark.recognizer import Recognizer as Recognizer
    from earmark.recognizer import load as load
    from earmark.rejection.fit import add_rejection as add_rejection
    from earmark.runs.compare import compare_runs as compare_runs
    from earmark.runs.estimator import EarmarkClassifier as EarmarkClassifier
    from earmark.runs.pipeline import cross_validate as cross_validate
    from earmark.runs.pipeline import train as train
    from earmark.types import Ink as Ink
    from earmark.types import Prediction as Prediction
    from earmark.types import Sound as Sound

# Filled on first use (PEP 562), so that `import earmark` costs nothing and predicting never imports torch.
_HOMES = {
    "EarmarkClassifier": "earmark.runs.estimator",
    "EarmarkError": "earmark.errors",
    "Examples": "earmark.data",
    "Failure": "earmark.recognizer",
    "Ink": "earmark.types",
    "Manifest": "earmark.data",
    "Prediction": "earmark.types",
    "Recognizer": "earmark.recognizer",
    "Sound": "earmark.types",
    "add_rejection": "earmark.rejection.fit",
    "check": "earmark.doctor",
    "cluster": "earmark.distributed",
    "compare_runs": "earmark.runs.compare",
    "cross_validate": "earmark.runs.pipeline",
    "evaluate": "earmark.evaluation.evaluate",
    "explain": "earmark.explanation.explain",
    "load": "earmark.recognizer",
    "read_manifest": "earmark.data",
    "train": "earmark.runs.pipeline",
}

__all__ = [
    "EarmarkClassifier",
    "EarmarkError",
    "Examples",
    "Failure",
    "Ink",
    "Manifest",
    "Prediction",
    "Recognizer",
    "Sound",
    "__version__",
    "add_rejection",
    "check",
    "cluster",
    "compare_runs",
    "cross_validate",
    "evaluate",
    "explain",
    "load",
    "read_manifest",
    "train",
]


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
    """Return the public names alone, for completion and help."""
    return sorted(__all__)

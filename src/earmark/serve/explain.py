"""Explanation endpoint, ``POST /v1/explain/{model}``: which parts of one input its answer rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.recognizer import Recognizer
from earmark.serve.inputs import content_of, items_of
from earmark.serve.limits import Limits
from earmark.serve.problems import Problem
from earmark.types import FloatArray

if TYPE_CHECKING:
    from earmark.explanation.explain import Explanation

_MOST_ROWS, _MOST_COLUMNS = 96, 192
"""Of the maps that are sent: enough for a picture."""


def explained(recognizer: Recognizer, body: bytes, content_type: str, *, limits: Limits) -> dict[str, Any]:
    """Return what the answer to the one input of a request rests on, as plain values.

    Raises
    ------
    Problem, EarmarkError
        When there are several inputs, or the one cannot be read or explained.
    """
    from earmark.explanation.explain import explain

    items = items_of(body, content_type, limits=limits)
    if len(items) != 1:
        raise Problem(422, f"{len(items)} inputs; one is explained at a time")
    (item,) = items
    return _as_dict(explain(recognizer, content_of(item, recognizer.card, limits=limits), name=item.name))


def _as_dict(found: Explanation) -> dict[str, Any]:
    """Return an explanation for JSON: maps in 0…255, row 0 the lowest frequency or the top."""
    shown = found.feature_map - found.feature_map.min()
    most = max(float(np.abs(found.importance).max()), 1e-9)
    return {
        "input": found.input,
        "label": found.label,
        "confidence": round(found.confidence, 6),
        "without": round(found.without, 6),
        "deciding_s": found.deciding_s,
        "is_sound": bool(len(found.times_s)),
        "feature_map": _levels(shown / max(float(shown.max()), 1e-9)),
        "importance": _levels(np.clip(found.importance, 0, None) / most),
    }


def _levels(values: FloatArray) -> list[list[int]]:
    """Return values in 0…1 as whole numbers to 255, of at most so many rows and columns, each a mean."""
    import PIL.Image

    height, width = values.shape
    image = PIL.Image.fromarray(np.ascontiguousarray(values, np.float32))
    smaller = image.resize((min(width, _MOST_COLUMNS), min(height, _MOST_ROWS)), PIL.Image.Resampling.BOX)
    levels: list[list[int]] = np.rint(255 * np.asarray(smaller)).astype(int).tolist()
    return levels

"""A line that was read as plain values, for JSON files and the service."""

from __future__ import annotations

from typing import Any

from earmark.recognizer.answers import answer_as_dict
from earmark.types import Image, Ink, Line, Symbol


def line_as_dict(line: Line, content: Ink | Image | None = None) -> dict[str, Any]:
    """Return plain values for JSON; with the strokes of `content` they are a file that `Recognizer.read` takes."""
    values: dict[str, Any] = {"input": line.input} if content is None else {}
    if isinstance(content, Ink):
        values["strokes"] = [[[_short(x), _short(y)] for x, y in stroke.tolist()] for stroke in content.strokes]
    if line.staff is not None:
        values["staff"] = {"top": _short(line.staff.top), "space": _short(line.staff.space)}
    values["symbols"] = [_symbol(symbol) for symbol in line.symbols]
    return values


def _symbol(symbol: Symbol) -> dict[str, Any]:
    details = symbol.top[0].details if symbol.top and symbol.reason is None else {}
    values = {
        "label": symbol.label,
        "confidence": round(symbol.confidence, 6),
        **details,
        "strokes": list(symbol.strokes),
        "box": [_short(side) for side in symbol.box],
        "anchor": _short(symbol.anchor),
        "top": [answer_as_dict(answer) for answer in symbol.top],
    }
    return values if symbol.reason is None else {**values, "reason": symbol.reason}


def _short(value: float) -> float:
    """Return a coordinate of any unit with six digits.

    >>> _short(0.123456789), _short(120.0000001)
    (0.123457, 120.0)
    """
    return float(f"{value:.6g}")

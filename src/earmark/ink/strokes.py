"""Pen strokes from HOMUS text, from JSON and from Python lists, checked so that everything behind can trust them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError
from earmark.types import FloatArray, Ink

MAX_POINTS = 100_000
MAX_COORDINATE = 1e6


def parse_strokes(text: str, *, where: str) -> tuple[str, Ink]:
    r"""Read one drawing in the text format of HOMUS.

    Parameters
    ----------
    text
        First line the label, then one stroke a line as ``x,y;x,y;…;``. Blank lines and a last ``;`` may be missing.
    where
        What the text came from, for messages.

    Returns
    -------
    label, ink

    Raises
    ------
    DataError
        When there is no label or no stroke, a point is not two finite numbers, or the drawing is absurdly large.

    Notes
    -----
    The format is that of Calvo-Zaragoza and Oncina, "Recognition of Pen-Based Music Notation: the HOMUS Dataset",
    ICPR 2014.

    Examples
    --------
    >>> label, ink = parse_strokes("Barline\n3,0;3,40;", where="example")
    >>> label, ink.strokes[0].tolist()
    ('Barline', [[3.0, 0.0], [3.0, 40.0]])
    """
    label, _, body = text.removeprefix("\ufeff").partition("\n")
    label = label.strip()
    if not label or "," in label or ";" in label:
        raise DataError(f"{where}: the first line is {label[:40]!r}; it must be the label, strokes follow below it")
    lines = [(number, line.strip()) for number, line in enumerate(body.splitlines(), start=2) if line.strip()]
    return label, make_ink([_parse_line(line, f"{where}, line {number}") for number, line in lines], where=where)


def stroke_text(label: str, ink: Ink) -> str:
    r"""Return a drawing in the text format of HOMUS, which `parse_strokes` reads.

    >>> stroke_text("Barline", Ink((np.array([[3, 0], [3, 40.5]], np.float32),)))
    'Barline\n3,0;3,40.5;\n'
    """
    lines = ["".join(f"{x:g},{y:g};" for x, y in stroke) for stroke in ink.strokes]
    return "\n".join([label, *lines]) + "\n"


def parse_json_strokes(text: str, *, where: str) -> Ink:
    """Read one drawing from JSON: a list of strokes, each a list of ``[x, y]`` points.

    Raises
    ------
    DataError
        When `text` is not JSON or not such a list, or as `make_ink`.

    Examples
    --------
    >>> len(parse_json_strokes("[[[0, 0], [9, 9]], [[0, 9], [9, 0]]]", where="example").strokes)
    2
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON ({error}); give a list of strokes, each a list of [x, y]") from error
    return make_ink(values, where=where)


def make_ink(strokes: Iterable[npt.ArrayLike], *, where: str) -> Ink:
    """Check strokes from anywhere and return them as `Ink`.

    Parameters
    ----------
    strokes
        One ``(n_points, 2)`` array or nested list a stroke: x to the right, y down, any unit.
    where
        What the strokes came from, for messages.

    Raises
    ------
    DataError
        When there are no strokes or points, a point is not two finite numbers within ±1e6, or there are more than
        100,000 points.
    """
    if isinstance(strokes, str | bytes | dict) or not isinstance(strokes, Iterable):
        raise DataError(
            f"{where}: strokes are a {type(strokes).__name__}; give a list of strokes, each a list of [x, y]"
        )
    arrays = tuple(_stroke(stroke, f"{where}, stroke {number}") for number, stroke in enumerate(strokes, start=1))
    if not arrays:
        raise DataError(f"{where}: has no strokes; a drawing needs at least one stroke of one point")
    n_points = sum(map(len, arrays))
    if n_points > MAX_POINTS:
        raise DataError(
            f"{where}: has {n_points} points; at most {MAX_POINTS} are allowed, so split or thin the drawing"
        )
    return Ink(arrays)


def _stroke(values: Any, where: str) -> FloatArray:
    try:
        points = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: holds something that is not a number; give [x, y] pairs of numbers") from error
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise DataError(f"{where}: has shape {points.shape}; give a list of at least one [x, y] pair")
    if not np.all(np.abs(points) <= MAX_COORDINATE):
        raise DataError(f"{where}: a coordinate is not finite or beyond ±{MAX_COORDINATE:.0f}; correct that point")
    return points.astype(np.float32)


def _parse_line(line: str, where: str) -> Sequence[Sequence[float]]:
    return [_parse_point(point, where) for point in line.removesuffix(";").split(";")]


def _parse_point(point: str, where: str) -> tuple[float, float]:
    try:
        x, y = point.split(",")
        return float(x), float(y)
    except ValueError as error:
        raise DataError(
            f"{where}: {point[:40]!r} is not a point; write x,y with two numbers, points apart by ;"
        ) from error

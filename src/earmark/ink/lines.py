"""Lines of symbols: several drawings laid side by side, as a person would write them on one staff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.types import FloatArray, Ink, RealArray


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line whose symbols are known.

    Attributes
    ----------
    ink
        Its strokes in the order in which they are drawn.
    groups
        The indices of the strokes of each symbol, in reading order.
    """

    ink: Ink
    groups: tuple[tuple[int, ...], ...]


def stroke_boxes(strokes: Sequence[FloatArray]) -> RealArray:
    """Return the bounding box of each stroke, ``(n_strokes, 4)``: left, top, right, bottom."""
    return np.array([[*stroke.min(axis=0), *stroke.max(axis=0)] for stroke in strokes], np.float64).reshape(-1, 4)


def write_line(
    drawings: Sequence[Ink],
    rng: np.random.Generator,
    *,
    gap: tuple[float, float] = (4.0, 40.0),
    shift: float = 12.0,
    late: float = 0.0,
) -> WrittenLine:
    """Lay drawings side by side.

    Parameters
    ----------
    drawings
        In reading order, all of one unit, as HOMUS has them.
    rng
        Decides on gaps, heights and what comes late.
    gap
        Least and most paper between the boxes of two neighbours, uniform, in the unit of the drawings.
    shift
        Standard deviation of the height at which the middle of each drawing lies.
    late
        Probability that the last stroke of a symbol is drawn only after the next symbol, as people add dots and flags.
    """
    groups: list[list[int]] = []
    drawn: list[FloatArray] = []
    held: tuple[int, FloatArray] | None = None
    left = 0.0
    for place, drawing in enumerate(drawings):
        box = stroke_boxes(drawing.strokes)
        corner, end = box[:, :2].min(axis=0), box[:, 2:].max(axis=0)
        move = np.array([left - corner[0], rng.normal(0, shift) - (corner[1] + end[1]) / 2], np.float32)
        strokes = [stroke + move for stroke in drawing.strokes]
        left += float(end[0] - corner[0] + rng.uniform(*gap))
        waits = strokes.pop() if len(strokes) > 1 and place < len(drawings) - 1 and rng.random() < late else None
        groups.append(list(range(len(drawn), len(drawn) + len(strokes))))
        drawn += strokes
        if held is not None:
            groups[held[0]].append(len(drawn))
            drawn.append(held[1])
        held = None if waits is None else (place, waits)
    return WrittenLine(Ink(tuple(drawn)), tuple(map(tuple, groups)))

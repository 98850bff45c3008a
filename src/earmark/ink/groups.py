"""Groups of neighbouring strokes that may be one symbol of a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.types import RealArray

Group: TypeAlias = tuple[int, ...]
"""Indices of strokes, ascending."""


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """How large a symbol can be, in staff spaces; what is beyond is no symbol.

    Attributes
    ----------
    width, height
        Of its box.
    gap_x, gap_y
        Between one of its strokes and the box of the others.
    n_strokes
        Most strokes.
    late_gap
        Between a symbol and a stroke that was drawn after the next symbol.
    late_strokes
        How many strokes may be drawn between a symbol and a late stroke of it.
    """

    width: float = 6.5
    height: float = 14.0
    gap_x: float = 1.9
    gap_y: float = 2.5
    n_strokes: int = 12
    late_gap: float = 0.4
    late_strokes: int = 8


LIMITS = GroupLimits()


def fits(boxes: RealArray, *, limits: GroupLimits = LIMITS) -> npt.NDArray[np.bool_]:
    """Return whether boxes ``(n_boxes, 4)``, in staff spaces, are no larger than symbols can be."""
    size = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((size[:, 0] <= limits.width) & (size[:, 1] <= limits.height))


def candidate_groups(boxes: RealArray, *, limits: GroupLimits = LIMITS) -> list[Group]:
    """Return every group of strokes that may be one symbol: neighbours along the line, or neighbours in time.

    Parameters
    ----------
    boxes
        Left, top, right and bottom of each stroke in staff spaces, ``(n_strokes, 4)``, in the order drawn.
    limits
        How large a group may be.

    Returns
    -------
    Each stroke alone, and groups of several; their number grows with that of the strokes.
    """
    usual = np.flatnonzero(fits(boxes, limits=limits))
    in_time = usual.tolist()
    in_space = usual[np.argsort(boxes[usual, 0] + boxes[usual, 2], kind="stable")].tolist()
    groups: set[Group] = {(stroke,) for stroke in range(len(boxes))}
    groups.update(_runs(boxes, in_space, limits))
    runs = list(_runs(boxes, in_time, limits))
    groups.update(runs)
    groups.update(_with_late_strokes(boxes, [(stroke,) for stroke in in_time] + runs, limits))
    return sorted(groups)


def _runs(boxes: RealArray, order: Sequence[int], limits: GroupLimits) -> Iterator[Group]:
    """Yield the groups of two and more strokes that follow each other in `order`."""
    rows = boxes.tolist()
    for start, first in enumerate(order):
        left, top, right, bottom = rows[first]
        for end in range(start + 1, min(start + limits.n_strokes, len(order))):
            box = rows[order[end]]
            if max(box[0] - right, left - box[2]) > limits.gap_x or max(box[1] - bottom, top - box[3]) > limits.gap_y:
                break
            left, top, right, bottom = min(left, box[0]), min(top, box[1]), max(right, box[2]), max(bottom, box[3])
            if right - left > limits.width or bottom - top > limits.height:
                break
            yield tuple(sorted(order[start : end + 1]))


def _with_late_strokes(boxes: RealArray, runs: Sequence[Group], limits: GroupLimits) -> Iterator[Group]:
    """Yield groups that follow each other in time, with one stroke that touches them but was drawn later."""
    for run in runs:
        members = boxes[list(run)]
        low, high = members[:, :2].min(axis=0), members[:, 2:].max(axis=0)
        first = run[-1] + 2
        late = boxes[first : first + limits.late_strokes]
        apart = np.maximum(late[:, :2] - high, low - late[:, 2:]).max(axis=1, initial=-np.inf)
        extent = np.maximum(late[:, 2:], high) - np.minimum(late[:, :2], low)
        near = (apart <= limits.late_gap) & (extent[:, 0] <= limits.width) & (extent[:, 1] <= limits.height)
        yield from ((*run, first + int(stroke)) for stroke in np.flatnonzero(near))

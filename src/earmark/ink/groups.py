"""Groups of neighbouring strokes that may be one symbol of a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.types import RealArray

Group: TypeAlias = tuple[int, ...]
"""Indices of strokes, ascending."""


# In staff spaces: what is larger or farther apart is no symbol.
_WIDTH, _HEIGHT = 6.5, 14.0
_GAP_X, _GAP_Y = 1.9, 2.5  # between one of its strokes and the box of the others
_LATE_GAP = 0.4  # between a symbol and a stroke that was drawn after the next symbol
_N_STROKES = 12
_LATE_STROKES = 8  # drawn between a symbol and a late stroke of it


def fits(boxes: RealArray) -> npt.NDArray[np.bool_]:
    """Return whether boxes ``(n_boxes, 4)``, in staff spaces, are no larger than symbols can be."""
    size = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((size[:, 0] <= _WIDTH) & (size[:, 1] <= _HEIGHT))


def candidate_groups(boxes: RealArray) -> list[Group]:
    """Return every group of strokes that may be one symbol: neighbours along the line, or neighbours in time.

    Parameters
    ----------
    boxes
        Left, top, right and bottom of each stroke in staff spaces, ``(n_strokes, 4)``, in the order drawn.

    Returns
    -------
    Each stroke alone, and groups of several; their number grows with that of the strokes.
    """
    usual = np.flatnonzero(fits(boxes))
    in_time = usual.tolist()
    in_space = usual[np.argsort(boxes[usual, 0] + boxes[usual, 2], kind="stable")].tolist()
    groups: set[Group] = {(stroke,) for stroke in range(len(boxes))}
    groups.update(_runs(boxes, in_space))
    runs = list(_runs(boxes, in_time))
    groups.update(runs)
    groups.update(_with_late_strokes(boxes, [(stroke,) for stroke in in_time] + runs))
    return sorted(groups)


def _runs(boxes: RealArray, order: Sequence[int]) -> Iterator[Group]:
    """Yield the groups of two and more strokes that follow each other in `order`."""
    rows = boxes.tolist()
    for start, first in enumerate(order):
        left, top, right, bottom = rows[first]
        for end in range(start + 1, min(start + _N_STROKES, len(order))):
            box = rows[order[end]]
            if max(box[0] - right, left - box[2]) > _GAP_X or max(box[1] - bottom, top - box[3]) > _GAP_Y:
                break
            left, top, right, bottom = min(left, box[0]), min(top, box[1]), max(right, box[2]), max(bottom, box[3])
            if right - left > _WIDTH or bottom - top > _HEIGHT:
                break
            yield tuple(sorted(order[start : end + 1]))


def _with_late_strokes(boxes: RealArray, runs: Sequence[Group]) -> Iterator[Group]:
    """Yield groups that follow each other in time, with one stroke that touches them but was drawn later."""
    for run in runs:
        members = boxes[list(run)]
        low, high = members[:, :2].min(axis=0), members[:, 2:].max(axis=0)
        first = run[-1] + 2
        late = boxes[first : first + _LATE_STROKES]
        apart = np.maximum(late[:, :2] - high, low - late[:, 2:]).max(axis=1, initial=-np.inf)
        extent = np.maximum(late[:, 2:], high) - np.minimum(late[:, :2], low)
        near = (apart <= _LATE_GAP) & (extent[:, 0] <= _WIDTH) & (extent[:, 1] <= _HEIGHT)
        yield from ((*run, first + int(stroke)) for stroke in np.flatnonzero(near))

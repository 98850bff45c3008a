"""Rows of a page: strokes that stand on one line, from the highest to the lowest."""

from __future__ import annotations

import numpy as np

from earmark.types import IntArray, RealArray

_LEAST_HEIGHT = 4.0
"""Staff spaces: what is lower is no row of its own, but dots and rests above or below one."""
_LEAST_PAPER = 2.0
"""Staff spaces of paper between two rows."""
_LEAST_SHARED = 0.4
"""Share of the shorter of two rows that lies above or below the other; less is a line that climbs."""


def split_rows(boxes: RealArray) -> list[IntArray]:
    """Return the pieces of each row, from top to bottom.

    Parameters
    ----------
    boxes
        Left, top, right and bottom of each piece in staff spaces, ``(n_pieces, 4)``.
    """
    by_top = np.argsort(boxes[:, 1], kind="stable")
    reached = np.maximum.accumulate(boxes[by_top, 3])
    paper = boxes[by_top[1:], 1] - reached[:-1]
    rows: list[IntArray] = []
    for bundle in np.split(by_top, np.flatnonzero(paper > _LEAST_PAPER) + 1):
        if rows and not (_is_row(boxes[rows[-1]]) and _is_row(boxes[bundle]) and _shared(boxes, rows[-1], bundle)):
            rows[-1] = np.concatenate([rows[-1], bundle])
        else:
            rows.append(bundle)
    return [np.sort(row) for row in rows]


def _is_row(boxes: RealArray) -> bool:
    return bool(boxes[:, 3].max() - boxes[:, 1].min() >= _LEAST_HEIGHT)


def _shared(boxes: RealArray, upper: IntArray, lower: IntArray) -> bool:
    ends = [(boxes[row, 0].min(), boxes[row, 2].max()) for row in (upper, lower)]
    both = min(right for _, right in ends) - max(left for left, _ in ends)
    return bool(both >= _LEAST_SHARED * min(right - left for left, right in ends))

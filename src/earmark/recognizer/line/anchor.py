"""Anchor of a symbol: the height that says its pitch, such as that of its notehead."""

from __future__ import annotations

import numpy as np

from earmark.types import RealArray

HEAD = 1.15
"""Staff spaces at either end of a note in which its head is looked for."""
_NO_STEM = 1.8
"""Staff spaces: a note that is no higher has no stem, or none that would move its middle."""
_STEP = 0.1
"""Staff spaces between the points of a stroke that are counted."""


def even_points(strokes: list[RealArray]) -> RealArray:
    """Return points along strokes, in staff spaces, at about equal distances; a click is one point."""
    found = []
    for stroke in strokes:
        starts, steps = stroke[:-1], np.diff(stroke, axis=0)
        counts = np.ceil(np.hypot(steps[:, 0], steps[:, 1]) / _STEP).astype(np.int64)
        segment = np.repeat(np.arange(len(counts)), counts)
        within = (np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[segment]
        found += [starts[segment] + within[:, None] * steps[segment], stroke[-1:]]
    return np.concatenate(found)


def anchor_height(label: str, points: RealArray) -> float:
    """Return the height of what says the pitch of a symbol, y down.

    Parameters
    ----------
    label
        Of HOMUS: of a note it is the middle of its head, of a flat that of its bowl, of all else that of its box.
    points
        Evenly spaced along its strokes, in staff spaces, ``(n_points, 2)``.
    """
    heights = points[:, 1]
    top, bottom = float(heights.min()), float(heights.max())
    if label == "Flat" and bottom - top > 1:
        return bottom - 0.5
    if not label.endswith("-Note") or bottom - top <= _NO_STEM:
        return (top + bottom) / 2
    # A head is filled or round, and both are more ink than stem and flags leave at the other end.
    upper, lower = heights[heights <= top + HEAD], heights[heights >= bottom - HEAD]
    return float(np.median(upper if len(upper) > len(lower) else lower))

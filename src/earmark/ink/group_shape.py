"""Shape of a group of strokes: what their boxes say about whether they are one whole symbol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.ink.groups import Group, fits
from earmark.types import IntArray, RealArray

SHAPE_NAMES = ("joins", "gap", "widest_gap", "interruptions", "near", "covered", "overlap")
"""Columns of `group_shapes`."""

_SMALLEST = 0.1  # staff spaces: the extent of a click
_FAR = 3.0  # staff spaces: strokes farther away do not count
_NEAR = 0.5  # staff spaces at which the nearness of another stroke has fallen to 1/e
_MOST = 3  # interruptions and covered strokes that are counted
_AT_ONCE = 128


def group_boxes(boxes: RealArray, groups: Sequence[Group]) -> RealArray:
    """Return the box around each group of strokes, ``(n_groups, 4)``."""
    members = boxes[_members(groups)]
    return np.concatenate([members[..., :2].min(axis=1), members[..., 2:].max(axis=1)], axis=1)


def log_sizes(boxes: RealArray) -> RealArray:
    """Return the logarithm of width and height of boxes in staff spaces, ``(n_boxes, 2)``."""
    sizes: RealArray = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], _SMALLEST))
    return sizes


def group_shapes(boxes: RealArray, groups: Sequence[Group]) -> RealArray:
    """Return numbers about each group, ``(n_groups, 7)``.

    Parameters
    ----------
    boxes
        Of each stroke, in staff spaces and in the order drawn.
    groups
        Indices of the strokes of each group, ascending.

    Returns
    -------
    How many strokes it joins beyond the first; the paper between them along the line, in sum and at the widest; how
    many other strokes were drawn between its own; how near the nearest stroke outside is, 0…1; how many strokes outside
    lie within its width; which share of its width the widest of them takes. Strokes that are too large for a symbol do
    not count as outside.
    """
    members, around = _members(groups), group_boxes(boxes, groups)
    counts = np.array([len(group) for group in groups])
    interruptions = members.max(axis=1) - members.min(axis=1) + 1 - counts
    gaps = _gaps(boxes[members])
    inside = np.stack(
        [counts - 1, gaps.sum(axis=1), gaps.max(axis=1, initial=0.0), interruptions.clip(max=_MOST)], axis=1
    )
    outside = np.zeros((len(groups), 3))
    # What runs across the whole line is near everything, which says nothing.
    neighbours = np.where(fits(boxes)[:, None], boxes, np.inf)
    by_place = np.argsort(around[:, 0])
    for start in range(0, len(groups), _AT_ONCE):
        some = by_place[start : start + _AT_ONCE]
        outside[some] = _outside(neighbours, members[some], around[some])
    return np.concatenate([inside, outside], axis=1)


def _members(groups: Sequence[Group]) -> IntArray:
    """Return the strokes of each group ``(n_groups, longest)``, its first stroke repeated at the end."""
    longest = max(map(len, groups))
    return np.array([(*group, *(group[:1] * (longest - len(group)))) for group in groups], np.int64)


def _gaps(members: RealArray) -> RealArray:
    """Return the paper between the strokes of each group along the line, ``(n_groups, longest - 1)``."""
    by_left = np.take_along_axis(members, np.argsort(members[..., :1], axis=1), axis=1)
    reached = np.maximum.accumulate(by_left[..., 2], axis=1)
    return np.maximum(0.0, by_left[:, 1:, 0] - reached[:, :-1])


def _outside(boxes: RealArray, members: IntArray, around: RealArray) -> RealArray:
    """Return nearness, number and overlap of the strokes around some groups, ``(n_groups, 3)``."""
    left, right = around[:, 0].min() - _FAR, around[:, 2].max() + _FAR
    local = np.flatnonzero((boxes[:, 2] >= left) & (boxes[:, 0] <= right))
    near, box = boxes[None, local], around[:, None]
    is_own = (members[:, :, None] == local).any(axis=1)
    apart = np.maximum(0.0, np.maximum(near[..., :2] - box[..., 2:], box[..., :2] - near[..., 2:]))
    distance = np.where(is_own, np.inf, np.hypot(apart[..., 0], apart[..., 1]))
    shared = np.minimum(near[..., 2], box[..., 2]) - np.maximum(near[..., 0], box[..., 0]) + _SMALLEST
    shared = np.where(is_own, 0.0, shared.clip(min=0.0))
    covered = (shared / (near[..., 2] - near[..., 0] + _SMALLEST)).clip(max=1.0).sum(axis=1)
    overlap = shared.max(axis=1, initial=0.0) / (around[:, 2] - around[:, 0] + _SMALLEST)
    nearness = np.exp(-distance.min(axis=1, initial=np.inf) / _NEAR)
    return np.stack([nearness, covered.clip(max=_MOST), overlap.clip(max=1.0)], axis=1)

"""Connected parts of a scanned line, which stand for strokes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earmark.errors import DataError
from earmark.ink.staves import Staves, find_staves, level, without_staff_lines
from earmark.ink.trace import find_ink
from earmark.types import FloatArray, Image, IntArray, RealArray, Staff

MAX_SIDE_PX = 3000
"""Of an image of a line as it is worked on; larger ones are scaled down."""
MOST_PARTS = 600
"""More than two handwritten pages hold."""
_SMALLEST = 0.008
"""Square staff spaces: what is smaller is a speck of dirt."""
_SPECK_PX = 6
"""Pixels of a speck where the staff space is not known."""
_PAD_PX = 3


@dataclass(frozen=True)
class Parts:
    """The ink of an image in connected parts, from left to right.

    Attributes
    ----------
    boxes
        Left, top, right and bottom of each in pixels of the image, ``(n_parts, 4)``.
    staff
        In the same pixels, at the middle of the image; None where there are no staff lines.
    ink, names
        Ink of every pixel, 0…1, and the number of its part, counted from 1, in the scaled and levelled image.
    scale
        Pixels of that image for each of the given one.
    """

    boxes: RealArray
    staff: Staff | None
    ink: FloatArray
    names: IntArray
    slices: tuple[tuple[slice, slice], ...]
    scale: float

    def image(self, group: tuple[int, ...], *, staff_space: float | None = None) -> Image:
        """Return an image of some parts alone, black on white; `staff_space` is in pixels of the given image."""
        rows, columns = self._window(group)
        names = self.names[rows, columns]
        own = np.isin(names, np.array(group) + 1)
        shown = np.where(own, self.ink[rows, columns], 0)
        grey = np.rint(255 * (1 - shown)).astype(np.uint8)
        space = None if staff_space is None else staff_space * self.scale
        return Image(np.pad(grey, _PAD_PX, constant_values=255), staff_space_px=space)

    def points(self, group: tuple[int, ...]) -> RealArray:
        """Return the pixels of some parts in pixels of the image, ``(n_points, 2)``."""
        rows, columns = self._window(group)
        found = np.nonzero(np.isin(self.names[rows, columns], np.array(group) + 1))
        points = np.stack([found[1] + columns.start, found[0] + rows.start], axis=1)
        return np.asarray((points + 0.5) / self.scale)

    def _window(self, group: tuple[int, ...]) -> tuple[slice, slice]:
        parts = [self.slices[part] for part in group]
        rows = slice(min(part[0].start for part in parts), max(part[0].stop for part in parts))
        return rows, slice(min(part[1].start for part in parts), max(part[1].stop for part in parts))


def find_parts(image: Image) -> Parts:
    """Find the connected parts of the ink of an image, without staff lines.

    Raises
    ------
    DataError
        When there is no ink, more than one staff, or more than a person writes.
    """
    from scipy import ndimage

    ink = find_ink(image, max_side_px=MAX_SIDE_PX)
    scale = max(ink.shape) / max(image.pixels.shape[:2])
    mask = ink > 0.5
    staves = find_staves(mask)
    if len(staves.found) > 1:
        raise DataError(
            f"shows {len(staves.found)} staves; whole pages, printed or not, are not what this reads, so cut out one"
            " handwritten line"
        )
    if staves.found:
        mask = without_staff_lines(mask, staves)
        ink = _levelled(ink, staves)
    names, n_parts = ndimage.label(mask, structure=np.ones((3, 3)))
    names = _without_specks(names, n_parts, staves)
    slices = ndimage.find_objects(names)
    if not slices:
        raise DataError("shows a staff with nothing on it; give a line with symbols")
    if len(slices) > MOST_PARTS:
        raise DataError(
            f"shows {len(slices)} separate pieces of ink; at most {MOST_PARTS} are read, which is more than a person"
            " writes on a page: cut out one handwritten line"
        )
    boxes = np.array([[c.start, r.start, c.stop, r.stop] for r, c in slices], np.float64) / scale
    staff = Staff(staves.found[0].top / scale, staves.found[0].space / scale) if staves.found else None
    return Parts(boxes, staff, ink, names, tuple(slices), scale)


def _levelled(ink: FloatArray, staves: Staves) -> FloatArray:
    moved: FloatArray = level(ink, staves.slope)  # type: ignore[arg-type, assignment]
    return moved


def _without_specks(names: IntArray, n_parts: int, staves: Staves) -> IntArray:
    """Return the parts that are no specks, numbered from left to right."""
    from scipy import ndimage

    least = max(_SPECK_PX, _SMALLEST * staves.found[0].space ** 2) if staves.found else _SPECK_PX
    sizes = np.bincount(names.ravel(), minlength=n_parts + 1)[1:]
    lefts = np.array([columns.start for _, columns in ndimage.find_objects(names)], np.int64)
    kept = np.flatnonzero(sizes >= least)
    kept = kept[np.argsort(lefts[kept], kind="stable")]
    number = np.zeros(n_parts + 1, np.int64)
    number[kept + 1] = np.arange(1, len(kept) + 1)
    return np.asarray(number[names])

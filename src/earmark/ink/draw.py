"""Strokes to an anti-aliased raster, as the distance of every pixel from the pen's path.

Each segment is cut into pieces about a pixel long, and each piece is measured against the few pixels around it, so the
work grows with the length of the drawing and not with the size of the raster times the number of points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError
from earmark.types import FloatArray, Ink

MAX_SIDE_PX = 4096


def draw_strokes(
    ink: Ink, *, height: int = 64, width: int = 64, pen_width_px: float = 2.0, margin_px: float = 1.0
) -> FloatArray:
    """Draw strokes as large as fits, aspect kept, centred, with a round pen.

    Parameters
    ----------
    ink
        The strokes.
    height, width
        Size of the raster, 8…4096 pixels.
    pen_width_px
        Diameter of the pen, at least 0.5. A pen below one pixel draws paler.
    margin_px
        Paper left free on every side. A raster that is too small for it is refused.

    Returns
    -------
    float32 of shape ``(height, width)``, 0 for paper … 1 for ink. A single point gives a dot of the pen's size.

    Raises
    ------
    DataError
        When a coordinate is not finite, or there is no point or no room to draw.

    Notes
    -----
    The value of a pixel at distance `d` from the path is the length that the intervals ``[d - ½, d + ½]`` and
    ``[-pen/2, pen/2]`` share: exact area coverage for horizontal and vertical lines, and within 0.1 of it otherwise.
    """
    placed = place_strokes(ink, height=height, width=width, pen_width_px=pen_width_px, margin_px=margin_px)
    planes = draw_planes(placed, height=height, width=width, pen_width_px=pen_width_px)
    return np.asarray(planes[0])


def place_strokes(ink: Ink, *, height: int, width: int, pen_width_px: float, margin_px: float) -> Ink:
    """Scale and move strokes so that, drawn with the pen, they fill the raster inside its margin.

    Raises
    ------
    DataError
        As `draw_strokes`.
    """
    if not ink.strokes or not all(len(stroke) for stroke in ink.strokes):
        raise DataError("the drawing has no strokes or an empty one; give at least one point a stroke")
    room = np.array([width, height]) - 2 * margin_px - pen_width_px
    if room.min() <= 0 or max(height, width) > MAX_SIDE_PX or pen_width_px < 0.5 or margin_px < 0:
        raise DataError(
            f"a raster of {height}×{width} with a pen of {pen_width_px} and a margin of {margin_px} pixels cannot be "
            f"drawn; the pen must be at least 0.5, and both sides longer than pen and margins and at most {MAX_SIDE_PX}"
        )
    points = np.concatenate(ink.strokes).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    if not np.all(np.isfinite([low, high])):
        raise DataError("the drawing has a coordinate that is not finite; correct that point")
    extent = high - low
    # A lone point has no extent: any scale will do.
    scale = min((room[extent > 0] / extent[extent > 0]).tolist(), default=1.0)
    origin = np.array([width, height]) / 2 - scale * (low + high) / 2
    return Ink(tuple((scale * stroke + origin).astype(np.float32) for stroke in ink.strokes))


def draw_planes(placed: Ink, *, height: int, width: int, pen_width_px: float) -> FloatArray:
    """Draw strokes that are already in pixels, with the pen's direction and progress beside its ink.

    Parameters
    ----------
    placed
        Strokes in pixels; what lies outside the raster is cut off.
    height, width, pen_width_px
        As in `draw_strokes`.

    Returns
    -------
    float32 of shape ``(4, height, width)``: ink 0…1; direction to the right and down, -1…1; progress, the share of the
    drawing's length already drawn, 0…1. Direction and progress are averaged over the strokes that meet in a pixel,
    weighted with their coverage, and multiplied with the pixel's ink.
    """
    pieces = _pieces(placed, longest_px=max(1.0, pen_width_px / 4))
    pixel, coverage, which = _cover(pieces, pen_width_px, height=height, width=width)
    n_pixels = (height + 2) * (width + 2)
    ink = np.zeros(n_pixels)
    np.maximum.at(ink, pixel, coverage)
    # A click has no length; the small constant lets it still count where nothing else was drawn.
    weight = coverage * (pieces.length + 1e-3)[which]
    weights = np.concatenate([weight, *(weight * value[which] for value in (*pieces.direction.T, pieces.progress))])
    sums = np.bincount((pixel + n_pixels * np.arange(4)[:, None]).ravel(), weights, 4 * n_pixels).reshape(4, n_pixels)
    planes = np.concatenate([ink[None], sums[1:] * (ink / np.maximum(sums[0], 1e-12))]).astype(np.float32)
    return planes.reshape(4, height + 2, width + 2)[:, 1:-1, 1:-1]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Short straight pieces of a path.

    Attributes
    ----------
    start, step
        ``(n_pieces, 2)`` in pixels: first point, and the way to the last.
    direction
        ``(n_pieces, 2)``, unit vectors, zero for a click.
    length, progress
        ``(n_pieces,)``: in pixels, and as the share of the whole path at the piece's middle.
    """

    start: FloatArray
    step: FloatArray
    direction: FloatArray
    length: FloatArray
    progress: FloatArray


def _pieces(placed: Ink, *, longest_px: float) -> _Pieces:
    # Starting every stroke with a segment of no length draws clicks, too.
    starts = np.concatenate([part for stroke in placed.strokes for part in (stroke[:1], stroke[:-1])])
    ends = np.concatenate(placed.strokes)
    steps = ends - starts
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    counts = np.maximum(1, np.ceil(lengths / longest_px)).astype(np.intp)
    segment = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts)
    step = (steps / counts[:, None])[segment].astype(np.float32)
    length = (lengths / counts)[segment]
    drawn = np.cumsum(length)
    return _Pieces(
        start=starts[segment] + within[:, None].astype(np.float32) * step,
        step=step,
        direction=step / np.maximum(length, 1e-12)[:, None],
        length=length,
        progress=(drawn - length / 2) / max(float(drawn[-1]), 1e-12),
    )


def _cover(
    pieces: _Pieces, pen_width_px: float, *, height: int, width: int
) -> tuple[npt.NDArray[np.intp], FloatArray, npt.NDArray[np.intp]]:
    """Return which pixels are covered, how much of each, and by which piece; each ``(n_covered,)``.

    Pixels are counted row by row on a paper with a border of one pixel, on which lies all that is off the raster.
    """
    radius = np.float32(pen_width_px / 2)
    reach = int(radius + 1 + float(pieces.length.max()) / 2)
    near = np.arange(-reach, reach + 1)
    middle = pieces.start + pieces.step / 2
    corner = np.floor(middle).astype(np.intp)
    columns, rows = corner[:, :1] + near, corner[:, 1:] + near
    # Distances along x and y are separable until the projection on the piece.
    from_x = (columns + np.float32(0.5) - pieces.start[:, :1])[:, None, :]
    from_y = (rows + np.float32(0.5) - pieces.start[:, 1:])[:, :, None]
    step_x, step_y = pieces.step[:, 0, None, None], pieces.step[:, 1, None, None]
    squared = np.maximum(step_x**2 + step_y**2, np.float32(1e-12))
    along = np.maximum(0, np.minimum(1, from_x * (step_x / squared) + from_y * (step_y / squared)))
    distance = np.sqrt((from_x - along * step_x) ** 2 + (from_y - along * step_y) ** 2)
    coverage = (np.minimum(radius, distance + 0.5) + np.minimum(radius, 0.5 - distance)).ravel()
    first_of_row = (rows + 1).clip(0, height + 1) * (width + 2)
    pixel = (first_of_row[:, :, None] + (columns + 1).clip(0, width + 1)[:, None, :]).ravel()
    covered = np.flatnonzero(coverage > 0)
    return pixel[covered], coverage[covered], covered // len(near) ** 2

"""Occlusion units: the time-frequency cells, image patches and parts of strokes that an explanation takes away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.features import InkRaster
from earmark.types import FloatArray, Ink

Mask: TypeAlias = npt.NDArray[np.bool_]

_N_PARTS = 32
_RUNS = (1, 3)  # parts left out together, beside whole strokes
_GRID = (32, 24)  # cells along freq|height and time|width
_PATCH = 3  # cells along each side of what is covered at once


class OcclusionUnits(Protocol):
    """The input of a network as pieces that can be taken away.

    Attributes
    ----------
    sizes
        Share of each piece in the whole, ``(n_pieces,)``.
    removals
        What is taken away together, one experiment a row, ``(n_removals, n_pieces)``.
    """

    @property
    def sizes(self) -> FloatArray: ...

    @property
    def removals(self) -> Mask: ...

    def without(self, removed: Mask) -> FloatArray:
        """Return the input of the network without some pieces, ``(channel, freq|height, time|width)``."""

    def spread(self, values: FloatArray) -> FloatArray:
        """Return a map, ``(freq|height, time|width)``, with the value of every piece where it is."""


@dataclass(frozen=True)
class GridCells:
    """A spectrogram or an image as a grid of cells.

    Attributes
    ----------
    features
        ``(channel, freq|height, time|width)``.
    empty
        Of the same shape: what stands where something is taken away.
    """

    features: FloatArray
    empty: FloatArray

    @cached_property
    def cell(self) -> npt.NDArray[np.intp]:
        """The number of the cell of every point, ``(freq|height, time|width)``."""
        rows, columns = (
            np.arange(side) // -(-side // n) for side, n in zip(self.features.shape[1:], _GRID, strict=True)
        )
        return np.asarray(rows[:, None] * (columns[-1] + 1) + columns)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Cells along freq|height and time|width."""
        n_columns = int(self.cell[0, -1]) + 1
        return (int(self.cell[-1, -1]) + 1) // n_columns, n_columns

    @cached_property
    def sizes(self) -> FloatArray:
        return (np.bincount(self.cell.ravel()) / self.cell.size).astype(np.float32)

    @cached_property
    def removals(self) -> Mask:
        """Patches; bands over all of the time, as a long tone outlasts a patch; and moments over all frequencies."""
        sides = self.shape
        high, wide = (min(_PATCH, side) for side in sides)
        return np.concatenate([_rectangles(sides, size) for size in ((high, wide), (high, sides[1]), (sides[0], wide))])

    def without(self, removed: Mask) -> FloatArray:
        return np.where(removed[self.cell], self.empty, self.features)

    def spread(self, values: FloatArray) -> FloatArray:
        return np.asarray(values[self.cell])


@dataclass(frozen=True)
class StrokePart:
    """A part of a stroke.

    Attributes
    ----------
    stroke
        The number of the stroke, from 0.
    points
        float32 ``(n_points, 2)`` in pixels of the raster; it begins where the part before it ends.
    """

    stroke: int
    points: FloatArray


@dataclass(frozen=True)
class StrokeParts:
    """A drawing as parts of strokes; a part that is taken away is not drawn, and the rest stays where it is."""

    ink: Ink
    raster: InkRaster

    @cached_property
    def parts(self) -> tuple[StrokePart, ...]:
        """The parts, of about equal length, in the order drawn."""
        placed = self.raster.place(self.ink)
        longest_px = sum(float(_travelled(stroke)[-1]) for stroke in placed.strokes) / _N_PARTS
        return tuple(
            StrokePart(number, points)
            for number, stroke in enumerate(placed.strokes)
            for points in _cut_stroke(stroke, longest_px)
        )

    @cached_property
    def sizes(self) -> FloatArray:
        # A dot has no length, but it is there.
        lengths = np.array([_travelled(part.points)[-1] + self.raster.pen_width for part in self.parts])
        return np.asarray(lengths / lengths.sum(), np.float32)

    @cached_property
    def removals(self) -> Mask:
        strokes = np.array([part.stroke for part in self.parts])
        numbers = np.arange(len(strokes))
        runs = [
            (numbers >= first) & (numbers < first + length) & (strokes == strokes[first])
            for length in _RUNS
            for first in numbers
        ]
        every = np.array([*runs, *(strokes == stroke for stroke in np.unique(strokes))])
        # Without anything left there is no drawing.
        partial = every[~every.all(axis=1)]
        return partial if len(partial) else np.zeros((0, len(strokes)), np.bool_)

    def without(self, removed: Mask) -> FloatArray:
        kept = [part if not gone else None for part, gone in zip(self.parts, removed, strict=True)]
        runs = groupby(kept, key=lambda part: None if part is None else part.stroke)
        strokes = [np.concatenate([part.points for part in run if part]) for stroke, run in runs if stroke is not None]
        return self.raster.draw(Ink(tuple(strokes)), of=self.ink)

    def spread(self, values: FloatArray) -> FloatArray:
        drawn = np.stack([self.raster.draw(Ink((part.points,)), of=self.ink)[0] for part in self.parts])
        strongest = (drawn * np.abs(values)[:, None, None]).argmax(axis=0)
        return np.asarray(values[strongest] * drawn.max(axis=0))


def surroundings(features: FloatArray) -> FloatArray:
    """Return the moving average of features over a third of each side, ``(channel, freq|height, time|width)``.

    It takes the detail away and leaves the level, so that what is filled with it does not look like a hole.
    """
    smooth = features.astype(np.float64)
    for axis in (1, 2):
        n = features.shape[axis]
        first, last = np.maximum(np.arange(n) - n // 6, 0), np.minimum(np.arange(n) + n // 6 + 1, n)
        total = np.insert(np.cumsum(smooth, axis=axis), 0, 0, axis=axis)
        widths = np.expand_dims(last - first, tuple({0, 1, 2} - {axis}))
        smooth = (total.take(last, axis=axis) - total.take(first, axis=axis)) / widths
    return np.asarray(smooth, np.float32)


def _rectangles(sides: tuple[int, int], size: tuple[int, int]) -> Mask:
    """Return every place of a rectangle of cells, ``(n, n_cells)``; none when it covers everything."""
    high, wide = size
    corners = list(np.ndindex(sides[0] - high + 1, sides[1] - wide + 1)) if size != sides else []
    covered = np.zeros((len(corners), *sides), np.bool_)
    for rectangle, (row, column) in zip(covered, corners, strict=True):
        rectangle[row : row + high, column : column + wide] = True
    return covered.reshape(len(corners), -1)


def _travelled(points: FloatArray) -> npt.NDArray[np.float64]:
    """Return the way of the pen from the first point to each, ``(n_points,)``."""
    steps = np.diff(points.astype(np.float64), axis=0)
    return np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])


def _cut_stroke(stroke: FloatArray, longest: float) -> list[FloatArray]:
    """Cut a stroke into parts of equal length that share their ends, none longer than half as much again."""
    travelled = _travelled(stroke)
    n_parts = max(1, round(travelled[-1] / longest)) if longest > 0 else 1
    borders = np.linspace(0, travelled[-1], n_parts + 1)
    ends = np.stack([np.interp(borders, travelled, stroke[:, axis]) for axis in (0, 1)], axis=1).astype(np.float32)
    inner = [stroke[(travelled > low) & (travelled < high)] for low, high in pairwise(borders)]
    if n_parts == 1:
        return [stroke]
    return [np.concatenate([ends[k : k + 1], inner[k], ends[k + 1 : k + 2]]) for k in range(n_parts)]

"""Staff lines of a scanned line: found, told from the symbols, and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from earmark.ink.trace import Mask
from earmark.types import IntArray, RealArray, Staff

N_LINES = 5
_STEEPEST = 0.08
"""Slope of lines that are still found, about 4.5 degrees."""
_N_SLOPES = 65
_COVERED = 0.5
"""Share of the width of the drawing that a staff line covers at least."""
_UNEVEN = 0.2
"""Share of their mean by which the distances of five lines may differ from it."""
_THICKEST = 0.3
"""Share of the distance of two lines that a line may be thick."""


@dataclass(frozen=True, slots=True)
class Staves:
    """Staves of a mask whose columns were moved so that they are level.

    Attributes
    ----------
    found
        From the highest to the lowest.
    slope
        By how many pixels the lines fall for each pixel to the right.
    thickness_px
        Of a line.
    """

    found: tuple[Staff, ...] = ()
    slope: float = 0.0
    thickness_px: float = 0.0


def find_staves(ink: Mask) -> Staves:
    """Find groups of five long lines at equal distances in a mask ``(height, width)``."""
    lengths = vertical_runs(ink)
    columns = np.flatnonzero(ink.any(axis=0))
    if not len(columns):
        return Staves()
    # Most columns of a staff hold nothing but its lines, so the commonest run of ink is as long as a line is thick.
    runs = lengths[np.diff(np.pad(ink, ((1, 0), (0, 0))).astype(np.int8), axis=0) == 1]
    thickness_px = float(np.argmax(np.bincount(runs)))
    thin = ink & (lengths <= 1.7 * thickness_px + 1)
    slope = _slope(thin)
    width = columns[-1] + 1 - columns[0]
    profile = level(thin, slope).sum(axis=1) / width
    summed = np.convolve(profile, np.ones(max(1, round(thickness_px))), mode="same") / max(1, round(thickness_px))
    found = tuple(_fives(_peaks(summed, apart=max(3, round(2 * thickness_px))), thickness_px))
    return Staves(found, slope, thickness_px) if found else Staves()


def without_staff_lines(ink: Mask, staves: Staves) -> Mask:
    """Return a mask, levelled, without those parts of the staff lines that no symbol crosses."""
    kept = level(ink, staves.slope)
    lengths = vertical_runs(kept)
    thin = kept & (lengths <= 1.7 * staves.thickness_px + 1)
    for staff in staves.found:
        reach = max(2, round(0.25 * staff.space))
        for line in range(N_LINES):
            middle = round(staff.top + line * staff.space)
            rows = slice(max(0, middle - reach), middle + reach + 1)
            drift = _drift(thin[rows], window=max(3, round(2 * staff.space)))
            near = np.abs(np.arange(len(drift.offsets))[:, None] - drift.heights) <= staves.thickness_px
            kept[rows] &= ~(thin[rows] & near)
    return kept


def level(plane: Mask, slope: float) -> Mask:
    """Return an image whose columns are moved up by `slope` pixels for every pixel to the right."""
    if not slope:
        return plane.copy()
    moved = np.zeros_like(plane)
    shifts = np.rint(slope * np.arange(plane.shape[1])).astype(np.int64)
    for shift in np.unique(shifts):
        columns = shifts == shift
        part = plane[:, columns]
        if shift > 0:
            moved[:-shift, columns] = part[shift:]
        elif shift < 0:
            moved[-shift:, columns] = part[:shift]
        else:
            moved[:, columns] = part
    return moved


def vertical_runs(mask: Mask) -> IntArray:
    """Return for every pixel of ink the length of the vertical run that it lies in; 0 for paper."""
    padded = np.pad(mask, ((1, 1), (0, 0)))
    steps = np.diff(padded.astype(np.int8), axis=0)
    starts, ends = np.nonzero(steps.T == 1), np.nonzero(steps.T == -1)
    lengths = np.zeros((mask.shape[1], mask.shape[0] + 1), np.int64)
    values = ends[1] - starts[1]
    lengths[starts] = values
    np.subtract.at(lengths, ends, values)
    runs: IntArray = lengths.cumsum(axis=1)[:, :-1].T
    return runs


def _slope(thin: Mask) -> float:
    """Return the slope at which thin ink gathers in the fewest rows."""
    rows, columns = np.nonzero(thin)
    if len(rows) > 20_000:
        some = np.linspace(0, len(rows) - 1, 20_000).astype(np.int64)
        rows, columns = rows[some], columns[some]
    slopes = np.linspace(-_STEEPEST, _STEEPEST, _N_SLOPES)
    for _ in range(2):
        sharpness = [float(np.square(_histogram(rows - slope * columns)).sum()) for slope in slopes]
        best = float(slopes[int(np.argmax(sharpness))])
        step = slopes[1] - slopes[0]
        slopes = np.linspace(best - step, best + step, _N_SLOPES)
    return best if abs(best) * thin.shape[1] >= 1 else 0.0


def _histogram(heights: RealArray) -> RealArray:
    whole = np.rint(heights).astype(np.int64)
    return np.bincount(whole - whole.min()).astype(np.float64)


def _peaks(profile: RealArray, *, apart: int) -> list[int]:
    """Return the rows that are covered most, no two nearer than `apart`."""
    found: list[int] = []
    for row in np.argsort(-profile).tolist():
        if profile[row] < _COVERED * 0.8:
            break
        if all(abs(row - other) >= apart for other in found):
            found.append(row)
    return sorted(found)


def _fives(heights: list[int], thickness_px: float) -> Iterator[Staff]:
    """Yield the staves that five neighbours at equal distances are."""
    place = 0
    while place + N_LINES <= len(heights):
        five = np.array(heights[place : place + N_LINES], np.float64)
        spaces = np.diff(five)
        space = float(spaces.mean())
        if np.abs(spaces - space).max() <= _UNEVEN * space and thickness_px <= max(2.0, _THICKEST * space):
            yield Staff(float(five.mean()) - 2 * space, space)
            place += N_LINES
        else:
            place += 1


@dataclass(frozen=True, slots=True)
class _Drift:
    """Where a line runs within a band: heights of its middle in every column, and the rows of the band."""

    heights: RealArray
    offsets: IntArray


def _drift(band: Mask, *, window: int) -> _Drift:
    """Follow a line that is not quite straight: the mean height of thin ink in a moving window."""
    offsets = np.arange(len(band))
    box = np.ones(window)
    weight = np.convolve(band.sum(axis=0), box, mode="same")
    height = np.convolve((band * offsets[:, None]).sum(axis=0), box, mode="same")
    middle = (len(band) - 1) / 2
    return _Drift(np.where(weight > window / 4, height / np.maximum(weight, 1), middle), offsets)

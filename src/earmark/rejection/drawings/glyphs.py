"""Printed characters as pen strokes: thinned to a line, and the line followed as a hand would."""

from __future__ import annotations

import math
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark import extras
from earmark.errors import DataError
from earmark.rejection.drawings.hand import Stroke

HEIGHT_PX = 44
SHORTEST_SPUR = 0.12
"""Shorter branches, as a share of the character's longer side, are left behind by thinning and not by the pen."""

Mask = npt.NDArray[np.bool_]
Pixel = tuple[int, int]


@lru_cache(maxsize=4096)
def glyph_strokes(text: str, font: str) -> tuple[Stroke, ...]:
    """Return pen strokes in pixels for a character of a font that Matplotlib ships.

    Parameters
    ----------
    text
        One character, or a few that are joined.
    font
        Its file without the ending, such as ``"DejaVuSans"``.

    Raises
    ------
    DataError
        When the font has no ink for it.
    MissingExtraError
        When Matplotlib is not installed.
    """
    return tuple(follow(thin(glyph_mask(text, font))))


def glyph_mask(text: str, font: str) -> Mask:
    """Return the printed character, ``(height, width)``, with a border of one pixel of paper; raises as above."""
    import PIL.ImageFont

    mask, _ = PIL.ImageFont.truetype(str(_fonts() / f"{font}.ttf"), HEIGHT_PX).getmask2(text, mode="L")
    if not mask.size[0] or not mask.size[1]:
        raise DataError(f"{font} draws nothing for {text!r}; choose another character or font")
    return np.pad(np.array(mask, dtype=np.uint8).reshape(mask.size[::-1]) > 127, 1)


def _fonts() -> Path:
    extras.require("drawing letters", "train", "matplotlib")
    # Found and not imported: only its files are wanted.
    spec = find_spec("matplotlib")
    return Path(str(spec.origin if spec else "")).parent / "mpl-data" / "fonts" / "ttf"


def thin(mask: Mask) -> Mask:
    """Return `mask` worn down to lines one pixel wide.

    Notes
    -----
    Zhang and Suen, "A fast parallel algorithm for thinning digital patterns", CACM 27, 1984.
    """
    line = np.pad(mask, 1).astype(np.int8)
    while True:
        before = line.copy()
        for first in (True, False):
            line[_removable(line, first=first)] = 0
        if (line == before).all():
            return line[1:-1, 1:-1].astype(bool)


def _removable(line: npt.NDArray[np.int8], *, first: bool) -> Mask:
    # Neighbours clockwise from the one above.
    shifts = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    around = [np.roll(line, (-dy, -dx), axis=(0, 1)) for dy, dx in shifts]
    count = np.sum(around, axis=0)
    turns = np.sum([(a == 0) & (b == 1) for a, b in zip(around, around[1:] + around[:1], strict=True)], axis=0)
    up, right, down, left = around[::2]
    sides = (up * right * down, right * down * left) if first else (up * right * left, up * down * left)
    return np.asarray((line == 1) & (count >= 2) & (count <= 6) & (turns == 1) & (sides[0] == 0) & (sides[1] == 0))


def follow(line: Mask) -> list[Stroke]:
    """Return the strokes of a line drawing one pixel wide, each going as straight on as it can at a crossing."""
    left = {(int(row), int(column)) for row, column in zip(*np.nonzero(line), strict=True)}
    pixels = frozenset(left)
    longest = max(np.ptp([pixel[axis] for pixel in pixels]) for axis in (0, 1)) + 1
    strokes = []
    while left:
        path = _walk(_start(left), left)
        # A branch begins and ends where it touches what was drawn before.
        whole = [*_touched(path[0], pixels - left, path), *path, *_touched(path[-1], pixels - left, path)]
        if len(path) >= SHORTEST_SPUR * longest or len(whole) == len(path):
            strokes.append(_smooth(np.array(whole, dtype=np.float64)[:, ::-1]))
    return strokes


def _near(pixel: Pixel) -> list[Pixel]:
    row, column = pixel
    return [(row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]


def _start(left: set[Pixel]) -> Pixel:
    """Return the end of a line that is furthest up and left, or any such pixel when there are only loops."""
    ends = [pixel for pixel in left if sum(near in left for near in _near(pixel)) <= 1]
    return min(ends or left, key=lambda pixel: (pixel[0] + pixel[1], pixel))


def _walk(start: Pixel, left: set[Pixel]) -> list[Pixel]:
    path = [start]
    left.discard(start)
    while True:
        here, before = path[-1], path[max(0, len(path) - 6)]
        heading = here[0] - before[0], here[1] - before[1]
        ahead = [near for near in _near(here) if near in left] or _across(here, heading, left)
        if not ahead:
            return path
        path.append(max(ahead, key=lambda pixel: (_straightness(here, pixel, heading), pixel)))
        left.discard(path[-1])


def _across(here: Pixel, heading: tuple[int, int], left: set[Pixel]) -> list[Pixel]:
    """Return where a line goes on straight behind another one that was drawn before."""
    length = math.hypot(*heading) or 1.0
    beyond = [(round(here[0] + n * heading[0] / length), round(here[1] + n * heading[1] / length)) for n in (2, 3)]
    return [pixel for pixel in beyond if pixel in left][:1]


def _straightness(here: Pixel, ahead: Pixel, heading: tuple[int, int]) -> float:
    step = ahead[0] - here[0], ahead[1] - here[1]
    return (step[0] * heading[0] + step[1] * heading[1]) / math.hypot(*step)


def _touched(end: Pixel, drawn: frozenset[Pixel], path: list[Pixel]) -> list[Pixel]:
    own = set(path[-3:] + path[:3]) if len(path) > 6 else set(path)
    return [near for near in _near(end) if near in drawn and near not in own][:1]


def _smooth(points: Stroke) -> Stroke:
    """Take the steps of the pixels out of a line, its ends kept."""
    if len(points) < 5:
        return points
    padded = np.concatenate([points[:1], points[:1], points, points[-1:], points[-1:]])
    mean = np.stack([np.convolve(padded[:, axis], np.full(5, 0.2), mode="valid") for axis in (0, 1)], axis=1)
    mean[0], mean[-1] = points[0], points[-1]
    return np.asarray(mean[sorted({*range(0, len(mean), 3), len(mean) - 1})])

"""Pieces of a line: strokes brought to the unit of the recognizer, or the connected parts of an image."""

from __future__ import annotations

import numpy as np

from earmark.errors import DataError
from earmark.features.ink_raster import USUAL_STAFF_SPACE
from earmark.ink.groups import Group
from earmark.ink.lines import stroke_boxes
from earmark.ink.parts import Parts
from earmark.recognizer.card import Card
from earmark.recognizer.line.anchor import even_points
from earmark.recognizer.line.model import LineModel
from earmark.recognizer.line.score import Pieces
from earmark.types import Image, Ink, RealArray

MOST_STROKES = 4000
"""More than a page of handwriting holds."""
_USUAL = 2.2
"""Factor by which the larger strokes of a line may differ from the usual while its unit is still taken for that of the
training data."""
_FEWEST = 3
"""Strokes from which the unit can be guessed."""


def stroke_pieces(ink: Ink, model: LineModel, *, staff_space: float | None = None) -> Pieces:
    """Return the strokes of a line as pieces.

    Parameters
    ----------
    staff_space
        Distance of two lines of the staff in the unit of the strokes; guessed from their sizes unless given.

    Raises
    ------
    DataError
        When there are more strokes than `MOST_STROKES`.
    """
    if len(ink.strokes) > MOST_STROKES:
        raise DataError(
            f"holds {len(ink.strokes)} strokes; at most {MOST_STROKES}, about five pages, are read at once; give one"
            " page or line"
        )
    boxes = stroke_boxes(ink.strokes)
    unit = staff_space or ink.staff_space or _guessed_staff_space(boxes, model)

    def draw(group: Group) -> Ink:
        return Ink(tuple(ink.strokes[stroke] for stroke in group), staff_space=unit)

    def points(group: Group) -> RealArray:
        return even_points([ink.strokes[stroke].astype(np.float64) / unit for stroke in group])

    return Pieces(boxes / unit, unit, draw, points)


def knows_scan_sizes(card: Card) -> bool:
    """Return whether a recognizer was trained on scans whose staff space was known; else it is better not told."""
    return any(
        change.get("kind") == "ink-scan" and change.get("known_space", 0) > 0
        for change in card.recipe.get("augment", ())
    )


def image_pieces(
    parts: Parts, model: LineModel, *, staff_space: float | None = None, tells_size: bool = True
) -> Pieces:
    """Return the connected parts of an image as pieces.

    Parameters
    ----------
    staff_space
        In pixels; that of the staff lines, or guessed from the sizes of the parts, unless given.
    tells_size
        Whether the network is told the staff space.
    """
    unit = staff_space or (parts.staff.space if parts.staff else usual_extent(parts.boxes) / model.usual_part)

    def points(group: Group) -> RealArray:
        return parts.points(group) / unit

    def draw(group: Group) -> Image:
        return parts.image(group, staff_space=unit if tells_size else None)

    return Pieces(parts.boxes / unit, unit, draw, points, has_time=False)


def usual_extent(boxes: RealArray) -> float:
    """Return the geometric mean of the longer sides of the larger half of some boxes, in their unit."""
    longer = np.sort((boxes[:, 2:] - boxes[:, :2]).max(axis=1))
    return float(np.exp(np.log(np.maximum(longer[len(longer) // 2 :], 1e-6)).mean()))


def _guessed_staff_space(boxes: RealArray, model: LineModel) -> float:
    guess = usual_extent(boxes) / model.usual_extent
    is_usual = 1 / _USUAL < guess / USUAL_STAFF_SPACE < _USUAL
    return USUAL_STAFF_SPACE if len(boxes) < _FEWEST or is_usual else guess

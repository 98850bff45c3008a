"""Lines of symbols: drawings laid side by side, as a person would write them on one staff, and scans of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.types import FloatArray, Image, Ink, RealArray


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line whose symbols are known.

    Attributes
    ----------
    ink
        Its strokes in the order in which they are drawn.
    groups
        The indices of the strokes of each symbol, in reading order.
    """

    ink: Ink
    groups: tuple[tuple[int, ...], ...]


def stroke_boxes(strokes: Sequence[FloatArray]) -> RealArray:
    """Return the bounding box of each stroke, ``(n_strokes, 4)``: left, top, right, bottom."""
    return np.array([[*stroke.min(axis=0), *stroke.max(axis=0)] for stroke in strokes], np.float64).reshape(-1, 4)


def write_line(
    drawings: Sequence[Ink],
    rng: np.random.Generator,
    *,
    gap: tuple[float, float] = (4.0, 40.0),
    shift: float = 12.0,
    late: float = 0.0,
) -> WrittenLine:
    """Lay drawings side by side.

    Parameters
    ----------
    drawings
        In reading order, all of one unit, as HOMUS has them.
    rng
        Decides on gaps, heights and what comes late.
    gap
        Least and most paper between the boxes of two neighbours, uniform, in the unit of the drawings.
    shift
        Standard deviation of the height at which the middle of each drawing lies.
    late
        Probability that the last stroke of a symbol is drawn only after the next symbol, as people add dots and flags.
    """
    groups: list[list[int]] = []
    drawn: list[FloatArray] = []
    held: tuple[int, FloatArray] | None = None
    left = 0.0
    for place, drawing in enumerate(drawings):
        box = stroke_boxes(drawing.strokes)
        corner, end = box[:, :2].min(axis=0), box[:, 2:].max(axis=0)
        move = np.array([left - corner[0], rng.normal(0, shift) - (corner[1] + end[1]) / 2], np.float32)
        strokes = [stroke + move for stroke in drawing.strokes]
        left += float(end[0] - corner[0] + rng.uniform(*gap))
        waits = strokes.pop() if len(strokes) > 1 and place < len(drawings) - 1 and rng.random() < late else None
        groups.append(list(range(len(drawn), len(drawn) + len(strokes))))
        drawn += strokes
        if held is not None:
            groups[held[0]].append(len(drawn))
            drawn.append(held[1])
        held = None if waits is None else (place, waits)
    return WrittenLine(Ink(tuple(drawn)), tuple(map(tuple, groups)))


def scan_line(ink: Ink, rng: np.random.Generator, *, scale: float, staff_space: float) -> tuple[Image, RealArray]:
    """Return a picture of a line as a scanner would see it, half of the time with a staff through it.

    Pen, brightness of the paper and noise are random.

    Parameters
    ----------
    ink
        The line; the middle of its staff is at height 0.
    scale
        Pixels for each unit of the strokes.
    staff_space
        Distance of two lines of the staff in the unit of the strokes.

    Returns
    -------
    The picture, and the point of the drawing that lies in its upper left corner.
    """
    import PIL.Image
    import PIL.ImageDraw
    import PIL.ImageFilter

    points = np.concatenate(ink.strokes)
    corner = np.minimum(points.min(axis=0), [0, -2 * staff_space]) - 1.5 * staff_space
    size = (np.maximum(points.max(axis=0), [0, 2 * staff_space]) + 1.5 * staff_space - corner) * scale
    paper = PIL.Image.new("L", (int(size[0]), int(size[1])), 255)
    draw = PIL.ImageDraw.Draw(paper)
    pen = scale * rng.uniform(1.2, 2.8)
    for stroke in ink.strokes:
        path = [tuple((point - corner) * scale) for point in stroke]
        draw.line(path, fill=0, width=max(1, round(pen)), joint="curve")
        for x, y in path:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=0)
    if rng.random() < 0.5:
        for rule in range(-2, 3):
            y = float((rule * staff_space - corner[1]) * scale)
            draw.line([(5, y), (paper.width - 5, y)], fill=0, width=max(1, round(pen / 2)))
    grey = np.asarray(paper.filter(PIL.ImageFilter.GaussianBlur(0.6)), np.float64)
    grey = 30 + rng.uniform(0.6, 0.85) * grey + rng.normal(0, rng.uniform(0, 8), grey.shape)
    return Image(np.clip(grey, 0, 255).astype(np.uint8)), corner

"""Lines in images: staff lines, connected parts, what is refused."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from earmark.errors import DataError
from earmark.ink.parts import find_parts
from earmark.ink.staves import find_staves, level, vertical_runs
from earmark.types import Image
from written import line_of

SCALE, PEN = 2.0, 4
LABELS = ("Sharp", "Half-Note", "Barline", "Whole-Note", "Double-Sharp", "Quarter-Note", "Barline")


def scan(ink, *, staves=1, slope=0.0):
    """Return a picture of a line, black on white, on staves of 32 pixels; the first is around height 0."""
    points = np.concatenate(ink.strokes)
    corner = points.min(axis=0) - 30
    corner[1] = min(corner[1], -70)
    width, height = ((points.max(axis=0) + 40 - corner) * SCALE).astype(int)
    paper = PIL.Image.new("L", (int(width), int(max(height, 280 * staves))), 255)
    draw = PIL.ImageDraw.Draw(paper)
    for stroke in ink.strokes:
        path = [tuple((point - corner) * SCALE + (0, slope * (point - corner)[0] * SCALE)) for point in stroke]
        draw.line(path, fill=0, width=PEN, joint="curve")
        for x, y in path:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=0)
    for staff in range(staves):
        for rule in range(-2, 3):
            y = (16 * rule - corner[1]) * SCALE + 280 * staff
            draw.line([(4, y), (int(width) - 4, y + slope * (int(width) - 8))], fill=0, width=2)
    return Image(np.asarray(paper)), corner


@pytest.mark.parametrize("slope", [0.0, 0.02, -0.03])
def test_the_staff_is_found_and_the_symbols_stay_in_one_piece(slope):
    ink, groups = line_of(*LABELS, heights=[0, -8, 0, 4, 0, 10, 0])
    image, corner = scan(ink, slope=slope)
    parts = find_parts(image)
    assert parts.staff.space == pytest.approx(32, abs=0.7)
    assert parts.staff.top == pytest.approx((-32 - corner[1]) * SCALE, abs=3)
    assert len(groups) - 1 <= len(parts.boxes) <= len(groups) + 2
    plain = find_parts(scan(ink, staves=0)[0])
    assert plain.staff is None
    assert len(plain.boxes) == len(groups)
    np.testing.assert_allclose(plain.boxes[2, [0, 2]], parts.boxes[2, [0, 2]], atol=3)


def test_a_part_alone_is_drawn_without_the_others():
    ink, _ = line_of("Sharp", "Barline")
    parts = find_parts(scan(ink, staves=0)[0])
    bar = parts.image((1,))
    assert bar.pixels.shape[1] < parts.image((0,)).pixels.shape[1]
    assert bar.pixels.min() == 0
    assert (parts.points((1,))[:, 0] >= parts.boxes[1, 0]).all()
    both = parts.image((0, 1)).pixels
    assert (both < 128).sum() == (bar.pixels < 128).sum() + (parts.image((0,)).pixels < 128).sum()


def test_pages_and_empty_staves_are_refused():
    ink, _ = line_of(*LABELS)
    with pytest.raises(DataError, match=r"shows 3 staves; whole pages, printed or not, .* cut out one"):
        find_parts(scan(ink, staves=3)[0])
    empty = np.full((200, 600), 255, np.uint8)
    empty[60:141:20] = 0
    with pytest.raises(DataError, match="a staff with nothing on it"):
        find_parts(Image(empty))
    confetti = np.full((700, 700), 255, np.uint8)
    confetti[::10, ::10] = confetti[1::10, ::10] = confetti[::10, 1::10] = confetti[1::10, 1::10] = 0
    confetti[2::10, ::10] = confetti[2::10, 1::10] = 0
    with pytest.raises(DataError, match="separate pieces of ink"):
        find_parts(Image(confetti))


def test_vertical_runs_and_levelling():
    mask = np.array([[1, 0], [1, 1], [0, 1], [1, 1]], bool)
    assert vertical_runs(mask).tolist() == [[2, 0], [2, 3], [0, 3], [1, 3]]
    line = np.zeros((20, 40), bool)
    line[5 + np.arange(40) // 10, np.arange(40)] = True
    assert level(line, 0.1).any(axis=1).sum() <= 2
    assert find_staves(np.zeros((10, 10), bool)).found == ()

"""The raster of strokes: known shapes, invariances, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earmark.errors import DataError
from earmark.ink import draw_planes, draw_strokes, make_ink, place_strokes

coordinates = st.integers(-500, 500)
drawings = st.lists(
    arrays(np.int64, st.tuples(st.integers(1, 8), st.just(2)), elements=coordinates), min_size=1, max_size=4
).map(lambda strokes: make_ink(strokes, where="test"))


def _ink(*strokes):
    return make_ink(strokes, where="test")


def test_a_horizontal_line_has_exact_coverage():
    # The path runs along y = 10.25; a pen of 2 covers y = 9.25 … 11.25.
    ink = draw_planes(_ink([(4, 10.25), (16, 10.25)]), height=20, width=20, pen_width_px=2)[0]
    np.testing.assert_allclose(ink[8:13, 10], [0, 0.75, 1, 0.25, 0], atol=1e-6)
    np.testing.assert_allclose(ink[8:13, 5:15], np.repeat(ink[8:13, 10:11], 10, axis=1), atol=1e-6)
    assert ink[:, :2].max() == 0
    assert ink[:, 18:].max() == 0


def test_a_vertical_line_is_the_transposed_horizontal_line():
    across = draw_planes(_ink([(4, 10.3), (16, 10.3)]), height=20, width=20, pen_width_px=3)[0]
    down = draw_planes(_ink([(10.3, 4), (10.3, 16)]), height=20, width=20, pen_width_px=3)[0]
    np.testing.assert_allclose(down, across.T, atol=1e-6)


@pytest.mark.parametrize("pen_width_px", [0.5, 1.0, 2.0, 7.5, 20.0])
def test_a_dot_and_a_diagonal_have_the_area_of_their_shape(pen_width_px):
    dot = draw_planes(_ink([(32, 32)]), height=64, width=64, pen_width_px=pen_width_px)[0]
    line = draw_planes(_ink([(22, 20), (40, 44)]), height=64, width=64, pen_width_px=pen_width_px)[0]
    disc = np.pi * pen_width_px**2 / 4
    assert line.sum() == pytest.approx(30 * pen_width_px + disc, rel=0.06)
    if pen_width_px >= 2:
        assert dot.sum() == pytest.approx(disc, rel=0.12)


def test_coverage_agrees_with_supersampling():
    strokes = [[(5, 6), (20, 9), (25, 27)], [(8, 25), (12, 12)]]
    drawn = draw_planes(_ink(*strokes), height=32, width=32, pen_width_px=2.5)[0]
    fine = (np.arange(32 * 16) + 0.5) / 16
    points = np.stack(np.meshgrid(fine, fine), axis=-1)
    distance = np.full(points.shape[:2], np.inf)
    for stroke in strokes:
        for a, b in zip(np.array(stroke[:-1], float), np.array(stroke[1:], float), strict=True):
            along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            distance = np.minimum(distance, np.linalg.norm(points - a - along[..., None] * (b - a), axis=-1))
    exact = (distance <= 1.25).reshape(32, 16, 32, 16).mean(axis=(1, 3))
    assert np.abs(drawn - exact).max() < 0.25
    assert np.abs(drawn - exact).mean() < 0.005


def test_a_drawing_fills_its_longer_side_and_is_centred():
    raster = draw_strokes(_ink([(0, 0), (300, 100)]), height=40, width=60, pen_width_px=2, margin_px=3)
    rows, columns = np.nonzero(raster.max(axis=1) > 0.2)[0], np.nonzero(raster.max(axis=0) > 0.2)[0]
    assert (columns[0], columns[-1]) == (3, 56)
    assert rows[0] + rows[-1] == 39
    np.testing.assert_allclose(raster, raster[::-1, ::-1], atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(drawings, st.floats(0.05, 50), st.tuples(coordinates, coordinates))
def test_place_and_size_do_not_matter(ink, scale, offset):
    moved = make_ink([scale * stroke + offset for stroke in ink.strokes], where="moved")
    np.testing.assert_allclose(draw_strokes(ink), draw_strokes(moved), atol=0.03)


@settings(max_examples=40, deadline=None)
@given(drawings, st.integers(12, 40), st.integers(12, 40), st.floats(0.5, 6))
def test_planes_stay_in_range_and_in_the_margin(ink, height, width, pen_width_px):
    raster = draw_strokes(ink, height=height, width=width, pen_width_px=pen_width_px, margin_px=2)
    assert raster.shape == (height, width)
    assert raster.dtype == np.float32
    assert raster.max() > 0
    border = np.concatenate([raster[0], raster[-1], raster[:, 0], raster[:, -1]])
    assert border.max() == 0
    placed = place_strokes(ink, height=height, width=width, pen_width_px=pen_width_px, margin_px=2)
    planes = draw_planes(placed, height=height, width=width, pen_width_px=pen_width_px)
    np.testing.assert_array_equal(planes[0], raster)
    assert planes[0].min() >= 0
    assert planes[0].max() <= 1
    assert np.all(np.abs(planes[1:]) <= planes[0] + 1e-4)
    assert planes[3].min() >= 0


@settings(max_examples=20, deadline=None)
@given(drawings)
def test_drawing_backwards_keeps_the_ink_and_turns_the_direction(ink):
    backwards = make_ink([stroke[::-1] for stroke in ink.strokes[::-1]], where="backwards")
    size = {"height": 32, "width": 32, "pen_width_px": 2.0}
    there = draw_planes(place_strokes(ink, margin_px=1, **size), **size)
    back = draw_planes(place_strokes(backwards, margin_px=1, **size), **size)
    np.testing.assert_allclose(there[0], back[0], atol=1e-3)
    np.testing.assert_allclose(there[1:3], -back[1:3], atol=2e-2)


def test_direction_and_progress_follow_the_pen():
    planes = draw_planes(_ink([(4, 16), (28, 16)], [(16, 28), (16, 20)]), height=32, width=32, pen_width_px=2)
    ink, right, down, progress = planes
    assert right[16, 10] == pytest.approx(ink[16, 10])
    assert down[24, 16] == pytest.approx(-ink[24, 16])
    assert 0 < progress[16, 8] < progress[16, 26] < 0.76 < progress[26, 16] < progress[21, 16] <= 1


def test_what_lies_outside_is_cut_off():
    planes = draw_planes(_ink([(-50, 5), (50, 5)], [(100, 100)]), height=10, width=10, pen_width_px=2)
    assert np.all(planes[0, 4:6] == 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 4, "width": 64}, "cannot be drawn"),
        ({"margin_px": 40}, "cannot be drawn"),
        ({"margin_px": -1}, "cannot be drawn"),
        ({"pen_width_px": 0}, "cannot be drawn"),
        ({"height": 5000}, "at most 4096"),
    ],
)
def test_a_raster_without_room_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        draw_strokes(_ink([(0, 0), (1, 1)]), **{"pen_width_px": 3.0, **options})


def test_ink_made_by_hand_is_checked_when_drawn():
    from earmark.types import Ink

    with pytest.raises(DataError, match="no strokes"):
        draw_strokes(Ink(()))
    with pytest.raises(DataError, match="not finite"):
        draw_strokes(Ink((np.array([[0, np.nan]], np.float32),)))

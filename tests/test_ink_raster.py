"""The ink raster as a feature kind."""

import numpy as np
import pytest

from earmark.config import parse_kind
from earmark.errors import ConfigError, DataError
from earmark.features import FEATURES, InkRaster
from earmark.features.ink_raster import USUAL_STAFF_SPACE
from earmark.ink import draw_strokes, make_ink, trace
from earmark.types import Image, Ink, Sound

DRAWING = make_ink([[(0, 0), (40, 60)], [(0, 60), (20, 50)]], where="test")
ALL = ("ink", "direction", "progress", "size")


def test_it_is_registered_and_round_trips_through_its_configuration():
    features = InkRaster(height=40, width=32, channels=ALL)
    assert parse_kind(FEATURES, features.model_dump(), where="test") == features
    assert features.fingerprint != InkRaster(height=40, width=32).fingerprint


@pytest.mark.parametrize(("channels", "n_planes"), [(("ink",), 1), (("ink", "progress"), 2), (ALL, 5)])
def test_strokes_and_images_have_the_declared_shape(channels, n_planes):
    features = InkRaster(height=40, width=32, channels=channels)
    assert features.shape == (n_planes, 40, 32)
    scan = (255 - 255 * draw_strokes(DRAWING, height=120, width=120, pen_width_px=4)).astype(np.uint8)
    for drawing in (DRAWING, Image(scan)):
        raster = features(drawing)
        assert raster.shape == features.shape
        assert raster.dtype == np.float32


def test_the_ink_plane_is_the_drawing_and_images_have_no_pen():
    features = InkRaster(height=40, width=40, pen_width=1.5, margin=2, channels=ALL)
    strokes = features(DRAWING)
    size = {"height": 40, "width": 40, "pen_width_px": 1.5, "margin_px": 2}
    np.testing.assert_array_equal(strokes[0], draw_strokes(DRAWING, **size))
    scan = Image((255 - 255 * draw_strokes(DRAWING, height=120, width=120, pen_width_px=4)).astype(np.uint8))
    traced = features(scan)
    np.testing.assert_array_equal(traced[0], trace(scan, **size))
    assert np.all(traced[1:] == 0)
    assert np.abs(traced[0] - strokes[0]).mean() < 0.2 * strokes[0].mean()


def test_size_is_the_longest_side_in_octaves():
    features = InkRaster(channels=("ink", "size"))
    assert features(make_ink([[(0, 0), (0, 256)]], where="test"))[1].max() == pytest.approx(1)
    assert features(make_ink([[(5, 5)]], where="test"))[1].max() == 0
    assert np.ptp(features(DRAWING)[1]) == 0


def test_a_known_staff_space_gives_scans_a_size_and_strokes_another_unit():
    features = InkRaster(channels=("ink", "size"))
    bar = make_ink([[(0, 0), (0, 4 * USUAL_STAFF_SPACE)]], where="test")
    expected = features(bar)[1].max()
    larger = Ink(tuple(10 * stroke for stroke in bar.strokes), staff_space=10 * USUAL_STAFF_SPACE)
    assert features(larger)[1].max() == pytest.approx(expected, abs=1e-4)
    pixels = np.pad(np.zeros((120, 6), np.uint8), 9, constant_values=255)
    assert features(Image(pixels, staff_space_px=30.0))[1].max() == pytest.approx(expected, abs=1e-3)
    large = np.repeat(np.repeat(pixels, 5, axis=0), 5, axis=1)
    assert features(Image(large, staff_space_px=150.0))[1].max() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": ["progress"]}, "begin with 'ink'"),
        ({"channels": ["ink", "ink"]}, "not repeat"),
        ({"channels": ["ink", "colour"]}, "channels"),
        ({"height": 8, "margin": 4}, "larger than two margins"),
        ({"pen_width": 0}, "pen_width"),
        ({"pen_widht": 2}, "did you mean 'pen_width'"),
    ],
)
def test_a_wrong_configuration_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        InkRaster.parse(values, where="recipe")


def test_sound_is_refused():
    with pytest.raises(DataError, match="cannot read a Sound"):
        InkRaster()(Sound(np.zeros(9, np.float32), 22050))

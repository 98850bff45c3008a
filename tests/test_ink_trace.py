"""Scanned images: decoding, and the same raster as the strokes under every kind of scan."""

import io

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earmark.ink.images
from earmark.errors import DataError, UnreadableError
from earmark.ink import draw_planes, draw_strokes, make_ink, place_strokes, read_image, trace
from earmark.types import Image

CLEF = make_ink(
    [
        [(20, 10), (50, 14), (60, 40), (40, 80), (10, 100)],
        [(75, 20), (76, 21)],
        [(75, 45), (76, 46)],
        [(15, 30), (30, 22), (40, 35), (25, 45), (15, 32)],
    ],
    where="test",
)


def _scan(*, side=240, pen_px=6.0, paper=235.0, ink=25.0, margin_px=30.0, drawing=CLEF):
    placed = place_strokes(drawing, height=side, width=side, pen_width_px=pen_px, margin_px=margin_px)
    share = draw_planes(placed, height=side, width=side, pen_width_px=pen_px)[0]
    return paper + (ink - paper) * share


def _difference(pixels, drawing=CLEF):
    """Mean difference to the raster of the strokes, relative to its mean ink."""
    expected = draw_strokes(drawing, height=48, width=48)
    traced = trace(Image(np.clip(pixels, 0, 255).astype(np.uint8)), height=48, width=48)
    assert traced.shape == (48, 48)
    assert traced.dtype == np.float32
    return np.abs(traced - expected).mean() / expected.mean()


@pytest.mark.parametrize("pen_px", [2.5, 6, 14])
def test_a_scan_gives_the_raster_of_its_strokes_whatever_the_pen(pen_px):
    assert _difference(_scan(pen_px=pen_px)) < 0.2


@pytest.mark.parametrize(
    ("side", "limit"), [(60, 0.4), (1200, 0.2)]
)  # half a pixel of a small scan is half of one here
def test_resolution_hardly_matters(side, limit):
    assert _difference(_scan(side=side, pen_px=side / 30, margin_px=side / 8)) < limit


def test_polarity_does_not_matter():
    scan = Image(_scan().astype(np.uint8))
    inverted = Image(255 - scan.pixels)
    np.testing.assert_allclose(trace(inverted), trace(scan), atol=0.02)


def test_colour_is_seen_where_luminance_is_blind():
    share = _scan(paper=0, ink=1)[..., None]
    red, green = np.array([200, 40, 40]), np.array([38, 121, 38])
    assert _difference(green + (red - green) * share) < 0.2


@pytest.mark.parametrize("ink", [0, 255])
def test_transparent_paper_is_paper(ink):
    share = _scan(paper=0, ink=1)[..., None]
    colour = np.full((*share.shape[:2], 3), ink)
    assert _difference(np.concatenate([colour, 255 * share], axis=2)) < 0.2


def test_an_opaque_alpha_channel_changes_nothing():
    grey = _scan().astype(np.uint8)
    rgba = np.concatenate([np.repeat(grey[..., None], 3, axis=2), np.full((*grey.shape, 1), 255, np.uint8)], axis=2)
    np.testing.assert_allclose(trace(Image(rgba)), trace(Image(grey)), atol=0.02)


def test_uneven_light_noise_and_specks_are_removed():
    rng = np.random.default_rng(0)
    scan = _scan(paper=230, ink=60)
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    shaded = scan - 60 * (x + 0.5 * y + 0.3 * x * y + 1) / 2 + rng.normal(0, 6, scan.shape)
    shaded[rng.random(scan.shape) < 0.0005] = 40
    assert _difference(shaded) < 0.2


def test_margins_do_not_matter():
    scan = _scan().astype(np.uint8)
    ragged = np.pad(scan, ((10, 90), (70, 5)), constant_values=235)
    np.testing.assert_allclose(trace(Image(ragged)), trace(Image(scan)), atol=0.35)
    assert _difference(ragged) < 0.2


@pytest.mark.parametrize("strokes", [[[(0, 0), (0, 50)]], [[(0, 0), (90, 0)]]])
def test_straight_lines_are_found(strokes):
    drawing = make_ink(strokes, where="test")
    assert _difference(_scan(drawing=drawing), drawing) < 0.6


def test_a_blob_fills_the_raster():
    blob = make_ink([[(0, 0)]], where="test")
    traced = trace(Image(_scan(drawing=blob, pen_px=30).astype(np.uint8)), height=48, width=48, margin_px=2)
    assert traced.sum() == pytest.approx(np.pi * 22**2, rel=0.05)


def test_a_tight_crop_of_a_black_bar_stays_ink():
    assert trace(Image(np.pad(np.zeros((80, 10), np.uint8), 1, constant_values=255))).sum() > 60


def _bar(height, width, *, margin=4, ink=20, paper=240):
    return np.pad(np.full((height, width), ink, np.uint8), margin, constant_values=paper)


@pytest.mark.parametrize(("height", "width"), [(7, 7), (6, 9), (20, 50), (110, 14)])
@pytest.mark.parametrize("keep_pen", [False, True])
def test_the_paper_of_a_tight_crop_is_not_fitted_to_its_ink(height, width, keep_pen):
    """A dot, a rest and a bar line, cut with a margin of four pixels, stay filled and leave the corners white."""
    traced = trace(Image(_bar(height, width)), height=56, width=40, keep_pen=keep_pen)
    rows, columns = np.nonzero(traced > 0.5)
    box = traced[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert box.mean() > 0.85
    assert traced[0, 0] < 0.1


@pytest.mark.parametrize("pen_px", [1, 4, 14])
def test_a_kept_pen_is_as_thick_as_drawn_and_never_too_thin(pen_px):
    scan = _scan(pen_px=pen_px)
    drawn = draw_strokes(CLEF, height=48, width=48, pen_width_px=max(2, pen_px * 46 / 180))
    traced = trace(Image(scan.astype(np.uint8)), height=48, width=48, keep_pen=True)
    assert np.abs(traced - drawn).mean() / drawn.mean() < 0.45


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.integers(160, 255), st.booleans(), st.integers(0, 3))
def test_contrast_polarity_and_quarter_turns(dark, light, inverted, n_turns):
    scan = _scan(side=96, pen_px=4, margin_px=12, paper=light, ink=dark).astype(np.uint8)
    turned = np.rot90(255 - scan if inverted else scan, n_turns)
    straight = trace(Image(_scan(side=96, pen_px=4, margin_px=12).astype(np.uint8)), height=32, width=32)
    assert np.abs(trace(Image(turned), height=32, width=32) - np.rot90(straight, n_turns)).mean() < 0.03


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((30, 30), 200, np.uint8), "of one colour"),
        (np.zeros((1, 1), np.uint8), "of one colour"),
        (np.zeros((20, 20, 4), np.uint8), "of one colour"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.zeros((5, 5)), "give uint8"),
        (np.zeros((5, 5, 2), np.uint8), "give uint8"),
    ],
)
def test_images_without_a_drawing_are_refused(pixels, message):
    with pytest.raises(DataError, match=message):
        trace(Image(pixels))


def _encoded(array, kind="PNG", **options):
    stream = io.BytesIO()
    PIL.Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_every_format_reads_from_path_bytes_and_stream(kind, tmp_path):
    data = _encoded(_scan().astype(np.uint8), kind)
    path = tmp_path / f"clef.{kind.lower()}"
    path.write_bytes(data)
    assert path.suffix in earmark.ink.IMAGE_EXTENSIONS
    for source in (path, str(path), data, io.BytesIO(data)):
        assert _difference(read_image(source).pixels) < 0.25


def test_sixteen_bits_palettes_and_bilevel_images_read():
    scan = _scan()
    deep = _encoded((scan * 257).astype(np.uint16))
    bilevel = _encoded(scan > 128)
    stream = io.BytesIO()
    PIL.Image.fromarray(scan.astype(np.uint8)).convert("P").save(stream, "PNG", transparency=0)
    for data in (deep, bilevel, stream.getvalue()):
        assert _difference(read_image(data).pixels) < 0.25


def test_a_photograph_is_turned_upright():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    data = _encoded(np.rot90(_scan()).astype(np.uint8), "JPEG", exif=exif.tobytes())
    assert _difference(read_image(data).pixels) < 0.25


def test_broken_files_are_named(tmp_path):
    cases = {
        "text.png": (b"not an image at all", "unknown format"),
        "empty.png": (b"", "unknown format"),
        "half.png": (_encoded(_scan().astype(np.uint8))[:900], "cannot be decoded"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnreadableError, match=message) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)
    with pytest.raises(UnreadableError, match="no such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(UnreadableError, match="is a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("side", [9_000, 30_000])
def test_a_huge_image_is_refused_before_it_is_decoded(side):
    header = PIL.Image.new("1", (8, 8))
    stream = io.BytesIO()
    header.save(stream, "BMP")
    data = bytearray(stream.getvalue())
    data[18:22] = data[22:26] = side.to_bytes(4, "little")
    with pytest.raises(UnreadableError, match="at most 64 million"):
        read_image(bytes(data))

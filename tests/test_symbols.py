"""The shipped `symbols`: scans of other hands, and inputs that are no drawing of one symbol."""

import time
import zipfile

import numpy as np
import pytest

from earmark import load
from earmark.errors import DataError
from earmark.types import Image, Ink, Prediction

SECONDS = 20
"""What no input may take, on a machine that is busy; a drawing takes some milliseconds."""


@pytest.fixture(scope="module")
def symbols():
    return load("symbols")


def _scans(shared_data):
    """Yield class and bytes of every second crop of scans by 16 other writers; they may be measured, never learned."""
    path = shared_data / "muscima" / "symbols-16-writers.zip"
    if not path.is_file():
        pytest.skip("the scanned symbols are not beside the checkout (../shared/data/muscima)")
    with zipfile.ZipFile(path) as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".png"))[::2]:
            yield name.split("/")[-2], archive.read(name)


def test_scans_of_other_hands_are_read(symbols, shared_data):
    right = {}
    for label, data in _scans(shared_data):
        right.setdefault(label, []).append(symbols.predict(data, force=True).label == label)
    share = {label: np.mean(each) for label, each in right.items()}
    assert np.mean(list(share.values())) > 0.88, share
    assert share["Dot"] > 0.7
    assert share["Whole-Half-Rest"] > 0.7


def test_a_blob_a_bar_and_a_rest_are_told_by_their_shape(symbols):
    y, x = np.mgrid[-1:1:16j, -1:1:16j]
    shapes = {
        "Dot": np.hypot(x, y) < 1,
        "Barline": np.ones((120, 8), bool),
        "Whole-Half-Rest": np.ones((20, 48), bool),
    }
    for label, ink in shapes.items():
        pixels = np.pad(np.where(ink, 0, 255).astype(np.uint8), 4, constant_values=255)
        assert symbols.predict(Image(pixels), force=True).label == label


def test_a_staff_space_is_a_distance(symbols):
    line = Ink((np.float32([[0, 0], [0, 74]]),))
    assert symbols.predict(Ink(line.strokes, staff_space=18.5)).label == symbols.predict(line).label
    for space in (0.0, -3.0, np.nan, np.inf):
        with pytest.raises(DataError, match="is no distance; give a number above 0"):
            symbols.predict(Ink(line.strokes, staff_space=space))
        with pytest.raises(DataError, match="is no distance"):
            symbols.predict(Image(np.eye(9, dtype=np.uint8) * 255, staff_space_px=space))


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        ([], "has no strokes"),
        ([[]], "give a list of at least one"),
        ([[(0, 0), (np.nan, 3)]], "not finite"),
        ([[(0, 0), (np.inf, 3)]], "not finite"),
        (Image(np.full((40, 40), 255, np.uint8)), "of one colour"),
        ([[(i, i % 7)] * 11 for i in range(10_000)], "at most 100000 are allowed"),
    ],
)
def test_what_is_no_drawing_is_refused_in_one_sentence(symbols, drawing, message):
    with pytest.raises(DataError, match=message) as caught:
        symbols.predict(drawing)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "strokes",
    [
        [[(5, 5)]],
        [[(0, 0)] * 50],
        [[(i % 100, i // 100), (i % 100 + 3, i // 100 + 2)] for i in range(10_000)],
        [[(1e-5 * i, 1e5 * i) for i in range(9)]],
        np.random.default_rng(0).normal(0, 1e5, (3, 3000, 2)),
    ],
)
def test_any_strokes_are_answered_or_declined_in_bounded_time(symbols, strokes):
    started_s = time.perf_counter()
    assert isinstance(symbols.predict([np.float32(stroke) for stroke in strokes]), Prediction)
    assert time.perf_counter() - started_s < SECONDS

"""HOMUS text and JSON strokes, read strictly."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earmark.errors import DataError
from earmark.ink import make_ink, parse_json_strokes, parse_strokes

coordinates = st.integers(-9999, 9999).map(lambda value: value / 10)
drawings = st.lists(arrays(np.float64, st.tuples(st.integers(1, 9), st.just(2)), elements=coordinates), min_size=1)


def _homus(label, strokes):
    return "\n".join([label, *("".join(f"{x},{y};" for x, y in stroke) for stroke in strokes)])


@given(drawings)
def test_homus_text_returns_what_was_written(strokes):
    label, ink = parse_strokes(_homus("G-Clef", strokes), where="a.txt")
    assert label == "G-Clef"
    assert all(stroke.dtype == np.float32 for stroke in ink.strokes)
    for read, written in zip(ink.strokes, strokes, strict=True):
        np.testing.assert_array_equal(read, written.astype(np.float32))


@given(drawings)
def test_json_and_lists_return_what_was_written(strokes):
    ink = parse_json_strokes(json.dumps([stroke.tolist() for stroke in strokes]), where="a.json")
    again = make_ink(ink.strokes, where="ink")
    for read, same, written in zip(ink.strokes, again.strokes, strokes, strict=True):
        np.testing.assert_array_equal(read, written.astype(np.float32))
        np.testing.assert_array_equal(read, same)


def test_line_ends_blank_lines_and_a_byte_order_mark_do_not_matter():
    label, ink = parse_strokes("\ufeffDot \r\n\r\n1,2;3,4\r\n5,6;\r\n\n", where="a.txt")
    assert label == "Dot"
    assert [stroke.tolist() for stroke in ink.strokes] == [[[1, 2], [3, 4]], [[5, 6]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be the label"),
        ("1,2;3,4;", "must be the label"),
        ("Dot", "has no strokes"),
        ("Dot\n\n", "has no strokes"),
        ("Dot\n1,2;3;", "line 2: '3' is not a point"),
        ("Dot\n1,2;\n1,2;x,4;", "line 3: 'x,4' is not a point"),
        ("Dot\n1,2,3;", "'1,2,3' is not a point"),
        ("Dot\n1,2;;3,4;", "'' is not a point"),
        ("Dot\n;", "'' is not a point"),
        ("Dot\n1,nan;", "not finite"),
        ("Dot\n1,inf;", "not finite"),
        ("Dot\n1,1e7;", "beyond ±1000000"),
        ("Dot\n" + "1,2;" * 100_001, "at most 100000"),
    ],
)
def test_bad_homus_text_is_named(text, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_strokes(text, where="writer/7.txt")
    assert str(caught.value).startswith("writer/7.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[[0, 0]", "not valid JSON"),
        ("3", "are a int"),
        ('{"strokes": []}', "are a dict"),
        ("[]", "has no strokes"),
        ("[[]]", "stroke 1: has shape"),
        ("[[[0, 0]], [1, 2]]", "stroke 2: has shape"),
        ("[[[0, 0, 0]]]", "stroke 1: has shape"),
        ('[[["a", 0]]]', "not a number"),
        ("[[[0, 0], [1]]]", "not a number"),
        ("[[[NaN, 0]]]", "not finite"),
        ("[[[null, 0]]]", "not finite"),
    ],
)
def test_bad_json_is_named(text, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_json_strokes(text, where="a.json")
    assert str(caught.value).startswith("a.json")


def test_every_homus_drawing_reads(shared_data):
    import zipfile

    with zipfile.ZipFile(shared_data / "homus" / "HOMUS-80-writers.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        some = names[::7]
        labels = {parse_strokes(archive.read(name).decode(), where=name)[0] for name in some}
    assert len(names) == 12_160
    assert len(labels) == 32

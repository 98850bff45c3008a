"""Reading a line: `Recognizer.read` and ``earmark read``."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earmark
from earmark.errors import DataError, UsageError
from earmark.recognizer.answers import SYMBOLS as HOMUS
from test_line_image import scan
from tiny import tiny_card, tiny_recognizer
from written import line_of

LABELS = ("Sharp", "Whole-Note", "Barline", "Half-Note", "Double-Sharp", "Quarter-Note", "Barline")


@pytest.fixture(scope="module")
def symbols():
    return earmark.load("symbols")


@pytest.fixture(scope="module")
def any_reader(tmp_path_factory):
    """Return a recognizer with nonsense weights: whatever it says, every stroke must be accounted for."""
    return tiny_recognizer(tmp_path_factory.mktemp("tiny"), tiny_card("ink-raster", task="symbol", labels=tuple(HOMUS)))


def labels_of(line):
    return [symbol.label for symbol in line.symbols]


def strokes_of(line):
    return sorted(stroke for symbol in line.symbols for stroke in symbol.strokes)


@pytest.mark.parametrize("unit", [1.0, 0.003, 40.0])
def test_a_line_is_read_in_any_unit(symbols, unit):
    ink, groups = line_of(*LABELS)
    line = symbols.read([stroke * unit for stroke in ink.strokes])
    assert labels_of(line) == list(LABELS)
    assert [symbol.strokes for symbol in line.symbols] == groups
    box = np.concatenate([ink.strokes[stroke] for stroke in groups[1]]) * unit
    np.testing.assert_allclose(line.symbols[1].box, [*box.min(axis=0), *box.max(axis=0)], rtol=1e-5)
    assert all(0.2 < symbol.confidence <= 1 and symbol.top[0].label == symbol.label for symbol in line.symbols)


def test_late_strokes_and_known_symbols(symbols):
    ink, groups = line_of(*LABELS)
    order = [0, 1, 2, 4, 5, 3, *range(6, len(ink.strokes))]  # the sharp is finished after note and barline
    line = symbols.read([ink.strokes[stroke] for stroke in order])
    assert labels_of(line) == list(LABELS)
    assert line.symbols[0].strokes == (0, 1, 2, 5)
    known = [{"label": "Flat", "strokes": list(groups[1])}]
    line = symbols.read({"strokes": [stroke.tolist() for stroke in ink.strokes], "known": known})
    assert labels_of(line) == ["Sharp", "Flat", *LABELS[2:]]
    assert line.symbols[1].confidence == 1.0


def test_what_is_no_symbol_is_unknown_with_its_strokes(symbols):
    ink, _ = line_of(*LABELS)
    left, right = ink.strokes[0].min() - 20, max(stroke.max() for stroke in ink.strokes) + 20
    t = np.linspace(0, 1, 80)
    scribble = np.stack([left + (right - left) * t, 30 * np.sin(60 * t)], axis=1).astype(np.float32)
    line = symbols.read([*ink.strokes, scribble])
    (large,) = (symbol for symbol in line.symbols if len(ink.strokes) in symbol.strokes)
    assert large.label == "unknown"
    assert large.reason == "larger than any symbol"
    assert strokes_of(line) == list(range(len(ink.strokes) + 1))
    others = [symbol.label for symbol in line.symbols if symbol is not large]
    assert sum(a == b for a, b in zip(others, LABELS, strict=False)) >= len(LABELS) - 1


def test_an_image_of_a_line_with_and_without_a_staff(symbols):
    ink, _ = line_of(*LABELS, gap=30.0, heights=[0, -8, 0, -12, 0, 10, 0])
    for staves in (0, 1):
        line = symbols.read(scan(ink, staves=staves)[0])
        right = sum(a == b for a, b in zip(labels_of(line), LABELS, strict=False))
        assert right >= len(LABELS) - 1, labels_of(line)
        assert (line.staff is not None) == bool(staves)


points = st.tuples(st.floats(-300, 300, width=32), st.floats(-60, 60, width=32))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(points, min_size=1, max_size=4), min_size=1, max_size=12))
def test_every_stroke_belongs_to_one_symbol(any_reader, strokes):
    line = any_reader.read(strokes)
    assert strokes_of(line) == list(range(len(strokes)))
    assert all(0 <= symbol.confidence <= 1 + 1e-9 for symbol in line.symbols)


def test_bad_input_is_refused_in_one_sentence(symbols, tmp_path):
    (tmp_path / "a.json").write_text('{"strokes": [[[0, 0]]], "staff": {"top": 0, "space": 0}}')
    (tmp_path / "b.json").write_text('{"lines": 3}')
    dot = [[(0.0, 0.0)]]
    for given_, said in (
        ([], "has no strokes"),
        ([[]], "at least one"),
        ([[(0.0, float("nan"))]], "not finite"),
        (dot * 10_000, "holds 10000 strokes; at most 4000"),
        (tmp_path / "a.json", "the staff is"),
        (tmp_path / "b.json", "has the keys"),
        (tmp_path / "nothing.json", "cannot be read"),
        ({"strokes": dot, "known": [{"label": "Dot", "strokes": [3]}]}, "names strokes twice, none, or some"),
        ({"strokes": dot, "known": 3}, '"known" is not a list'),
    ):
        with pytest.raises(DataError, match=said) as caught:
            symbols.read(given_)
        assert str(caught.value).count("\n") == 0
    with pytest.raises(UsageError, match="staff_space"):
        symbols.read(dot, staff_space=-1)
    with pytest.raises(UsageError, match="give one that reads drawings"):
        earmark.load("notes").read(dot)


def test_strange_input_takes_bounded_time(any_reader):
    rng = np.random.default_rng(0)
    started_s = time.process_time()
    line = any_reader.read(list(rng.uniform(0, 60, (300, 3, 2))))  # all on one spot
    assert strokes_of(line) == list(range(300))
    assert strokes_of(any_reader.read([[(0.0, 0.0)]])) == [0]
    assert time.process_time() - started_s < 60


def test_the_command_prints_and_writes(run, tmp_path):
    ink, _ = line_of(*LABELS)
    values = [stroke.tolist() for stroke in ink.strokes]
    (tmp_path / "line.json").write_text(json.dumps({"strokes": values, "staff": {"top": -32, "space": 16}}))
    (tmp_path / "line.txt").write_text("\n".join("".join(f"{x},{y};" for x, y in stroke) for stroke in values))
    code, out, _ = run("read", tmp_path / "line.json")
    assert code == 0
    assert [row.split()[0] for row in out.splitlines()] == ["LABEL", *LABELS]
    for form in ("json", "jsonl", "csv"):
        code, out, _ = run("read", tmp_path / "line.txt", "--format", form)
        assert code == 0
        assert "Double-Sharp" in out
    for name in ("out.json", "out.musicxml", "out.svg"):
        assert run("read", tmp_path / "line.json", "-o", tmp_path / name)[0] == 0
    again = run("read", tmp_path / "out.json", "--format", "json")[1]
    assert [symbol["label"] for symbol in json.loads(again)["symbols"]] == list(LABELS)
    assert (tmp_path / "out.musicxml").read_text().startswith("<?xml")
    code, _, err = run("read", tmp_path / "line.json", "-o", tmp_path / "out.pdf")
    assert code == 2
    assert "choose one of these endings" in err
    code, _, err = run("read", tmp_path / "nothing.json")
    assert code == 1
    assert err.count("\n") == 1

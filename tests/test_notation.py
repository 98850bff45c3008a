"""MusicXML and engraving of a line."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from earmark.notation import engrave, staff_of, staff_position, write_musicxml
from earmark.recognizer.answers import SYMBOLS
from earmark.recognizer.line.anchor import anchor_height, even_points
from earmark.types import Line, Staff, Symbol
from written import SYMBOLS as DRAWN

STAFF = Staff(top=0.0, space=10.0)


def line_of(*symbols, staff=STAFF):
    """Return a line of labels, or of labels with a staff position."""
    given = [symbol if isinstance(symbol, tuple) else (symbol, 4) for symbol in symbols]
    return Line(
        "made",
        tuple(
            Symbol(label, 1.0, (n,), (20.0 * n, 0, 20.0 * n + 10, 40), anchor=40 - 5.0 * position)
            for n, (label, position) in enumerate(given)
        ),
        staff,
    )


def parsed(text):
    return ET.fromstring(text)  # noqa: S314 - it is our own


def measures(line):
    return parsed(write_musicxml(line).partition('.dtd">\n')[2]).findall("part/measure")


def texts(parent, path):
    return [element.text for element in parent.findall(path)]


def test_pitches_dots_and_measures():
    line = line_of("G-Clef", "3-4-Time", ("Quarter-Note", 0), "Dot", ("Eighth-Note", 9), "Barline", ("Half-Note", -2))
    first, second = measures(line)
    assert texts(first, "attributes/time/beats") == ["3"]
    assert texts(first, "note/pitch/step") == ["E", "G"]
    assert texts(first, "note/pitch/octave") == ["4", "5"]
    assert texts(first, "note/type") == ["quarter", "eighth"]
    assert texts(first, "note/duration") == ["96", "32"]
    assert len(first.findall("note/dot")) == 1
    assert texts(second, "note/pitch/step") == ["C"]
    bass = measures(line_of("F-Clef", ("Whole-Note", 0)))[0]
    assert (texts(bass, "note/pitch/step"), texts(bass, "note/pitch/octave")) == (["G"], ["2"])


def test_accidentals_and_key_signatures():
    (measure, after) = measures(
        line_of(
            "G-Clef",
            "Sharp",
            "Sharp",
            ("Quarter-Note", 1),
            ("Natural", 1),
            ("Quarter-Note", 1),
            ("Quarter-Note", 1),
            "Barline",
            ("Quarter-Note", 1),
        )
    )
    assert texts(measure, "attributes/key/fifths") == ["2"]
    assert [note.findtext("pitch/alter") for note in measure.findall("note")] == ["1", None, None]
    assert texts(measure, "note/accidental") == ["natural"]
    assert texts(after, "note/pitch/alter") == ["1"]
    (alone,) = measures(line_of("G-Clef", ("Flat", 4), ("Quarter-Note", 4)))
    assert alone.find("attributes/key") is None
    assert texts(alone, "note/accidental") == ["flat"]


def test_nothing_is_left_out():
    (measure,) = measures(line_of("Dot", "unknown", "Flat", "Sharp", ("Quarter-Note", 2), "Natural"))
    assert texts(measure, "direction/direction-type/words") == [".", "?", "Flat", "Natural"]
    assert texts(measure, "attributes/clef/sign") == ["G"]
    assert len(measures(line_of())) == 1
    rests = [label for label in SYMBOLS if label.endswith("-Rest")]
    assert len(measures(line_of(*rests))[0].findall("note/rest")) == len(rests)


def test_a_bar_that_hangs_is_a_whole_rest():
    assert [
        note.findtext("type")
        for note in measures(line_of(("Whole-Half-Rest", 6), ("Whole-Half-Rest", 4)))[0].findall("note")
    ] == ["whole", "half"]


def test_music21_reads_every_symbol():
    converter = pytest.importorskip("music21.converter", reason="needs music21, of the dev group")
    labels = [label for label in SYMBOLS if label not in ("G-Clef", "F-Clef", "C-Clef")]
    score = converter.parse(
        write_musicxml(line_of("G-Clef", *labels, "Barline", "F-Clef", ("Quarter-Note", 0))), format="musicxml"
    )
    names = [note.nameWithOctave for note in score.recurse().notes]
    assert len(names) == 8
    assert names[-1] == "G2"


@pytest.mark.parametrize("position", [-4, 2, 4, 11])
def test_every_label_is_engraved(position):
    svg = parsed(engrave(line_of(*((label, position) for label in SYMBOLS), "unknown")))
    groups = [element for element in svg if element.get("class") == "symbol"]
    assert [int(group.get("data-symbol")) for group in groups] == list(range(len(SYMBOLS) + 1))
    assert all(len(group) >= 2 for group in groups)
    assert "style" not in ET.tostring(svg, encoding="unicode")
    assert svg.get("aria-label").startswith("Staff with 12-8-Time, ")
    assert parsed(engrave(line_of())).get("aria-label") == "Empty staff"


def test_the_staff_is_guessed_from_barlines():
    line = Line(
        "made",
        (
            Symbol("Barline", 1.0, (0,), (0, 100, 2, 140), anchor=120.0),
            Symbol("Quarter-Note", 1.0, (1,), (10, 90, 20, 125), anchor=120.0),
        ),
    )
    assert staff_of(line) == Staff(100.0, 10.0)
    assert staff_position(line.symbols[1], staff_of(line)) == 4


@pytest.mark.parametrize("label", ["Half-Note", "Quarter-Note"])
def test_the_head_says_the_pitch_whichever_way_the_stem_goes(label):
    up = even_points([stroke / 16 for stroke in DRAWN[label]])
    assert anchor_height(label, up) == pytest.approx(47 / 16, abs=0.25)
    assert anchor_height(label, up * [1, -1]) == pytest.approx(-47 / 16, abs=0.25)

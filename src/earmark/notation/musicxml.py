"""MusicXML 4.0 of a line: one part with one voice, its measures as the barlines say."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from earmark.notation.staff import (
    ACCIDENTALS,
    CLEFS,
    NOTE_TYPES,
    REST_TYPES,
    TIMES,
    rest_type,
    staff_of,
    staff_position,
)
from earmark.types import Line, Staff, Symbol

DIVISIONS = 64
"""Of a quarter note: a 64th with two dots still has a whole number of them."""
_QUARTERS = {"whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25, "32nd": 0.125, "64th": 0.0625}
_STEPS = "CDEFGAB"
_BOTTOM_LINES = {"G": 30, "F": 18, "C": 24}
"""Steps above C0 of the lowest line under each clef: E4, G2 and F3."""
_SHARP_ORDER = "FCGDAEB"
_NAMES = {-1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_MOST_DOTS = 2
_DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0'
    ' Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
)


def write_musicxml(line: Line) -> str:
    """Return a line as MusicXML.

    A clef that is missing is a G clef. Accidentals right after a clef, of one kind and either several or not at the
    height of the note that follows, are a key signature; others belong to the next note and hold to the barline. What
    is unknown becomes a question mark above the staff.
    """
    writer = _Writer(staff_of(line))
    symbols = list(line.symbols)
    place = 0
    while place < len(symbols):
        place += writer.add(symbols, place)
    return _DOCTYPE + ET.tostring(writer.score(), encoding="unicode") + "\n"


@dataclass
class _Writer:
    """Writes one symbol after the other."""

    staff: Staff
    measures: list[ET.Element] = field(default_factory=list)
    clef: str = "G"
    key: dict[str, int] = field(default_factory=dict)
    altered: dict[int, int] = field(default_factory=dict)
    waiting: list[tuple[int, Symbol]] = field(default_factory=list)
    is_open: bool = False
    has_clef: bool = False

    def add(self, symbols: list[Symbol], place: int) -> int:
        """Write the symbol at `place`, and return how many were written with it."""
        symbol = symbols[place]
        label = symbol.label
        if label in CLEFS:
            return 1 + self._add_clef(label, symbols[place + 1 :])
        if label in TIMES:
            self._add_time(label)
        elif label in NOTE_TYPES or label in REST_TYPES:
            n_dots = _count_dots(symbols[place + 1 :])
            self._add_note(symbol, n_dots)
            return 1 + n_dots
        elif label in ACCIDENTALS:
            self.waiting.append((ACCIDENTALS[label], symbol))
        elif label == "Barline":
            self._measure()
            self.is_open = False
            self.altered.clear()
        else:
            self._add_words("." if label == "Dot" else "?" if label == "unknown" else label)
        return 1

    def score(self) -> ET.Element:
        """Return the whole score."""
        for _, symbol in self.waiting:
            self._add_words(symbol.label)
        if not self.has_clef:
            self._add_default_clef()
        root = ET.Element("score-partwise", version="4.0")
        part = ET.SubElement(ET.SubElement(root, "part-list"), "score-part", id="P1")
        ET.SubElement(part, "part-name").text = "Handwriting"
        ET.SubElement(root, "part", id="P1").extend(self.measures)
        ET.indent(root)
        return root

    def _add_default_clef(self) -> None:
        if not self.measures:
            self._measure()
        clef = ET.SubElement(self.measures[0][0], "clef")
        ET.SubElement(clef, "sign").text, ET.SubElement(clef, "line").text = CLEFS["G-Clef"][0], str(CLEFS["G-Clef"][1])

    def _measure(self) -> ET.Element:
        """Return the measure that is being written, a new one behind a barline."""
        if not self.is_open:
            measure = ET.Element("measure", number=str(len(self.measures) + 1))
            self.measures.append(measure)
            if len(self.measures) == 1:
                ET.SubElement(ET.SubElement(measure, "attributes"), "divisions").text = str(DIVISIONS)
            self.is_open = True
        return self.measures[-1]

    def _attributes(self) -> ET.Element:
        measure = self._measure()
        last = measure[-1] if len(measure) else None
        return last if last is not None and last.tag == "attributes" else ET.SubElement(measure, "attributes")

    def _add_clef(self, label: str, following: list[Symbol]) -> int:
        sign, line = CLEFS[label]
        self.clef, self.has_clef = sign, True
        fifths, n_used = _key_signature(following, self.staff)
        attributes = self._attributes()
        if n_used:
            order = _SHARP_ORDER if fifths > 0 else _SHARP_ORDER[::-1]
            self.key = dict.fromkeys(order[: abs(fifths)], 1 if fifths > 0 else -1)
            key = ET.Element("key")
            ET.SubElement(key, "fifths").text = str(fifths)
            _insert(attributes, key)
        clef = ET.Element("clef")
        ET.SubElement(clef, "sign").text = sign
        ET.SubElement(clef, "line").text = str(line)
        _insert(attributes, clef)
        return n_used

    def _add_time(self, label: str) -> None:
        beats, beat_type = TIMES[label]
        named = {"Common-Time": {"symbol": "common"}, "Cut-Time": {"symbol": "cut"}}.get(label, {})
        time = ET.Element("time", named)
        ET.SubElement(time, "beats").text = beats
        ET.SubElement(time, "beat-type").text = beat_type
        _insert(self._attributes(), time)

    def _add_note(self, symbol: Symbol, n_dots: int) -> None:
        is_rest = symbol.label in REST_TYPES
        kind = rest_type(symbol, self.staff) if is_rest else NOTE_TYPES[symbol.label]
        while not is_rest and len(self.waiting) > 1:
            self._add_words(self.waiting.pop(0)[1].label)
        note = ET.SubElement(self._measure(), "note")
        accidental = None
        if is_rest:
            ET.SubElement(note, "rest")
        else:
            accidental = self._add_pitch(note, staff_position(symbol, self.staff))
        duration = _QUARTERS[kind] * (2 - 0.5**n_dots) * DIVISIONS
        ET.SubElement(note, "duration").text = str(round(duration))
        ET.SubElement(note, "voice").text = "1"
        ET.SubElement(note, "type").text = kind
        for _ in range(n_dots):
            ET.SubElement(note, "dot")
        if accidental is not None:
            ET.SubElement(note, "accidental").text = _NAMES[accidental]

    def _add_pitch(self, note: ET.Element, position: int) -> int | None:
        """Write the pitch of a note and return the accidental before it."""
        height = _BOTTOM_LINES[self.clef] + position
        step, octave = _STEPS[height % 7], height // 7
        accidental = self.waiting.pop()[0] if self.waiting else None
        if accidental is not None:
            self.altered[height] = accidental
        alter = self.altered.get(height, self.key.get(step, 0))
        pitch = ET.SubElement(note, "pitch")
        ET.SubElement(pitch, "step").text = step
        if alter:
            ET.SubElement(pitch, "alter").text = str(alter)
        ET.SubElement(pitch, "octave").text = str(octave)
        return accidental

    def _add_words(self, words: str) -> None:
        direction = ET.SubElement(self._measure(), "direction", placement="above")
        ET.SubElement(ET.SubElement(direction, "direction-type"), "words").text = words


_ORDER = ("divisions", "key", "time", "clef")


def _insert(attributes: ET.Element, child: ET.Element) -> None:
    """Put a child where the schema wants it, in place of one of its kind."""
    for old in attributes.findall(child.tag):
        attributes.remove(old)
    place = sum(_ORDER.index(other.tag) < _ORDER.index(child.tag) for other in attributes)
    attributes.insert(place, child)


def _count_dots(following: list[Symbol]) -> int:
    n_dots = 0
    while n_dots < min(_MOST_DOTS, len(following)) and following[n_dots].label == "Dot":
        n_dots += 1
    return n_dots


def _key_signature(following: list[Symbol], staff: Staff) -> tuple[int, int]:
    """Return the fifths of the key signature that follows a clef, and how many symbols it takes; 0 and 0 for none."""
    n = 0
    while n < len(following) and n < len(_SHARP_ORDER) and following[n].label in {"Sharp", "Flat"}:
        if following[n].label != following[0].label:
            return 0, 0
        n += 1
    if not n:
        return 0, 0
    behind = following[n] if n < len(following) else None
    if n == 1 and behind is not None and behind.label in NOTE_TYPES:
        apart = abs(staff_position(following[0], staff) - staff_position(behind, staff))
        if apart <= 1:
            return 0, 0
    return (n if following[0].label == "Sharp" else -n), n

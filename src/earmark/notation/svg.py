"""Engraving: a line that was read, in print, as one SVG that needs nothing else."""

from __future__ import annotations

from functools import cache
from importlib import resources
from xml.etree import ElementTree as ET

from earmark.notation.staff import ACCIDENTALS, MIDDLE, N_LINES, rest_type, staff_of, staff_position
from earmark.types import Line, Staff, Symbol

SPACE = 250
"""Units of the outlines between two lines of the staff."""
_SVG = "http://www.w3.org/2000/svg"
_MARGIN = 200
_BETWEEN = 190
"""Paper between two symbols."""
_BEHIND = {"Flat": 70, "Sharp": 70, "Natural": 70, "Double-Sharp": 90}
"""Paper behind an accidental, which belongs to the next note."""
_BEFORE_DOT = 80
_STAFF_STROKE, _LEDGER_STROKE, _LEDGER_REACH = 26, 32, 90
_HIGHEST_STEM_UP = MIDDLE - 1
_STEM_X, _STEM_LENGTH, _STEM_STROKE = 15, 875, 30
_HEADS = {"Half-Note": 341, "Quarter-Note": 332}
"""Notes without flags, whose heads those with flags share, and their widths."""
_N_FLAGS = {"Eighth-Note": 1, "Sixteenth-Note": 2, "Thirty-Two-Note": 3, "Sixty-Four-Note": 4}
_FLAG = "c20 -150 290 -250 210 -600 c15 190 -80 360 -210 440z"
_FLAG_APART = 190
_HEAD_POSITION = 2
"""Where the outlines of notes have their heads; accidentals, dots and rests are drawn around the middle line."""


def engrave(line: Line) -> str:
    """Return the printed line as SVG.

    Every symbol is a group with ``data-symbol``, its place in the line. What is unknown is a question mark in a box.
    The ink has the colour of the text around it (``currentColor``).
    """
    staff = staff_of(line)
    root = ET.Element("svg", xmlns=_SVG, role="img")
    rules = ET.SubElement(
        root, "path", {"class": "staff", "stroke": "currentColor", "stroke-width": str(_STAFF_STROKE)}
    )
    x, low, high = float(_MARGIN), 0.0, -float((N_LINES - 1) * SPACE)
    previous = ""
    for place, symbol in enumerate(line.symbols):
        if symbol.label == "Dot" and previous.endswith(("-Note", "-Rest")):
            x += _BEFORE_DOT - _BETWEEN
        group = ET.SubElement(
            root, "g", {"class": "symbol", "data-symbol": str(place), "transform": f"translate({x:g} 0)"}
        )
        width, top, bottom = _draw(group, symbol, staff)
        ET.SubElement(group, "title").text = symbol.label
        # Something to hit, also between thin lines.
        hit = {"x": "-40", "y": f"{top:g}", "width": f"{width + 80:g}", "height": f"{bottom - top:g}", "fill": "none"}
        ET.SubElement(group, "rect", {**hit, "pointer-events": "all"})
        low, high = max(low, bottom), min(high, top)
        x += width + (_BEHIND.get(symbol.label, _BETWEEN) if symbol.label in ACCIDENTALS else _BETWEEN)
        previous = symbol.label
    width = max(x - _BETWEEN + _MARGIN, 8 * SPACE)
    rules.set("d", "".join(f"M0 {-SPACE * rule}H{width:g}" for rule in range(N_LINES)))
    top = high - 2 * SPACE
    height = low + 2 * SPACE - top
    root.set("viewBox", f"0 {top:g} {width:g} {height:g}")
    root.set("width", f"{width / SPACE:.2f}em")
    root.set("height", f"{height / SPACE:.2f}em")
    root.set("aria-label", _description(line))
    return ET.tostring(root, encoding="unicode")


def _description(line: Line) -> str:
    return f"Staff with {', '.join(symbol.label for symbol in line.symbols)}" if line.symbols else "Empty staff"


@cache
def _outlines() -> dict[str, ET.Element]:
    text = resources.files("earmark.notation").joinpath("symbols.svg").read_text(encoding="utf-8")
    return {str(symbol.get("id")): symbol for symbol in ET.fromstring(text)}  # noqa: S314 - a file of our own


def _draw(group: ET.Element, symbol: Symbol, staff: Staff) -> tuple[float, float, float]:
    """Draw one symbol at x = 0; return its width, and its highest and lowest y."""
    label = symbol.label
    if label not in _outlines():
        return _question_mark(group, label)
    position = staff_position(symbol, staff)
    _, top, width, height = (float(number) for number in str(_outlines()[label].get("viewBox")).split())
    if label.endswith("-Note"):
        _ledger_lines(group, position, 332 if label in _N_FLAGS else width)
        if position > _HIGHEST_STEM_UP and label != "Whole-Note":
            return _stem_down(group, label, position)
        shift = -(position - _HEAD_POSITION) * SPACE / 2
    elif label in ACCIDENTALS:
        shift = -(position - MIDDLE) * SPACE / 2
    elif label == "Dot":
        # A dot beside a line would not be seen.
        shift = -((position | 1) - (MIDDLE + 1)) * SPACE / 2
    elif label == "Whole-Half-Rest" and rest_type(symbol, staff) == "half":
        shift = SPACE / 2 + 20
    else:
        shift = 0.0
    _outline(group, label, f"translate(0 {shift:g})" if shift else "")
    return width, top + shift, top + height + shift


def _outline(group: ET.Element, label: str, transform: str) -> None:
    part = ET.SubElement(group, "g", {"transform": transform} if transform else {})
    for child in _outlines()[label]:
        part.append(ET.Element("path", {**child.attrib, "fill": "currentColor"}))


def _ledger_lines(group: ET.Element, position: int, width: float) -> None:
    below, above = range(-2, position - 1, -2), range(2 * N_LINES, position + 1, 2)
    heights = [-rule * SPACE / 2 for rule in (*below, *above)]
    if heights:
        lines = "".join(f"M{-_LEDGER_REACH} {y:g}H{min(width, 345) + _LEDGER_REACH:g}" for y in heights)
        ET.SubElement(group, "path", {"d": lines, "stroke": "currentColor", "stroke-width": str(_LEDGER_STROKE)})


def _stem_down(group: ET.Element, label: str, position: int) -> tuple[float, float, float]:
    """Draw a note whose stem hangs: the note without flags turned by half a turn around its head, and flags."""
    plain = label if label in _HEADS else "Quarter-Note"
    width, y = _HEADS[plain], -position * SPACE / 2
    # Half a turn about the middle of the head, which lies at `_HEAD_POSITION` in the outlines.
    _outline(group, plain, f"translate({width} {y - _HEAD_POSITION * SPACE / 2:g}) rotate(180)")
    n_flags = _N_FLAGS.get(label, 0)
    bottom = y + _STEM_LENGTH + _FLAG_APART * max(0, n_flags - 2)
    if n_flags:
        stem = {"d": f"M{_STEM_X} {y:g}V{bottom:g}", "stroke": "currentColor", "stroke-width": str(_STEM_STROKE)}
        ET.SubElement(group, "path", stem)
    for flag in range(n_flags):
        path = f"M{_STEM_X} {bottom - flag * _FLAG_APART:g}{_FLAG}"
        ET.SubElement(group, "path", {"d": path, "fill": "currentColor"})
    return (width if n_flags == 0 else width + 40), y - SPACE / 2, bottom


def _question_mark(group: ET.Element, label: str) -> tuple[float, float, float]:
    box = {"x": "0", "y": str(-4 * SPACE), "width": "500", "height": str(4 * SPACE), "fill": "none"}
    ET.SubElement(group, "rect", {**box, "stroke": "currentColor", "stroke-width": "20", "stroke-dasharray": "60 50"})
    place = {"x": "250", "y": str(-1.4 * SPACE), "font-size": "560", "text-anchor": "middle", "fill": "currentColor"}
    ET.SubElement(group, "text", place).text = "?" if label == "unknown" else label[:1]
    return 500.0, -4.0 * SPACE, 0.0

"""Positions on a staff, and what the labels of HOMUS mean in music."""

from __future__ import annotations

import numpy as np

from earmark.types import Line, Staff, Symbol

N_LINES = 5
MIDDLE = 4
"""Staff position of the middle line; the lowest line is 0, and every line or space above counts one more."""
LOWEST, HIGHEST = -12, 20
"""Staff positions beyond which nothing is written."""

NOTE_TYPES = {
    "Whole-Note": "whole",
    "Half-Note": "half",
    "Quarter-Note": "quarter",
    "Eighth-Note": "eighth",
    "Sixteenth-Note": "16th",
    "Thirty-Two-Note": "32nd",
    "Sixty-Four-Note": "64th",
}
REST_TYPES = {
    "Whole-Half-Rest": "whole",  # or half: see `rest_type`
    "Quarter-Rest": "quarter",
    "Eighth-Rest": "eighth",
    "Sixteenth-Rest": "16th",
    "Thirty-Two-Rest": "32nd",
    "Sixty-Four-Rest": "64th",
}
ACCIDENTALS = {"Flat": -1, "Natural": 0, "Sharp": 1, "Double-Sharp": 2}
CLEFS = {"G-Clef": ("G", 2), "F-Clef": ("F", 4), "C-Clef": ("C", 3)}
TIMES = {
    label: (label.split("-")[0], label.split("-")[1])
    for label in ("12-8-Time", "2-2-Time", "2-4-Time", "3-4-Time", "3-8-Time", "4-4-Time", "6-8-Time", "9-8-Time")
} | {"Common-Time": ("4", "4"), "Cut-Time": ("2", "2")}

_USUAL_SPACE_OF = {"Barline": 4.0, "G-Clef": 7.5, "F-Clef": 3.6, "C-Clef": 4.2}
"""Heights in staff spaces of what stands on every staff."""


def staff_of(line: Line) -> Staff:
    """Return the staff of a line: its own, or one guessed from symbols that stand in the middle of every staff.

    Barlines, C clefs and time signatures do; where there are none, the notes decide, which then lie around the middle.
    """
    if line.staff is not None:
        return line.staff
    symbols = line.symbols
    sizes = [
        (symbol.box[3] - symbol.box[1]) / height
        for symbol in symbols
        for label, height in _USUAL_SPACE_OF.items()
        if symbol.label == label and symbol.box[3] > symbol.box[1]
    ]
    heights = [symbol.box[3] - symbol.box[1] for symbol in symbols if symbol.label.endswith("-Note")]
    space = float(np.median(sizes)) if sizes else float(np.median(heights)) / 3.5 if heights else 0.0
    centred = [symbol for symbol in symbols if symbol.label in {"Barline", "C-Clef"} or symbol.label in TIMES]
    middle = [(symbol.box[1] + symbol.box[3]) / 2 for symbol in centred] or [symbol.anchor for symbol in symbols]
    space = space if space > 0 else 1.0
    return Staff((float(np.median(middle)) if middle else 0.0) - 2 * space, space)


def staff_position(symbol: Symbol, staff: Staff) -> int:
    """Return where on the staff a symbol stands: 0 on the lowest line, 1 in the space above it, 8 on the highest.

    >>> from earmark.types import Symbol
    >>> staff_position(Symbol("Whole-Note", 1.0, (0,), (0, 35, 12, 45), anchor=40.0), Staff(top=0.0, space=10.0))
    0
    """
    position = round(2 * ((N_LINES - 1) - (symbol.anchor - staff.top) / staff.space))
    return max(LOWEST, min(HIGHEST, position))


def rest_type(symbol: Symbol, staff: Staff) -> str:
    """Return the type of a rest; a bar that hangs from the fourth line is a whole rest, one that sits lower a half."""
    if symbol.label == "Whole-Half-Rest":
        height = 2 * ((N_LINES - 1) - (symbol.anchor - staff.top) / staff.space)
        return "half" if height < MIDDLE + 1 else "whole"
    return REST_TYPES[symbol.label]

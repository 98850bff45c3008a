"""A piano keyboard in the terminal: 52 columns, black keys above white ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_WHITE, _BLACK, _LIT = "grey50 on grey93", "grey50 on grey15", "bold black on orange1"
_BLACK_PITCH_CLASSES = frozenset({1, 3, 6, 8, 10})
_BORDER, _MARK = "▏", "●"


def keyboard(lit: Collection[int]) -> Text:
    """Return the 88 keys in three lines, those with the MIDI numbers `lit` marked, and the names of the Cs."""
    from rich.text import Text

    from earmark.units import LOWEST_KEY_MIDI, N_PIANO_KEYS, note_name

    keys = range(LOWEST_KEY_MIDI, LOWEST_KEY_MIDI + N_PIANO_KEYS)
    black, white, names = Text(), Text(), ""
    for midi in keys:
        if _is_black(midi):
            continue
        sharp = midi + 1 if midi + 1 in keys and _is_black(midi + 1) else None
        white.append(_MARK if midi in lit else _BORDER, _LIT if midi in lit else _WHITE)
        # A black key stands above the white key to its left.
        black.append(
            _MARK if sharp in lit else _BORDER if sharp else " ", _LIT if sharp in lit else _BLACK if sharp else _WHITE
        )
        names = names.ljust(len(white) - 1) + (note_name(midi) if midi % 12 == 0 else "")
    return Text("\n").join([black, white, Text(names, "dim")])


def _is_black(midi: int) -> bool:
    return midi % 12 in _BLACK_PITCH_CLASSES

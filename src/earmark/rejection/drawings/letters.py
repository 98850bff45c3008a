"""Letters, digits and signs that are no music symbols, as ideal strokes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.config import Registry
from earmark.rejection.drawings.glyphs import glyph_strokes
from earmark.rejection.drawings.hand import Drawer, Stroke

LETTERS: Registry[Drawer] = Registry("kind of letters")

LOOK_ALIKES = frozenset("CcIiloOXxbdpqPy7V|0.-")
"""Latin characters that a hand draws as it draws a music symbol: common time, a barline, a whole note, a double sharp,
a flat, half notes, an eighth rest, a dot. Nothing about out-of-distribution drawings can be learned from them."""

_SLOPING = ("DejaVuSans-Oblique", "STIXGeneralItalic", "DejaVuSerif-Italic")
_LATIN = ("DejaVuSans", "DejaVuSansMono", "cmss10", "cmti10", "cmmi10", *_SLOPING)
_EUROPEAN = ("DejaVuSans", "DejaVuSansMono", "STIXGeneral", *_SLOPING)


def _characters(first: int, last: int, *, without: str = "") -> str:
    return "".join(chr(code) for code in range(first, last + 1) if chr(code) not in without)


_CAPITALS = "".join(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in LOOK_ALIKES)
_SMALL = "".join(c for c in "abcdefghijklmnopqrstuvwxyz" if c not in LOOK_ALIKES)

ALPHABETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "latin-capitals": (_CAPITALS, _LATIN),
    "latin-small": (_SMALL, _LATIN),
    "digits": ("12345689", _LATIN),
    "greek": ("ΓΔΘΛΞΠΣΦΨΩαβγδεζηθκλμνξπσςυφχψω", _EUROPEAN),
    "cyrillic": ("БГДЖЗИЙЛПФЦЧШЩЪЫЭЮЯбвгджзийклмнптфцчшщъыэюя", _EUROPEAN),
    "armenian": (_characters(0x531, 0x556), ("DejaVuSans", "DejaVuSansMono")),
    "georgian": (_characters(0x10D0, 0x10F0), ("DejaVuSans", "DejaVuSansMono")),
    "hebrew": (_characters(0x5D0, 0x5EA, without="וסןי"), ("DejaVuSans",)),
    "arabic": (_characters(0x628, 0x63A) + _characters(0x641, 0x64A, without="ه"), ("DejaVuSans", "DejaVuSansMono")),
    "tifinagh": ("ⴳⴵⴶⴷⴸⴹⴺⴻⴼⴽⴾⴿⵀⵃⵄⵅⵆⵇⵊⵍⵎⵐⵖⵚⵛⵜⵞⵟⵠⵡⵢⵣⵥ", ("DejaVuSans",)),
    "syllabics": ("ᐁᐃᐅᐊᑌᑎᑐᒉᒋᒍᒐᒣᒥᒧᒪᓀᓂᓄᓇᓓᓕᓗᓚᓭᓯᓱᓴᔦᔨᔪᔭ", ("DejaVuSans",)),
    "lao": ("ກຂຄງຈຊຍດຕຖທນບປຜຝພຟມຢຣລວສຫອຮ", ("DejaVuSans", "DejaVuSansMono")),
    "signs": ("@&%$€£?§¶∑∏∫∞√≈≠±÷≤≥∂∇∈∀∃∪∩⊂⊕∠⊥∴<>{}[]*+=~^", ("DejaVuSans", "STIXGeneral")),
}

# Strokes through a grid of 3 columns and 5 rows, corners named by column and row from the upper left.
_BLOCK: dict[str, str] = {
    "A": "04 10 24|03 23", "B": "00 04 24 22 02|00 20 22", "D": "00 04 14 23 21 10 00", "E": "20 00 04 24|02 12",
    "F": "20 00 04|02 12", "G": "20 00 04 24 22 12", "H": "00 04|20 24|02 22", "J": "20 24 04 03",
    "K": "00 04|20 02 24", "L": "00 04 24", "M": "04 00 12 20 24", "N": "04 00 24 20", "P": "04 00 20 22 02",
    "Q": "00 20 24 04 00|13 24", "R": "04 00 20 22 02|12 24", "S": "20 00 02 22 24 04", "T": "00 20|10 14",
    "U": "00 04 24 20", "W": "00 04 12 24 20", "Y": "00 12 20|12 14", "Z": "00 20 04 24", "2": "00 20 22 02 04 24",
    "3": "00 20 24 04|02 22", "4": "00 02 22|20 24", "5": "20 00 02 22 24 04", "6": "20 00 04 24 22 02",
    "9": "22 02 00 20 24 04", "r": "02 04|03 12 22", "n": "02 04|03 12 22 24", "m": "02 04|03 12 14|13 22 24",
    "w": "02 04 13 24 22", "v": "02 14 22", "z": "02 22 04 24", "k": "00 04|22 03 24", "t": "10 14 24|01 21",
    "f": "20 10 14|02 22", "u": "02 04 24 22", "s": "22 02 03 23 24 04",
}  # fmt: skip


def _draw_alphabet(characters: str, fonts: Sequence[str]) -> Drawer:
    def draw(rng: np.random.Generator) -> Sequence[Stroke]:
        return glyph_strokes(characters[rng.integers(len(characters))], fonts[int(rng.integers(len(fonts)))])

    return draw


for _name, (_letters, _fonts) in ALPHABETS.items():
    LETTERS.register(_name)(_draw_alphabet(_letters, _fonts))


@LETTERS.register("block-letters")
def _block_letter(rng: np.random.Generator) -> Sequence[Stroke]:
    names = sorted(_BLOCK)
    width = rng.uniform(0.8, 2.0)
    code = _BLOCK[names[rng.integers(len(names))]]
    return [
        np.array([(width * int(corner[0]), int(corner[1])) for corner in stroke.split()], dtype=np.float64)
        for stroke in code.split("|")
    ]


@LETTERS.register("words")
def _word(rng: np.random.Generator) -> Sequence[Stroke]:
    """Two to four Latin letters beside each other; any may be among them, for it is the row that is no symbol."""
    small = "abcdefghijklmnopqrstuvwxyz"
    letters = small if rng.random() < 0.7 else small.upper()
    font = _LATIN[rng.integers(len(_LATIN))]
    strokes: list[Stroke] = []
    right = 0.0
    for _ in range(rng.integers(2, 5)):
        glyph = glyph_strokes(letters[rng.integers(26)], font)
        left = min(float(stroke[:, 0].min()) for stroke in glyph)
        strokes += [stroke + np.array([right - left, rng.normal(0, 1)]) for stroke in glyph]
        right = max(float(stroke[:, 0].max()) for stroke in strokes) + rng.uniform(2, 7)
    return strokes


@LETTERS.register("han")
def _han(rng: np.random.Generator) -> Sequence[Stroke]:
    """Level, upright, falling and hooked strokes in a square, in the manner of a Han character."""
    strokes: list[Stroke] = []
    for _ in range(rng.integers(4, 11)):
        x, y = rng.uniform(0, 1, 2)
        length = rng.uniform(0.25, 0.9)
        kind = rng.integers(5)
        if kind == 0:
            points = [(0.5 - length / 2, y), (0.5 + length / 2, y)]
        elif kind == 1:
            points = [(x, 0.5 - length / 2), (x, 0.5 + length / 2)]
        elif kind == 2:
            points = [(x, y), (x - 0.15, y + 0.2 * length), (x - 0.35, y + 0.5 * length)]
        elif kind == 3:
            points = [(x, y), (x + 0.15, y + 0.3 * length), (x + 0.4, y + 0.5 * length)]
        else:
            points = [(0.1, y / 2), (0.9, y / 2), (0.9, y / 2 + length / 2), (0.8, y / 2 + length / 2 - 0.08)]
        strokes.append(np.array(points))
    return strokes

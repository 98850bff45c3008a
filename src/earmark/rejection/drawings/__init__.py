"""Synthetic out-of-distribution drawings: letters, signs and doodles that are no music symbols.

Letters and signs are followed by pen from fonts, doodles are shapes made up here. What looks like a symbol when
drawn by hand is left out: see `earmark.rejection.drawings.letters.LOOK_ALIKES`.
"""

from __future__ import annotations

import numpy as np

from earmark.errors import UnknownNameError
from earmark.rejection.drawings.doodles import DOODLES
from earmark.rejection.drawings.hand import by_hand
from earmark.rejection.drawings.letters import LETTERS
from earmark.types import Ink

_DRAWERS = {**LETTERS, **DOODLES}

FAMILIES: dict[str, tuple[str, ...]] = {
    "latin letters": ("latin-capitals", "latin-small", "block-letters", "words"),
    "other letters": (
        *("greek", "cyrillic", "armenian", "georgian"),
        *("hebrew", "arabic", "tifinagh", "syllabics", "lao", "han"),
    ),
    "digits and signs": ("digits", "signs"),
    "lines": (
        *("wandering-line", "random-walk", "angular-line", "scattered-lines", "scribble", "signature"),
        *("spiral", "zigzag", "wave", "loops", "grid", "hatching", "rings", "infinity", "bars", "ladder"),
    ),
    "pictures": (
        *("star", "asterisk", "heart", "polygon", "box", "cube", "arrow", "lightning", "check-mark", "moon"),
        *("house", "tree", "flower", "sun", "cloud", "cup", "boat", "car", "umbrella", "eye"),
        *("smiley", "cat", "stick-figure", "fish"),
    ),
}
"""Kinds that are near each other; a family is left out to measure how unforeseen kinds are rejected."""


def ood_kinds() -> tuple[str, ...]:
    """Return the kinds of letters and doodles that `make_ood` draws."""
    return tuple(_DRAWERS)


def make_ood(kind: str, rng: np.random.Generator) -> Ink:
    """Draw a letter or a doodle of a kind, as some hand might.

    Parameters
    ----------
    kind
        One of `ood_kinds`.
    rng
        Decides on everything; the same state gives the same drawing.

    Raises
    ------
    UnknownNameError
        When there is no such kind.
    MissingExtraError
        When letters are wanted and Matplotlib, whose fonts they are followed from, is not installed.
    """
    if kind not in _DRAWERS:
        raise UnknownNameError("kind of out-of-distribution drawing", kind, _DRAWERS)
    return by_hand(_DRAWERS[kind](rng), rng)

"""Drawings that are no music symbols, for a recognizer to learn what it does not know.

Letters and signs are followed by pen from fonts, doodles are shapes made here, and `disturb` spoils real symbols. All
that a hand draws alike with a symbol is left out: see `earmark.ink.letters.LOOK_ALIKES`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.errors import UnknownNameError
from earmark.ink.doodles import DOODLES
from earmark.ink.hand import Stroke, by_hand
from earmark.ink.letters import LETTERS
from earmark.types import Ink

_DRAWERS = {**LETTERS, **DOODLES}


def foreign_kinds() -> tuple[str, ...]:
    """Return the kinds of letters and doodles that `make_foreign` draws."""
    return tuple(_DRAWERS)


def make_foreign(kind: str, rng: np.random.Generator) -> Ink:
    """Draw a letter or a doodle of a kind, as some hand might.

    Parameters
    ----------
    kind
        One of `foreign_kinds`.
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
        raise UnknownNameError("kind of foreign drawing", kind, _DRAWERS)
    return by_hand(_DRAWERS[kind](rng), rng)


def disturb(ink: Ink, other: Ink, rng: np.random.Generator) -> Ink:
    """Spoil a drawing of a real hand so that it is no single upright symbol any more.

    It is crossed out, turned onto its side, or drawn together with another one: over it or beside it.

    Parameters
    ----------
    ink, other
        Two symbols of several parts; plain ones such as dots, rings and lines can together make another symbol.
    rng
        Decides which and how.
    """
    points = np.concatenate(ink.strokes)
    longest = max(float(np.ptp(points, axis=0).max()), 1.0)
    first, second = _unit(ink), _unit(other)
    match rng.integers(4):
        case 0:
            spoilt = _crossed_out(first, rng)
        case 1:
            spoilt = _on_its_side(first, rng)
        case 2:
            spoilt = [*first, *[stroke + rng.normal(0, 0.1, 2) for stroke in second]]
        case _:
            spoilt = _beside(first, second, rng)
    return Ink(tuple((longest * stroke).astype(np.float32) for stroke in spoilt))


def _unit(ink: Ink) -> list[Stroke]:
    """Return the strokes around the origin, the longest side 1."""
    points = np.concatenate(ink.strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    longest = max(float((high - low).max()), 1e-9)
    return [(stroke - (low + high) / 2) / longest for stroke in ink.strokes]


def _crossed_out(ink: Sequence[Stroke], rng: np.random.Generator) -> list[Stroke]:
    n = int(rng.integers(1, 5))
    if n < 3:
        return [*ink, *[rng.uniform(0.35, 0.6) * np.array([[-1, s], [1, -s]]) for s in (1, -1)[:n]]]
    across = np.stack([np.linspace(-0.5, 0.5, 2 * n), 0.4 * (-1.0) ** np.arange(2 * n)], axis=1)
    return [*ink, across + rng.normal(0, 0.05, across.shape)]


def _on_its_side(ink: Sequence[Stroke], rng: np.random.Generator) -> list[Stroke]:
    turn = np.array([[0, 1], [-1, 0]]) * rng.choice([-1, 1])
    return [stroke @ turn for stroke in ink]


def _beside(ink: Sequence[Stroke], other: Sequence[Stroke], rng: np.random.Generator) -> list[Stroke]:
    left = np.concatenate(list(ink))[:, 0].max() - np.concatenate(list(other))[:, 0].min()
    away = np.array([left + rng.uniform(0.05, 0.3), rng.normal(0, 0.1)])
    return [*ink, *[rng.uniform(0.9, 1.1) * stroke + away for stroke in other]]

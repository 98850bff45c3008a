"""Inputs of recognizers that read pictures and, beside each, a row of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.errors import UsageError
from earmark.features import PictureFusion
from earmark.recognizer.card import Card
from earmark.recognizer.inputs import Input


def reads_both(card: Card) -> bool:
    """Return whether a recognizer reads pictures and, beside each, a row of numbers."""
    return isinstance(card.features, PictureFusion)


def beside_rows(card: Card, pictures: Sequence[str], table: Path | None) -> list[Input]:
    """Return what a recognizer is given for pictures: each with its row of a table, where it reads both.

    A picture without a row has no numbers, so that whoever reads it refuses it by its name.

    Raises
    ------
    UsageError
        When the recognizer needs a table and there is none, or the other way round.
    DataError
        When the table is bad, or it is not clear which row is of which picture.
    """
    from earmark.data.numbers import read_named_rows, rows_of

    if reads_both(card) != (table is not None):
        raise UsageError(
            f"{card.name} reads pictures with numbers; add --table CSV with a row for each picture"
            if table is None
            else f"{card.name} reads {card.features.domain} without numbers beside it; leave --table out"
        )
    if table is None:
        return list(pictures)
    rows = read_named_rows(table)
    places = rows_of(pictures, table)
    return [
        {"picture": picture, "numbers": None if place is None else rows.row(place)}
        for picture, place in zip(pictures, places, strict=True)
    ]

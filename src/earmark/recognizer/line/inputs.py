"""Inputs of `Recognizer.read`: strokes with or without a staff, from files, values of JSON and Python lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import DataError
from earmark.ink import make_ink, parse_strokes
from earmark.recognizer.inputs import Input, ink_input, input_name
from earmark.types import Image, Ink, Staff

_KEYS = frozenset({"strokes", "staff", "known", "symbols"})
"""``symbols`` is what was read before; it is written for people and read again from the strokes."""
_FORM = '{"strokes": [[[x, y], …], …], "staff": {"top": y, "space": s}, "known": [{"label": …, "strokes": [0, 1]}]}'


@dataclass(frozen=True, slots=True)
class Written:
    """What is to be read: a drawing, its staff, and the symbols that a person has named."""

    content: Ink | Image
    staff: Staff | None = None
    known: tuple[tuple[str, tuple[int, ...]], ...] = ()


def line_input(item: Input) -> Written:
    """Return what is to be read.

    Parameters
    ----------
    item
        As for `Recognizer.predict`; also a mapping, or a JSON file that holds one, with the keys ``strokes``,
        ``staff`` and ``known``; and HOMUS text without a label in its first line.

    Raises
    ------
    DataError
        When it is no drawing, cannot be read, or has a key or a value that is not allowed.
    """
    if isinstance(item, Mapping):
        return _of_mapping(item, where="the line")
    if isinstance(item, str | Path) and Path(item).suffix.lower() in {".json", ".txt"}:
        text = _text_of(Path(item))
        if text is not None:
            return _of_text(text, where=input_name(item), is_json=Path(item).suffix.lower() == ".json")
    return Written(ink_input(item))


def _text_of(path: Path) -> str | None:
    """Return the text of a stroke file; None when it cannot be read, which `ink_input` explains."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def _of_text(text: str, *, where: str, is_json: bool) -> Written:
    if is_json:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not valid JSON ({error}); give a list of strokes or {_FORM}") from error
        return _of_mapping(values, where=where) if isinstance(values, dict) else Written(make_ink(values, where=where))
    has_label = "," not in text.lstrip().partition("\n")[0]
    return Written(parse_strokes(text if has_label else f"line\n{text}", where=where)[1])


def _of_mapping(values: Mapping[str, Any], *, where: str) -> Written:
    if "strokes" not in values or set(values) - _KEYS:
        raise DataError(f"{where}: has the keys {sorted(map(str, values))}; give {_FORM}")
    ink = make_ink(values["strokes"], where=where)
    staff = values.get("staff")
    return Written(
        ink,
        None if staff is None else _staff(staff, where=where),
        _known(values.get("known", ()), n_strokes=len(ink.strokes), where=where),
    )


def _staff(values: Any, *, where: str) -> Staff:
    try:
        staff = Staff(float(values["top"]), float(values["space"]))
    except (TypeError, KeyError, ValueError):
        staff = Staff(0.0, 0.0)
    if not (abs(staff.top) < 1e6 and 0 < staff.space < 1e6):
        raise DataError(
            f'{where}: the staff is {str(values)[:60]}; give {{"top": y, "space": s}}, the height of its highest line'
            " and the distance of two lines, above 0, in the unit of the strokes"
        )
    return staff


def _known(values: Any, *, n_strokes: int, where: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    try:
        known = tuple((str(value["label"]), tuple(sorted(map(int, value["strokes"])))) for value in values)
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f'{where}: "known" is not a list of labels with their strokes; give {_FORM}') from error
    used = [stroke for _, group in known for stroke in group]
    if len(set(used)) < len(used) or not all(group for _, group in known) or not set(used) <= set(range(n_strokes)):
        raise DataError(
            f'{where}: "known" names strokes twice, none, or some that are not there; they are counted from 0 to'
            f" {n_strokes - 1}, each in one symbol at most"
        )
    return known

"""Reader of a feature table: a row of numbers for each track or excerpt, with its label."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from earmark.data.archive import array_sha256, join_member
from earmark.data.facts import gtzan_group
from earmark.data.manifest import UNKNOWN_GROUP, Example, Manifest
from earmark.data.readers.base import Reader
from earmark.data.table import LABEL_NAMES, is_table, label_of, read_columns, read_rows, read_table
from earmark.errors import DataError

log = logging.getLogger(__name__)

_EXCERPT = re.compile(r"^(?P<track>[^.]+\.\d{5})(?:\.\d+)?\.[A-Za-z0-9]+$")
_TELLTALE = frozenset({"filename", "chroma_stft_mean", "mfcc1_mean"})


def _recognises(source: Path) -> bool:
    return is_table(source) and "path" not in (columns := read_columns(source)) and bool(_TELLTALE & set(columns))


def read(source: Path) -> Manifest:
    """Read the rows; the group is the column group, or the track, or its artist where a catalogue knows it.

    Names like ``blues.00000.3.wav`` are the fourth excerpt of the GTZAN track ``blues.00000``; any other name is a
    track of its own. With neither group nor filename, groups are not known.

    Raises
    ------
    DataError
        When there is no label column, or a feature is not a finite number.
    """
    columns = read_columns(source)
    if "label" not in columns:
        raise DataError(
            f"{source}: has no column 'label'{_other_name(columns)}; name the column that says what each row is"
        )
    rows, table = read_rows(source), read_table(source)
    examples = []
    _warn_about_case(source, {label_of(cells) for cells in rows})
    for row, cells in enumerate(rows):
        if not label_of(cells):
            raise DataError(f"{source}, row {row + 2}: has no label; give it one or remove the row")
        track = _track(cells.get("filename", ""))
        examples.append(
            Example(
                path=join_member(source.name, row),
                label=label_of(cells),
                group=cells["group"].strip() if "group" in cells else gtzan_group(track) if track else UNKNOWN_GROUP,
                split=cells.get("split", "").strip() or None,
                sha256=array_sha256(table.values[row]),
                track=track,
            )
        )
    return Manifest(examples=tuple(examples), domain="table", root=source.parent, name=source.stem)


def _other_name(columns: Sequence[str]) -> str:
    """Return a suggestion when a column seems to hold the labels under another name."""
    found = next((name for name in columns if name.strip().lower() in LABEL_NAMES), None)
    return "" if found is None else f" (did you mean {found!r}? rename it to label)"


def _warn_about_case(source: Path, labels: set[str]) -> None:
    spelled: dict[str, list[str]] = {}
    for label in sorted(labels):
        spelled.setdefault(label.casefold(), []).append(label)
    for names in spelled.values():
        if len(names) > 1:
            log.warning("%s: %s seem to mean the same label; spell them alike", source, " and ".join(map(repr, names)))


def _track(filename: str) -> str:
    filename = filename.strip()
    excerpt = _EXCERPT.match(PurePosixPath(filename).name)
    return excerpt["track"] if excerpt else filename


READER = Reader("a feature table (csv or Parquet)", _recognises, read)

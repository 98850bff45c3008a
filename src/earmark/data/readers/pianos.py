"""Reader of single piano notes: a folder with ``labels.csv`` of the columns file, midi or note, and piano."""

from __future__ import annotations

from pathlib import Path

from earmark.data.manifest import Example, Manifest
from earmark.data.readers.base import Reader, as_stored
from earmark.data.table import is_table, read_columns, read_rows
from earmark.errors import DataError
from earmark.units import note_midi, note_name

_COLUMNS = frozenset({"file", "midi", "note", "piano"})


def _recognises(source: Path) -> bool:
    table = _table(source)
    if not is_table(table):
        return False
    columns = set(read_columns(table))
    return "file" in columns and bool(columns & {"midi", "note"})


def read(source: Path) -> Manifest:
    """Read the notes; the label is the note's name with sharps, the group is the piano.

    Raises
    ------
    DataError
        When a column is missing, a note is not one, midi and note disagree, or a file is not there.
    """
    table = _table(source)
    missing = {"file", "piano"} - set(read_columns(table))
    if missing:
        raise DataError(f"{table}: has no column {min(missing)!r}; needed are file, piano, and midi or note")
    rows = read_rows(table)
    files = as_stored(table, table.parent, (row["file"] for row in rows))
    examples = tuple(
        Example(files[row["file"]], _note(table, number, row), row["piano"].strip(), source=row["piano"].strip())
        for number, row in enumerate(rows, start=2)
    )
    return Manifest(examples=examples, domain="sound", root=table.parent, name=table.parent.name)


def _table(source: Path) -> Path:
    return source / "labels.csv" if source.is_dir() else source


def _note(table: Path, number: int, row: dict[str, str]) -> str:
    given = row.get("note", "").strip()
    named = note_midi(given) if given else None
    if given and named is None:
        raise DataError(f"{table}, row {number}: {given!r} is not a note; write A0, C#4 or Db4")
    text = row.get("midi", "").strip()
    if text and not (text.isdecimal() and int(text) <= 127):
        raise DataError(f"{table}, row {number}: midi is {text!r}; allowed are 0 to 127 (A0 is 21)")
    midi = int(text) if text else named
    if midi is None:
        raise DataError(f"{table}, row {number}: has neither midi nor note; give one")
    if named is not None and named != midi:
        raise DataError(f"{table}, row {number}: midi {midi} is {note_name(midi)}, not {given}; correct one of them")
    return note_name(midi)


READER = Reader("a pianos folder with labels.csv", _recognises, read)

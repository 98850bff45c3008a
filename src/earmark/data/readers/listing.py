"""Reader of a manifest as csv or Parquet: a line for each example, with at least the columns path and label."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

from earmark.data.archive import join_member, split_member
from earmark.data.manifest import COLUMNS, Example, Manifest
from earmark.data.readers.base import Reader, as_stored
from earmark.data.spreadsheet import to_numbers
from earmark.data.table import is_table, label_of, read_columns, read_rows
from earmark.errors import DataError, did_you_mean
from earmark.text import some, some_quoted
from earmark.types import Domain

log = logging.getLogger(__name__)

_TEXTS = ("source", "licence", "track", "numbers")


def _recognises(source: Path) -> bool:
    return is_table(source)


def read(source: Path) -> Manifest:
    """Read the listed examples; paths are relative to the folder of the list; without a group each file is its own.

    Raises
    ------
    DataError
        When a column is unknown or missing, a value is wrong, a file is not there, or sounds and drawings are mixed.
    """
    columns = read_columns(source)
    _refuse_columns(source, columns)
    rows = read_rows(source)
    files = sorted({split_member(row["path"])[0] for row in rows})
    tables = sorted({split_member(row["numbers"].strip())[0] for row in rows if row.get("numbers", "").strip()})
    stored = as_stored(source, source.parent, [*files, *tables])
    domain = _domain(source, [row["path"].strip() for row in rows])
    examples = tuple(_example(source, number, row, stored) for number, row in enumerate(rows, start=2))
    return Manifest(examples=examples, domain=domain, root=source.parent, name=source.stem)


def _refuse_columns(source: Path, columns: tuple[str, ...]) -> None:
    unknown = [column for column in columns if column not in COLUMNS]
    for column in unknown:
        if column and (hint := did_you_mean(column, COLUMNS)):
            raise DataError(f"{source}: unknown column {column!r}{hint}; allowed: {', '.join(COLUMNS)}")
    for needed in ("path", "label"):
        if needed not in columns:
            raise DataError(
                f"{source}: has no column {needed!r} among {some_quoted(columns)}; needed are path and label; a "
                "feature table is known by its column filename, a pianos list by file and midi"
            )
    if unknown:
        log.warning("%s: does not use the column(s) %s; --groups can name one", source, some(map(repr, unknown)))


def _example(source: Path, number: int, row: dict[str, str], stored: Mapping[str, str]) -> Example:
    file, member = split_member(row["path"])
    path = join_member(stored[file], member)
    try:
        return Example(
            path=path,
            label=label_of(row),
            group=row["group"].strip() if "group" in row else path,
            split=row.get("split", "").strip() or None,
            start_s=_seconds(row.get("start_s", "")),
            duration_s=_seconds(row.get("duration_s", "")),
            sha256=row.get("sha256", "").strip() or None,
            **{name: row.get(name, "").strip() for name in _TEXTS},
        )
    except DataError as error:
        raise DataError(f"{source}, row {number}: {error}") from error


def _seconds(text: str) -> float | None:
    if not text.strip():
        return None
    seconds = float(to_numbers([[text]])[0, 0])
    if not math.isfinite(seconds):
        raise DataError(f"{text!r} is not a number of seconds; write 1.5, or nothing for the whole file")
    return seconds


def _domain(source: Path, paths: list[str]) -> Domain:
    from earmark.ink import IMAGE_EXTENSIONS
    from earmark.sound import SOUND_EXTENSIONS

    domains: dict[Domain, str] = {}
    for path in paths:
        file, member = split_member(path)
        container = Path(file).suffix.lower()
        suffix = container if member is None else Path(member).suffix.lower()
        if member is not None and container != ".zip":
            domains.setdefault("picture" if container == ".npz" else "table", path)
        elif suffix in SOUND_EXTENSIONS:
            domains.setdefault("sound", path)
        elif suffix in IMAGE_EXTENSIONS or suffix == ".txt":
            domains.setdefault("ink", path)
        else:
            raise DataError(
                f"{source}: {path!r} is neither a sound, an image nor a stroke file; "
                f"allowed: {' '.join(sorted(SOUND_EXTENSIONS | IMAGE_EXTENSIONS))} .txt"
            )
    if len(domains) > 1:
        mixed = " and ".join(f"{domain} ({path})" for domain, path in domains.items())
        raise DataError(f"{source}: mixes {mixed}; make one manifest of each kind")
    return next(iter(domains))


READER = Reader("a csv or Parquet manifest", _recognises, read)

"""Exclusion lists: written by the doctor and honoured by every reader; deleting a line includes the example again."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from earmark.data.archive import join_member, split_member
from earmark.data.manifest import Manifest
from earmark.data.table import is_table, read_columns, read_rows
from earmark.errors import DataError
from earmark.files import write_csv
from earmark.storage import is_remote, join, open_binary, written

log = logging.getLogger(__name__)

COLUMNS = ("path", "kind", "why", "data")
"""The last is the data that the list belongs to, relative to the list; it makes the list itself a source."""


def quarantine_of(source: Path) -> Path:
    """Return the list that belongs to a source and is left out without being asked for.

    >>> quarantine_of(Path("set.zip")).as_posix()
    'set.zip.quarantine.csv'
    """
    return source / "quarantine.csv" if source.is_dir() else source.with_name(f"{source.name}.quarantine.csv")


def is_quarantine(source: Path) -> bool:
    """Return whether a file is such a list."""
    return is_table(source) and read_columns(source) == COLUMNS


def write_quarantine(path: Path, manifest: Manifest, *, source: Path, reasons: Iterable[tuple[str, str, str]]) -> int:
    """Write a list and return how many examples it leaves out.

    Parameters
    ----------
    path
        Of the list; written atomically.
    manifest, source
        What it belongs to, and where that was read from.
    reasons
        The path of an example, a kind and why, once for each example.
    """
    folder = path.absolute().parent
    prefix, data = _relative(manifest.root, folder), written(_relative(source, folder))
    located = ((split_member(where), kind, why) for where, kind, why in reasons)
    rows = (
        [join_member(written(join(prefix, file)), member), kind, why, data] for (file, member), kind, why in located
    )
    return write_csv(path, rows, columns=COLUMNS)


def data_of(path: Path) -> Path | None:
    """Return the source that a list belongs to; None when all its lines were deleted, so that it names none.

    Raises
    ------
    DataError
        When it names several.
    """
    sources = {row["data"] for row in read_rows(path)} if _has_rows(path) else set()
    if len(sources) > 1:
        raise DataError(f"{path}: names {len(sources)} data sets; keep the lines of one of them in each list")
    return _normal(join(path.parent, sources.pop())) if sources else None


def without(manifest: Manifest, path: Path) -> Manifest:
    """Return the examples that a list does not name; say how many it left out."""
    if not _has_rows(path):
        return manifest
    folder = path.absolute().parent
    named = {_place(folder, row["path"]) for row in read_rows(path)}
    kept = tuple(e for e in manifest.examples if _place(manifest.root.absolute(), e.path) not in named)
    n = len(manifest) - len(kept)
    if n:
        log.warning("%s leaves out %d of %d examples", path.name, n, len(manifest))
    return replace(manifest, examples=kept)


def _place(folder: Path, path: str) -> tuple[str, str | None]:
    file, member = split_member(path)
    return str(_normal(join(folder, file))), member


def _relative(path: Path, folder: Path) -> Path:
    """Return a path as it is written in a list in `folder`; what lies behind a URL keeps it."""
    return path if is_remote(path) or is_remote(folder) else Path(os.path.relpath(path.absolute(), folder))


def _normal(path: Path) -> Path:
    return path if is_remote(path) else Path(os.path.normpath(path))


def _has_rows(path: Path) -> bool:
    with open_binary(path) as stream:
        return sum(1 for _ in zip(stream, range(2), strict=False)) > 1

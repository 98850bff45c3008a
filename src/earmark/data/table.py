"""Tables: csv with the standard library, Parquet when pyarrow is there."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark import extras
from earmark.errors import DataError, UnreadableError, refusing
from earmark.files import cached_while_unchanged
from earmark.types import RealArray

NOT_FEATURES = frozenset({"filename", "length", "label", "group", "split"})
"""Columns of a feature table that are no features."""


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers with named columns.

    Attributes
    ----------
    names
        One a column.
    values
        float64 of shape ``(n_rows, n_columns)``, all finite.
    """

    names: tuple[str, ...]
    values: RealArray


def is_table(path: Path) -> bool:
    """Return whether `path` is a file that `read_rows` takes."""
    return path.is_file() and path.suffix.lower() in {".csv", ".parquet"}


def read_columns(path: Path) -> tuple[str, ...]:
    """Return the names of the columns."""
    if path.suffix.lower() == ".parquet":
        with _refusing_parquet(path):
            return tuple(_parquet(path).column_names)
    with _open(path) as rows:
        return tuple(next(rows, ()))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return every row as text by column; an empty cell is an empty text.

    Raises
    ------
    UnreadableError
        When it is no csv or Parquet, or not UTF-8.
    DataError
        When a row has more or fewer cells than the header, a name is used twice, or there is no row.
    """
    if path.suffix.lower() == ".parquet":
        found = [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in _parquet_rows(path)
        ]
    else:
        with _open(path) as rows:
            header = next(rows, [])
            _refuse_twice(path, header)
            found = [_by_column(path, number, header, row) for number, row in enumerate(rows, start=2) if row]
    if not found:
        raise DataError(f"{path}: has no rows; give a table with a header and at least one row")
    return found


@cached_while_unchanged(maxsize=4)
def read_table(path: Path) -> Table:
    """Return the numbers of a feature table: all columns but filename, length, label and group.

    Raises
    ------
    UnreadableError
        When the file cannot be read.
    DataError
        When a cell is not a finite number; it names the row and the column.
    """
    rows = read_rows(path)
    names = tuple(name for name in rows[0] if name not in NOT_FEATURES)
    if not names:
        raise DataError(f"{path}: has no feature columns; give columns of numbers beside filename, length and label")
    values = np.array([[_number(row[name]) for name in names] for row in rows], dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        given = rows[row][names[column]]
        raise DataError(
            f"{path}, row {row + 2}: {names[column]} is {given!r}; only finite numbers are features; "
            "correct it or remove the row"
        )
    values.flags.writeable = False
    return Table(names=names, values=values)


def parquet_modules(what: str) -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module; raise `MissingExtraError` when they are not installed."""
    extras.require(what, "train", "pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa, pq


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


class _open:  # noqa: N801
    """Open a csv for reading, and turn what can go wrong into one sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Iterator[list[str]]:
        try:
            self._stream = self._path.open(encoding="utf-8-sig", newline="")
        except OSError as error:
            raise UnreadableError(f"{self._path}: cannot be read ({error.strerror}); check the path") from error
        return csv.reader(self._stream)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._stream.close()
        if isinstance(error, (UnicodeDecodeError, csv.Error)):
            raise UnreadableError(f"{self._path}: is not a csv in UTF-8 ({error}); save it again as one") from error


def _parquet(path: Path) -> Any:
    _, parquet = parquet_modules(f"reading {path}")
    with _refusing_parquet(path):
        return parquet.read_table(path)


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    table = _parquet(path)
    # Damaged text is only found when it is decoded.
    with _refusing_parquet(path):
        rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _refusing_parquet(path: Path) -> AbstractContextManager[None]:
    return refusing(lambda error: UnreadableError(f"{path}: is not an intact Parquet file ({error}); write it again"))


def _refuse_twice(path: Path, header: Sequence[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the column {twice[0]!r} is there twice; rename or remove one")


def _by_column(path: Path, number: int, header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    if len(row) != len(header):
        raise DataError(f"{path}, row {number}: has {len(row)} cells, the header has {len(header)}; correct the row")
    return dict(zip(header, row, strict=True))

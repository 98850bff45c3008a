"""Tables: csv of any country, Parquet when pyarrow is there."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark import extras
from earmark.data.spreadsheet import read_cells, read_heading, to_numbers, what_is_wrong
from earmark.errors import DataError, UnreadableError, refusing
from earmark.files import cached_while_unchanged
from earmark.storage import open_binary, why
from earmark.text import encodable, normalized
from earmark.types import RealArray

log = logging.getLogger(__name__)

TABLE_EXTENSIONS = frozenset({".csv", ".tsv", ".parquet"})
SPREADSHEET_EXTENSIONS = frozenset({".xlsx", ".xls", ".ods", ".numbers"})
"""Of tables that are not read."""
NOT_FEATURES = frozenset({"filename", "length", "label", "group", "split"})
"""Columns of a feature table that are no features."""
LABEL_NAMES = ("label", "labels", "genre", "class", "target", "category", "y")
"""What people call the column that says what a row is; Earmark reads the first."""

_INDEX = re.compile(
    r"^(unnamed: ?\d+(_level_\d+)?(\.\d+)*|(index|level_\d+|id|row|row[ _]?(id|nr|no|number|names?)|nr|no|#|)\.?)$",
    re.IGNORECASE,
)
_FEWEST_STEPS = 10
_NO_LABEL = frozenset({"nan", "#n/a"})


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers with named columns.

    Attributes
    ----------
    names
        One a column.
    values
        float64 of shape ``(n_rows, n_columns)``, all finite.
    left_out
        Columns of the file that are no features, and why.
    """

    names: tuple[str, ...]
    values: RealArray
    left_out: tuple[tuple[str, str], ...] = ()

    def without(self, columns: Sequence[str]) -> Table:
        """Return the same rows without some columns; one that is not there is no error."""
        kept = [place for place, name in enumerate(self.names) if name not in columns]
        if len(kept) == len(self.names):
            return self
        return Table(tuple(self.names[place] for place in kept), self.values[:, kept])


def is_table(path: Path) -> bool:
    """Return whether `path` is a file that `read_rows` takes."""
    return path.is_file() and path.suffix.lower() in TABLE_EXTENSIONS


def read_columns(path: Path) -> tuple[str, ...]:
    """Return the names of the columns."""
    if path.suffix.lower() == ".parquet":
        with _refusing_parquet(path):
            return tuple(_parquet(path).column_names)
    with _reading(path):
        return tuple(read_heading(path))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return every row as text by column; an empty cell is an empty text.

    Raises
    ------
    UnreadableError
        When it is no csv or Parquet, or not text in Unicode.
    DataError
        When a row has more or fewer cells than the header, a name is used twice, or there is no row.
    """
    if path.suffix.lower() == ".parquet":
        found = [
            {name: "" if value is None else str(value) for name, value in row.items()} for row in _parquet_rows(path)
        ]
    else:
        with _reading(path):
            heading, *rows = read_cells(path)[1] or [[]]
        header = [name.strip() for name in heading]
        _refuse_twice(path, header)
        found = [_by_column(path, number, header, row) for number, row in enumerate(rows, start=2)]
        if header and not header[-1] and not any(row[header[-1]].strip() for row in found):
            # A comma at the end of every line.
            found = [{name: cell for name, cell in row.items() if name != header[-1]} for row in found]
    if not found:
        raise DataError(f"{path}: has no rows; give a table with a header and at least one row")
    return found


def label_of(row: Mapping[str, str]) -> str:
    """Return the label of a row; nothing where its cell says that there is none, as pandas writes it.

    >>> label_of({"label": " jazz "}), label_of({"label": "NaN"})
    ('jazz', '')
    """
    label = normalized(row["label"])
    return "" if label.lower() in _NO_LABEL else label


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
    candidates = tuple(name for name in rows[0] if name not in NOT_FEATURES)
    try:
        numbers = to_numbers([[row[name] for name in candidates] for row in rows], names=candidates)
        numbers = numbers.reshape(len(rows), len(candidates))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    left_out = {
        name: why
        for place, name in enumerate(candidates)
        if (why := _why_no_feature(name, numbers[:, place], rows[0][name]))
    }
    if left_out:
        reasons = "; ".join(f"{name!r}, which {why}" for name, why in left_out.items())
        log.warning("%s: leaves out the column(s) %s", path, reasons)
    kept = [place for place, name in enumerate(candidates) if name not in left_out]
    names, values = tuple(candidates[place] for place in kept), numbers[:, kept]
    if not names:
        raise DataError(f"{path}: has no feature columns; give columns of numbers beside filename, length and label")
    finite = np.isfinite(values)
    if not finite.all():
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        given = rows[row][names[column]]
        raise DataError(f"{path}, row {row + 2}: {names[column]} is {given!r}; {what_is_wrong(given)}")
    values.flags.writeable = False
    return Table(names=names, values=values, left_out=tuple(left_out.items()))


def parquet_modules(what: str) -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module; raise `MissingExtraError` when they are not installed."""
    extras.require(what, "train", "pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa, pq


def refuse_odd_names(names: Iterable[str]) -> None:
    """Raise `DataError` when names of files hold bytes that are no text, because Parquet cannot keep them."""
    for name in names:
        if encodable(name) != name:
            raise DataError(
                f"{name}: is a file name in another encoding than UTF-8, which Parquet cannot hold; rename the file, or"
                " write csv"
            )


def _why_no_feature(name: str, column: RealArray, first: str) -> str:
    """Return why a column says nothing about what a row is; nothing when it may be a feature."""
    if np.isnan(column).all():
        return f"holds no numbers (the first is {first!r})"
    return "only counts or names the rows" if _INDEX.match(name.strip()) else _order_given_away(column)


def _order_given_away(column: RealArray) -> str:
    """Return how whole numbers tell where each row is, as rows are often sorted by label; nothing when they do not."""
    steps = np.diff(column)
    if len(steps) < _FEWEST_STEPS or not (column % 1 == 0).all():
        return ""
    if steps[0] != 0 and (steps == steps[0]).all():
        return f"grows by {steps[0]:g} from row to row, so it gives the order of the rows away"
    if (steps > 0).all() or (steps < 0).all():
        return "grows or falls with every row, so it gives the order of the rows away"
    if (np.diff(np.sort(column)) == 1).all():
        return "numbers the rows in another order, so it gives away where each was"
    return ""


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({why(error)}); check the path") from error


def _parquet(path: Path) -> Any:
    _, parquet = parquet_modules(f"reading {path}")
    with _refusing_parquet(path), open_binary(path) as stream:
        return parquet.read_table(stream)


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
    if len(row) == len(header) + 1 and row[0].strip().isdecimal() and row[-1].strip():
        raise DataError(
            f"{path}, row {number}: has one cell more than the header, as R writes the names of rows; name that column,"
            " or write with row.names = FALSE"
        )
    if len(row) != len(header):
        raise DataError(f"{path}, row {number}: has {len(row)} cells, the header has {len(header)}; correct the row")
    return dict(zip(header, row, strict=True))

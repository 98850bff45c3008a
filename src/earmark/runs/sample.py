"""Sample submission of a competition: which ids and columns are to be filled, as found in files of any origin."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from earmark.data.spreadsheet import read_cells
from earmark.errors import DataError
from earmark.text import some_quoted, spellings_of_name

_INDEX_NAMES = re.compile(r"^(unnamed: ?\d+|index)?$", re.IGNORECASE)
_PATH_NAMES = frozenset({"path", "file", "filename", "file_name", "filepath", "file_path"})
_WHOLE = re.compile(r"^(\d+)\.0+$")


@dataclass(frozen=True)
class Sample:
    """A sample submission: which ids and columns are to be filled.

    Attributes
    ----------
    id_column, columns
        Names, as they stand; `columns` is one for the label, or one a label for its probability.
    ids
        In order, each once.
    line_end
        As in the sample.
    separator
        Of the cells.
    paths
        What to look for in place of each id, where the sample has a column of paths beside the ids; else the ids.
    path_column
        The name of that column; empty when there is none.
    """

    id_column: str
    columns: tuple[str, ...]
    ids: tuple[str, ...]
    line_end: str
    separator: str = ","
    paths: tuple[str, ...] = ()
    path_column: str = ""

    @property
    def wants_probabilities(self) -> bool:
        return len(self.columns) > 1

    @property
    def wanted(self) -> tuple[str, ...]:
        """What names the input of each row."""
        return self.paths or self.ids


def read_sample(path: str | Path) -> Sample:
    """Read a sample submission.

    Raises
    ------
    DataError
        When it is missing, no such table, begins with a column that only counts the rows, or names an id twice.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the sample submission of the competition")
    separator, rows = read_cells(path)
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise DataError(
            f"{path}: is not a sample submission; it needs a heading, an id column, one or more columns to fill, and "
            "as many cells in every row"
        )
    heading, *body = rows
    if len(heading) > 2 and _INDEX_NAMES.match(heading[0].strip()) and _counts([row[0] for row in body]):
        raise DataError(
            f"{path}: its first column {heading[0]!r} only counts the rows, so the ids seem to be in {heading[1]!r}; "
            "remove the first column, which pandas leaves out with index=False"
        )
    ids = tuple(row[0] for row in body)
    double = [name for name, count in Counter(ids).items() if count > 1]
    if double:
        raise DataError(f"{path}: names {some_quoted(double)} more than once; each id may stand once")
    place = next((i for i, name in enumerate(heading[1:], 1) if name.strip().lower() in _PATH_NAMES), 0)
    return Sample(
        id_column=heading[0],
        columns=tuple(name for i, name in enumerate(heading) if i not in (0, place)),
        ids=ids,
        line_end="\r\n" if b"\r\n" in path.read_bytes() else "\n",
        separator=separator,
        paths=tuple(row[place] for row in body) if place else (),
        path_column=heading[place] if place else "",
    )


def spellings(name: str) -> tuple[str, ...]:
    """Return the ways in which an id may be meant: as it stands, without blanks around it, 40 for 40.0.

    >>> spellings(" 40.0")
    (' 40.0', '40.0', '40')
    """
    names = spellings_of_name(name)
    whole = _WHOLE.match(names[-1])
    return (*names, *([whole[1]] if whole else []))


def _counts(cells: list[str]) -> bool:
    return cells in ([str(n) for n in range(len(cells))], [str(n) for n in range(1, len(cells) + 1)])

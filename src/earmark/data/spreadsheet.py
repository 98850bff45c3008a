"""Text of tables as spreadsheets of any country write them: encodings, separators, and what numbers look like."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earmark.errors import DataError, UnreadableError
from earmark.text import encodable
from earmark.types import RealArray

SEPARATORS = (",", ";", "\t", "|")
NO_VALUE = frozenset({"", "na", "n/a", "nan", "null", "none", "#n/a", "#na", "-", "--", "\u2013", "\u2014", "?", "."})
"""What stands in a cell without a value, in lower case."""

_OTHER_KINDS = {
    b"PK\x03\x04": "a spreadsheet or an archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet or an archive",
    b"\x1f\x8b": "compressed by gzip",
    b"PAR1": "Parquet, whose name ends in .parquet",
    b"<": "a page of HTML or XML",
    b"{": "JSON",
    b"[{": "JSON",
}
_NAMES = frozenset({"path", "filename", "group", "track"})
_SEPARATOR_LINE = re.compile(r'^"?sep=(.)"?$', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_HEADING_BYTES = 1 << 18
# Minus signs, separators and apostrophes of other scripts and keyboards; float() knows the digits of all.
_PLAIN = str.maketrans("\u2212\uff0d\ufe63\u066b\uff0e\u066c\uff0c\u2019\u00a0\u202f\u2009", "---..,,'   ")
_COMMAS = ",\u066c\uff0c"
_GROUP_GAP = re.compile(r"(?<=\d)[ '](?=\d{3}(?!\d))")
_COMMAS_GROUP = re.compile(r"^[+-]?(?!0)\d{1,3}(,\d{2,3})*,\d{3}$")
_POINTS_GROUP = re.compile(r"^[+-]?(?!0)\d{1,3}(\.\d{3})+$")
_WITH_COMMA = re.compile(r"^[+-]?(\d*|(?!0)\d{1,3}(\.\d{3})+),\d*([eE][+-]?\d+)?$")
_WITH_POINT = re.compile(r"^[+-]?(\d*|(?!0)\d{1,3}(,\d{2,3})*,\d{3})\.\d*([eE][+-]?\d+)?$")


def read_cells(path: Path) -> tuple[str, list[list[str]]]:
    """Return what separates the cells, and the rows with the heading first; rows that are all blank are left out.

    Names of files may hold bytes that are no text: in the columns of `_NAMES` they are kept, as Earmark writes them.

    Raises
    ------
    UnreadableError
        When it is empty, a spreadsheet that is no csv, or not UTF-8, UTF-16 or UTF-32.
    """
    data = path.read_bytes()
    _refuse_other_kinds(path, data)
    try:
        return _cells(path, _decoded(path, data))
    except UnreadableError:
        found = _with_odd_names(path, data)
        if found is None:
            raise
        return found


def read_heading(path: Path) -> list[str]:
    """Return the names of the columns, without blanks around them; raise as `read_cells`."""
    with path.open("rb") as stream:
        data = stream.read(_HEADING_BYTES)
    _refuse_other_kinds(path, data)
    is_whole = len(data) < _HEADING_BYTES
    try:
        text = _decoded(path, data, is_whole=is_whole)
    except UnreadableError:
        found = _with_odd_names(path, data) if is_whole else None
        if found is None:
            raise
        return [name.strip() for name in found[1][0]]
    first_lines = text if is_whole else text[: max(text.rfind("\n"), text.rfind("\r"))]
    rows = _cells(path, first_lines)[1]
    return [name.strip() for name in rows[0]] if rows else []


def separator_of(heading: str) -> str:
    """Return what separates the cells of a heading: the commonest mark outside of quotes.

    >>> separator_of("id;label"), separator_of("id,label"), separator_of('"a,b";c')
    (';', ',', ';')
    """
    bare = _QUOTED.sub("", heading)
    return max(SEPARATORS, key=bare.count)


def to_numbers(rows: Sequence[Sequence[str]], *, names: Sequence[str] = ()) -> RealArray:
    """Return the numbers of a table, NaN for cells that are none.

    Decimal marks are points or commas, in the whole table alike; the other mark may stand between thousands, as blanks
    and apostrophes may.

    Raises
    ------
    DataError
        When some numbers have decimal points and others decimal commas; it says where, by the `names` of the columns.
    """
    if not any(comma in cell for row in rows for cell in row for comma in _COMMAS):
        return np.array([[_number(cell, ".") for cell in row] for row in rows], dtype=np.float64)
    cells = [[bare(cell) for cell in row] for row in rows]
    points, commas = (_first_with(cells, mark, names) for mark in (".", ","))
    if points and commas:
        raise DataError(f"has numbers with decimal points ({points}) and with decimal commas ({commas}); choose one")
    mark = "." if points else "," if commas else "?"
    return np.array([[_number(cell, mark) for cell in row] for row in rows], dtype=np.float64)


def _first_with(cells: Sequence[Sequence[str]], mark: str, names: Sequence[str]) -> str:
    """Return the first number with a decimal mark and where it is; nothing when there is none."""
    for number, row in enumerate(cells, start=2):
        for column, cell in enumerate(row):
            if _marks(cell) == mark:
                return f"{cell} in row {number}, column {names[column]}" if names else cell
    return ""


def bare(cell: str) -> str:
    """Return a number with the signs of ASCII and no gaps between thousands, marks as they stand.

    >>> bare(" \u22121\u00a0234,5"), bare("(7)"), bare("'12"), bare("3-")
    ('-1234,5', '-7', '12', '-3')
    """
    cell = _GROUP_GAP.sub("", cell.translate(_PLAIN).strip().strip("'").strip())
    if cell.startswith("(") and cell.endswith(")"):
        return "-" + cell[1:-1]
    return "-" + cell[:-1] if cell.endswith("-") and cell[:1].isdigit() else cell


def what_is_wrong(cell: str) -> str:
    """Return why a cell is no number, and what to do."""
    if cell.strip().lower() in NO_VALUE:
        return "the cell is empty or says that there is no value; fill it or remove the row"
    if cell.strip().startswith("#"):
        return "a spreadsheet writes so what it could not compute or show; correct it there and save again"
    if _COMMAS_GROUP.match(bare(cell)):
        return "the comma may stand before decimals or between thousands; write 1234 or 1.234"
    if cell.strip().endswith("%"):
        return "only numbers are features; write it without the percent sign"
    return "only finite numbers are features; correct it or remove the row"


def _number(cell: str, mark: str) -> float:
    try:
        if "," not in cell and mark != ",":
            return float(cell)
    except ValueError:
        pass
    cell = bare(cell)
    if mark == "?" and "," in cell:
        return math.nan
    cell = cell.replace("." if mark == "," else ",", "") if _marks(cell) or _grouped(cell, mark) else cell
    try:
        return float(cell.replace(",", ".") if mark == "," else cell)
    except ValueError:
        return math.nan


def _grouped(cell: str, mark: str) -> bool:
    return bool((_POINTS_GROUP if mark == "," else _COMMAS_GROUP).match(cell))


def _marks(cell: str) -> str:
    """Return the decimal mark that a number shows to be used; nothing where it may be either.

    >>> [_marks(cell) for cell in ("0,5", "1.234,5", "1,234.5", "1.234.567", "1,234", "1.234", "12")]
    [',', ',', '.', ',', '', '', '']
    """
    if _COMMAS_GROUP.match(cell):
        return "." if cell.count(",") > 1 else ""
    if _POINTS_GROUP.match(cell):
        return "," if cell.count(".") > 1 else ""
    return "," if _WITH_COMMA.match(cell) else "." if _WITH_POINT.match(cell) else ""


def _refuse_other_kinds(path: Path, data: bytes) -> None:
    for mark, kind in _OTHER_KINDS.items():
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(mark):
            raise UnreadableError(f"{path}: is {kind}, not csv; save it as 'CSV UTF-8'")


def _decoded(path: Path, data: bytes, *, is_whole: bool = True) -> str:
    if not data.strip():
        raise UnreadableError(f"{path}: is empty; give a table with a heading and at least one row")
    try:
        # What is not whole may end within a letter.
        text = codecs.getincrementaldecoder(_encoding(data))().decode(data, final=is_whole)
        # Joined files have several marks of their encoding, and files of DOS an end of their own.
        return text.lstrip("\ufeff").rstrip("\0\x1a")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f"{path}: is not text in UTF-8 (the byte 0x{error.object[error.start]:02x} at {error.start}); save it as "
            "'CSV UTF-8'"
        ) from error


def _with_odd_names(path: Path, data: bytes) -> tuple[str, list[list[str]]] | None:
    """Return the cells of a table in UTF-8 but for names of files; None where other cells, or no files, are odd."""
    if not data.strip() or _encoding(data) != "utf-8-sig":
        return None
    separator, rows = _cells(path, data.decode("utf-8-sig", "surrogateescape"))
    heading = [name.strip() for name in rows[0]]
    for row in rows:
        for column, cell in zip(heading, row, strict=False):
            if cell.isascii() or encodable(cell) == cell:
                continue
            if row is rows[0] or column not in _NAMES:
                return None
            # A list that a spreadsheet has saved in its own encoding names files that are not there.
            if column == "path" and not (path.parent / cell.partition("::")[0]).exists():
                return None
    return separator, rows


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if len(data) > 7 and not any(data[1:4]) and not any(data[5:8]):
        return "utf-32-le"
    # Without a mark, the names of columns show it: half of their bytes are zeros.
    zeros = Counter(place % 2 for place, byte in enumerate(data[:64]) if not byte)
    if max(zeros.values(), default=0) > len(data[:64]) / 4:
        return "utf-16-le" if zeros[1] else "utf-16-be"
    return "utf-8-sig"


def _cells(path: Path, text: str) -> tuple[str, list[list[str]]]:
    text = text.lstrip("\r\n")
    first, *others = text.splitlines(keepends=True) or [""]
    stated = _SEPARATOR_LINE.match(first.rstrip("\r\n"))
    if stated:
        text = "".join(others)
    separator = stated[1] if stated else separator_of(first)
    try:
        read = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise UnreadableError(f"{path}: is not csv ({error}); save it again as 'CSV UTF-8'") from error
    return separator, [row for row in read if any(cell.strip() for cell in row)]

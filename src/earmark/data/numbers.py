"""Numbers beside pictures: rows of a table and pictures of the same recordings, joined by their names."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from earmark.data.archive import join_member, read_pictures, split_member
from earmark.data.facts import gtzan_spelling
from earmark.data.manifest import Example, Manifest
from earmark.data.table import LABEL_NAMES, Table, label_of, read_rows, read_table
from earmark.errors import DataError, UsageError
from earmark.files import cached_while_unchanged
from earmark.storage import as_path, is_remote, join, written
from earmark.text import counted, some_quoted
from earmark.types import Numbers

log = logging.getLogger(__name__)

_N_NAMED = 3
_NAMES = ("filename", "file", "path", "picture", "image", "name", "track", "id")
"""What the column that names the rows may be called; the first that there is does."""

_Key: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedRows:
    """A table of numbers whose rows have names.

    Attributes
    ----------
    numbers
        Its columns of numbers, without the names and without labels under any usual name.
    names, labels, groups
        One a row; a label or group is empty where the table has none.
    """

    numbers: Table
    names: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]

    def row(self, place: int) -> Numbers:
        """Return the numbers of a row."""
        return Numbers(self.numbers.names, self.numbers.values[place])


@cached_while_unchanged(maxsize=4)
def read_named_rows(path: Path) -> NamedRows:
    """Read a table of numbers whose rows have names.

    Raises
    ------
    UnreadableError, DataError
        When it cannot be read, a cell is not a finite number, no column names the rows, or two rows have one name.
    """
    rows = read_rows(path)
    columns = {column.lower(): column for column in reversed(list(rows[0]))}
    name = next((columns[known] for known in _NAMES if known in columns), None)
    if name is None:
        raise DataError(
            f"{path}: has no column that names its rows among {some_quoted(rows[0])}; add the column filename"
        )
    labels = [column for column in rows[0] if column.lower() in LABEL_NAMES]
    names = tuple(row[name].strip() for row in rows)
    keys = [_key(each) for each in names]
    n_rows = Counter(keys)
    if twice := sorted({each for each, key in zip(names, keys, strict=True) if n_rows[key] > 1}):
        raise DataError(
            f"{path}: has {len(twice)} names that stand in several rows ({some_quoted(twice, n=_N_NAMED)}), so "
            "nobody knows which row belongs to a picture; keep one row of each name"
        )
    return NamedRows(
        numbers=read_table(path).without([name, *labels]),
        names=names,
        labels=tuple(label_of(row) if "label" in row else "" for row in rows),
        groups=tuple(row.get("group", "").strip() for row in rows),
    )


def with_numbers(manifest: Manifest, table: Path | str) -> Manifest:
    """Return the same pictures, each with its row of a table, see `Example.numbers`.

    Names are compared without their extension, and from the end, so that ``blues/blues00000.png`` is of the row
    ``blues.00000.wav`` and ``out/blues.00000.3.png`` of ``blues.00000.3.wav``. Pictures that nothing is known of take
    the group of their row. Rows without a picture are named in a warning.

    Raises
    ------
    UsageError
        When the examples are no pictures.
    DataError
        When the table is bad, a picture has no row, several pictures have one, or a row has another label than its
        picture.
    """
    table = as_path(table)
    if manifest.domain != "picture":
        raise UsageError(
            f"{manifest.name}: holds {manifest.domain} data; a table of numbers can only stand beside spectrogram"
            " pictures (--as picture)"
        )
    rows = read_named_rows(table)
    names = _names_of(manifest)
    places = rows_of(names, table)
    _refuse_lonely(names, table, rows, places)
    found = [place for place in places if place is not None]
    examples = tuple(
        _joined(example, manifest.root, table, place) for example, place in zip(manifest, found, strict=True)
    )
    _refuse_other_labels(examples, table, rows, found)
    unused = [name for place, name in enumerate(rows.names) if place not in set(found)]
    if unused:
        log.warning(
            "%s: %d of its %s have no picture (%s); they are not used",
            table,
            len(unused),
            counted(len(rows.names), "row"),
            some_quoted(unused, n=_N_NAMED),
        )
    if any(rows.groups):
        examples = tuple(_with_group(each, rows.groups[place]) for each, place in zip(examples, found, strict=True))
    return replace(manifest, examples=examples)


def columns_beside(manifest: Manifest) -> tuple[str, ...]:
    """Return the columns of the numbers beside the pictures of a manifest.

    Raises
    ------
    DataError
        When the numbers come from tables with other columns.
    """
    tables = sorted({split_member(example.numbers)[0] for example in manifest if example.numbers})
    found = {file: read_named_rows(join(manifest.root, file)).numbers.names for file in tables}
    if len({frozenset(names) for names in found.values()}) != 1:
        raise DataError(f"{manifest.name}: the tables {some_quoted(found)} have different columns; use one table")
    return next(iter(found.values()))


def rows_of(pictures: Sequence[str], table: Path) -> list[int | None]:
    """Return the row of each picture by its name; None where there is none.

    Raises
    ------
    DataError
        When a picture may be of several rows, or several pictures of one.
    """
    rows = read_named_rows(table)
    by_ending: dict[_Key, list[int]] = {}
    for place, name in enumerate(rows.names):
        key = _key(name)
        for start in range(len(key)):
            by_ending.setdefault(key[start:], []).append(place)
    places: list[int | None] = []
    taken: dict[int, str] = {}
    for picture in pictures:
        key = _key(picture)
        fitting = next((by_ending[key[start:]] for start in range(len(key)) if key[start:] in by_ending), [])
        if len(fitting) > 1:
            which = some_quoted((rows.names[place] for place in fitting), n=_N_NAMED)
            raise DataError(f"{picture}: may be of {len(fitting)} rows of {table} ({which}); name it with its folder")
        if fitting and (other := taken.setdefault(fitting[0], picture)) != picture:
            raise DataError(
                f"{table}: its row {rows.names[fitting[0]]!r} fits several pictures ({other} and {picture}); name the "
                "rows as the pictures are called, with their folders"
            )
        places.append(fitting[0] if fitting else None)
    return places


def _key(name: str) -> _Key:
    """Return the parts of a name by which it is compared: folders and stem, GTZAN tracks in one spelling.

    >>> _key("./images/blues00000.PNG"), _key("blues.00000.3.wav.png")
    (('images', 'blues.00000'), ('blues.00000.3',))
    """
    from earmark.ink import IMAGE_EXTENSIONS
    from earmark.sound import SOUND_EXTENSIONS

    text = unicodedata.normalize("NFC", name.strip().replace("\\", "/").replace("::", "/"))
    *folders, stem = [part for part in text.split("/") if part not in ("", ".")] or [""]
    while (suffix := PurePosixPath(stem).suffix.lower()) in IMAGE_EXTENSIONS | SOUND_EXTENSIONS:
        stem = stem[: -len(suffix)]
    return (*folders, gtzan_spelling(stem))


def _names_of(manifest: Manifest) -> list[str]:
    """Return what the pictures are called: their paths, or of rows of arrays their names or tracks."""
    names = []
    for example in manifest:
        file, member = split_member(example.path)
        if member is None or not member.isdecimal():
            names.append(example.path)
            continue
        stored = read_pictures(join(manifest.root, file)).get("name")
        names.append(example.track or example.path if stored is None else str(stored[int(member)]))
    return names


def _joined(example: Example, root: Path, table: Path, place: int) -> Example:
    is_apart = is_remote(root) or is_remote(table)
    file = written(table if is_apart else Path(os.path.relpath(table.resolve(), root.resolve())))
    return replace(example, numbers=join_member(file, place), sha256=None)


def _with_group(example: Example, group: str) -> Example:
    return replace(example, group=group) if group and example.group in ("", example.path) else example


def _refuse_lonely(names: Sequence[str], table: Path, rows: NamedRows, places: Sequence[int | None]) -> None:
    lonely = [name for name, place in zip(names, places, strict=True) if place is None]
    if not lonely:
        return
    if len(lonely) == len(places):
        raise DataError(
            f"{table}: none of its rows ({some_quoted(rows.names, n=_N_NAMED)}) is called as one of the pictures"
            f" ({some_quoted(lonely, n=_N_NAMED)}); give both the same names, extensions aside"
        )
    raise DataError(
        f"{table}: has no row for {len(lonely)} of {len(places)} pictures ({some_quoted(lonely, n=_N_NAMED)}); add the "
        "rows, or take these pictures away"
    )


def _refuse_other_labels(examples: Sequence[Example], table: Path, rows: NamedRows, places: Sequence[int]) -> None:
    """Refuse rows that contradict the labels of their pictures: one of the two is wrong, or they are joined wrongly."""
    known = {example.label.casefold() for example in examples}
    if not {rows.labels[place].casefold() for place in places if rows.labels[place]} <= known:
        return  # they are written in another way, as numbers say
    differing = [
        f"{example.name} is {example.label}, its row {rows.labels[place]}"
        for example, place in zip(examples, places, strict=True)
        if rows.labels[place] and rows.labels[place].casefold() != example.label.casefold()
    ]
    if differing:
        raise DataError(
            f"{table}: {counted(len(differing), 'row')} {'has' if len(differing) == 1 else 'have'} another label than "
            f"the picture ({'; '.join(differing[:_N_NAMED])}); correct the labels or the names"
        )

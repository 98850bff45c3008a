"""Content of an example: the sound, drawing, picture or row of numbers that it points at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from earmark.data.archive import read_bytes, read_pictures, source_of, split_member
from earmark.data.manifest import Example, Manifest
from earmark.data.numbers import read_named_rows
from earmark.data.table import read_table
from earmark.errors import DataError, UnreadableError
from earmark.storage import join
from earmark.types import Content, Image, Ink, Numbers, Picture, Sound


def read_content(manifest: Manifest, example: Example, *, sample_rate_hz: int | None = None) -> Content:
    """Return the sound, the strokes, the image, the picture or the row of numbers of an example.

    Parameters
    ----------
    manifest, example
        Where the paths start, and which one.
    sample_rate_hz
        Rate to resample a sound to; None keeps that of the file.

    Raises
    ------
    UnreadableError, DataError
        When it is missing or damaged. Nothing is ever replaced by something else.
    """
    if manifest.domain == "sound":
        return _sound(manifest, example, sample_rate_hz)
    if manifest.domain == "ink":
        return _drawing(manifest, example)
    if manifest.domain == "picture":
        picture = _picture(manifest, example)
        return replace(picture, numbers=_numbers_beside(manifest, example)) if example.numbers else picture
    return _numbers(manifest, example)


def _sound(manifest: Manifest, example: Example, sample_rate_hz: int | None) -> Sound:
    from earmark import sound

    _, member = split_member(example.path)
    source = source_of(manifest.root, example.path)
    try:
        return sound.read(
            source,
            sample_rate_hz=sample_rate_hz,
            start_s=example.start_s or 0.0,
            duration_s=example.duration_s,
        )
    except UnreadableError as error:
        if member is None:
            raise
        raise UnreadableError(f"{example.path}: {error}") from error


def _drawing(manifest: Manifest, example: Example) -> Ink | Image:
    from earmark import ink

    file, member = split_member(example.path)
    if PurePosixPath(member or file).suffix.lower() != ".txt":
        return ink.read_image(source_of(manifest.root, example.path))
    try:
        text = read_bytes(manifest.root, example.path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{example.path}: is not text in UTF-8 ({error}); save it again as text") from error
    return ink.parse_strokes(text, where=example.path)[1]


def _picture(manifest: Manifest, example: Example) -> Picture | Image:
    from earmark.ink import IMAGE_EXTENSIONS, read_image

    file, row = split_member(example.path)
    if PurePosixPath(row or file).suffix.lower() in IMAGE_EXTENSIONS:
        return read_image(source_of(manifest.root, example.path))
    if row is None:
        raise DataError(f"{example.name}: names no row of an .npz; write file.npz::0 for its first picture")
    pictures = read_pictures(join(manifest.root, file))["X"]
    if not row.isdecimal() or int(row) >= len(pictures):
        raise DataError(f"{example.name}: there is no such row; {file} holds rows 0 to {len(pictures) - 1}")
    values = pictures[int(row)]
    if not np.isfinite(values).all():
        raise DataError(f"{example.name}: has values that are NaN or infinite; make the picture again or remove it")
    return Picture(values)


def _numbers_beside(manifest: Manifest, example: Example) -> Numbers:
    file, row = split_member(example.numbers)
    rows = read_named_rows(join(manifest.root, file))
    if row is None or not row.isdecimal() or int(row) >= len(rows.names):
        raise DataError(f"{example.name}: its numbers {example.numbers!r} are no row of a table; write table.csv::0")
    return rows.row(int(row))


def _numbers(manifest: Manifest, example: Example) -> Numbers:
    file, row = split_member(example.path)
    table = read_table(join(manifest.root, file)).without(manifest.not_features)
    if row is None or not row.isdecimal() or int(row) >= len(table.values):
        raise DataError(f"{example.name}: there is no such row; {file} holds rows 0 to {len(table.values) - 1}")
    return Numbers(table.names, table.values[int(row)])

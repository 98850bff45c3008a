"""Reader of spectrograms in an ``.npz``: ``X`` (n, freq, time), ``track``, ``label``, maybe ``frame``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from earmark.data.archive import array_sha256, join_member, read_pictures
from earmark.data.facts import gtzan_group
from earmark.data.manifest import Example, Manifest
from earmark.data.readers.base import Reader
from earmark.errors import DataError


def _recognises(source: Path) -> bool:
    return source.is_file() and source.suffix.lower() == ".npz"


def read(source: Path) -> Manifest:
    """Read the rows; the group is the artist of a GTZAN track where a catalogue knows it, else the track.

    Raises
    ------
    DataError
        When an array is missing or of the wrong type, shape or length.
    """
    arrays = read_pictures(source)
    pictures = pictures_in(source, arrays)
    tracks, labels = (_texts(source, arrays, name, len(pictures)) for name in ("track", "label"))
    frame = arrays.get("frame")
    if frame is not None and frame.shape != pictures.shape[2:]:
        raise DataError(f"{source}: frame has shape {frame.shape}; it must have one number a column of X")
    examples = tuple(
        Example(
            path=join_member(source.name, row),
            label=label,
            group=gtzan_group(track),
            sha256=array_sha256(pictures[row]),
            track=track,
        )
        for row, (track, label) in enumerate(zip(tracks, labels, strict=True))
    )
    return Manifest(examples=examples, domain="picture", root=source.parent, name=source.stem)


def pictures_in(source: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the pictures ``(n, freq, time)`` among the arrays of a file.

    Raises
    ------
    DataError
        When there are none, or they are of the wrong type or shape.
    """
    pictures = _array(source, arrays, "X")
    if pictures.ndim != 3 or pictures.dtype.kind not in "uif" or 0 in pictures.shape:
        raise DataError(
            f"{source}: X is {pictures.dtype} of shape {pictures.shape}; "
            "it must be numbers of shape (n, freq, time), none of them 0"
        )
    return pictures


def _array(source: Path, arrays: Any, name: str) -> npt.NDArray[Any]:
    if name not in arrays:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"{source}: has no array {name!r} (it holds {held}); needed are X, track and label")
    array: npt.NDArray[Any] = arrays[name]
    return array


def _texts(source: Path, arrays: Any, name: str, n: int) -> list[str]:
    values = _array(source, arrays, name)
    if values.dtype.kind != "U" or values.shape != (n,):
        raise DataError(
            f"{source}: {name} is {values.dtype} of shape {values.shape}; it must be {n} texts, one a picture"
        )
    return [str(value) for value in values]


READER = Reader("an .npz of pictures", _recognises, read)

"""Paths into containers: files, members of zip archives, rows of arrays (``file``, ``a.zip::member``, ``x.npz::3``).

Archives stay open between reads. `zipfile` locks its file, so threads may share one; processes never do, because the
number of the process is part of what an open archive is remembered by.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.data.table import TABLE_EXTENSIONS, read_table
from earmark.errors import DataError, UnreadableError, refusing
from earmark.files import cached_while_unchanged, sha256_bytes, sha256_file
from earmark.storage import explained, is_remote, join, open_binary
from earmark.text import spellings_of_name

_SEPARATOR = "::"
_CONTAINERS = (".zip", ".npz", *TABLE_EXTENSIONS)


def split_member(path: str) -> tuple[str, str | None]:
    """Return the file and the member or row in it, None for the whole file.

    >>> split_member("set.zip::a/b.txt"), split_member("odd::name.wav")
    (('set.zip', 'a/b.txt'), ('odd::name.wav', None))
    """
    file, separator, member = path.partition(_SEPARATOR)
    return (file, member) if separator and file.lower().endswith(_CONTAINERS) else (path, None)


def join_member(file: str, member: str | int | None) -> str:
    """Return the path that `split_member` takes apart."""
    return file if member is None else f"{file}{_SEPARATOR}{member}"


def source_of(root: Path, path: str) -> Path | bytes:
    """Return where a file lies, or the content of a member of a zip; raises as `read_bytes`."""
    file, member = split_member(path)
    return join(root, file) if member is None else read_bytes(root, path)


def read_bytes(root: Path, path: str) -> bytes:
    """Return the content of a file or of a member of a zip.

    Raises
    ------
    UnreadableError
        When it is missing or damaged.
    """
    file, member = split_member(path)
    place = join(root, file)
    if member is None:
        with explained(place):
            return place.read_bytes()
    archive = open_zip(place)
    stored = next((name for name in _names_in_zip(member) if name in archive.NameToInfo), None)
    if stored is None:
        raise UnreadableError(f"{place}: holds no {member!r}; check the name of the member")
    with refusing(
        lambda error: UnreadableError(
            f"{join_member(str(place), member)}: is damaged or encrypted ({error}); download the archive again"
        )
    ):
        return archive.read(stored)


def _names_in_zip(member: str) -> Iterator[str]:
    """Yield how a zip may store a name: some programs write UTF-8 and do not say so, which is read as code page 437."""
    yield from (names := spellings_of_name(member))
    for name in names:
        with suppress(UnicodeError):
            yield name.encode().decode("cp437")


def content_sha256(root: Path, path: str) -> str:
    """Return the hash of a file, an archive member or a row, in hexadecimal."""
    file, member = split_member(path)
    place = join(root, file)
    if member is None:
        with explained(place):
            return sha256_file(place)
    suffix = Path(file).suffix.lower()
    if suffix == ".zip":
        return sha256_bytes(read_bytes(root, path))
    row = int(member)
    return array_sha256(read_pictures(place)["X"][row] if suffix == ".npz" else read_table(place).values[row])


def array_sha256(values: npt.NDArray[Any]) -> str:
    """Return the hash of an array: its type, its shape and its bytes."""
    return sha256_bytes(f"{values.dtype.str}{values.shape}".encode() + values.tobytes())


@cached_while_unchanged(maxsize=8)
def open_zip(path: Path) -> zipfile.ZipFile:
    """Return an open archive, kept open for this process until the file changes."""
    with refusing(lambda error: UnreadableError(f"{path}: is not an intact zip archive ({error}); download it again")):
        return zipfile.ZipFile(open_binary(path) if is_remote(path) else path)


@cached_while_unchanged(maxsize=2)
def read_pictures(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    """Return the arrays of an ``.npz``, kept in memory until the file changes; nothing is ever unpickled."""
    # Opened here, because numpy leaves a file open that turns out to be damaged.
    with refusing(lambda error: DataError(_not_pictures(path, str(error)))), open_binary(path) as stream:
        archive = np.load(stream, allow_pickle=False) if zipfile.is_zipfile(stream) else {}
        arrays = {name: archive[name] for name in archive}
    if not arrays:
        raise DataError(_not_pictures(path, "it is no archive of arrays"))
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _not_pictures(path: Path, reason: str) -> str:
    return (
        f"{path}: cannot be read as an .npz of plain arrays ({reason}); "
        "save it with numpy.savez(X=…, track=…, label=…), without objects"
    )

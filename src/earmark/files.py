"""Files: written whole or not at all, found in folders, hashed, and read once while they do not change."""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

from earmark.errors import DataError, UnreadableError

T = TypeVar("T")

_KEEP = "surrogateescape"
_N_LETTERS = 40


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place on success, remove it on any failure.

    Raises
    ------
    DataError
        When the folder cannot be written to or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of a file has at most 255 bytes, so that of the temporary one is only begun with it.
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:_N_LETTERS]}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); choose another place or free some space"
        ) from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; give the result the usual permissions.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); choose another place or free some space"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8; names of files that are no text keep their bytes."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_csv(
    path: Path | str, rows: Iterable[Sequence[object]], *, columns: Sequence[str], line_end: str = "\r\n"
) -> int:
    """Write a heading and rows to `path` atomically, as CSV in UTF-8; return how many rows there were."""
    n = 0
    # File names of other encodings go out as the bytes that they came in as.
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="", errors=_KEEP) as stream:
        table = csv.writer(stream, lineterminator=line_end)
        table.writerow(columns)
        for row in rows:
            table.writerow(row)
            n += 1
    return n


def visible(name: str) -> bool:
    """Return whether a file or folder is the user's own, not a system's, such as ``.DS_Store`` or ``Thumbs.db``."""
    return not name.startswith(".") and name not in {"__MACOSX", "Thumbs.db", "desktop.ini", "__pycache__"}


def walk(
    folder: Path | str,
    *,
    closed: Callable[[str], object] | None = None,
    loop: Callable[[str], object] | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Yield every visible folder at any depth, `folder` first, with the names of its visible files, by name.

    Links are followed, but never up or twice into the same folder.

    Parameters
    ----------
    closed
        Called with a folder that may not be entered.
    loop
        Called with a link to a folder that was entered already.
    """
    entered = {str(parent) for parent in Path(folder).resolve().parents}
    refused = None if closed is None else lambda error: closed(str(error.filename))
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refused):
        real = os.path.realpath(place)
        if real in entered:
            folders.clear()
            if loop is not None:
                loop(place)
            continue
        entered.add(real)
        folders[:] = sorted(filter(visible, folders))
        yield place, sorted(filter(visible, names))


def files_under(folder: Path | str, extensions: Collection[str] | None = None) -> Iterator[Path]:
    """Yield the files that `walk` finds, by path; only those with one of the lower-case `extensions`, when given."""
    for place, names in walk(folder):
        for name in names:
            if extensions is None or os.path.splitext(name)[1].lower() in extensions:  # noqa: PTH122 - of very many
                yield Path(place, name)


def cached_while_unchanged(*, maxsize: int) -> Callable[[Callable[[Path], T]], Callable[[Path], T]]:
    """Decorate the reader of a file: the last `maxsize` results are kept until their file changes.

    Processes share none, because an open archive must not be.
    """

    def decorate(read: Callable[[Path], T]) -> Callable[[Path], T]:
        @lru_cache(maxsize=maxsize)
        def cached(path: Path, _mtime_ns: int, _size: int, _process: int) -> T:
            return read(path)

        @wraps(read)
        def current(path: Path) -> T:
            try:
                status = path.stat()
            except OSError as error:
                raise UnreadableError(f"{path}: cannot be read ({error.strerror}); check the path") from error
            return cached(path, status.st_mtime_ns, status.st_size, os.getpid())

        return current

    return decorate


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal, reading it in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``$EARMARK_CACHE``, else ``earmark`` in the user's cache folder."""
    given = os.environ.get("EARMARK_CACHE")
    return Path(given or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earmark")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Files: written whole or not at all, hashed, and read once while they do not change."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar, cast

from earmark.errors import DataError, UnreadableError
from earmark.storage import (
    as_path,
    explained,
    file_system,
    is_remote,
    is_url,
    key_of,
    open_binary,
    refuse_read_only,
    refuse_unwritable,
    upload,
    why,
)

try:
    import fcntl
except ImportError:  # on Windows, where an open file cannot be renamed anyway
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")

_KEEP = "surrogateescape"
_N_LETTERS = 40


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place on success, remove it on any failure.

    For a place behind a URL the temporary file is local and is uploaded on success.

    Raises
    ------
    DataError
        When the folder cannot be written to or the disk is full.
    """
    path = as_path(path)
    if is_remote(path):
        refuse_read_only(path)
        with tempfile.TemporaryDirectory(prefix="earmark-") as folder, atomic_path(Path(folder, path.name)) as local:
            yield local
            upload(local, path)
        return
    handle = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, handle = _temporary_beside(path)
        try:
            yield temporary
            # Temporary files are private; give the result the usual permissions.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); choose another place or free some space"
        ) from error
    finally:
        if handle is not None:
            os.close(handle)


def _temporary_beside(path: Path) -> tuple[Path, int | None]:
    """Return an empty temporary file beside `path`, and a handle that keeps it locked while it is open.

    It has one name for each path, so that the next process writes over what a killed one has left. While somebody
    writes it, it is locked, and others take a random name; so do all where files cannot be locked.
    """
    # A name of a file has at most 255 bytes, so that of the temporary one is only begun with it.
    begun = f".{path.name[:_N_LETTERS]}."
    if fcntl is not None:
        usual = path.parent / f"{begun}{sha256_bytes(os.fsencode(path.name))[:8]}.tmp"
        handle = os.open(usual, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking its writer may have renamed it.
            if os.path.samestat(os.fstat(handle), usual.stat()):
                os.ftruncate(handle, 0)
                return usual, handle
        except OSError:  # it is locked, or gone
            pass
        os.close(handle)
    handle, name = tempfile.mkstemp(prefix=begun, suffix=".tmp", dir=path.parent)
    os.close(handle)
    return Path(name), None


@contextmanager
def local_folder(folder: Path | str) -> Iterator[Path]:
    """Give a local folder for what writes many files; one behind a URL is copied here first and back afterwards.

    What was killed in between is still here the next time, so that it can go on.

    Raises
    ------
    DataError
        When the storage cannot be read or written.
    """
    folder = as_path(folder)
    if not is_remote(folder):
        yield folder
        return
    refuse_unwritable(folder)
    local = cache_folder() / "runs" / sha256_text(str(folder))[:16]
    if not local.exists():
        with explained(folder):
            if file_system(folder).exists(key_of(folder)):
                file_system(folder).get(f"{key_of(folder).rstrip('/')}/", f"{local}/", recursive=True)
    local.mkdir(parents=True, exist_ok=True)
    try:
        yield local
    finally:
        with explained(folder, to="written"):
            file_system(folder).put(f"{local}/", f"{key_of(folder).rstrip('/')}/", recursive=True)
    shutil.rmtree(local)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8; names of files that are no text keep their bytes."""
    write_bytes(path, text.encode("utf-8", _KEEP))


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
                raise UnreadableError(f"{path}: cannot be read ({why(error)}); check the path") from error
            return cached(path, modified_ns(path, status), status.st_size, os.getpid())

        return current

    return decorate


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_text(text: str) -> str:
    """Return the SHA-256 of `text` in UTF-8 in hexadecimal; names of files that are no text keep their bytes."""
    return sha256_bytes(text.encode("utf-8", _KEEP))


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal, reading it in pieces."""
    with open_binary(path) as stream, explained(path) if is_remote(path) else nullcontext():
        return hashlib.file_digest(cast("io.BufferedReader", stream), "sha256").hexdigest()


def cache_folder() -> Path:
    """Return the folder for what can be made again: ``$EARMARK_CACHE``, else ``earmark`` in the user's cache folder.

    Where ``$EARMARK_CACHE`` is a URL, only the feature cache lies there.
    """
    given = os.environ.get("EARMARK_CACHE")
    if given and not is_url(given):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earmark"


def modified_ns(path: Path, status: os.stat_result) -> int:
    """Return when a file was changed; 0 where its storage does not say, as of a page on the web."""
    if not is_remote(path):
        return status.st_mtime_ns
    try:
        return status.st_mtime_ns
    except (AttributeError, TypeError, KeyError):
        return 0


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

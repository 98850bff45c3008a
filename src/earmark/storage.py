"""Storage behind URLs: a path on a file system of fsspec, which is read and written as a local one.

`as_path` gives a `pathlib.Path` for what is local and a ``upath.UPath`` for the rest; the two answer to the same calls.
Credentials come from where each library looks for them (environment, configuration files, the machine's role), never
from the URL, so that none can reach a log, a card or a table.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeGuard, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from earmark.errors import DataError, EarmarkError, MissingExtraError, UnreadableError, UsageError

PathLike: TypeAlias = Path | str
"""A path or the text of one; a ``upath.UPath`` passes for a `Path`."""

PACKAGES: Mapping[str, str] = {
    "file": "",
    "memory": "fsspec",
    "http": "aiohttp",
    "https": "aiohttp",
    "s3": "s3fs",
    "gs": "gcsfs",
    "abfs": "adlfs",
}
"""Kinds of URL, and the package that opens each."""

_OF_THE_EXTRA = frozenset({"fsspec", "aiohttp", "s3fs"})
_READ_ONLY = frozenset({"http", "https"})
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SECRETS = re.compile(r"signature|credential|token|secret|password|api_?key|^sig$|^key$", re.IGNORECASE)

BLOCK_BYTES = 4 * 2**20
"""Fetched at once, so that the first window of a long file costs one piece of it."""

_N_BLOCKS = 4  # of a file in memory: decoders go back to its header


def is_url(text: object) -> bool:
    """Return whether a text is a URL rather than a local path.

    >>> is_url("s3://bucket/a.wav"), is_url("a.wav"), is_url("C://a.wav")
    (True, False, False)
    """
    return isinstance(text, str) and _URL.match(text) is not None


def as_path(place: PathLike) -> Path:
    """Return the path that a text means; a path as it is.

    >>> as_path("file:///tmp/a%20b.wav").as_posix()
    '/tmp/a b.wav'

    Raises
    ------
    UsageError
        When the kind of URL is unknown, or it holds a name, a password or a signature.
    MissingExtraError
        When what opens it is not installed.
    """
    found = _URL.match(place) if isinstance(place, str) else None
    if not isinstance(place, str):
        return place
    if found is None:
        return Path(place)
    scheme, parts = found[1].lower(), urlsplit(place)
    if scheme not in PACKAGES:
        kinds = ", ".join(PACKAGES)
        raise UsageError(f"{_shown(place)}: {scheme!r} is no kind of storage that can be opened; allowed are {kinds}")
    if ("@" in parts.netloc and scheme != "abfs") or any(_SECRETS.search(name) for name, _ in parse_qsl(parts.query)):
        raise UsageError(
            f"{_shown(place)}: the URL holds a password or a signature, which would reach logs; leave it out and set "
            "the credentials as the storage's own tools do (environment, configuration file)"
        )
    if scheme == "file":
        from urllib.request import url2pathname  # takes http, ssl and email with it

        return Path(url2pathname(parts.path))
    _require(place, scheme)
    from upath import UPath

    return cast("Path", UPath(place))


def is_remote(path: object) -> TypeGuard[Path]:
    """Return whether a path lies on a file system of fsspec."""
    return hasattr(path, "fs") and hasattr(path, "storage_options")


def is_path(item: object) -> TypeGuard[PathLike]:
    """Return whether something is a path: a text, a local path, or one behind a URL."""
    return isinstance(item, str | Path) or is_remote(item)


def file_system(path: Path) -> Any:
    """Return the ``fsspec.AbstractFileSystem`` of a remote path."""
    return path.fs  # type: ignore[attr-defined]


def key_of(path: Path) -> str:
    """Return what the file system of a remote path calls it."""
    return str(path.path)  # type: ignore[attr-defined]


def join(root: Path, path: str) -> Path:
    """Return where an example lies: its own URL when it has one, else below `root`.

    >>> join(Path("set"), "a.wav").as_posix(), join(Path("set"), "file:///b.wav").as_posix()
    ('set/a.wav', '/b.wav')
    """
    return as_path(path) if is_url(path) else root / path


def written(path: Path) -> str:
    """Return a path as a list has it: with slashes, or as its URL."""
    return str(path) if is_remote(path) else path.as_posix()


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading; of a remote one only the pieces are fetched that are read."""
    if not is_remote(path):
        return path.open("rb")
    options = {"block_size": BLOCK_BYTES, "cache_type": "blockcache", "cache_options": {"maxblocks": _N_BLOCKS}}
    with explained(path):
        return cast("BinaryIO", file_system(path).open(key_of(path), "rb", **options))


def refuse_unreachable(path: Path) -> None:
    """Raise, before any work, when storage cannot be looked at: no such bucket or file, no rights, no connection."""
    if is_remote(path):
        with explained(path):
            file_system(path).info(key_of(path))


def refuse_unwritable(path: Path) -> None:
    """Raise, before any work, when `path` could not be written; a local one is tried when it is written."""
    if not is_remote(path):
        return
    refuse_read_only(path)
    probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
    with explained(path, to="written"):
        file_system(probe).pipe_file(key_of(probe), b"")
    with suppress(Exception):  # whoever may write may still not delete
        file_system(probe).rm_file(key_of(probe))


def refuse_read_only(path: Path) -> None:
    """Raise `UsageError` for a place that can only be read."""
    scheme = str(getattr(path, "protocol", ""))
    if is_remote(path) and scheme in _READ_ONLY:
        raise UsageError(f"{path}: {scheme} can only be read; write to a folder or to s3, gs, abfs or memory")


def upload(local: Path, path: Path) -> None:
    """Put a finished local file in a remote place, where it appears whole or not at all."""
    refuse_read_only(path)
    with explained(path, to="written"):
        file_system(path).put_file(str(local), key_of(path))


@contextmanager
def explained(path: object, *, to: str = "read") -> Iterator[None]:
    """Turn what storage raises about `path` into one sentence.

    Raises
    ------
    UnreadableError, DataError
        When it cannot be read, or cannot be ``to="written"``.
    """
    kind = UnreadableError if to == "read" else DataError
    try:
        yield
    except EarmarkError:
        raise
    except Exception as error:  # each library of storage has exceptions of its own
        raise kind(f"{path}: cannot be {to} ({why(error)}); {_advice(error, to)}") from error


def why(error: BaseException) -> str:
    """Return the reason of an error of a local or a remote file system, in a few words."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200].rstrip(".") or type(error).__name__


def _advice(error: BaseException, to: str) -> str:
    text = str(error).lower()
    if isinstance(error, PermissionError):
        return "these credentials lack the right to it; use others, or ask its owner"
    if "bucket" in text and "exist" in text:
        return "check the name of the bucket"
    if isinstance(error, FileNotFoundError):
        return "check the path"
    if "credential" in text:
        return "set the credentials as the storage's own tools do (environment, configuration file)"
    return (
        "check the address and the connection, and try again" if to == "read" else "try again, or choose another place"
    )


def _require(place: str, scheme: str) -> None:
    package = PACKAGES[scheme]
    needed = {"upath", "fsspec", package}
    missing = sorted(name for name in needed if importlib.util.find_spec(name) is None)
    if missing and missing != [package]:
        raise MissingExtraError(f"opening {_shown(place)}", "cluster")
    if missing and package in _OF_THE_EXTRA:
        raise MissingExtraError(f"opening {_shown(place)}", "cluster")
    if missing:
        raise UsageError(f"opening {_shown(place)} needs the package {package}: pip install {package}")


def _shown(url: str) -> str:
    """Return a URL without what may be secret.

    >>> _shown("https://me:pw@host/a.wav?X-Amz-Signature=1")
    'https://host/a.wav'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{unquote(parts.path)}"

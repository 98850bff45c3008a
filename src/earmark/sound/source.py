"""Sources of sound: paths, bytes and open files, and their names in messages."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from earmark.errors import UnreadableError
from earmark.storage import as_path, explained, is_path, is_remote, open_binary, why

SoundSource: TypeAlias = Path | str | bytes | BinaryIO
"""A path, the content of a file, or an open binary file."""

PLAIN_EXTENSIONS = frozenset({".wav", ".au", ".snd", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".caf"})
"""Read by libsndfile."""

AV_EXTENSIONS = frozenset({".m4a", ".mp4", ".aac", ".webm", ".mka", ".wma"})
"""Read by PyAV, the ``av`` extra."""

SOUND_EXTENSIONS = PLAIN_EXTENSIONS | AV_EXTENSIONS
"""Lower-case extensions of the files that count as sounds in a folder."""


def source_name(source: SoundSource) -> str:
    """Return what messages call `source`."""
    if is_path(source):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the given bytes"


def openable(source: SoundSource) -> Path | BinaryIO:
    """Return an existing, non-empty file: a path, or a binary file that can seek, at its start.

    Raises
    ------
    UnreadableError
        When the file is missing, a folder, unreadable or empty.
    """
    if is_path(source):
        path = as_path(source)
        return _fetched(path) if is_remote(path) else _existing(path)
    stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else cast("BinaryIO", source)
    if not stream.seekable():
        stream = io.BytesIO(stream.read())
    return _checked(stream, source_name(source))


def _fetched(path: Path) -> BinaryIO:
    """Return a file behind a URL, of which only the pieces are fetched that are read."""
    with explained(path):
        return _checked(open_binary(path), str(path))


def _checked(stream: BinaryIO, name: str) -> BinaryIO:
    if not stream.seek(0, os.SEEK_END):
        raise UnreadableError(_empty(name))
    stream.seek(0)
    return cast("BinaryIO", _Stream(stream, name))


class _Stream:
    """A binary file for decoders, which may ask for places before its start when a header is broken.

    A decoder in C swallows what `read` raises and takes it for the end of the file, so it is kept in `failure`.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name
        self.tell = stream.tell
        self.failure: UnreadableError | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:  # noqa: BLE001 - whatever a library of storage raises
            self.failure = UnreadableError(
                f"{self._name}: cannot be read ({why(error)}); check the connection and try again"
            )
            return b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except (ValueError, OSError):
            return self._stream.tell()


def failure_of(file: Path | BinaryIO) -> UnreadableError | None:
    """Return why a file could not be read while it was decoded; None when it could."""
    return file.failure if isinstance(file, _Stream) else None


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise UnreadableError(f"{path}: is a folder, not a sound file; give the files in it")
    if not path.exists():
        raise UnreadableError(f"{path}: no such file; check the path")
    if not os.access(path, os.R_OK):
        raise UnreadableError(f"{path}: may not be read; change its permissions")
    if not path.is_file():
        raise UnreadableError(f"{path}: is a device or a pipe, not a sound file; save the sound as a file first")
    if not path.stat().st_size:
        raise UnreadableError(_empty(str(path)))
    return path


def _empty(name: str) -> str:
    return f"{name}: is empty (0 bytes); record or copy it again, or remove it"

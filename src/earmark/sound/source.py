"""Sources of sound: paths, bytes and open files, and their names in messages."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from earmark.errors import UnreadableError

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
    if isinstance(source, (str, Path)):
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
    if isinstance(source, (str, Path)):
        return _existing(Path(source))
    stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else source
    if not stream.seekable():
        stream = io.BytesIO(stream.read())
    if not stream.seek(0, os.SEEK_END):
        raise UnreadableError(_empty(source_name(source)))
    stream.seek(0)
    return cast("BinaryIO", _Stream(stream))


class _Stream:
    """A binary file for decoders, which may ask for places before its start when a header is broken."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.read = stream.read
        self.tell = stream.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except (ValueError, OSError):
            return self._stream.tell()


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

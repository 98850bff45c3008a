"""From a path, bytes or an open file to blocks of float32 ``(time, channel)``, whatever the container."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import soundfile

from earmark import extras
from earmark.errors import MissingExtraError, UnreadableError, refusing
from earmark.sound.decoder import (
    AV_EXTENSIONS,
    SOUND_EXTENSIONS,
    Decoder,
    SoundSource,
    not_a_sound,
    refuse_missing,
    truncated,
)
from earmark.sound.header import corrected
from earmark.sound.mp3_frames import length_is_a_guess
from earmark.storage import as_path, explained, is_path, is_remote, open_binary, why
from earmark.types import FloatArray

BLOCK_SAMPLES = 262_144
"""Decoded at a time, all channels together."""

SAMPLE_RATES_HZ = (1_000, 768_000)
"""Anything outside is a broken header: resampling it would fill the memory."""

_MISSING_BYTES = re.compile(
    r"^\s*(?:data|Data Size|SSND|BODY|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE
)
_UNKNOWN_LENGTH_BYTES = 0x7FFF_0000
"""Streaming writers cannot know the length and put the largest number there."""

_UNKNOWN_FRAMES = (1 << 63) - 1
"""What libsndfile says of FLAC that was written into a pipe, and cannot read then."""

_INEXACT_SEEK = frozenset({"OGG", "MP3"})
"""libsndfile 1.2.2 lands some samples off, or without the overlap of the frame before; so decode and drop instead."""

_MALFORMED = 3
"""libsndfile's code for a format that it knows and a file that is broken; a more lenient decoder would hide that."""


class SoundfileDecoder:
    """Reads with libsndfile: wav, au, flac, ogg, mp3 and their relatives."""

    def __init__(self, file: soundfile.SoundFile, name: str) -> None:
        self._file = file
        self.name = name
        self.format: str = file.format
        self.sample_rate_hz: int = file.samplerate
        self.n_channels: int = file.channels
        self.n_frames: int | None = file.frames

    def blocks(self, *, start_frame: int, n_frames: int | None) -> Iterator[FloatArray]:
        self._refuse_truncated()
        length = self._file.frames
        step = max(1, BLOCK_SAMPLES // self.n_channels)
        stop = length if n_frames is None else min(length, start_frame + n_frames)
        with refusing(
            lambda error: UnreadableError(
                f"{self.name}: is damaged or truncated and cannot be decoded to the end ({error}); "
                "copy or encode it again, or remove it"
            )
        ):
            self._go_to(min(start_frame, length), step)
            for position in range(start_frame, stop, step):
                wanted = min(step, stop - position)
                block: FloatArray = self._file.read(wanted, dtype="float32", always_2d=True)
                yield block
                if len(block) < wanted:
                    refuse_missing(self, (length - position - len(block)) / self.sample_rate_hz)
                    return

    def _go_to(self, frame: int, step: int) -> None:
        # Some codecs (GSM 6.10, G.721) are only read from their start on.
        if self.format not in _INEXACT_SEEK and self._file.seekable():
            self._file.seek(frame)
            return
        position = 0
        while position < frame and (n_read := len(self._file.read(min(step, frame - position), "float32"))):
            position += n_read

    def _refuse_truncated(self) -> None:
        """Refuse a file that is shorter than its own header says; libsndfile only notes it in its log."""
        log = self._file.extra_info
        for declared, present in ((int(a), int(b)) for a, b in _MISSING_BYTES.findall(log)):
            if present < declared < _UNKNOWN_LENGTH_BYTES:
                seconds_a_byte = self._file.frames / self.sample_rate_hz / max(present, 1)
                refuse_missing(self, (declared - present) * seconds_a_byte)
        if "lacks an end-of-stream bit" in log and "Junk after the last page" in log:
            raise UnreadableError(truncated(self.name, "it ends inside a page"))
        if "Seems to be a truncated file" in log:
            raise UnreadableError(truncated(self.name, "it ends inside a block"))


@contextmanager
def open_decoder(source: SoundSource) -> Iterator[Decoder]:
    """Open a sound with libsndfile, or with PyAV when libsndfile does not know the format.

    Raises
    ------
    UnreadableError
        When it is missing, empty, or not a sound.
    MissingExtraError
        When the extension is one that only PyAV reads and PyAV is not installed.
    """
    name = _source_name(source)
    file = _openable(source)
    try:
        with corrected(file, name) as view, _opened(view, name) as decoder:
            yield decoder
    except UnreadableError as error:
        # What cannot be fetched looks to a decoder like what is damaged.
        if failure := _failure_of(file):
            raise failure from error
        raise
    if failure := _failure_of(file):
        raise failure


@contextmanager
def _opened(file: Path | BinaryIO, name: str) -> Iterator[Decoder]:
    opened = _open_soundfile(file, name)
    if isinstance(opened, soundfile.SoundFile):
        with opened:
            plain = SoundfileDecoder(opened, name)
            _refuse_odd_header(plain)
            yield plain
        return
    with _open_with_av(file, name, because=opened) as decoder:
        _refuse_odd_header(decoder)
        yield decoder


def _open_soundfile(file: Path | BinaryIO, name: str) -> soundfile.SoundFile | Exception:
    """Return the open file, or why libsndfile refuses it or should not have it."""
    try:
        opened = soundfile.SoundFile(os.fsencode(file) if isinstance(file, Path) and _is_no_text(file) else file)
    except soundfile.LibsndfileError as error:
        if error.code == _MALFORMED:
            raise UnreadableError(not_a_sound(name, error)) from error
        return error
    except TypeError as error:
        raise UnreadableError(
            f"{name}: a .raw file says neither its rate nor its channels; convert it to wav or flac"
        ) from error
    if opened.format == "RAW" and Path(name).suffix.lower() in SOUND_EXTENSIONS:
        # libsndfile takes an .au without its mark for telephone sound, whatever it is.
        opened.close()
        return UnreadableError("its first bytes are those of no known format")
    if opened.frames == _UNKNOWN_FRAMES:
        opened.close()
        return MissingExtraError(f"reading {name}, flac that does not say its length,", "av")
    if opened.format == "MP3" and length_is_a_guess(file):
        opened.close()
        return MissingExtraError(f"reading {name}, an mp3 of varying bit rate that does not say its length,", "av")
    return opened


def _is_no_text(file: Path) -> bool:
    """Return whether a path holds bytes that are no text in the encoding of file names."""
    return any(0xDC80 <= ord(letter) <= 0xDCFF for letter in str(file))


@contextmanager
def _open_with_av(file: Path | BinaryIO, name: str, *, because: Exception) -> Iterator[Decoder]:
    if not extras.installed("av"):
        if isinstance(because, MissingExtraError):
            raise because
        if Path(name).suffix.lower() in AV_EXTENSIONS:
            raise MissingExtraError(f"reading {name}", "av")
        raise UnreadableError(not_a_sound(name, because)) from because
    from earmark.sound.av_decoder import open_av

    if not isinstance(file, Path):
        file.seek(0)
    with open_av(file, name) as decoder:
        yield decoder


def _refuse_odd_header(decoder: Decoder) -> None:
    lowest, highest = SAMPLE_RATES_HZ
    if not lowest <= decoder.sample_rate_hz <= highest:
        raise UnreadableError(
            f"{decoder.name}: its header says {decoder.sample_rate_hz} samples a second; "
            f"allowed are {lowest} to {highest}; correct the header or save it again"
        )


def _source_name(source: SoundSource) -> str:
    """Return what messages call `source`."""
    if is_path(source):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "the given bytes"


def _openable(source: SoundSource) -> Path | BinaryIO:
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
    return _checked(stream, _source_name(source))


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


def _failure_of(file: Path | BinaryIO) -> UnreadableError | None:
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

"""What a sound is read from, the contract of a decoder, and the sentences for files that none can decode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from earmark.errors import UnreadableError
from earmark.types import FloatArray

SoundSource: TypeAlias = Path | str | bytes | BinaryIO
"""A path, the content of a file, or an open binary file."""

PLAIN_EXTENSIONS = frozenset({".wav", ".au", ".snd", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".caf"})
"""Read by libsndfile."""

AV_EXTENSIONS = frozenset({".m4a", ".mp4", ".aac", ".webm", ".mka", ".wma"})
"""Read by PyAV, the ``av`` extra."""

SOUND_EXTENSIONS = PLAIN_EXTENSIONS | AV_EXTENSIONS
"""Lower-case extensions of the files that count as sounds in a folder."""

MISSING_TOLERANCE_S = 0.05
MISSING_TOLERANCE = 0.1
"""Some writers count their own header, or a last codec frame, as sound; in a short file that is no excuse."""

MP3_DELAY_SAMPLES = 1152 + 529
"""Writers of mp3 count what the codec adds, a frame and the decoder's delay, and decoders drop it."""

_MORE_THAN_A_TRAILER = 0.1
"""Share of the stated sound that may follow it and be none: tags of programs that know no chunks."""

_OTHER_KINDS = {
    b"PK\x03\x04": "it is an archive",
    b"\x1f\x8b": "it is an archive",
    b"Rar!": "it is an archive",
    b"\x89PNG": "it is a picture",
    b"\xff\xd8\xff": "it is a picture",
    b"%PDF": "it is a document",
    b"\x00\x05\x16\x07": "it holds what macOS notes about a file, not the file",
}
_TEXT_BEFORE_SOUND = (b"NIST_1A", b"PVF1", b"Extended Instrument")
"""Marks of containers whose header is text."""
PEEKED_BYTES = 64
"""From the begin of a file, by which `other_kind` knows it."""


class Decoder(Protocol):
    """An open sound file.

    Attributes
    ----------
    n_frames
        As the header says; None when it does not.
    """

    name: str
    format: str
    sample_rate_hz: int
    n_channels: int
    n_frames: int | None

    def blocks(self, *, start_frame: int, n_frames: int | None) -> Iterator[FloatArray]:
        """Yield float32 ``(time, channel)`` from `start_frame`, at most `n_frames` in all; use it once."""


def refuse_missing(decoder: Decoder, missing_s: float) -> None:
    """Raise `UnreadableError` when more than a moment of what the header promises is missing."""
    declared_s = (decoder.n_frames or 0) / decoder.sample_rate_hz
    delay_s = MP3_DELAY_SAMPLES / decoder.sample_rate_hz if decoder.format == "MP3" else 0.0
    if missing_s - delay_s > min(MISSING_TOLERANCE_S, MISSING_TOLERANCE * declared_s):
        raise UnreadableError(truncated(decoder.name, f"{missing_s:.2f} s of what its header promises are missing"))


def refuse_more(name: str, stated: int, present: int, *, unit: str = "bytes") -> None:
    """Raise `UnreadableError` when clearly more sound is there than the header states."""
    if present - stated > _MORE_THAN_A_TRAILER * stated:
        raise UnreadableError(
            f"{name}: its header says that the sound has {stated:,} {unit}, but {present:,} are there; correct the"
            " header or save it again"
        )


def other_kind(head: bytes) -> str:
    r"""Return what a file is by its first bytes when it can be no sound; nothing when it may be one.

    >>> other_kind(b"<!DOCTYPE html><title>404"), other_kind(b"RIFF\x24\0\0\0WAVE")
    ("it is text that begins '<!DOCTYPE html><title>404'", '')
    """
    found = next((words for mark, words in _OTHER_KINDS.items() if head.startswith(mark)), "")
    begin = head[:PEEKED_BYTES].removeprefix(b"\xef\xbb\xbf")
    if (
        not found
        and begin
        and not begin.startswith(_TEXT_BEFORE_SOUND)
        and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in begin)
    ):
        return f"it is text that begins {' '.join(begin.decode('ascii').split())[:40]!r}"
    return found


def not_a_sound(name: str, because: Exception | str) -> str:
    """Return the sentence for a file that nothing can open."""
    reason = str(getattr(because, "error_string", because)).rstrip(".")
    allowed = " ".join(sorted(SOUND_EXTENSIONS))
    return f"{name}: is not a sound that can be decoded ({reason}); allowed are intact files of the kinds {allowed}"


def truncated(name: str, evidence: str) -> str:
    """Return the sentence for a file that ends too early."""
    return f"{name}: is truncated ({evidence}); copy or record it again, or remove it"

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


def not_a_sound(name: str, because: Exception | str) -> str:
    """Return the sentence for a file that nothing can open."""
    reason = str(getattr(because, "error_string", because)).rstrip(".")
    allowed = " ".join(sorted(SOUND_EXTENSIONS))
    return f"{name}: is not a sound that can be decoded ({reason}); allowed are intact files of the kinds {allowed}"


def truncated(name: str, evidence: str) -> str:
    """Return the sentence for a file that ends too early."""
    return f"{name}: is truncated ({evidence}); copy or record it again, or remove it"

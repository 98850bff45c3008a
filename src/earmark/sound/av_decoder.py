"""Decoding with PyAV (the ``av`` extra): m4a, aac, webm and whatever libsndfile does not know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from earmark.errors import UnreadableError, refusing
from earmark.sound.decoder import Decoder, not_a_sound, refuse_missing
from earmark.types import FloatArray

# Playlists and network protocols are left out: a file must never make the reader open another one.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,wav,w64,flac,asf,avi,mpegts,au,aiff,caf,amr,ac3,wv,tta,ape"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}

_STATING_LENGTH = ("mov", "matroska")

_PADDING_S = 0.5
"""Containers round their duration and count the codec's priming."""


class AvDecoder:
    """Reads the first sound stream of a container."""

    def __init__(self, container: Any, name: str) -> None:
        self.name = name
        self._frames = _decoded(container, name)
        stream = container.streams.audio[0]
        first = next(self._frames, None)
        # Some codecs (HE-AAC) only know their rate after the first frame.
        self.sample_rate_hz: int = first.sample_rate if first else stream.rate
        self.n_channels: int = first.layout.nb_channels if first else stream.channels
        self.format: str = stream.codec_context.name.upper()
        self._first = first
        self.n_frames = self._declared(container, stream)

    def blocks(self, *, start_frame: int, n_frames: int | None) -> Iterator[FloatArray]:
        """Yield float32 ``(time, channel)``; what lies before `start_frame` is decoded and dropped."""
        position = 0
        stop = start_frame + n_frames if n_frames is not None else None
        for block in self._all():
            begin, position = position, position + len(block)
            if position > start_frame:
                yield block[max(0, start_frame - begin) : None if stop is None else stop - begin]
            if stop is not None and position >= stop:
                return
        if self.n_frames is not None:
            refuse_missing(self, (self.n_frames - position) / self.sample_rate_hz - _PADDING_S)

    def _all(self) -> Iterator[FloatArray]:
        frames = self._frames if self._first is None else (f for part in ((self._first,), self._frames) for f in part)
        # The frames of a damaged file may differ in rate and in channels.
        with _refusing_damage(self.name):
            to_float = av.AudioResampler(format="flt", rate=self.sample_rate_hz)
            for frame in frames:
                for piece in to_float.resample(frame):
                    yield _block(piece, self.n_channels)
            for piece in to_float.resample(None):
                yield _block(piece, self.n_channels)

    def _declared(self, container: Any, stream: Any) -> int | None:
        """Return the number of frames where the container states it; others only guess from the bit rate."""
        if not container.format.name.startswith(_STATING_LENGTH):
            return None
        if stream.duration is not None and stream.time_base is not None:
            return round(float(stream.duration * stream.time_base) * self.sample_rate_hz)
        if container.duration is not None:
            return round(int(container.duration) / int(av.time_base) * self.sample_rate_hz)
        return None


@contextmanager
def open_av(file: Path | BinaryIO, name: str) -> Iterator[Decoder]:
    """Open a container; raise `UnreadableError` when it is none or holds no sound."""
    with refusing(lambda error: UnreadableError(not_a_sound(name, getattr(error, "strerror", error)))):
        container = av.open(str(file) if isinstance(file, Path) else file, options=_OPTIONS, metadata_errors="ignore")
    with container:
        if not container.streams.audio:
            raise UnreadableError(f"{name}: holds no sound stream; give a file with sound")
        with refusing(lambda error: UnreadableError(not_a_sound(name, error))):
            decoder = AvDecoder(container, name)
        yield decoder


def _decoded(container: Any, name: str) -> Iterator[Any]:
    with _refusing_damage(name):
        yield from container.decode(audio=0)


def _refusing_damage(name: str) -> AbstractContextManager[None]:
    return refusing(
        lambda error: UnreadableError(
            f"{name}: is damaged and cannot be decoded to the end ({getattr(error, 'strerror', error)}); "
            "copy or encode it again, or remove it"
        )
    )


def _block(frame: Any, n_channels: int) -> FloatArray:
    """Return the samples of a packed float frame, ``(time, channel)``."""
    samples: FloatArray = frame.to_ndarray().astype(np.float32, copy=False).reshape(-1, n_channels)
    return samples

"""Sources of a stream: one protocol, so that a file goes through the same path as a microphone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from earmark.sound.decoders import open_decoder
from earmark.sound.reading import mono_blocks
from earmark.types import FloatArray

CHUNK_S = 0.05


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next piece of a stream.

    Attributes
    ----------
    samples
        float32 ``(time,)``, mono.
    arrived_s
        `time.monotonic` when the last of them was there.
    """

    samples: FloatArray
    arrived_s: float


class Source(Protocol):
    """A stream of mono sound.

    Attributes
    ----------
    name
        What it is called on the screen and in messages.
    n_dropped
        Buffers that were lost so far because nobody took them in time.
    """

    name: str
    sample_rate_hz: int
    n_dropped: int

    def chunks(self) -> Iterator[Chunk]:
        """Yield the stream once, from its beginning; closing the iterator closes the source."""


class FileSource:
    """Plays a file into the path of a microphone.

    Parameters
    ----------
    path
        A sound file of any kind.
    real_time
        Deliver each chunk when a microphone would; otherwise as fast as it is taken.
    chunk_s
        Length of a chunk.

    Raises
    ------
    UnreadableError, MissingExtraError
        When it cannot be read; damage late in the file is met when the stream gets there.
    """

    def __init__(self, path: Path, *, real_time: bool = True, chunk_s: float = CHUNK_S) -> None:
        self.name, self.n_dropped = str(path), 0
        self._path, self._real_time, self._chunk_s = path, real_time, chunk_s
        with open_decoder(path) as decoder:
            self.sample_rate_hz: int = decoder.sample_rate_hz

    def chunks(self) -> Iterator[Chunk]:
        step = max(1, round(self._chunk_s * self.sample_rate_hz))
        began_s, n_samples = time.monotonic(), 0
        with open_decoder(self._path) as decoder:
            for block in mono_blocks(decoder):
                for start in range(0, len(block), step):
                    samples = block[start : start + step]
                    n_samples += len(samples)
                    if self._real_time:
                        due_s = began_s + n_samples / self.sample_rate_hz
                        time.sleep(max(0.0, due_s - time.monotonic()))
                    yield Chunk(samples, time.monotonic())

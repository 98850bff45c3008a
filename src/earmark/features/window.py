"""Windows: how a sound, a stream or a spectrogram of any length is cut into what a network sees.

Everything that cuts windows does it here: training, validation, predictions, live streams, the detector, the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from earmark.config import Config
from earmark.errors import UsageError
from earmark.types import FloatArray, Sound
from earmark.units import seconds_to_samples

if TYPE_CHECKING:
    from earmark.sound import SoundSource


class Window(Config):
    """Windows over a sound.

    Attributes
    ----------
    length_s
        Length of a window. A longer sound gives several, the last one aligned with its end.
    hop_s
        Distance between the starts of neighbouring windows.
    min_s
        A shorter sound is extended with silence to this length.
    aggregate
        How the windows' probabilities become one answer: ``"mean"``, or ``"energy"``, weighted by the energy of each
        window, so that the decay of a note does not outvote its onset; or ``"max"``, each label's highest, where a
        label says what is somewhere in a sound.
    first_s
        Only so many seconds from the beginning of a sound are used, in training and in use; None: all of it.
    """

    length_s: float = Field(gt=0, le=600)
    hop_s: float = Field(gt=0)
    min_s: float = Field(gt=0)
    aggregate: Literal["mean", "energy", "max"] = "mean"
    first_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min_s <= self.length_s or not self.hop_s <= self.length_s:
            raise ValueError(f"min_s ({self.min_s}) and hop_s ({self.hop_s}) may not exceed length_s ({self.length_s})")
        return self

    def starts(self, n: int, *, length: int, hop: int) -> tuple[int, ...]:
        """Return the first index of every window over `n` samples or frames; `length` and `hop` in the same unit.

        >>> Window(length_s=3, hop_s=2, min_s=1).starts(10, length=4, hop=3)
        (0, 3, 6)
        >>> Window(length_s=3, hop_s=2, min_s=1).starts(9, length=4, hop=3)
        (0, 3, 5)
        """
        schedule = WindowSchedule(length, hop)
        regular, last = tuple(schedule.due(n)), schedule.last(n)
        return regular if last is None else (*regular, last)


class WindowSchedule:
    """The windows of a stream whose end is not known yet.

    Windows start every `hop` samples or frames; one more is aligned with the end when the regular ones do not reach it.
    What is shorter than a window is one short window.

    Attributes
    ----------
    length, hop
        In samples or frames.
    next
        Where the next regular window starts.
    """

    def __init__(self, length: int, hop: int) -> None:
        self.length, self.hop, self.next = length, hop, 0

    def due(self, end: int) -> Iterator[int]:
        """Yield the start of every window that is complete at `end` and has not been given yet."""
        while self.next + self.length <= end:
            start, self.next = self.next, self.next + self.hop
            yield start

    def last(self, end: int) -> int | None:
        """Return the start of the window that the regular ones lack when the stream ends; None when they lack none."""
        if end <= self.length:
            return 0 if self.next == 0 else None
        return end - self.length if self.next - self.hop + self.length < end else None


def iter_windows(pieces: Iterable[FloatArray], *, length: int, hop: int) -> Iterator[tuple[int, FloatArray]]:
    """Yield ``(first sample, window)`` of samples that come in pieces of any size, in flat memory.

    Only what the next window or the last one can need is held.
    """
    schedule = WindowSchedule(length, hop)
    buffer, begin = np.zeros(0, np.float32), 0
    for piece in pieces:
        buffer = np.concatenate((buffer, piece)) if len(buffer) else piece
        end = begin + len(buffer)
        for start in schedule.due(end):
            yield start, buffer[start - begin : start - begin + length]
        keep = max(begin, min(schedule.next, end - length))
        buffer, begin = buffer[keep - begin :], keep
    last = schedule.last(begin + len(buffer))
    if last is not None:
        yield last, buffer[last - begin :]


def sound_windows(
    source_or_sound: SoundSource | Sound,
    *,
    length_s: float,
    hop_s: float,
    sample_rate_hz: int,
    first_s: float | None = None,
) -> Iterator[tuple[float, FloatArray]]:
    """Yield ``(start_s, samples)`` for every window of a sound, mono, at `sample_rate_hz`; of its `first_s` alone.

    A sound shorter than `length_s` gives one short window. A file is decoded and resampled piece by piece, so the
    memory does not grow with its length.

    Raises
    ------
    UnreadableError, MissingExtraError
        As `earmark.sound.read`; damage late in a file is met when the windows get there.
    UsageError
        When the length or the hop is less than one sample.
    """
    from earmark.sound import resampled_blocks

    length, hop = seconds_to_samples(length_s, sample_rate_hz), seconds_to_samples(hop_s, sample_rate_hz)
    if length < 1 or hop < 1:
        raise UsageError(f"windows of {length_s} s every {hop_s} s: both must be at least one sample long")
    blocks = resampled_blocks(source_or_sound, sample_rate_hz)
    if first_s is not None:
        blocks = _beginning(blocks, seconds_to_samples(first_s, sample_rate_hz))
    windows = iter_windows(blocks, length=length, hop=hop)
    return ((start / sample_rate_hz, samples) for start, samples in windows)


def _beginning(blocks: Iterator[FloatArray], n_samples: int) -> Iterator[FloatArray]:
    """Yield the first `n_samples` of a sound."""
    for block in blocks:
        yield block[:n_samples]
        n_samples -= len(block)
        if n_samples <= 0:
            return


def sound_segments(
    source_or_sound: SoundSource | Sound, *, length_s: float, hop_s: float, sample_rate_hz: int
) -> Iterator[tuple[float, FloatArray]]:
    """Yield ``(start_s, samples)`` for every segment of a sound: its windows, but for a last one that is hardly new.

    The last window is aligned with the end. Where that moves it by less than half a hop it repeats the one before, so a
    track of 30.01 s has ten segments of 3 s. Parameters and errors as for `sound_windows`.
    """
    before_s = -hop_s
    windows = sound_windows(source_or_sound, length_s=length_s, hop_s=hop_s, sample_rate_hz=sample_rate_hz)
    for start_s, samples in windows:
        if start_s - before_s >= hop_s / 2:
            yield start_s, samples
        before_s = start_s


def crop(frames: FloatArray, start: int, n_frames: int, *, n_numbers: int = 0) -> FloatArray:
    """Return `n_frames` frames from `start` of ``(channel, freq, time)``.

    What is too short is extended: the last `n_numbers` rows, which are the same in every column, with what they hold,
    and the others with their lowest value.
    """
    part = frames[:, :, start : start + n_frames]
    missing = n_frames - part.shape[2]
    if missing <= 0:
        return part
    n_rows = part.shape[1] - n_numbers
    widths = ((0, 0), (0, 0), (0, missing))
    lowest = np.pad(part[:, :n_rows], widths, constant_values=part[:, :n_rows].min() if n_rows else 0)
    return np.concatenate([lowest, np.pad(part[:, n_rows:], widths, mode="edge")], axis=1)

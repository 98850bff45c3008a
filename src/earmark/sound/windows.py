"""Cutting sounds of any length into windows, in flat memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from earmark.errors import UsageError
from earmark.sound.decoders import open_decoder
from earmark.sound.reading import extend_to_one, mono_blocks, refuse_empty, resample
from earmark.sound.source import SoundSource
from earmark.types import FloatArray, Sound
from earmark.units import seconds_to_samples


def windows(
    source_or_sound: SoundSource | Sound,
    *,
    length_s: float,
    hop_s: float,
    sample_rate_hz: int,
) -> Iterator[tuple[float, FloatArray]]:
    """Yield ``(start_s, samples)`` for every window of a sound, mono, at `sample_rate_hz`.

    Windows start every `hop_s`; one more is aligned with the end when the regular ones do not reach it. A sound shorter
    than `length_s` gives one short window. A file is decoded and resampled piece by piece, so the memory does not grow
    with its length, and the samples equal those of `earmark.sound.read`.

    Raises
    ------
    UnreadableError, MissingExtraError
        As `earmark.sound.read`; damage late in a file is met when the windows get there.
    UsageError
        When the length or the hop is less than one sample.
    """
    length, hop = seconds_to_samples(length_s, sample_rate_hz), seconds_to_samples(hop_s, sample_rate_hz)
    if length < 1 or hop < 1:
        raise UsageError(f"windows of {length_s} s every {hop_s} s: both must be at least one sample long")
    pieces = (
        (resample(source_or_sound, sample_rate_hz).samples,)
        if isinstance(source_or_sound, Sound)
        else _resampled(source_or_sound, sample_rate_hz)
    )
    return ((start / sample_rate_hz, samples) for start, samples in _cut(pieces, length=length, hop=hop))


def _resampled(source: SoundSource, sample_rate_hz: int) -> Iterator[FloatArray]:
    with open_decoder(source) as decoder:
        blocks = mono_blocks(decoder)
        first = next(blocks, None)
        if first is None or not len(first):
            refuse_empty(decoder)
            return
        if decoder.sample_rate_hz == sample_rate_hz:
            yield first
            yield from blocks
            return
        stream = soxr.ResampleStream(decoder.sample_rate_hz, sample_rate_hz, 1, dtype="float32")
        held = first
        for block in blocks:
            yield stream.resample_chunk(held)
            held = block
        if held is first:
            held = extend_to_one(held, decoder.sample_rate_hz, sample_rate_hz)
        yield stream.resample_chunk(np.ascontiguousarray(held), last=True)


def _cut(pieces: Iterable[FloatArray], *, length: int, hop: int) -> Iterator[tuple[int, FloatArray]]:
    """Yield ``(first sample, window)``; hold only what the next window or the last one can need."""
    buffer, begin, start = np.zeros(0, np.float32), 0, 0
    for piece in pieces:
        buffer = np.concatenate((buffer, piece)) if len(buffer) else piece
        end = begin + len(buffer)
        while start + length <= end:
            yield start, buffer[start - begin : start - begin + length]
            start += hop
        keep = max(begin, min(start, end - length))
        buffer, begin = buffer[keep - begin :], keep
    end = begin + len(buffer)
    if end <= length:
        if start == 0:
            yield 0, buffer
    elif start - hop + length < end:
        yield end - length, buffer[end - length - begin :]

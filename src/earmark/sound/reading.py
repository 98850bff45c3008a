"""Reading a sound, whole, in part or block after block, as mono samples at the rate that is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from earmark.errors import DataError, UnreadableError
from earmark.sound.decoder import Decoder, SoundSource
from earmark.sound.decoders import open_decoder
from earmark.types import FloatArray, Sound

CANCELLED_SHARE = 1e-3
"""Share of the channels' power below which their mean holds nothing of them: 30 dB are gone."""


@dataclass(frozen=True, slots=True)
class SoundInfo:
    """What the header of a sound file says.

    Attributes
    ----------
    format
        Container or codec in capitals: ``"WAV"``, ``"MP3"``, ``"AAC"``.
    """

    duration_s: float
    sample_rate_hz: int
    n_channels: int
    format: str


def read(
    source: SoundSource,
    *,
    sample_rate_hz: int | None = None,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> Sound:
    """Decode a sound, mix its channels to their mean, and resample it.

    Parameters
    ----------
    source
        A path, the content of a file, or an open binary file.
    sample_rate_hz
        Rate of the result (soxr, HQ); None keeps the rate of the file.
    start_s, duration_s
        The span to read; to the end by default, and never beyond it.

    Raises
    ------
    UnreadableError
        When the file is missing, empty, damaged, truncated, not a sound, without samples, or has NaN or infinite ones.
    DataError
        When the span starts at or after the end, or is not positive.
    MissingExtraError
        When the format needs PyAV and it is not installed.
    """
    _refuse_span(start_s, duration_s)
    with open_decoder(source) as decoder:
        rate_hz = decoder.sample_rate_hz
        start_frame = round(start_s * rate_hz)
        n_frames = None if duration_s is None else max(1, round(duration_s * rate_hz))
        samples = _join(list(mono_blocks(decoder, start_frame=start_frame, n_frames=n_frames)))
        if not len(samples):
            _refuse_nothing(decoder, start_s)
    sound = Sound(samples, rate_hz)
    return sound if sample_rate_hz is None else resample(sound, sample_rate_hz)


def resampled_blocks(source_or_sound: SoundSource | Sound, sample_rate_hz: int) -> Iterator[FloatArray]:
    """Yield the mono samples of a sound at `sample_rate_hz`, block after block, ``(time,)``.

    A file is decoded and resampled piece by piece, so the memory does not grow with its length, and the samples equal
    those of `read`.

    Raises
    ------
    UnreadableError, MissingExtraError
        As `read`; damage late in a file is met when the blocks get there.
    """
    if isinstance(source_or_sound, Sound):
        yield resample(source_or_sound, sample_rate_hz).samples
        return
    with open_decoder(source_or_sound) as decoder:
        blocks = mono_blocks(decoder)
        first = next(blocks, None)
        if first is None or not len(first):
            _refuse_empty(decoder)
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


def info(source: SoundSource) -> SoundInfo:
    """Return what the header of a sound says; the sound is decoded only when the header does not give its length.

    Raises
    ------
    UnreadableError, MissingExtraError
        As `read`, as far as the header shows it.
    """
    with open_decoder(source) as decoder:
        n_frames = decoder.n_frames
        if n_frames is None:
            n_frames = sum(len(block) for block in decoder.blocks(start_frame=0, n_frames=None))
        return SoundInfo(
            duration_s=n_frames / decoder.sample_rate_hz,
            sample_rate_hz=decoder.sample_rate_hz,
            n_channels=decoder.n_channels,
            format=decoder.format,
        )


def resample(sound: Sound, sample_rate_hz: int) -> Sound:
    """Return `sound` at another rate (soxr, HQ); at least one sample, however short it is."""
    if sound.sample_rate_hz == sample_rate_hz or not len(sound.samples):
        return Sound(sound.samples, sample_rate_hz)
    samples = extend_to_one(sound.samples, sound.sample_rate_hz, sample_rate_hz)
    return Sound(soxr.resample(samples, sound.sample_rate_hz, sample_rate_hz), sample_rate_hz)


def extend_to_one(samples: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    """Return `samples` with silence after them, as far as resampling needs it to give one sample."""
    missing = math.ceil(from_hz / to_hz) - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples


def mono_blocks(decoder: Decoder, *, start_frame: int = 0, n_frames: int | None = None) -> Iterator[FloatArray]:
    """Yield float32 ``(time,)``, the mean over the channels.

    Raises
    ------
    UnreadableError
        At the first NaN or Inf, and at the end when the channels have cancelled each other, so that nothing is left.
    """
    position = start_frame
    power_before = power_after = 0.0
    for block in decoder.blocks(start_frame=start_frame, n_frames=n_frames):
        n_channels = block.shape[1]
        mono = block[:, 0] if n_channels == 1 else block @ np.full(n_channels, 1 / n_channels, np.float32)
        finite = np.isfinite(mono)
        if not finite.all():
            first_s = (position + int(np.argmin(finite))) / decoder.sample_rate_hz
            raise UnreadableError(
                f"{decoder.name}: has samples that are NaN or infinite, the first at {first_s:.3f} s; "
                "only finite numbers are sound; export it again, or remove it"
            )
        position += len(mono)
        if n_channels > 1:
            power_before += float(np.square(block, dtype=np.float64).sum()) / n_channels
            power_after += float(np.square(mono, dtype=np.float64).sum())
        yield mono
    if power_after < CANCELLED_SHARE * power_before:
        raise UnreadableError(
            f"{decoder.name}: its channels cancel each other when they are mixed, because one is the other inverted; "
            "invert one of them, or save one channel as mono"
        )


def _refuse_empty(decoder: Decoder) -> None:
    """Raise `UnreadableError` for a sound without samples."""
    raise UnreadableError(f"{decoder.name}: holds no samples; record it again, or remove it")


def _refuse_nothing(decoder: Decoder, start_s: float) -> None:
    if start_s <= 0 or not decoder.n_frames:
        _refuse_empty(decoder)
    ends_s = (decoder.n_frames or 0) / decoder.sample_rate_hz
    raise DataError(
        f"{decoder.name}: the span starts at {start_s} s, but the sound ends at {ends_s:.2f} s; give an earlier start"
    )


def _refuse_span(start_s: float, duration_s: float | None) -> None:
    if not (math.isfinite(start_s) and start_s >= 0):
        raise DataError(f"a span cannot start at {start_s} s; give 0 or more")
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
        raise DataError(f"a span cannot last {duration_s} s; give more than 0, or nothing for the whole sound")


def _join(blocks: list[FloatArray]) -> FloatArray:
    return np.ascontiguousarray(np.concatenate(blocks)) if blocks else np.zeros(0, np.float32)

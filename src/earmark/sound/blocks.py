"""Streaming a sound of any length, resampled, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr

from earmark.sound.decoders import open_decoder
from earmark.sound.reading import extend_to_one, mono_blocks, refuse_empty, resample
from earmark.sound.source import SoundSource
from earmark.types import FloatArray, Sound


def resampled_blocks(source_or_sound: SoundSource | Sound, sample_rate_hz: int) -> Iterator[FloatArray]:
    """Yield the mono samples of a sound at `sample_rate_hz`, block after block, ``(time,)``.

    A file is decoded and resampled piece by piece, so the memory does not grow with its length, and the samples equal
    those of `earmark.sound.read`.

    Raises
    ------
    UnreadableError, MissingExtraError
        As `earmark.sound.read`; damage late in a file is met when the blocks get there.
    """
    if isinstance(source_or_sound, Sound):
        yield resample(source_or_sound, sample_rate_hz).samples
        return
    with open_decoder(source_or_sound) as decoder:
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

"""Stitching: the frames of a sound of any length, or of a stream, from windows that overlap.

Each frame comes from the window in which it is farther from an edge; files and streams go through the same code, in
flat memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from earmark.errors import DataError, ModelError
from earmark.features import SoundFeatures, Window
from earmark.features.window import WindowSchedule
from earmark.recognizer.card import Card
from earmark.recognizer.frame_outputs import FRAME_OUTPUTS, FrameOutputs, FrameScores
from earmark.recognizer.network import OnnxNetwork, log_sigmoid
from earmark.recognizer.windows import BATCH_S, SILENCE_PEAK, refuse_too_loud
from earmark.sound import SoundSource, resampled_blocks
from earmark.types import FloatArray, Numbers, Picture, Sound
from earmark.units import seconds_to_samples


def frame_outputs_of(card: Card) -> FrameOutputs:
    """Return the section `frames` of a card.

    Raises
    ------
    ModelError
        When it has none.
    """
    if card.frames is None:
        raise ModelError(
            f"{card.name}: gives no notes with start and end, because its file has no frame outputs; choose a"
            " recognizer of piano keys that has them, see 'earmark models'"
        )
    return card.frames


class FrameStitcher:
    """Follows a sound piece by piece and gives its frames as soon as they are final.

    Windows start a whole number of frames after each other and overlap by twice the margin of the card. A window gives
    its frames up to the middle of the overlap with the next one. The last window is aligned with the end of the sound,
    as far as whole frames allow, and gives all the rest.

    Parameters
    ----------
    network, card
        Of the recognizer.

    Raises
    ------
    ModelError
        When the recognizer has no frame outputs.
    """

    def __init__(self, network: OnnxNetwork, card: Card) -> None:
        frames = frame_outputs_of(card)
        # A card with frames has both.
        window, features = cast("Window", card.window), cast("SoundFeatures", card.features)
        self._network, self._n_labels, self._rate_hz = network, len(card.labels), features.sample_rate_hz
        self._hop, self._first, self._shortest, length, margin = (
            seconds_to_samples(span_s, self._rate_hz)
            for span_s in (frames.hop_s, frames.first_s, window.min_s, window.length_s, frames.margin_s)
        )
        self._schedule = WindowSchedule(length, max(1, (length - 2 * margin) // self._hop) * self._hop)
        self._most = max(1, int(BATCH_S / window.length_s))
        self._buffer, self._begin = np.zeros(0, np.float32), 0
        self._next = 0  # the first frame that was not given yet

    def follow(self, sound: SoundSource | Sound | Picture | Numbers, *, where: str) -> Iterator[FrameScores]:
        """Yield the frames of a whole sound.

        Raises
        ------
        DataError
            When the sound cannot be read, is no sound, or has samples absurdly far beyond -1…1; `where` names it.
        """
        if isinstance(sound, Picture | Numbers):
            raise DataError(f"{where}: notes are found in sounds; give the sound")
        for block in resampled_blocks(sound, self._rate_hz):
            refuse_too_loud(block, where=where)
            yield from self.feed(block)
        yield from self.finish()

    @property
    def _end(self) -> int:
        return self._begin + len(self._buffer)

    def feed(self, samples: FloatArray) -> Iterator[FrameScores]:
        """Take the next samples ``(time,)`` at the rate of the card; yield the frames that are final with them."""
        step = self._most * self._schedule.hop
        for first in range(0, len(samples), step):
            self._buffer = np.concatenate([self._buffer, samples[first : first + step]])
            starts = list(self._schedule.due(self._end))
            if starts:
                yield self._frames_of(starts)
            keep = max(self._begin, min(self._schedule.next, self._end - self._schedule.length))
            self._buffer, self._begin = self._buffer[keep - self._begin :], keep

    def finish(self) -> Iterator[FrameScores]:
        """End the sound; yield its last frames."""
        end, length = self._end, self._schedule.length
        n_left = (end - 1 - self._first) // self._hop + 1 - self._next if end else 0
        if n_left <= 0:
            return
        if end <= length:
            missing = max(0, self._shortest - end)
        else:
            start = -(-(end - length) // self._hop) * self._hop
            missing = start + length - end
            self._buffer, self._begin = self._buffer[start - self._begin :], start
        self._buffer = np.pad(self._buffer, (0, missing))
        scores = self._scored(self._buffer[None])
        yield self._given(self._begin, tuple(values[0] for values in scores), stop=self._next + n_left)

    def _frames_of(self, starts: list[int]) -> FrameScores:
        """Return the frames of regular windows, each up to the middle of its overlap with the next."""
        length, hop = self._schedule.length, self._schedule.hop
        batch = np.stack([self._buffer[start - self._begin : start - self._begin + length] for start in starts])
        rows = zip(*self._scored(batch), strict=True)
        parts = []
        for start, scores in zip(starts, rows, strict=True):
            middle = start + (length + hop) // 2
            parts.append(self._given(start, scores, stop=-(-(middle - self._first) // self._hop)))
        return FrameScores.joined(parts)

    def _given(self, start: int, scores: tuple[FloatArray, ...], *, stop: int) -> FrameScores:
        """Return the frames from the next one to `stop` out of the window that starts at sample `start`."""
        before = start // self._hop
        rows = slice(self._next - before, stop - before)
        parts = [values[rows] for values in scores]
        numbers = self._next + np.arange(len(parts[0]))
        self._next += len(numbers)
        return FrameScores((numbers * self._hop + self._first) / self._rate_hz, *parts)

    def _scored(self, batch: FloatArray) -> tuple[FloatArray, ...]:
        """Return the outputs for windows ``(batch, time)``; zero for those that are silent, which are not computed."""
        heard = np.abs(batch).max(axis=1) >= SILENCE_PEAK
        if not heard.any():
            silence = np.zeros((len(batch), batch.shape[1] // self._hop + 1, self._n_labels), np.float32)
            return silence, silence, silence
        sounding, onset, velocity = self._network.run(FRAME_OUTPUTS, samples=batch[heard])
        scores = *(np.exp(log_sigmoid(logits)) for logits in (sounding, onset)), np.clip(velocity, 0, 1)
        results = tuple(np.zeros((len(batch), *velocity.shape[1:]), np.float32) for _ in scores)
        for result, values in zip(results, scores, strict=True):
            result[heard] = values
        return results

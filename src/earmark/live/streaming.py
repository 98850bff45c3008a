"""How a window of a stream is heard: from its samples anew, with the spectrogram of the window before, or onwards.

All three take windows in the order of the stream and answer alike whatever chunks it came in.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np

from earmark.features import SoundFeatures, Window
from earmark.live.ring import Ring
from earmark.recognizer import Recognizer, WindowScores
from earmark.recognizer.windows import SILENCE_PEAK, WindowBatch
from earmark.types import FloatArray, Sound
from earmark.units import seconds_to_samples

LONG_S = 4.0
"""The spectrogram of a window this long takes tens of milliseconds, and is kept."""

_AT_ONCE = 8
"""Frames that are computed together; few enough to need no compiled code, see `earmark.features.stft`."""


class StreamStrategy(Protocol):
    """Hears windows of a stream."""

    def hear(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        """Return what the network says of samples `start` to `end` of the stream; nothing comes after the last."""

    def skip_to(self, end: int) -> None:
        """Go on to sample `end` without an answer."""

    def forget(self, end: int) -> None:
        """Begin anew after sample `end`: there was a silence."""


class WholeWindow:
    """Hears every window by itself, as `Recognizer.predict` does."""

    def __init__(self, recognizer: Recognizer, ring: Ring, *, rate_hz: int) -> None:
        self._recognizer, self._ring, self._rate_hz = recognizer, ring, rate_hz

    def hear(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        return self._recognizer.score(Sound(self._ring.between(start, end), self._rate_hz))

    def skip_to(self, end: int) -> None: ...

    def forget(self, end: int) -> None: ...


class Frames:
    """The spectrogram of a stream, frame by frame, as soon as a frame can not change any more.

    Parameters
    ----------
    features
        Its kind.
    ring
        Holds the samples.
    """

    def __init__(self, features: SoundFeatures, ring: Ring) -> None:
        self._features, self._ring = features, ring
        self._margin = -(-features.reach_samples // features.hop_samples)
        self.next = 0

    def n_final(self, end: int) -> int:
        """Return how many frames of the stream are touched by no sample from `end` on."""
        return max(0, (end - self._features.reach_samples) // self._features.hop_samples + 1)

    def until(self, end: int, *, is_last: bool = False) -> FloatArray:
        """Return the frames from `next` on that are final at `end`, ``(channel, freq, time)``.

        After the last sample, those that reach beyond it are final too: there is silence.
        """
        n = self._features.n_frames(end) if is_last else self.n_final(end)
        firsts = range(self.next, n, _AT_ONCE)
        pieces = [self.made(first, min(n, first + _AT_ONCE), since=0, end=end) for first in firsts]
        self.next = max(self.next, n)
        return np.concatenate(pieces, axis=2) if pieces else np.zeros((1, self._features.n_bins, 0), np.float32)

    def made(self, first: int, stop: int, *, since: int, end: int) -> FloatArray:
        """Return frames `first` to `stop` of a sound that is samples `since` to `end`, a whole number of hops on."""
        hop, reach = self._features.hop_samples, self._features.reach_samples
        origin = max(since // hop, first - self._margin)
        samples = self._ring.between(origin * hop, min(end, (stop - 1) * hop + reach))
        return self._features(samples)[..., first - origin : stop - origin]


class CachedFrames:
    """Hears every window by itself, but computes only the frames of its spectrogram that the one before has not.

    Windows start a whole number of frames after each other. At their edges, where there is silence for the network and
    other sound in the stream, frames are computed anew.
    """

    def __init__(self, recognizer: Recognizer, ring: Ring, features: SoundFeatures, *, min_samples: int) -> None:
        self._recognizer, self._features, self._ring = recognizer, features, ring
        self._whole = WholeWindow(recognizer, ring, rate_hz=features.sample_rate_hz)
        self._min_samples = min_samples
        self._frames = Frames(features, ring)
        self._n_edge = -(-features.reach_samples // features.hop_samples)
        self._kept = np.zeros((1, features.n_bins, 0), np.float32)

    def hear(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        hop = self._features.hop_samples
        first, stop = start // hop, start // hop + self._features.n_frames(end - start)
        inner, outer = first + self._n_edge, self._frames.n_final(end)
        if end - start < self._min_samples or start % hop or inner >= outer:
            return self._whole.hear(start, end, is_last=is_last)
        self._keep(inner, end)
        parts = [
            self._frames.made(first, inner, since=start, end=end),
            self._kept[..., : outer - inner],
            self._frames.made(outer, stop, since=start, end=end),
        ]
        samples = self._ring.between(start, end)
        weights = np.array([np.abs(samples).max() >= SILENCE_PEAK], np.float32)
        starts_s, ends_s = np.array([[start], [end]]) / self._features.sample_rate_hz
        window = WindowBatch(starts_s, ends_s, weights, "features", np.concatenate(parts, axis=2)[None])
        return self._recognizer.score_together([window])[0]

    def _keep(self, first: int, end: int) -> None:
        """Hold the final frames from `first` on."""
        begin = self._frames.next - self._kept.shape[2]
        if first > self._frames.next:
            self._frames.next = begin = first
            self._kept = self._kept[..., :0]
        self._kept = np.concatenate([self._kept[..., first - begin :], self._frames.until(end)], axis=2)

    def skip_to(self, end: int) -> None: ...

    def forget(self, end: int) -> None: ...


class Recurrent:
    """Follows the stream with a network that remembers: every frame is seen once.

    The answer is that to the frames of the last window, seen by a network that also remembers what was before.

    Parameters
    ----------
    length
        Of a window, in samples.
    """

    def __init__(self, recognizer: Recognizer, ring: Ring, features: SoundFeatures, *, length: int) -> None:
        self._recognizer, self._frames = recognizer, Frames(features, ring)
        self._most = features.n_frames(length)
        self._rate_hz = features.sample_rate_hz
        self._state = recognizer.start
        self._totals: deque[tuple[int, FloatArray]] = deque()
        self._said: FloatArray | None = None

    def hear(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        self._advance(end, is_last=is_last)
        starts_s, ends_s = np.array([[start], [end]]) / self._rate_hz
        is_heard = np.ones(1, np.float32) if self._said is not None else np.zeros(1, np.float32)
        n_labels = len(self._recognizer.card.labels)
        said = self._said if self._said is not None else np.zeros(n_labels, np.float32)
        return WindowScores(
            starts_s, ends_s, said[None], is_heard, np.ones(1, np.float32), np.full(1, np.inf, np.float32)
        )

    def skip_to(self, end: int) -> None:
        self._advance(end, is_last=False)

    def forget(self, end: int) -> None:
        self._state, self._said = self._recognizer.start, None
        self._totals.clear()
        self._frames.next = max(self._frames.next, self._frames.n_final(end))

    def _advance(self, end: int, *, is_last: bool) -> None:
        frames = self._frames.until(end, is_last=is_last)
        n_new = frames.shape[2]
        if not n_new:
            return
        while self._totals and sum(n for n, _ in self._totals) + n_new > self._most:
            self._totals.popleft()
        # The network answers with the mean of its outputs since the beginning; let that be the beginning of the window.
        before = sum((total for _, total in self._totals), np.zeros_like(self._state["total"]))
        n_before = np.float32(sum(n for n, _ in self._totals))
        state = {**self._state, "total": before, "n_frames": np.asarray(n_before)}
        self._said, self._state = self._recognizer.advance(frames, state)
        self._totals.append((n_new, self._state["total"] - before))


def hearing(recognizer: Recognizer, ring: Ring, features: SoundFeatures, *, window: Window, hop: int) -> StreamStrategy:
    """Return how windows of a stream, `hop` samples apart, are best heard."""
    rate_hz, rejection = features.sample_rate_hz, recognizer.card.rejection
    # What decides to decline looks at a whole window.
    if recognizer.start and (rejection is None or not rejection.looks):
        return Recurrent(recognizer, ring, features, length=seconds_to_samples(window.length_s, rate_hz))
    if window.length_s >= LONG_S and hop % features.hop_samples == 0:
        return CachedFrames(recognizer, ring, features, min_samples=seconds_to_samples(window.min_s, rate_hz))
    return WholeWindow(recognizer, ring, rate_hz=rate_hz)

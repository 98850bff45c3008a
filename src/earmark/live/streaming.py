"""Streaming strategies: how the windows of a stream are scored, each by itself, with cached frames, or recurrently.

All take windows in the order of the stream and answer alike whatever chunks it came in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from earmark import extras
from earmark.features import SoundFeatures, Window
from earmark.features.front_end import window_spectrogram
from earmark.live.ring import Ring
from earmark.recognizer import Recognizer, WindowScores
from earmark.recognizer.card import FEATURES_OUT
from earmark.recognizer.frame_outputs import FRAME_OUTPUTS
from earmark.recognizer.network import log_sigmoid
from earmark.recognizer.stitching import frame_outputs_of
from earmark.recognizer.windows import SILENCE_PEAK, WindowBatch
from earmark.types import FloatArray, Sound
from earmark.units import seconds_to_samples

LONG_S = 4.0
"""The spectrogram of a window this long takes tens of milliseconds, so its frames are cached."""


class StreamStrategy(Protocol):
    """Scores the windows of a stream.

    Attributes
    ----------
    newest
        Of a recognizer with frame outputs: how probable it is that each label sounds in the last frames of the window
        scored last, ``(n_labels,)``; None for others.
    """

    newest: FloatArray | None

    def score(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        """Return the scores of samples `start` to `end` of the stream; nothing comes after the last."""

    def skip_to(self, end: int) -> None:
        """Go on to sample `end` without scores."""

    def reset(self, end: int) -> None:
        """Forget everything before sample `end`: there was a silence."""


class WholeWindow:
    """Scores every window by itself, as `Recognizer.predict` does."""

    def __init__(self, recognizer: Recognizer, ring: Ring, *, rate_hz: int) -> None:
        self._recognizer, self._ring, self._rate_hz = recognizer, ring, rate_hz
        self.newest: FloatArray | None = None

    def score(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        return self._recognizer.score(Sound(self._ring.between(start, end), self._rate_hz))

    def skip_to(self, end: int) -> None: ...

    def reset(self, end: int) -> None: ...


class WindowAndFrames:
    """Scores every window by itself, and its last frames in the same run of the network.

    Parameters
    ----------
    hop
        Between windows, in samples: so many of the last frames are looked at that none is passed over.
    """

    def __init__(self, recognizer: Recognizer, ring: Ring, *, rate_hz: int, hop: int) -> None:
        self._recognizer, self._ring, self._rate_hz = recognizer, ring, rate_hz
        self._frames = frame_outputs_of(recognizer.card)
        self._n_newest = max(1, round(hop / rate_hz / self._frames.hop_s))
        self.newest: FloatArray | None = None

    def score(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        sound = Sound(self._ring.between(start, end), self._rate_hz)
        (window,) = self._recognizer.cut(sound)
        if not window.weights.any():
            self.newest = None
            return self._recognizer.scores_from_outputs(window)
        names, feed = self._recognizer.request(window)
        *outputs, frame_logits = self._recognizer.network.execute([*names, FRAME_OUTPUTS[0]], feed)
        until_s = sound.duration_s - self._frames.margin_s - self._frames.first_s
        stop = max(1, int(until_s / self._frames.hop_s) + 1)
        newest = frame_logits[0, max(0, stop - self._n_newest) : stop].max(axis=0)
        self.newest = np.exp(log_sigmoid(newest)).astype(np.float32)
        return self._recognizer.scores_from_outputs(window, outputs)

    def skip_to(self, end: int) -> None: ...

    def reset(self, end: int) -> None: ...


class Frames:
    """The spectrogram of a stream, frame by frame, as soon as a frame cannot change any more.

    Parameters
    ----------
    features
        Its kind.
    ring
        Holds the samples.
    compute
        Gives the spectrogram ``(channel, freq, time)`` of samples ``(time,)``; `features` itself unless given.

    Attributes
    ----------
    next
        The first frame that `until` has not returned.
    """

    def __init__(
        self, features: SoundFeatures, ring: Ring, *, compute: Callable[[FloatArray], FloatArray] | None = None
    ) -> None:
        self._features, self._ring, self._compute = features, ring, compute or features
        self.next = 0

    def n_final(self, end: int) -> int:
        """Return how many frames of the stream are touched by no sample from `end` on."""
        return max(0, (end - self._features.reach_samples) // self._features.hop_samples + 1)

    def until(self, end: int, *, is_last: bool = False) -> FloatArray:
        """Return the frames from `next` on that are final at `end`, ``(channel, freq, time)``.

        After the last sample, those that reach beyond it are final too: there is silence.
        """
        hop, reach = self._features.hop_samples, self._features.reach_samples
        first, stop = self.next, self._features.n_frames(end) if is_last else self.n_final(end)
        if stop <= first:
            return np.zeros((1, self._features.n_bins, 0), np.float32)
        self.next = stop
        origin = max(0, first - -(-reach // hop))
        samples = self._ring.between(origin * hop, min(end, (stop - 1) * hop + reach))
        return self._compute(samples)[..., first - origin : stop - origin]


class CachedFrames:
    """Scores every window by itself, but computes only the frames of its spectrogram that the one before has not.

    Windows start a whole number of frames after each other.
    """

    def __init__(self, recognizer: Recognizer, ring: Ring, features: SoundFeatures, *, min_samples: int) -> None:
        self._recognizer, self._features, self._ring = recognizer, features, ring
        self._whole = WholeWindow(recognizer, ring, rate_hz=features.sample_rate_hz)
        self._min_samples = min_samples
        self._frames = Frames(features, ring)
        self._cached = np.zeros((1, features.n_bins, 0), np.float32)
        self.newest: FloatArray | None = None

    def score(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        if end - start < self._min_samples or start % self._features.hop_samples:
            return self._whole.score(start, end, is_last=is_last)
        self._advance(start // self._features.hop_samples, end)
        samples = self._ring.between(start, end)
        spectrogram = window_spectrogram(self._features, samples, known=self._cached)
        weights = np.array([np.abs(samples).max() >= SILENCE_PEAK], np.float32)
        starts_s, ends_s = np.array([[start], [end]]) / self._features.sample_rate_hz
        window = WindowBatch(starts_s, ends_s, weights, "features", spectrogram[None])
        return self._recognizer.score_together([window])[0]

    def _advance(self, first: int, end: int) -> None:
        """Hold the frames from `first` on that are final at `end`."""
        begin = self._frames.next - self._cached.shape[2]
        if first > self._frames.next:
            self._frames.next = begin = first
            self._cached = self._cached[..., :0]
        self._cached = np.concatenate([self._cached[..., first - begin :], self._frames.until(end)], axis=2)

    def skip_to(self, end: int) -> None: ...

    def reset(self, end: int) -> None: ...


class Recurrent:
    """Follows the stream with a recurrent network: every frame is computed once.

    The answer is that to the frames of the last window, by a network whose state also holds what was before.

    Parameters
    ----------
    length
        Of a window, in samples.
    """

    def __init__(self, recognizer: Recognizer, ring: Ring, features: SoundFeatures, *, length: int) -> None:
        self._recognizer = recognizer
        self._frames = Frames(features, ring, compute=self._spectrogram)
        self._most = features.n_frames(length)
        self._rate_hz = features.sample_rate_hz
        self._state = recognizer.network.start
        self._totals: deque[tuple[int, FloatArray]] = deque()
        self._probabilities: FloatArray | None = None
        self.newest: FloatArray | None = None

    def score(self, start: int, end: int, *, is_last: bool) -> WindowScores:
        self._advance(end, is_last=is_last)
        starts_s, ends_s = np.array([[start], [end]]) / self._rate_hz
        is_scored = self._probabilities is not None
        silent = np.zeros(len(self._recognizer.card.labels), np.float32)
        probabilities = silent if self._probabilities is None else self._probabilities
        return WindowScores(
            starts_s,
            ends_s,
            probabilities[None],
            np.full(1, is_scored, np.float32),
            np.ones(1, np.float32),
            np.full(1, np.inf, np.float32),
        )

    def skip_to(self, end: int) -> None:
        self._advance(end, is_last=False)

    def reset(self, end: int) -> None:
        self._state, self._probabilities = self._recognizer.network.start, None
        self._totals.clear()
        self._frames.next = max(self._frames.next, self._frames.n_final(end))

    def _spectrogram(self, samples: FloatArray) -> FloatArray:
        """Take the few new frames from the recognizer itself: it needs nothing that is not installed."""
        spectrogram: FloatArray = self._recognizer.network.run([FEATURES_OUT], samples=samples[None])[0][0]
        return spectrogram

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
        self._probabilities, self._state = self._recognizer.advance(frames, state)
        self._totals.append((n_new, self._state["total"] - before))


def choose_strategy(
    recognizer: Recognizer, ring: Ring, features: SoundFeatures, *, window: Window, hop: int
) -> StreamStrategy:
    """Return the cheapest way to score windows of a stream that are `hop` samples apart."""
    if recognizer.card.frames is not None:
        return WindowAndFrames(recognizer, ring, rate_hz=features.sample_rate_hz, hop=hop)
    rate_hz, rejection = features.sample_rate_hz, recognizer.card.rejection
    # The out-of-distribution detector looks at a whole window.
    if recognizer.network.start and (rejection is None or not rejection.needs_features):
        return Recurrent(recognizer, ring, features, length=seconds_to_samples(window.length_s, rate_hz))
    # Frames by themselves are made by a graph that the file does not hold; only this package can build it.
    if window.length_s >= LONG_S and hop % features.hop_samples == 0 and extras.installed("onnx"):
        return CachedFrames(recognizer, ring, features, min_samples=seconds_to_samples(window.min_s, rate_hz))
    return WholeWindow(recognizer, ring, rate_hz=rate_hz)

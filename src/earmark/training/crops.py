"""Crops and windows of one example: random crops to fit a network, and all windows to score it.

Each is the array that a recognizer would make of the same samples: a spectrogram sees silence outside its window,
whatever the recording holds there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from earmark.features import Features, SoundFeatures, Window, WindowFeatures
from earmark.features.front_end import window_spectrogram
from earmark.features.window import crop
from earmark.recognizer.windows import WindowBatch, cut_frames, cut_samples
from earmark.types import FloatArray
from earmark.units import seconds_to_samples


class Crops(Protocol):
    """Features of one view of one example."""

    @property
    def duration_s(self) -> float:
        """Length of what windows are cropped from; that of one window where all are of one length."""

    @property
    def peak(self) -> float:
        """Highest value of all features."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""

    def random(self, place: float, length_s: float | None) -> FloatArray:
        """Return one window, ``(channel, freq|height, time|width)``, extended to `length_s` when it is shorter.

        Parameters
        ----------
        place
            In 0…1: 0 is the first window that there is.
        length_s
            Of the window; None for all that there is.
        """

    def windows(self) -> WindowBatch:
        """Return the features of all windows, as predictions see them, with their weights in the answer."""

    def in_memory(self) -> Self:
        """Return a copy whose arrays are not memory-mapped."""


@dataclass(frozen=True)
class RecordingCrops:
    """Crops of a recording, made from its samples.

    Attributes
    ----------
    samples
        Mono, ``(time,)``.
    frames
        The spectrogram of the whole recording, see `recording_frames`, from which the inside of a window is taken; None
        to compute every window.
    """

    samples: FloatArray
    frames: FloatArray | None
    features: SoundFeatures
    window: Window

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.features.sample_rate_hz

    @property
    def peak(self) -> float:
        return float((self.features(self.samples) if self.frames is None else self.frames).max())

    @property
    def nbytes(self) -> int:
        return self.samples.nbytes + (0 if self.frames is None else self.frames.nbytes)

    def random(self, place: float, length_s: float | None) -> FloatArray:
        hop, rate_hz = self.features.hop_samples, self.features.sample_rate_hz
        length = len(self.samples) if length_s is None else seconds_to_samples(length_s, rate_hz)
        if len(self.samples) <= length:
            known = recording_frames(self.features, self.samples) if self.frames is None else self.frames
            made = known[..., : self.features.n_frames(length)]
            missing = self.features.n_frames(length) - made.shape[2]
            widths = ((0, 0), (0, 0), (0, missing))
            return np.pad(made, widths, constant_values=self.features.silence) if missing else made
        first = int(place * ((len(self.samples) - length) // hop + 1))
        samples = self.samples[first * hop : first * hop + length]
        if self.frames is None:
            return self.features(samples)
        return window_spectrogram(self.features, samples, known=self.frames[..., first:])

    def windows(self) -> WindowBatch:
        cuts = cut_samples(self.samples, self.window, sample_rate_hz=self.features.sample_rate_hz)
        return replace(cuts, enters="features", batch=np.stack([self.features(samples) for samples in cuts.batch]))

    def in_memory(self) -> Self:
        frames = None if self.frames is None else np.array(self.frames)
        return replace(self, samples=np.array(self.samples), frames=frames)


def recording_frames(features: SoundFeatures, samples: FloatArray) -> FloatArray:
    """Return the spectrogram of samples ``(time,)``, with the frames after their end that they reach.

    Every frame after these is that of silence, `SoundFeatures.silence`.
    """
    return features(np.pad(samples, (0, features.reach_samples)))


@dataclass(frozen=True)
class FrameCrops:
    """Crops of a spectrogram ``(channel, freq, time)`` whose sound is not known."""

    frames: FloatArray
    features: SoundFeatures
    window: Window

    @property
    def duration_s(self) -> float:
        return int(self.frames.shape[2]) * self.features.hop_samples / self.features.sample_rate_hz

    @property
    def peak(self) -> float:
        return float(self.frames.max())

    @property
    def nbytes(self) -> int:
        return self.frames.nbytes

    def random(self, place: float, length_s: float | None) -> FloatArray:
        width = self.frames.shape[2]
        n_frames = width if length_s is None else frames_of(self.features, length_s)
        return crop(self.frames, int(place * (max(width - n_frames, 0) + 1)), n_frames)

    def windows(self) -> WindowBatch:
        return cut_frames(self.frames, self.features, window=self.window)

    def in_memory(self) -> Self:
        return replace(self, frames=np.array(self.frames))


@dataclass(frozen=True)
class WindowCrops:
    """Windows that are made already, ``(n_windows, channel, freq|height, time|width)``; a drawing is one window.

    Attributes
    ----------
    weights
        Of each window in the answer, ``(n_windows,)``; 0 for a silent one.
    """

    batch: FloatArray
    weights: FloatArray
    features: Features
    window: Window | None = None

    @classmethod
    def one(cls, array: FloatArray, features: Features, *, window: Window | None = None) -> Self:
        """Return the one window of what is not cut."""
        return cls(array[None], np.ones(1, np.float32), features, window)

    @property
    def duration_s(self) -> float:
        return 0.0 if self.window is None else self.window.length_s

    @property
    def peak(self) -> float:
        return float(self.batch.max())

    @property
    def nbytes(self) -> int:
        return self.batch.nbytes

    def random(self, place: float, length_s: float | None) -> FloatArray:
        array: FloatArray = self.batch[int(place * len(self.batch))]
        if length_s is None or self.window is None:
            return array
        return crop(array, 0, frames_of(self.features, length_s), n_numbers=self.features.n_numbers)

    def windows(self) -> WindowBatch:
        nowhere = np.zeros(0)
        return WindowBatch(nowhere, nowhere, self.weights, "features", self.batch)

    def in_memory(self) -> Self:
        return replace(self, batch=np.array(self.batch), weights=np.array(self.weights))


def frames_of(features: Features, length_s: float) -> int:
    """Return the number of frames of a window."""
    if not isinstance(features, SoundFeatures | WindowFeatures):
        raise TypeError(f"{features.kind} features have no frames")
    return features.n_frames(seconds_to_samples(length_s, features.sample_rate_hz))

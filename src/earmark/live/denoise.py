"""Spectral subtraction (Boll 1979) with over-subtraction and a floor (Berouti, Schwartz and Makhoul 1979), streaming.

Of every frame, |X| = max(|Y| − α |N|, β |Y|) with the phase of Y, put together again by overlap-add. |N| is the mean
magnitude of a part that is only noise. As in Berouti et al., α falls with the level of a bin above the noise, so that
what stands clear of it is left alone: subtracting there would only take from the music. Against lone bins twittering on
and off ("musical noise"), gains come from magnitudes no lower than the mean over three bins, and fall gradually.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from pydantic import Field

from earmark.config import Config
from earmark.errors import DataError
from earmark.types import FloatArray, Sound

OVERLAP = 4  # frames over every sample; √Hann twice at a quarter frame adds up to 2
_CLEAR_DB = 20.0  # so far above the noise, nothing is subtracted
_FOLLOW_BELOW = 2.0  # louder than twice the noise is something else, and the noise estimate waits
_TINY = np.float32(1e-12)
_LEAST_ENERGY = 1e-12

Trace: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray], None]
"""Called for every frame with magnitudes ``(freq,)``: noisy, the noise estimate, clean."""


class DenoiseConfig(Config):
    """How noise is removed.

    Attributes
    ----------
    frame_ms
        Length of a frame, rounded to a power of two of samples; also the delay of the stream.
    over_subtraction
        α at the level of the noise: how many times its estimate is subtracted. It falls to 0 at 20 dB above.
    floor
        β: what always stays of the sound, as a share of its magnitude; it masks what twitter is left.
    smoothing_ms
        Time constant with which a gain falls; it rises at once, so that onsets stay sharp.
    noise_s
        How much of the beginning is only noise, unless a noise is given.
    follow_s
        Time constant with which the estimate follows noise that changes slowly; 0 keeps it as it was learnt.
    """

    frame_ms: float = Field(default=93.0, ge=2, le=500)
    over_subtraction: float = Field(default=3.0, ge=0, le=20)
    floor: float = Field(default=0.05, ge=0, le=1)
    smoothing_ms: float = Field(default=30.0, ge=0, le=1000)
    noise_s: float = Field(default=1.0, gt=0, le=600)
    follow_s: float = Field(default=10.0, ge=0, le=3600)


class Denoiser:
    """Removes noise from a stream of mono samples, in pieces of any size.

    Sample for sample, what comes out is what went in: the stream is not shifted, it only comes out up to one frame
    later. `flush` gives the rest.

    Parameters
    ----------
    config
        How.
    sample_rate_hz
        Of the stream.
    noise
        A recording of the noise alone; without it, the first ``config.noise_s`` seconds of the stream are the noise.
    trace
        Told about every frame.

    Raises
    ------
    DataError
        When `noise` is shorter than a frame.
    """

    def __init__(
        self, config: DenoiseConfig, sample_rate_hz: int, *, noise: Sound | None = None, trace: Trace | None = None
    ) -> None:
        self.config, self.sample_rate_hz, self._trace = config, sample_rate_hz, trace
        self.n_fft = frame_length(config.frame_ms, sample_rate_hz)
        self.hop_samples = self.n_fft // OVERLAP
        self._window = np.sqrt(np.hanning(self.n_fft + 1)[:-1]).astype(np.float32)
        frames_hz = sample_rate_hz / self.hop_samples
        self._gain_keep = _keep(config.smoothing_ms / 1000, frames_hz)
        self._noise_keep = _keep(config.follow_s, frames_hz) if config.follow_s else 1.0
        self._n_learn = 0 if noise else max(1, round(config.noise_s * frames_hz) - OVERLAP + 1)
        self._noise = self._mean_magnitude(noise) if noise else np.zeros(self.n_fft // 2 + 1, np.float32)
        self._gain = np.full(self.n_fft // 2 + 1, config.floor, np.float32)
        # The stream is thought to begin with silence, so that its first samples lie under as many frames as all others.
        self._lead = self.n_fft - self.hop_samples
        self._waiting = np.zeros(self._lead, np.float32)
        self._sum = np.zeros(self.n_fft, np.float32)
        self._n_frames = self._n_in = self._n_out = 0
        self._energy_in = self._energy_out = 0.0

    @property
    def noise(self) -> FloatArray:
        """Mean magnitude of the noise as it is now estimated, ``(freq,)``."""
        return self._noise.copy()

    def process(self, samples: FloatArray) -> FloatArray:
        """Take the next float32 samples ``(time,)``; return those that are finished, ``(time,)``."""
        self._n_in += len(samples)
        self._energy_in += _energy(samples)
        return self._counted(self._advance(samples))

    def flush(self) -> FloatArray:
        """Return the rest of the stream, ``(time,)``; then the stream is over."""
        rest = self._n_in - self._n_out
        return self._counted(self._advance(np.zeros(rest + self.n_fft, np.float32))[:rest])

    @property
    def removed_db(self) -> float:
        """How many dB quieter is what came out than what went in; true when the stream is over."""
        return 10 * math.log10((self._energy_in + _LEAST_ENERGY) / (self._energy_out + _LEAST_ENERGY))

    def _counted(self, clean: FloatArray) -> FloatArray:
        self._energy_out += _energy(clean)
        return clean

    def _advance(self, samples: FloatArray) -> FloatArray:
        self._waiting = np.concatenate([self._waiting, samples])
        n_frames = max(0, (len(self._waiting) - self.n_fft) // self.hop_samples + 1)
        if not n_frames:
            return np.zeros(0, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(self._waiting, self.n_fft)[:: self.hop_samples][:n_frames]
        spectra = np.fft.rfft(frames * self._window, axis=-1)
        gains = np.stack([self._gain_of(magnitude) for magnitude in np.abs(spectra)])
        clean = np.fft.irfft(spectra * gains, self.n_fft, axis=-1).astype(np.float32) * (self._window / (OVERLAP / 2))
        out = self._overlap_add(clean)
        self._waiting = self._waiting[n_frames * self.hop_samples :]
        drop = min(self._lead, len(out))
        self._lead -= drop
        self._n_out += len(out) - drop
        return out[drop:]

    def _overlap_add(self, frames: FloatArray) -> FloatArray:
        out = np.empty(len(frames) * self.hop_samples, np.float32)
        for index, frame in enumerate(frames):
            self._sum += frame
            out[index * self.hop_samples : (index + 1) * self.hop_samples] = self._sum[: self.hop_samples]
            self._sum[: -self.hop_samples] = self._sum[self.hop_samples :]
            self._sum[-self.hop_samples :] = 0
        return out

    def _gain_of(self, magnitude: FloatArray) -> FloatArray:
        """Return the gain of one frame, ``(freq,)``, having taken note of what it says about the noise."""
        smooth = _over_bins(magnitude)
        self._learn(magnitude, smooth)
        # Until a first frame of noise is known, all is noise.
        if self._n_frames >= OVERLAP or not self._n_learn:
            target = self._target(np.maximum(smooth, magnitude))
            falling = self._gain_keep * self._gain + (1 - self._gain_keep) * target
            self._gain = np.maximum(target, falling).astype(np.float32)
        if self._trace:
            self._trace(magnitude, self._noise, self._gain * magnitude)
        return self._gain

    def _target(self, magnitude: FloatArray) -> FloatArray:
        """Return max(|Y| − α |N|, β |Y|) / |Y| for every bin."""
        ratio = (magnitude + _TINY) / (self._noise + _TINY)
        alpha = self.config.over_subtraction * np.clip(1 - 20 * np.log10(ratio) / _CLEAR_DB, 0, 1)
        target: FloatArray = np.maximum(1 - alpha / ratio, self.config.floor)
        return target

    def _learn(self, magnitude: FloatArray, smooth: FloatArray) -> None:
        """Count the frame; the first ones are noise unless it was given, later ones where they are as quiet as it."""
        self._n_frames += 1
        # Frames that begin before the stream does hold less than their share of it.
        n_whole = self._n_frames - (OVERLAP - 1)
        if 0 < n_whole <= self._n_learn:
            self._noise += (magnitude - self._noise) / np.float32(n_whole)
        elif n_whole > self._n_learn and self._noise_keep < 1:
            quiet = smooth < _FOLLOW_BELOW * self._noise
            self._noise[quiet] += np.float32(1 - self._noise_keep) * (smooth - self._noise)[quiet]

    def _mean_magnitude(self, noise: Sound) -> FloatArray:
        from earmark.sound import resample

        samples = resample(noise, self.sample_rate_hz).samples
        if len(samples) < self.n_fft:
            raise DataError(
                f"the noise lasts {len(samples) / self.sample_rate_hz:.3f} s; at least one frame of"
                f" {self.n_fft / self.sample_rate_hz:.3f} s is needed, and a second is better; record more of it"
            )
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.n_fft)[:: self.hop_samples]
        total = sum(np.abs(np.fft.rfft(frame * self._window)) for frame in frames)
        return np.asarray(total / len(frames), np.float32)


def _energy(samples: FloatArray) -> float:
    return float(np.square(samples, dtype=np.float64).sum())


def denoise(sound: Sound, config: DenoiseConfig | None = None, *, noise: Sound | None = None) -> Sound:
    """Return a sound without its noise, of the same length; parameters as for `Denoiser`."""
    stream = Denoiser(config or DenoiseConfig(), sound.sample_rate_hz, noise=noise)
    return Sound(np.concatenate([stream.process(sound.samples), stream.flush()]), sound.sample_rate_hz)


def frame_length(frame_ms: float, sample_rate_hz: int) -> int:
    """Return the power of two of samples that is nearest to `frame_ms`, 16 at least.

    >>> frame_length(93, 22050), frame_length(93, 44100)
    (2048, 4096)
    """
    return max(16, 1 << round(math.log2(frame_ms / 1000 * sample_rate_hz)))


def _over_bins(magnitude: FloatArray) -> FloatArray:
    """Return the mean over three neighbouring bins; beyond the ends the last one counts again."""
    padded = np.concatenate([magnitude[:1], magnitude, magnitude[-1:]])
    mean: FloatArray = (padded[:-2] + padded[1:-1] + padded[2:]) / np.float32(3)
    return mean


def _keep(time_constant_s: float, rate_hz: float) -> float:
    """Return the share of the old value that a one-pole smoother keeps each step."""
    return float(np.exp(-1 / (time_constant_s * rate_hz))) if time_constant_s else 0.0

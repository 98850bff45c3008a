"""How a mixture was recorded: room, noise, microphone and codec, cheap enough to be drawn anew for every clip.

The room and noise are added to the samples. What a microphone or a codec does to levels is done to the spectrogram: a
curve of gains over frequency is an addition there.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from earmark.features.graph import FLOOR_DB
from earmark.types import FloatArray, RealArray

Rng = np.random.Generator

_ROOM_SHARE, _NOISE_SHARE, _OVERLOAD_SHARE = 0.35, 0.75, 0.05
_EQUALIZED_SHARE, _BASS_CUT_SHARE, _NARROW_SHARE = 0.8, 0.2, 0.25
_NARROW_HZ = (3500.0, 3500.0, 4000.0, 5000.0, 6000.0)
NOISE_S = 30.0


def noises(
    rng: Rng, *, sample_rate_hz: int, slopes_db: tuple[float, ...] = (0.0, 2.0, 3.0, 4.5, 6.0)
) -> list[FloatArray]:
    """Return long noises with a mean square of 1 that fall by so many dB an octave."""
    n_samples = round(NOISE_S * sample_rate_hz)
    hz = np.maximum(fft.rfftfreq(n_samples, 1 / sample_rate_hz), 20.0)
    result = []
    for slope_db in slopes_db:
        spectrum = fft.rfft(rng.standard_normal(n_samples)) * hz ** (-slope_db / 6.0206)
        noise = fft.irfft(spectrum, n_samples)
        result.append((noise / np.sqrt(np.mean(noise**2))).astype(np.float32))
    return result


def record(samples: FloatArray, rng: Rng, *, noise: list[FloatArray], sample_rate_hz: int) -> FloatArray:
    """Return a clip as it sounds in a room, with noise, sometimes overloaded."""
    if rng.random() < _ROOM_SHARE:
        samples = _in_room(samples, rng, sample_rate_hz)
    if rng.random() < _NOISE_SHARE:
        level = np.sqrt(np.mean(np.square(samples)) + 1e-12) * 10 ** (-rng.uniform(10, 60) / 20)
        samples = samples + np.float32(level) * _stretch(noise[int(rng.integers(len(noise)))], len(samples), rng)
    if rng.random() < _OVERLOAD_SHARE:
        limit = np.float32(np.abs(samples).max() * rng.uniform(0.3, 0.8) + 1e-9)
        samples = limit * np.tanh(samples / limit)
    return samples


def noise_alone(rng: Rng, n_samples: int, *, noise: list[FloatArray]) -> FloatArray:
    """Return a clip of noise without anything else."""
    return np.float32(10 ** rng.uniform(-3, -1)) * _stretch(noise[int(rng.integers(len(noise)))], n_samples, rng)


def color(spectrograms: FloatArray, rng: Rng, *, frequencies_hz: RealArray) -> FloatArray:
    """Return spectrograms in dB, ``(batch, 1, freq, time)``, as microphones, loudspeakers and codecs change them."""
    gains = np.stack([_gains_db(rng, frequencies_hz) for _ in spectrograms]).astype(np.float32)
    colored: FloatArray = np.maximum(spectrograms + gains[:, None, :, None], np.float32(FLOOR_DB))
    return colored


def _gains_db(rng: Rng, frequencies_hz: RealArray) -> RealArray:
    """Return what a microphone or a codec does to every frequency."""
    octaves = np.log2(frequencies_hz / 440)
    gains_db = np.zeros(len(octaves))
    if rng.random() < _EQUALIZED_SHARE:
        knots = np.arange(-4.0, 5.0, 1.5)
        gains_db += np.interp(octaves, knots, rng.normal(0, 4.5, len(knots))) + octaves * rng.normal(0, 1.8)
    if rng.random() < _BASS_CUT_SHARE:
        gains_db -= rng.uniform(6, 18) * np.maximum(0, np.log2(rng.uniform(80, 400) / frequencies_hz))
    if rng.random() < _NARROW_SHARE:
        # Above the edge it falls by 90 dB within a sixth of an octave.
        gains_db -= 90 * np.clip(6 * np.log2(frequencies_hz / rng.choice(_NARROW_HZ)), 0, 1)
    return gains_db


def _stretch(noise: FloatArray, n_samples: int, rng: Rng) -> FloatArray:
    first = int(rng.integers(len(noise) - n_samples))
    return noise[first : first + n_samples]


def _in_room(samples: FloatArray, rng: Rng, sample_rate_hz: int) -> FloatArray:
    """Add a decaying, darkening noise of the room, as `earmark.sound.degrade.reverberate` does, in float32."""
    t60_s, wet_db = rng.uniform(0.15, 1.2), rng.uniform(-18, 2)
    n_response = round(t60_s * sample_rate_hz)
    response = rng.standard_normal(n_response, dtype=np.float32)
    response *= np.exp(np.arange(n_response, dtype=np.float32) * np.float32(-np.log(1000) / n_response))
    response[1:] = 0.5 * (response[1:] + response[:-1])
    response[: round(0.002 * sample_rate_hz)] = 0
    response *= np.float32(10 ** (wet_db / 20)) / np.sqrt(np.sum(np.square(response)) + 1e-12)
    response[0] = 1
    n_fft = fft.next_fast_len(len(samples) + n_response, real=True)
    wet: FloatArray = fft.irfft(fft.rfft(samples, n_fft) * fft.rfft(response, n_fft), n_fft)[: len(samples)]
    return wet

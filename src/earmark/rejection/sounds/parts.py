"""Building blocks of synthetic sounds: shaped noise, moving filters, decaying modes, and events laid along time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from earmark.types import FloatArray

Rng: TypeAlias = np.random.Generator
Curve: TypeAlias = npt.NDArray[np.float64]

FRAME_S = 0.008
"""Time between the frames of a moving filter."""


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Return a number between `low` and `high`, each octave as likely as any other."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@overload
def gain(level_db: float) -> float: ...
@overload
def gain(level_db: npt.NDArray[np.floating]) -> Curve: ...
def gain(level_db: Any) -> Any:
    """Return the factor on samples that changes their level by `level_db`."""
    return 10.0 ** (np.asarray(level_db, np.float64) / 20)


def times(n_samples: int, rate_hz: int) -> Curve:
    """Return the time of every sample in seconds."""
    return np.arange(n_samples) / rate_hz


def wander(rng: Rng, n: int, *, knots: float) -> Curve:
    """Return a curve of `n` values in -1…1 that bends at about `knots` random places."""
    n_knots = max(4, int(knots) + 3)
    values = rng.uniform(-1, 1, n_knots)
    place = np.linspace(0.5, n_knots - 1.5, n)
    # A raised cosine between knots: no corners, so no clicks.
    index = np.minimum(place.astype(int), n_knots - 2)
    share = (1 - np.cos(np.pi * (place - index))) / 2
    curve: Curve = values[index] * (1 - share) + values[index + 1] * share
    return curve


def unit_rms(samples: Curve) -> Curve:
    """Return `samples` with a mean square of 1; silence stays silence."""
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    return samples / np.sqrt(power) if power > 0 else samples


def shape_spectrum(samples: Curve, rate_hz: int, gains_db: Any, frequencies_hz: Any) -> Curve:
    """Filter by a curve of gains, interpolated over the logarithm of the frequency; no phase shift."""
    hz = np.maximum(np.fft.rfftfreq(len(samples), 1 / rate_hz), 1.0)
    curve = np.interp(np.log(hz), np.log(np.asarray(frequencies_hz, float)), gains_db)
    shaped: Curve = np.fft.irfft(np.fft.rfft(samples) * gain(curve), len(samples))
    return shaped


def sloped_noise(rng: Rng, n: int, rate_hz: int, *, slope_db: float) -> Curve:
    """Return noise of unit power that falls by `slope_db` an octave above 20 Hz: 0 is white, 3 pink, 6 brown."""
    hz = np.maximum(np.fft.rfftfreq(n, 1 / rate_hz), 20.0)
    return unit_rms(np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * hz ** (-slope_db / 6.0206), n))


def band_noise(rng: Rng, n: int, rate_hz: int, *, centre_hz: float, octaves: float, skirt_db: float = 24.0) -> Curve:
    """Return noise of unit power in a band so many octaves wide, with skirts of `skirt_db` an octave."""
    hz = np.maximum(np.fft.rfftfreq(n, 1 / rate_hz), 1.0)
    beyond = np.maximum(0, np.abs(np.log2(hz / centre_hz)) - octaves / 2)
    return unit_rms(np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * gain(-skirt_db * beyond), n))


def moving_filter(samples: Curve, rate_hz: int, gains: npt.NDArray[np.floating]) -> Curve:
    """Filter by gains that change from frame to frame, by overlap-add of Hann-windowed frames.

    Parameters
    ----------
    samples
        Shape ``(time,)``.
    gains
        ``(n_frames, n_bins)`` at the frequencies of `frame_hz`; frame `i` is centred on ``i * FRAME_S``.
    """
    hop = _hop(rate_hz)
    n_fft = 2 * (gains.shape[1] - 1)
    padded = np.pad(samples, (hop, 2 * hop * (len(gains) + 1)))
    frames = np.lib.stride_tricks.sliding_window_view(padded.astype(np.float32), 2 * hop)[::hop][: len(gains)]
    window = (np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop)) ** 2).astype(np.float32)
    spectra = np.fft.rfft(frames * window, n_fft)
    filtered = np.roll(np.fft.irfft(spectra * gains, n_fft), n_fft // 4, axis=1)
    total = np.zeros(hop * (len(gains) + 1) + n_fft)
    for index, frame in enumerate(filtered):
        total[index * hop : index * hop + n_fft] += frame
    start = hop + n_fft // 4
    return total[start : start + len(samples)]


def n_frames(n_samples: int, rate_hz: int) -> int:
    """Return how many frames a moving filter needs for so many samples."""
    return n_samples // _hop(rate_hz) + 2


def frame_hz(rate_hz: int) -> Curve:
    """Return the frequencies of the bins of a moving filter."""
    n_fft = 1 << (4 * _hop(rate_hz) - 1).bit_length()
    hz: Curve = np.fft.rfftfreq(n_fft, 1 / rate_hz).astype(np.float64)
    return hz


def resonance(hz: Curve, centre_hz: Any, width_hz: Any) -> npt.NDArray[np.float64]:
    """Return the gain of a resonance of two poles, 1 at 0 Hz; arguments broadcast."""
    square = np.asarray(centre_hz, float) ** 2
    response: npt.NDArray[np.float64] = square / np.sqrt((square - hz**2) ** 2 + (np.asarray(width_hz) * hz) ** 2)
    return response


def pulses(rng: Rng, frequency_hz: Curve, rate_hz: int, *, jitter: float = 0.0, shimmer: float = 0.0) -> Curve:
    """Return one impulse a period of a moving frequency, between samples where it falls there.

    Parameters
    ----------
    frequency_hz
        Shape ``(time,)``.
    jitter, shimmer
        Standard deviation of the length of a period, and of the height of an impulse, as a share.
    """
    cycles = np.cumsum(frequency_hz) / rate_hz
    wanted = np.arange(rng.uniform(), cycles[-1])
    wanted = np.sort(wanted + jitter * rng.standard_normal(len(wanted)))
    place = np.clip(np.interp(wanted, cycles, np.arange(len(cycles))), 0, len(cycles) - 2)
    height = 1 + shimmer * rng.standard_normal(len(place))
    whole = place.astype(int)
    train = np.zeros(len(cycles))
    np.add.at(train, whole, height * (1 - place + whole))
    np.add.at(train, whole + 1, height * (place - whole))
    return train


def glide(frequency_hz: Curve, rate_hz: int, *, partials_db: Iterable[float] = (0.0,)) -> Curve:
    """Return a tone of a moving frequency with the levels of its partials; what the rate cannot hold is left out."""
    cycles = 2 * np.pi * np.cumsum(frequency_hz) / rate_hz
    tone = np.zeros(len(frequency_hz))
    for number, level_db in enumerate(partials_db, start=1):
        is_audible = number * frequency_hz < 0.47 * rate_hz
        tone += gain(level_db) * np.where(is_audible, np.sin(number * cycles), 0)
    return tone


def modes(rng: Rng, n: int, rate_hz: int, *, frequencies_hz: Curve, decays_s: Curve, levels_db: Curve) -> Curve:
    """Return decaying sines that start together, as of a thing struck; `decays_s` is the time to lose 60 dB."""
    time_s = times(n, rate_hz)
    struck = np.zeros(n)
    for hz, decay_s, level_db in zip(frequencies_hz, decays_s, levels_db, strict=True):
        if hz < 0.47 * rate_hz:
            phase = rng.uniform(0, 2 * np.pi)
            struck += gain(level_db) * np.exp(-6.9 / decay_s * time_s) * np.sin(2 * np.pi * hz * time_s + phase)
    return struck


def burst(rng: Rng, rate_hz: int, *, decay_s: float, centre_hz: float, octaves: float, rise_s: float = 0.0005) -> Curve:
    """Return a burst of noise in a band that loses 60 dB in `decay_s`."""
    n = max(32, round(decay_s * rate_hz))
    time_s = times(n, rate_hz)
    noise = band_noise(rng, n, rate_hz, centre_hz=min(centre_hz, 0.45 * rate_hz), octaves=octaves)
    return noise * np.exp(-6.9 / decay_s * time_s) * np.minimum(1, time_s / rise_s)


def lay(n: int, rate_hz: int, events: Iterable[tuple[float, Curve]]) -> Curve:
    """Return `n` samples with every ``(start_s, samples)`` added where it starts; what reaches beyond is cut."""
    total = np.zeros(n)
    for start_s, samples in events:
        start = round(start_s * rate_hz)
        if 0 <= start < n:
            end = min(n, start + len(samples))
            total[start:end] += samples[: end - start]
    return total


def moments(rng: Rng, duration_s: float, *, rate: float, irregular: float = 1.0) -> Curve:
    """Return rising times in 0…`duration_s`, about `rate` a second, at least one.

    Parameters
    ----------
    irregular
        1 for events that know nothing of each other (Poisson), 0 for a clock.
    """
    n = max(2, int(duration_s * rate * 1.5) + 3)
    gaps = (1 - irregular) + irregular * rng.exponential(1.0, n)
    at_s = (np.cumsum(gaps) - rng.uniform() * gaps[0]) / rate
    inside = at_s[at_s < duration_s]
    return inside if len(inside) else np.array([rng.uniform(0, 0.5 * duration_s)])


def repeat_random(rng: Rng, kinds: list[Curve], at_s: Curve, *, spread_db: float) -> list[tuple[float, Curve]]:
    """Return an event at each time: one of the given sounds, its level spread by a standard deviation."""
    chosen = rng.integers(len(kinds), size=len(at_s))
    levels = gain(rng.normal(0, spread_db, len(at_s)))
    return [(float(at), kinds[which] * level) for at, which, level in zip(at_s, chosen, levels, strict=True)]


def finished(samples: npt.NDArray[np.floating]) -> FloatArray:
    """Return samples as float32 with their peak at 0.5."""
    highest = float(np.abs(samples).max(initial=0.0))
    return (samples * (0.5 / highest if highest > 0 else 0)).astype(np.float32)


def _hop(rate_hz: int) -> int:
    return max(8, round(FRAME_S * rate_hz))

"""Harmonic-percussive separation by medians (Fitzgerald 2010), as far as the mean and the variance of both parts.

A tone is a ridge along time, a stroke a ridge along frequency, so a median along time keeps tones and a median along
frequency keeps strokes. Soft masks share every bin between the two in proportion to the squared medians; the masks add
up to one, so only the percussive part is transformed back and the harmonic part is the rest of the sound.

Imported only where numba is installed; see `earmark.features.table.describe`.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from scipy import fft

from earmark.features.table.median import running_median
from earmark.types import FloatArray

_FRAMES_AT_ONCE = 64

_kernel = numba.njit(fastmath=True, error_model="numpy", cache=True)


def separated_moments(
    samples: FloatArray,
    spectrum: npt.NDArray[np.complex64],
    magnitude: FloatArray,
    *,
    window: npt.NDArray[np.float64],
    hop_samples: int,
    n_covered: int,
) -> tuple[float, float, float, float]:
    """Return the mean and variance of the harmonic, then of the percussive waveform.

    Equals the mean and variance of ``librosa.effects.hpss(samples)`` (kernel 31, power 2, margin 1).

    Parameters
    ----------
    samples
        float32 ``(time,)``.
    spectrum
        ``(time, freq)``, the centred short-time Fourier transform of `samples`; overwritten.
    magnitude
        ``(time, freq)``, its absolute value.
    window
        ``(n_fft,)``, what the frames were multiplied with; `n_fft` is a multiple of `hop_samples`.
    hop_samples
        Distance between frames.
    n_covered
        Both waveforms are taken as zero from this sample on; `len(samples)` for all of it.
    """
    n_fft, n_frames = len(window), len(spectrum)
    harmonic = np.empty_like(magnitude)
    running_median(magnitude, harmonic)
    percussive = np.empty((_FRAMES_AT_ONCE, magnitude.shape[1]), np.float32)
    waveform = np.zeros(n_fft + hop_samples * (n_frames - 1), np.float32)
    for first in range(0, n_frames, _FRAMES_AT_ONCE):
        some = slice(first, min(first + _FRAMES_AT_ONCE, n_frames))
        running_median(magnitude[some].T, percussive[: some.stop - first].T)
        _keep_percussive(spectrum[some], harmonic[some], percussive)
        frames = fft.irfft(spectrum[some], n=n_fft, axis=1, overwrite_x=True)
        _overlap_add(frames, window.astype(np.float32), hop_samples, waveform[first * hop_samples :])
    weight = _summed_window_power(window, hop_samples, n_frames)
    sums = _sums(samples[:n_covered], waveform[n_fft // 2 :], weight[n_fft // 2 :])
    harmonic_mean, harmonic_power, percussive_mean, percussive_power = (total / len(samples) for total in sums)
    return (
        harmonic_mean,
        max(0.0, harmonic_power - harmonic_mean**2),
        percussive_mean,
        max(0.0, percussive_power - percussive_mean**2),
    )


@_kernel
def _keep_percussive(spectrum: npt.NDArray[np.complex64], harmonic: FloatArray, percussive: FloatArray) -> None:
    """Multiply every bin with its percussive share, a half where both medians are zero."""
    for frame in range(spectrum.shape[0]):
        for bin_ in range(spectrum.shape[1]):
            h, p = harmonic[frame, bin_], percussive[frame, bin_]
            larger = max(h, p)
            if larger < np.float32(np.finfo(np.float32).tiny):
                share = np.float32(0.5)
            else:
                # Divided before squaring, so that quiet sounds do not underflow.
                h, p = h / larger, p / larger
                share = p * p / (h * h + p * p)
            spectrum[frame, bin_] *= share


@_kernel
def _overlap_add(frames: FloatArray, window: FloatArray, hop_samples: int, waveform: FloatArray) -> None:
    for frame in range(frames.shape[0]):
        at = frame * hop_samples
        for i in range(len(window)):
            waveform[at + i] += frames[frame, i] * window[i]


def _summed_window_power(window: npt.NDArray[np.float64], hop_samples: int, n_frames: int) -> FloatArray:
    """Return the sum of the squared, overlapped windows: what analysis and synthesis together multiply a sound by."""
    blocks = (window**2).astype(np.float32).reshape(-1, hop_samples)
    total = np.zeros((n_frames + len(blocks) - 1, hop_samples), np.float32)
    for first, block in enumerate(blocks):
        total[first : first + n_frames] += block
    return total.reshape(-1)


@_kernel
def _sums(samples: FloatArray, waveform: FloatArray, weight: FloatArray) -> tuple[float, float, float, float]:
    """Return the sums of the harmonic part and its square, then of the percussive part and its square."""
    h1 = h2 = p1 = p2 = 0.0
    for i in range(len(samples)):
        percussive = np.float64(waveform[i] / weight[i])
        harmonic = np.float64(samples[i]) - percussive
        h1 += harmonic
        h2 += harmonic * harmonic
        p1 += percussive
        p2 += percussive * percussive
    return h1, h2, p1, p2

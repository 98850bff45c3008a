"""Chroma: power folded into the twelve pitch classes, after measuring how far the music is from A4 = 440 Hz.

Imported only where numba is installed; see `earmark.features.table.describe`.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

from earmark.types import FloatArray

_N_CLASSES = 12
_A0_HZ = 27.5
_LOWEST_PEAK_HZ, _HIGHEST_PEAK_HZ = 150.0, 4000.0
_PEAK_THRESHOLD = np.float32(0.1)  # of the strongest bin of the frame
_TUNING_STEPS = 100  # to a semitone
_CENTRE_OCTAVE, _OCTAVE_WIDTH = 5.0, 2.0
_FRAMES_AT_ONCE = 256

_exact = numba.njit(error_model="numpy", cache=True)


def chroma(magnitude: FloatArray, *, sample_rate_hz: int) -> FloatArray:
    """Return the power of every pitch class from C to B, the strongest of each frame scaled to 1, ``(time, 12)``.

    Equals ``librosa.feature.chroma_stft``; a silent frame has zeros.

    Parameters
    ----------
    magnitude
        ``(time, freq)``, absolute value of the short-time Fourier transform.
    sample_rate_hz
        Samples a second.
    """
    tuning = estimate_tuning(magnitude, sample_rate_hz=sample_rate_hz)
    filters = _pitch_class_filters(sample_rate_hz, 2 * (magnitude.shape[1] - 1), tuning).T
    classes = np.empty((len(magnitude), _N_CLASSES), np.float32)
    for first in range(0, len(magnitude), _FRAMES_AT_ONCE):
        some = slice(first, first + _FRAMES_AT_ONCE)
        np.matmul(np.square(magnitude[some]), filters, out=classes[some])
    strongest = classes.max(axis=1, keepdims=True)
    strongest[strongest < np.finfo(np.float32).tiny] = 1
    classes /= strongest
    return classes


def estimate_tuning(magnitude: FloatArray, *, sample_rate_hz: int) -> float:
    """Return the deviation from A4 = 440 Hz in semitones, -0.5…0.49 in steps of 0.01; 0 without any peak.

    The most frequent deviation of the stronger half of the spectral peaks, interpolated by parabolas (Smith 2011), in
    the arithmetic of ``librosa.estimate_tuning`` on a power spectrogram.
    """
    n_bins = magnitude.shape[1]
    hz_per_bin = sample_rate_hz / (2 * (n_bins - 1))
    first, last = (
        int(np.ceil(limit / hz_per_bin)) for limit in (_LOWEST_PEAK_HZ, min(_HIGHEST_PEAK_HZ, sample_rate_hz / 2))
    )
    peaks_hz = np.empty((len(magnitude), (last - first + 2) // 2), np.float32)
    heights = np.empty_like(peaks_hz)
    counts = _find_peaks(magnitude, magnitude.max(axis=1), first, last, hz_per_bin, peaks_hz, heights)
    found = np.arange(peaks_hz.shape[1]) < counts[:, None]
    if not found.any():
        return 0.0
    strong = heights[found] >= np.median(heights[found])
    return _commonest_deviation(peaks_hz[found][strong])


@_exact
def _find_peaks(  # noqa: PLR0913, PLR0917
    magnitude: FloatArray,
    strongest: FloatArray,
    first: int,
    last: int,
    hz_per_bin: float,
    peaks_hz: FloatArray,
    heights: FloatArray,
) -> npt.NDArray[np.int64]:
    """Fill in frequency and power of the peaks of every frame between two bins; return how many each has."""
    counts = np.zeros(len(magnitude), np.int64)
    for frame in range(len(magnitude)):
        row = magnitude[frame]
        threshold = _PEAK_THRESHOLD * (strongest[frame] * strongest[frame])
        for bin_ in range(first, last):
            centre = row[bin_] * row[bin_]
            if not centre > threshold:
                continue
            left, right = row[bin_ - 1] * row[bin_ - 1], row[bin_ + 1] * row[bin_ + 1]
            # A neighbour below the threshold counts as zero, which cannot exceed the centre either.
            if not (centre > left and centre >= right):
                continue
            curvature = np.float64(right + left) - 2.0 * np.float64(centre)
            slope = np.float64(right - left) / 2.0
            shift = np.float32(0) if abs(slope) >= abs(curvature) else np.float32(-slope / curvature)
            peaks_hz[frame, counts[frame]] = (bin_ + np.float64(shift)) * hz_per_bin
            heights[frame, counts[frame]] = centre + np.float32(0.5) * np.float32(slope) * shift
            counts[frame] += 1
    return counts


def _commonest_deviation(peaks_hz: FloatArray) -> float:
    """Return the fullest bin of a histogram of the distances to the nearest semitone."""
    distance = np.mod(_N_CLASSES * np.log2(peaks_hz / np.float32(_A0_HZ)), np.float32(1))
    distance[distance >= 0.5] -= 1
    edges = np.linspace(-0.5, 0.5, _TUNING_STEPS + 1)
    counts, _ = np.histogram(distance, edges)
    return float(edges[np.argmax(counts)])


@lru_cache(maxsize=2 * _TUNING_STEPS)
def _pitch_class_filters(sample_rate_hz: int, n_fft: int, tuning: float) -> FloatArray:
    """Return Gaussian filters around every pitch class, weighted towards the middle octaves, ``(12, freq)``.

    As ``librosa.filters.chroma`` (after Ellis, ``fft2chromamx``).
    """
    bins_hz = np.linspace(0, sample_rate_hz, n_fft, endpoint=False)[1:]
    classes = _N_CLASSES * np.log2(bins_hz / (_A0_HZ * 2.0 ** (tuning / _N_CLASSES)))
    classes = np.concatenate(([classes[0] - 1.5 * _N_CLASSES], classes))
    widths = np.concatenate((np.maximum(np.diff(classes), 1.0), [1.0]))
    half = _N_CLASSES / 2
    distances = classes - np.arange(_N_CLASSES)[:, None]
    distances = np.remainder(distances + half + 10 * _N_CLASSES, _N_CLASSES) - half
    weights = np.exp(-0.5 * (2 * distances / widths) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=0))
    weights *= np.exp(-0.5 * ((classes / _N_CLASSES - _CENTRE_OCTAVE) / _OCTAVE_WIDTH) ** 2)
    from_c = np.roll(weights, -3, axis=0)
    filters: FloatArray = np.ascontiguousarray(from_c[:, : 1 + n_fft // 2], np.float32)
    return filters

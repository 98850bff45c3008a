"""Frame features of the feature table: spectrum, spectral shape, mel power, loudness, zero crossings.

Imported only where numba is installed; see `earmark.features.table.describe`.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from earmark.types import FloatArray

_FRAMES_AT_ONCE = 64
_ROLLOFF = np.float32(0.85)
_SILENT = 1e-10  # no sign below this amplitude

_kernel = numba.njit(fastmath={"nnan", "ninf", "nsz", "reassoc", "contract"}, error_model="numpy", cache=True)
_exact = numba.njit(error_model="numpy", cache=True)


class Shape(NamedTuple):
    """The shape of every spectrum, in Hz, ``(time,)`` each; 0 for a silent frame."""

    centroid: npt.NDArray[np.float64]
    bandwidth: npt.NDArray[np.float64]
    rolloff: npt.NDArray[np.float64]


def spectra(
    padded: npt.NDArray[np.float64], window: npt.NDArray[np.float64], hop_samples: int
) -> npt.NDArray[np.complex64]:
    """Return the short-time Fourier transform ``(time, freq)`` of samples that are padded already.

    In double precision, rounded afterwards, as librosa does: the mean of a waveform is mostly in two quiet bins.
    """
    n_fft = len(window)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_samples]
    spectrum = np.empty((len(frames), 1 + n_fft // 2), np.complex64)
    windowed = np.empty((_FRAMES_AT_ONCE, n_fft))
    precise = np.empty((_FRAMES_AT_ONCE, 1 + n_fft // 2), np.complex128)
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        some = frames[first : first + _FRAMES_AT_ONCE]
        # Memory that is used again saves the system from clearing new pages for every few frames.
        np.multiply(some, window, out=windowed[: len(some)])
        np.fft.rfft(windowed[: len(some)], axis=1, out=precise[: len(some)])
        spectrum[first : first + len(some)] = precise[: len(some)]
    return spectrum


def measure_spectra(
    spectrum: npt.NDArray[np.complex64], filters: FloatArray, *, sample_rate_hz: int
) -> tuple[FloatArray, FloatArray, Shape]:
    """Return the magnitude ``(time, freq)``, the power in mel bands ``(time, mel)`` and the shape of every spectrum.

    Parameters
    ----------
    spectrum
        ``(time, freq)``.
    filters
        ``(mel, freq)``, non-negative, each without gaps.
    sample_rate_hz
        Samples a second.
    """
    n_frames, n_bins = spectrum.shape
    magnitude = np.empty((n_frames, n_bins), np.float32)
    mel_power = np.empty((n_frames, len(filters)), np.float32)
    moments = np.empty((n_frames, 3))
    rolloff = np.empty(n_frames, np.int64)
    starts = (filters > 0).argmax(axis=1)
    stops = n_bins - (filters[:, ::-1] > 0).argmax(axis=1)
    _measure(spectrum, filters, starts, stops, magnitude, mel_power, moments, rolloff)
    hz_per_bin = sample_rate_hz / (2 * (n_bins - 1))
    total = np.where(moments[:, 0] < np.finfo(np.float32).tiny, 1.0, moments[:, 0])
    centroid, square = moments[:, 1] / total, moments[:, 2] / total
    bandwidth = np.sqrt(np.maximum(0, square - centroid**2))
    return magnitude, mel_power, Shape(hz_per_bin * centroid, hz_per_bin * bandwidth, hz_per_bin * rolloff)


@_kernel
def _measure(  # noqa: PLR0913, PLR0917
    spectrum: npt.NDArray[np.complex64],
    filters: FloatArray,
    starts: npt.NDArray[np.int64],
    stops: npt.NDArray[np.int64],
    magnitude: FloatArray,
    mel_power: FloatArray,
    moments: npt.NDArray[np.float64],
    rolloff: npt.NDArray[np.int64],
) -> None:
    n_bins = spectrum.shape[1]
    power = np.empty(n_bins, np.float32)
    running = np.empty(n_bins, np.float32)
    for frame in range(len(spectrum)):
        m0 = m1 = m2 = 0.0
        for bin_ in range(n_bins):
            value = spectrum[frame, bin_]
            amplitude = np.sqrt(value.real * value.real + value.imag * value.imag)
            magnitude[frame, bin_] = amplitude
            power[bin_] = amplitude * amplitude
            m0 += np.float64(amplitude)
            m1 += np.float64(bin_) * np.float64(amplitude)
            m2 += np.float64(bin_ * bin_) * np.float64(amplitude)
        moments[frame, 0], moments[frame, 1], moments[frame, 2] = m0, m1, m2
        for band in range(len(filters)):
            total = np.float32(0)
            for bin_ in range(starts[band], stops[band]):
                total += filters[band, bin_] * power[bin_]
            mel_power[frame, band] = total
        rolloff[frame] = _rolloff_bin(magnitude[frame], running)


@_exact
def _rolloff_bin(magnitude: FloatArray, running: FloatArray) -> int:
    """Return the first bin at which the running sum reaches 85 % of the whole; `running` is working space."""
    total = np.float32(0)
    for bin_ in range(len(magnitude)):
        total += magnitude[bin_]
        running[bin_] = total
    return int(np.searchsorted(running, _ROLLOFF * total))


def rms(padded: npt.NDArray[np.float64], *, frame_samples: int, hop_samples: int, n_frames: int) -> FloatArray:
    """Return the root mean square of every frame, ``(time,)``; `frame_samples` is a multiple of `hop_samples`."""
    n_parts = frame_samples // hop_samples
    blocks = padded[: (n_frames + n_parts - 1) * hop_samples].reshape(-1, hop_samples)
    energy = np.einsum("bi,bi->b", blocks, blocks)
    frames = np.lib.stride_tricks.sliding_window_view(energy, n_parts)
    loudness: FloatArray = np.sqrt(frames.sum(axis=1) / frame_samples).astype(np.float32)
    return loudness


def zero_crossing_rate(
    samples: FloatArray, *, frame_samples: int, hop_samples: int, n_frames: int
) -> npt.NDArray[np.float64]:
    """Return the share of samples of every centred frame at which the sign changes, ``(time,)``."""
    negative = samples < -_SILENT
    crossings = 1 + np.flatnonzero(negative[1:] != negative[:-1])
    first = np.arange(n_frames) * hop_samples - frame_samples // 2
    # The first sample of a frame has no predecessor in it.
    counts = np.searchsorted(crossings, first + frame_samples) - np.searchsorted(crossings, first + 1)
    return counts / frame_samples

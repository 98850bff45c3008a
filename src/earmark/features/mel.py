"""The mel scale and its triangular filters, in the variant that librosa uses by default."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.types import FloatArray

# Slaney's scale: linear below 1 kHz, logarithmic above, where 27 steps span a factor of 6.4.
_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return frequencies on the mel scale of the Auditory Toolbox (Slaney 1998).

    >>> hz_to_mel([0, 500, 1000]).round(6).tolist()
    [0.0, 7.5, 15.0]
    """
    hz = np.asarray(hz, np.float64)
    above = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _HZ_PER_MEL, above)


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the frequencies of points on the mel scale; the inverse of `hz_to_mel`.

    >>> mel_to_hz([0, 7.5, 15]).round(6).tolist()
    [0.0, 500.0, 1000.0]
    """
    mel = np.asarray(mel, np.float64)
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)


def mel_centres_hz(n_mels: int, *, f_min_hz: float, f_max_hz: float) -> npt.NDArray[np.float64]:
    """Return the frequency of the tip of every triangle of `mel_filters`."""
    return _edges_hz(n_mels, f_min_hz=f_min_hz, f_max_hz=f_max_hz)[1:-1]


def mel_filters(sample_rate_hz: int, n_fft: int, *, n_mels: int, f_min_hz: float, f_max_hz: float) -> FloatArray:
    """Return triangular filters that overlap by half and have equal area (Slaney 1998).

    Parameters
    ----------
    sample_rate_hz, n_fft
        Rate and length of the Fourier transform whose power the filters weight.
    n_mels
        Number of bands, equally spaced on the mel scale.
    f_min_hz, f_max_hz
        Lower foot of the first and upper foot of the last triangle.

    Returns
    -------
    ndarray
        float32 ``(n_mels, 1 + n_fft // 2)``, equal to ``librosa.filters.mel``.
    """
    edges_hz = _edges_hz(n_mels, f_min_hz=f_min_hz, f_max_hz=f_max_hz)[:, None]
    bins_hz = np.arange(1 + n_fft // 2) * (sample_rate_hz / n_fft)
    lower, centre, upper = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (bins_hz - lower) / (centre - lower)
    falling = (upper - bins_hz) / (upper - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    filters: FloatArray = (triangles * (2 / (upper - lower))).astype(np.float32)
    return filters


def _edges_hz(n_mels: int, *, f_min_hz: float, f_max_hz: float) -> npt.NDArray[np.float64]:
    return mel_to_hz(np.linspace(hz_to_mel(f_min_hz), hz_to_mel(f_max_hz), n_mels + 2))

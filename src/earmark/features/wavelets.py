"""The kernels of the constant-Q and variable-Q transforms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def relative_bandwidth(bins_per_octave: int) -> float:
    """Return the bandwidth of a constant-Q kernel over its frequency, so that every second kernel touches."""
    ratio: float = 2.0 ** (2 / bins_per_octave)
    return (ratio - 1) / (ratio + 1)


def wavelet_lengths(
    frequencies_hz: npt.NDArray[np.float64],
    sample_rate_hz: float,
    *,
    bins_per_octave: int,
    filter_scale: float,
    gamma_hz: float,
) -> npt.NDArray[np.float64]:
    """Return the lengths of the kernels in samples, not rounded.

    Q periods (Brown 1991), shortened at low frequencies when `gamma_hz` widens every band (Schörkhuber & Klapuri 2010).
    """
    alpha = relative_bandwidth(bins_per_octave)
    return filter_scale * sample_rate_hz / (alpha * frequencies_hz + gamma_hz)


def wavelet(frequency_hz: float, length: float, *, sample_rate_hz: float) -> tuple[npt.NDArray[np.complex128], int]:
    """Return a Hann-windowed complex sinusoid and the index of its phase zero.

    The sum of magnitudes is the square root of `length`, the scale of ``librosa.vqt``; shape and rounding of the length
    are those of ``librosa.filters.wavelet``.
    """
    before, after = int(np.ceil(length / 2)), int(np.floor(length / 2))
    n = np.arange(-before, after)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(n)) / len(n))
    waves = window * np.exp(2j * np.pi * frequency_hz / sample_rate_hz * n)
    return waves * (np.sqrt(length) / window.sum()), before

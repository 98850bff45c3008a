"""The short-time Fourier transform: periodic Hann window, frames centred, silence outside the sound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.types import FloatArray


def stft(samples: FloatArray, *, n_fft: int, hop_samples: int) -> npt.NDArray[np.complex64]:
    """Return the complex spectrogram ``(1 + n_fft // 2, time)`` of samples ``(time,)``."""
    from scipy import fft

    padded = np.pad(samples, (n_fft // 2, n_fft // 2 + hop_samples))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_samples][: 1 + len(samples) // hop_samples]
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    spectrum: npt.NDArray[np.complex64] = fft.rfft(frames * window, axis=1)
    return np.ascontiguousarray(spectrum.T)


def power_spectrogram(samples: FloatArray, *, n_fft: int, hop_samples: int) -> FloatArray:
    """Return the float32 power spectrogram ``(1 + n_fft // 2, time)`` of samples ``(time,)``."""
    spectrum = stft(samples, n_fft=n_fft, hop_samples=hop_samples)
    return spectrum.real**2 + spectrum.imag**2

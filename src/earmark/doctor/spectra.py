"""Short-time power spectra, without padding: frames that lie wholly inside the samples."""

from __future__ import annotations

import numpy as np

from earmark.types import FloatArray


def power_spectra(samples: FloatArray, *, n_fft: int, hop_samples: int) -> FloatArray:
    """Return squared magnitudes of Hann-windowed frames, float32 ``(frame, bin)`` with ``n_fft // 2 + 1`` bins.

    Samples shorter than a frame are padded with silence.

    Notes
    -----
    `scipy.signal.ShortTimeFFT` transforms one frame after the other in double precision, which takes about three times
    as long.
    """
    from scipy.fft import rfft

    samples = np.pad(samples, (0, max(0, n_fft - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop_samples]
    spectrum = rfft(frames * np.hanning(n_fft).astype(np.float32), axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float32)

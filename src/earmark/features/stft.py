"""The short-time Fourier transform: periodic Hann window, frames centred, silence outside the sound.

It is compiled with numba, which trains but need not be there to predict: recognizers carry the ONNX twin. A few frames,
as a stream brings them, are left to numpy, which needs no compiling.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from earmark.errors import MissingExtraError, UsageError
from earmark.types import FloatArray

_FEW_FRAMES = 16


class Plan(NamedTuple):
    """Tables for one length of frame, ``n_fft = 2 * half``.

    Attributes
    ----------
    window
        float32 ``(n_fft,)``.
    waves
        Factors after every radix-4 stage, float32 ``(stage, half / 4, 6)``: three complex numbers.
    halves
        ``exp(-2πi k / n_fft)``, float32 ``(half / 2 + 1, 2)``.
    order
        Where the transform leaves frequency k, int64 ``(half,)``.
    """

    window: FloatArray
    waves: FloatArray
    halves: FloatArray
    order: npt.NDArray[np.int64]


class Bands(NamedTuple):
    """Weighted sums over neighbouring bins, one after the other.

    Attributes
    ----------
    starts, ends
        First bin of every band and the one after its last, int64.
    weights
        float32, of all bands in a row.
    """

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    weights: FloatArray


def bands_of(weights: FloatArray) -> Bands:
    """Return the non-zero stretches of weights ``(band, bin)``.

    >>> bands_of(np.float32([[1, 0, 0], [0, 0.5, 0.5]])).ends.tolist()
    [1, 3]
    """
    used = weights != 0
    starts = used.argmax(axis=1)
    ends = used.shape[1] - used[:, ::-1].argmax(axis=1)
    ends = np.where(used.any(axis=1), ends, starts)
    stretches = [row[start:end] for row, start, end in zip(weights, starts, ends, strict=True)]
    return Bands(starts, ends, np.concatenate(stretches).astype(np.float32))


def stft(samples: FloatArray, *, n_fft: int, hop_samples: int) -> npt.NDArray[np.complex64]:
    """Return the complex spectrogram of a sound; equal to ``librosa.stft``.

    Parameters
    ----------
    samples
        float32 ``(time,)``, finite.
    n_fft
        Length of a frame, a power of two, 64 at least.
    hop_samples
        Distance between frames; frame t is centred on sample ``t * hop_samples``.

    Returns
    -------
    ndarray
        complex64 ``(1 + n_fft // 2, 1 + time // hop_samples)``.

    Raises
    ------
    UsageError
        When `n_fft` is not such a number.
    MissingExtraError
        When numba is not installed.
    """
    spectrogram = np.empty((1 + n_fft // 2, 1 + len(samples) // hop_samples), np.complex64)
    _compiled().spectrum(_pad(samples, n_fft), hop_samples, _plan(n_fft), spectrogram)
    return spectrogram


def power_spectrogram(samples: FloatArray, *, n_fft: int, hop_samples: int, n_bins: int | None = None) -> FloatArray:
    """Return the squared magnitudes of the lowest `n_bins` rows of `stft`, float32; all unless given."""
    n_bins = 1 + n_fft // 2 if n_bins is None else n_bins
    bins = np.arange(n_bins)
    each = Bands(bins, bins + 1, np.ones(n_bins, np.float32))
    return band_power(samples, each, n_fft=n_fft, hop_samples=hop_samples)


def band_power(samples: FloatArray, bands: Bands, *, n_fft: int, hop_samples: int) -> FloatArray:
    """Return sums over bands of the squared magnitudes of `stft`, float32 ``(band, time)``, without storing these."""
    padded, plan = _pad(samples, n_fft), _plan(n_fft)
    power = np.empty((len(bands.starts), 1 + len(samples) // hop_samples), np.float32)
    if power.shape[1] > _FEW_FRAMES and find_spec("numba"):
        _compiled().band_power(padded, hop_samples, plan, bands, power)
    else:
        _interpreted_band_power(padded, hop_samples, plan, bands, power)
    return power


def _interpreted_band_power(samples: FloatArray, hop: int, plan: Plan, bands: Bands, out: FloatArray) -> None:
    """Do the same as the compiled function of this name, and use little memory for long sounds as well."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, len(plan.window))[::hop]
    last_weights = np.cumsum(bands.ends - bands.starts)
    for first in range(0, out.shape[1], _FEW_FRAMES):
        some = slice(first, first + _FEW_FRAMES)
        spectrum = np.fft.rfft(frames[some] * plan.window)
        power = spectrum.real**2 + spectrum.imag**2
        for row, start, end, last in zip(out, bands.starts, bands.ends, last_weights, strict=True):
            row[some] = power[:, start:end] @ bands.weights[last - (end - start) : last]


def _pad(samples: FloatArray, n_fft: int) -> FloatArray:
    return np.pad(np.asarray(samples, np.float32), n_fft // 2)


def _compiled() -> ModuleType:
    try:
        from earmark.features import fft
    except ModuleNotFoundError as error:
        raise MissingExtraError("computing spectrograms outside a recognizer", "train") from error
    return fft


@lru_cache(maxsize=8)
def _plan(n_fft: int) -> Plan:
    if n_fft < 64 or n_fft & (n_fft - 1):
        raise UsageError(f"a Fourier transform of {n_fft} samples was asked for; use a power of two, 64 or more")
    half = n_fft // 2
    n_stages = (half.bit_length() - 1) // 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    wave = np.exp(-2j * np.pi * np.arange(half) / half)
    rows = np.arange(half // 4)
    # After `stage` stages, the lowest digits of a row's number count frequencies, and no longer samples.
    waves = [[wave[(rows >> 2 * stage << 2 * stage) * j] for j in (1, 2, 3)] for stage in range(n_stages)]
    radices = [4] * n_stages + [2] * (half // 4**n_stages - 1)
    order = np.arange(half).reshape(radices).transpose().reshape(-1)
    halves = np.exp(-2j * np.pi * np.arange(half // 2 + 1) / n_fft)
    return Plan(
        window.astype(np.float32), _real_pairs(np.moveaxis(np.array(waves), 1, 2)), _real_pairs(halves[:, None]), order
    )


def _real_pairs(values: npt.NDArray[Any]) -> FloatArray:
    """Return complex numbers ``(..., n)`` as float32 ``(..., 2 * n)``, real part first."""
    pairs: FloatArray = np.stack([values.real, values.imag], axis=-1).reshape(*values.shape[:-1], -1).astype(np.float32)
    return pairs

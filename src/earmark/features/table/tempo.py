"""Tempo: the lag at which the onset strength correlates most with itself, weighted by how usual that tempo is.

The result is that of ``librosa.beat.beat_track`` 0.11, which is what the published tables call tempo: the onset
strength is the *median* rise over the mel bands, and the tempogram is an autocorrelation in windows of 8 s.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from earmark.types import FloatArray

_WINDOW_S = 8.0
_USUAL_BPM = 120.0
_SPREAD_OCTAVES = 1.0
_HIGHEST_BPM = 320.0
_FRAMES_AT_ONCE = 128


def tempo_bpm(mel_db: FloatArray, *, sample_rate_hz: int, hop_samples: int, n_fft: int) -> float:
    """Return beats a minute; 0 when nothing ever begins (silence, one frame, a steady sound).

    Parameters
    ----------
    mel_db
        ``(time, mel)``, a mel spectrogram in decibels.
    sample_rate_hz, hop_samples, n_fft
        How it was made; the onsets are moved by half a transform to where they are heard.
    """
    onsets = _onset_strength(mel_db, delay_frames=1 + n_fft // (2 * hop_samples))
    if not onsets.any():
        return 0.0
    n_lags = int(_WINDOW_S * sample_rate_hz) // hop_samples
    repetition = _mean_autocorrelation(onsets, n_lags)
    lags = np.arange(1, n_lags)
    bpm = 60.0 * sample_rate_hz / (hop_samples * lags)
    usualness = -0.5 * ((np.log2(bpm) - np.log2(_USUAL_BPM)) / _SPREAD_OCTAVES) ** 2
    usualness[bpm >= _HIGHEST_BPM] = -np.inf
    return float(bpm[np.argmax(np.log1p(1e6 * repetition[1:]) + usualness)])


def _onset_strength(mel_db: FloatArray, *, delay_frames: int) -> FloatArray:
    """Return the median over bands of how much each grew since the frame before (Ellis 2007), ``(time,)``."""
    onsets = np.zeros(len(mel_db), np.float32)
    rise = np.maximum(np.diff(mel_db, axis=0), 0)[: max(0, len(mel_db) - delay_frames)]
    if len(rise):
        onsets[delay_frames:] = np.median(rise, axis=1)
    return onsets


def _mean_autocorrelation(onsets: FloatArray, n_lags: int) -> npt.NDArray[np.float64]:
    """Return the autocorrelation around every frame, each scaled to 1 at lag 0, averaged over frames, ``(n_lags,)``.

    The mean of the transforms back is the transform back of the mean, so there is only one; and the greatest value of
    an autocorrelation is the one at lag 0, which is the energy.
    """
    half = n_lags // 2
    padded = np.pad(onsets, half, mode="linear_ramp", end_values=0)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_lags)[: len(onsets)]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_lags) / n_lags)
    n_fft = fft.next_fast_len(2 * n_lags - 1, real=True)
    power = np.zeros(n_fft // 2 + 1)
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        windowed = frames[first : first + _FRAMES_AT_ONCE] * window
        energy = np.einsum("ti,ti->t", windowed, windowed)
        windowed /= np.sqrt(np.where(energy < np.finfo(np.float64).tiny, 1.0, energy))[:, None]
        parts = fft.rfft(windowed, n=n_fft, axis=1).view(np.float64)
        power += np.einsum("ti,ti->i", parts, parts).reshape(-1, 2).sum(1)
    repetition: npt.NDArray[np.float64] = fft.irfft(power / len(frames), n=n_fft)[:n_lags]
    return repetition

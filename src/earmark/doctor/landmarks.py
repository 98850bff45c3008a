"""Audio fingerprints: triples of spectral peaks, which survive other gains, rates and codecs.

The idea is that of A. Wang, "An industrial-strength audio search algorithm", ISMIR 2003: peaks of the spectrogram,
joined to their neighbours, make keys that are looked up, and a copy shows as many keys at one constant distance in
time. Keys here are of three peaks (R. Sonnleitner and G. Widmer, "Quad-based audio fingerprinting robust to time and
frequency scaling", DAFx 2014, take four): a key of 35 bits hardly ever meets a stranger, so a large index stays fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.types import FloatArray, IntArray

RATE_HZ = 8_000
"""Of the samples that are fingerprinted; what mp3 at low rates keeps lies below 4 kHz."""

N_FFT = 1024
HOP_SAMPLES = 256
FRAME_S = HOP_SAMPLES / RATE_HZ

REACH_BINS, REACH_FRAMES = 24, 8
"""A peak is the largest value this far around it."""

RANGE_DB = 50.0
"""Peaks this far below the largest are noise."""

SEGMENT_FRAMES = 2048
"""The spectrogram is made this much at a time, about 65 s, so that memory stays flat."""

N_TARGETS = 3
TARGET_FRAMES, TARGET_BINS = 31, 127
"""An anchor is joined to the next few peaks in this zone after it, two at a time."""

_OFFSETS = tuple((i, j) for i in range(1, N_TARGETS + 1) for j in range(i + 1, N_TARGETS + 1))


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


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The keys of one sound.

    Attributes
    ----------
    keys
        int64 of shape ``(n,)``: first bin, two distances in bins, two in frames, in 35 bits.
    frames
        int32 of shape ``(n,)``: the frame of each key's first peak, `FRAME_S` long.
    """

    keys: IntArray
    frames: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.keys)


class Fingerprinter:
    """Takes samples piece by piece and gives the fingerprint of all of them."""

    def __init__(self) -> None:
        self._held = np.zeros(0, np.float32)
        self._begin_frames = 0
        self._peaks: list[npt.NDArray[np.int32]] = []

    def take(self, samples: FloatArray) -> None:
        """Take the next samples, float32 ``(time,)`` at `RATE_HZ`."""
        self._held = np.concatenate((self._held, samples))
        while len(self._held) >= SEGMENT_FRAMES * HOP_SAMPLES + N_FFT:
            self._segment(self._held[: (SEGMENT_FRAMES - 1) * HOP_SAMPLES + N_FFT], last=False)
            step = SEGMENT_FRAMES - 2 * REACH_FRAMES
            self._held = self._held[step * HOP_SAMPLES :]
            self._begin_frames += step

    def fingerprint(self) -> Fingerprint:
        """Return the keys of all samples taken; none when it was silent or shorter than three peaks."""
        if len(self._held) >= N_FFT:
            self._segment(self._held, last=True)
        peaks = np.concatenate(self._peaks) if self._peaks else np.zeros((0, 2), np.int32)
        return join_peaks(peaks)

    def _segment(self, samples: FloatArray, *, last: bool) -> None:
        """Pick the peaks; the margins are only sure where nothing comes before or after."""
        peaks = spectral_peaks(samples)
        n_frames = 1 + (len(samples) - N_FFT) // HOP_SAMPLES
        first = REACH_FRAMES if self._begin_frames else 0
        stop = n_frames if last else n_frames - REACH_FRAMES
        peaks = peaks[(peaks[:, 0] >= first) & (peaks[:, 0] < stop)]
        self._peaks.append(peaks + np.array([self._begin_frames, 0], np.int32))


def fingerprint(samples: FloatArray) -> Fingerprint:
    """Return the fingerprint of float32 ``(time,)`` at `RATE_HZ`."""
    fingerprinter = Fingerprinter()
    fingerprinter.take(samples)
    return fingerprinter.fingerprint()


def spectral_peaks(samples: FloatArray) -> npt.NDArray[np.int32]:
    """Return the peaks of a sound of at least `N_FFT` samples, int32 ``(n_peaks, 2)``: frame, bin; in order of time."""
    from scipy.ndimage import maximum_filter1d

    power = power_spectra(samples, n_fft=N_FFT, hop_samples=HOP_SAMPLES)[:, 1 : N_FFT // 2]
    # Music falls off with frequency; without the slope nearly all peaks would be low.
    power *= np.arange(1, N_FFT // 2, dtype=np.float32)
    around = maximum_filter1d(power, 2 * REACH_BINS + 1, axis=1, mode="constant")
    around = maximum_filter1d(around, 2 * REACH_FRAMES + 1, axis=0, mode="constant")
    floor = max(float(power.max()) * 10 ** (-RANGE_DB / 10), 1e-9)
    rows, columns = np.nonzero((power == around) & (power > floor))
    return np.stack((rows, columns), axis=1).astype(np.int32)


def join_peaks(peaks: npt.NDArray[np.int32]) -> Fingerprint:
    """Join each peak, int32 ``(n_peaks, 2)`` in order of time, to pairs of those that follow it."""
    keys, frames = [], []
    for i, j in _triples(peaks):
        anchor = np.arange(len(peaks))
        one, two = peaks[np.minimum(i, len(peaks) - 1)], peaks[np.minimum(j, len(peaks) - 1)]
        ok = (i < len(peaks)) & (j < len(peaks))
        apart_one, apart_two = one - peaks[anchor], two - peaks[anchor]
        for apart in (apart_one, apart_two):
            ok &= (apart[:, 0] <= TARGET_FRAMES) & (np.abs(apart[:, 1]) <= TARGET_BINS)
        packed = peaks[:, 1].astype(np.int64)
        for apart in (apart_one, apart_two):
            packed = packed << 8 | (apart[:, 1] + TARGET_BINS + 1) & 0xFF
        for apart in (apart_one, apart_two):
            packed = packed << 5 | apart[:, 0] & 0x1F
        keys.append(packed[ok])
        frames.append(peaks[ok, 0])
    if not keys:
        return Fingerprint(np.zeros(0, np.int64), np.zeros(0, np.int32))
    return Fingerprint(np.concatenate(keys), np.concatenate(frames))


def _triples(peaks: npt.NDArray[np.int32]) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Return, for each way to choose two of the next peaks, their rows; a row of `len(peaks)` is none."""
    n = len(peaks)
    if n < 3:
        return []
    nearest = np.full((n, N_TARGETS), n, dtype=np.intp)
    found = np.zeros(n, dtype=np.intp)
    rows = np.arange(n)
    # Peaks of one frame, and those too far off in frequency, are stepped over.
    for step in range(1, 4 * N_TARGETS):
        other = rows + step
        inside = other < n
        apart = peaks[np.minimum(other, n - 1)] - peaks
        near = inside & (apart[:, 0] >= 1) & (apart[:, 0] <= TARGET_FRAMES) & (np.abs(apart[:, 1]) <= TARGET_BINS)
        near &= found < N_TARGETS
        nearest[near, found[near]] = other[near]
        found[near] += 1
    return [(nearest[:, i - 1], nearest[:, j - 1]) for i, j in _OFFSETS]

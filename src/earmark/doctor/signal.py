"""Signal measures of a sound, taken block by block, so that hours take no more memory than seconds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from earmark.doctor.landmarks import RATE_HZ, Fingerprint, Fingerprinter, power_spectra
from earmark.errors import UnreadableError
from earmark.sound.decoder import Decoder, SoundSource
from earmark.sound.decoders import open_decoder
from earmark.sound.reading import extend_to_one
from earmark.types import FloatArray

FRAME_S = 0.05
SILENT_DB = -70.0
"""A frame whose RMS is below this, in dB of full scale, is silent."""

SPECTRUM_SAMPLES = 2048
SPECTRUM_EVERY_S = 0.25
N_BANDS = 40
BAND_EDGES_HZ = (40.0, 16_000.0)

FLAT_TOP = 0.9995
"""Three samples in a row above this share of the peak are a flat top."""

CLIFF_DB = 25.0
LOWEST_CLIFF_HZ = 1500.0
"""No codec and no rate in use ends lower, while a pure tone does."""
LOW_BANDWIDTH = 0.85
"""Of what the rate could carry; converters and good codecs fade out above this."""

_SMALLEST = 1e-10


@dataclass(slots=True, eq=False)
class SoundFacts:
    """Measures of one sound.

    Attributes
    ----------
    format
        Of the container, as `earmark.sound.SoundInfo.format`.
    peak, rms
        Of the mono mix, 1 is full scale.
    dc
        Largest mean of a channel.
    flat_share
        Share of the samples that lie in flat tops: what clipping leaves.
    silent_share, longest_silence_s
        Of frames of 50 ms below -70 dB.
    channels_differ, channels_add
        Largest absolute difference and sum of the first two channels; NaN for mono.
    cutoff_hz
        Above it the spectrum falls off a cliff; NaN when it does not.
    audio_sha256
        Of the mono mix in 16 bits: the same in every lossless container.
    bands
        float32 of shape ``(2 × N_BANDS,)``: mean and spread over time of the level in bands, in dB.
    fingerprint
        Of the mono mix.
    n_keys
        How many its fingerprint has, also when only some of them are kept.
    """

    format: str
    sample_rate_hz: int
    n_channels: int
    n_frames: int
    peak: float
    rms: float
    dc: float
    flat_share: float
    silent_share: float
    longest_silence_s: float
    channels_differ: float
    channels_add: float
    cutoff_hz: float
    audio_sha256: str
    bands: FloatArray
    fingerprint: Fingerprint
    n_keys: int = 0

    @property
    def duration_s(self) -> float:
        """Length of the sound."""
        return self.n_frames / self.sample_rate_hz


def measure_sound(source: SoundSource, *, start_s: float = 0.0, duration_s: float | None = None) -> SoundFacts:
    """Decode a sound once and measure it.

    Raises
    ------
    UnreadableError, MissingExtraError
        As `earmark.sound.read`.
    """
    with open_decoder(source) as decoder:
        rate_hz = decoder.sample_rate_hz
        n_frames = None if duration_s is None else max(1, round(duration_s * rate_hz))
        meter = _Meter(decoder)
        for block in decoder.blocks(start_frame=round(start_s * rate_hz), n_frames=n_frames):
            meter.take(block)
        return meter.facts()


class _Meter:
    """Running sums over the blocks of one sound."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._rate_hz = decoder.sample_rate_hz
        self._n = 0
        self._sum = np.zeros(decoder.n_channels)
        self._square = 0.0
        self._hash = hashlib.sha256()
        self._differ = self._add = 0.0
        self._tops: list[tuple[float, int]] = []
        self._levels: list[FloatArray] = []
        self._rest = np.zeros(0, np.float32)
        self._spectra: list[FloatArray] = []
        self._fingerprinter = Fingerprinter()
        self._resampler = soxr.ResampleStream(self._rate_hz, RATE_HZ, 1, dtype="float32", quality="MQ")

    def take(self, block: FloatArray) -> None:
        """Count the next samples, ``(time, channel)``."""
        if not np.isfinite(block).all():
            bad = int(np.argmin(np.isfinite(block).all(axis=1)))
            raise UnreadableError(
                f"{self._decoder.name}: has samples that are NaN or infinite, the first at "
                f"{(self._n + bad) / self._rate_hz:.3f} s; only finite numbers are sound; export it again, or remove it"
            )
        n_channels = block.shape[1]
        mono = block[:, 0] if n_channels == 1 else block @ np.full(n_channels, 1 / n_channels, np.float32)
        mono = np.ascontiguousarray(mono)
        if n_channels > 1:
            left, right = block[:, 0], block[:, 1]
            self._differ = max(self._differ, float(np.abs(left - right).max(initial=0)))
            self._add = max(self._add, float(np.abs(left + right).max(initial=0)))
        self._n += len(mono)
        self._sum += block.sum(axis=0, dtype=np.float64)
        self._square += float(mono.astype(np.float64) @ mono)
        self._hash.update(np.rint(mono * 32768).astype("<i4").tobytes())
        # Loudest of the channels, not the mix: a clipped side stays clipped.
        self._tops.append(flat_tops(block[:, int(np.argmax(np.abs(block).max(axis=0)))]))
        self._count_silence(mono)
        self._spectra.extend(sampled_spectra(mono, self._rate_hz))
        self._fingerprinter.take(self._resampler.resample_chunk(mono))

    def _count_silence(self, mono: FloatArray) -> None:
        size = max(1, round(FRAME_S * self._rate_hz))
        held = np.concatenate((self._rest, mono))
        n_whole = len(held) // size
        frames = held[: n_whole * size].reshape(n_whole, size)
        self._levels.append(np.sqrt(np.einsum("ij,ij->i", frames, frames) / size))
        self._rest = held[n_whole * size :]

    def facts(self) -> SoundFacts:
        """Return what was measured."""
        if not self._n:
            raise UnreadableError(f"{self._decoder.name}: holds no samples; record it again, or remove it")
        if len(self._rest):
            self._levels.append(np.array([np.sqrt(np.mean(self._rest**2))], np.float32))
        missing = extend_to_one(np.zeros(0, np.float32), self._rate_hz, RATE_HZ)
        self._fingerprinter.take(self._resampler.resample_chunk(missing, last=True))
        silent = np.concatenate(self._levels) < 10 ** (SILENT_DB / 20)
        peak = max(top for top, _ in self._tops)
        spectra = np.stack(self._spectra) if self._spectra else np.zeros((0, SPECTRUM_SAMPLES // 2 + 1), np.float32)
        stereo = self._decoder.n_channels > 1
        return SoundFacts(
            format=self._decoder.format,
            sample_rate_hz=self._rate_hz,
            n_channels=self._decoder.n_channels,
            n_frames=self._n,
            peak=peak,
            rms=float(np.sqrt(self._square / self._n)),
            dc=float(np.abs(self._sum / self._n).max()),
            flat_share=sum(n for top, n in self._tops if top >= FLAT_TOP * peak) / self._n if peak else 0.0,
            silent_share=float(silent.mean()),
            longest_silence_s=longest_run(silent) * FRAME_S,
            channels_differ=self._differ if stereo else float("nan"),
            channels_add=self._add if stereo else float("nan"),
            cutoff_hz=cutoff(spectra, self._rate_hz),
            audio_sha256=self._hash.hexdigest(),
            bands=band_levels(spectra, self._rate_hz),
            fingerprint=self._fingerprinter.fingerprint(),
        )


def flat_tops(samples: FloatArray) -> tuple[float, int]:
    """Return the peak of ``(time,)`` and how many samples lie in runs of three or more that touch it."""
    size = np.abs(samples)
    peak = float(size.max(initial=0.0))
    at_top = size >= FLAT_TOP * peak
    if not peak or at_top.sum() < 3:
        return peak, 0
    middle = at_top[1:-1] & at_top[:-2] & at_top[2:]
    in_run = np.zeros(len(samples), dtype=bool)
    in_run[1:-1] |= middle
    in_run[:-2] |= middle
    in_run[2:] |= middle
    return peak, int(in_run.sum())


def longest_run(flags: npt.NDArray[np.bool_]) -> int:
    """Return the length of the longest run of True.

    >>> longest_run(np.array([True, False, True, True]))
    2
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def sampled_spectra(mono: FloatArray, rate_hz: int) -> FloatArray:
    """Return power spectra of windows a quarter of a second apart, float32 ``(n, SPECTRUM_SAMPLES / 2 + 1)``."""
    return power_spectra(mono, n_fft=SPECTRUM_SAMPLES, hop_samples=max(1, round(SPECTRUM_EVERY_S * rate_hz)))


def cutoff(spectra: FloatArray, rate_hz: int) -> float:
    """Return the frequency in Hz where the mean spectrum ends in a cliff, NaN when it does not.

    A low-pass before a lossy codec or a resampling leaves, above one frequency, `CLIFF_DB` less than below it, and
    nothing comes back above; music alone fades gradually.
    """
    if not len(spectra):
        return float("nan")
    bin_hz = rate_hz / SPECTRUM_SAMPLES
    width = max(2, round(250 / bin_hz))
    mean = spectra.mean(axis=0)
    n = len(mean) // width
    level_db = 10 * np.log10(mean[: n * width].reshape(n, width).mean(axis=1) + _SMALLEST)
    # The window's sum is about 1000, so this is some 60 dB below full scale.
    if n < 8 or level_db.max() < 0:
        return float("nan")
    # The highest level from each band up: what never comes back.
    above_db = np.maximum.accumulate(level_db[::-1])[::-1]
    drop_db = level_db[:-3] - above_db[3:]
    steepest = int(np.argmax(drop_db))
    end_hz = (steepest + 2) * width * bin_hz
    return end_hz if drop_db[steepest] >= CLIFF_DB and end_hz >= LOWEST_CLIFF_HZ else float("nan")


def band_levels(spectra: FloatArray, rate_hz: int) -> FloatArray:
    """Return mean and spread over time of the level in `N_BANDS` bands of equal ratio, in dB."""
    edges_hz = np.geomspace(*BAND_EDGES_HZ, N_BANDS + 1)
    edges = np.round(edges_hz * SPECTRUM_SAMPLES / rate_hz).astype(int)
    levels = np.full((max(len(spectra), 1), N_BANDS), 10 * np.log10(_SMALLEST), np.float32)
    for band in range(N_BANDS):
        part = spectra[:, edges[band] : max(edges[band + 1], edges[band] + 1)]
        if part.shape[0] and part.shape[1]:
            levels[:, band] = 10 * np.log10(part.mean(axis=1) + _SMALLEST)
    return np.concatenate((levels.mean(axis=0), levels.std(axis=0)))

"""The 57 numbers about a sound that the published GTZAN tables hold.

Means and variances over the frames (2048 samples every 512 at 22,050 Hz) of chroma, RMS, spectral centroid, bandwidth
and rolloff, zero-crossing rate and 20 MFCCs; mean and variance of the harmonic and the percussive waveform ("harmony",
"perceptr"); and the tempo. Every column equals what librosa 0.11 gives, from one Fourier transform instead of ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from earmark import extras
from earmark.errors import DataError, UnknownNameError, did_you_mean
from earmark.features.base import FEATURES, WindowFeatures
from earmark.features.mel import mel_filters
from earmark.types import Domain, FloatArray, Numbers

SAMPLE_RATE_HZ = 22_050
N_FFT = 2048
HOP_SAMPLES = 512
N_MELS = 128
N_MFCCS = 20
LONGEST_S = 1800
TABLE_VERSION = 1
"""Raised by hand whenever the numbers change."""

_LOWEST_POWER = np.float32(1e-10)
_RANGE_DB = np.float32(80)

Padding: TypeAlias = Literal["silence", "mirror"]

_FRAME_FEATURES = (
    "chroma_stft",
    "rms",
    "spectral_centroid",
    "spectral_bandwidth",
    "rolloff",
    "zero_crossing_rate",
)
_MOMENTS = ("mean", "var")
FEATURE_COLUMNS: tuple[str, ...] = (
    *(f"{name}_{moment}" for name in (*_FRAME_FEATURES, "harmony", "perceptr") for moment in _MOMENTS),
    "tempo",
    *(f"mfcc{number}_{moment}" for number in range(1, N_MFCCS + 1) for moment in _MOMENTS),
)
"""The names of the 57 numbers, in the published order."""

COLUMNS: tuple[str, ...] = ("filename", "length", *FEATURE_COLUMNS, "label")
"""The columns of the published table."""


@FEATURES.register("table")
class TableFeatures(WindowFeatures):
    """The 57 numbers as features of a recognizer, ``(1, 57, 1)``, or some of them.

    Attributes
    ----------
    columns
        Names of `FEATURE_COLUMNS`, in the order in which the model wants them.
    padding
        As in `describe`.
    """

    reads: ClassVar[tuple[Domain, ...]] = ("sound", "table")
    version: ClassVar[int] = TABLE_VERSION
    kind: Literal["table"] = "table"
    columns: tuple[str, ...] = Field(default=FEATURE_COLUMNS, min_length=1)
    padding: Padding = "silence"

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        for column in columns:
            if column not in FEATURE_COLUMNS:
                raise UnknownNameError("feature column", column, FEATURE_COLUMNS)
        return columns

    @property
    def sample_rate_hz(self) -> int:
        return SAMPLE_RATE_HZ

    @property
    def n_bins(self) -> int:
        return len(self.columns)

    def n_frames(self, n_samples: int) -> int:
        return 1  # a window of any length is one row of the table

    def __call__(self, samples: FloatArray) -> FloatArray:
        return self.from_numbers(Numbers(FEATURE_COLUMNS, describe(samples, padding=self.padding)))

    def from_numbers(self, numbers: Numbers) -> FloatArray:
        """Return ``(1, n_columns, 1)`` of a row of a table, which may have other columns beside those needed.

        Raises
        ------
        DataError
            When the row lacks a column.
        """
        values = dict(zip(numbers.names, numbers.values, strict=True))
        missing = [column for column in self.columns if column not in values]
        if missing:
            raise DataError(
                f"the feature table has no column {missing[0]!r}{did_you_mean(missing[0], numbers.names)}; "
                "make it with 'earmark features', or name the columns that it has in features.columns"
            )
        return np.array([values[column] for column in self.columns], np.float32)[None, :, None]


def describe(samples: FloatArray, *, padding: Padding = "silence") -> npt.NDArray[np.float64]:
    """Return the 57 numbers of `FEATURE_COLUMNS`; they are always finite.

    Parameters
    ----------
    samples
        Mono, float32 ``(time,)``, at 22,050 Hz, at least one.
    padding
        What is outside the sound: ``"silence"``, as in librosa since 0.10; or ``"mirror"``, as in the librosa that the
        published table was made with, whose harmonic and percussive waveforms were also zero after the last full hop.

    Notes
    -----
    A silent sound has 0 in every column except mfcc1_mean, -1131.37: the logarithm of the least power, 1e-10. The tempo
    is 0 when there is no onset (silence, fewer than 4 frames = 1536 samples). With one frame every variance over frames
    is 0.

    Raises
    ------
    DataError
        When there is no sample, one that is not finite, or more than half an hour of them: the work needs about 1 MB of
        memory a second.
    MissingExtraError
        When numba is not installed.
    """
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise DataError(
            f"samples of shape {samples.shape} cannot be described; give at least one mono sample, all of them finite"
        )
    if len(samples) > LONGEST_S * SAMPLE_RATE_HZ:
        raise DataError(
            f"a sound of {len(samples) / SAMPLE_RATE_HZ:.0f} s is too long to describe in one row; the longest is "
            f"{LONGEST_S} s; cut it into segments"
        )
    extras.require("the feature table", "train", "numba")
    from earmark.features.table import chroma, frames, hpss, tempo

    padded = np.pad(samples.astype(np.float64), N_FFT // 2, mode="constant" if padding == "silence" else "reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    spectrum = frames.spectra(padded, window, HOP_SAMPLES)
    magnitude, mel_power, shape = frames.measure_spectra(spectrum, _filters(), sample_rate_hz=SAMPLE_RATE_HZ)
    mel_db = _to_db(mel_power)
    shape_of_frames = {"frame_samples": N_FFT, "hop_samples": HOP_SAMPLES, "n_frames": len(spectrum)}
    per_frame = (
        chroma.chroma(magnitude, sample_rate_hz=SAMPLE_RATE_HZ),
        frames.rms(padded, **shape_of_frames),
        *shape,
        frames.zero_crossing_rate(samples, **shape_of_frames),
    )
    separated = hpss.separated_moments(
        samples,
        spectrum,
        magnitude,
        window=window,
        hop_samples=HOP_SAMPLES,
        n_covered=len(samples) if padding == "silence" else HOP_SAMPLES * (len(spectrum) - 1),
    )
    values = [
        *_moments(per_frame),
        *separated,
        tempo.tempo_bpm(mel_db, sample_rate_hz=SAMPLE_RATE_HZ, hop_samples=HOP_SAMPLES, n_fft=N_FFT),
        *_moments(_mfccs(mel_db).T),
    ]
    return np.array(values, np.float64)


def _moments(rows: Iterable[npt.NDArray[np.floating]]) -> Iterator[float]:
    """Yield the mean and the variance of each array."""
    for row in rows:
        yield float(np.mean(row, dtype=np.float64))
        yield float(np.var(row, dtype=np.float64))


def _to_db(power: FloatArray) -> FloatArray:
    """Return decibels above a power of 1, at most 80 below the loudest."""
    db: FloatArray = np.log10(np.maximum(power, _LOWEST_POWER))
    db *= 10
    np.maximum(db, db.max() - _RANGE_DB, out=db)
    return db


def _mfccs(mel_db: FloatArray) -> npt.NDArray[np.float64]:
    """Return the first coefficients of the cosine transform of every frame, ``(time, mfcc)``."""
    # Only the first coefficient knows the level; without it the others of a flat spectrum are exactly zero.
    level_db = float(mel_db.max())
    mfccs: npt.NDArray[np.float64] = (mel_db.astype(np.float64) - level_db) @ _cosines()
    mfccs[:, 0] += level_db * np.sqrt(N_MELS)
    return mfccs


@lru_cache(maxsize=1)
def _filters() -> FloatArray:
    return mel_filters(SAMPLE_RATE_HZ, N_FFT, n_mels=N_MELS, f_min_hz=0.0, f_max_hz=SAMPLE_RATE_HZ / 2)


@lru_cache(maxsize=1)
def _cosines() -> npt.NDArray[np.float64]:
    """Return the orthonormal DCT-II that turns mel decibels into MFCCs, ``(mel, mfcc)``."""
    angles = np.pi / N_MELS * (np.arange(N_MELS)[:, None] + 0.5) * np.arange(N_MFCCS)
    cosines: npt.NDArray[np.float64] = np.sqrt(2 / N_MELS) * np.cos(angles)
    cosines[:, 0] /= np.sqrt(2)
    return cosines

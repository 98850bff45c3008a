"""Mel spectrogram in decibels or log-compressed, equal to librosa's with its defaults."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from earmark.errors import DataError
from earmark.features.base import FEATURES, SoundFeatures
from earmark.features.dft import add_power, weights_by_cell
from earmark.features.graph import FLOOR_DB, Graph, add_power_to_db, add_power_to_log, db_to_log
from earmark.features.mel import mel_centres_hz, mel_filters
from earmark.types import FloatArray, Picture


def power_of_two(value: int) -> int:
    """Return `value` when it is a power of two; raise ``ValueError`` otherwise."""
    if value & (value - 1):
        raise ValueError(f"must be a power of two; try {1 << value.bit_length() - 1} or {1 << value.bit_length()}")
    return value


@FEATURES.register("log-mel")
class LogMel(SoundFeatures):
    """Power in triangular mel bands (Slaney 1998), in dB: 10 log10(max(power, 1e-10)), not cut at the top.

    Equal to ``librosa.power_to_db(librosa.feature.melspectrogram(...), ref=1, top_db=None)``; or log-compressed,
    log10(1 + 10⁴ power), which leaves what is quiet near nothing (Müller 2015).

    Attributes
    ----------
    n_fft
        Length of the Hann window and of the Fourier transform in samples; a power of two.
    n_mels
        Number of bands.
    f_min_hz, f_max_hz
        Range of the bands; `f_max_hz` is half the sample rate unless given.
    compression
        ``"decibel"`` or ``"logarithmic"``, see above.
    picture_range_db
        What the 255 steps of an 8-bit picture span, its brightest at 0 dB.
    """

    kind: Literal["log-mel"] = "log-mel"
    sample_rate_hz: int = Field(default=22050, gt=0)
    hop_samples: int = Field(default=512, gt=0)
    n_fft: int = Field(default=2048, ge=64, le=65536)
    n_mels: int = Field(default=128, gt=0)
    f_min_hz: float = Field(default=0.0, ge=0)
    f_max_hz: float | None = Field(default=None, gt=0)
    compression: Literal["decibel", "logarithmic"] = "decibel"
    picture_range_db: float = Field(default=80.0, gt=0)

    _power_of_two = field_validator("n_fft")(power_of_two)

    @model_validator(mode="after")
    def _bands_exist(self) -> Self:
        nyquist_hz = self.sample_rate_hz / 2
        top_hz = nyquist_hz if self.f_max_hz is None else self.f_max_hz
        if not self.f_min_hz < top_hz <= nyquist_hz:
            raise ValueError(f"f_min_hz ({self.f_min_hz:g}) < f_max_hz ({top_hz:g}) <= {nyquist_hz:g} must hold")
        n_empty = int(np.sum(~_filters(self).any(axis=1)))
        if n_empty:
            raise ValueError(f"{n_empty} of {self.n_mels} mel bands hold no frequency bin; lower n_mels or raise n_fft")
        return self

    @property
    def n_bins(self) -> int:
        return self.n_mels

    @property
    def frequencies_hz(self) -> npt.NDArray[np.float64]:
        top_hz = self.sample_rate_hz / 2 if self.f_max_hz is None else self.f_max_hz
        return mel_centres_hz(self.n_mels, f_min_hz=self.f_min_hz, f_max_hz=top_hz)

    @property
    def silence(self) -> float:
        return FLOOR_DB if self.compression == "decibel" else 0.0

    @property
    def reach_samples(self) -> int:
        return self.n_fft // 2

    def from_picture(self, picture: Picture) -> FloatArray:
        values = picture.values
        if values.ndim != 2 or values.shape[0] != self.n_mels or values.shape[1] == 0:
            raise DataError(
                f"a picture of shape {values.shape} does not fit {self.kind} features; "
                f"give ({self.n_mels}, time) with low frequencies first, or set n_mels to its number of rows"
            )
        if values.dtype == np.uint8:
            step_db = np.float32(self.picture_range_db / 255)
            return self._compressed(values * step_db - np.float32(self.picture_range_db))
        if not np.issubdtype(values.dtype, np.floating):
            raise DataError(
                f"a picture of {values.dtype} cannot be read; give 8-bit values (uint8) or decibels (float)"
            )
        return self._compressed(np.asarray(values, np.float32))

    def _compressed(self, decibels: FloatArray) -> FloatArray:
        """Return ``(1, freq, time)`` of decibels ``(freq, time)``."""
        if self.compression == "decibel":
            return decibels[None]
        return db_to_log(decibels)[None]

    def add_nodes(self, graph: Graph, samples: str) -> str:
        power = add_power(graph, samples, n_fft=self.n_fft, hop_samples=self.hop_samples)
        bands = graph.add("MatMul", power, graph.constant(weights_by_cell(_filters(self), self.n_fft)))
        add_compression = add_power_to_db if self.compression == "decibel" else add_power_to_log
        upright = graph.add("Transpose", add_compression(graph, bands), perm=[0, 2, 1])
        return graph.add("Unsqueeze", upright, graph.integers(1))


@lru_cache(maxsize=16)
def _filters(config: LogMel) -> FloatArray:
    top_hz = config.sample_rate_hz / 2 if config.f_max_hz is None else config.f_max_hz
    return mel_filters(
        config.sample_rate_hz, config.n_fft, n_mels=config.n_mels, f_min_hz=config.f_min_hz, f_max_hz=top_hz
    )

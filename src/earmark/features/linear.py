"""Spectrogram over linear frequency, in decibels."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from earmark.features.base import FEATURES, SoundFeatures
from earmark.features.dft import add_power, cell_bins
from earmark.features.graph import Graph, add_power_to_db
from earmark.features.log_mel import power_of_two


@FEATURES.register("linear")
class LinearSpectrogram(SoundFeatures):
    """Power of the short-time Fourier transform, in dB: 10 log10(max(power, 1e-10)).

    Attributes
    ----------
    n_fft
        Length of the Fourier transform in samples; a power of two.
    window_samples
        Length of the Hann window in its middle, an even number; `n_fft` unless given.
    n_bins
        How many of the ``1 + n_fft / 2`` frequencies to keep, from 0 Hz up.
    """

    kind: Literal["linear"] = "linear"
    sample_rate_hz: int = Field(default=22050, gt=0)
    hop_samples: int = Field(default=512, gt=0)
    n_fft: int = Field(default=1024, ge=64, le=65536)
    window_samples: int | None = Field(default=None, gt=0, multiple_of=2)
    n_bins: int = Field(default=512, gt=0)

    _power_of_two = field_validator("n_fft")(power_of_two)

    @model_validator(mode="after")
    def _bins_exist(self) -> Self:
        if self.n_bins > 1 + self.n_fft // 2:
            raise ValueError(f"n_bins ({self.n_bins}) exceeds the {1 + self.n_fft // 2} bins of n_fft = {self.n_fft}")
        if self.window_samples is not None and self.window_samples > self.n_fft:
            raise ValueError(f"window_samples ({self.window_samples}) exceeds n_fft ({self.n_fft})")
        return self

    @property
    def frequencies_hz(self) -> npt.NDArray[np.float64]:
        return np.arange(self.n_bins, dtype=np.float64) * self.sample_rate_hz / self.n_fft

    @property
    def reach_samples(self) -> int:
        return self.n_fft // 2

    def add_nodes(self, graph: Graph, samples: str) -> str:
        power = add_power(
            graph, samples, n_fft=self.n_fft, hop_samples=self.hop_samples, window_samples=self.window_samples
        )
        upright = graph.add("Transpose", power, perm=[0, 2, 1])
        _, cells = np.unique(cell_bins(self.n_fft), return_index=True)
        rows = graph.add("Gather", upright, graph.constant(cells[: self.n_bins]), axis=1)
        return graph.add("Unsqueeze", add_power_to_db(graph, rows), graph.integers(1))

"""A spectrogram and the numbers of the feature table, of the same window, in one array."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from earmark.config import Kind
from earmark.errors import ConfigError
from earmark.features.base import FEATURES, Features, SoundFeatures, WindowFeatures
from earmark.features.log_mel import LogMel
from earmark.features.table.describe import SAMPLE_RATE_HZ, TableFeatures
from earmark.files import sha256_bytes
from earmark.types import Domain, FloatArray, Sound


def _spectrogram(features: Features) -> Features:
    if not isinstance(features, SoundFeatures):
        raise ConfigError(f"[features.picture]: {features.kind!r} is no spectrogram; choose one, such as 'log-mel'")
    return features


@FEATURES.register("fusion")
class FusedFeatures(WindowFeatures):
    """A spectrogram ``(1, freq, time)`` with a row more for each number of a table, the same in every column.

    Attributes
    ----------
    picture
        The spectrogram, a table with a ``kind``.
    table
        Which numbers.
    """

    reads: ClassVar[tuple[Domain, ...]] = ("sound",)
    kind: Literal["fusion"] = "fusion"
    picture: Annotated[
        SerializeAsAny[SoundFeatures], BeforeValidator(_spectrogram), Kind(FEATURES, where="[features.picture]")
    ] = Field(default_factory=LogMel)
    table: TableFeatures = Field(default_factory=TableFeatures)

    @property
    def fingerprint(self) -> str:
        return sha256_bytes(json.dumps([self.version, self.picture.fingerprint, self.table.fingerprint]).encode())

    @property
    def sample_rate_hz(self) -> int:
        return SAMPLE_RATE_HZ

    @property
    def n_bins(self) -> int:
        return self.picture.n_bins

    @property
    def n_numbers(self) -> int:
        return self.table.n_bins

    def n_frames(self, n_samples: int) -> int:
        return self.picture.n_frames(round(n_samples * self.picture.sample_rate_hz / SAMPLE_RATE_HZ))

    def __call__(self, samples: FloatArray) -> FloatArray:
        from earmark.sound import resample

        picture = self.picture(resample(Sound(samples, SAMPLE_RATE_HZ), self.picture.sample_rate_hz).samples)
        numbers = np.broadcast_to(self.table(samples), (1, self.n_numbers, picture.shape[2]))
        return np.concatenate([picture, numbers], axis=1)

"""A spectrogram and the numbers of a table, of the same window or picture, in one array."""

from __future__ import annotations

import json
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny

from earmark.config import Kind
from earmark.errors import ConfigError, DataError
from earmark.features.base import FEATURES, Features, SoundFeatures, WindowFeatures
from earmark.features.log_mel import LogMel
from earmark.features.numbers import NumberFeatures
from earmark.features.picture import PictureFeatures
from earmark.features.table.describe import SAMPLE_RATE_HZ, TableFeatures
from earmark.files import sha256_bytes
from earmark.types import Domain, FloatArray, Image, Picture, Sound


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
        return _stacked(picture, self.table(samples))


@FEATURES.register("picture-fusion")
class PictureFusion(Features):
    """A picture of a spectrogram in an image file, ``(channel, freq, time)``, with a row for each number of a table.

    Attributes
    ----------
    picture
        How the image is read.
    table
        Which columns of the table; by default all that the training part has.
    """

    domain: ClassVar[Domain] = "picture"
    reads: ClassVar[tuple[Domain, ...]] = ("picture",)
    kind: Literal["picture-fusion"] = "picture-fusion"
    picture: PictureFeatures = Field(default_factory=PictureFeatures)
    table: NumberFeatures = Field(default_factory=NumberFeatures)

    @property
    def n_numbers(self) -> int:
        return len(self.table.columns)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channel, freq, time)``, with the numbers below the frequencies."""
        channels, height, width = self.picture.shape
        return channels, height + self.n_numbers, width

    def __call__(self, content: Image | Picture) -> FloatArray:
        """Return float32 ``(channel, freq + n_numbers, time)``.

        Raises
        ------
        DataError
            When there are no numbers beside the picture, a column is missing, or as `PictureFeatures`.
        """
        if content.numbers is None:
            raise DataError(
                "has no numbers beside it, and both are read; give --table a row of its name, or in Python"
                " {'picture': …, 'numbers': …}"
            )
        return _stacked(self.picture(content), self.table(content.numbers))


def _stacked(picture: FloatArray, numbers: FloatArray) -> FloatArray:
    """Return a picture with numbers ``(1, n_numbers, 1)`` as further rows, the same in every channel and column."""
    rows = np.broadcast_to(numbers, (picture.shape[0], numbers.shape[1], picture.shape[2]))
    return np.concatenate([picture, rows], axis=1)

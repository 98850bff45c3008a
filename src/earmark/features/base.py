"""The contract of a feature kind: a frozen configuration that turns a sound or a drawing into an array.

A spectrogram is written once, as the ONNX nodes of `add_nodes`: they travel inside the recognizer, and training
features are made by the same nodes. To add a kind: one new file here, one line in ``features/__init__.py``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from earmark.config import Config, Registry
from earmark.errors import DataError
from earmark.features.graph import FLOOR_DB
from earmark.files import sha256_bytes
from earmark.types import Domain, FloatArray, Image, Ink, Picture

if TYPE_CHECKING:
    from earmark.features.graph import Graph


class Features(Config):
    """Base of all feature kinds.

    Attributes
    ----------
    kind
        The registered name.
    domain
        What it reads: ``"sound"`` or ``"ink"``.
    reads
        The domains of the data sets that it can be made from.
    version
        Raised by hand whenever the numbers change, so that caches are not reused.
    """

    kind: str
    domain: ClassVar[Domain]
    reads: ClassVar[tuple[Domain, ...]]
    version: ClassVar[int] = 1

    @property
    def n_numbers(self) -> int:
        """How many rows below the picture are numbers about all of it, the same in every column."""
        return 0

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the configuration and the version, in hexadecimal."""
        return sha256_bytes(json.dumps([self.version, self.model_dump(mode="json")], sort_keys=True).encode())


class SoundFeatures(Features):
    """A spectrogram of mono samples.

    Attributes
    ----------
    sample_rate_hz
        The rate of the samples it takes; callers resample.
    hop_samples
        Distance between frames. Frame `t` is centred on sample ``t * hop_samples``; outside the sound there is silence.
    """

    domain = "sound"
    reads = ("sound", "picture")
    sample_rate_hz: int
    hop_samples: int

    @property
    def n_channels(self) -> int:
        return 1

    @property
    def silence(self) -> float:
        """What every bin of a frame of silence holds."""
        return FLOOR_DB

    @property
    def frequencies_hz(self) -> npt.NDArray[np.float64]:
        """Centre frequency of every row of the picture."""
        raise NotImplementedError

    @property
    def reach_samples(self) -> int:
        """How far from its centre a frame can be touched by the sound, in samples.

        Frame `t` is the same wherever the sound begins and ends, as long as it has all of
        ``t * hop_samples ± reach_samples``; so a stream can be followed frame by frame.
        """
        raise NotImplementedError

    if TYPE_CHECKING:  # kinds define it as a field or a property; pydantic refuses fields that shadow a property

        @property
        def n_bins(self) -> int:
            """Rows of the picture."""

    def n_frames(self, n_samples: int) -> int:
        """Columns of the picture of `n_samples` samples."""
        return 1 + n_samples // self.hop_samples

    def n_samples(self, n_frames: int) -> int:
        """Fewest samples that give `n_frames` columns."""
        return (n_frames - 1) * self.hop_samples

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Return float32 ``(channel, freq, time)`` of mono float32 samples ``(time,)``."""
        from earmark.features.front_end import spectrogram

        return spectrogram(self, samples)

    def from_picture(self, picture: Picture) -> FloatArray:
        """Return what `__call__` would have given for the sound that `picture` was made of."""
        raise DataError(f"{self.kind} features cannot be read from pictures; give the sound files")

    def add_nodes(self, graph: Graph, samples: str) -> str:
        """Add the computation, ``(batch, time)`` to ``(batch, channel, freq, time)``, to a graph; return its output."""
        raise NotImplementedError


class WindowFeatures(Features):
    """What can only be said of a window as a whole, such as its tempo, so that it is no part of a longer picture.

    It is made outside the graph: a recognizer takes it as ``features``.
    """

    domain = "sound"

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the samples it takes; callers resample."""
        raise NotImplementedError

    @property
    def n_bins(self) -> int:
        """Rows of the picture, without the `n_numbers` below it."""
        raise NotImplementedError

    def n_frames(self, n_samples: int) -> int:
        """Columns of the picture of `n_samples` samples."""
        raise NotImplementedError

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Return float32 ``(1, freq, time)`` of the mono float32 samples ``(time,)`` of one window."""
        raise NotImplementedError


class InkFeatures(Features):
    """A raster of a drawing, ``(channel, height, width)``."""

    domain = "ink"
    reads = ("ink",)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channel, height, width)``."""
        raise NotImplementedError

    def __call__(self, drawing: Ink | Image) -> FloatArray:
        """Return float32 ``(channel, height, width)``, 0 for paper and 1 for ink."""
        raise NotImplementedError


FEATURES: Registry[type[Features]] = Registry("feature kind")

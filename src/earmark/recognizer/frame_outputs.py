"""Frame outputs: what a recognizer of notes says about every frame, how the card describes it, and as arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from earmark.config import Config
from earmark.types import FloatArray

FRAME_OUTPUTS = ("frame_logits", "onset_logits", "velocities")
"""Outputs of the graph, each ``(batch, time, n_labels)``."""


class FrameOutputs(Config):
    """The section `frames` of a card: when the frames of a window are, and how they become note events.

    Attributes
    ----------
    hop_s
        Seconds between frames, a whole number of samples.
    first_s
        Time of the centre of the first frame of a window, from the start of the window.
    margin_s
        Frames nearer than this to the edge of a window are taken from its neighbour.
    onset_threshold
        From which on a note begins: the probability of an onset times that of its key in the frames after it.
    frame_threshold
        Probability below which a note ends.
    """

    hop_s: float = Field(gt=0, le=1)
    first_s: float = Field(default=0.0, ge=0)
    margin_s: float = Field(default=0.0, ge=0)
    onset_threshold: float = Field(default=0.5, gt=0, lt=1)
    frame_threshold: float = Field(default=0.5, gt=0, lt=1)


@dataclass(frozen=True, slots=True)
class FrameScores:
    """What the network says about successive frames of one sound.

    Attributes
    ----------
    times_s
        Centres of the frames, ``(n_frames,)``.
    sounding
        Probability that each key sounds, ``(n_frames, n_labels)``.
    onset
        Probability that each key is struck, ``(n_frames, n_labels)``.
    velocity
        Loudness of a stroke, 0…1, ``(n_frames, n_labels)``; it has a meaning at onsets alone.
    """

    times_s: npt.NDArray[np.float64]
    sounding: FloatArray
    onset: FloatArray
    velocity: FloatArray

    def __len__(self) -> int:
        return len(self.times_s)

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return the frames of all `parts`, at least one, in their order."""
        columns = zip(*([getattr(part, field.name) for field in fields(cls)] for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def part(self, rows: slice) -> Self:
        """Return some of the frames."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

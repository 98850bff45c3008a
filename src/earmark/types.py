"""What travels between the parts: contents (sound, ink, image, picture) and predictions.

Axes are always ``(batch, channel, freq|height, time|width)``; any of them may be missing, the order never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]
RealArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
Domain: TypeAlias = Literal["sound", "ink", "picture", "table"]
Target: TypeAlias = Literal["multi-class", "multi-label"]
"""Whether an input has exactly one of the labels, or any number of them."""


# Called with (stage, done, total, note) while something takes long; the command line draws a bar.
Progress: TypeAlias = Callable[[str, int, int, str], None]


def no_progress(stage: str, done: int, total: int, note: str) -> None:
    """Ignore progress."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono samples in -1…1.

    Attributes
    ----------
    samples
        float32 of shape ``(time,)``.
    sample_rate_hz
        Samples a second.
    """

    samples: FloatArray
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True, slots=True)
class Ink:
    """Pen strokes in the order drawn.

    Attributes
    ----------
    strokes
        One float32 array of shape ``(n_points, 2)`` a stroke: x to the right, y down, in any unit.
    """

    strokes: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """A scanned or photographed drawing.

    Attributes
    ----------
    pixels
        uint8 of shape ``(height, width)`` grey, ``(height, width, 3)`` RGB or ``(height, width, 4)`` RGBA.
    """

    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """A spectrogram that somebody else made, in whatever scale its feature kind knows how to read.

    Attributes
    ----------
    values
        Shape ``(freq, time)``, low frequencies first.
    """

    values: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A row of a feature table.

    Attributes
    ----------
    names
        One a number.
    values
        float64 of shape ``(n,)``.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]


Content: TypeAlias = Sound | Ink | Image | Picture | Numbers


@dataclass(frozen=True, slots=True)
class Answer:
    """One candidate label with its calibrated confidence and what a musician would call it.

    Attributes
    ----------
    label
        As in the training data.
    confidence
        0…1.
    details
        Ready-to-use facts: ``{"note", "midi", "hz"}`` for a piano key, ``{"character"}`` for a symbol.
    """

    label: str
    confidence: float
    details: dict[str, str | int | float]


Span: TypeAlias = tuple[float, float, Answer]
"""Start and end in seconds, and what is heard between them."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a recognizer says about one input.

    Attributes
    ----------
    input
        The file, or a description of the array.
    label, confidence
        Those of the first of `top`; the label is ``"unknown"`` when the recognizer declines, and `reason` says why.
        Of a multi-label recognizer those of the first of `labels`, and ``"no tag"`` where there are none.
    top
        The best answers, best first; none for silence.
    reason
        Why the recognizer declines, or would, were it not forced to answer.
    familiarity
        Probability that the input is of the kind that was learned; None when the recognizer cannot tell.
    timeline
        ``(start_s, end_s, answer)`` for every window, when it was asked for. Of a multi-label recognizer a window has
        one span for each of its labels.
    segments
        The same for every stretch of one answer, from the start to the end of the sound, when it was asked for. Of a
        multi-label recognizer, the stretches of each label, which overlap.
    labels
        Of a multi-label recognizer: every answer above its threshold, the most probable first; None for others.
    """

    input: str
    label: str
    confidence: float
    top: tuple[Answer, ...]
    reason: str | None = None
    familiarity: float | None = None
    timeline: tuple[Span, ...] | None = None
    segments: tuple[Span, ...] | None = None
    labels: tuple[Answer, ...] | None = None

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


# Called with (stage, done, total, note) while something takes long; the command line draws a bar or prints lines. With
# 0 of 1 done, a step begins that reports nothing more: it lasts until the next stage.
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
    staff_space
        Distance between two staff lines in the same unit, where it is known: it says how large the drawing is.
    """

    strokes: tuple[FloatArray, ...]
    staff_space: float | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A scanned or photographed drawing.

    Attributes
    ----------
    pixels
        uint8 of shape ``(height, width)`` grey, ``(height, width, 3)`` RGB or ``(height, width, 4)`` RGBA.
    staff_space_px
        Distance between two staff lines in pixels, where it is known: it says how large the drawing is.
    numbers
        Of a picture of a spectrogram: the row of a table about the same recording, where there is one.
    """

    pixels: npt.NDArray[np.uint8]
    staff_space_px: float | None = None
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A spectrogram that somebody else made, in whatever scale its feature kind knows how to read.

    Attributes
    ----------
    values
        Shape ``(freq, time)``, low frequencies first.
    numbers
        The row of a table about the same recording, where there is one.
    """

    values: npt.NDArray[Any]
    numbers: Numbers | None = None


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
class PianoKey:
    """A key of the piano that sounds.

    Attributes
    ----------
    midi
        MIDI number, 21 (A0) to 108 (C8).
    name
        In scientific pitch notation, with sharps.
    frequency_hz
        Of its fundamental, equal-tempered, A4 = 440 Hz.
    confidence
        0…1.
    """

    midi: int
    name: str
    frequency_hz: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Note:
    """A note event: one stroke of a key, from its onset to its offset.

    Attributes
    ----------
    start_s, end_s
        Onset and offset.
    midi, name
        MIDI number, and the name in scientific pitch notation.
    velocity
        Loudness of the stroke as in MIDI, 1…127.
    confidence
        Probability of the onset, 0…1.
    """

    start_s: float
    end_s: float
    midi: int
    name: str
    velocity: int
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord of triads and sevenths, with the lowest key as its bass.

    Attributes
    ----------
    symbol
        As on a lead sheet: ``"C"``, ``"F#m7/A"``.
    name
        In words: ``"C major"``, ``"F# minor seventh over A"``.
    root, quality, bass
        ``"F#"``, ``"minor seventh"``, ``"A"``.
    """

    symbol: str
    name: str
    root: str
    quality: str
    bass: str


@dataclass(frozen=True, slots=True)
class Tonality:
    """The most likely key and scale of a passage.

    Attributes
    ----------
    name
        Key: ``"C major"``, ``"A minor"``.
    scale
        Which scale of the key the notes use: ``"A harmonic minor"``.
    degrees
        The names of the notes of the scale, from the tonic up.
    correlation
        Of the durations of the pitch classes with the profile of the key, -1…1.
    runner_up
        The key that comes next.
    """

    name: str
    scale: str
    degrees: tuple[str, ...]
    correlation: float
    runner_up: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a recognizer says about one input.

    Attributes
    ----------
    input
        The file, or a description of the array.
    label, confidence
        Those of the first of `top`; the label is ``"unknown"`` when the recognizer declines, and `reason` says why.
        Of a multi-label recognizer those of the first of `labels`, and where there are none ``"no tag"``, of piano keys
        ``"no key"``.
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
    sounding
        Of a recognizer of piano keys: the keys that sound, the lowest first; none where it declines. None for others.
    chord
        The chord that the sounding keys are, if they are a common one.
    notes
        Of a recognizer with frame outputs, when a timeline was asked for: the note events by their onsets.
    tonality
        The key and scale of these notes; None when there are too few.
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
    sounding: tuple[PianoKey, ...] | None = None
    chord: Chord | None = None
    notes: tuple[Note, ...] | None = None
    tonality: Tonality | None = None


Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom, in the unit of the input."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol of a line.

    Attributes
    ----------
    label, confidence
        ``"unknown"`` for what fits nothing, and `reason` says why.
    strokes
        Indices of its strokes, or of the connected parts of an image, counted from 0.
    box
        Around them.
    top
        The best labels for these strokes, best first; none where there is nothing to say.
    reason
        Why it is unknown.
    anchor
        Height of what says its pitch: the head of a note, the bowl of a flat, the middle of all else.
    """

    label: str
    confidence: float
    strokes: tuple[int, ...]
    box: Box
    top: tuple[Answer, ...] = ()
    reason: str | None = None
    anchor: float = 0.0


@dataclass(frozen=True, slots=True)
class Staff:
    """Five lines across a drawing.

    Attributes
    ----------
    top
        Height of the highest line, y down, in the unit of the drawing.
    space
        Distance of two lines, above 0.
    """

    top: float
    space: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of symbols that was read.

    Attributes
    ----------
    input
        The file, or a description of the strokes.
    symbols
        In reading order; every stroke belongs to one of them.
    staff
        As it was given, or found in the image; None where there is none.
    """

    input: str
    symbols: tuple[Symbol, ...]
    staff: Staff | None = None

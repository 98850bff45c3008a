"""What a listener answers after each window of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from earmark.recognizer.answers import answer_as_dict, note_as_dict, sounding_as_dict
from earmark.types import Answer, Chord, FloatArray, Note, PianoKey


@dataclass(frozen=True, slots=True)
class Update:
    """The answer after one window of a stream.

    Attributes
    ----------
    start_s, end_s
        The window in the stream.
    answer
        The smoothed answer; its label is ``"silence"`` or ``"unknown"`` when no other is given.
    top
        The smoothed best guesses, best first; empty in silence.
    reason
        Why the recognizer answers ``"unknown"``, or would; None when it does not.
    labels
        Of a multi-label recognizer: the smoothed answers above their thresholds, the most probable first, of which
        `answer` is the first, or ``"no tag"``; None for others.
    sounding
        Of a recognizer of piano keys: those that sound at the end of the window, the lowest first; None for others.
        With frame outputs they come from the last frames that are as far from the end as the margin of the card.
    chord
        The chord that they are, if they are a common one.
    notes
        Of a recognizer with frame outputs: the note events that have ended since the update before.
    probabilities
        Of this window alone, ``(n_labels,)``, times its familiarity; all zero in silence.
    level_db
        Root-mean-square level of the window in dB of full scale.
    is_partial
        Whether the window is the beginning of the stream, because that is still shorter than a window.
    latency_s
        From the arrival of the window's last sample to the answer; None when the arrival was not given.
    """

    start_s: float
    end_s: float
    answer: Answer
    top: tuple[Answer, ...]
    reason: str | None
    probabilities: FloatArray
    level_db: float
    is_partial: bool
    latency_s: float | None
    labels: tuple[Answer, ...] | None = None
    sounding: tuple[PianoKey, ...] | None = None
    chord: Chord | None = None
    notes: tuple[Note, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            **answer_as_dict(self.answer),
            "top": [answer_as_dict(answer) for answer in self.top],
            **({} if self.labels is None else {"labels": [answer_as_dict(answer) for answer in self.labels]}),
            **({} if self.sounding is None else sounding_as_dict(self.sounding, self.chord)),
            **({} if self.notes is None else {"notes": [note_as_dict(note) for note in self.notes]}),
            **({} if self.reason is None else {"reason": self.reason}),
            "level_db": round(self.level_db, 1),
            "is_partial": self.is_partial,
            "latency_ms": None if self.latency_s is None else round(self.latency_s * 1000, 1),
        }

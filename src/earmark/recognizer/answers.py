"""Answers: the details of a label (note, symbol), and a prediction as plain JSON values or as rows of a table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from earmark.errors import EarmarkError
from earmark.recognizer.card import Card, Task
from earmark.types import Answer, Chord, Note, PianoKey, Prediction, Tonality
from earmark.units import midi_to_hz, note_midi, note_name

UNKNOWN = "unknown"
NO_TAG = "no tag"
NO_KEY = "no key"

# HOMUS class: Unicode character and name. Unicode has no single character for a time signature of two numbers; they are
# written with the fraction slash, which fonts that can set as one stacked sign. HOMUS draws whole and half rests alike.
SYMBOLS: dict[str, tuple[str, str]] = {
    "12-8-Time": ("12\N{FRACTION SLASH}8", "12/8 time"),
    "2-2-Time": ("2\N{FRACTION SLASH}2", "2/2 time"),
    "2-4-Time": ("2\N{FRACTION SLASH}4", "2/4 time"),
    "3-4-Time": ("3\N{FRACTION SLASH}4", "3/4 time"),
    "3-8-Time": ("3\N{FRACTION SLASH}8", "3/8 time"),
    "4-4-Time": ("4\N{FRACTION SLASH}4", "4/4 time"),
    "6-8-Time": ("6\N{FRACTION SLASH}8", "6/8 time"),
    "9-8-Time": ("9\N{FRACTION SLASH}8", "9/8 time"),
    "Barline": ("\N{MUSICAL SYMBOL SINGLE BARLINE}", "barline"),
    "C-Clef": ("\N{MUSICAL SYMBOL C CLEF}", "C clef"),
    "Common-Time": ("\N{MUSICAL SYMBOL COMMON TIME}", "common time"),
    "Cut-Time": ("\N{MUSICAL SYMBOL CUT TIME}", "cut time"),
    "Dot": ("\N{MUSICAL SYMBOL COMBINING AUGMENTATION DOT}", "augmentation dot"),
    "Double-Sharp": ("\N{MUSICAL SYMBOL DOUBLE SHARP}", "double sharp"),
    "Eighth-Note": ("\N{MUSICAL SYMBOL EIGHTH NOTE}", "eighth note"),
    "Eighth-Rest": ("\N{MUSICAL SYMBOL EIGHTH REST}", "eighth rest"),
    "F-Clef": ("\N{MUSICAL SYMBOL F CLEF}", "F clef"),
    "Flat": ("\N{MUSIC FLAT SIGN}", "flat"),
    "G-Clef": ("\N{MUSICAL SYMBOL G CLEF}", "G clef"),
    "Half-Note": ("\N{MUSICAL SYMBOL HALF NOTE}", "half note"),
    "Natural": ("\N{MUSIC NATURAL SIGN}", "natural"),
    "Quarter-Note": ("\N{MUSICAL SYMBOL QUARTER NOTE}", "quarter note"),
    "Quarter-Rest": ("\N{MUSICAL SYMBOL QUARTER REST}", "quarter rest"),
    "Sharp": ("\N{MUSIC SHARP SIGN}", "sharp"),
    "Sixteenth-Note": ("\N{MUSICAL SYMBOL SIXTEENTH NOTE}", "sixteenth note"),
    "Sixteenth-Rest": ("\N{MUSICAL SYMBOL SIXTEENTH REST}", "sixteenth rest"),
    "Sixty-Four-Note": ("\N{MUSICAL SYMBOL SIXTY-FOURTH NOTE}", "sixty-fourth note"),
    "Sixty-Four-Rest": ("\N{MUSICAL SYMBOL SIXTY-FOURTH REST}", "sixty-fourth rest"),
    "Thirty-Two-Note": ("\N{MUSICAL SYMBOL THIRTY-SECOND NOTE}", "thirty-second note"),
    "Thirty-Two-Rest": ("\N{MUSICAL SYMBOL THIRTY-SECOND REST}", "thirty-second rest"),
    "Whole-Half-Rest": ("\N{MUSICAL SYMBOL WHOLE REST}", "whole or half rest"),
    "Whole-Note": ("\N{MUSICAL SYMBOL WHOLE NOTE}", "whole note"),
}

# What `make_answer` adds for each task, in the order of columns.
DETAIL_NAMES: dict[Task, tuple[str, ...]] = {"note": ("note", "midi", "hz"), "symbol": ("character", "name")}


@dataclass(frozen=True, slots=True)
class Failure:
    """An input of a batch that could not be recognised, and why."""

    input: str
    error: EarmarkError


def make_answer(label: str, confidence: float, *, task: Task) -> Answer:
    """Return the answer for one label of a recognizer of `task`.

    >>> make_answer("A4", 0.9, task="note").details
    {'note': 'A4', 'midi': 69, 'hz': 440.0}
    >>> make_answer("G-Clef", 0.9, task="symbol").details
    {'character': '𝄞', 'name': 'G clef'}
    """
    return Answer(label=label, confidence=confidence, details=_details(label, task))


def unknown_answer(confidence: float = 0.0) -> Answer:
    """Return the answer of a recognizer that declines, with the confidence that its best guess would have had."""
    return Answer(label=UNKNOWN, confidence=confidence, details={})


def no_label(confidence: float, *, task: Task) -> Answer:
    """Return the answer of a multi-label recognizer none of whose labels reaches its threshold."""
    return Answer(label=NO_KEY if task == "note" else NO_TAG, confidence=confidence, details={})


def keys_of(answers: Iterable[Answer]) -> tuple[PianoKey, ...]:
    """Return the piano keys that answers name, the lowest first.

    >>> [key.name for key in keys_of([make_answer("E4", 0.9, task="note"), make_answer("C4", 0.8, task="note")])]
    ['C4', 'E4']
    """
    keys = (
        PianoKey(midi, note_name(midi), round(midi_to_hz(midi), 2), answer.confidence)
        for answer in answers
        if (midi := note_midi(answer.label)) is not None
    )
    return tuple(sorted(keys, key=lambda key: key.midi))


def as_dict(prediction: Prediction) -> dict[str, Any]:
    """Return plain values for JSON: the details of the best answer stand beside ``label`` and ``confidence``."""
    ranked = (*(prediction.labels or ()), *prediction.top)
    best = next((answer for answer in ranked if answer.label == prediction.label), unknown_answer())
    values: dict[str, Any] = {
        "input": prediction.input,
        "label": prediction.label,
        "confidence": round(prediction.confidence, 6),
        **(best.details if best.label == prediction.label else {}),
        "top": [answer_as_dict(answer) for answer in prediction.top],
    }
    if prediction.labels is not None:
        values["labels"] = [answer_as_dict(answer) for answer in prediction.labels]
    if prediction.sounding is not None:
        values |= sounding_as_dict(prediction.sounding, prediction.chord)
    if prediction.familiarity is not None:
        values["familiarity"] = round(prediction.familiarity, 6)
    if prediction.reason is not None:
        values["reason"] = prediction.reason
    for name, spans in (("timeline", prediction.timeline), ("segments", prediction.segments)):
        if spans is not None:
            values[name] = [
                {"start_s": round(start_s, 3), "end_s": round(end_s, 3), **answer_as_dict(answer)}
                for start_s, end_s, answer in spans
            ]
    if prediction.notes is not None:
        values["notes"] = [note_as_dict(note) for note in prediction.notes]
        values["key"] = _tonality_as_dict(prediction.tonality)
    return values


def sounding_as_dict(sounding: Iterable[PianoKey], chord: Chord | None) -> dict[str, Any]:
    """Return the keys that sound, and the chord that they are, as plain values for JSON."""
    keys = [{**asdict(key), **_rounded(key.confidence)} for key in sounding]
    return {"sounding": keys, "chord": asdict(chord) if chord else None}


def note_as_dict(note: Note) -> dict[str, Any]:
    """Return a note event as plain values for JSON."""
    times = {"start_s": round(note.start_s, 3), "end_s": round(note.end_s, 3)}
    return {**times, "midi": note.midi, "name": note.name, "velocity": note.velocity, **_rounded(note.confidence)}


def answer_as_dict(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain values for JSON."""
    return {"label": answer.label, **_rounded(answer.confidence), **answer.details}


def columns_of(card: Card, *, top: int, timeline: bool) -> list[str]:
    """Return the columns of a table of predictions: one row a prediction with its runners-up, or one row a window.

    Of a multi-label recognizer a window has one row for each of its labels. Of one with frames a note has a row.
    """
    if timeline and card.frames is not None:
        return ["input", "start_s", "end_s", "midi", "name", "velocity", "confidence"]
    details = DETAIL_NAMES.get(card.task, ())
    if timeline and card.is_multi_label:
        return ["input", "start_s", "end_s", "label", "confidence", *details]
    if timeline:
        return ["input", "start_s", "end_s", "label", "confidence", *details, "segment", "segment_label"]
    ranks = range(1 if card.is_multi_label else 2, min(top, len(card.labels)) + 1)
    chord = ("sounding", "chord") if card.is_multi_label and card.task == "note" else ()
    labels = ("labels", *chord) if card.is_multi_label else ()
    return [
        *(
            "input",
            *labels,
            "label",
            "confidence",
            *details,
            *(("familiarity",) if card.has_detector else ()),
            "reason",
        ),
        *(f"{column}_{rank}" for rank in ranks for column in ("label", "confidence")),
    ]


def rows_of(prediction: Prediction) -> Iterator[dict[str, Any]]:
    """Yield the rows of a prediction, by the names of `columns_of`; what a row does not have is not in it."""
    if prediction.timeline is None:
        yield _row(prediction)
        return
    values = as_dict(prediction)
    if prediction.notes is not None:
        yield from ({"input": prediction.input, **note} for note in values["notes"])
        return
    if prediction.labels is not None:
        yield from ({"input": prediction.input, **window} for window in values["timeline"])
        return
    ends_s = [segment["end_s"] for segment in values["segments"]]
    for window in values["timeline"]:
        place = bisect_right(ends_s[:-1], (window["start_s"] + window["end_s"]) / 2)
        segment = {"segment": place + 1, "segment_label": values["segments"][place]["label"]}
        yield {"input": prediction.input, **window, **segment}


def complaint(result: Prediction | Failure) -> str:
    """Return why an input was not recognised, in a sentence; empty when it was."""
    if isinstance(result, Failure):
        return str(result.error)
    return "" if result.top else f"{result.input}: {result.reason}; give a sound that can be heard"


def n_given(prediction: Prediction) -> int:
    """Return how many of the best guesses are the answer: none of them, when it is declined."""
    return int(bool(prediction.top) and prediction.top[0].label == prediction.label)


def _row(prediction: Prediction) -> dict[str, Any]:
    values = as_dict(prediction)
    rivals, first = values.pop("top")[n_given(prediction) :], 2
    if prediction.labels is not None:
        values["labels"] = ";".join(answer.label for answer in prediction.labels)
        values["sounding"] = ";".join(key.name for key in prediction.sounding or ())
        values["chord"] = prediction.chord.symbol if prediction.chord else ""
        rivals, first = [answer_as_dict(answer) for answer in prediction.top], 1
    ranked = {
        f"{key}_{rank}": answer[key]
        for rank, answer in enumerate(rivals, start=first)
        for key in ("label", "confidence")
    }
    return {**values, **ranked}


def _rounded(confidence: float) -> dict[str, float]:
    return {"confidence": round(confidence, 6)}


def _tonality_as_dict(tonality: Tonality | None) -> dict[str, Any] | None:
    if tonality is None:
        return None
    values = asdict(tonality)
    return {**values, "degrees": list(tonality.degrees), "correlation": round(tonality.correlation, 3)}


def _details(label: str, task: Task) -> dict[str, str | int | float]:
    if task == "note":
        midi = note_midi(label)
        if midi is not None:
            return {"note": note_name(midi), "midi": midi, "hz": round(midi_to_hz(midi), 2)}
    if task == "symbol" and label in SYMBOLS:
        character, name = SYMBOLS[label]
        return {"character": character, "name": name}
    return {}

"""From the scores of windows to a prediction: the best labels, whether to reject, the timeline and its segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from earmark.notes import chord_of, tonality_of
from earmark.recognizer.answers import keys_of, make_answer, no_label, unknown_answer
from earmark.recognizer.card import Card
from earmark.recognizer.decide import SILENT, is_foreign, rejection_reason
from earmark.recognizer.segments import label_segments, segments, window_borders
from earmark.recognizer.windows import WindowScores
from earmark.types import Answer, FloatArray, Note, Prediction, Span


def to_prediction(
    card: Card, scores: WindowScores, name: str, *, top: int = 5, timeline: bool = False, force: bool = False
) -> Prediction:
    """Return the prediction that follows from the scores of all windows of one input.

    Parameters
    ----------
    card
        Of the recognizer that gave the scores: labels, task, thresholds.
    scores
        Calibrated, one row a window.
    name
        What to call the input.
    top, timeline, force
        As for `Recognizer.predict`.
    """
    familiarity = scores.mean_familiarity()
    best = () if scores.is_silent else best_answers(card, scores.mean(), top, familiarity=familiarity)
    reason = _reason(card, scores, best[0]) if best else SILENT
    labels = _labels(card, scores, force=force)
    if not best or (reason is not None and not force):
        given = unknown_answer(best[0].confidence if best else 0.0)
    elif labels is None:
        given = best[0]
    else:
        given = labels[0] if labels else no_label(best[0].confidence, task=card.task)
    sounding = keys_of((given,) if labels is None else labels) if card.task == "note" else None
    return Prediction(
        input=name,
        label=given.label,
        confidence=given.confidence,
        top=best,
        reason=reason,
        familiarity=familiarity if card.has_detector and best else None,
        timeline=tuple(_timeline(card, scores, force=force)) if timeline else None,
        segments=tuple(_segments(card, scores, force=force)) if timeline else None,
        labels=labels,
        sounding=sounding,
        chord=chord_of(key.midi for key in sounding or ()),
    )


def with_notes(
    prediction: Prediction, notes: Iterable[Note], *, card: Card, scores: WindowScores, force: bool
) -> Prediction:
    """Return a prediction with the note events that begin where the recognizer does not decline."""
    answered = notes if force else _familiar(notes, card, scores)
    ordered = tuple(sorted(answered, key=lambda note: (note.start_s, note.midi)))
    return replace(prediction, notes=ordered, tonality=tonality_of(ordered))


def best_answers(card: Card, probabilities: FloatArray, top: int, *, familiarity: float = 1.0) -> tuple[Answer, ...]:
    """Return the answers of the highest probabilities ``(n_labels,)``, best first."""
    best = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(make_answer(card.labels[i], familiarity * float(probabilities[i]), task=card.task) for i in best)


def answers_above(card: Card, given: npt.NDArray[np.bool_], probabilities: FloatArray) -> tuple[Answer, ...]:
    """Return the answers of the labels that are `given`, both ``(n_labels,)``, the most probable first."""
    chosen = np.where(given, probabilities, -1.0)
    return best_answers(card, chosen, int(np.count_nonzero(given)))


def _labels(card: Card, scores: WindowScores, *, force: bool) -> tuple[Answer, ...] | None:
    """Return the labels of a multi-label recognizer that reach their thresholds: none where it declines."""
    if not card.is_multi_label:
        return None
    given = _given(card, scores, force=force)
    return answers_above(card, given, scores.mean_familiarity() * scores.mean())


def _given(card: Card, scores: WindowScores, *, force: bool) -> npt.NDArray[np.bool_]:
    """Return whether each label of a multi-label recognizer is an answer to the windows, ``(n_labels,)``."""
    probabilities = scores.mean()
    above: npt.NDArray[np.bool_] = probabilities >= np.array(card.thresholds, np.float32)
    if force or scores.is_silent:
        return above  # silence has probabilities of zero
    (best,) = best_answers(card, probabilities, 1, familiarity=scores.mean_familiarity())
    return above if _reason(card, scores, best) is None else np.zeros_like(above)


def _reason(card: Card, scores: WindowScores, best: Answer) -> str | None:
    """Return why the windows are not answered with the best guess, if they are not."""
    familiarity, salience = scores.mean_familiarity(), scores.mean_salience()
    return rejection_reason(card.rejection, best, familiarity=familiarity, salience=salience)


def _familiar(notes: Iterable[Note], card: Card, scores: WindowScores) -> Iterator[Note]:
    """Yield the notes unless the whole sound, or the window in which they begin, is unlike what was learned."""
    if is_foreign(card.rejection, scores):
        return
    foreign = np.array([is_foreign(card.rejection, window) for window in _windows(scores)])
    borders = window_borders(scores)[1:-1]
    for note in notes:
        if not foreign[np.searchsorted(borders, note.start_s, side="right")]:
            yield note


def _windows(scores: WindowScores) -> Iterator[WindowScores]:
    return (scores.part(slice(row, row + 1)) for row in range(len(scores.weights)))


def _timeline(card: Card, scores: WindowScores, *, force: bool) -> Iterator[Span]:
    for start_s, end_s, window in zip(scores.starts_s.tolist(), scores.ends_s.tolist(), _windows(scores), strict=True):
        for answer in _labels(card, window, force=force) or (_answer(card, window, force=force),):
            yield start_s, end_s, answer


def _segments(card: Card, scores: WindowScores, *, force: bool) -> Iterator[Span]:
    if not card.is_multi_label:
        for start_s, end_s, part in segments(scores):
            yield start_s, end_s, _answer(card, part, force=force)
        return
    given = np.array([_given(card, window, force=force) for window in _windows(scores)])
    for start_s, end_s, label, part in label_segments(scores, given):
        confidence = part.mean_familiarity() * float(part.mean()[label])
        yield start_s, end_s, make_answer(card.labels[label], confidence, task=card.task)


def _answer(card: Card, scores: WindowScores, *, force: bool) -> Answer:
    """Return the one answer to some of the windows, or that there is none."""
    if scores.is_silent:
        return unknown_answer()
    (best,) = best_answers(card, scores.mean(), 1, familiarity=scores.mean_familiarity())
    if not force and _reason(card, scores, best) is not None:
        return unknown_answer(best.confidence)
    return no_label(best.confidence, task=card.task) if card.is_multi_label else best

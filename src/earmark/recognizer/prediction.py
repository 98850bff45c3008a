"""From the scores of windows to a prediction: the best labels, whether to reject and why, timeline and segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from earmark.notes import chord_of, tonality_of
from earmark.recognizer.answers import keys_of, make_answer, no_label, unknown_answer
from earmark.recognizer.card import Card
from earmark.recognizer.network import WindowScores
from earmark.recognizer.rejection import Rejection
from earmark.recognizer.segments import label_segments, segments, window_borders
from earmark.text import percent
from earmark.types import Answer, FloatArray, Note, Prediction, Span

SILENT = "silence: the sound never rises above -80 dB of full scale"


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
        chord=chord_of(key.midi for key in sounding) if sounding and _together(card, scores, labels or ()) else None,
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


def rejection_reason(rejection: Rejection | None, best: Answer, *, familiarity: float, salience: float) -> str | None:
    """Return why the answer is ``unknown``, or None when the best guess is given.

    Parameters
    ----------
    rejection
        The thresholds of the card; without any, every answer is given.
    best
        The best guess, with the confidence that would be given.
    familiarity
        Probability that the input is in-distribution, 0…1.
    salience
        How far its partials stand out, in dB, see `pitch_salience`.

    >>> from earmark.types import Answer
    >>> rejection_reason(Rejection(min_familiarity=0.5), Answer("A4", 0.03, {}), familiarity=0.031, salience=9.0)
    'unlike anything learned: its familiarity is 3.1 %, and 50.0 % is needed'
    """
    if rejection is None:
        return None
    foreign = foreign_reason(rejection, familiarity=familiarity, salience=salience)
    if foreign is not None:
        return foreign
    # The threshold was chosen on answers to what is familiar, so how familiar this is must not count twice.
    probability = best.confidence / max(familiarity, best.confidence)
    if probability < rejection.min_confidence:
        return (
            f"too uncertain: the best guess, {best.label}, has a probability of {percent(probability)} among the"
            f" labels, and {percent(rejection.min_confidence)} is needed"
        )
    return None


def foreign_reason(rejection: Rejection | None, *, familiarity: float, salience: float) -> str | None:
    """Return why an input is unlike what was learned, whatever its best guess is; parameters as `rejection_reason`."""
    least_db = None if rejection is None else rejection.min_pitch_salience
    least = None if rejection is None else rejection.min_familiarity
    if least_db is not None and salience < least_db:
        return f"no pitch: partials stand out by {salience:.1f} dB, and {least_db:.1f} dB is needed"
    if least is not None and familiarity < least:
        return f"unlike anything learned: its familiarity is {percent(familiarity)}, and {percent(least)} is needed"
    return None


def is_foreign(rejection: Rejection | None, scores: WindowScores) -> bool:
    """Return whether windows, if not silent, are unlike what was learned, whatever their best guess is."""
    familiarity, salience = scores.mean_familiarity(), scores.mean_salience()
    return not scores.is_silent and foreign_reason(rejection, familiarity=familiarity, salience=salience) is not None


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


def _together(card: Card, scores: WindowScores, labels: Iterable[Answer]) -> bool:
    """Return whether some window holds all of the labels: keys that follow each other are no chord."""
    columns = [card.labels.index(answer.label) for answer in labels]
    held = scores.probabilities[:, columns] >= np.array(card.thresholds, np.float32)[columns]
    return bool(columns and held.all(axis=1).any())


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

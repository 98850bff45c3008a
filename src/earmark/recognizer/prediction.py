"""From the scores of windows to a prediction: the best labels, whether to reject, the timeline and its segments."""

from __future__ import annotations

import numpy as np

from earmark.recognizer.answers import make_answer, unknown_answer
from earmark.recognizer.card import Card
from earmark.recognizer.decide import SILENT, rejection_reason
from earmark.recognizer.segments import segments
from earmark.recognizer.windows import WindowScores
from earmark.types import Answer, FloatArray, Prediction, Span


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
    best = () if scores.is_silent else _answers(card, scores.mean(), top, familiarity=familiarity)
    reason: str | None = SILENT
    if best:
        reason = rejection_reason(card.rejection, best[0], familiarity=familiarity, salience=scores.mean_salience())
    confidence = best[0].confidence if best else 0.0
    given = best[0] if best and (force or reason is None) else unknown_answer(confidence)
    return Prediction(
        input=name,
        label=given.label,
        confidence=confidence,
        top=best,
        reason=reason,
        familiarity=familiarity if card.has_detector and best else None,
        timeline=_timeline(card, scores, force=force) if timeline else None,
        segments=_segments(card, scores, force=force) if timeline else None,
    )


def _answers(card: Card, probabilities: FloatArray, top: int, *, familiarity: float) -> tuple[Answer, ...]:
    best = np.argsort(-probabilities, kind="stable")[:top]
    return tuple(make_answer(card.labels[i], familiarity * float(probabilities[i]), task=card.task) for i in best)


def _timeline(card: Card, scores: WindowScores, *, force: bool) -> tuple[Span, ...]:
    windows = (scores.part(slice(row, row + 1)) for row in range(len(scores.weights)))
    answers = (_answer(card, window, force=force) for window in windows)
    return tuple(zip(scores.starts_s.tolist(), scores.ends_s.tolist(), answers, strict=True))


def _segments(card: Card, scores: WindowScores, *, force: bool) -> tuple[Span, ...]:
    return tuple((start_s, end_s, _answer(card, part, force=force)) for start_s, end_s, part in segments(scores))


def _answer(card: Card, scores: WindowScores, *, force: bool) -> Answer:
    """Return the one answer to some of the windows."""
    if scores.is_silent:
        return unknown_answer()
    familiarity = scores.mean_familiarity()
    (best,) = _answers(card, scores.mean(), 1, familiarity=familiarity)
    reason = rejection_reason(card.rejection, best, familiarity=familiarity, salience=scores.mean_salience())
    return best if force or reason is None else unknown_answer(best.confidence)

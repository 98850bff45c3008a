"""Answers over a stream: the smoothed probabilities of successive windows, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

from earmark.live.smoother import AnswerSmoother, LabelSmoother
from earmark.recognizer import Card
from earmark.recognizer.answers import make_answer, no_label, unknown_answer
from earmark.recognizer.decide import rejection_reason
from earmark.recognizer.prediction import answers_above, best_answers
from earmark.recognizer.windows import WindowScores
from earmark.types import Answer, FloatArray


@dataclass(frozen=True, slots=True)
class Said:
    """What is said after one window; the fields are those of an `Update`."""

    answer: Answer
    top: tuple[Answer, ...]
    reason: str | None
    labels: tuple[Answer, ...] | None = None


class SmoothedAnswer:
    """Gives the one smoothed answer of a recognizer whose labels exclude each other.

    Parameters
    ----------
    card
        Of the recognizer.
    smoother
        Smooths the probabilities.
    top
        Most guesses.
    force
        Give the best label even where the recognizer would reject it.
    """

    def __init__(self, card: Card, smoother: AnswerSmoother, *, top: int, force: bool) -> None:
        self._card, self._smoother, self._top, self._force = card, smoother, top, force

    def reset(self) -> None:
        """Forget the past."""
        self._smoother.reset()

    def say(self, scored: WindowScores) -> Said:
        """Take the scores of the next window."""
        card = self._card
        index, smooth = self._smoother.update(_claims(scored))
        top = best_answers(card, smooth, self._top)
        # What all labels together lack to 1 is what is unlike them: their sum is as smooth a familiarity.
        familiarity, salience = float(smooth.sum()), scored.mean_salience()
        reason = rejection_reason(card.rejection, top[0], familiarity=familiarity, salience=salience)
        if index is None or (reason is not None and not self._force):
            return Said(unknown_answer(top[0].confidence), top, reason)
        return Said(make_answer(card.labels[index], float(smooth[index]), task=card.task), top, reason)


class SmoothedLabels:
    """Gives all smoothed labels of a multi-label recognizer that are above their thresholds; as `SmoothedAnswer`."""

    def __init__(self, card: Card, smoother: LabelSmoother, *, top: int, force: bool) -> None:
        self._card, self._smoother, self._top, self._force = card, smoother, top, force

    def reset(self) -> None:
        """Forget the past."""
        self._smoother.reset()

    def say(self, scored: WindowScores) -> Said:
        """Take the scores of the next window."""
        card, familiarity = self._card, scored.mean_familiarity()
        given, smooth = self._smoother.update(scored.mean())
        top = best_answers(card, smooth, self._top, familiarity=familiarity)
        reason = rejection_reason(card.rejection, top[0], familiarity=familiarity, salience=scored.mean_salience())
        if reason is not None and not self._force:
            return Said(unknown_answer(top[0].confidence), top, reason, ())
        labels = answers_above(card, given, familiarity * smooth)
        best = labels[0] if labels else no_label(top[0].confidence, task=card.task)
        return Said(best, top, reason, labels)


def _claims(scored: WindowScores) -> FloatArray:
    """Return the probability of each label and of being in-distribution at once, ``(n_labels,)``."""
    claims: FloatArray = scored.mean_familiarity() * scored.mean()
    return claims

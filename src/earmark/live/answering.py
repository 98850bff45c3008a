"""Answers over a stream: the smoothed probabilities of successive windows, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

from earmark.live.smoother import AnswerSmoother, LabelSmoother
from earmark.recognizer import Card, Rejection
from earmark.recognizer.answers import make_answer, no_label, unknown_answer
from earmark.recognizer.network import WindowScores
from earmark.recognizer.prediction import answers_above, best_answers, rejection_reason
from earmark.types import Answer, FloatArray


@dataclass(frozen=True, slots=True)
class Said:
    """What is said after one window; the fields are those of an `Update`."""

    answer: Answer
    top: tuple[Answer, ...]
    reason: str | None
    labels: tuple[Answer, ...] | None = None


class SteadyRejection:
    """Rejection with hysteresis: what is answered is rejected only where it falls clearly below a threshold.

    Parameters
    ----------
    rejection
        The thresholds of the card; None rejects nothing.
    margin
        While answers are given, the thresholds are lower by this share.
    """

    def __init__(self, rejection: Rejection | None, *, margin: float) -> None:
        self._to_begin = self._to_go_on = rejection
        if rejection is not None:
            kept = {
                name: None if (least := getattr(rejection, name)) is None else (1 - margin) * least
                for name in ("min_familiarity", "min_confidence", "min_pitch_salience")
            }
            self._to_go_on = rejection.model_copy(update=kept)
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._answers = False

    def reason(self, best: Answer, *, familiarity: float, salience: float) -> str | None:
        """Return why the next answer is rejected, or None; see `rejection_reason`."""
        thresholds = self._to_go_on if self._answers else self._to_begin
        reason = rejection_reason(thresholds, best, familiarity=familiarity, salience=salience)
        self._answers = reason is None
        return reason


class SmoothedAnswer:
    """Gives the one smoothed answer of a recognizer whose labels exclude each other.

    Parameters
    ----------
    card
        Of the recognizer.
    smoother
        Smooths the probabilities.
    margin
        Of `SteadyRejection`.
    top
        Most guesses.
    force
        Give the best label even where the recognizer would reject it.
    """

    def __init__(self, card: Card, smoother: AnswerSmoother, *, margin: float, top: int, force: bool) -> None:
        self._card, self._smoother, self._top, self._force = card, smoother, top, force
        self._rejection = SteadyRejection(card.rejection, margin=margin)

    def reset(self) -> None:
        """Forget the past."""
        self._smoother.reset()
        self._rejection.reset()

    def say(self, scored: WindowScores) -> Said:
        """Take the scores of the next window."""
        card = self._card
        index, smooth = self._smoother.update(_claims(scored))
        top = best_answers(card, smooth, self._top)
        # What all labels together lack to 1 is what is unlike them: their sum is as smooth a familiarity.
        familiarity, salience = float(smooth.sum()), scored.mean_salience()
        reason = self._rejection.reason(top[0], familiarity=familiarity, salience=salience)
        if index is None or (reason is not None and not self._force):
            return Said(unknown_answer(top[0].confidence), top, reason)
        return Said(make_answer(card.labels[index], float(smooth[index]), task=card.task), top, reason)


class SmoothedLabels:
    """Gives all smoothed labels of a multi-label recognizer that are above their thresholds; as `SmoothedAnswer`."""

    def __init__(self, card: Card, smoother: LabelSmoother, *, margin: float, top: int, force: bool) -> None:
        self._card, self._smoother, self._top, self._force = card, smoother, top, force
        self._rejection = SteadyRejection(card.rejection, margin=margin)

    def reset(self) -> None:
        """Forget the past."""
        self._smoother.reset()
        self._rejection.reset()

    def say(self, scored: WindowScores) -> Said:
        """Take the scores of the next window."""
        card, familiarity = self._card, scored.mean_familiarity()
        given, smooth = self._smoother.update(scored.mean())
        top = best_answers(card, smooth, self._top, familiarity=familiarity)
        reason = self._rejection.reason(top[0], familiarity=familiarity, salience=scored.mean_salience())
        if reason is not None and not self._force:
            return Said(unknown_answer(top[0].confidence), top, reason, ())
        labels = answers_above(card, given, familiarity * smooth)
        best = labels[0] if labels else no_label(top[0].confidence, task=card.task)
        return Said(best, top, reason, labels)


def _claims(scored: WindowScores) -> FloatArray:
    """Return the probability of each label and of being in-distribution at once, ``(n_labels,)``."""
    claims: FloatArray = scored.mean_familiarity() * scored.mean()
    return claims

"""When a recognizer answers ``unknown``: the thresholds on its card, and how they were chosen."""

from __future__ import annotations

from pydantic import Field

from earmark.config import Config
from earmark.text import counted, percent


class OodScore(Config):
    """Figures on one kind of out-of-distribution input, by a detector trained on all kinds but those of its family.

    Attributes
    ----------
    kind
        Such as ``"speech"``.
    n
        How many inputs of the kind were tried.
    auroc
        Probability that an input of the kind gets less confidence than a real one.
    rejected
        Share of them answered with ``"unknown"``.
    """

    kind: str
    n: int
    auroc: float
    rejected: float


class Rejection(Config):
    """Thresholds below which the answer is ``"unknown"``, and how they were chosen.

    Attributes
    ----------
    min_familiarity
        Least probability of being in-distribution, 0…1, of an input that is answered; None without a detector.
    min_confidence
        Answers whose label is less probable, given that the input is in-distribution, are too uncertain.
    precision
        The share of right answers, among those given, that `min_confidence` was chosen for; None when there were no
        answers to unseen examples to choose it by.
    min_pitch_salience
        Sounds whose partials stand out less, in dB, have no pitch, see `pitch_salience`; None when it does not matter.
    ood_kinds
        The kinds of out-of-distribution input that the detector was trained on.
    false_rejection_rate
        Share of real examples, from groups that the detector was not trained on, whose familiarity is below
        `min_familiarity`.
    n_real, n_groups
        How many of them, and of how many groups.
    ood_scores
        Figures on kinds of which the detector was trained on none of the family.
    """

    min_familiarity: float | None = Field(default=None, ge=0, le=1)
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    precision: float | None = Field(default=None, gt=0, le=1)
    min_pitch_salience: float | None = Field(default=None, ge=0)
    ood_kinds: tuple[str, ...] = ()
    false_rejection_rate: float | None = None
    n_real: int = 0
    n_groups: int = 0
    ood_scores: tuple[OodScore, ...] = ()

    @property
    def needs_features(self) -> bool:
        """Whether a threshold applies to more than the probabilities of the labels."""
        return self.min_familiarity is not None or self.min_pitch_salience is not None

    def in_words(self) -> dict[str, str]:
        """Return the rules in words, by name; a rule that is not set has an empty text."""
        least, salience = self.min_familiarity, self.min_pitch_salience
        groups = f"{counted(self.n_groups, 'group')} that the detector was not trained on"
        real = f"{counted(self.n_real, 'real example')} of {groups}"
        rejected = "" if self.false_rejection_rate is None else percent(self.false_rejection_rate)
        return {
            "rejects": "" if least is None else f"in-distribution probability (familiarity) below {percent(least)}",
            "false rejections": rejected and f"{rejected} of {real} are rejected",
            "too uncertain": self._uncertain(),
            "no pitch": "" if salience is None else f"partials that stand out by less than {salience:.1f} dB",
            "trained to reject": ", ".join(self.ood_kinds),
            "held-out kinds": ", ".join(f"{each.kind} (AUROC {each.auroc:.3f})" for each in self.ood_scores),
        }

    def _uncertain(self) -> str:
        if self.precision is None:
            return ""
        aim = f"for {percent(self.precision)} right among the answers given"
        if not self.min_confidence:
            return f"never, {aim}"
        return f"a label less probable than {percent(self.min_confidence)} if it is one of them, {aim}"

"""Scores of one evaluation, with their protocol and confidence interval."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from earmark.config import Config
from earmark.errors import DataError
from earmark.evaluation.intervals import Basis
from earmark.text import percent

# Below it the sentence calls an interval over groups rough.
N_GROUPS_FEW = 10


class ClassScore(Config):
    """Figures of one label; `confused_with` is the label most often answered instead, `n_confused` times.

    Of a multi-label recognizer also average precision, area under the ROC curve, the 95 % interval of F1, and the
    probability from which on the label is given.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    confused_with: str | None = None
    n_confused: int = 0
    average_precision: float | None = None
    roc_auc: float | None = None
    f1_interval: tuple[float, float] | None = None
    threshold: float | None = None


class MultiLabelScore(Config):
    """Figures over all labels of a multi-label recognizer; means are over labels that some examples have and some lack.

    Attributes
    ----------
    mean_average_precision, mean_average_precision_interval
        Mean over the labels of the average precision of the order of examples, with its 95 % interval.
    chance_average_precision
        What a random order would reach: the mean share of examples that have a label.
    roc_auc, roc_auc_interval
        Mean over the labels of the area under the ROC curve; 0.5 is chance.
    micro_f1
        F1 of all decisions together.
    n_labels
        Labels that the means are over.
    labels_per_example, answers_per_example
        Mean number of labels that are right, and that are given.
    """

    mean_average_precision: float
    mean_average_precision_interval: tuple[float, float]
    chance_average_precision: float
    roc_auc: float
    roc_auc_interval: tuple[float, float]
    micro_f1: float
    n_labels: int
    labels_per_example: float
    answers_per_example: float


class UnitScore(Config):
    """Main scores when clips, or whole recordings, are counted instead."""

    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    n: int
    n_groups: int


class SelectiveScore(Config):
    """Coverage and selective accuracy of a recognizer that may answer ``"unknown"``.

    Attributes
    ----------
    answered
        Share of the examples that it answers.
    n
        How many these are.
    precision, precision_interval
        Share of these answers that is right, with its 95 % interval.
    """

    answered: float
    n: int
    precision: float
    precision_interval: tuple[float, float]


class PitchScore(Config):
    """Pitch distances of wrong answers, where labels are piano keys.

    Attributes
    ----------
    octave_error_rate
        Share of all answers with the right pitch class in a wrong octave.
    within_one_semitone
        Share of all answers at most one semitone from the truth, right ones included.
    """

    octave_error_rate: float
    within_one_semitone: float


class FailedExample(Config):
    """An example that could not be scored, and why."""

    input: str
    reason: str


class Scores(Config):
    """Everything measured on one set of examples. Shares are 0…1.

    Of multi-label answers, right means that no label of the example is missing and none is too many; calibration and
    likelihood are over all decisions, the precisions and recalls of macro averages are those of labels, and there is no
    confusion.

    Attributes
    ----------
    accuracy, accuracy_interval, interval_basis
        Share right, its 95 % interval, and what that rests on (see `accuracy_interval`).
    n, n_groups, n_failed
        Examples scored, their groups, and examples that could not be read (listed in `failures`, counted nowhere else).
    majority_accuracy
        What always answering the commonest label would reach.
    balanced_accuracy
        Mean recall over the labels that occur.
    macro_precision, macro_recall, macro_f1
        Means over the labels that occur as truth or as answer, as scikit-learn defines them.
    top_k
        ``{k: share}`` with the truth among the k best, where there are more than k labels.
    ece, nll
        Expected calibration error (15 bins of equal width) and negative log-likelihood in nats.
    ece_uncalibrated, nll_uncalibrated
        The same before the temperature, when that is known.
    confusion
        Counts, one row a truth, one column an answer, both in the order of `labels`.
    per_track
        Recordings counted instead of their pieces, when several examples share one.
    per_clip
        The windows that answers were put together from counted one by one, when there were several.
    selective
        When the recognizer may decline; all other figures are those of its best guesses.
    pitch
        When all labels are notes.
    multi_label
        When an example may have several labels, and some label is on some examples and not on others.
    protocol, seeds
        How the examples were chosen, and the seed(s) of training or splitting.
    """

    accuracy: float
    accuracy_interval: tuple[float, float]
    interval_basis: Basis
    n: int
    n_groups: int
    n_failed: int = 0
    protocol: str
    seeds: tuple[int, ...] = ()
    majority_accuracy: float
    balanced_accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    top_k: dict[int, float] = Field(default_factory=dict)
    ece: float
    nll: float
    ece_uncalibrated: float | None = None
    nll_uncalibrated: float | None = None
    per_track: UnitScore | None = None
    per_clip: UnitScore | None = None
    selective: SelectiveScore | None = None
    pitch: PitchScore | None = None
    multi_label: MultiLabelScore | None = None
    labels: tuple[str, ...]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    failures: tuple[FailedExample, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, texts, lists and mappings."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """Return one JSON object; `from_json` reads it back."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str = "scores") -> Scores:
        """Read what `to_json` wrote; raise `DataError` when `text` is something else."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise DataError(f"{where}: not JSON ({error}); give the scores of an evaluation") from error
        return cls.parse(values, where=where)

    @property
    def mean_average_precision(self) -> float | None:
        """Of multi-label answers, else None."""
        return None if self.multi_label is None else self.multi_label.mean_average_precision

    @property
    def roc_auc(self) -> float | None:
        """Of multi-label answers, else None."""
        return None if self.multi_label is None else self.multi_label.roc_auc

    @property
    def headline(self) -> tuple[str, float, tuple[float, float]]:
        """The figure that runs are compared by: its name, its value and its 95 % interval."""
        if self.multi_label is not None:
            found = self.multi_label
            return "mean average precision", found.mean_average_precision, found.mean_average_precision_interval
        return "accuracy", self.accuracy, self.accuracy_interval

    @property
    def sentence(self) -> str:
        """The headline with its interval, what that rests on, and the protocol."""
        if self.multi_label is not None:
            return self._sentence_of_labels(self.multi_label)
        low, high = (100 * bound for bound in self.accuracy_interval)
        few = ", which are few, so it is rough" if self.n_groups < N_GROUPS_FEW else ""
        each = "by resampling examples, each its own group"
        rests = {
            "groups": each if self.n_groups == self.n else f"by resampling the groups{few}",
            "examples": "by resampling examples; with one group, nothing is known about others",
            "wilson": "from the number of examples; all groups scored the same, so none can be given by groups",
        }[self.interval_basis]
        return (
            f"{percent(self.accuracy)} of {self._amount} are right "
            f"(95 % interval {low:.1f}–{high:.1f} %, {rests}). {self._how}"
        )

    def _sentence_of_labels(self, found: MultiLabelScore) -> str:
        (low, high), (least, most) = found.mean_average_precision_interval, found.roc_auc_interval
        few = "; the groups are few, so both are rough" if self.n_groups < N_GROUPS_FEW else ""
        chance = f"a random order has {found.chance_average_precision:.3f}"
        return (
            f"Mean average precision {found.mean_average_precision:.3f} (95 % interval {low:.3f} to {high:.3f};"
            f" {chance}) and ROC-AUC {found.roc_auc:.3f} ({least:.3f} to {most:.3f})"
            f" over {found.n_labels:,} labels of {self._amount}{few}. {self._how}"
        )

    @property
    def _amount(self) -> str:
        groups = "1 group" if self.n_groups == 1 else f"{self.n_groups:,} groups"
        return f"{self.n:,} examples of {groups}"

    @property
    def _how(self) -> str:
        seeds = f"; seed {', '.join(map(str, self.seeds))}" if self.seeds else ""
        lost = f" {self.n_failed:,} more could not be read and are not counted." if self.n_failed else ""
        return f"Protocol: {self.protocol}{seeds}.{lost}"

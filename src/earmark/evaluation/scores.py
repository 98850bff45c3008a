"""The figures of one evaluation, each with how it was measured and how far to trust it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from earmark.config import Config
from earmark.errors import DataError, MissingExtraError
from earmark.evaluation.calibration import negative_log_likelihood, reliability
from earmark.evaluation.intervals import N_RESAMPLES, Basis, accuracy_interval
from earmark.evaluation.outcome import IntArray, Outcome
from earmark.units import note_midi

TOP_K = (3, 5)
# Below it the sentence calls an interval over groups rough.
N_GROUPS_FEW = 10


class ClassScore(Config):
    """Figures of one label; `confused_with` is the label most often answered instead, `n_confused` times."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    confused_with: str | None = None
    n_confused: int = 0


class UnitScore(Config):
    """Headline figures when clips, or whole recordings, are counted instead."""

    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    n: int
    n_groups: int


class PitchScore(Config):
    """How far wrong keys are off.

    Attributes
    ----------
    octave_error_rate
        Share of all answers with the right pitch class in a wrong octave.
    within_one_semitone
        Share of all answers at most one semitone from the truth, right ones included.
    """

    octave_error_rate: float
    within_one_semitone: float


class Failure(Config):
    """An example that could not be read."""

    input: str
    reason: str


class Scores(Config):
    """Everything measured on one set of examples. Shares are 0…1.

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
    pitch
        When all labels are notes.
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
    pitch: PitchScore | None = None
    labels: tuple[str, ...]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    failures: tuple[Failure, ...] = ()

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
    def sentence(self) -> str:
        """The headline with its interval, what that rests on, and the protocol."""
        low, high = (100 * bound for bound in self.accuracy_interval)
        few = ", which are few, so it is rough" if self.n_groups < N_GROUPS_FEW else ""
        each = "by resampling examples, each its own group"
        rests = {
            "groups": each if self.n_groups == self.n else f"by resampling the groups{few}",
            "examples": "by resampling examples; with one group, nothing is known about others",
            "wilson": "from the number of examples; all groups scored the same, so none can be given by groups",
        }[self.interval_basis]
        groups = "1 group" if self.n_groups == 1 else f"{self.n_groups:,} groups"
        seeds = f"; seed {', '.join(map(str, self.seeds))}" if self.seeds else ""
        lost = f" {self.n_failed:,} more could not be read and are not counted." if self.n_failed else ""
        return (
            f"{100 * self.accuracy:.1f} % of {self.n:,} examples of {groups} are right "
            f"(95 % interval {low:.1f}–{high:.1f} %, {rests}). Protocol: {self.protocol}{seeds}.{lost}"
        )


def score(
    outcome: Outcome,
    *,
    protocol: str,
    seeds: Sequence[int] = (),
    clips: Outcome | None = None,
    n_resamples: int = N_RESAMPLES,
    bootstrap_seed: int = 0,
) -> Scores:
    """Compute every figure of `outcome`.

    Parameters
    ----------
    outcome
        Answers beside the truth.
    protocol
        How the examples were chosen; `word_protocol` words it.
    seeds
        Of the training or the split.
    clips
        The windows that the answers were put together from, to be counted one by one as well.
    n_resamples, bootstrap_seed
        Of the bootstrap.

    Raises
    ------
    DataError
        When there are no examples.
    MissingExtraError
        When scikit-learn is not installed.
    """
    if outcome.n == 0:
        lost = ""
        if outcome.failures:
            lost = f" ({len(outcome.failures)} could not be read, the first because: {outcome.failures[0][1]})"
        raise DataError(f"there are no examples to score{lost}; give a source or a part that holds some")
    resampling = {"n_resamples": n_resamples, "seed": bootstrap_seed}
    interval, basis = accuracy_interval(outcome.correct, outcome.groups, **resampling)
    before = outcome.logits_uncalibrated
    per_class, macro, confusion = _by_class(outcome)
    return Scores(
        **_headline(outcome),
        accuracy_interval=interval,
        interval_basis=basis,
        n_failed=len(outcome.failures),
        protocol=protocol,
        seeds=tuple(seeds),
        majority_accuracy=float(np.bincount(outcome.truth).max() / outcome.n),
        macro_precision=macro[0],
        macro_recall=macro[1],
        top_k=_top_k(outcome),
        ece=reliability(outcome.confidence, outcome.correct).error,
        nll=negative_log_likelihood(outcome.logits, outcome.truth),
        ece_uncalibrated=None if before is None else _calibration_error(outcome, before),
        nll_uncalibrated=None if before is None else negative_log_likelihood(before, outcome.truth),
        per_track=_unit(outcome.by_track(), **resampling) if outcome.has_tracks else None,
        per_clip=None if clips is None else _unit(clips, **resampling),
        pitch=_pitch(outcome),
        labels=outcome.labels,
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        failures=tuple(Failure(input=name, reason=reason) for name, reason in outcome.failures),
    )


def needs_train_extra(what: str, *modules: str) -> None:
    """Raise `MissingExtraError` unless all `modules` are installed."""
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtraError(what, "train")


def _headline(outcome: Outcome) -> dict[str, Any]:
    needs_train_extra("scoring", "sklearn")
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    truth, answers = outcome.truth, outcome.answers
    return {
        "accuracy": float(accuracy_score(truth, answers)),
        # balanced_accuracy_score warns about answers that never occur as truth; the mean recall is the same figure.
        "balanced_accuracy": float(
            recall_score(truth, answers, labels=np.unique(truth), average="macro", zero_division=0)
        ),
        "macro_f1": float(f1_score(truth, answers, average="macro", zero_division=0)),
        "n": outcome.n,
        "n_groups": len(np.unique(outcome.groups)),
    }


def _unit(outcome: Outcome, *, n_resamples: int, seed: int) -> UnitScore:
    interval, _ = accuracy_interval(outcome.correct, outcome.groups, n_resamples=n_resamples, seed=seed)
    return UnitScore(**_headline(outcome), accuracy_interval=interval)


def _by_class(outcome: Outcome) -> tuple[tuple[ClassScore, ...], tuple[float, float], IntArray]:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    truth, answers = outcome.truth, outcome.answers
    every = np.arange(len(outcome.labels))
    columns = precision_recall_fscore_support(truth, answers, labels=every, zero_division=0)
    precision, recall, f1, support = (np.asarray(column) for column in columns)
    confusion: IntArray = confusion_matrix(truth, answers, labels=every)
    wrong = confusion - np.diag(np.diag(confusion))
    worst, n_worst = wrong.argmax(axis=1), wrong.max(axis=1)
    rows = tuple(
        ClassScore(
            label=label,
            precision=float(precision[row]),
            recall=float(recall[row]),
            f1=float(f1[row]),
            support=int(support[row]),
            confused_with=outcome.labels[worst[row]] if n_worst[row] else None,
            n_confused=int(n_worst[row]),
        )
        for row, label in enumerate(outcome.labels)
    )
    occurs = (support > 0) | (confusion.sum(axis=0) > 0)
    return rows, (float(precision[occurs].mean()), float(recall[occurs].mean())), confusion


def _top_k(outcome: Outcome) -> dict[int, float]:
    from sklearn.metrics import top_k_accuracy_score

    every = np.arange(len(outcome.labels))
    return {
        k: float(top_k_accuracy_score(outcome.truth, outcome.logits, k=k, labels=every))
        for k in TOP_K
        if k < len(every)
    }


def _calibration_error(outcome: Outcome, logits: Any) -> float:
    before = Outcome.from_logits(logits, outcome.truth, labels=outcome.labels)
    return reliability(before.confidence, before.correct).error


def _pitch(outcome: Outcome) -> PitchScore | None:
    numbers = [note_midi(label) for label in outcome.labels]
    if None in numbers:
        return None
    midi = np.array(numbers, dtype=np.int64)
    off = np.abs(midi[outcome.answers] - midi[outcome.truth])
    return PitchScore(
        octave_error_rate=float(np.mean((off > 0) & (off % 12 == 0))), within_one_semitone=float(np.mean(off <= 1))
    )

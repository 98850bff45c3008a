"""Compute the scores of an outcome, with scikit-learn where it has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from earmark import extras
from earmark.errors import DataError
from earmark.evaluation.calibration import Reliability, negative_log_likelihood, reliability
from earmark.evaluation.intervals import N_RESAMPLES, accuracy_interval
from earmark.evaluation.multi_label import score_decisions
from earmark.evaluation.outcome import Outcome
from earmark.evaluation.scores import ClassScore, FailedExample, PitchScore, Scores, SelectiveScore, UnitScore
from earmark.recognizer.network import log_sigmoid
from earmark.types import IntArray
from earmark.units import note_midi

TOP_K = (3, 5)


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
        How the examples were chosen; `describe_protocol` words it.
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
    overall = None
    if outcome.is_multi_label:
        overall, per_class = score_decisions(outcome, **resampling)
        macro, confusion = _macro_of_labels(per_class), np.zeros((0, 0), np.int64)
    else:
        per_class, macro, confusion = _by_class(outcome)
    return Scores(
        **_main_scores(outcome),
        accuracy_interval=interval,
        interval_basis=basis,
        n_failed=len(outcome.failures),
        protocol=protocol,
        seeds=tuple(seeds),
        majority_accuracy=_majority(outcome),
        macro_precision=macro[0],
        macro_recall=macro[1],
        top_k=_top_k(outcome),
        ece=calibration_of(outcome).error,
        nll=_likelihood(outcome),
        ece_uncalibrated=None if before is None else calibration_of(replace(outcome, logits=before)).error,
        nll_uncalibrated=None if before is None else _likelihood(replace(outcome, logits=before)),
        per_track=_unit(outcome.by_track(), **resampling) if outcome.has_tracks else None,
        per_clip=None if clips is None else _unit(clips, **resampling),
        selective=_selective(outcome, **resampling),
        pitch=None if outcome.is_multi_label else _pitch(outcome),
        multi_label=overall,
        labels=outcome.labels,
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        failures=tuple(FailedExample(input=name, reason=reason) for name, reason in outcome.failures),
    )


def _main_scores(outcome: Outcome) -> dict[str, Any]:
    extras.require("scoring", "train", "sklearn")
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    truth, answers = outcome.truth, outcome.answers
    labels = np.flatnonzero((truth | answers).any(axis=0)) if outcome.is_multi_label else None
    occurring = np.flatnonzero(truth.any(axis=0)) if outcome.is_multi_label else np.unique(truth)
    return {
        "accuracy": float(accuracy_score(truth, answers)),
        # balanced_accuracy_score warns about answers that never occur as truth; the mean recall is the same figure.
        "balanced_accuracy": float(recall_score(truth, answers, labels=occurring, average="macro", zero_division=0)),
        "macro_f1": float(f1_score(truth, answers, labels=labels, average="macro", zero_division=0)),
        "n": outcome.n,
        "n_groups": len(np.unique(outcome.groups)),
    }


def _unit(outcome: Outcome, *, n_resamples: int, seed: int) -> UnitScore:
    interval, _ = accuracy_interval(outcome.correct, outcome.groups, n_resamples=n_resamples, seed=seed)
    return UnitScore(**_main_scores(outcome), accuracy_interval=interval)


def _selective(outcome: Outcome, *, n_resamples: int, seed: int) -> SelectiveScore | None:
    answered = outcome.answered
    if answered is None or not answered.any():
        return None
    right, groups = outcome.correct[answered], outcome.groups[answered]
    interval, _ = accuracy_interval(right, groups, n_resamples=n_resamples, seed=seed)
    return SelectiveScore(
        answered=float(answered.mean()),
        n=len(right),
        precision=float(right.mean()),
        precision_interval=interval,
    )


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

    if outcome.is_multi_label:
        return {}
    every = np.arange(len(outcome.labels))
    return {
        k: float(top_k_accuracy_score(outcome.truth, outcome.logits, k=k, labels=every))
        for k in TOP_K
        if k < len(every)
    }


def calibration_of(outcome: Outcome) -> Reliability:
    """Sort answers by their confidence, or all decisions about labels by their probability."""
    if outcome.is_multi_label:
        return reliability(outcome.probabilities.ravel(), outcome.truth.ravel())
    return reliability(outcome.confidence, outcome.correct)


def _likelihood(outcome: Outcome) -> float:
    if not outcome.is_multi_label:
        return negative_log_likelihood(outcome.logits, outcome.truth)
    signs = np.where(outcome.truth, 1, -1)
    return float(-log_sigmoid(signs * outcome.logits).mean())


def _majority(outcome: Outcome) -> float:
    """Return the share of examples with the commonest label, or the commonest set of labels."""
    _, counts = np.unique(outcome.truth, axis=0, return_counts=True)
    return float(counts.max() / outcome.n)


def _macro_of_labels(rows: Sequence[ClassScore]) -> tuple[float, float]:
    occurring = [row for row in rows if row.support or row.precision]
    return float(np.mean([row.precision for row in occurring])), float(np.mean([row.recall for row in occurring]))


def _pitch(outcome: Outcome) -> PitchScore | None:
    numbers = [note_midi(label) for label in outcome.labels]
    if None in numbers:
        return None
    midi = np.array(numbers, dtype=np.int64)
    off = np.abs(midi[outcome.answers] - midi[outcome.truth])
    return PitchScore(
        octave_error_rate=float(np.mean((off > 0) & (off % 12 == 0))), within_one_semitone=float(np.mean(off <= 1))
    )

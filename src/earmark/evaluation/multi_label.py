"""Scores, temperature and thresholds of multi-label answers: each label of each example is a decision of its own.

Average precision and the area under the ROC curve judge the order in which a label puts the examples and need no
threshold; F1 judges what is given above it. Intervals resample groups (see `earmark.evaluation.intervals`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError
from earmark.evaluation.calibration import TEMPERATURES, fit_temperature
from earmark.evaluation.intervals import Interval, expanded_tail, resampled_counts
from earmark.evaluation.outcome import Outcome
from earmark.evaluation.scores import ClassScore, MultiLabelScore
from earmark.recognizer.network import log_sigmoid
from earmark.types import IntArray, RealArray

LEAST_THRESHOLD, HIGHEST_THRESHOLD = 0.01, 0.99
SMALLEST_LIKELIHOOD = 1e-12


def fit_decision_temperature(
    logits: npt.NDArray[np.float32],
    truth: IntArray,
    *,
    row: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Return the temperature that makes the likelihood of all decisions largest; as `fit_temperature`, for sigmoids.

    Parameters
    ----------
    logits, row, weights
        As for `fit_temperature`.
    truth
        ``(n, n_labels)``, 1 for each right label.
    """
    from scipy.optimize import minimize_scalar

    if len(logits) == 0 or not np.isfinite(logits).all():
        raise DataError("a temperature needs at least one row of finite logits; give the answers to a validation part")
    place = np.arange(len(logits)) if row is None else np.asarray(row)
    counts = np.ones(len(logits)) if weights is None else np.asarray(weights, dtype=np.float64)
    share = (counts / np.bincount(place, weights=counts)[place])[:, None]

    def loss(log_temperature: float) -> float:
        probabilities = np.zeros(truth.shape)
        np.add.at(probabilities, place, share * np.exp(log_sigmoid(logits / np.exp(log_temperature))))
        likelihood = np.where(truth, probabilities, 1 - probabilities)
        return float(-np.log(np.maximum(likelihood, SMALLEST_LIKELIHOOD)).mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def fit_outcome_temperature(outcome: Outcome) -> float:
    """Return the temperature that makes the likelihood of answers largest, for one label an example or several."""
    fit = fit_decision_temperature if outcome.is_multi_label else fit_temperature
    return fit(outcome.logits, outcome.truth)


def choose_thresholds(probabilities: RealArray, truth: IntArray) -> tuple[float, ...]:
    """Return the threshold of each label with the best F1 on examples that were not trained on, both ``(n, n_labels)``.

    Halfway between the last probability that is given and the first that is not, on a scale of log-odds. A label that
    no example has, or every example, keeps 0.5: there is nothing to choose it by.

    >>> [round(value, 4) for value in choose_thresholds(np.array([[0.1], [0.2], [0.8]]), np.array([[0], [1], [1]]))]
    [0.1429]
    """
    return tuple(_threshold(claimed, right) for claimed, right in zip(probabilities.T, truth.T, strict=True))


def with_chosen_thresholds(outcome: Outcome, *, common: bool = False) -> Outcome:
    """Return answers with the thresholds that are best for them, or with the best one for all labels together.

    One for all suits labels that are alike and have few examples each, such as the keys of a piano.
    """
    if common:
        (best,) = choose_thresholds(outcome.probabilities.reshape(-1, 1), outcome.truth.reshape(-1, 1))
        return replace(outcome, thresholds=(best,) * len(outcome.labels))
    return replace(outcome, thresholds=choose_thresholds(outcome.probabilities, outcome.truth))


def _threshold(probabilities: RealArray, truth: IntArray) -> float:
    if not 0 < truth.sum() < len(truth):
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    claimed, right = probabilities[order], truth[order]
    n_given = np.arange(1, len(right) + 1)
    f1 = 2 * np.cumsum(right) / (n_given + right.sum())
    f1[:-1][claimed[:-1] == claimed[1:]] = -1  # equal probabilities are given together
    best = int(np.argmax(f1))
    below = claimed[best + 1] if best + 1 < len(claimed) else claimed[best] / 2
    pair = np.clip([claimed[best], below], 1e-6, 1 - 1e-6)
    odds = np.sqrt(np.prod(pair / (1 - pair)))
    return float(np.clip(odds / (1 + odds), LEAST_THRESHOLD, HIGHEST_THRESHOLD))


def score_decisions(
    outcome: Outcome, *, n_resamples: int, seed: int
) -> tuple[MultiLabelScore | None, tuple[ClassScore, ...]]:
    """Return what is measured of multi-label answers over all labels, and of each label.

    Means are over the labels that some example has and some has not; without any such label there are none.
    """
    from sklearn.metrics import f1_score

    truth, given = outcome.truth, outcome.answers
    rows = _by_label(outcome, _f1_intervals(outcome, n_resamples=n_resamples, seed=seed))
    ranked = [place for place, row in enumerate(rows) if row.average_precision is not None]
    if not ranked:
        return None, rows
    precision_interval, area_interval = _ranking_intervals(
        truth[:, ranked], outcome.probabilities[:, ranked], outcome.groups, n_resamples=n_resamples, seed=seed
    )
    overall = MultiLabelScore(
        mean_average_precision=float(np.mean([rows[place].average_precision for place in ranked])),
        mean_average_precision_interval=precision_interval,
        chance_average_precision=float(truth[:, ranked].mean()),
        roc_auc=float(np.mean([rows[place].roc_auc for place in ranked])),
        roc_auc_interval=area_interval,
        micro_f1=float(f1_score(truth, given, average="micro", zero_division=0)),
        n_labels=len(ranked),
        labels_per_example=float(truth.sum(axis=1).mean()),
        answers_per_example=float(given.sum(axis=1).mean()),
    )
    return overall, rows


def _by_label(outcome: Outcome, f1_intervals: Sequence[Interval | None]) -> tuple[ClassScore, ...]:
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

    truth, claimed = outcome.truth, outcome.probabilities
    columns = precision_recall_fscore_support(truth, outcome.answers, average=None, zero_division=0)
    rows = []
    for place, (label, precision, recall, f1, support) in enumerate(zip(outcome.labels, *columns, strict=True)):
        pair = (truth[:, place], claimed[:, place])
        is_ranked = 0 < support < len(truth)
        rows.append(
            ClassScore(
                label=label,
                precision=float(precision),
                recall=float(recall),
                f1=float(f1),
                support=int(support),
                f1_interval=f1_intervals[place],
                average_precision=float(average_precision_score(*pair)) if is_ranked else None,
                roc_auc=float(roc_auc_score(*pair)) if is_ranked else None,
                threshold=outcome.thresholds[place] if outcome.thresholds else 0.5,
            )
        )
    return tuple(rows)


def _f1_intervals(outcome: Outcome, *, n_resamples: int, seed: int) -> list[Interval | None]:
    """Return the interval of the F1 of each label; None of one that is neither given nor right anywhere."""
    given, truth = outcome.answers, outcome.truth
    hits, all_of_them = (given & truth).astype(np.float64), (given + truth).astype(np.float64)
    numerators, denominators = [], []
    for counts in resampled_counts(outcome.groups, n_resamples=n_resamples, seed=seed):
        numerators.append(counts @ hits)
        denominators.append(counts @ all_of_them)
    total = np.concatenate(denominators)
    f1 = np.divide(2 * np.concatenate(numerators), total, where=total > 0, out=np.full_like(total, np.nan))
    return [_interval(column, outcome.groups) if not np.isnan(column).all() else None for column in f1.T]


def _ranking_intervals(
    truth: IntArray, claimed: RealArray, groups: npt.NDArray[np.str_], *, n_resamples: int, seed: int
) -> tuple[Interval, Interval]:
    """Return the intervals of the mean average precision and of the mean area under the ROC curve."""
    means = [
        np.nanmean([ranking(right, column, counts) for right, column in zip(truth.T, claimed.T, strict=True)], axis=0)
        for counts in resampled_counts(groups, n_resamples=n_resamples, seed=seed)
    ]
    precisions, areas = np.concatenate(means, axis=1)
    return _interval(precisions, groups), _interval(areas, groups)


def ranking(truth: IntArray, claimed: RealArray, counts: RealArray) -> tuple[RealArray, RealArray]:
    """Return average precision and area under the ROC curve of one label in many resamples, ``(n_resamples,)`` each.

    Parameters
    ----------
    truth, claimed
        Of each example, shape ``(n,)``.
    counts
        How often each example is in each resample, ``(n_resamples, n)``; where a resample lacks one of the two kinds of
        example, both are NaN.
    """
    order = np.argsort(-claimed, kind="stable")
    right = truth[order].astype(np.float64)
    # Examples that are claimed alike come at once: what holds after the last of them holds for all.
    last = np.flatnonzero(np.append(np.diff(claimed[order]) != 0, True))
    hits = np.cumsum(counts[:, order] * right, axis=1)[:, last]
    misses = np.cumsum(counts[:, order] * (1 - right), axis=1)[:, last]
    new_hits, new_misses = (np.diff(each, axis=1, prepend=0) for each in (hits, misses))
    n_hits, n_misses = hits[:, -1], misses[:, -1]
    possible = (n_hits > 0) & (n_misses > 0)
    precision = hits / np.maximum(hits + misses, 1)
    average = (new_hits * precision).sum(axis=1) / np.maximum(n_hits, 1)
    before = hits - new_hits
    area = (new_misses * (before + new_hits / 2)).sum(axis=1) / np.maximum(n_hits * n_misses, 1)
    return np.where(possible, average, np.nan), np.where(possible, area, np.nan)


def _interval(values: RealArray, groups: npt.NDArray[np.str_]) -> Interval:
    n_groups = len(np.unique(groups))
    tail = expanded_tail(n_groups if n_groups > 1 else len(groups))
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)

"""A quick model: a support vector machine on main components, good enough to doubt labels and to compare protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.doctor.examine import Examined
from earmark.types import FloatArray

N_COMPONENTS = 150
COST = 5.0
LARGEST_FIT = 12_000
"""Examples that one machine learns from; its time grows with their square."""

SHARPNESS = 0.5
"""Of the softmax that makes votes into something like probabilities."""

NEVER = -50.0
"""Log chance of a label that the model has not seen."""

N_NEAREST = 5
ROWS_AT_ONCE = 1024


class QuickModel:
    """Main components, then a support vector machine with a radial kernel (scikit-learn), beside nearest neighbours.

    Parameters
    ----------
    n_labels
        Truths are 0…n_labels - 1.
    seed
        Of the examples that are chosen when there are too many.
    """

    def __init__(self, n_labels: int, *, seed: int = 0) -> None:
        self._n_labels = n_labels
        self._seed = seed

    def fit(self, features: FloatArray, truth: npt.NDArray[np.intp]) -> Self:
        """Learn from ``(n, n_features)`` and ``(n,)``."""
        from sklearn.svm import SVC

        rows = np.arange(len(truth))
        if len(rows) > LARGEST_FIT:
            rows = np.sort(np.random.default_rng(self._seed).choice(rows, LARGEST_FIT, replace=False))
        chosen, self._held = features[rows].astype(np.float64), np.unique(truth[rows])
        self._mean, spread = chosen.mean(axis=0), chosen.std(axis=0)
        # Few columns are numbers in units of their own; many are cells of one picture, whose differences count.
        self._unit = np.where(spread > 0, spread, 1.0) if len(spread) < N_COMPONENTS else np.ones_like(spread)
        centred = (chosen - self._mean) / self._unit
        covariance = centred.T @ centred
        variance, directions = np.linalg.eigh(covariance)
        self._directions = directions[:, ::-1][:, : min(N_COMPONENTS, len(variance))]
        reduced = self._reduced(chosen)
        self._scale = float(np.sqrt(reduced.var(axis=0).sum())) or 1.0
        self._known = (reduced / self._scale).astype(np.float32), truth[rows]
        self._machine: Any = None
        if len(self._held) > 1:
            self._machine = SVC(C=COST, gamma=1.0, cache_size=400, class_weight="balanced")
            self._machine.fit(reduced / self._scale, truth[rows])
        return self

    def log_chances(self, features: FloatArray) -> FloatArray:
        """Return something like log probabilities, ``(n, n_labels)``; `NEVER` for labels that were never seen."""
        result = np.full((len(features), self._n_labels), NEVER, dtype=np.float32)
        if self._machine is None:
            result[:, self._held] = 0.0
            return result
        votes = self._machine.decision_function(self._reduced(features.astype(np.float64)) / self._scale)
        if votes.ndim == 1:
            votes = np.stack((-votes, votes), axis=1)
        votes = SHARPNESS * (votes - votes.max(axis=1, keepdims=True))
        result[:, self._held] = votes - np.log(np.exp(votes).sum(axis=1, keepdims=True))
        return result

    def nearness(self, features: FloatArray) -> FloatArray:
        """Return how near each label is, ``(n, n_labels)``; `NEVER` for labels that were never seen.

        It is the negative logarithm of the mean distance to the nearest `N_NEAREST` examples of that label.
        """
        known, truth = self._known
        result = np.full((len(features), self._n_labels), NEVER, dtype=np.float32)
        for start in range(0, len(features), ROWS_AT_ONCE):
            asked = features[start : start + ROWS_AT_ONCE].astype(np.float64)
            place = (self._reduced(asked) / self._scale).astype(np.float32)
            squares = (place**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * place @ known.T
            distances = np.sqrt(np.maximum(squares, 0))
            for label in self._held:
                of_label = distances[:, truth == label]
                n = min(N_NEAREST, of_label.shape[1])
                nearest = np.partition(of_label, n - 1, axis=1)[:, :n]
                result[start : start + len(asked), label] = -np.log(nearest.mean(axis=1) + np.exp(NEVER))
        return result

    def _reduced(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray((features - self._mean) / self._unit @ self._directions)


Objective: TypeAlias = Callable[[QuickModel, FloatArray], FloatArray]
"""A method of the model that answers with ``(n, n_labels)``."""


def matrix(examined: Sequence[Examined]) -> tuple[list[int], FloatArray]:
    """Return the rows that have features, of the commonest size, and those features, ``(n, n_features)``."""
    having = [each for each in examined if each.features is not None]
    sizes = [0 if each.features is None else len(each.features) for each in having]
    if not having:
        return [], np.zeros((0, 0), np.float32)
    common = max(set(sizes), key=sizes.count)
    kept = [each for each, size in zip(having, sizes, strict=True) if size == common]
    return [each.row for each in kept], np.stack([each.features for each in kept if each.features is not None])


def out_of_fold(
    features: FloatArray,
    truth: npt.NDArray[np.intp],
    groups: npt.NDArray[np.str_],
    *,
    n_folds: int,
    seed: int,
    judges: Sequence[Objective] = (QuickModel.log_chances,),
) -> FloatArray:
    """Return what a model that has seen nothing of its group answers to every example, ``(n_judges, n, n_labels)``."""
    n_labels = int(truth.max()) + 1
    result = np.zeros((len(judges), len(truth), n_labels), dtype=np.float32)
    names, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    order = np.random.default_rng(seed).permutation(len(names))
    # Large groups first, each to the emptiest fold.
    held = np.zeros(n_folds, dtype=np.intp)
    fold = np.zeros(len(names), dtype=np.intp)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold[group] = int(np.argmin(held))
        held[fold[group]] += sizes[group]
    for number in range(n_folds):
        outside = fold[member] == number
        if outside.any() and not outside.all():
            model = QuickModel(n_labels, seed=seed).fit(features[~outside], truth[~outside])
            result[:, outside] = [judge(model, features[outside]) for judge in judges]
    return result

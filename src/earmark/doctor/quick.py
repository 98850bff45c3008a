"""A quick model: a support vector machine on main components, good enough to doubt labels and to compare protocols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

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


class QuickModel:
    """Main components, then a support vector machine with a radial kernel (scikit-learn).

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
        self._mean = chosen.mean(axis=0)
        covariance = (chosen - self._mean).T @ (chosen - self._mean)
        variance, directions = np.linalg.eigh(covariance)
        self._directions = directions[:, ::-1][:, : min(N_COMPONENTS, len(variance))]
        reduced = self._reduced(chosen)
        self._scale = float(np.sqrt(reduced.var(axis=0).sum())) or 1.0
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

    def _reduced(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray((features - self._mean) @ self._directions)


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
    n_labels: int,
    n_folds: int,
    seed: int,
) -> FloatArray:
    """Return the log chances of every example by a model that has seen nothing of its group, ``(n, n_labels)``."""
    result = np.zeros((len(truth), n_labels), dtype=np.float32)
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
            result[outside] = model.log_chances(features[outside])
    return result

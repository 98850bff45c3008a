"""Baseline classifier: a support vector machine on principal components (scikit-learn).

It is good enough to doubt labels, to compare protocols and for adversarial validation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from earmark.data import folds
from earmark.doctor.examine import Examined
from earmark.types import FloatArray, IntArray, RealArray

N_COMPONENTS = 150
COST = 5.0
LARGEST_FIT = 12_000
"""Examples that one machine learns from; its time grows with their square."""

SHARPNESS = 0.5
"""Of the softmax that makes votes into something like probabilities."""

NEVER = -50.0
"""Log chance of a label that the model has not seen."""

N_NEAREST = 5


class Baseline:
    """A support vector machine with a radial kernel on principal components, beside nearest neighbours.

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

    def fit(self, features: FloatArray, truth: IntArray) -> Self:
        """Fit to ``(n, n_features)`` and ``(n,)``."""
        from sklearn.decomposition import PCA
        from sklearn.neighbors import NearestNeighbors
        from sklearn.svm import SVC

        rows = np.arange(len(truth))
        if len(rows) > LARGEST_FIT:
            rows = np.sort(np.random.default_rng(self._seed).choice(rows, LARGEST_FIT, replace=False))
        chosen, truth = features[rows].astype(np.float64), truth[rows]
        spread = chosen.std(axis=0)
        # Few columns are numbers in units of their own; many are cells of one picture, whose differences count.
        self._unit = np.where(spread > 0, spread, 1.0) if len(spread) < N_COMPONENTS else np.ones_like(spread)
        self._pca = PCA(min(N_COMPONENTS, *chosen.shape), svd_solver="covariance_eigh").fit(chosen / self._unit)
        self._scale = 1.0
        self._scale = float(np.sqrt(self._reduced(chosen).var(axis=0).sum())) or 1.0
        reduced = self._reduced(chosen)
        self._neighbours = {}
        for label in np.unique(truth):
            of_label = reduced[truth == label]
            self._neighbours[label] = NearestNeighbors(n_neighbors=min(N_NEAREST, len(of_label))).fit(of_label)
        self._machine: Any = None
        if len(self._neighbours) > 1:
            self._machine = SVC(C=COST, gamma=1.0, cache_size=400, class_weight="balanced").fit(reduced, truth)
        return self

    def log_probabilities(self, features: FloatArray) -> FloatArray:
        """Return rough log probabilities, ``(n, n_labels)``; `NEVER` for labels that were not in the training data."""
        result = np.full((len(features), self._n_labels), NEVER, dtype=np.float32)
        known = list(self._neighbours)
        if self._machine is None:
            result[:, known] = 0.0
            return result
        votes = self._machine.decision_function(self._reduced(features))
        if votes.ndim == 1:
            votes = np.stack((-votes, votes), axis=1)
        result[:, known] = log_softmax(SHARPNESS * votes, axis=1)
        return result

    def nearness(self, features: FloatArray) -> FloatArray:
        """Return how near each label is, ``(n, n_labels)``; `NEVER` for labels that were not in the training data.

        It is the negative logarithm of the mean distance to the nearest `N_NEAREST` examples of that label.
        """
        reduced = self._reduced(features)
        result = np.full((len(features), self._n_labels), NEVER, dtype=np.float32)
        for label, neighbours in self._neighbours.items():
            distances, _ = neighbours.kneighbors(reduced)
            result[:, label] = -np.log(distances.mean(axis=1) + np.exp(NEVER))
        return result

    def _reduced(self, features: npt.NDArray[Any]) -> RealArray:
        return np.asarray(self._pca.transform(features.astype(np.float64) / self._unit) / self._scale)


Scorer: TypeAlias = Callable[["Baseline", FloatArray], FloatArray]
"""A method of the baseline that answers with ``(n, n_labels)``."""


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
    truth: IntArray,
    groups: npt.NDArray[np.str_],
    *,
    n_folds: int,
    seed: int,
    scorers: Sequence[Scorer] = (Baseline.log_probabilities,),
) -> FloatArray:
    """Return out-of-fold scores, by models that have seen nothing of an example's group, ``(scorer, n, n_labels)``."""
    n_labels = int(truth.max()) + 1
    result = np.zeros((len(scorers), len(truth), n_labels), dtype=np.float32)
    fold = folds(groups, truth, k=n_folds, seed=seed)
    for number in range(n_folds):
        outside = fold == number
        if outside.any() and not outside.all():
            model = Baseline(n_labels, seed=seed).fit(features[~outside], truth[~outside])
            result[:, outside] = [scorer(model, features[outside]) for scorer in scorers]
    return result

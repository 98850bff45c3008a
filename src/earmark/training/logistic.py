"""Multinomial logistic regression as the head of a frozen backbone, its strength chosen by grouped cross-validation."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from earmark.errors import DataError
from earmark.models import StandardizedHead
from earmark.training.examples import FeatureSet, IntArray
from earmark.training.loop import Row, validate
from earmark.training.recipe import Training
from earmark.types import FloatArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)
"""Inverse strengths of regularisation (scikit-learn's C, for weights of mean 1) that are tried."""
MOST_FOLDS = 5
TOLERANCE = 1e-3
MOST_STEPS = 200
FEW_AT_ONCE = 1024
"""Embeddings that are scored at once."""


def logistic_row(head: StandardizedHead, train: FeatureSet, valid: FeatureSet | None, *, training: Training) -> Row:
    """Fit the dense layer of `head` and return the one row of the log."""
    started_s = time.perf_counter()
    fit_logistic(head, train, balanced=training.class_weights == "balanced", seed=training.seed)
    judge = partial(validate, head, batch_size=FEW_AT_ONCE, device=head.standardize.mean.device)
    row: Row = {"epoch": 1}
    row |= {name.replace("valid", "train"): value for name, value in judge(train).items()}
    if valid is not None:
        row |= judge(valid)
    return {**row, "seconds": time.perf_counter() - started_s}


def fit_logistic(head: StandardizedHead, examples: FeatureSet, *, balanced: bool, seed: int) -> float:
    """Fit the dense layer of `head` to embeddings and return the inverse strength that was chosen.

    Every window learns, and those of one recording count as one example together. The strength is the one with the
    lowest negative log likelihood of recordings of groups that were held out, each by the mean probability of its
    windows.

    Parameters
    ----------
    balanced
        Whether every label counts the same, see `Training.class_weights`.
    seed
        Of the folds.

    Raises
    ------
    DataError
        When a label has one example only, so that none can be held out.
    """
    x, owners, labels = _rows(head, examples)
    counts = np.bincount(examples.targets[:, 0], minlength=head.n_labels)
    if counts.min() < 2:
        raise DataError(
            f"a label has {counts.min()} training example(s); a logistic head needs two a label, of which one is held"
            " out to choose its strength: add examples, or set model.head = 'linear'"
        )
    weights = _weights(owners, labels, balanced=balanced)
    strength = _choose(x, owners, labels, weights=weights, groups=np.array(examples.groups), seed=seed)
    rows, biases = _of_all_labels(_fitted(_regression(strength), x, labels, weights))
    head.head.load_state_dict({"weight": torch.from_numpy(rows), "bias": torch.from_numpy(biases)})
    return strength


def _rows(head: StandardizedHead, examples: FeatureSet) -> tuple[FloatArray, IntArray, IntArray]:
    """Return the standardised embeddings of all windows of all views that are not silent, whose each is, its label."""
    blocks, owners, labels = [], [], []
    for i in range(len(examples)):
        for v in range(examples.n_views):
            windows = examples.load(i, v).windows()
            block = windows.batch[windows.weights > 0][:, 0, :, 0]
            blocks.append(block)
            owners += [i] * len(block)
            labels += [examples.targets[i, v]] * len(block)
    with torch.no_grad():
        x = head.standardize(torch.from_numpy(np.concatenate(blocks)).to(head.standardize.mean.device))
    return x.cpu().numpy(), np.array(owners), np.array(labels)


def _weights(owners: IntArray, labels: IntArray, *, balanced: bool) -> npt.NDArray[np.float64]:
    """Return the weight of each window, of mean 1: its share of its recording, and of its label where balanced."""
    weights = 1 / np.bincount(owners)[owners]
    if balanced:
        weights /= np.bincount(labels, weights)[labels]
    return weights / weights.mean()


def _choose(
    x: FloatArray,
    owners: IntArray,
    labels: IntArray,
    *,
    weights: npt.NDArray[np.float64],
    groups: npt.NDArray[np.str_],
    seed: int,
) -> float:
    losses = np.zeros(len(STRENGTHS))
    for learn, check in _folds(owners, labels, groups, seed=seed):
        model = None
        for rank, strength in enumerate(STRENGTHS):
            # Each starts from the one before, which is nearly there.
            model = _fitted(_regression(strength, start=model), x[learn], labels[learn], weights[learn])
            losses[rank] += _loss(model, x[check], owners[check], labels[check], weights[check])
    return STRENGTHS[int(np.argmin(losses))]


def _folds(
    owners: IntArray, labels: IntArray, groups: npt.NDArray[np.str_], *, seed: int
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the rows to learn from and to check on: whole groups are held out, or recordings where groups are few."""
    from sklearn.model_selection import StratifiedGroupKFold

    of_group = np.unique(groups, return_inverse=True)[1][owners]
    n_folds = min(MOST_FOLDS, _fewest(of_group, labels))
    if n_folds < 2:
        of_group, n_folds = owners, min(MOST_FOLDS, _fewest(owners, labels))
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    yield from folds.split(np.zeros(len(labels)), labels, of_group)


def _fewest(of_group: IntArray, labels: IntArray) -> int:
    """Return the smallest number of groups that a label has."""
    return min(len(np.unique(of_group[labels == label])) for label in np.unique(labels))


def _regression(strength: float, *, start: LogisticRegression | None = None) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=MOST_STEPS, tol=TOLERANCE, warm_start=True) if start is None else start
    return model.set_params(C=strength)


def _fitted(
    model: LogisticRegression, x: FloatArray, labels: IntArray, weights: npt.NDArray[np.float64]
) -> LogisticRegression:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # After so many steps nothing changes that could be measured.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, labels, sample_weight=weights)


def _loss(
    model: LogisticRegression, x: FloatArray, owners: IntArray, labels: IntArray, weights: npt.NDArray[np.float64]
) -> float:
    """Return the weighted negative log likelihood of recordings by the mean probability of their windows."""
    probability = np.zeros((len(x), 1 + max(labels.max(), model.classes_.max())))
    probability[:, model.classes_] = model.predict_proba(x)
    owner = np.unique(owners, return_inverse=True)[1]
    right = np.bincount(owner, probability[np.arange(len(x)), labels]) / np.bincount(owner)
    return float(-(np.bincount(owner, weights) * np.log(right.clip(1e-9))).sum())


def _of_all_labels(model: LogisticRegression) -> tuple[FloatArray, FloatArray]:
    """Return the weights and biases of every label; two labels share one row, and differ by it."""
    rows, biases = model.coef_, model.intercept_
    if len(rows) == 1:
        rows, biases = np.concatenate([-rows, rows]) / 2, np.concatenate([-biases, biases]) / 2
    return rows.astype(np.float32), biases.astype(np.float32)

"""Multinomial logistic regression as the head of a frozen backbone, its strength chosen by grouped cross-validation."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from earmark.errors import DataError
from earmark.models import StandardizedHead
from earmark.training.examples import FeatureSet
from earmark.training.loop import Row, validate
from earmark.training.training_config import Training
from earmark.types import FloatArray, IntArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

log = logging.getLogger(__name__)

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Inverse strengths of regularisation (scikit-learn's C, for a weight of 1 an example) that are tried."""
MOST_FOLDS = 5
TOLERANCE = 1e-3
MOST_STEPS = 200
USUAL_STRENGTH = 0.1
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
    lowest negative log likelihood of recordings of groups that were held out, each by its mean embedding.

    Parameters
    ----------
    balanced
        Whether every label counts the same, see `Training.class_weights`.
    seed
        Of the folds.

    A label with one example leaves none to hold out; then the strength is `USUAL_STRENGTH`, and that is said.

    Raises
    ------
    DataError
        When a label has no example.
    """
    counts = np.bincount(examples.targets[:, 0], minlength=head.n_labels)
    if not counts.min():
        raise DataError("a label has no training example; add some, or leave the label out")
    windows, pooled = _rows(head, examples)
    groups = np.unique(examples.groups, return_inverse=True)[1]
    if counts.min() < 2:
        log.warning("a label has 1 training example, so the strength of the logistic head is not chosen by others")
        strength = USUAL_STRENGTH
    else:
        strength = _choose(pooled, groups, balanced=balanced, seed=seed)
    rows, biases = _of_all_labels(_fitted(_regression(strength), windows, windows.weights(balanced=balanced)))
    head.head.load_state_dict({"weight": torch.from_numpy(rows), "bias": torch.from_numpy(biases)})
    return strength


@dataclass(frozen=True)
class Rows:
    """Embeddings with what is known of each.

    Attributes
    ----------
    x
        ``(n, n_embedding)``.
    owners
        Index of the example that each belongs to.
    labels
        Index of its label.
    """

    x: FloatArray
    owners: IntArray
    labels: IntArray

    def __getitem__(self, chosen: IntArray) -> Rows:
        return Rows(self.x[chosen], self.owners[chosen], self.labels[chosen])

    def weights(self, *, balanced: bool) -> npt.NDArray[np.float64]:
        """Return the weight of each: its share of its example, and of its label where `balanced`; 1 an example."""
        weights = 1 / np.bincount(self.owners)[self.owners]
        total = weights.sum()
        if balanced:
            weights /= np.bincount(self.labels, weights)[self.labels]
        scaled: npt.NDArray[np.float64] = weights * (total / weights.sum())
        return scaled


def _rows(head: StandardizedHead, examples: FeatureSet) -> tuple[Rows, Rows]:
    """Return the standardised embeddings of all windows that are not silent, and their mean in every view."""
    blocks, owners, labels = [], [], []
    device = head.standardize.mean.device
    for i in range(len(examples)):
        for v in range(examples.n_views):
            windows = examples.load(i, v).windows()
            heard = windows.batch[windows.weights > 0][:, 0, :, 0]
            if len(heard):
                with torch.no_grad():
                    blocks.append(head.standardize(torch.from_numpy(heard).to(device)).cpu().numpy())
                owners.append(i)
                labels.append(examples.targets[i, v])
    lengths = [len(block) for block in blocks]
    every = Rows(np.concatenate(blocks), np.repeat(owners, lengths), np.repeat(labels, lengths))
    return every, Rows(np.stack([block.mean(0) for block in blocks]), np.array(owners), np.array(labels))


def _choose(rows: Rows, groups: IntArray, *, balanced: bool, seed: int) -> float:
    weights, losses = rows.weights(balanced=balanced), np.zeros(len(STRENGTHS))
    for learn, check in _folds(rows, groups, seed=seed):
        model = None
        for rank, strength in enumerate(STRENGTHS):
            # Each starts from the one before, which is nearly there.
            model = _fitted(_regression(strength, start=model), rows[learn], weights[learn])
            losses[rank] += _loss(model, rows[check], weights[check])
    return STRENGTHS[int(np.argmin(losses))]


def _folds(rows: Rows, groups: IntArray, *, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the rows to learn from and to check on: whole groups are held out, or recordings where groups are few."""
    from sklearn.model_selection import StratifiedGroupKFold

    of_group = groups[rows.owners]
    n_folds = min(MOST_FOLDS, _fewest(of_group, rows.labels))
    if n_folds < 2:
        of_group, n_folds = rows.owners, min(MOST_FOLDS, _fewest(rows.owners, rows.labels))
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    yield from folds.split(np.zeros(len(rows.labels)), rows.labels, of_group)


def _fewest(of_group: IntArray, labels: IntArray) -> int:
    """Return the smallest number of groups that a label has."""
    return min(len(np.unique(of_group[labels == label])) for label in np.unique(labels))


def _regression(strength: float, *, start: LogisticRegression | None = None) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=MOST_STEPS, tol=TOLERANCE, warm_start=True) if start is None else start
    return model.set_params(C=strength)


def _fitted(model: LogisticRegression, rows: Rows, weights: npt.NDArray[np.float64]) -> LogisticRegression:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # After so many steps nothing changes that could be measured.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows.x, rows.labels, sample_weight=weights)


def _loss(model: LogisticRegression, rows: Rows, weights: npt.NDArray[np.float64]) -> float:
    """Return the weighted negative log likelihood, also of labels that the model has not met."""
    probability = np.zeros((len(rows.x), 1 + max(rows.labels.max(), model.classes_.max())))
    probability[:, model.classes_] = model.predict_proba(rows.x)
    right = probability[np.arange(len(rows.x)), rows.labels]
    return float(-(weights * np.log(right.clip(1e-9))).sum())


def _of_all_labels(model: LogisticRegression) -> tuple[FloatArray, FloatArray]:
    """Return the weights and biases of every label; two labels share one row, and differ by it."""
    rows, biases = model.coef_, model.intercept_
    if len(rows) == 1:
        rows, biases = np.concatenate([-rows, rows]) / 2, np.concatenate([-biases, biases]) / 2
    return rows.astype(np.float32), biases.astype(np.float32)

"""Multinomial logistic regression as the head of a frozen backbone, its strength chosen by grouped cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from earmark.models import StandardizedHead
from earmark.training.examples import FeatureSet
from earmark.training.head_rows import Rows, can_hold_out, grouped_folds, head_rows
from earmark.types import FloatArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Inverse strengths of regularisation (scikit-learn's C, for a weight of 1 an example) that are tried."""
TOLERANCE = 1e-3
MOST_STEPS = 200
USUAL_STRENGTH = 0.1


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
    is_chosen = can_hold_out(examples, n_labels=head.n_labels, head="logistic")
    windows, pooled = head_rows(head, examples)
    strength = _choose(pooled, examples.groups, balanced=balanced, seed=seed) if is_chosen else USUAL_STRENGTH
    rows, biases = _of_all_labels(_fitted(_regression(strength), windows, windows.weights(balanced=balanced)))
    head.head.load_state_dict({"weight": torch.from_numpy(rows), "bias": torch.from_numpy(biases)})
    return strength


def _choose(rows: Rows, groups: Sequence[str], *, balanced: bool, seed: int) -> float:
    weights, losses = rows.weights(balanced=balanced), np.zeros(len(STRENGTHS))
    for learn, check in grouped_folds(rows, groups, seed=seed):
        model = None
        for rank, strength in enumerate(STRENGTHS):
            # Each starts from the one before, which is nearly there.
            model = _fitted(_regression(strength, start=model), rows[learn], weights[learn])
            losses[rank] += _loss(model, rows[check], weights[check])
    return STRENGTHS[int(np.argmin(losses))]


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

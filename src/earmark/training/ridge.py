"""Ridge regression on the labels as the head of a frozen backbone, its strength chosen by grouped cross-validation.

Least squares on one column a label, 1 where it is right and 0 elsewhere (Hastie, Tibshirani & Friedman 2009, section
4.2), with the squares of the weights beside it (Hoerl & Kennard 1970). Where recordings are few and embeddings long it
can hold better for other groups than logistic regression, which goes on to separate what is separated already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from earmark.evaluation import fit_temperature
from earmark.models import StandardizedHead
from earmark.recognizer.network import log_softmax
from earmark.training.examples import FeatureSet
from earmark.training.head_rows import Rows, can_hold_out, grouped_folds, head_rows

Numbers = npt.NDArray[np.float64]

STRENGTHS = (0.03, 0.1, 0.3, 1.0)
"""Strengths that are tried: shares of the mean squared length of an embedding."""
USUAL_STRENGTH = 0.3
USUAL_SCALE = 9.0
"""What scores are multiplied by, so that their softmax is a probability, where no held-out ones tell."""
LEAST_DEVIATION = 0.05
"""Numbers of the embedding that vary less, relative to the median deviation, are left out: another level or noise would
be magnified more than anything that tells labels apart."""


def fit_ridge(
    head: StandardizedHead, examples: FeatureSet, *, balanced: bool, seed: int, strength: float | None = None
) -> float:
    """Fit the dense layer of `head` to embeddings and return the strength that was used.

    Every recording learns by its mean embedding, in every view. The strength is the one with the lowest negative log
    likelihood of recordings of groups that were held out, after temperature scaling; the scores are divided by that
    temperature. Labels are as likely as their weights say before anything is heard.

    Parameters
    ----------
    balanced
        Whether every label counts the same, see `Training.class_weights`.
    seed
        Of the folds.
    strength
        Instead of the chosen one.

    A label with one example leaves none to hold out; then strength and scale are the usual ones, and that is said.

    Raises
    ------
    DataError
        When a label has no example.
    """
    is_chosen = can_hold_out(examples, n_labels=head.n_labels, head="ridge")
    _, rows = head_rows(head, examples)
    deviation = head.standardize.deviation.cpu().numpy()
    rows = Rows(rows.x * (deviation >= LEAST_DEVIATION * np.median(deviation)), rows.owners, rows.labels)
    if is_chosen:
        tried = STRENGTHS if strength is None else (strength,)
        strength, scale = _choose(rows, examples.groups, tried, balanced=balanced, seed=seed)
    else:
        strength, scale = strength or USUAL_STRENGTH, USUAL_SCALE
    layer = _fitted(rows, rows.weights(balanced=balanced), strength, n_labels=head.n_labels)
    state = {"weight": scale * layer.weight, "bias": scale * layer.bias}
    head.head.load_state_dict({name: torch.from_numpy(value.astype(np.float32)) for name, value in state.items()})
    return strength


@dataclass(frozen=True)
class _Layer:
    """A dense layer: ``(n_labels, n_embedding)`` and ``(n_labels,)``."""

    weight: Numbers
    bias: Numbers

    def scores(self, rows: Rows) -> Numbers:
        found: Numbers = rows.x @ self.weight.T + self.bias
        return found


def _fitted(rows: Rows, weights: Numbers, strength: float, *, n_labels: int) -> _Layer:
    """Return the regression of labels on embeddings; the mean embedding gets the share of each label."""
    shares = np.bincount(rows.labels, weights, n_labels) / weights.sum()
    centre = rows.x.mean(0, dtype=np.float64)
    x = rows.x - centre
    gram = (x * weights[:, None]).T @ x
    # Also where all embeddings are the same, one is subtracted from nothing.
    penalty = strength * max(np.trace(gram) / len(x), 1e-9)
    product = (x * weights[:, None]).T @ (np.eye(n_labels)[rows.labels] - shares)
    weight = np.linalg.solve(gram + penalty * np.eye(len(gram)), product).T
    return _Layer(weight, shares - weight @ centre)


def _choose(
    rows: Rows, groups: Sequence[str], strengths: tuple[float, ...], *, balanced: bool, seed: int
) -> tuple[float, float]:
    """Return the best of `strengths` and what to multiply its scores by."""
    weights, n_labels = rows.weights(balanced=balanced), 1 + int(rows.labels.max())
    scores = np.zeros((len(strengths), len(rows.labels), n_labels))
    for learn, check in grouped_folds(rows, groups, seed=seed):
        for rank, strength in enumerate(strengths):
            layer = _fitted(rows[learn], weights[learn], strength, n_labels=n_labels)
            scores[rank, check] = layer.scores(rows[check])
    temperatures = [fit_temperature(each, rows.labels) for each in scores]
    right = np.arange(len(rows.labels)), rows.labels
    losses = [
        -(weights * log_softmax(each / temperature)[right]).sum()
        for each, temperature in zip(scores, temperatures, strict=True)
    ]
    best = int(np.argmin(losses))
    return strengths[best], 1 / temperatures[best]

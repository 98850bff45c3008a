"""Adaptation of a recognizer to one person: its last layer is fitted to a few examples and held to what it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from earmark.config import Config
from earmark.types import FloatArray, IntArray, RealArray


class AdaptConfig(Config):
    """How the last layer of a recognizer is adapted to a few examples.

    Attributes
    ----------
    strength
        How firmly the weights are held to those they had: the weight of their squared change (L2-SP; Li, Grandvalet
        and Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", ICML 2018), relative
        to the mean squared length of an embedding. Of data that the recognizer was trained on nothing is needed.
    views
        Augmented versions of every example, beside the clean one.
    seed
        Of the augmentations.
    """

    strength: float = Field(default=1.0, gt=0)
    views: int = Field(default=4, ge=0, le=64)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class Head:
    """A last layer: weights ``(n_labels, n_embedding)`` and biases ``(n_labels,)``."""

    weights: FloatArray
    biases: FloatArray

    def logits(self, embeddings: FloatArray) -> FloatArray:
        """Return logits ``(n, n_labels)`` of embeddings ``(n, n_embedding)``."""
        result: FloatArray = embeddings @ self.weights.T + self.biases
        return result


def adapt_head(
    head: Head, embeddings: FloatArray, targets: IntArray, *, example_weights: RealArray, strength: float
) -> Head:
    """Return the last layer with the highest posterior, given a few examples and a prior around what it was.

    Parameters
    ----------
    head
        As it was.
    embeddings, targets
        ``(n, n_embedding)``, and the index of the label of each, ``(n,)``.
    example_weights
        How much each counts in the sum of the losses, ``(n,)``.
    strength
        See `AdaptConfig`.
    """
    from scipy.optimize import minimize

    n_labels, n_embedding = head.weights.shape
    inputs = np.concatenate([embeddings, np.ones((len(embeddings), 1))], axis=1).astype(np.float64)
    before = np.concatenate([head.weights, head.biases[:, None]], axis=1).astype(np.float64)
    ridge = strength * float(np.square(inputs).sum(axis=1).mean())
    truth = np.eye(n_labels)[targets]

    def loss(flat: RealArray) -> tuple[float, RealArray]:
        change = flat.reshape(n_labels, n_embedding + 1)
        logits = inputs @ (before + change).T
        logits -= logits.max(axis=1, keepdims=True)
        log_sums = np.log(np.exp(logits).sum(axis=1))
        errors = example_weights[:, None] * (np.exp(logits - log_sums[:, None]) - truth)
        value = float(example_weights @ (log_sums - (logits * truth).sum(axis=1)))
        gradient = errors.T @ inputs + ridge * change
        return value + ridge * float(np.square(change).sum()) / 2, gradient.ravel()

    found = minimize(loss, np.zeros(before.size), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    after = (before + found.x.reshape(before.shape)).astype(np.float32)
    return Head(after[:, :-1].copy(), after[:, -1].copy())

"""Training objectives: what a batch of logits costs, for one label an example (softmax) or several (sigmoid)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from earmark.types import IntArray, RealArray, Target

LEAST_LIKELIHOOD = 1e-12


class Objective(Protocol):
    """What is learned from the labels of examples."""

    def encode(self, labels: torch.Tensor, n_labels: int) -> torch.Tensor:
        """Return the wanted probabilities, float32 ``(batch, n_labels)``, of labels in the form of `FeatureSet`."""

    def loss(
        self, logits: torch.Tensor, wanted: torch.Tensor, *, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        """Return the mean loss of a batch."""

    def n_right(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Return how many answers are right, a scalar; an answer with several labels can be so in part."""

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return what the logits claim, of the same shape."""

    def score(self, probabilities: RealArray, truth: IntArray) -> tuple[float, float]:
        """Return the negative log likelihood and the share of right answers, both means over examples."""


class SoftmaxCrossEntropy:
    """Exactly one label an example."""

    def encode(self, labels: torch.Tensor, n_labels: int) -> torch.Tensor:
        return functional.one_hot(labels, n_labels).to(torch.float32)

    def loss(
        self, logits: torch.Tensor, wanted: torch.Tensor, *, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        return functional.cross_entropy(logits, wanted, weight=weights, label_smoothing=smoothing)

    def n_right(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return (logits.argmax(1) == wanted.argmax(1)).sum()

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(1)

    def score(self, probabilities: RealArray, truth: IntArray) -> tuple[float, float]:
        likelihood = probabilities[np.arange(len(truth)), truth].clip(LEAST_LIKELIHOOD)
        return float(-np.log(likelihood).mean()), float((probabilities.argmax(1) == truth).mean())


class BinaryCrossEntropy:
    """Any number of labels an example, each a decision of its own: the mean over all decisions."""

    def encode(self, labels: torch.Tensor, n_labels: int) -> torch.Tensor:
        return labels.to(torch.float32)

    def loss(
        self, logits: torch.Tensor, wanted: torch.Tensor, *, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(logits, wanted)

    def n_right(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return ((logits > 0) == (wanted > 0.5)).to(torch.float32).mean(1).sum()

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.sigmoid()

    def score(self, probabilities: RealArray, truth: IntArray) -> tuple[float, float]:
        likelihood = np.where(truth, probabilities, 1 - probabilities).clip(LEAST_LIKELIHOOD)
        return float(-np.log(likelihood).mean()), float(((probabilities >= 0.5) == truth).mean())


OBJECTIVES: dict[Target, Objective] = {"multi-class": SoftmaxCrossEntropy(), "multi-label": BinaryCrossEntropy()}

"""Training objectives: what a batch of logits costs, for one label an example (softmax) or several (sigmoid)."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import numpy as np
import torch
from torch.nn import functional

from earmark.types import IntArray, RealArray, Target

LEAST_LIKELIHOOD = 1e-12

Aim: TypeAlias = Target | Literal["transcription"]
"""What a network is trained for: the target of its recipe, or the notes of clips that are rendered."""


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


class NoteTranscription:
    """Keys that sound at each frame, that are struck there, and that sound in the whole clip; and how loud a stroke is.

    Everything is packed into ``(batch, 3 * frame + 1, key)``: frames, onsets, velocities, the clip. A truth of -1, and
    a velocity of NaN, counts for nothing.
    """

    onset_weight, clip_weight, velocity_weight = 2.0, 2.0, 1.0

    def encode(self, labels: torch.Tensor, n_labels: int) -> torch.Tensor:
        return labels.to(torch.float32)

    def loss(
        self, logits: torch.Tensor, wanted: torch.Tensor, *, weights: torch.Tensor | None, smoothing: float
    ) -> torch.Tensor:
        logits = logits.to(torch.float32)
        frames, onsets, velocities, clip = _unpacked(logits)
        true_frames, true_onsets, true_velocities, true_clip = _unpacked(wanted)
        decisions = (
            _known_cross_entropy(frames, true_frames)
            + self.onset_weight * _known_cross_entropy(onsets, true_onsets)
            + self.clip_weight * _known_cross_entropy(clip, true_clip)
        )
        known = true_velocities.isfinite()
        error = torch.where(known, velocities - true_velocities.nan_to_num(), 0.0).square().sum()
        return _LOSS_SCALE * decisions + self.velocity_weight * error / known.sum().clamp(min=1)

    def n_right(self, logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        clip, truth = logits[:, -1], wanted[:, -1]
        return (((clip > 0) == (truth > 0.5)) | (truth < 0)).to(torch.float32).mean(1).sum()

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.sigmoid()

    def score(self, probabilities: RealArray, truth: IntArray) -> tuple[float, float]:
        return BinaryCrossEntropy().score(probabilities, truth)


_LOSS_SCALE = 20.0
"""Of a mean over all decisions, nearly all of which are silent keys."""


def _unpacked(packed: torch.Tensor) -> tuple[torch.Tensor, ...]:
    n_frames = (packed.shape[1] - 1) // 3
    return torch.split(packed, [n_frames, n_frames, n_frames, 1], dim=1)


def _known_cross_entropy(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    known = (truth >= 0).to(logits.dtype)
    return functional.binary_cross_entropy_with_logits(logits, truth.clamp(min=0), weight=known)


OBJECTIVES: dict[Aim, Objective] = {
    "multi-class": SoftmaxCrossEntropy(),
    "multi-label": BinaryCrossEntropy(),
    "transcription": NoteTranscription(),
}

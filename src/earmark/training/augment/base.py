"""What every augmentation is, and the registry of them.

Two stages. A *content* augmentation changes a sound or its strokes before the features are made; it is computed once
for each cached view (`Training.views`). A *batch* augmentation changes normalised pictures (0 silence or paper, 1 peak
or ink) at every step.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import numpy as np
import torch

from earmark.config import Config
from earmark.registry import Registry
from earmark.types import Content, Domain

Range: TypeAlias = tuple[float, float]


class Augmentation(Config):
    """Base of all augmentations.

    Attributes
    ----------
    kind
        The registered name.
    domains
        Where it makes sense.
    why_refused
        Said in the error when a recipe of another domain asks for it.
    """

    kind: str
    domains: ClassVar[frozenset[Domain]]
    why_refused: ClassVar[str] = ""


class ContentAugmentation(Augmentation):
    """Changes a sound or strokes, and perhaps the label."""

    def relabel(self, label: str, labels: tuple[str, ...], rng: np.random.Generator) -> str:
        """Return the label that the content will have, one of `labels`; this must be cheap."""
        return label

    def __call__(self, content: Content, label: str, new_label: str, rng: np.random.Generator) -> Content:
        """Return the changed content, which was an example of `label` and becomes one of `new_label`."""
        raise NotImplementedError


class BatchAugmentation(Augmentation):
    """Changes a batch of pictures and their targets.

    Attributes
    ----------
    keeps_numbers
        Whether numbers about a picture, which are rows below it, still fit afterwards.
    """

    keeps_numbers: ClassVar[bool] = False

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return changed pictures and targets.

        Parameters
        ----------
        pictures
            ``(batch, channel, freq|height, time|width)`` in 0…1.
        targets
            ``(batch, n_labels)``, probabilities.
        rng
            On the CPU, so that a run repeats on any device.
        """
        raise NotImplementedError


AUGMENTATIONS: Registry[type[Augmentation]] = Registry("augmentation")


def uniform(rng: torch.Generator, n: int, low: float, high: float, *, like: torch.Tensor) -> torch.Tensor:
    """Return `n` random numbers in `low`…`high` on the device of `like`."""
    return (torch.rand(n, generator=rng) * (high - low) + low).to(like.device)

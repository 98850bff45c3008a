"""The contract of augmentations, and their registry.

Two stages. A *content* augmentation changes a sound or its strokes before the features are made; it is computed once
for each cached view (`Training.views`). A *batch* augmentation changes normalised pictures (0 silence or paper, 1 peak
or ink) at every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import torch

from earmark.config import Config, Registry
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


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a content augmentation has drawn for one view before the content is read.

    Attributes
    ----------
    label
        The label that the changed content will have.
    semitones
        Steps by which the pitch is moved.
    is_synthesized
        Whether a synthesised note of `label` takes the place of the content.
    """

    label: str
    semitones: int = 0
    is_synthesized: bool = False


class ContentAugmentation(Augmentation):
    """Changes a sound or strokes, and perhaps the label.

    Labels are needed long before contents, which may be in the feature cache, so `draw` decides on them alone.
    """

    def draw(self, label: str, labels: tuple[str, ...], rng: np.random.Generator) -> Drawn:
        """Draw what will become of an example of `label`; the new label is one of `labels`. This must be cheap."""
        return Drawn(label)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        """Return the changed content, as it was drawn."""
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

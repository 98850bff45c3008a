"""What a network sees of an example: its features, normalised, plain and augmented as in training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from earmark.data import Example, Manifest
from earmark.models.base import Normalize
from earmark.training.augment import BatchAugmentation
from earmark.training.examples import ViewLoader, views_of
from earmark.training.recipe import Recipe
from earmark.training.settle import settle
from earmark.types import FloatArray


def network_views(
    recipe: Recipe, manifest: Manifest, *, n_augmented: int
) -> Callable[[Example], list[tuple[str, FloatArray]]]:
    """Return what gives the first channel of the input of a network for an example, ``(freq|height, time|width)``.

    The first is plain, `n_augmented` more are as in training; all are in 0…1.

    Raises
    ------
    DataError
        As `settle`.
    """
    recipe, divided = settle(recipe, manifest)
    labels, place = divided.labels, replace(divided, examples=())
    normalize = Normalize(recipe.model.normalize, recipe.model.floor_db)
    changes = [change for change in recipe.augment if isinstance(change, BatchAugmentation)]
    loader = ViewLoader(place, recipe)
    length_s = None if recipe.window is None else recipe.window.length_s

    def views(example: Example) -> list[tuple[str, FloatArray]]:
        (numbered,) = views_of(replace(place, examples=(example,)).hashed(), recipe, n_views=n_augmented, labels=labels)
        rng = torch.Generator().manual_seed(recipe.training.seed)
        shown = []
        for view in numbered:
            # Without content augmentations every view is the clean one, which the batch augmentations then change.
            features = loader(view if recipe.training.views else numbered[0]).random(0.0, length_s)
            pictures = normalize(torch.from_numpy(np.array(features))[None])
            targets = torch.nn.functional.one_hot(torch.tensor([0]), max(len(labels), 2)).float()
            for change in changes if view.number else ():
                pictures, targets = change(pictures, targets, rng)
            words = f"augmented {view.number}" if view.number else "network input"
            shown.append((words, _unit(pictures[0, 0].numpy(), is_ink=recipe.features.domain == "ink")))
        return shown

    return views


def _unit(values: FloatArray, *, is_ink: bool) -> FloatArray:
    """Return values in 0…1 to be looked at; those of ink, and of a normalised picture, are already."""
    if is_ink or (values.min() >= 0 and values.max() <= 1):
        return values
    span = float(np.ptp(values)) or 1.0
    scaled: FloatArray = (values - values.min()) / np.float32(span)
    return scaled

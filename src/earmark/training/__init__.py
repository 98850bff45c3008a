"""Learning from examples: recipes, augmentations, the loop, runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.training.augment import AUGMENTATIONS as AUGMENTATIONS
    from earmark.training.decline import teach_to_decline as teach_to_decline
    from earmark.training.folds import train_every_fold as train_every_fold
    from earmark.training.recipe import Recipe as Recipe
    from earmark.training.recipe import Training as Training
    from earmark.training.recipe import load_recipe as load_recipe
    from earmark.training.run import Run as Run
    from earmark.training.run import train as train
    from earmark.training.shipped import shipped_recipes as shipped_recipes

# Filled on first use (PEP 562): most of it imports torch, listing the recipes need not.
_HOMES = {
    "AUGMENTATIONS": "augment",
    "Recipe": "recipe",
    "Run": "run",
    "Training": "recipe",
    "load_recipe": "recipe",
    "shipped_recipes": "shipped",
    "teach_to_decline": "decline",
    "train": "run",
    "train_every_fold": "folds",
}

__all__ = [
    "AUGMENTATIONS",
    "Recipe",
    "Run",
    "Training",
    "load_recipe",
    "shipped_recipes",
    "teach_to_decline",
    "train",
    "train_every_fold",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'earmark.training' has no attribute {name!r}")
    return getattr(import_module(f"earmark.training.{_HOMES[name]}"), name)

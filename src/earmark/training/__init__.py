"""Fitting of networks: recipes, augmentations, the loop, export."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.training.augment import AUGMENTATIONS as AUGMENTATIONS
    from earmark.training.recipe import Recipe as Recipe
    from earmark.training.recipe import load_recipe as load_recipe
    from earmark.training.shipped import shipped_recipes as shipped_recipes
    from earmark.training.training_config import Training as Training

# Filled on first use (PEP 562): most of it imports torch, listing the recipes need not.
_HOMES = {
    "AUGMENTATIONS": "augment",
    "Recipe": "recipe",
    "Training": "recipe",
    "load_recipe": "recipe",
    "shipped_recipes": "shipped",
}

__all__ = ["AUGMENTATIONS", "Recipe", "Training", "load_recipe", "shipped_recipes"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'earmark.training' has no attribute {name!r}")
    return getattr(import_module(f"earmark.training.{_HOMES[name]}"), name)

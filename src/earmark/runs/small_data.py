"""Choice of the recipe by the amount of data: where examples are few, one that starts from pretrained weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from earmark.data import Manifest
from earmark.training.recipe import Recipe, load_recipe
from earmark.training.split import split_for

KEEPS_RECIPE = ("model", "features", "augment", "window")
"""Parts of a recipe; who changes one of them wants this recipe and no other."""

log = logging.getLogger(__name__)


def recipe_for_data(recipe: Recipe, manifest: Manifest, *, overrides: Sequence[str] = ()) -> Recipe:
    """Return `recipe`, or the one that it names for small data where there is little, and say so.

    Parameters
    ----------
    overrides
        The changes that `recipe` was loaded with; they are made to the other recipe too.
    """
    rule = recipe.small_data
    changed = {override.partition("=")[0].strip().partition(".")[0] for override in overrides}
    if rule is None or not rule.below or changed & set(KEEPS_RECIPE):
        return recipe
    kept = [override for override in overrides if not override.strip().startswith("small_data")]
    other = load_recipe(rule.recipe, overrides=kept)
    if manifest.domain != other.features.domain:
        return recipe
    n_labels = len(manifest.labels)
    n_train = len(split_for(recipe, manifest).part("train"))
    if n_train >= rule.below * n_labels:
        return recipe
    log.warning(
        "%d training examples of %d labels are few, so the recipe %r is used in place of %r: it starts from pretrained"
        " weights; to train from nothing all the same, add --set small_data.below=0",
        n_train,
        n_labels,
        other.name,
        recipe.name,
    )
    return other

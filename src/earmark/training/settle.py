"""What of a recipe depends on the data: which parts there are, and how its pictures are to be cut and read."""

from __future__ import annotations

import logging
from pathlib import Path

from earmark.data import Examples, Manifest, as_manifest, read_content
from earmark.data.clips import clips_of
from earmark.data.readers.images import sample_of
from earmark.data.splits import has_choice
from earmark.errors import ConfigError
from earmark.features import NumberFeatures, PictureFeatures
from earmark.training.recipe import Recipe
from earmark.training.split import fitting, split_for
from earmark.types import Domain, Image

log = logging.getLogger(__name__)

N_LOOKED_AT = 48


def preferred_domain(recipe: Recipe) -> Domain | None:
    """Return what to take of a source that leaves a choice."""
    return "picture" if recipe.features.domain == "picture" else None


def read_for(recipe: Recipe, data: Manifest | Examples | str | Path) -> Manifest:
    """Return a manifest of what the recipe reads, where the source leaves a choice.

    Raises
    ------
    DataError
        When the recipe cannot use it, which is found before any example is read.
    """
    manifest = as_manifest(data, domain=preferred_domain(recipe))
    fitting(recipe, manifest)
    return manifest


def settle(recipe: Recipe, manifest: Manifest) -> tuple[Recipe, Manifest]:
    """Return the recipe with everything decided, and the examples, each in its part.

    Data that is divided already keeps its parts, unless the recipe itself names a protocol or folds. What pictures have
    in common, their colour map and margins, is found in the training part and said.

    Raises
    ------
    DataError, ConfigError
        As `split_for`; when there are no windows to cut clips of.
    """
    if recipe.split.unit == "clip":
        if recipe.window is None:
            raise ConfigError(f"recipe {recipe.name!r}: split.unit = 'clip' needs the windows of sounds; leave it out")
        manifest = clips_of(manifest, recipe.window.length_s)
    if manifest.is_divided and has_choice(recipe.split):
        log.warning("%s: is divided already, so its own parts are used", manifest.name)
        given = recipe.split.model_copy(update={"protocol": "given"})
        recipe = recipe.model_copy(update={"split": given})
    manifest = split_for(recipe, manifest)
    return _with_columns(with_pictures(recipe, manifest), manifest), manifest


def _with_columns(recipe: Recipe, manifest: Manifest) -> Recipe:
    """Return the recipe with the columns of a table, where it names none."""
    features = recipe.features
    if not isinstance(features, NumberFeatures) or features.columns:
        return recipe
    found = features.model_copy(update={"columns": manifest.table.names})
    return recipe.model_copy(update={"features": found})


def with_pictures(recipe: Recipe, manifest: Manifest) -> Recipe:
    """Return the recipe with the colour map and the margins of the pictures of a divided manifest."""
    features = recipe.features
    if not isinstance(features, PictureFeatures) or (features.margins is not None and features.colour_map):
        return recipe
    train = manifest.part("train")
    contents = (read_content(train, example) for example in sample_of(train, n=N_LOOKED_AT))
    found = features.fitted([content for content in contents if isinstance(content, Image)])
    if found.file_size is not None:
        height, width = found.file_size
        top, right, bottom, left = found.margins or (0, 0, 0, 0)
        cut = f"cut to {height - top - bottom} × {width - left - right}, " if any((top, right, bottom, left)) else ""
        log.warning(
            "%s: pictures of %d × %d pixels, %sread by the colour map %s; change it by features.margins and "
            "features.colour_map",
            manifest.name,
            height,
            width,
            cut,
            found.colour_map,
        )
    return recipe.model_copy(update={"features": found})

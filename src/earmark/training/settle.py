"""What of a recipe depends on the data: whether it fits or another does, the parts, how pictures are cut and read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from earmark.data import Examples, Manifest, apply_split, as_manifest, leaks, read_content
from earmark.data.clips import clips_of
from earmark.data.numbers import columns_beside
from earmark.data.readers.images import sample_of
from earmark.data.splits import has_choice
from earmark.errors import ConfigError, DataError
from earmark.features import NumberFeatures, PictureFeatures, PictureFusion, SoundFeatures
from earmark.text import counted, some
from earmark.training.augment import ContentAugmentation
from earmark.training.recipe import Recipe, load_recipe
from earmark.types import Domain, Image

log = logging.getLogger(__name__)

N_LOOKED_AT = 48
"""Pictures whose colour map and margins are looked at."""

KEEPS_RECIPE = ("model", "features", "augment", "window")
"""Parts of a recipe; who changes one of them wants this recipe and no other."""

N_NAMED = 3
"""Leaking groups that the warning names."""

_HINTS = {
    ("picture", "ink"): "choose picture/minivgg, or add --as ink if its images are drawings",
    ("ink", "picture"): "choose the recipe 'drawing', or add --as picture if its images are spectrograms",
    ("ink", "sound"): "choose the recipe 'drawing', or add --as picture if its images are spectrograms",
    ("table", "sound"): "choose the recipe 'numbers', or give the sounds; arrays of samples need sample_rate_hz",
    ("sound", "picture"): "choose a recipe for sounds, such as 'sound'; 'earmark show' makes pictures of sounds",
}


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
    if isinstance(features, NumberFeatures) and not features.columns:
        changes: dict[str, object] = {"columns": manifest.table.names}
    elif isinstance(features, PictureFusion) and not features.table.columns:
        changes = {"table": features.table.model_copy(update={"columns": columns_beside(manifest)})}
    else:
        return recipe
    return recipe.model_copy(update={"features": features.model_copy(update=changes)})


def with_pictures(recipe: Recipe, manifest: Manifest) -> Recipe:
    """Return the recipe with the colour map and the margins of the pictures of a divided manifest."""
    whole = recipe.features
    features = whole.picture if isinstance(whole, PictureFusion) else whole
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
            "%s: pictures of %d × %d pixels, %sread by the colour map %s; change it by %smargins and colour_map",
            manifest.name,
            height,
            width,
            cut,
            found.colour_map,
            "features." if features is whole else "features.picture.",
        )
    if isinstance(whole, PictureFusion):
        return recipe.model_copy(update={"features": whole.model_copy(update={"picture": found})})
    return recipe.model_copy(update={"features": found})


def split_for(recipe: Recipe, manifest: Manifest) -> Manifest:
    """Return the examples that the recipe can use, each in its part; warn when the split leaks.

    Raises
    ------
    DataError
        When the recipe cannot read the data or its labels, or change it as it wants to, or a label is missing from the
        training part.
    """
    manifest = fitting(recipe, manifest)
    manifest = apply_split(manifest.hashed(), recipe.split)
    if leaking := leaks(manifest):
        log.warning("%s", _leak_warning(leaking))
    missing = set(manifest.labels) - set(manifest.part("train").labels)
    if missing:
        raise DataError(
            f"{manifest.name}: the training part has no example of {', '.join(sorted(missing))}; every label needs "
            "groups enough for all parts: add examples, leave the label out, or change [split]"
        )
    return manifest


def fitting(recipe: Recipe, manifest: Manifest) -> Manifest:
    """Return the examples with the target of the recipe; refuse, before any file is read, what it cannot use.

    Raises
    ------
    DataError
        When the recipe cannot read the data or its labels, or change it as it wants to, or there is only one label.
    """
    manifest = manifest.with_target(recipe.target)
    if len(manifest.labels) < 2:
        raise DataError(
            f"{manifest.name}: has only one label, {manifest.labels[0]!r}; a recognizer needs two or more; give the "
            "folder whose sub-folders are the classes, or add examples of another label"
        )
    readable = recipe.features.reads
    if manifest.domain == "picture" and isinstance(recipe.features, SoundFeatures) and _in_image_files(manifest):
        # A backbone that was trained on sounds cannot see pictures in an unknown scale.
        bound = recipe.model.wanted_features is not None
        way = "" if bound else "add --set features.kind=picture to train its network on the pictures, or "
        raise DataError(
            f"{manifest.name}: holds spectrogram pictures, and recipe {recipe.name!r} computes spectrograms of sounds "
            f"itself; {way}choose picture/minivgg or picture/resnet18"
        )
    if manifest.domain not in readable:
        hint = _HINTS.get((manifest.domain, recipe.features.domain), "choose another recipe or other data")
        raise DataError(
            f"{manifest.name}: holds {manifest.domain} data, but recipe {recipe.name!r} reads {' or '.join(readable)}; "
            f"{hint}"
        )
    _refuse_or_say_numbers(recipe, manifest)
    for change in recipe.augment:
        if isinstance(change, ContentAugmentation) and manifest.domain not in change.domains:
            raise DataError(
                f"{manifest.name}: holds {manifest.domain} data made of sounds, and {change.kind!r} of recipe "
                f"{recipe.name!r} changes the sounds themselves; give the recordings, or remove it"
            )
    return manifest


def _refuse_or_say_numbers(recipe: Recipe, manifest: Manifest) -> None:
    """Refuse pictures without the numbers that a recipe reads; warn of numbers that it does not read."""
    n_beside = sum(bool(example.numbers) for example in manifest)
    if isinstance(recipe.features, PictureFusion) and n_beside < len(manifest):
        lack = "no numbers" if not n_beside else f"numbers beside {n_beside} of {len(manifest)} pictures only"
        raise DataError(
            f"{manifest.name}: has {lack}, and recipe {recipe.name!r} reads pictures and numbers; add --table CSV with"
            " a row for each picture, or choose picture/resnet18"
        )
    if n_beside and not isinstance(recipe.features, PictureFusion):
        log.warning(
            "%s: recipe %r does not read the numbers beside the pictures; picture/resnet34-fusion does",
            manifest.name,
            recipe.name,
        )


def _in_image_files(manifest: Manifest) -> bool:
    return any(not example.path.rpartition("::")[2].isdecimal() for example in manifest)


def _leak_warning(groups: Sequence[str]) -> str:
    """Return one sentence about groups that are in more than one part.

    >>> _leak_warning(["Abba", "Bach", "Cher", "Dion", "Eno"])
    'the split leaks: 5 groups are in more than one part (Abba, Bach, Cher and 2 more); scores will be too good'
    """
    n_groups = f"{counted(len(groups), 'group')} {'is' if len(groups) == 1 else 'are'}"
    which = some(groups, n=N_NAMED)
    return f"the split leaks: {n_groups} in more than one part ({which}); scores will be too good"


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

"""The split of a recipe applied to a manifest that it can read, with a warning about leaks."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from earmark.data import Manifest, apply_split, leaks
from earmark.errors import DataError
from earmark.features import SoundFeatures
from earmark.text import counted, some
from earmark.training.augment import ContentAugmentation
from earmark.training.recipe import Recipe

log = logging.getLogger(__name__)

N_NAMED = 3
"""Leaking groups that the warning names."""

_HINTS = {
    ("picture", "ink"): "choose picture/minivgg, or add --as ink if its images are drawings",
    ("ink", "picture"): "choose the recipe 'drawing', or add --as picture if its images are spectrograms",
    ("ink", "sound"): "choose the recipe 'drawing', or add --as picture if its images are spectrograms",
    ("sound", "picture"): "choose a recipe for sounds, such as 'sound'; 'earmark show' makes pictures of sounds",
}


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
    for change in recipe.augment:
        if isinstance(change, ContentAugmentation) and manifest.domain not in change.domains:
            raise DataError(
                f"{manifest.name}: holds {manifest.domain} data made of sounds, and {change.kind!r} of recipe "
                f"{recipe.name!r} changes the sounds themselves; give the recordings, or remove it"
            )
    return manifest


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

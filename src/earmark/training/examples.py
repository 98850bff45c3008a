"""Features of every example and view of a manifest, computed once and cached."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from earmark.data import Example, Manifest, read_content
from earmark.errors import DataError
from earmark.features import (
    FeatureCache,
    Features,
    Window,
    WindowFeatures,
)
from earmark.files import sha256_bytes
from earmark.parallel import map_processes, n_cores
from earmark.text import some
from earmark.training.augment import ContentAugmentation, Drawn
from earmark.training.crops import Crops
from earmark.training.make_crops import make_crops, only_compute, parts_of
from earmark.training.recipe import Recipe
from earmark.types import (
    Content,
    FloatArray,
    IntArray,
    Progress,
    Sound,
    Target,
    no_progress,
)
from earmark.units import seconds_to_samples

# Below this size all features are held in memory; above it they stay memory-mapped.
IN_MEMORY_BYTES = 4 * 2**30
# Starting a worker process costs more than making a few hundred features.
FEWEST_FOR_WORKERS = 200
CHUNK = 16
# Counts up when the same settings come to mean other views, so that those in the cache are not taken for them.
VIEWS_VERSION = 2


@dataclass(frozen=True)
class View:
    """One version of one example.

    Attributes
    ----------
    number
        Which one; 0 is clean.
    label
        What it is an example of.
    key
        Where its features lie in the cache, and the seed of what is random in it.
    drawn
        What each content augmentation does to it; none does anything to the clean one.
    """

    example: Example
    number: int
    label: str
    key: str
    drawn: tuple[Drawn, ...] = ()


@dataclass(frozen=True)
class FeatureSet:
    """Features and labels of one part of a manifest.

    Attributes
    ----------
    load
        Returns the crops and windows of example `i` and view `v`.
    targets
        Index of the label, ``(n_examples, n_views)``; view 0 is the clean one. Of multi-label examples 1 for each label
        that they have and 0 for the others, ``(n_examples, n_views, n_labels)``.
    groups
        Group of every example.
    keys
        What the features of each example and view are called in the cache; empty where nothing may be cached.
    """

    load: Callable[[int, int], Crops]
    targets: IntArray
    groups: tuple[str, ...]
    window: Window | None
    features: Features
    keys: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def n_views(self) -> int:
        return int(self.targets.shape[1])

    @property
    def target(self) -> Target:
        return "multi-label" if self.targets.ndim == 3 else "multi-class"

    def label_counts(self, n_labels: int) -> IntArray:
        """Return how many examples have each label, ``(n_labels,)``."""
        clean = self.targets[:, 0]
        counts: IntArray = clean.sum(0) if clean.ndim == 2 else np.bincount(clean, minlength=n_labels)
        return counts


def views_of(manifest: Manifest, recipe: Recipe, *, n_views: int, labels: tuple[str, ...]) -> list[list[View]]:
    """Return the clean view and `n_views` augmented ones of every example."""
    changes = [a for a in recipe.augment if isinstance(a, ContentAugmentation)]
    recipe_of_views = [VIEWS_VERSION, recipe.training.seed, [a.model_dump(mode="json") for a in changes], list(labels)]
    result = []
    for example in manifest.examples:
        content_key: list[Any] = [recipe.features.fingerprint, example.sha256, example.start_s, example.duration_s]
        if isinstance(recipe.features, WindowFeatures) and recipe.window is not None:
            content_key.append(recipe.window.model_dump(mode="json"))
        elif recipe.window is not None and recipe.window.first_s is not None:
            content_key.append(recipe.window.first_s)
        of_example = []
        for number in range(n_views + 1):
            parts = content_key if number == 0 else [*content_key, example.label, number, *recipe_of_views]
            key = sha256_bytes(json.dumps(parts).encode())
            label, drawn, rng = example.label, [], _generator(key, 0)
            for change in changes if number else ():
                drawn.append(change.draw(label, labels, rng))
                label = drawn[-1].label
            of_example.append(View(example, number, label, key, tuple(drawn)))
        result.append(of_example)
    return result


def _generator(key: str, number: int) -> np.random.Generator:
    """Return one of the sources of what is random in a view."""
    return np.random.default_rng([int(key[:16], 16), number])


def read_view(view: View, *, manifest: Manifest, recipe: Recipe) -> Content:
    """Read an example and change it as was drawn for its view."""
    content = read_content(manifest, view.example)
    if recipe.window is not None and recipe.window.first_s is not None and isinstance(content, Sound):
        n_samples = seconds_to_samples(recipe.window.first_s, content.sample_rate_hz)
        content = replace(content, samples=content.samples[:n_samples])
    changes = [a for a in recipe.augment if isinstance(a, ContentAugmentation)]
    rng = _generator(view.key, 1)
    for change, drawn in zip(changes, view.drawn, strict=False):  # nothing is drawn for the clean view
        content = change(content, drawn, rng)
    return content


@dataclass(frozen=True)
class ViewLoader:
    """Makes the crops of views, or finds them in a cache; can be sent to worker processes.

    Attributes
    ----------
    place
        The manifest without its examples: where files are, and what they hold.
    to_score
        See `make_crops`.
    """

    place: Manifest
    recipe: Recipe
    to_score: bool = False

    def __call__(self, view: View, *, cache: FeatureCache | None = None) -> Crops:
        """Return the crops of `view`, keeping the arrays in `cache`."""
        read = lru_cache(1)(partial(read_view, view, manifest=self.place, recipe=self.recipe))
        return make_crops(
            self.recipe.features,
            read,
            domain=self.place.domain,
            window=self.recipe.window,
            to_score=self.to_score,
            store=only_compute if cache is None else partial(_keep, cache, view.key),
            where=view.example.path,
        )

    def is_kept(self, view: View, cache: FeatureCache) -> bool:
        """Tell whether `cache` holds everything of `view`."""
        parts = parts_of(
            self.recipe.features, domain=self.place.domain, window=self.recipe.window, to_score=self.to_score
        )
        return all(_part_key(view.key, part) in cache for part in parts)


def _keep(cache: FeatureCache, key: str, part: str, compute: Callable[[], FloatArray]) -> FloatArray:
    return cache.get(_part_key(key, part), compute)


def _part_key(key: str, part: str) -> str:
    return f"{key} {part}" if part else key


def prepare(
    manifest: Manifest,
    recipe: Recipe,
    *,
    labels: tuple[str, ...],
    cache: FeatureCache,
    augmented: bool = False,
    progress: Progress = no_progress,
) -> FeatureSet:
    """Make the features of a manifest, or find them in the cache.

    Parameters
    ----------
    manifest
        One part; every example must be readable: a bad one raises, it is never replaced.
    labels
        All labels, in the order of the logits.
    augmented
        For a training part: add the recipe's augmented views to the clean one, and keep what random crops are made of;
        otherwise, and where a head is fitted to the embeddings of windows, all windows are made.
    """
    manifest = manifest.hashed()  # the cache tells examples apart by their content
    n_views = recipe.training.views if augmented else 0
    views = views_of(manifest, recipe, n_views=n_views, labels=labels)
    n_kept = 1 if recipe.training.fresh_views else n_views + 1
    flat = [view for of_example in views for view in of_example[:n_kept]]
    # Reading needs only the place of the files; the examples would be sent to the workers over and over.
    loader = ViewLoader(replace(manifest, examples=()), recipe, to_score=recipe.is_frozen or not augmented)
    _fill(cache, flat, loader, progress)
    index = {label: i for i, label in enumerate(labels)}
    if manifest.target == "multi-label":
        targets = label_indicators([[manifest.labels_of(v.example) for v in each] for each in views], labels=labels)
    else:
        targets = np.array([[index[view.label] for view in of_example] for of_example in views], dtype=np.int64)

    def kept(i: int, v: int) -> Crops:
        return loader(views[i][v], cache=cache)

    if kept(0, 0).nbytes * len(flat) <= IN_MEMORY_BYTES:
        held = [[kept(i, v).in_memory() for v in range(n_kept)] for i in range(len(views))]

        def kept(i: int, v: int) -> Crops:
            return held[i][v]

    def load(i: int, v: int) -> Crops:
        return kept(i, v) if v < n_kept else loader(views[i][v])

    groups = tuple(example.group for example in manifest.examples)
    keys = tuple(tuple(view.key for view in of_example) for of_example in views)
    return FeatureSet(load, targets, groups, recipe.window, recipe.features, keys)


def label_indicators(of_views: Sequence[Sequence[Sequence[str]]], *, labels: Sequence[str]) -> IntArray:
    """Return 1 for each label of each view and 0 for the others, ``(n_examples, n_views, n_labels)``."""
    held = np.array([[[label in each for label in labels] for each in views] for views in of_views])
    return held.astype(np.int64)


def _fill(cache: FeatureCache, views: Sequence[View], loader: ViewLoader, progress: Progress) -> None:
    missing = [view for view in views if not loader.is_kept(view, cache)]
    store = partial(_store, folder=cache.folder, loader=loader)
    workers = 1 if len(missing) < FEWEST_FOR_WORKERS else n_cores()
    stored = map_processes(store, missing, workers=workers, chunk=CHUNK, survive_crashes=_crashed)
    progress("features", 0, len(missing), "")
    crashed: list[str] = []
    for done, (_, paths) in enumerate(stored):
        progress("features", done, len(missing), "")
        crashed.extend(paths)
    if crashed:
        raise DataError(f"{some(crashed)}: ends the process that decodes it; replace or remove it")
    progress("features", len(missing), len(missing), "")


def _store(view: View, *, folder: Path, loader: ViewLoader) -> tuple[str, ...]:
    loader(view, cache=FeatureCache(folder))
    return ()


def _crashed(view: View) -> tuple[str, ...]:
    return (view.example.path,)

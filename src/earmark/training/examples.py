"""From a manifest to features: of every example and view, computed once and cached."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.data import Example, Manifest, read_content
from earmark.features import (
    FeatureCache,
    Features,
    InkFeatures,
    SoundFeatures,
    TableFeatures,
    Window,
    WindowFeatures,
)
from earmark.files import sha256_bytes
from earmark.recognizer.windows import cut_features
from earmark.sound import resample
from earmark.training.augment import ContentAugmentation
from earmark.training.recipe import Recipe
from earmark.types import Content, FloatArray, Image, Ink, Numbers, Picture, Progress, Sound, no_progress

IntArray = npt.NDArray[np.int64]

# Below this size all features are held in memory; above it they stay memory-mapped.
IN_MEMORY_BYTES = 4 * 2**30
# Starting a worker process costs more than making a few hundred features.
FEWEST_FOR_WORKERS = 200


def make_features(features: Features, content: Content, *, window: Window | None = None, where: str = "") -> FloatArray:
    """Return ``(channel, freq|height, time|width)`` of any content that the feature kind can read.

    Features of whole windows are those of one `window` after the other. `where` names the content in errors.
    """
    if isinstance(features, SoundFeatures):
        if isinstance(content, Picture):
            return features.from_picture(content)
        if isinstance(content, Sound):
            return features(resample(content, features.sample_rate_hz).samples)
    elif isinstance(features, InkFeatures) and isinstance(content, Ink | Image):
        return features(content)
    elif isinstance(features, TableFeatures) and isinstance(content, Numbers):
        return features.from_numbers(content)
    elif isinstance(features, WindowFeatures) and isinstance(content, Sound) and window is not None:
        cuts = cut_features(content, features, window=window, where=where)
        return np.concatenate([picture for cut in cuts for picture in cut.batch], axis=2)
    raise TypeError(f"{features.kind} features do not read {type(content).__name__}")


@dataclass(frozen=True)
class View:
    """One version of one example: which, how augmented (0 is clean), what it is called, and where its features lie."""

    example: Example
    number: int
    label: str
    key: str


@dataclass(frozen=True)
class FeatureSet:
    """Features and labels of one part of a manifest.

    Attributes
    ----------
    load
        Returns the features of example `i` and view `v`.
    targets
        Index of the label, ``(n_examples, n_views)``; view 0 is the clean one.
    groups
        Group of every example.
    keys
        What the features of each example and view are called in the cache; empty where nothing may be cached.
    """

    load: Callable[[int, int], FloatArray]
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


def views_of(manifest: Manifest, recipe: Recipe, *, n_views: int, labels: tuple[str, ...]) -> list[list[View]]:
    """Return the clean view and `n_views` augmented ones of every example."""
    changes = [a for a in recipe.augment if isinstance(a, ContentAugmentation)]
    recipe_of_views = [recipe.training.seed, [a.model_dump(mode="json") for a in changes], list(labels)]
    result = []
    for example in manifest.examples:
        content_key: list[Any] = [recipe.features.fingerprint, example.sha256, example.start_s, example.duration_s]
        if isinstance(recipe.features, WindowFeatures) and recipe.window is not None:
            content_key.append(recipe.window.model_dump(mode="json"))
        of_example = []
        for number in range(n_views + 1):
            parts = content_key if number == 0 else [*content_key, example.label, number, *recipe_of_views]
            key = sha256_bytes(json.dumps(parts).encode())
            label, rng = example.label, np.random.default_rng(int(key[:16], 16))
            for change in changes if number else ():
                label = change.relabel(label, labels, rng)
            of_example.append(View(example, number, label, key))
        result.append(of_example)
    return result


def compute_view(view: View, *, manifest: Manifest, recipe: Recipe, labels: tuple[str, ...]) -> FloatArray:
    """Read an example, change it as its view says, and return its features."""
    content = read_content(manifest, view.example)
    if view.number:
        changes = [a for a in recipe.augment if isinstance(a, ContentAugmentation)]
        # The same generator as in `views_of`, so that the labels come out the same.
        rng = np.random.default_rng(int(view.key[:16], 16))
        path = [view.example.label]
        for change in changes:
            path.append(change.relabel(path[-1], labels, rng))
        for change, old, new in zip(changes, path, path[1:], strict=False):
            content = change(content, old, new, rng)
    return make_features(recipe.features, content, window=recipe.window, where=view.example.path)


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
        Add the recipe's augmented views to the clean one.
    """
    n_views = recipe.training.views if augmented else 0
    views = views_of(manifest, recipe, n_views=n_views, labels=labels)
    n_kept = 1 if recipe.training.fresh_views else n_views + 1
    flat = [view for of_example in views for view in of_example[:n_kept]]
    # Reading needs only the place of the files; the examples would be sent to the workers over and over.
    place = replace(manifest, examples=())
    compute = partial(compute_view, manifest=place, recipe=recipe, labels=labels)
    _fill(cache, flat, compute, progress)
    index = {label: i for i, label in enumerate(labels)}
    targets = np.array([[index[view.label] for view in of_example] for of_example in views], dtype=np.int64)

    def kept(i: int, v: int) -> FloatArray:
        return cache.get(views[i][v].key, lambda: compute(views[i][v]))

    if kept(0, 0).nbytes * len(flat) <= IN_MEMORY_BYTES:
        held = [[np.array(kept(i, v)) for v in range(n_kept)] for i in range(len(views))]

        def kept(i: int, v: int) -> FloatArray:
            return held[i][v]

    def load(i: int, v: int) -> FloatArray:
        return kept(i, v) if v < n_kept else compute(views[i][v])

    groups = tuple(example.group for example in manifest.examples)
    keys = tuple(tuple(view.key for view in of_example) for of_example in views)
    return FeatureSet(load, targets, groups, recipe.window, recipe.features, keys)


def _fill(
    cache: FeatureCache, views: Sequence[View], compute: Callable[[View], FloatArray], progress: Progress
) -> None:
    missing = [view for view in views if view.key not in cache]
    store = partial(_store, folder=cache.folder, compute=compute)
    if len(missing) < FEWEST_FOR_WORKERS:
        for done, view in enumerate(missing):
            progress("features", done, len(missing), "")
            store(view)
    else:
        # Spawned rather than forked: the parent may hold threads of torch.
        with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_one_thread) as pool:
            for done, _ in enumerate(pool.map(store, missing, chunksize=16)):
                progress("features", done, len(missing), "")
    progress("features", len(missing), len(missing), "")


def _store(view: View, *, folder: Path, compute: Callable[[View], FloatArray]) -> None:
    FeatureCache(folder).get(view.key, lambda: compute(view))


def _one_thread() -> None:
    import os

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"

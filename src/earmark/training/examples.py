"""From a manifest to batches: features of every example and view, computed once, cached, cropped on the way out."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

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
from earmark.units import seconds_to_samples

T = TypeVar("T")
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
    """

    load: Callable[[int, int], FloatArray]
    targets: IntArray
    groups: tuple[str, ...]
    window: Window | None
    features: Features

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
    return FeatureSet(load, targets, groups, recipe.window, recipe.features)


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


def training_batches(
    examples: FeatureSet,
    *,
    batch_size: int,
    vary_length: bool,
    rng: np.random.Generator,
    rows_of: Callable[[int], IntArray] = np.arange,
) -> Iterator[tuple[FloatArray, IntArray]]:
    """Yield shuffled batches of near-equal size: a random view of every example, cropped at random to one window.

    Parameters
    ----------
    rows_of
        Given the size of a batch, which of its rows to load; what is random is drawn for all.

    Yields
    ------
    pictures, targets
        float32 ``(n_loaded, channel, freq|height, time|width)``, and label indices of the whole batch ``(batch,)``.
    """
    order = rng.permutation(len(examples))
    for rows in np.array_split(order, n_batches(len(examples), batch_size)):
        views = rng.integers(examples.n_views, size=len(rows))
        places = rng.random(len(rows))
        loaded = rows_of(len(rows))
        arrays: list[FloatArray] = [examples.load(rows[i], views[i]) for i in loaded]
        if (window := examples.window) is not None:
            length_s = rng.uniform(window.min_s, window.length_s) if vary_length else window.length_s
            n_frames = frames_of(examples.features, length_s)
            arrays = [
                crop(array, start_at(examples.features, array.shape[2], n_frames, place), n_frames)
                for array, place in zip(arrays, places[loaded], strict=True)
            ]
        yield np.stack(arrays), examples.targets[rows, views]


def n_batches(n_examples: int, batch_size: int) -> int:
    """Return how many batches an epoch has; they differ by one example at most, so none is a lonely rest."""
    return max(1, round(n_examples / batch_size))


def frames_of(features: Features, length_s: float) -> int:
    """Return the number of frames of a window."""
    if not isinstance(features, SoundFeatures | WindowFeatures):
        raise TypeError(f"{features.kind} features have no frames")
    return features.n_frames(seconds_to_samples(length_s, features.sample_rate_hz))


def start_at(features: Features, width: int, n_frames: int, place: float) -> int:
    """Return the first frame of a window in `width` frames.

    Parameters
    ----------
    place
        In 0…1: 0 is the first window that there is. Features of whole windows start where one does.
    """
    if isinstance(features, WindowFeatures):
        return n_frames * int(place * max(width // n_frames, 1))
    return int(place * (max(width - n_frames, 0) + 1))


def crop(array: FloatArray, start: int, n_frames: int) -> FloatArray:
    """Return `n_frames` frames from `start` of ``(channel, freq, time)``, extended with the lowest value it holds."""
    part = array[:, :, start : start + n_frames]
    if missing := n_frames - part.shape[2]:
        return np.pad(part, ((0, 0), (0, 0), (0, missing)), constant_values=part.min())
    return part


def whole_batches(
    examples: FeatureSet, *, batch_size: int, chosen: Sequence[int] | None = None
) -> Iterator[tuple[FloatArray, IntArray]]:
    """Yield every window of every clean example, or of those `chosen`, in order, with the index of its example."""
    pictures: list[FloatArray] = []
    owners: list[int] = []
    chosen = range(len(examples)) if chosen is None else chosen
    for i in chosen:
        array = examples.load(i, 0)
        if (window := examples.window) is None:
            pictures.append(array)
            owners.append(i)
        else:
            n_frames = frames_of(examples.features, window.length_s)
            share = 1 if isinstance(examples.features, WindowFeatures) else window.hop_s / window.length_s
            hop = max(1, round(n_frames * share))
            starts = window.starts(array.shape[2], length=n_frames, hop=hop)
            pictures += [crop(array, start, n_frames) for start in starts]
            owners += [i] * len(starts)
        while len(pictures) >= batch_size or (pictures and i == chosen[-1]):
            yield np.stack(pictures[:batch_size]), np.array(owners[:batch_size])
            pictures, owners = pictures[batch_size:], owners[batch_size:]


def prefetch(items: Iterable[T], *, depth: int = 2) -> Iterator[T]:
    """Yield `items` made by a thread ahead of time, so that a step does not wait for its data."""
    ready: queue.Queue[Any] = queue.Queue(depth)
    stop = threading.Event()
    end = object()

    def put(item: Any) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer
            put(error)
        put(end)

    thread = threading.Thread(target=work, daemon=True, name="earmark-prefetch")
    thread.start()
    try:
        while (item := ready.get()) is not end:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()

"""From features to batches: windows cut at random to learn from and all in order to score, made ahead of the step."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from earmark.features import Features, SoundFeatures, WindowFeatures
from earmark.training.examples import FeatureSet
from earmark.types import FloatArray, IntArray
from earmark.units import seconds_to_samples

T = TypeVar("T")


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

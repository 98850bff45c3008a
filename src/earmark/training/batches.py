"""Batches: random crops to fit a network and all windows to score it, loaded ahead of the step."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np

from earmark.training.examples import FeatureSet
from earmark.training.mixtures.examples import MixtureSet
from earmark.types import FloatArray, IntArray

T = TypeVar("T")

# Spectrograms of crops are computed outside Python's lock; half the cores are left to the network.
N_LOADERS = min(8, max(1, (os.cpu_count() or 1) // 2))

_AHEAD = 2  # batches that wait for the step


def training_batches(
    examples: FeatureSet | MixtureSet,
    *,
    batch_size: int,
    vary_length: bool,
    rng: np.random.Generator,
    rows_of: Callable[[int], IntArray] = np.arange,
) -> Iterator[tuple[FloatArray, IntArray | FloatArray]]:
    """Yield shuffled batches of near-equal size: a random crop, one window long, of a random view of every example.

    Mixtures are rendered instead.

    Parameters
    ----------
    rows_of
        Given the size of a batch, which of its rows to load; what is random is drawn for all.

    Yields
    ------
    features, targets
        float32 ``(n_loaded, channel, freq|height, time|width)``, and the
        `FeatureSet.targets` of the whole batch, or what `MixtureSet.batches` gives.
    """
    if isinstance(examples, MixtureSet):
        yield from examples.batches(batch_size=batch_size, vary_length=vary_length, rng=rng, rows_of=rows_of)
        return
    order = rng.permutation(len(examples))
    with ThreadPoolExecutor(N_LOADERS, thread_name_prefix="earmark-crops") as pool:
        for rows in np.array_split(order, n_batches(len(examples), batch_size)):
            views = rng.integers(examples.n_views, size=len(rows))
            places = rng.random(len(rows))
            length_s = None
            if (window := examples.window) is not None:
                length_s = rng.uniform(window.min_s, window.length_s) if vary_length else window.length_s
            loaded = rows_of(len(rows))
            crop = partial(_crop, examples, length_s)
            yield (
                np.stack([*pool.map(crop, rows[loaded], views[loaded], places[loaded])]),
                examples.targets[rows, views],
            )


def _crop(examples: FeatureSet, length_s: float | None, row: int, view: int, place: float) -> FloatArray:
    return examples.load(row, view).random(place, length_s)


def n_batches(n_examples: int, batch_size: int) -> int:
    """Return how many batches an epoch has; they differ by one example at most, so none is a lonely rest."""
    return max(1, round(n_examples / batch_size))


def whole_batches(
    examples: FeatureSet, *, batch_size: int, chosen: Sequence[int] | None = None
) -> Iterator[tuple[FloatArray, IntArray, FloatArray]]:
    """Yield every window of every clean example that is not silent, or of those `chosen`.

    Yields
    ------
    features, owners, weights
        float32 ``(n_windows, channel, freq|height, time|width)``, the index of each window's example, and its weight in
        the answer, both ``(n_windows,)``. Windows of one shape come together, so short ones may come late.
    """
    waiting: dict[tuple[int, ...], list[tuple[FloatArray, int, float]]] = {}
    for i in range(len(examples)) if chosen is None else chosen:
        windows = examples.load(i, 0).windows()
        for array, weight in zip(windows.batch, windows.weights.tolist(), strict=True):
            if weight <= 0:
                continue
            alike = waiting.setdefault(array.shape, [])
            alike.append((array, i, weight))
            if len(alike) == batch_size:
                yield _stacked(waiting.pop(array.shape))
    yield from map(_stacked, waiting.values())


def _stacked(windows: Sequence[tuple[FloatArray, int, float]]) -> tuple[FloatArray, IntArray, FloatArray]:
    arrays, owners, weights = zip(*windows, strict=True)
    return np.stack(arrays), np.array(owners, np.int64), np.array(weights, np.float32)


def prefetch(items: Iterable[T]) -> Iterator[T]:
    """Yield `items` made by a thread ahead of time, so that a step does not wait for its data."""
    ready: queue.Queue[Any] = queue.Queue(_AHEAD)
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

"""Windows of one input in batches, each with its weight in the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError, ModelError
from earmark.features import (
    Features,
    InkFeatures,
    NumberFeatures,
    PictureFeatures,
    PictureFusion,
    SoundFeatures,
    TableFeatures,
    Window,
    WindowFeatures,
)
from earmark.features.window import iter_windows, sound_windows
from earmark.recognizer.card import Card
from earmark.recognizer.inputs import Input, ink_input, input_name, naming, numbers_input, picture_input, sound_input
from earmark.types import FloatArray, Numbers, Picture, Sound
from earmark.units import seconds_to_samples

SILENCE_PEAK = 1e-4  # -80 dB below full scale: nothing that was recorded on purpose is as quiet
LOUDEST_PEAK = 1e6  # whole numbers written as floats are above it, and would overflow in the spectrogram
SHORTEST_S = 0.05  # less is a click, in which there is nothing to recognise
BATCH_S = 30.0  # sound in memory at once


Shape: TypeAlias = tuple[str, *tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Windows of one length, of one input.

    Attributes
    ----------
    starts_s, ends_s
        Shape ``(n_windows,)``; empty for a drawing.
    weights
        Shape ``(n_windows,)``, how much each counts in the answer; 0 for a silent window.
    enters
        The input of the graph that takes the batch.
    batch
        ``(n_windows, time)`` for samples, ``(n_windows, channel, freq|height, time|width)`` for features.
    """

    starts_s: npt.NDArray[np.float64]
    ends_s: npt.NDArray[np.float64]
    weights: FloatArray
    enters: Literal["samples", "features"]
    batch: FloatArray

    @property
    def shape(self) -> Shape:
        """What windows that are computed at once have in common."""
        return self.enters, *self.batch.shape[1:]

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return the windows of all `parts`, at least one and all of one shape, in their order."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        return replace(
            parts[0],
            starts_s=np.concatenate([part.starts_s for part in parts]),
            ends_s=np.concatenate([part.ends_s for part in parts]),
            weights=np.concatenate([part.weights for part in parts]),
            batch=np.concatenate([part.batch for part in parts]),
        )


def drawing(raster: FloatArray) -> WindowBatch:
    """Return the one window of a drawing, ``(channel, height, width)``."""
    nowhere = np.zeros(0)
    return WindowBatch(nowhere, nowhere, np.ones(1, np.float32), "features", raster[None])


def cut(item: Input, card: Card, *, sample_rate_hz: int | None) -> Iterator[WindowBatch]:
    """Yield the windows of what a recognizer is given, in batches.

    Parameters
    ----------
    item, sample_rate_hz
        As for `Recognizer.predict`.
    card
        Of the recognizer: what it reads, and how sounds are cut.

    Raises
    ------
    DataError, UsageError
        When the features of the card cannot be made of it, or it is bad.
    ModelError
        When nothing can be cut for this recognizer.
    """
    features, window, where = card.features, card.window, input_name(item)
    if isinstance(features, InkFeatures):
        with naming(item):
            raster = features(ink_input(item))
        yield drawing(raster)
    elif isinstance(features, PictureFeatures | PictureFusion):
        with naming(item):
            raster = features(picture_input(item))
        yield drawing(raster)
    elif isinstance(features, NumberFeatures):
        with naming(item):
            row = features(numbers_input(item))
        yield drawing(row)
    elif window is not None:
        yield from _cut_heard(sound_input(item, sample_rate_hz=sample_rate_hz), features, window=window, where=where)
    else:
        raise ModelError(f"{card.name}: reads {features.domain}, which 'predict' cannot make; give features")


def _cut_heard(
    content: Path | bytes | BinaryIO | Sound | Picture | Numbers, features: Features, *, window: Window, where: str
) -> Iterator[WindowBatch]:
    """Yield the windows of what a recognizer that listens is given, in batches."""
    match content, features:
        case Picture(), SoundFeatures():
            yield cut_picture(content, features, window=window, where=where)
        case Numbers(), TableFeatures():
            yield one_row(content, features, window=window)
        case ((Picture() | Numbers()), _):
            raise DataError(f"{where}: {features.kind} features cannot be made of it; give the sound")
        case _, WindowFeatures():
            yield from cut_features(content, features, window=window, where=where)
        case _, SoundFeatures():
            yield from cut_sound(content, features, window=window, where=where)


def cut_sound(
    source: Path | bytes | BinaryIO | Sound, features: SoundFeatures | WindowFeatures, *, window: Window, where: str
) -> Iterator[WindowBatch]:
    """Yield the windows of a sound in batches, so that memory does not grow with its length.

    Raises
    ------
    DataError
        When the sound cannot be read, is shorter than `SHORTEST_S`, or has samples absurdly far beyond -1…1; `where`
        names it.
    """
    rate_hz = features.sample_rate_hz
    cuts = sound_windows(
        source, length_s=window.length_s, hop_s=window.hop_s, sample_rate_hz=rate_hz, first_s=window.first_s
    )
    for batch in _batched(cuts, max(1, int(BATCH_S / window.length_s))):
        samples = np.stack([cut for _, cut in batch])
        if samples.shape[1] < SHORTEST_S * rate_hz:
            raise DataError(
                f"{where}: lasts {samples.shape[1] / rate_hz:.3g} s; at least {SHORTEST_S} s are needed to recognise "
                "anything; give a longer sound"
            )
        refuse_too_loud(samples, where=where)
        yield _weighted(samples, np.array([start_s for start_s, _ in batch]), window=window, sample_rate_hz=rate_hz)


def refuse_too_loud(samples: FloatArray, *, where: str) -> None:
    """Raise `DataError` when samples of any shape are absurdly far beyond -1…1."""
    peak = np.abs(samples).max(initial=0)
    if peak > LOUDEST_PEAK:
        raise DataError(f"{where}: has samples as large as {peak:.1e}; they belong in -1…1; scale them")


def cut_samples(samples: FloatArray, window: Window, *, sample_rate_hz: int) -> WindowBatch:
    """Return the windows of mono samples ``(time,)``, at least one, as `cut_sound` cuts and weighs them."""
    length, hop = (seconds_to_samples(length_s, sample_rate_hz) for length_s in (window.length_s, window.hop_s))
    starts, windows = zip(*iter_windows([samples], length=length, hop=max(1, hop)), strict=True)
    return _weighted(np.stack(windows), np.array(starts) / sample_rate_hz, window=window, sample_rate_hz=sample_rate_hz)


def _weighted(
    samples: FloatArray, starts_s: npt.NDArray[np.float64], *, window: Window, sample_rate_hz: int
) -> WindowBatch:
    """Return windows ``(n_windows, time)`` with their weights, extended with silence to the shortest allowed."""
    ends_s = starts_s + samples.shape[1] / sample_rate_hz
    is_heard = np.abs(samples).max(axis=1) >= SILENCE_PEAK
    weights = np.where(is_heard, _importance(samples, window), 0).astype(np.float32)
    missing = seconds_to_samples(window.min_s, sample_rate_hz) - samples.shape[1]
    if missing > 0:
        samples = np.pad(samples, ((0, 0), (0, missing)))
    return WindowBatch(starts_s, ends_s, weights, "samples", samples)


def cut_features(
    source: Path | bytes | BinaryIO | Sound, features: WindowFeatures, *, window: Window, where: str
) -> Iterator[WindowBatch]:
    """Yield the windows of a sound as features that are made outside the graph; raises as `cut_sound`."""
    for cuts in cut_sound(source, features, window=window, where=where):
        yield replace(cuts, enters="features", batch=np.stack([features(samples) for samples in cuts.batch]))


def one_row(numbers: Numbers, features: TableFeatures, *, window: Window) -> WindowBatch:
    """Return a row of a feature table as the one window that it describes; raises as `TableFeatures.from_numbers`."""
    start_s, end_s = np.zeros(1), np.full(1, window.length_s)
    return WindowBatch(start_s, end_s, np.ones(1, np.float32), "features", features.from_numbers(numbers)[None])


def cut_picture(picture: Picture, kind: SoundFeatures, *, window: Window, where: str) -> WindowBatch:
    """Return the windows of a picture of a sound; it has no energies, so each counts the same.

    Raises
    ------
    DataError
        When features of `kind` cannot be read from it, or it holds values that are no numbers; `where` names it.
    """
    features = kind.from_picture(picture)
    if not np.isfinite(features).all():
        raise DataError(f"{where}: has values that are NaN or infinite; only finite numbers are a picture; repair it")
    return cut_frames(features, kind, window=window)


def cut_frames(features: FloatArray, kind: SoundFeatures, *, window: Window) -> WindowBatch:
    """Return the windows of a spectrogram ``(channel, freq, time)`` whose sound is not known."""
    frames_hz = kind.sample_rate_hz / kind.hop_samples
    length = kind.n_frames(seconds_to_samples(window.length_s, kind.sample_rate_hz))
    starts = window.starts(features.shape[-1], length=length, hop=max(1, round(window.hop_s * frames_hz)))
    cuts = np.stack([features[..., start : start + length] for start in starts])
    starts_s = np.array(starts) / frames_hz
    ends_s = starts_s + cuts.shape[-1] / frames_hz
    return WindowBatch(starts_s, ends_s, np.ones(len(starts), np.float32), "features", cuts)


def _importance(samples: FloatArray, window: Window) -> npt.NDArray[np.float64]:
    if window.aggregate == "energy":
        energies: npt.NDArray[np.float64] = np.square(samples, dtype=np.float64).sum(axis=1)
        return energies
    return np.ones(len(samples))


def _batched(items: Iterable[tuple[float, FloatArray]], n: int) -> Iterator[list[tuple[float, FloatArray]]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == n:
            yield batch
            batch = []
    if batch:
        yield batch

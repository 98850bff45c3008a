"""Crops of the content of one view: what of its features is kept, and which kind of crops it gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

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
from earmark.recognizer.windows import WindowBatch, cut_features
from earmark.sound import resample
from earmark.training.crops import Crops, FrameCrops, RecordingCrops, WindowCrops, recording_frames
from earmark.types import Content, Domain, FloatArray, Image, Ink, Numbers, Picture, Sound

Store: TypeAlias = Callable[[str, Callable[[], FloatArray]], FloatArray]
"""Returns a named part of what is kept of a view, or makes it."""


def only_compute(part: str, compute: Callable[[], FloatArray]) -> FloatArray:  # noqa: ARG001 - the signature of `Store`
    """Keep nothing."""
    return compute()


def make_crops(  # noqa: PLR0913 - what the features of one view depend on
    features: Features,
    read: Callable[[], Content],
    *,
    domain: Domain,
    window: Window | None,
    to_score: bool = False,
    store: Store = only_compute,
    where: str = "",
) -> Crops:
    """Return what one view of an example gives to a network.

    Parameters
    ----------
    features
        Their kind.
    read
        Returns the content, of `domain`; not called when `store` holds everything.
    window
        How sounds are cut.
    to_score
        Make all windows of a sound now, because they will be scored again and again, and no random crops.
    store
        Keeps arrays.
    where
        Names the content in errors.
    """
    parts = parts_of(features, domain=domain, window=window, to_score=to_score)
    if window is None or parts == ("",):
        array = store("", lambda: _features_of(features, read()))
        if isinstance(features, SoundFeatures) and window is not None:
            return FrameCrops(array, features, window)
        return WindowCrops.one(array, features, window=window)
    if isinstance(features, SoundFeatures) and not to_score:
        rate_hz = features.sample_rate_hz
        samples = store("samples", lambda: resample(_sound(read()), rate_hz).samples)
        frames = None if store is only_compute else store("frames", lambda: recording_frames(features, samples))
        return RecordingCrops(samples, frames, features, window)
    cuts = lru_cache(1)(lambda: _windows_of(features, _sound(read()), window=window, where=where))
    batch, weights = store(parts[0], lambda: cuts().batch), store(parts[1], lambda: cuts().weights)
    return WindowCrops(batch, weights, features, window)


def parts_of(features: Features, *, domain: Domain, window: Window | None, to_score: bool) -> tuple[str, ...]:
    """Return the names of the arrays that are kept of a view; that of a picture, a drawing or a row is empty."""
    if window is None or domain != "sound":
        return ("",)
    if isinstance(features, SoundFeatures) and not to_score:
        return "samples", "frames"
    settings = json.dumps(window.model_dump(mode="json"))
    return f"windows {settings}", f"weights {settings}"


def _features_of(features: Features, content: Content) -> FloatArray:
    if isinstance(features, SoundFeatures) and isinstance(content, Picture):
        return features.from_picture(content)
    if isinstance(features, InkFeatures) and isinstance(content, Ink | Image):
        return features(content)
    if isinstance(features, TableFeatures) and isinstance(content, Numbers):
        return features.from_numbers(content)
    if isinstance(features, PictureFeatures | PictureFusion) and isinstance(content, Image | Picture):
        return features(content)
    if isinstance(features, NumberFeatures) and isinstance(content, Numbers):
        return features(content)
    raise TypeError(f"{features.kind} features do not read {type(content).__name__}")


def _windows_of(features: Features, content: Sound, *, window: Window, where: str) -> WindowBatch:
    if isinstance(features, WindowFeatures):
        return WindowBatch.joined(cut_features(content, features, window=window, where=where))
    if isinstance(features, SoundFeatures):
        samples = resample(content, features.sample_rate_hz).samples
        return RecordingCrops(samples, None, features, window).windows()
    raise TypeError(f"{features.kind} features do not read sounds")


def _sound(content: Content) -> Sound:
    if isinstance(content, Sound):
        return content
    raise TypeError(f"a {type(content).__name__} is not a sound")

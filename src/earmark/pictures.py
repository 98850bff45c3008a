"""Spectrogram pictures in image files: their colour map, and the margins and axes that all files of a set share.

Such a file shows loudness as a colour, high frequencies at the top, often with a white margin, axes and a colour bar.
What is the same in all files says nothing about any of them, so it is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.types import FloatArray, Image, Picture

Pixels: TypeAlias = npt.NDArray[np.uint8]
Margins: TypeAlias = tuple[int, int, int, int]
"""Pixels to cut off: top, right, bottom, left."""

GREY = "grey"
# Greatest difference of red, green and blue, of 255, in what is still grey: JPEG tints grey by a few steps.
_GREY_TINT = 12
# Mean distance of the pixels to the nearest colour of a map, in steps of 255; JPEG and resizing blur colours.
_NEAR_MAP = 16.0
# A JPEG blurs colours more; then the map has to be nearer than any other by this factor.
_BLURRED, _CLEARLY = 30.0, 1.3
# Least mean difference of the largest and smallest of red, green and blue, and least part of a map that is used: a
# photograph of paper has pale colours that lie near one another.
_COLOURFUL = 40.0
_USED = 0.3
# Difference between files, in steps of 255, below which a pixel is the same in all: JPEG changes a little.
_SAME = 24
_SAME_SHARE = 0.99
_LEAST_LEFT = 0.25
_FEWEST_FILES = 3
_N_SAMPLED = 4000

# Every eighth colour as RRGGBB; linear interpolation between them is exact to about four steps of 255.
_ANCHORS = {
    "viridis": (
        "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e"
        "21918c1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51b"
        "fde725"
    ),
    "magma": (
        "0000040303120a0822130d341d114729115a36106b440f7651127c5d177f6a1c81762181832681902a819c2e7faa337d"
        "b73779c43c75d0416fdc4869e75263ef5d5ef56b5cf9795dfc8961fd9869fea772feb67cfec488fed395fde2a3fcf0b2"
        "fcfdbf"
    ),
    "inferno": (
        "0000040403120b0724150b37210c4a2f0a5b3d09654a0c6b57106e64156e71196e7d1e6d8a226a972766a32c61b0315b"
        "bc3754c73e4cd24644db503be45a31eb6628f1731df68013f98e09fb9d07fcac11fbbc21f9cb35f5db4cf2ea69f3f68a"
        "fcffa4"
    ),
    "plasma": (
        "0d08872206903105973f049c4c02a15901a56600a77201a87e03a88a09a59511a1a01a9caa2395b32c8ebc3587c43e7f"
        "cc4778d35171da5a6ae06363e66c5ceb7655f0804ef58b47f89540fba139fdac33feb82cfdc527fcd225f8df25f4ed27"
        "f0f921"
    ),
    "cividis": (
        "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a716f7073767676"
        "7d7c788482798c8878938e789b9476a39a74aba072b4a76fbcae6cc4b468cdbb63d5c25edec958e7d150f0d846f9e03a"
        "fee838"
    ),
    "jet": (
        "0000800000a40000c80000ed0000ff0020ff0040ff0060ff0080ff00a0ff00c0ff00e0fb16ffe130ffc749ffad63ff94"
        "7dff7a97ff60b1ff46caff2ce4ff13feed00ffd000ffb200ff9400ff7700ff5900ff3b00ff1e00e80000c400009f0000"
        "800000"
    ),
    "hot": (
        "0b00002000003500004a00005f00007400008900009e0000b30000c80000dd0000f20000ff0800ff1d00ff3200ff4700"
        "ff5c00ff7100ff8600ff9b00ffb000ffc500ffda00ffef00ffff07ffff26ffff46ffff65ffff85ffffa4ffffc4ffffe3"
        "ffffff"
    ),
    "turbo": (
        "30123b392a734040a24456c7466be34680f64294ff37a8fa28bceb1ccdd818ddc21fe9af32f2984ef97d6dfe628bff4b"
        "a4fc3cb9f635cdec34dfdf37eecf3af8be39fdac34fe962bfb7e21f46617eb500edf3f08d02f05be2102a91601920b01"
        "7a0403"
    ),
    "coolwarm": (
        "3b4cc0445acc4e68d85875e16282ea6c8ff1779af782a6fb8db0fe98b9ffa3c2feaec9fcb9d0f9c3d5f4ccd9edd5dbe5"
        "dddcdce5d8d1ecd3c5f1ccb8f5c4acf7ba9ff7b093f6a586f4987af08b6eeb7d62e46e56dd5f4bd44e41ca3b37be242e"
        "b40426"
    ),
}

COLOUR_MAPS = (GREY, *_ANCHORS)


def colours_of(name: str) -> FloatArray:
    """Return the 256 colours of a colour map, from quiet to loud, ``(256, 3)`` in 0…255."""
    return _colours(name)


@lru_cache(maxsize=len(COLOUR_MAPS))
def _colours(name: str) -> FloatArray:
    if name == GREY:
        return np.repeat(np.arange(256, dtype=np.float32)[:, None], 3, axis=1)
    anchors = np.frombuffer(bytes.fromhex(_ANCHORS[name]), np.uint8).reshape(-1, 3)
    place = np.linspace(0, 255, len(anchors))
    channels = [np.interp(np.arange(256), place, anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)


def to_rgb(pixels: Pixels) -> Pixels:
    """Return ``(height, width, 3)`` of grey, RGB or RGBA pixels; what is transparent is white, as a page is."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[:, :, 3:].astype(np.float32) / 255
    blended = pixels[:, :, :3] * alpha + 255 * (1 - alpha)
    return np.rint(blended).astype(np.uint8)


def to_loudness(pixels: Pixels, colour_map: str) -> FloatArray:
    """Return loudness in 0…1, ``(height, width)``: the place of each pixel in the colour map.

    For ``"grey"`` it is the luminance (ITU-R BT.601), which also orders the colours of an unknown map by brightness.
    """
    rgb = to_rgb(pixels)
    if colour_map == GREY:
        weights = np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255)
        luminance: FloatArray = rgb.astype(np.float32) @ weights
        return luminance
    # Six bits a channel: an image of a few thousand colours then needs as many look-ups, whatever its size.
    red, green, blue = (rgb >> 2).astype(np.int32).transpose(2, 0, 1)
    codes = (red << 12) | (green << 6) | blue
    present = np.zeros(1 << 18, np.bool_)
    present[codes] = True
    used = np.flatnonzero(present)
    places = np.zeros(1 << 18, np.float32)
    places[used] = _nearest(np.stack([used >> 12, used >> 6 & 63, used & 63], axis=1) * 4.0 + 2, colours_of(colour_map))
    loudness: FloatArray = places[codes] / np.float32(255)
    return loudness


def _nearest(pixels: npt.NDArray[np.floating[Any]], colours: FloatArray) -> npt.NDArray[np.intp]:
    """Return the index of the nearest of `colours` to each pixel, ``(n, 3)``."""
    norms = (colours**2).sum(axis=1)
    pieces = np.array_split(pixels.astype(np.float32), max(1, len(pixels) // 8192))
    return np.concatenate([(norms - 2 * piece @ colours.T).argmin(axis=1) for piece in pieces])


def as_picture(image: Image) -> Picture:
    """Return the luminance of an image of a spectrogram, low frequencies first, to look at and to compare."""
    return Picture(np.ascontiguousarray(to_loudness(image.pixels, GREY)[::-1]))


def find_colour_map(images: Sequence[Pixels]) -> str | None:
    """Return the colour map of some images, ``"grey"`` when they have no colours, None when no map explains them."""
    pixels = np.concatenate([_some_pixels(to_rgb(image)) for image in images]).astype(np.float32)
    if (np.ptp(pixels, axis=1) <= _GREY_TINT).mean() > _SAME_SHARE:
        return GREY
    distances = {name: _distance(pixels, colours_of(name)) for name in _ANCHORS}
    best = min(distances, key=lambda name: distances[name])
    nearest, second = sorted(distances.values())[:2]
    is_near = nearest <= _NEAR_MAP or (nearest <= _BLURRED and second >= _CLEARLY * nearest)
    if not is_near or np.ptp(pixels, axis=1).mean() < _COLOURFUL:
        return None
    low, high = np.percentile(_nearest(pixels, colours_of(best)), (2, 98)) / 255
    return best if high - low >= _USED else None


def _some_pixels(rgb: Pixels) -> Pixels:
    flat = rgb.reshape(-1, 3)
    # White and black belong to margins, axes and text as well, so they say little about the map.
    coloured = flat[(flat.min(axis=1) < 250) & (flat.max(axis=1) > 5)]
    chosen = coloured if len(coloured) else flat
    return chosen[:: max(1, len(chosen) // _N_SAMPLED)]


def _distance(pixels: FloatArray, colours: FloatArray) -> float:
    squares = (pixels**2).sum(axis=1)[:, None] - 2 * pixels @ colours.T + (colours**2).sum(axis=1)
    return float(np.sqrt(np.maximum(squares.min(axis=1), 0)).mean())


def find_margins(images: Sequence[Pixels]) -> Margins:
    """Return what can be cut off because it is the same in all `images`; nothing when they are few or differ in size.

    Axes, labels and a colour bar at the edge are cut off as well, when they are the same everywhere.
    """
    nothing = (0, 0, 0, 0)
    if len(images) < _FEWEST_FILES or len({image.shape[:2] for image in images}) > 1:
        return nothing
    stack = np.stack([to_rgb(image) for image in images])
    same = np.ptp(stack, axis=0).max(axis=2) <= _SAME
    rows, columns = same.mean(axis=1) < _SAME_SHARE, same.mean(axis=0) < _SAME_SHARE
    if not rows.any() or not columns.any():
        return nothing
    (top, bottom), (left, right) = (_outer(each) for each in (rows, columns))
    height, width = same.shape
    if height - top - bottom < _LEAST_LEFT * height or width - left - right < _LEAST_LEFT * width:
        return nothing
    return top, right, bottom, left


def _outer(differs: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many items before the first and after the last one are False."""
    places = np.flatnonzero(differs)
    return int(places[0]), int(len(differs) - 1 - places[-1])


def cut_margins(pixels: Pixels, margins: Margins) -> Pixels:
    """Return the pixels inside the margins."""
    top, right, bottom, left = margins
    height, width = pixels.shape[:2]
    return pixels[top : height - bottom, left : width - right]

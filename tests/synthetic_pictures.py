"""Spectrogram pictures as people have them: a colour map on a white page with axes, in folders of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from earmark.pictures import colours_of

MARGINS = (6, 9, 8, 12)


def loudness(low: float, rng: np.random.Generator, *, height: int = 40, width: int = 60) -> np.ndarray:
    """Return a spectrogram in 0…1, low frequencies first, with energy around `low` (0…1) of the height."""
    place = np.linspace(0, 1, height)[:, None]
    bump = np.exp(-(((place - low) / 0.12) ** 2)) * (0.6 + 0.4 * rng.random((1, width)))
    return np.clip(bump + 0.15 * rng.random((height, width)), 0, 1)


def page(values: np.ndarray, *, colour_map: str = "viridis", margins: tuple[int, int, int, int] = MARGINS) -> Image:
    """Return the picture of a spectrogram inside white margins with an axis."""
    top, right, bottom, left = margins
    colours = colours_of(colour_map)[np.rint(values[::-1] * 255).astype(int)]
    height, width = values.shape
    image = Image.new("RGB", (left + width + right, top + height + bottom), "white")
    if left > 2:
        ImageDraw.Draw(image).line([(left - 2, top), (left - 2, top + height)], fill="black")
    image.paste(Image.fromarray(np.rint(colours).astype(np.uint8)), (left, top))
    return image


def write_pictures(
    folder: Path, *, each: int = 6, seed: int = 0, form: str = "png", quality: int = 75, **page_options: object
) -> Path:
    """Write pictures of three classes, ``low``, ``mid`` and ``high``, that differ in where their energy lies."""
    rng = np.random.default_rng(seed)
    for name, low in (("low", 0.2), ("mid", 0.5), ("high", 0.8)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            picture = page(loudness(low + 0.04 * rng.standard_normal(), rng), **page_options)
            picture.save(folder / name / f"{name}{seed:02d}{number:03d}.{form}", quality=quality)
    return folder


def write_symbols(folder: Path, *, each: int = 4, size: tuple[int, int] = (48, 40)) -> Path:
    """Write black drawings on white paper of two classes, all of one size."""
    rng = np.random.default_rng(3)
    for name in ("bar", "cross"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            image = Image.new("L", size, "white")
            draw = ImageDraw.Draw(image)
            x = int(rng.integers(10, 30))
            draw.line([(x, 5), (x + 3, 35)], fill="black", width=2)
            if name == "cross":
                draw.line([(5, 20), (40, 22)], fill="black", width=2)
            image.save(folder / name / f"{number}.png")
    return folder

"""One example as an image: a spectrogram in a colour map, a waveform, or ink."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from earmark.features import InkRaster, LogMel, SoundFeatures
from earmark.pictures import Pixels, colours_of, to_rgb
from earmark.types import Content, FloatArray, Image, Ink, Picture, Sound

_WAVE_SIZE = (64, 384)
_WAVE_COLOUR = (31, 102, 171)


@dataclass(frozen=True, slots=True)
class Look:
    """How pictures are made.

    Attributes
    ----------
    features
        Of sounds.
    colour_map
        Of spectrograms, see `earmark.pictures.COLOUR_MAPS`.
    range_db
        How far below the loudest point of a picture its quietest colour lies.
    size
        Height and width in pixels; None: a pixel for each number of a spectrogram, and 96 × 96 for ink.
    pen_px
        Width of the pen of strokes.
    """

    features: SoundFeatures = field(default_factory=LogMel)
    colour_map: str = "magma"
    range_db: float = 80.0
    size: tuple[int, int] | None = None
    pen_px: float = 2.5


def picture_of(content: Content, look: Look) -> Pixels:
    """Return an image of anything that has one, ``(height, width, 3)``, with low frequencies at the bottom."""
    if isinstance(content, Sound):
        from earmark.sound import resample

        levels = levels_of(resample(content, look.features.sample_rate_hz).samples, look)
        return coloured(levels, look)
    if isinstance(content, Picture):
        values = np.asarray(content.values, np.float32)
        span = float(np.ptp(values)) or 1.0
        return coloured(np.rint((values - values.min()) / span * 255).astype(np.uint8), look)
    if isinstance(content, Ink):
        height, width = look.size or (96, 96)
        raster = InkRaster(height=height, width=width, pen_width=look.pen_px)(content)[0]
        return to_rgb(np.rint(255 * (1 - raster)).astype(np.uint8))
    if isinstance(content, Image):
        return sized(to_rgb(content.pixels), look.size)
    raise TypeError(f"a {type(content).__name__} has no picture")


def levels_of(samples: FloatArray, look: Look) -> Pixels:
    """Return the spectrogram of mono samples in 255 steps below its loudest point, ``(freq, time)``."""
    level_db = look.features(samples)[0]
    share = np.clip((level_db - level_db.max()) / look.range_db + 1, 0, 1)
    levels: Pixels = np.rint(share * 255).astype(np.uint8)
    return levels


def coloured(levels: Pixels, look: Look) -> Pixels:
    """Return levels ``(freq, time)`` as an image, low frequencies at the bottom."""
    return sized(np.rint(colours_of(look.colour_map)).astype(np.uint8)[levels[::-1]], look.size)


def sized(rgb: Pixels, size: tuple[int, int] | None) -> Pixels:
    """Return an image of another size."""
    import PIL.Image

    if size is None or rgb.shape[:2] == size:
        return rgb
    image = PIL.Image.fromarray(rgb).resize((size[1], size[0]), PIL.Image.Resampling.BILINEAR)
    return np.asarray(image)


def waveform_of(sound: Sound) -> Pixels:
    """Return the outline of a sound, its lowest and highest sample in each column."""
    height, width = _WAVE_SIZE
    pieces = np.array_split(sound.samples, width)
    peak = max(float(np.abs(sound.samples).max()), 1e-6)
    image = np.full((height, width, 3), 255, np.uint8)
    for column, piece in enumerate(pieces):
        if len(piece):
            low, high = (height / 2 * (1 - float(value) / peak) for value in (piece.max(), piece.min()))
            image[int(low) : max(int(low) + 1, int(np.ceil(high))), column] = _WAVE_COLOUR
    return image


def png_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an image as the content of a PNG file."""
    import PIL.Image

    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()

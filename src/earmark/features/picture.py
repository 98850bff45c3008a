"""Spectrogram pictures in image files, as a network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from earmark.errors import DataError, UnknownNameError
from earmark.features.base import FEATURES, Features
from earmark.pictures import COLOUR_MAPS, GREY, cut_margins, find_colour_map, find_margins, to_loudness, to_rgb
from earmark.types import Domain, FloatArray, Image, Picture


@FEATURES.register("picture")
class PictureFeatures(Features):
    """An image of a spectrogram, ``(channel, freq, time)`` with low frequencies first, in dB below its brightest.

    The scale of such an image is not known, so ``-range_db`` is the quietest and 0 the loudest colour. There is no way
    from a sound to the image: a recognizer with these features reads images only.

    Attributes
    ----------
    height, width
        What the image is brought to, by bilinear interpolation.
    channels
        1: loudness, looked up in the colour map. 3: red, green and blue as they are.
    colour_map
        See `COLOUR_MAPS`; None: found in the training part.
    margins
        Pixels to cut off a file: top, right, bottom, left. None: what is the same in all files of the training part.
    file_size
        Height and width of the files that `margins` were counted in; of files of another size they are cut in
        proportion.
    range_db
        See above; the models' floor is 80 dB as well.
    """

    domain: ClassVar[Domain] = "picture"
    reads: ClassVar[tuple[Domain, ...]] = ("picture",)
    kind: Literal["picture"] = "picture"
    height: int = Field(default=128, ge=8, le=2048)
    width: int = Field(default=128, ge=8, le=4096)
    channels: Literal[1, 3] = 1
    colour_map: str | None = None
    margins: tuple[int, int, int, int] | None = None
    file_size: tuple[int, int] | None = None
    range_db: float = Field(default=80.0, gt=0)

    @field_validator("colour_map")
    @classmethod
    def _known_map(cls, name: str | None) -> str | None:
        if name is not None and name not in COLOUR_MAPS:
            raise UnknownNameError("colour map", name, COLOUR_MAPS)
        return name

    @field_validator("margins")
    @classmethod
    def _not_negative(cls, margins: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
        if margins is not None and min(margins) < 0:
            raise ValueError("margins are pixels to cut off the top, right, bottom and left; none is below 0")
        return margins

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channel, freq, time)``."""
        return self.channels, self.height, self.width

    def fitted(self, images: Sequence[Image]) -> Self:
        """Return these features with the colour map and the margins of some images of the training part."""
        pixels = [image.pixels for image in images]
        sizes = [array.shape[:2] for array in pixels]
        margins = self.margins if self.margins is not None else find_margins(pixels)
        size = self.file_size or (max(set(sizes), key=sizes.count) if sizes else None)
        inside = [cut_margins(array, margins) if array.shape[:2] == size else array for array in pixels]
        found = find_colour_map(inside) if inside else GREY
        changes = {"margins": margins, "file_size": size, "colour_map": self.colour_map or found or GREY}
        return self.model_copy(update=changes)

    def __call__(self, content: Image | Picture) -> FloatArray:
        """Return float32 ``(channel, freq, time)``.

        Raises
        ------
        DataError
            When the margins leave nothing of the image, or it holds no numbers.
        """
        if isinstance(content, Picture):
            planes = _share_of_range(content, self.range_db)[None]
        else:
            # An image has its low frequencies at the bottom.
            planes = self._planes(content)[:, ::-1]
        resized = np.stack([_resized(plane, self.height, self.width) for plane in planes])
        if len(resized) != self.channels:
            resized = np.repeat(resized, self.channels, axis=0)
        scaled: FloatArray = (resized - np.float32(1)) * np.float32(self.range_db)
        return scaled

    def _planes(self, image: Image) -> FloatArray:
        height, width = image.pixels.shape[:2]
        top, right, bottom, left = self.margins or (0, 0, 0, 0)
        down, across = (1.0, 1.0) if self.file_size is None else (height / self.file_size[0], width / self.file_size[1])
        margins = (round(top * down), round(right * across), round(bottom * down), round(left * across))
        inside = cut_margins(image.pixels, margins)
        if not inside.size:
            raise DataError(f"an image of {height} × {width} pixels has nothing inside the margins {self.margins}")
        if self.channels == 3:
            return to_rgb(inside).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        return to_loudness(inside, self.colour_map or GREY)[None]


def _share_of_range(picture: Picture, range_db: float) -> FloatArray:
    values = picture.values
    if values.ndim != 2 or not values.size:
        raise DataError(f"a picture of shape {values.shape} cannot be read; give (freq, time), low frequencies first")
    if values.dtype.kind in "ui":
        return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("a picture holds values that are NaN or infinite; only finite numbers are read")
    shares: FloatArray = np.clip((values - values.max()) / np.float32(range_db) + 1, 0, 1)
    return shares


def _resized(plane: FloatArray, height: int, width: int) -> FloatArray:
    """Return a plane of another size; Pillow averages over what falls into one pixel, so nothing is aliased."""
    import PIL.Image

    if plane.shape == (height, width):
        return plane
    image = PIL.Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((width, height), PIL.Image.Resampling.BILINEAR))

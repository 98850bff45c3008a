"""The raster of a drawing: what the pen left, and for strokes also how it moved."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from earmark.errors import DataError
from earmark.features.base import FEATURES, InkFeatures
from earmark.ink import draw_planes, place_strokes
from earmark.ink.trace import find_drawing, place_as_drawn, place_with_pen
from earmark.types import FloatArray, Image, Ink

InkChannel = Literal["ink", "direction", "progress", "size"]
USUAL_STAFF_SPACE = 18.5
"""In the unit of strokes whose staff is not known, that of HOMUS: the median bar line is as tall as four spaces."""

N_PLANES: dict[InkChannel, int] = {"ink": 1, "direction": 2, "progress": 1, "size": 1}


@FEATURES.register("ink-raster")
class InkRaster(InkFeatures):
    """A drawing as large as fits, aspect kept, centred, with one pen.

    Attributes
    ----------
    height, width
        Pixels.
    pen_width
        Diameter of the pen in pixels.
    margin
        Paper on every side in pixels.
    channels
        What to show, in this order: ``"ink"`` (always first), 0…1; ``"direction"``, two planes, the way of the pen to
        the right and down, -1…1; ``"progress"``, the share of the drawing's length drawn before, 0…1; ``"size"``, the
        same value everywhere, ``log2(longest side) / 8``, clipped to 0…2, in units of which `USUAL_STAFF_SPACE` make a
        staff space; where that is not known, in the strokes' own unit. All but the ink are zero for a scanned image,
        the size unless its staff space is known, so one recognizer serves both when it was trained on both.
    scan_pen
        What becomes of the pen of a scanned image: ``"uniform"``, it is made as thick as `pen_width`; ``"kept"``, it
        stays as it is unless it is thinner.
    """

    kind: Literal["ink-raster"] = "ink-raster"
    height: int = Field(default=48, ge=8, le=512)
    width: int = Field(default=48, ge=8, le=512)
    pen_width: float = Field(default=2.0, ge=0.5, le=64)
    margin: float = Field(default=1.0, ge=0, le=64)
    channels: tuple[InkChannel, ...] = ("ink",)
    scan_pen: Literal["uniform", "kept"] = "uniform"

    @model_validator(mode="after")
    def _is_drawable(self) -> Self:
        if self.channels[:1] != ("ink",) or len(set(self.channels)) < len(self.channels):
            raise ValueError(f"channels must begin with 'ink' and not repeat; allowed: {', '.join(N_PLANES)}")
        if min(self.height, self.width) <= 2 * self.margin + self.pen_width:
            raise ValueError("height and width must be larger than two margins and the pen")
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        return sum(N_PLANES[channel] for channel in self.channels), self.height, self.width

    def __call__(self, drawing: Ink | Image) -> FloatArray:
        if isinstance(drawing, Image):
            return self._of_image(drawing)
        if isinstance(drawing, Ink):
            return self.draw(self.place(drawing), of=drawing)
        raise DataError(f"{self.kind} features cannot read a {type(drawing).__name__}; give strokes or an image")

    def place(self, ink: Ink) -> Ink:
        """Return strokes in pixels of the raster, as large as fits."""
        return place_strokes(
            ink, height=self.height, width=self.width, pen_width_px=self.pen_width, margin_px=self.margin
        )

    def draw(self, placed: Ink, *, of: Ink) -> FloatArray:
        """Return the raster of strokes in pixels, which are all or a part of the drawing `of`."""
        planes = draw_planes(placed, height=self.height, width=self.width, pen_width_px=self.pen_width)
        parts = {"ink": planes[:1], "direction": planes[1:3], "progress": planes[3:]}
        if "size" in self.channels:
            points = np.concatenate(of.strokes)
            longest = float((points.max(axis=0) - points.min(axis=0)).max())
            parts["size"] = self._size_plane(longest, of.staff_space or USUAL_STAFF_SPACE)
        return np.concatenate([parts[channel] for channel in self.channels])

    def _of_image(self, image: Image) -> FloatArray:
        drawing = find_drawing(image)
        place = place_as_drawn if self.scan_pen == "kept" else place_with_pen
        shape = (self.height, self.width)
        parts = {channel: self._plane(0.0, n_planes) for channel, n_planes in N_PLANES.items()}
        parts["ink"] = place(drawing, shape=shape, pen_width_px=self.pen_width, margin_px=self.margin)[None]
        if image.staff_space_px is not None:
            parts["size"] = self._size_plane(drawing.longest_px, image.staff_space_px)
        return np.concatenate([parts[channel] for channel in self.channels])

    def _size_plane(self, longest: float, staff_space: float) -> FloatArray:
        usual = max(longest * USUAL_STAFF_SPACE / staff_space, 1.0)
        return self._plane(min(math.log2(usual) / 8, 2.0))

    def _plane(self, value: float, n_planes: int = 1) -> FloatArray:
        return np.full((n_planes, self.height, self.width), value, dtype=np.float32)

"""Augmentations of drawings: another hand, another medium, and the pen unseen."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from earmark.features.ink_raster import USUAL_STAFF_SPACE
from earmark.training.augment.base import AUGMENTATIONS, BatchAugmentation, ContentAugmentation, Drawn
from earmark.types import Content, FloatArray, Image, Ink


@AUGMENTATIONS.register("ink-warp")
class InkWarp(ContentAugmentation):
    """Draw strokes as another hand might: turned, slanted, stretched, bent, each stroke a little elsewhere.

    Moving points and not pixels keeps the pen sharp, its direction true, and the drawing filling the raster. All values
    are standard deviations, except as noted; lengths are shares of the drawing's longer side.

    Attributes
    ----------
    rotate_degrees, shear, stretch
        Of the whole drawing; the stretch is the logarithm of height over width, halved.
    bend
        Amplitude of a smooth random displacement.
    stroke_shift, stroke_scale
        Of each stroke by itself, when there are several.
    jitter
        Of each point.
    uneven
        Amplitude of a smooth stretch of some parts against others along each axis, such as of a stem against its head.
    reorder
        Share of the drawings whose strokes come in another order, some of them drawn from their end.
    """

    domains = frozenset({"ink"})
    kind: Literal["ink-warp"] = "ink-warp"
    rotate_degrees: float = Field(default=5.0, ge=0, le=45)
    shear: float = Field(default=0.08, ge=0, le=1)
    stretch: float = Field(default=0.09, ge=0, le=1)
    bend: float = Field(default=0.018, ge=0, le=0.2)
    stroke_shift: float = Field(default=0.014, ge=0, le=0.2)
    stroke_scale: float = Field(default=0.04, ge=0, le=0.5)
    jitter: float = Field(default=0.004, ge=0, le=0.1)
    uneven: float = Field(default=0.0, ge=0, le=0.3)
    reorder: float = Field(default=0.0, ge=0, le=1)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        if not isinstance(content, Ink):
            return content
        points = np.concatenate(content.strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        longest = max(float((high - low).max()), 1e-6)
        matrix = self._matrix(rng)
        waves = rng.standard_normal((2, 2, 2)) * 3, rng.uniform(0, 2 * np.pi, (2, 2))
        uneven = 3 * self.uneven * rng.standard_normal(2).clip(-1, 1), rng.uniform(0, 2 * np.pi, 2)
        strokes = []
        for stroke in content.strokes:
            unit = (stroke - (low + high) / 2) / longest
            # Its slope is never below 0, so nothing is folded over.
            unit = unit + uneven[0] * np.sin(2 * np.pi * unit + uneven[1]) / (2 * np.pi)
            unit = unit + self.bend * np.sin(np.tensordot(unit, waves[0], axes=(1, 0)) + waves[1]).sum(axis=1)
            if len(content.strokes) > 1:
                unit = self._moved(unit, rng)
            unit = unit @ matrix.T + self.jitter * rng.standard_normal(unit.shape)
            strokes.append((longest * unit).astype(np.float32))
        if self.reorder and rng.random() < self.reorder:
            strokes = [strokes[i][:: -1 if rng.random() < 0.3 else 1] for i in rng.permutation(len(strokes))]
        return replace(content, strokes=tuple(strokes))

    def _matrix(self, rng: np.random.Generator) -> FloatArray:
        turn, slant, stretch = rng.standard_normal(3).clip(-3, 3) * (
            math.radians(self.rotate_degrees),
            self.shear,
            self.stretch,
        )
        rotate = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        shear = np.array([[1, slant], [0, 1]])
        return np.asarray(rotate @ shear @ np.diag([math.exp(-stretch), math.exp(stretch)]), dtype=np.float32)

    def _moved(self, unit: FloatArray, rng: np.random.Generator) -> FloatArray:
        middle = unit.mean(axis=0)
        scale = np.exp(self.stroke_scale * rng.standard_normal(2))
        return np.asarray(middle + (unit - middle) * scale + self.stroke_shift * rng.standard_normal(2))


@AUGMENTATIONS.register("ink-size")
class InkSize(ContentAugmentation):
    """Let drawings be of another size, or in another unit, which only a raster with the ``"size"`` channel shows.

    Attributes
    ----------
    size
        Standard deviation of the logarithm of the size.
    foreign_units
        Share of the drawings that are scaled by anything from 1/16 to 16, because strokes may come in any unit. The
        size then helps where it is usual and is not trusted where it is not.
    """

    domains = frozenset({"ink"})
    kind: Literal["ink-size"] = "ink-size"
    size: float = Field(default=0.15, ge=0, le=2)
    foreign_units: float = Field(default=0.1, ge=0, le=1)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        factor = math.exp(self.size * rng.standard_normal())
        if isinstance(content, Image) and content.staff_space_px is not None:
            return replace(content, staff_space_px=content.staff_space_px / factor)
        if not isinstance(content, Ink):
            return content
        if rng.random() < self.foreign_units:
            factor *= 16.0 ** rng.uniform(-1, 1)
        return replace(content, staff_space=(content.staff_space or USUAL_STAFF_SPACE) / factor)


@AUGMENTATIONS.register("ink-only")
class InkOnly(BatchAugmentation):
    """Hide how the pen moved from some drawings: every plane but the ink becomes zero, as it is for scans.

    Attributes
    ----------
    probability
        Share of the drawings.
    """

    domains = frozenset({"ink"})
    kind: Literal["ink-only"] = "ink-only"
    probability: float = Field(default=0.15, gt=0, le=1)

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        shown = (torch.rand(len(pictures), generator=rng) >= self.probability).to(pictures.device)
        others = pictures[:, 1:] * shown[:, None, None, None]
        return torch.cat([pictures[:, :1], others], dim=1), targets

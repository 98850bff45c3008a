"""Augmentations of drawings: another hand, another medium, and the pen unseen."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from earmark.errors import DataError
from earmark.ink import draw_planes, place_strokes
from earmark.ink.trace import find_ink
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
    size
        Logarithm of the drawing's size, which only a raster with the ``"size"`` channel shows.
    foreign_units
        Share of the drawings that are scaled by anything from 1/16 to 16, because strokes may come in any unit. The
        size then helps where it is usual and is not trusted where it is not.
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
    size: float = Field(default=0.15, ge=0, le=2)
    foreign_units: float = Field(default=0.1, ge=0, le=1)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        if not isinstance(content, Ink):
            return content
        points = np.concatenate(content.strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        longest = max(float((high - low).max()), 1e-6)
        matrix = self._matrix(rng) * self._factor(rng)
        waves = rng.standard_normal((2, 2, 2)) * 3, rng.uniform(0, 2 * np.pi, (2, 2))
        strokes = []
        for stroke in content.strokes:
            unit = (stroke - (low + high) / 2) / longest
            unit = unit + self.bend * np.sin(np.tensordot(unit, waves[0], axes=(1, 0)) + waves[1]).sum(axis=1)
            if len(content.strokes) > 1:
                unit = self._moved(unit, rng)
            unit = unit @ matrix.T + self.jitter * rng.standard_normal(unit.shape)
            strokes.append((longest * unit).astype(np.float32))
        return Ink(tuple(strokes))

    def _factor(self, rng: np.random.Generator) -> float:
        foreign = 16.0 ** rng.uniform(-1, 1) if rng.random() < self.foreign_units else 1.0
        return foreign * math.exp(self.size * rng.standard_normal())

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


@AUGMENTATIONS.register("ink-scan")
class InkScan(ContentAugmentation):
    """Turn some drawings into scans: other pens, resolutions, noise, blur, light, polarity, remains of staff lines.

    The scan goes the way of a user's scan, through `earmark.ink.trace`, and has no stroke channels; so one recognizer
    learns to serve both.

    Attributes
    ----------
    probability
        Share of the drawings that become scans; a lone point stays as it is, being lost in noise.
    thinnest_pen, thickest_pen
        Range of the pen's width, as shares of the image's side.
    staff
        Share of the scans that carry up to six short pieces of staff line.
    """

    domains = frozenset({"ink"})
    kind: Literal["ink-scan"] = "ink-scan"
    probability: float = Field(default=0.25, gt=0, le=1)
    thinnest_pen: float = Field(default=0.015, gt=0, le=0.5)
    thickest_pen: float = Field(default=0.1, gt=0, le=0.5)
    staff: float = Field(default=0.3, ge=0, le=1)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        if not isinstance(content, Ink) or rng.random() >= self.probability:
            return content
        if not np.ptp(np.concatenate(content.strokes), axis=0).any():
            return content
        side = int(math.exp(rng.uniform(math.log(56), math.log(160))))
        pen_px = max(1.2, side * math.exp(rng.uniform(math.log(self.thinnest_pen), math.log(self.thickest_pen))))
        placed = place_strokes(
            content, height=side, width=side, pen_width_px=pen_px, margin_px=rng.uniform(1, side / 6)
        )
        share = draw_planes(placed, height=side, width=side, pen_width_px=pen_px)[0]
        if rng.random() < self.staff:
            remains = _pieces_of_staff(placed, side, rng)
            share = np.maximum(
                share, draw_planes(remains, height=side, width=side, pen_width_px=max(1.0, pen_px / 2))[0]
            )
        scan = Image(_photographed(share, rng))
        try:
            find_ink(scan)
        except DataError:
            # Noise and bad light have swallowed the ink: nobody could read this scan, so it teaches nothing.
            return content
        return scan


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


def _pieces_of_staff(placed: Ink, side: int, rng: np.random.Generator) -> Ink:
    """Return short level strokes that touch the drawing, as are left behind by the removal of staff lines."""
    points = np.concatenate(placed.strokes)
    middles = points[rng.integers(len(points), size=int(rng.integers(1, 7)))]
    halves = rng.uniform(0.01, 0.06, len(middles)) * side
    offsets = np.stack([halves, np.zeros_like(halves)], axis=1)
    return Ink(tuple(np.stack([m - o, m + o]).astype(np.float32) for m, o in zip(middles, offsets, strict=True)))


def _photographed(share: FloatArray, rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return grey levels of ink and paper under uneven light, blurred, noisy, perhaps inverted."""
    if rng.random() < 0.5:
        shifted = np.roll(share, 1, axis=0), np.roll(share, 1, axis=1), np.roll(share, (1, 1), axis=(0, 1))
        share = np.mean([share, *shifted], axis=0, dtype=np.float32)
    paper, ink = rng.uniform(170, 255), rng.uniform(0, 110)
    x = np.linspace(-1, 1, len(share))
    light = rng.uniform(-25, 25) * x[:, None] + rng.uniform(-25, 25) * x
    grey = paper + (ink - paper) * share + light + rng.uniform(0, 12) * rng.standard_normal(share.shape)
    return np.clip(255 - grey if rng.random() < 0.2 else grey, 0, 255).astype(np.uint8)

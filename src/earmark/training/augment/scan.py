"""Augmentation of drawings into scans: another pen, another paper, another scanner."""

from __future__ import annotations

import io
import math
from typing import Literal

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFilter
from pydantic import Field

from earmark.errors import DataError
from earmark.features.ink_raster import USUAL_STAFF_SPACE
from earmark.ink.trace import find_ink
from earmark.training.augment.base import AUGMENTATIONS, ContentAugmentation, Drawn, Range
from earmark.types import Content, FloatArray, Image, Ink, RealArray

LONGEST_PX = 240
SUPERSAMPLING = 2
LEAST_LEFT = 0.7
"""Share of the ink that has to survive."""


@AUGMENTATIONS.register("ink-scan")
class InkScan(ContentAugmentation):
    """Turn some drawings into scans: round and broad pens, ink that spreads or breaks, staff lines removed badly.

    The scan goes the way of a user's scan, through `earmark.ink.trace`, and has no stroke channels; so one recognizer
    learns to serve both. A pen has one thickness for all symbols of a page, so that a dot becomes a blob.

    Attributes
    ----------
    probability
        Share of the drawings that become scans.
    pen_spaces
        Range of the pen's width, in staff spaces.
    space_px
        Range of the resolution: pixels a staff space.
    staff
        Share of the scans from which staff lines were removed, with gaps where they crossed the ink, or stubs left.
    bilevel
        Share of the scans that are black and white.
    known_space
        Share of the scans whose staff space is known.
    """

    domains = frozenset({"ink"})
    kind: Literal["ink-scan"] = "ink-scan"
    probability: float = Field(default=0.25, gt=0, le=1)
    pen_spaces: Range = (0.06, 0.5)
    space_px: Range = (8.0, 45.0)
    staff: float = Field(default=0.35, ge=0, le=1)
    bilevel: float = Field(default=0.6, ge=0, le=1)
    known_space: float = Field(default=0.4, ge=0, le=1)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        if not isinstance(content, Ink) or rng.random() >= self.probability:
            return content
        space = content.staff_space or USUAL_STAFF_SPACE
        points = np.concatenate(content.strokes)
        longest = float((points.max(axis=0) - points.min(axis=0)).max())
        pen = space * _log_uniform(rng, self.pen_spaces)
        scale = min(_log_uniform(rng, self.space_px) / space, LONGEST_PX / (longest + pen))
        whole = _draw([scale * stroke for stroke in content.strokes], max(1.0, scale * pen), rng)
        share = _without_staff(whole, scale * space, rng) if rng.random() < self.staff else whole
        share = _printed(share, rng)
        if np.minimum(share, whole).sum() < LEAST_LEFT * whole.sum():
            # Nobody could read what is left of it, so it teaches nothing.
            share = whole
        if rng.random() < self.bilevel and share.max() > 0.5:
            pixels = np.where(share > 0.5, np.uint8(0), np.uint8(255))
        else:
            pixels = _photographed(share, rng)
        scan = Image(pixels, scale * space if rng.random() < self.known_space else None)
        try:
            find_ink(scan)
        except DataError:
            # Noise and bad light have swallowed the ink.
            return content
        return scan


def _log_uniform(rng: np.random.Generator, values: Range) -> float:
    return math.exp(rng.uniform(math.log(values[0]), math.log(values[1])))


def _draw(strokes: list[FloatArray], pen_px: float, rng: np.random.Generator) -> FloatArray:
    """Return the share of ink that a pen leaves, 0…1, on a paper with a margin; the pen may be broad, and press."""
    # A broad pen is a round one on stretched paper.
    broad = math.exp(rng.uniform(0, 1.1)) if rng.random() < 0.35 else 1.0
    turn = rng.uniform(0, math.pi)
    axis = np.array([math.cos(turn), math.sin(turn)])
    stretch = (np.eye(2) + (broad - 1) * np.outer(axis, axis)) * SUPERSAMPLING
    pressure = rng.uniform(0, 0.35) if rng.random() < 0.4 else 0.0
    margin = (rng.uniform(0, 6) + pen_px) * SUPERSAMPLING
    stretched = [stroke @ stretch.T for stroke in strokes]
    points = np.concatenate(stretched)
    low = points.min(axis=0) - margin
    size = np.ceil(points.max(axis=0) + margin - low).astype(int)
    paper = PIL.Image.new("L", tuple(size.tolist()))
    draw = PIL.ImageDraw.Draw(paper)
    for stroke in stretched:
        _draw_stroke(draw, stroke - low, pen_px * SUPERSAMPLING * _pressure(len(stroke), pressure, rng))
    if broad > 1:
        paper = _unstretched(paper, stretch / SUPERSAMPLING)
    width, height = paper.size
    smaller = paper.resize((max(1, width // SUPERSAMPLING), max(1, height // SUPERSAMPLING)), PIL.Image.Resampling.BOX)
    return np.asarray(smaller, dtype=np.float32) / np.float32(255)


def _pressure(n_points: int, strength: float, rng: np.random.Generator) -> FloatArray:
    """Return by how much the pen is wider than usual at each point of a stroke, changing smoothly."""
    if not strength:
        return np.ones(n_points, np.float32)
    at = np.linspace(0, 3, n_points)
    return np.asarray(np.exp(np.interp(at, range(4), strength * rng.standard_normal(4))), dtype=np.float32)


def _draw_stroke(draw: PIL.ImageDraw.ImageDraw, points: FloatArray, widths: FloatArray) -> None:
    radii = np.maximum(widths / 2, 0.5)
    for (x, y), r in zip(points.tolist(), radii.tolist(), strict=True):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    for i in range(1, len(points)):
        both = [*points[i - 1].tolist(), *points[i].tolist()]
        draw.line(both, fill=255, width=max(1, round(radii[i - 1] + radii[i])))


def _unstretched(paper: PIL.Image.Image, stretch: RealArray) -> PIL.Image.Image:
    width, height = paper.size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ np.linalg.inv(stretch).T
    low, size = corners.min(axis=0), np.ceil(np.ptp(corners, axis=0)).astype(int)
    offset = stretch @ low
    terms = (*stretch[0].tolist(), float(offset[0]), *stretch[1].tolist(), float(offset[1]))
    return paper.transform(tuple(size.tolist()), PIL.Image.Transform.AFFINE, terms, PIL.Image.Resampling.BILINEAR)


def _without_staff(share: FloatArray, space_px: float, rng: np.random.Generator) -> FloatArray:
    """Return a drawing on a staff whose lines were removed badly: stubs beside the ink, or gaps where they crossed."""
    height, width = share.shape
    thick_px = max(1.0, space_px * rng.uniform(0.03, 0.12))
    slope = rng.uniform(-0.02, 0.02)
    offset = rng.uniform(0, space_px) + slope * np.arange(width)
    along = (np.arange(height)[:, None] - offset) % space_px
    line = along < thick_px
    # Every run of columns has its own fate.
    runs = np.repeat(rng.random(width // 3 + 1), 3)[:width]
    if rng.random() < 0.5:
        return np.where(line & (runs < rng.uniform(0.1, 0.7)), 0, share)
    near = np.asarray(
        PIL.Image.fromarray(np.uint8(255 * (share > 0.5))).filter(
            PIL.ImageFilter.MaxFilter(2 * int(rng.integers(1, 5)) + 1)
        )
    )
    return np.maximum(share, np.float32(0.9) * (line & (near > 0) & (runs < rng.uniform(0.1, 0.6))))


def _noise(shape: tuple[int, ...], grain_px: float, rng: np.random.Generator) -> FloatArray:
    """Return smooth noise of deviation 1."""
    height, width = shape
    coarse = rng.standard_normal((max(2, int(height / grain_px) + 1), max(2, int(width / grain_px) + 1)))
    grown = PIL.Image.fromarray(coarse.astype(np.float32)).resize((width, height), PIL.Image.Resampling.BICUBIC)
    return np.asarray(grown)


def _printed(share: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return ink that has spread or dried up, with rough outlines, cut off here and there."""
    blur_px = rng.uniform(0.2, 1.2)
    blurred = PIL.Image.fromarray(np.uint8(255 * share)).filter(PIL.ImageFilter.GaussianBlur(blur_px))
    mean = rng.uniform(0.25, 0.62)
    level = mean - rng.uniform(0, 0.3) * mean * _noise(share.shape, rng.uniform(1.2, 4), rng)
    # The outline is as sharp as a scanner's.
    return np.clip((np.asarray(blurred, dtype=np.float32) / 255 - level) * 4 + 0.5, 0, 1).astype(np.float32)


def _photographed(share: FloatArray, rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return grey levels of ink and paper under uneven light, with grain, perhaps inverted or a JPEG."""
    paper, ink = rng.uniform(170, 255), rng.uniform(0, 110)
    height, width = share.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    grey = paper + (ink - paper) * share + rng.uniform(-25, 25) * y + rng.uniform(-25, 25) * x
    grey += rng.uniform(0, 10) * rng.standard_normal(share.shape) + rng.uniform(0, 8) * _noise(share.shape, 5, rng)
    pixels = np.clip(255 - grey if rng.random() < 0.1 else grey, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        stream = io.BytesIO()
        PIL.Image.fromarray(pixels).save(stream, "JPEG", quality=int(rng.integers(25, 90)))
        pixels = np.asarray(PIL.Image.open(stream))
    return pixels

"""A scanned or photographed drawing to the raster that its strokes would have given.

Steps: flatten colour, transparency and polarity to one plane of ink; subtract uneven light; drop specks; crop; bring
the pen to one thickness; place as `earmark.ink.draw` places strokes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError
from earmark.types import FloatArray, Image

MAX_WORKING_SIDE_PX = 384
MIN_CONTRAST = 16.0
SUPERSAMPLING = 3
MAX_PEN_SHARE = 0.25
EVEN_LIGHT, MAYBE_EVEN_LIGHT = 0.9, 0.8
"""Separation of ink and paper, Otsu's eta, above which light is even, or may be so; that of a mere shade is 0.75."""

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Traced:
    """The ink of an image, cut tight.

    Attributes
    ----------
    ink
        Share of ink of every pixel, 0…1, ``(height, width)``, of the image scaled down.
    mask
        What of it is ink and no speck.
    longest_px
        Longer side of the drawing in pixels of the image as it was given.
    """

    ink: FloatArray
    mask: Mask
    longest_px: float


def find_drawing(image: Image) -> Traced:
    """Find the ink of an image and cut it tight, without specks.

    Raises
    ------
    DataError
        When the image is empty or of one colour, or has another shape or type than `Image` allows.
    """
    ink = find_ink(image)
    mask = _without_specks(ink > 0.5)
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    crop = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    kept, mask = np.where(_grown(mask), ink, 0)[crop], mask[crop]
    return Traced(kept, mask, max(mask.shape) * max(image.pixels.shape[:2]) / max(ink.shape))


def trace(
    image: Image,
    *,
    height: int = 64,
    width: int = 64,
    pen_width_px: float = 2.0,
    margin_px: float = 1.0,
    keep_pen: bool = False,
) -> FloatArray:
    """Find the ink of an image and bring it to a raster as `draw_strokes` would.

    Parameters
    ----------
    image
        Dark ink on light paper or the reverse, any colours, with or without transparency, one symbol.
    height, width, pen_width_px, margin_px
        As in `draw_strokes`. The pen is measured and made thicker or thinner to `pen_width_px`; a blob,
        thicker than a quarter of its longer side, fills the raster as it is.
    keep_pen
        Leave a thick pen as it is; one thinner than `pen_width_px` is made thicker all the same, so that it stays seen.

    Returns
    -------
    float32 of shape ``(height, width)``, 0 for paper … 1 for ink.

    Raises
    ------
    DataError
        As `find_drawing`.
    """
    drawing = find_drawing(image)
    place = place_as_drawn if keep_pen else place_with_pen
    return place(drawing, shape=(height, width), pen_width_px=pen_width_px, margin_px=margin_px)


def find_ink(image: Image, *, max_side_px: int = MAX_WORKING_SIDE_PX) -> FloatArray:
    """Return the share of ink of every pixel, 0…1, of an image scaled down to at most `max_side_px` a side.

    Raises
    ------
    DataError
        As `trace`.
    """
    plane = _scaled_down(_one_plane(_check(image)), max_side_px)
    flat = plane
    low, high, separation = _two_levels(plane)
    # In a tight crop of a blob most is ink, and what would be fitted to it is no paper.
    if separation < EVEN_LIGHT:
        levelled = plane - _paper(plane)
        found = _two_levels(levelled)
        if separation < MAYBE_EVEN_LIGHT or found[2] > separation:
            flat, (low, high, _) = levelled, found
    if high - low < MIN_CONTRAST:
        raise DataError(
            "the image is of one colour, with no ink to find; give a drawing that stands out from its paper"
        )
    dark = (high - flat) / (high - low)
    ink = 1 - dark if _is_inverted(dark > 0.5) else dark
    return np.asarray(np.clip(ink, 0, 1), dtype=np.float32)


def _check(image: Image) -> npt.NDArray[np.uint8]:
    pixels = image.pixels
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise DataError(
            f"the image is {pixels.dtype} of shape {pixels.shape}; give uint8 of shape (height, width), "
            "(height, width, 3) or (height, width, 4)"
        )
    if not pixels.size:
        raise DataError(f"the image has shape {pixels.shape} and no pixels; give a drawing")
    return pixels


def _one_plane(pixels: npt.NDArray[np.uint8]) -> FloatArray:
    """Return one plane, 0…255, in which ink and paper differ."""
    if pixels.ndim == 2:
        return pixels.astype(np.float32)
    colour = pixels[..., :3].astype(np.float32)
    if pixels.shape[2] == 4:
        opaque = pixels[..., 3:].astype(np.float32) / np.float32(255)
        colour = colour * opaque + _behind(colour, opaque[..., 0]) * (1 - opaque)
    return _main_axis(colour)


def _behind(colour: FloatArray, opaque: FloatArray) -> FloatArray:
    """Choose what to put behind transparency: the paper when most is opaque, else what the ink stands out from."""
    seen = opaque > 0.5
    if not seen.any():
        return np.full(3, 255, dtype=np.float32)
    median = np.median(colour[seen], axis=0)
    if seen.mean() > 0.5:
        return median.astype(np.float32)
    return np.full(3, 255 if median.mean() < 128 else 0, dtype=np.float32)


def _main_axis(colour: FloatArray) -> FloatArray:
    """Project colours on the line along which they vary most, with light at its upper end.

    Grey drawings keep their luminance; red ink on green paper keeps its contrast, which luminance would lose.
    """
    flat = colour.reshape(-1, 3)
    centred = flat - flat.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axis = vectors[:, -1]
    if axis.sum() < 0:
        axis = -axis
    return np.asarray((flat @ axis / np.sqrt(3)).reshape(colour.shape[:2]), dtype=np.float32)


def _scaled_down(plane: FloatArray, max_side_px: int) -> FloatArray:
    import PIL.Image

    height, width = plane.shape
    factor = max(height, width) / max_side_px
    if factor <= 1:
        return plane
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    return np.asarray(PIL.Image.fromarray(plane).resize(size, PIL.Image.Resampling.BOX))


def _paper(plane: FloatArray) -> FloatArray:
    """Fit a quadratic surface to the brightness of the paper, the ink left out as outliers in a few rounds."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in plane.shape)
    every = max(1, max(plane.shape) // 40)
    some = plane[::every, ::every]
    some_y, some_x = np.meshgrid(y[::every], x[::every], indexing="ij")
    terms = np.stack([np.ones_like(some), some_x, some_y, some_x**2, some_x * some_y, some_y**2]).reshape(6, -1)
    values = some.ravel()
    kept = np.ones(len(values), dtype=bool)
    for _ in range(6):
        paper = terms * kept
        # The faint ridge settles what a picture of one row or column leaves open.
        fit = np.linalg.solve(paper @ terms.T + 1e-3 * np.eye(6, dtype=np.float32), paper @ values)
        error = np.abs(values - fit @ terms)
        kept = error <= max(2.5 * 1.4826 * float(np.median(error)), MIN_CONTRAST / 2)
    level, by_x, by_y, by_xx, by_xy, by_yy = fit.astype(np.float32)
    column, row = y[:, None], x[None, :]
    return np.asarray(level + by_x * row + by_xx * row**2 + column * (by_y + by_xy * row + by_yy * column))


def _two_levels(values: FloatArray) -> tuple[float, float, float]:
    """Return the mean of either side of Otsu's threshold (IEEE Trans. SMC 9, 1979), the dark one first, and his eta.

    Eta, the share of the variance that lies between the sides, says how well they are separated, 0…1.
    """
    if not np.ptp(values) > 0:
        return 0.0, 0.0, 0.0
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), np.cumsum(counts * centres)
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = total / below, (total[-1] - total) / above
        between = np.nan_to_num(below * above * (high - low) ** 2)
    best = int(np.argmax(between[:-1]))
    eta = between[best] / below[-1] ** 2 / max(float(values.var()), 1e-12)
    return float(low[best]), float(high[best]), float(eta)


def _is_inverted(dark: Mask) -> bool:
    """Tell light ink on dark paper: most of the picture and of its border is dark.

    A tight crop of a black blob is dark, too, but reaches less of the border.
    """
    border = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
    return float(border.mean() + dark.mean()) / 2 > 0.65


def _without_specks(mask: Mask) -> Mask:
    """Drop spots that are tiny beside the largest part of the drawing."""
    from scipy import ndimage

    names, n_parts = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(names.ravel(), minlength=n_parts + 1)
    sizes[0] = 0
    kept = sizes >= max(1.0, 0.004 * float(sizes.sum()))
    return np.asarray(kept[names])


def _grown(mask: Mask) -> Mask:
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(mask, structure=np.ones((3, 3))))


def _pen_px(mask: Mask) -> float:
    """Estimate the thickness of the pen that drew `mask`; 0 for a blob, of which no pen can be told.

    The distance to the paper is largest along the middle of a stroke; its median there is half the pen. Filled parts
    have little middle and hardly count.
    """
    from scipy import ndimage

    pen_px = _ridge_px(np.asarray(ndimage.distance_transform_edt(mask)))
    return 0.0 if pen_px > MAX_PEN_SHARE * (max(mask.shape) - 2) else pen_px


def _ridge_px(distance_px: npt.NDArray[np.float64]) -> float:
    from scipy import ndimage

    ridge = (distance_px > 0) & (distance_px >= ndimage.maximum_filter(distance_px, size=3))
    # Distances run between the centres of pixels: a line of n pixels has n/2 (even) or (n + 1)/2 (odd) in its middle.
    return float(2 * np.median(distance_px[ridge]) - 0.5)


def place_as_drawn(drawing: Traced, *, shape: tuple[int, int], pen_width_px: float, margin_px: float) -> FloatArray:
    """Scale a drawing so that its ink fills the raster; a pen that is too thin to be seen becomes thicker."""
    from scipy import ndimage

    room = np.array(shape) - 2 * margin_px
    pen_px = _pen_px(np.pad(drawing.mask, 1))
    scale = float((room / np.array(drawing.ink.shape)).min())
    ink = drawing.ink
    if 0 < pen_px * scale < pen_width_px:
        scale = float(((room - pen_width_px) / np.maximum(np.array(ink.shape) - pen_px, 1e-3)).min())
        more_px = max(0, round(pen_width_px / scale - pen_px))
        ink = ndimage.maximum_filter(np.pad(ink, (more_px + 1) // 2), size=more_px + 1)
    placed = _resampled(ink, scale=scale, shape=shape)
    # What is enlarged stays as sharp as it was.
    return np.clip((placed - 0.5) * max(1.0, scale) + 0.5, 0, 1) if scale > 1 else placed


def place_with_pen(drawing: Traced, *, shape: tuple[int, int], pen_width_px: float, margin_px: float) -> FloatArray:
    """Scale a crop so that its pen's path fills the raster, and move its outline to the wanted pen."""
    from scipy import ndimage

    ink, pen_px = drawing.ink, _pen_px(np.pad(drawing.mask, 1))
    height, width = shape
    room = np.array([width, height]) - 2 * margin_px - pen_width_px * (pen_px > 0)
    scale = float((room / np.maximum(np.array(ink.shape[::-1]) - pen_px, 1e-3)).min())
    fine = _resampled(ink, scale=scale * SUPERSAMPLING, shape=(height * SUPERSAMPLING, width * SUPERSAMPLING))
    inside = fine > 0.5
    within, beyond = ndimage.distance_transform_edt(inside), ndimage.distance_transform_edt(~inside)
    shift_px = 0.0
    if pen_px > 0:
        pen_now_px = _ridge_px(within) / SUPERSAMPLING
        # Thinning by more than most of the pen would erase what was drawn lightly.
        shift_px = max((pen_width_px - pen_now_px) / 2, -0.35 * pen_now_px)
    # Half a pixel on either side lies between a centre and the outline.
    signed_px = np.where(inside, within - 0.5, 0.5 - beyond) / SUPERSAMPLING
    coverage = np.clip((signed_px + shift_px) * SUPERSAMPLING + 0.5, 0, 1)
    coarse = coverage.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING).mean(axis=(1, 3))
    return np.asarray(coarse, dtype=np.float32)


def _resampled(ink: FloatArray, *, scale: float, shape: tuple[int, int]) -> FloatArray:
    """Return `ink` scaled and centred in a picture of `shape`."""
    import PIL.Image

    height, width = shape
    pad = math.ceil(max(height, width) / scale / 2) + 2
    source = PIL.Image.fromarray(np.pad(ink, pad))
    left = pad + ink.shape[1] / 2 - width / scale / 2
    top = pad + ink.shape[0] / 2 - height / scale / 2
    box = (left, top, left + width / scale, top + height / scale)
    kind = PIL.Image.Resampling.BOX if scale < 0.5 else PIL.Image.Resampling.BILINEAR
    return np.asarray(source.resize((width, height), kind, box=box))

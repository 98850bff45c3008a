"""Measures of a drawing or a spectrogram picture, and its signature for finding near copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError
from earmark.ink import trace
from earmark.types import FloatArray, Image, Ink, Picture, RealArray

SIDE_PX = 20
N_POINTS = 32
N_DIRECTIONS, N_CELLS = 8, 12
PIECE = 0.02
TIP = 0.1
"""Strokes are cut into pieces this long, the box being 1; a stroke's end weighs as much as five of them."""

SCALAR_WEIGHTS = np.array([0.57, 1.37, 0.33, 0.28])
"""Of the logarithm of the size, the slenderness, the strokes and the length: each a fifth of what the cells weigh."""

PICTURE_CELLS = (16, 24)


@dataclass(frozen=True, slots=True)
class DrawingFacts:
    """Measures of a drawing or a picture.

    Attributes
    ----------
    n_strokes, n_points
        Of pen strokes; 0 otherwise.
    length
        Of the pen's way, in the strokes' own unit.
    contrast
        Difference of the largest and smallest value of an image or a picture; 1 for strokes.
    ink_share
        Share of the raster that is inked; 1 for a picture.
    """

    n_strokes: int
    n_points: int
    length: float
    contrast: float
    ink_share: float


def measure_drawing(content: Ink | Image | Picture) -> tuple[DrawingFacts, FloatArray | None, FloatArray | None]:
    """Return the measures, the features of the baseline, and the signature; the last two are None for a blank one."""
    if isinstance(content, Ink):
        return _strokes(content)
    if isinstance(content, Image):
        return _image(content)
    return _picture(content.values)


def _strokes(ink: Ink) -> tuple[DrawingFacts, FloatArray, FloatArray]:
    points = np.concatenate(ink.strokes)
    extent = np.ptp(points, axis=0)
    length = float(sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in ink.strokes))
    size = max(float(extent.max()), 1e-6)
    scalars = np.array(
        [np.log2(max(size, 1)), (extent[0] - extent[1]) / size, min(len(ink.strokes), 8), min(length / size, 16)]
    )
    features = np.concatenate((_directions(ink).ravel(), scalars * SCALAR_WEIGHTS)).astype(np.float32)
    return DrawingFacts(len(ink.strokes), len(points), length, 1.0, 1.0), features, _path_signature(ink)


def _directions(ink: Ink) -> RealArray:
    """Return how much pen there is in each cell and direction, and where strokes begin and end.

    Shape ``(N_DIRECTIONS + 2, N_CELLS, N_CELLS)``, square roots. The box of the drawing is stretched half way to a
    square, so that slender drawings keep detail. After the directional features of C.-L. Liu et al., "Handwritten digit
    recognition: benchmarking of state-of-the-art techniques", Pattern Recognition 36, 2003.
    """
    points = np.concatenate(ink.strokes).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1e-6)
    scale = np.sqrt(extent / extent.max()) / extent
    cells = np.zeros((N_DIRECTIONS + 2, N_CELLS, N_CELLS))
    at, way, ends = [], [], []
    for stroke in ink.strokes:
        placed = (stroke - (low + high) / 2) * scale
        step = np.diff(placed, axis=0)
        n_pieces = np.maximum(1, np.ceil(np.hypot(*step.T) / PIECE)).astype(int)
        which = np.repeat(np.arange(len(step)), n_pieces)
        within = np.arange(n_pieces.sum()) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
        at.append(placed[which] + ((within + 0.5) / n_pieces[which])[:, None] * step[which])
        way.append(step[which] / n_pieces[which][:, None])
        ends.append(placed[[0, -1]])
    places, ways, tips = np.concatenate(at), np.concatenate(way), np.concatenate(ends)
    turn = (np.arctan2(ways[:, 1], ways[:, 0]) % np.pi) / np.pi * N_DIRECTIONS
    direction, rest = np.floor(turn).astype(int), turn - np.floor(turn)
    length = np.hypot(*ways.T)
    _spread(cells, direction % N_DIRECTIONS, places, length * (1 - rest))
    _spread(cells, (direction + 1) % N_DIRECTIONS, places, length * rest)
    _spread(cells, np.full(len(places), N_DIRECTIONS), places, length)
    _spread(cells, np.full(len(tips), N_DIRECTIONS + 1), tips, np.full(len(tips), TIP))
    return np.asarray(np.sqrt(cells))


def _spread(
    cells: RealArray,
    plane: npt.NDArray[np.intp],
    places: RealArray,
    weight: RealArray,
) -> None:
    """Add weights, in place, to the four cells around each place; places are -½…½ in both directions."""
    at = (0.96 * places + 0.5) * (N_CELLS - 1)
    corner = np.clip(np.floor(at).astype(int), 0, N_CELLS - 2)
    rest = at - corner
    for right in (0, 1):
        for down in (0, 1):
            share = np.abs(1 - right - rest[:, 0]) * np.abs(1 - down - rest[:, 1])
            np.add.at(cells, (plane, corner[:, 1] + down, corner[:, 0] + right), weight * share)


def _path_signature(ink: Ink) -> FloatArray:
    """Return points at equal steps along the whole way of the pen, size and place taken out, ``(2 × N_POINTS + 1,)``.

    Moved, scaled or thinned strokes keep it; another hand does not repeat it.
    """
    points = np.concatenate(ink.strokes).astype(np.float64)
    step = np.hypot(*np.diff(points, axis=0).T)
    way = np.concatenate(([0.0], np.cumsum(step)))
    at = np.linspace(0, way[-1], N_POINTS)
    sampled = np.stack([np.interp(at, way, points[:, axis]) for axis in (0, 1)], axis=1)
    size = max(float(np.ptp(points, axis=0).max()), 1e-6)
    sampled = (sampled - (points.min(axis=0) + points.max(axis=0)) / 2) / size
    # Drawings of other numbers of strokes are never copies: far apart.
    return np.append(sampled.ravel() / np.sqrt(N_POINTS), 4.0 * len(ink.strokes)).astype(np.float32)


def _image(image: Image) -> tuple[DrawingFacts, FloatArray | None, FloatArray | None]:
    contrast = float(np.ptp(image.pixels))
    try:
        shade = trace(image, height=SIDE_PX, width=SIDE_PX, pen_width_px=1.5, margin_px=0.5)
    except DataError:
        # That there is nothing on the paper is a finding, not a failure.
        return DrawingFacts(0, 0, 0.0, contrast, 0.0), None, None
    edges = np.stack([np.gradient(shade, axis=axis) for axis in (0, 1)])
    angle = np.stack((edges[1] ** 2 - edges[0] ** 2, 2 * edges[0] * edges[1], np.hypot(*edges)))
    features = np.concatenate((shade.ravel(), _pooled(angle, 2).ravel())).astype(np.float32)
    facts = DrawingFacts(0, 0, 0.0, contrast, float((shade > 0.5).mean()))
    return facts, features, (shade.ravel() / max(float(np.linalg.norm(shade)), 1e-6)).astype(np.float32)


def _picture(values: npt.NDArray[np.generic]) -> tuple[DrawingFacts, FloatArray | None, FloatArray | None]:
    numbers = np.asarray(values, dtype=np.float32)
    contrast = float(np.ptp(numbers)) if numbers.size else 0.0
    facts = DrawingFacts(0, 0, 0.0, contrast, 1.0)
    if not contrast:
        return facts, None, None
    numbers = (numbers - numbers.min()) / contrast
    change = np.abs(np.diff(numbers, axis=-1)).mean(axis=-1) if numbers.shape[-1] > 1 else numbers[..., 0] * 0
    features = np.concatenate([part.ravel() for part in (numbers.mean(axis=-1), numbers.std(axis=-1), change)])
    flat = numbers.reshape(-1, numbers.shape[-1])
    cells = np.array([[cell.mean() for cell in _split(row, 1)] for row in _split(flat, 0)])
    cells -= cells.mean()
    return facts, features, (cells.ravel() / max(float(np.linalg.norm(cells)), 1e-6)).astype(np.float32)


def _split(values: FloatArray, axis: int) -> list[FloatArray]:
    return np.array_split(values, min(PICTURE_CELLS[axis], values.shape[axis]), axis=axis)


def _pooled(planes: FloatArray, factor: int) -> FloatArray:
    n, height, width = planes.shape
    blocks = planes.reshape(n, height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(2, 4)), dtype=np.float32)

"""Ideal strokes as a person would draw them: slanted, trembling, in any order, of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.types import Ink

Stroke: TypeAlias = npt.NDArray[Any]
"""Points ``(n_points, 2)``, x to the right and y down."""
Drawer: TypeAlias = Callable[[np.random.Generator], Sequence[Stroke]]
"""Makes the strokes of one shape, in any unit."""

USUAL_SIZE, SIZE_SPREAD = 60.0, 0.5
"""Longest side of what people draw on a screen: median in pixels, and standard deviation of its logarithm."""
UNUSUAL_UNITS = 0.2
"""Share of the drawings in some other unit, such as a page of width 1 or the dots of a fine tablet."""
NEAT = 0.15
"""Share of the drawings that are made by ruler and compass."""


def by_hand(strokes: Sequence[Stroke], rng: np.random.Generator) -> Ink:
    """Draw a shape as some hand might.

    Parameters
    ----------
    strokes
        The ideal shape, in any unit.
    rng
        Decides on everything; the same state gives the same drawing.
    """
    carelessness = 0.0 if rng.random() < NEAT else rng.uniform(0.3, 1.6)
    points = np.concatenate(list(strokes))
    low, high = points.min(axis=0), points.max(axis=0)
    longest = max(float((high - low).max()), 1e-9)
    unit = [(np.asarray(stroke, dtype=np.float64) - (low + high) / 2) / longest for stroke in strokes]
    matrix = _slanted(carelessness, rng)
    waves = rng.normal(0, 3, (2, 2)), rng.uniform(0, 2 * np.pi, 2)
    drawn = []
    for stroke in _reordered(unit, rng):
        bent = stroke + 0.03 * carelessness * np.sin(stroke @ waves[0] + waves[1])
        drawn.append(_trembling(bent, carelessness, rng) @ matrix.T + rng.normal(0, 0.015 * carelessness, 2))
    size = _size(rng)
    scaled = [size * (stroke + 0.5) for stroke in drawn]
    if size > 20 and rng.random() < 0.5:
        scaled = [np.rint(stroke) for stroke in scaled]
    return Ink(tuple(stroke.astype(np.float32) for stroke in scaled))


def _slanted(carelessness: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    turn, slant, stretch = rng.standard_normal(3).clip(-2, 2) * carelessness * (math.radians(6), 0.12, 0.12)
    rotate = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    shear = np.array([[1, -slant], [0, 1]])
    return np.asarray(rotate @ shear @ np.diag([math.exp(-stretch), math.exp(stretch)]))


def _reordered(strokes: Sequence[Stroke], rng: np.random.Generator) -> list[Stroke]:
    """Return the strokes in another order and direction now and then."""
    order = rng.permutation(len(strokes)) if rng.random() < 0.3 else np.arange(len(strokes))
    return [strokes[i][::-1] if rng.random() < 0.2 else strokes[i] for i in order]


def _trembling(stroke: Stroke, carelessness: float, rng: np.random.Generator) -> Stroke:
    """Return a stroke of unit size with points as a pen leaves them, swaying around the ideal line."""
    if not carelessness:
        return stroke
    fine = resampled(stroke, step=rng.uniform(0.02, 0.06))
    sway = np.cumsum(rng.normal(0, 0.006 * carelessness, fine.shape), axis=0)
    # A hand that has strayed comes back: only what differs from the straight way is kept.
    back = np.linspace(0, 1, len(fine))[:, None]
    return np.asarray(fine + sway - back * sway[-1] + rng.normal(0, 0.002 * carelessness, fine.shape))


def resampled(stroke: Stroke, *, step: float) -> Stroke:
    """Return points along a stroke that are about `step` apart, its first and last among them."""
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(lengths)])
    at = np.linspace(0, travelled[-1], max(2, math.ceil(travelled[-1] / step) + 1))
    return np.stack([np.interp(at, travelled, stroke[:, axis]) for axis in (0, 1)], axis=1)


def _size(rng: np.random.Generator) -> float:
    if rng.random() < UNUSUAL_UNITS:
        return float(math.exp(rng.uniform(math.log(0.5), math.log(2000))))
    return float(USUAL_SIZE * math.exp(SIZE_SPREAD * rng.standard_normal()))

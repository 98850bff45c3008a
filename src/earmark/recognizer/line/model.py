"""Model of a line: what sizes, gaps and numbers of strokes say about which strokes are one symbol.

A semi-Markov conditional random field (Sarawagi and Cohen, "Semi-Markov Conditional Random Fields for Information
Extraction", NIPS 2004) whose segments are groups of strokes. Its weights are plain numbers in a file of their own, so
they serve every recognizer of drawings; `tools/fit_line_model.py` fits them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np
from pydantic import Field

from earmark.config import Config
from earmark.ink.group_shape import SHAPE_NAMES, group_boxes, group_shapes, log_sizes
from earmark.ink.groups import Group
from earmark.types import FloatArray, RealArray

_LINEAR = (*SHAPE_NAMES, "log_width", "log_height")
SHAPE_COLUMNS = (*_LINEAR, *(f"{name}_squared" for name in _LINEAR), "groups")
"""Columns of `shape_columns`; the last counts the groups."""

_MOST_FAMILIAR = 1 - 1e-4
_LEAST_FAMILIAR = 1e-4


class SymbolModel(Config):
    """Statistics of one label.

    Attributes
    ----------
    log_width, log_height
        Mean and standard deviation of the logarithm of its size in staff spaces.
    log_n_strokes
        Logarithm of the probability that it has 1, 2, … strokes; the last is for so many and more.
    """

    log_width: tuple[float, float]
    log_height: tuple[float, float]
    log_n_strokes: tuple[float, ...] = Field(min_length=1)


class Weights(Config):
    """Weights of the score of a group and a label.

    Attributes
    ----------
    shape
        Of `shape_columns`.
    log_probability, log_size, log_count
        Of what is known of a label: the logarithm of its probability, the likelihood of the size and of the number of
        strokes.
    familiarity
        Of the log-odds that the drawing is in-distribution.
    unknown, unknown_familiarity
        The score of a group that is no symbol: a constant, and the weight of the same log-odds.
    biases
        Added to the score of each label.
    """

    shape: tuple[float, ...] = Field(min_length=len(SHAPE_COLUMNS), max_length=len(SHAPE_COLUMNS))
    log_probability: float
    log_size: float
    log_count: float
    familiarity: float
    unknown: float
    unknown_familiarity: float
    biases: dict[str, float] = Field(default_factory=dict)


class LineModel(Config):
    """The model of a line.

    Attributes
    ----------
    source
        What the weights were fitted on, and how.
    usual_extent
        Geometric mean of the longer sides of the larger half of the strokes of a line, in staff spaces: the unit of
        strokes that come without a staff is guessed by it.
    usual_part
        The same of the connected parts of an image.
    coarse
        Weights of `shape_columns` alone, which decide which groups the network sees.
    pen, scan
        Weights with what the network says, of strokes and of images.
    symbols
        Statistics by label; labels that are not among them go by the network alone.
    """

    source: str
    usual_extent: float = Field(gt=0)
    usual_part: float = Field(gt=0)
    coarse: tuple[float, ...] = Field(min_length=len(SHAPE_COLUMNS), max_length=len(SHAPE_COLUMNS))
    pen: Weights
    scan: Weights
    symbols: dict[str, SymbolModel] = Field(default_factory=dict)


@cache
def shipped_line_model() -> LineModel:
    """Return the model that comes with Earmark."""
    file = resources.files("earmark.recognizer.line").joinpath("line_model.json")
    return LineModel.model_validate_json(file.read_text(encoding="utf-8"))


def shape_columns(boxes: RealArray, groups: Sequence[Group]) -> RealArray:
    """Return what the boxes of strokes, in staff spaces, say about each group, ``(n_groups, n_columns)``."""
    linear = np.concatenate([group_shapes(boxes, groups), log_sizes(group_boxes(boxes, groups))], axis=1)
    return np.concatenate([linear, linear**2, np.ones((len(linear), 1))], axis=1)


def log_odds(familiarity: FloatArray) -> RealArray:
    """Return the log-odds of being in-distribution, neither of which is certain."""
    clipped = np.clip(familiarity.astype(np.float64), _LEAST_FAMILIAR, _MOST_FAMILIAR)
    odds: RealArray = np.log(clipped / (1 - clipped))
    return odds


def label_evidence(
    model: LineModel, labels: Sequence[str], *, sizes: RealArray, counts: Sequence[int]
) -> tuple[RealArray, RealArray]:
    """Return what each label says to each group: the likelihood of its size and of its number of strokes.

    Parameters
    ----------
    labels
        Of the recognizer.
    sizes
        Logarithms of width and height in staff spaces, ``(n_groups, 2)``.
    counts
        Strokes of each group.

    Returns
    -------
    Two arrays ``(n_groups, n_labels)``; zero for labels that the model does not know.
    """
    by_size, by_count = np.zeros((len(sizes), len(labels))), np.zeros((len(sizes), len(labels)))
    for column, label in enumerate(labels):
        known = model.symbols.get(label)
        if known is None:
            continue
        for axis, (mean, deviation) in enumerate((known.log_width, known.log_height)):
            # The tails are those of Student's t with 4 degrees of freedom: people do draw unusually now and then.
            z = (sizes[:, axis] - mean) / deviation
            by_size[:, column] -= 2.5 * np.log1p(z**2 / 4) + np.log(deviation)
        last = len(known.log_n_strokes) - 1
        by_count[:, column] = np.array(known.log_n_strokes)[np.minimum(np.array(counts) - 1, last)]
    return by_size, by_count

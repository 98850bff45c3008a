"""Scores of groups: what the network and the model of a line say about each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from earmark.ink.group_shape import group_boxes, log_sizes
from earmark.ink.groups import Group, candidate_groups, fits
from earmark.recognizer.line.lattice import Lattice, best_path, build_lattice, marginals
from earmark.recognizer.line.model import LineModel, label_evidence, log_odds, shape_columns
from earmark.types import Content, FloatArray, RealArray

MIN_MARGINAL = 1e-3
"""Groups whose probability by sizes and gaps alone is lower are not shown to the network."""
_IMPOSSIBLE = -1e3


@dataclass(frozen=True, slots=True)
class Pieces:
    """Strokes of a line, or the connected parts of an image of one.

    Attributes
    ----------
    boxes
        Left, top, right and bottom of each in staff spaces, ``(n_pieces, 4)``, in the order drawn.
    staff_space
        In the unit of the input.
    draw
        Returns the drawing of some of them.
    points
        Returns evenly spaced points of their ink in staff spaces, ``(n_points, 2)``.
    has_time
        Whether their order is that of the pen.
    """

    boxes: RealArray
    staff_space: float
    draw: Callable[[Group], Content]
    points: Callable[[Group], RealArray]
    has_time: bool = True


@dataclass(frozen=True, slots=True)
class Candidates:
    """Groups that the network looks at, and the lattice of them.

    Attributes
    ----------
    groups, shapes
        And their `shape_columns`, ``(n_groups, n_columns)``.
    lattice
        Of these groups.
    is_symbol
        Whether each is of a size that a symbol can have, ``(n_groups,)``.
    """

    groups: tuple[Group, ...]
    shapes: RealArray
    lattice: Lattice
    is_symbol: list[bool]


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of the network to each group: probabilities ``(n_groups, n_labels)``, familiarity ``(n_groups,)``."""

    probabilities: FloatArray
    familiarity: FloatArray


def find_candidates(pieces: Pieces, model: LineModel, *, keep: Sequence[Group] = ()) -> Candidates:
    """Return the groups that sizes and gaps leave possible; those in `keep` always, where they are possible at all."""
    boxes, ranks = pieces.boxes, _ranks(pieces.boxes)
    groups = candidate_groups(boxes)
    shapes = shape_columns(boxes, groups)
    scores = shapes @ np.array(model.coarse)
    lattice = _lattice(groups, scores, ranks)
    probable, _ = marginals(lattice, scores)
    chosen = probable >= MIN_MARGINAL
    chosen[best_path(lattice, scores)] = True
    wanted = set(keep)
    kept = [index for index, group in enumerate(groups) if chosen[index] or group in wanted]
    few = tuple(groups[index] for index in kept)
    is_symbol = fits(group_boxes(boxes, few)).tolist()
    return Candidates(few, shapes[kept], _lattice(few, scores[kept], ranks), is_symbol)


def _ranks(boxes: RealArray) -> list[int]:
    """Return the place of each piece along the line."""
    order = np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")
    ranks = np.empty(len(boxes), np.int64)
    ranks[order] = np.arange(len(boxes))
    return [int(rank) for rank in ranks]


def _lattice(groups: Sequence[Group], scores: RealArray, ranks: list[int]) -> Lattice:
    by_rank = [[ranks[piece] for piece in group] for group in groups]
    return build_lattice(by_rank, scores.tolist(), n_parts=len(ranks))


def label_scores(
    candidates: Candidates, pieces: Pieces, *, model: LineModel, labels: Sequence[str], answers: Answers
) -> RealArray:
    """Return the score of every label of each group, ``(n_groups, n_labels + 1)``; the last is that of ``unknown``."""
    groups = candidates.groups
    sizes, counts = log_sizes(group_boxes(pieces.boxes, groups)), [len(group) for group in groups]
    by_size, by_count = label_evidence(model, labels, sizes=sizes, counts=counts)
    weights = model.pen if pieces.has_time else model.scan
    odds = log_odds(answers.familiarity)
    shared = candidates.shapes @ np.array(weights.shape)
    known = (
        weights.log_probability * np.log(np.maximum(answers.probabilities, 1e-9))
        + weights.log_size * by_size
        + weights.log_count * by_count
        + np.array([weights.biases.get(label, 0.0) for label in labels])
        + (weights.familiarity * odds)[:, None]
    )
    known[~np.array(candidates.is_symbol)] = _IMPOSSIBLE
    unknown = weights.unknown + weights.unknown_familiarity * odds
    scores: RealArray = np.concatenate([known, unknown[:, None]], axis=1) + shared[:, None]
    return scores

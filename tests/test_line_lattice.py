"""Groups of strokes, the lattice of them, rows of a page."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.ink.group_shape import SHAPE_NAMES, group_boxes, group_shapes
from earmark.ink.groups import candidate_groups
from earmark.ink.lines import stroke_boxes, write_line
from earmark.ink.rows import split_rows
from earmark.recognizer.line.lattice import best_path, build_lattice, marginals
from earmark.types import Ink
from written import SPACE, line_of


def partitions(parts):
    """Yield every partition of a list."""
    if not parts:
        yield []
        return
    first, rest = parts[0], parts[1:]
    for size in range(len(rest) + 1):
        for others in itertools.combinations(rest, size):
            left = [part for part in rest if part not in others]
            for partition in partitions(left):
                yield [(first, *others), *partition]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(0, 1000), st.floats(0.2, 1.0))
def test_the_lattice_holds_every_partition_into_its_groups(n_parts, seed, share):
    rng = np.random.default_rng(seed)
    every = [group for k in range(1, n_parts + 1) for group in itertools.combinations(range(n_parts), k)]
    groups = [group for group in every if len(group) == 1 or rng.random() < share]
    scores = rng.normal(0, 2, len(groups))
    place = {group: index for index, group in enumerate(groups)}
    allowed = [part for part in partitions(list(range(n_parts))) if all(group in place for group in part)]
    totals = [sum(scores[place[group]] for group in part) for part in allowed]
    lattice = build_lattice(groups, scores, n_parts=n_parts)
    assert {groups[index] for index in best_path(lattice, scores)} == set(allowed[int(np.argmax(totals))])
    probable, partition = marginals(lattice, scores)
    weights = np.exp(np.array(totals) - max(totals))
    assert partition == pytest.approx(math.log(weights.sum()) + max(totals))
    for group, index in place.items():
        expected = sum(w for w, part in zip(weights, allowed, strict=True) if group in part) / weights.sum()
        assert probable[index] == pytest.approx(expected, abs=1e-9)


def test_neighbours_in_space_and_in_time_are_groups_and_far_ones_are_not():
    ink, groups = line_of("Sharp", "Barline", "Whole-Note", "Half-Note", "Sharp")
    boxes = stroke_boxes(ink.strokes) / SPACE
    found = set(candidate_groups(boxes))
    assert set(groups) <= found
    assert {(stroke,) for stroke in range(len(boxes))} <= found
    assert not [group for group in found if {0, len(boxes) - 1} <= set(group)]  # the first sharp and the last


@pytest.mark.parametrize("overlap", [14.0, -6.0])
def test_a_stroke_that_was_drawn_after_the_next_symbol_finds_its_own(overlap):
    drawings = [Ink(line_of(label)[0].strokes) for label in ("Sharp", "Half-Note", "Double-Sharp", "Barline")]
    line = write_line(drawings, np.random.default_rng(0), gap=(overlap, overlap), shift=0.0, late=1.0)
    assert any(group != tuple(range(group[0], group[0] + len(group))) for group in line.groups)
    found = candidate_groups(stroke_boxes(line.ink.strokes) / SPACE)
    assert {tuple(sorted(group)) for group in line.groups} <= set(found)


def test_candidates_grow_as_the_line_does():
    drawings = [Ink(line_of(label)[0].strokes) for label in ("Sharp", "Half-Note", "Quarter-Note", "Barline")]
    lengths = []
    for n in (10, 40):
        line = write_line(drawings * n, np.random.default_rng(0))
        lengths.append(len(candidate_groups(stroke_boxes(line.ink.strokes) / SPACE)) / n)
    assert lengths[1] == pytest.approx(lengths[0], rel=0.1)


def test_shapes_of_groups():
    boxes = np.array([[0, 0, 1, 1], [1.5, 0, 2, 1], [1.2, 0, 1.4, 4], [9, 0, 10, 1]], np.float64)
    rows = group_shapes(boxes, [(0,), (0, 1), (0, 1, 2), (3,)])
    column = {name: rows[:, place] for place, name in enumerate(SHAPE_NAMES)}
    np.testing.assert_allclose(column["joins"], [0, 1, 2, 0])
    np.testing.assert_allclose(column["gap"], [0, 0.5, 0.3, 0])
    np.testing.assert_allclose(column["interruptions"], [0, 0, 0, 0])
    np.testing.assert_allclose(column["covered"], [0, 1, 0, 0])
    np.testing.assert_allclose(column["near"], [math.exp(-0.2 / 0.5), 1, math.exp(-7 / 0.5), 0], atol=1e-6)
    np.testing.assert_allclose(group_boxes(boxes, [(0, 2)]), [[0, 0, 1.4, 4]])
    assert group_shapes(boxes, [(0, 3)])[0, SHAPE_NAMES.index("interruptions")] == 2


def test_rows_of_a_page_are_read_one_below_the_other():
    upper = np.array([[x, 0, x + 1, 4.5] for x in range(0, 20, 2)], np.float64)
    lower = upper + np.array([0, 12, 0, 12])
    dot = np.array([[3, 7.5, 3.2, 7.7]], np.float64)
    rows = split_rows(np.concatenate([lower, dot, upper]))
    assert [len(row) for row in rows] == [11, 10]
    assert rows[1].tolist() == list(range(10))
    beside = upper + np.array([30, 7, 30, 7])
    assert len(split_rows(np.concatenate([upper, beside]))) == 1

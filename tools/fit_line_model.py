"""Fit the model of a line (`earmark.recognizer.line.model`) to lines put together from isolated symbols.

    python tools/fit_line_model.py RUN/model.onnx --data HOMUS.zip --manifest RUN/manifest.csv

Sizes and numbers of strokes are those of the writers of the training and validation parts. The weights are fitted to
lines of writers of the validation part, since the network is too sure of those it was trained on; the test part is left
for `benchmarks/line.py`. The result is written to `src/earmark/recognizer/line/line_model.json`.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components

from earmark.data import read_manifest
from earmark.data.content import read_content
from earmark.data.table import read_rows
from earmark.errors import DataError
from earmark.features.ink_raster import USUAL_STAFF_SPACE
from earmark.files import write_text
from earmark.ink.group_shape import group_boxes, log_sizes
from earmark.ink.groups import Group, candidate_groups
from earmark.ink.lines import scan_line, stroke_boxes, write_line
from earmark.ink.parts import find_parts
from earmark.recognizer import Recognizer
from earmark.recognizer.line.anchor import even_points
from earmark.recognizer.line.content import image_pieces, knows_scan_sizes, stroke_pieces, usual_extent
from earmark.recognizer.line.lattice import Lattice, build_lattice, marginals
from earmark.recognizer.line.model import (
    SHAPE_COLUMNS,
    LineModel,
    SymbolModel,
    Weights,
    label_evidence,
    log_odds,
    shape_columns,
)
from earmark.recognizer.line.read import answers_of
from earmark.recognizer.line.score import Pieces, find_candidates
from earmark.rejection.drawings import make_ood, ood_kinds
from earmark.types import FloatArray, Ink, RealArray

OUT = Path(__file__).parents[1] / "src" / "earmark" / "recognizer" / "line" / "line_model.json"
WAYS = (
    {"gap": (4.0, 40.0), "late": 0.0, "shift": 12.0},
    {"gap": (4.0, 40.0), "late": 0.3, "shift": 12.0},
    {"gap": (-4.0, 20.0), "late": 0.15, "shift": 20.0},
    {"gap": (8.0, 60.0), "late": 0.0, "shift": 30.0},
)
LENGTHS = (3, 14)
DOODLES = 0.03
"""Share of what is written that is no symbol."""
RARER = 2.0
"""Logarithm of how much rarer doodles are in use than here; chosen on lines of the validation part."""
MOST_STROKES = 8
UNKNOWN = "unknown"
NAMES = ("log_probability", "log_size", "log_count", "familiarity", "unknown", "unknown_familiarity")

Written: TypeAlias = tuple[list[str], Ink, tuple[Group, ...]]
Truth: TypeAlias = list[tuple[Group, str]]


@dataclass(frozen=True)
class Example:
    """One line for the fit: columns of every group, which are linear in the weights, and what is right.

    Attributes
    ----------
    columns
        ``(n_groups, n_labels, n_weights)``.
    right
        Groups and labels of the truth.
    """

    columns: RealArray
    right: tuple[list[int], list[int]]
    lattice: Lattice


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--lines", type=int, default=400)
    parser.add_argument("--scans", type=int, default=300)
    parser.add_argument("-o", "--out", default=OUT, type=Path)
    given = parser.parse_args()
    parts = {row["group"]: row["split"] for row in read_rows(Path(given.manifest))}
    by_writer: dict[str, list[tuple[str, Ink]]] = defaultdict(list)
    manifest = read_manifest(given.data)
    for example in manifest.examples:
        if parts[example.group] != "test":
            by_writer[example.group].append((example.label, read_content(manifest, example)))
    recognizer = Recognizer.load(given.model)
    held_out = sorted(writer for writer in by_writer if parts[writer] == "valid")
    statistics = fit_statistics([item for items in by_writer.values() for item in items])
    every = sorted(by_writer)
    coarse_lines = [written(by_writer[every[n % len(every)]], n) for n in range(240)]
    nothing = Weights(shape=(0.0,) * len(SHAPE_COLUMNS), **dict.fromkeys(NAMES, 0.0))
    model = LineModel(
        source="",
        usual_extent=usual(coarse_lines, stroke_boxes),
        usual_part=usual(coarse_lines, part_boxes),
        coarse=fit_coarse(coarse_lines),
        pen=nothing,
        scan=nothing,
        symbols=statistics,
    )
    lines = [written(by_writer[held_out[n % len(held_out)]], 10_000 + n) for n in range(given.lines)]
    drawn = [drawn_pieces(line, model) for line in lines]
    tells_size = knows_scan_sizes(recognizer.card)
    seen = [
        scanned_pieces(line, model, seed=number, tells_size=tells_size)
        for number, line in enumerate(lines[: given.scans])
    ]
    scanned = [each for each in seen if each is not None]
    writers = f"{len(held_out)} writers that {recognizer.card.name} was not trained on"
    model = model.model_copy(
        update={
            "pen": fit_fine(recognizer, model, *map(list, zip(*drawn, strict=True))),
            "scan": fit_fine(recognizer, model, *map(list, zip(*scanned, strict=True))),
            "source": f"HOMUS (Calvo-Zaragoza and Oncina, ICPR 2014): sizes of {len(every)} writers; weights by"
            f" conditional maximum likelihood on {len(lines)} lines put together from drawings of {writers}, and on"
            f" {len(scanned)} pictures of such lines",
        }
    )
    write_text(given.out, model.model_dump_json(indent=1) + "\n")


def usual(lines: list[Written], boxes_of: Callable[[Sequence[FloatArray]], RealArray]) -> float:
    """Return the median of `usual_extent` over lines, in staff spaces."""
    return round(float(np.median([usual_extent(boxes_of(ink.strokes)) for _, ink, _ in lines])) / USUAL_STAFF_SPACE, 3)


def part_boxes(strokes: Sequence[FloatArray]) -> RealArray:
    """Return the boxes of strokes that touch, joined, as a scanner would see them."""
    boxes = stroke_boxes(strokes)
    touches = ((boxes[:, None, :2] <= boxes[:, 2:]) & (boxes[:, :2] <= boxes[:, None, 2:])).all(axis=2)
    _, names = connected_components(touches)
    groups = [tuple(np.flatnonzero(names == name).tolist()) for name in range(names.max() + 1)]
    return group_boxes(boxes, groups)


def written(items: list[tuple[str, Ink]], seed: int) -> Written:
    """Return labels, ink and groups of a line of one writer, with a doodle now and then."""
    rng = np.random.default_rng(seed)
    labels, drawings = [], []
    for _ in range(int(rng.integers(LENGTHS[0], LENGTHS[1] + 1))):
        if rng.random() < DOODLES:
            kinds = ood_kinds()
            drawing = make_ood(kinds[int(rng.integers(len(kinds)))], rng)
            points = np.concatenate(drawing.strokes)
            scale = np.float32(rng.uniform(20, 90) / max(float(np.ptp(points, axis=0).max()), 1e-3))
            labels.append(UNKNOWN)
            drawings.append(Ink(tuple(scale * stroke for stroke in drawing.strokes)))
        else:
            label, drawing = items[int(rng.integers(len(items)))]
            labels.append(label)
            drawings.append(drawing)
    line = write_line(drawings, rng, **WAYS[seed % len(WAYS)])
    return labels, line.ink, line.groups


def fit_statistics(items: list[tuple[str, Ink]]) -> dict[str, SymbolModel]:
    """Return sizes and numbers of strokes of each label."""
    found: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for label, ink in items:
        boxes = stroke_boxes(ink.strokes) / USUAL_STAFF_SPACE
        size = log_sizes(group_boxes(boxes, [tuple(range(len(boxes)))]))[0]
        found[label].append((float(size[0]), float(size[1]), len(boxes)))
    result = {}
    for label, rows in sorted(found.items()):
        values = np.array(rows)
        counts = np.bincount(np.minimum(values[:, 2].astype(int), MOST_STROKES), minlength=MOST_STROKES + 1)[1:] + 1.0
        spreads = [
            (round(float(column.mean()), 3), round(float(max(column.std(), 0.1)), 3)) for column in values[:, :2].T
        ]
        result[label] = SymbolModel(
            log_width=spreads[0],
            log_height=spreads[1],
            log_n_strokes=tuple(round(float(value), 3) for value in np.log(counts / counts.sum())),
        )
    return result


def fit_coarse(lines: list[Written]) -> tuple[float, ...]:
    """Return the weights of sizes and gaps alone."""
    examples = []
    for _, ink, groups in lines:
        boxes = stroke_boxes(ink.strokes) / USUAL_STAFF_SPACE
        candidates = candidate_groups(boxes)
        place = {group: index for index, group in enumerate(candidates)}
        right = [place.get(tuple(sorted(group)), -1) for group in groups]
        if min(right) < 0:
            continue
        order = np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")
        ranks = np.argsort(order)
        lattice = build_lattice(
            [ranks[list(group)].tolist() for group in candidates], [0.0] * len(candidates), n_parts=len(boxes)
        )
        columns = shape_columns(boxes, candidates)[:, None]
        examples.append(Example(columns, (right, [0] * len(right)), lattice))
    return tuple(map(float, fit(examples).round(4)))


def fit_fine(recognizer: Recognizer, model: LineModel, lines: list[Pieces], truths: list[Truth]) -> Weights:
    """Return the weights that go with what the network says."""
    labels = recognizer.card.labels
    n_labels, n_shape = len(labels), len(SHAPE_COLUMNS)
    known = (*labels, UNKNOWN)
    examples = []
    for number, (pieces, truth) in enumerate(zip(lines, truths, strict=True)):
        candidates = find_candidates(pieces, model, keep=[group for group, _ in truth])
        place = {group: index for index, group in enumerate(candidates.groups)}
        if not all(group in place for group, _ in truth):
            continue
        answers = answers_of(recognizer, [pieces.draw(group) for group in candidates.groups])
        sizes, counts = log_sizes(group_boxes(pieces.boxes, candidates.groups)), [len(g) for g in candidates.groups]
        by_size, by_count = label_evidence(model, labels, sizes=sizes, counts=counts)
        odds = log_odds(answers.familiarity)
        columns = np.zeros((len(counts), n_labels + 1, n_shape + 6 + n_labels), np.float32)
        columns[:, :, :n_shape] = candidates.shapes[:, None]
        columns[:, :-1, n_shape] = np.log(np.maximum(answers.probabilities, 1e-9))
        columns[:, :-1, n_shape + 1] = by_size
        columns[:, :-1, n_shape + 2] = by_count
        columns[:, :-1, n_shape + 3] = odds[:, None]
        columns[:, -1, n_shape + 4] = 1
        columns[:, -1, n_shape + 5] = odds
        columns[:, np.arange(n_labels), n_shape + 6 + np.arange(n_labels)] = 1
        right = ([place[group] for group, _ in truth], [known.index(label) for _, label in truth])
        examples.append(Example(columns, right, candidates.lattice))
        if number % 50 == 0:
            print(f"{number} of {len(lines)} lines", file=sys.stderr)
    fitted = fit(examples)
    fitted[n_shape + NAMES.index("unknown")] -= RARER
    weights = [float(weight) for weight in fitted.round(4)]
    return Weights(
        shape=tuple(weights[:n_shape]),
        **dict(zip(NAMES, weights[n_shape : n_shape + 6], strict=True)),
        biases=dict(zip(labels, weights[n_shape + 6 :], strict=True)),
    )


def drawn_pieces(line: Written, model: LineModel) -> tuple[Pieces, Truth]:
    """Return the strokes of a line as pieces, and its symbols."""
    labels, ink, groups = line
    truth = [(tuple(sorted(group)), label) for group, label in zip(groups, labels, strict=True)]
    return stroke_pieces(ink, model, staff_space=USUAL_STAFF_SPACE), truth


def scanned_pieces(line: Written, model: LineModel, *, seed: int, tells_size: bool) -> tuple[Pieces, Truth] | None:
    """Return a line as a scanner would see it, and its symbols; None where two of them touch."""
    labels, ink, groups = line
    rng = np.random.default_rng(seed)
    scale = rng.uniform(1.2, 3.0)
    image, corner = scan_line(ink, rng, scale=scale, staff_space=USUAL_STAFF_SPACE)
    try:
        parts = find_parts(image)
    except DataError:
        return None
    owner = np.full(len(parts.boxes), -1)
    members: dict[int, list[int]] = defaultdict(list)
    for part in range(len(parts.boxes)):
        points = parts.points((part,)) / scale + corner
        apart = [distance_to(points, [ink.strokes[stroke] for stroke in group]) for group in groups]
        near = np.flatnonzero(np.array(apart) < 4.0)
        if len(near) != 1:
            return None
        owner[part] = near[0]
        members[int(near[0])].append(part)
    if len(members) < len(groups):
        return None
    truth = [(tuple(members[number]), label) for number, label in enumerate(labels)]
    return image_pieces(parts, model, staff_space=USUAL_STAFF_SPACE * scale, tells_size=tells_size), truth


def distance_to(points: RealArray, strokes: list[FloatArray]) -> float:
    """Return the least distance of the box of some points to that of strokes, as seen along both axes."""
    some = points[:: max(1, len(points) // 40)]
    ink = even_points([stroke.astype(np.float64) / USUAL_STAFF_SPACE for stroke in strokes]) * USUAL_STAFF_SPACE
    return float(np.sqrt(((some[:, None] - ink) ** 2).sum(axis=2)).min())


def fit(examples: list[Example], *, ridge: float = 0.01, steps: int = 50) -> RealArray:
    """Return the weights of conditional maximum likelihood, with a small penalty on their squares."""
    every = np.concatenate([example.columns.reshape(-1, example.columns.shape[-1]) for example in examples])
    scale = every.std(axis=0)
    scale[scale < 1e-9] = 1.0

    def loss(weights: RealArray) -> tuple[float, RealArray]:
        value, gradient = 0.0, np.zeros_like(weights)
        for example in examples:
            columns, (groups, labels) = example.columns, example.right
            scores = columns @ (weights / scale)
            highest = scores.max(axis=1, keepdims=True)
            total = np.log(np.exp(scores - highest).sum(axis=1)) + highest[:, 0]
            probable, partition = marginals(example.lattice, total)
            expected = probable[:, None] * np.exp(scores - total[:, None])
            value += partition - scores[groups, labels].sum()
            gradient += np.einsum("gl,glw->w", expected, columns) - columns[groups, labels].sum(axis=0)
        return (
            value / len(examples) + ridge * float(weights @ weights) / 2,
            gradient / scale / len(examples) + ridge * weights,
        )

    found = minimize(loss, np.zeros(every.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": steps})
    print(f"{len(examples)} lines, loss {found.fun:.4f} a line after {found.nit} steps", file=sys.stderr)
    return np.asarray(found.x / scale)


if __name__ == "__main__":
    main()

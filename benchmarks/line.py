"""Read lines put together from isolated symbols of writers that a recognizer has not met: errors, time, calibration.

    python benchmarks/line.py RUN/model.onnx --data HOMUS.zip --manifest RUN/manifest.csv

The manifest of the run says which writers it was not trained on (its test part). Every line holds 5 to 14 drawings of
one writer, laid side by side with gaps of 4 to 40 pixels (a quarter to two and a half staff spaces) and heights that
differ by 12 pixels (standard deviation); `late` moves the last stroke of 30 % of the symbols behind the next symbol;
`tight` has gaps of -4 to 20 pixels; `scan` is a picture of the plain lines, half of them with a staff, in a random
pen at 1.2 to 3 pixels a unit. The symbol error rate is the edit distance between the labels read and those
written, divided by how many were written, with a 95 % interval by resampling writers.

The rival joins strokes that share ink along the line (at most 2 pixels apart) and asks `predict` about each bunch. The
floor is `predict` of every symbol alone. Times are of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from earmark.data import read_manifest
from earmark.data.content import read_content
from earmark.data.table import read_rows
from earmark.evaluation.calibration import reliability
from earmark.evaluation.intervals import expanded_tail, resampled_counts
from earmark.features.ink_raster import USUAL_STAFF_SPACE
from earmark.ink.lines import WrittenLine, scan_line, stroke_boxes, write_line
from earmark.recognizer import Recognizer
from earmark.types import Ink

SETTINGS = {
    "plain": {"gap": (4.0, 40.0), "late": 0.0},
    "late": {"gap": (4.0, 40.0), "late": 0.3},
    "tight": {"gap": (-4.0, 20.0), "late": 0.15},
}
LENGTHS = (5, 14)
SCAN_SCALES = (1.2, 3.0)
RIVAL_GAP = 2.0
N_RESAMPLES = 2000

Drawings: TypeAlias = dict[str, list[tuple[str, Ink]]]
Reader: TypeAlias = Callable[[Ink], Sequence[str]]


@dataclass(frozen=True)
class Case:
    """One line: who wrote it, and what."""

    writer: str
    labels: list[str]
    line: WrittenLine


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--part", default="test")
    parser.add_argument("--lines", type=int, default=320)
    given = parser.parse_args()
    recognizer = Recognizer.load(given.model)
    drawings = read_drawings(given.data, Path(given.manifest), part=given.part)
    print(f"{len(drawings)} writers that {recognizer.card.name} has not met, {given.lines} lines a setting")
    print("setting  n symbols  SER %  (95 % interval)  by length 5-7, 8-10, 11-14  rival %  floor %  ECE")
    for name, setting in SETTINGS.items():
        print(row(recognizer, name, make_cases(drawings, given.lines, **setting)))
    print(scan_row(recognizer, make_cases(drawings, given.lines, **SETTINGS["plain"])))
    time_lines(recognizer, drawings)


def read_drawings(data: str, manifest: Path, *, part: str) -> Drawings:
    """Return the drawings of each writer of a part, with their labels."""
    parts = {line["group"]: line["split"] for line in read_rows(manifest)}
    found: Drawings = defaultdict(list)
    everything = read_manifest(data)
    for example in everything.examples:
        if parts[example.group] == part:
            found[example.group].append((example.label, read_content(everything, example)))
    return found


def make_cases(drawings: Drawings, n: int, **setting: object) -> list[Case]:
    """Return lines, as many of each writer."""
    rng = np.random.default_rng(2)
    writers = sorted(drawings)
    cases = []
    for number in range(n):
        items = drawings[writers[number % len(writers)]]
        chosen = [items[place] for place in rng.integers(len(items), size=rng.integers(LENGTHS[0], LENGTHS[1] + 1))]
        line = write_line([ink for _, ink in chosen], rng, **setting)
        cases.append(Case(writers[number % len(writers)], [label for label, _ in chosen], line))
    return cases


def row(recognizer: Recognizer, name: str, cases: list[Case]) -> str:
    """Return what one setting gives."""
    results = [recognizer.read(case.line.ink) for case in cases]
    errors = [
        edit_distance([symbol.label for symbol in result.symbols], case.labels)
        for result, case in zip(results, cases, strict=True)
    ]
    n = [len(case.labels) for case in cases]
    low, high = interval(errors, n, [case.writer for case in cases])
    rival = [edit_distance(bunches(recognizer, case.line.ink), case.labels) for case in cases]
    alone = [
        sum(
            recognizer.predict(Ink(tuple(case.line.ink.strokes[stroke] for stroke in group))).label != label
            for group, label in zip(case.line.groups, case.labels, strict=True)
        )
        for case in cases
    ]
    claimed, right = [], []
    for result, case in zip(results, cases, strict=True):
        truth = {tuple(sorted(group)): label for group, label in zip(case.line.groups, case.labels, strict=True)}
        for symbol in result.symbols:
            if symbol.label != "unknown":
                claimed.append(symbol.confidence)
                right.append(truth.get(symbol.strokes) == symbol.label)
    parts = ", ".join(f"{100 * part:.1f}" for part in rates_by_length(errors, n))
    return (
        f"{name:8} {sum(n):9} {100 * sum(errors) / sum(n):6.2f}  ({100 * low:.1f}-{100 * high:.1f})  {parts}"
        f"  {100 * sum(rival) / sum(n):.1f}  {100 * sum(alone) / sum(n):.2f}  {reliability(claimed, right).error:.3f}"
    )


def scan_row(recognizer: Recognizer, cases: list[Case]) -> str:
    """Return what pictures of the lines give; which strokes belong together is not asked."""
    rng = np.random.default_rng(4)
    errors, n = [], [len(case.labels) for case in cases]
    for case in cases:
        image, _ = scan_line(case.line.ink, rng, scale=rng.uniform(*SCAN_SCALES), staff_space=USUAL_STAFF_SPACE)
        errors.append(edit_distance([symbol.label for symbol in recognizer.read(image).symbols], case.labels))
    low, high = interval(errors, n, [case.writer for case in cases])
    parts = ", ".join(f"{100 * part:.1f}" for part in rates_by_length(errors, n))
    return f"{'scan':8} {sum(n):9} {100 * sum(errors) / sum(n):6.2f}  ({100 * low:.1f}-{100 * high:.1f})  {parts}"


def rates_by_length(errors: list[int], n: list[int]) -> list[float]:
    """Return the symbol error rates of short, middling and long lines."""
    return [rate(errors, n, lambda k, ends=ends: ends[0] <= k <= ends[1]) for ends in ((5, 7), (8, 10), (11, 14))]


def rate(errors: list[int], n: list[int], is_counted: Callable[[int], bool]) -> float:
    """Return the symbol error rate of the lines of some lengths."""
    chosen = [(error, length) for error, length in zip(errors, n, strict=True) if is_counted(length)]
    return sum(error for error, _ in chosen) / max(1, sum(length for _, length in chosen))


def interval(errors: list[int], n: list[int], writers: list[str]) -> tuple[float, float]:
    """Return the 95 % interval of the symbol error rate by resampling writers."""
    rates = [
        (counts @ np.array(errors)) / (counts @ np.array(n))
        for counts in resampled_counts(writers, n_resamples=N_RESAMPLES, seed=0)
    ]
    tail = expanded_tail(len(set(writers)))
    low, high = np.quantile(np.concatenate(rates), [tail, 1 - tail])
    return float(low), float(high)


def bunches(recognizer: Recognizer, ink: Ink) -> list[str]:
    """Return what the rival reads: strokes are joined while their boxes share the line."""
    boxes = stroke_boxes(ink.strokes)
    found: list[list[int]] = []
    reached = -np.inf
    for stroke in np.argsort(boxes[:, 0]).tolist():
        if boxes[stroke, 0] > reached + RIVAL_GAP:
            found.append([])
        found[-1].append(stroke)
        reached = max(reached, boxes[stroke, 2])
    return [recognizer.predict(Ink(tuple(ink.strokes[stroke] for stroke in sorted(bunch)))).label for bunch in found]


def edit_distance(read: Sequence[str], written: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and replacements between two sequences (Levenshtein 1966)."""
    row_before = list(range(len(written) + 1))
    for place, label in enumerate(read, start=1):
        row_now = [place]
        for column, other in enumerate(written, start=1):
            row_now.append(min(row_before[column] + 1, row_now[-1] + 1, row_before[column - 1] + (label != other)))
        row_before = row_now
    return row_before[-1]


def time_lines(recognizer: Recognizer, drawings: Drawings) -> None:
    """Print the time of a line of 14, and how it grows with the length."""
    rng = np.random.default_rng(3)
    items = [item for each in drawings.values() for item in each]
    print("symbols  strokes  ms (processor)  ms a symbol")
    for length in (14, 28, 56, 140, 420):
        seconds, n_strokes = [], 0
        for _ in range(max(1, 84 // length)):
            chosen = [items[place][1] for place in rng.integers(len(items), size=length)]
            ink = write_line(chosen, rng).ink
            n_strokes = len(ink.strokes)
            started_s = time.process_time()
            recognizer.read(ink)
            seconds.append(time.process_time() - started_s)
        ms = 1000 * float(np.median(seconds))
        print(f"{length:7} {n_strokes:8} {ms:15.0f} {ms / length:12.2f}")


if __name__ == "__main__":
    main()

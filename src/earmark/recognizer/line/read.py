"""Reading a line: candidates, scores, the best path, and what is said of each symbol."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from earmark.errors import UsageError
from earmark.features import InkFeatures
from earmark.ink.groups import Group
from earmark.ink.parts import find_parts
from earmark.ink.rows import split_rows
from earmark.recognizer.answers import UNKNOWN, make_answer
from earmark.recognizer.inputs import Input, naming
from earmark.recognizer.line.anchor import anchor_height
from earmark.recognizer.line.content import image_pieces, knows_scan_sizes, stroke_pieces
from earmark.recognizer.line.inputs import line_input
from earmark.recognizer.line.lattice import best_path, marginals
from earmark.recognizer.line.model import LineModel, shipped_line_model
from earmark.recognizer.line.score import Answers, Pieces, find_candidates, label_scores
from earmark.recognizer.network import WindowScores
from earmark.recognizer.windows import WindowBatch
from earmark.text import percent
from earmark.types import Answer, Box, Content, Image, IntArray, Line, RealArray, Symbol

if TYPE_CHECKING:
    from earmark.recognizer.card import Card
    from earmark.recognizer.recognizer import Recognizer

_AT_ONCE = 64


def read_line(recognizer: Recognizer, item: Input, *, staff_space: float | None, top: int, name: str) -> Line:
    """Read one input; see `Recognizer.read`."""
    if not isinstance(recognizer.card.features, InkFeatures):
        raise UsageError(
            f"{recognizer.card.name} reads {recognizer.card.features.domain}; give one that reads drawings"
        )
    if staff_space is not None and not 0 < staff_space < math.inf:
        raise UsageError(f"staff_space={staff_space}: it is a distance; give a number above 0")
    model = shipped_line_model()
    with naming(item):
        written = line_input(item)
        space = staff_space or (written.staff.space if written.staff else None)
        if isinstance(written.content, Image):
            parts = find_parts(written.content)
            tells_size = knows_scan_sizes(recognizer.card)
            pieces, staff = image_pieces(parts, model, staff_space=space, tells_size=tells_size), parts.staff
        else:
            pieces, staff = stroke_pieces(written.content, model, staff_space=space), written.staff
    symbols = read_pieces(recognizer, pieces, model=model, top=top, known=written.known)
    return Line(name, tuple(symbols), staff)


def read_pieces(
    recognizer: Recognizer,
    pieces: Pieces,
    *,
    model: LineModel,
    top: int = 5,
    known: Sequence[tuple[str, Group]] = (),
) -> list[Symbol]:
    """Return the symbols of a line or a page in reading order; every piece belongs to one of them.

    Parameters
    ----------
    pieces
        At least one.
    model
        Of sizes and gaps.
    top
        Most labels of each symbol to return.
    known
        Symbols that a person has named, label and pieces; no piece twice.
    """
    task = recognizer.card.task
    given = {
        group[0]: Symbol(
            label,
            1.0,
            group,
            _box(pieces, group),
            (make_answer(label, 1.0, task=task),),
            anchor=_anchor(pieces, group, label),
        )
        for label, group in known
    }
    taken = [piece for _, group in known for piece in group]
    found = []
    for row in split_rows(pieces.boxes):
        symbols = [given[piece] for piece in row.tolist() if piece in given]
        rest = row[~np.isin(row, taken)]
        if len(rest):
            symbols += _read_row(recognizer, _part(pieces, rest), names=rest, model=model, top=top)
        found += sorted(symbols, key=lambda symbol: symbol.box[0] + symbol.box[2])
    return found


def _anchor(pieces: Pieces, group: Group, label: str) -> float:
    return anchor_height(label, pieces.points(group)) * pieces.staff_space


def _box(pieces: Pieces, group: Sequence[int]) -> Box:
    members = pieces.boxes[list(group)] * pieces.staff_space
    low, high = members.min(axis=0), members.max(axis=0)
    return float(low[0]), float(low[1]), float(high[2]), float(high[3])


def answers_of(recognizer: Recognizer, contents: Sequence[Content]) -> Answers:
    """Return what the network says about each of some drawings, at least one."""
    scores = []
    for start in range(0, len(contents), _AT_ONCE):
        rasters = [raster for content in contents[start : start + _AT_ONCE] for raster in recognizer.cut(content)]
        scores += recognizer.score_together([WindowBatch.joined(rasters)])
    joined = WindowScores.joined(scores)
    return Answers(joined.probabilities, joined.familiarity)


def _part(pieces: Pieces, row: IntArray) -> Pieces:
    names = row.tolist()

    def named(group: Group) -> Group:
        return tuple(names[piece] for piece in group)

    return replace(
        pieces,
        boxes=pieces.boxes[row],
        draw=lambda group: pieces.draw(named(group)),
        points=lambda group: pieces.points(named(group)),
    )


def _read_row(recognizer: Recognizer, pieces: Pieces, *, names: IntArray, model: LineModel, top: int) -> list[Symbol]:
    card = recognizer.card
    candidates = find_candidates(pieces, model)
    drawable = [index for index, fits in enumerate(candidates.is_symbol) if fits]
    answers = Answers(
        np.zeros((len(candidates.groups), len(card.labels)), np.float32), np.zeros(len(candidates.groups), np.float32)
    )
    if drawable:
        seen = answers_of(recognizer, [pieces.draw(candidates.groups[index]) for index in drawable])
        answers.probabilities[drawable], answers.familiarity[drawable] = seen.probabilities, seen.familiarity
    scores = label_scores(candidates, pieces, model=model, labels=card.labels, answers=answers)
    highest = scores.max(axis=1)
    totals = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1))
    probable, _ = marginals(candidates.lattice, totals)
    found = []
    for index in best_path(candidates.lattice, totals):
        group = candidates.groups[index]
        guess = _Guess(
            group,
            probable[index] * np.exp(scores[index] - totals[index]),
            float(answers.familiarity[index]),
            is_symbol=candidates.is_symbol[index],
        )
        found.append(guess.symbol(card, pieces, names=names, top=top))
    return found


@dataclass(frozen=True, slots=True)
class _Guess:
    """A group on the best path: the probability of each label and of ``unknown``, and how familiar it is."""

    group: Group
    probabilities: RealArray
    familiarity: float
    is_symbol: bool

    def symbol(self, card: Card, pieces: Pieces, *, names: IntArray, top: int) -> Symbol:
        strokes = tuple(int(names[piece]) for piece in self.group)
        best = np.argsort(-self.probabilities[:-1], kind="stable")[:top].tolist()
        answers = tuple(
            make_answer(card.labels[label], float(self.probabilities[label]), task=card.task) for label in best
        )
        reason = self._reason(card, answers[0])
        return Symbol(
            label=answers[0].label if reason is None else UNKNOWN,
            confidence=answers[0].confidence if reason is None else float(self.probabilities[-1]),
            strokes=strokes,
            box=_box(pieces, self.group),
            top=answers if self.is_symbol else (),
            reason=reason,
            anchor=_anchor(pieces, self.group, answers[0].label),
        )

    def _reason(self, card: Card, best: Answer) -> str | None:
        """Return why these strokes are no symbol that the recognizer knows."""
        if not self.is_symbol:
            return "larger than any symbol"
        least = card.rejection.min_familiarity if card.rejection is not None else None
        if best.confidence < self.probabilities[-1] or (least is not None and self.familiarity < least):
            return f"unlike anything learned: its familiarity is {percent(self.familiarity)}"
        return None

"""The evaluation report: one self-contained HTML page, without scripts or requests, light or dark as the reader's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from earmark.config import Config
from earmark.evaluation.figures import (
    Form,
    Origin,
    confusion_figure,
    curves_figure,
    picture_figure,
    reliability_figure,
)
from earmark.evaluation.outcome import Outcome
from earmark.evaluation.scores import Scores
from earmark.evaluation.scoring import calibration_of
from earmark.evaluation.templates import template
from earmark.files import write_bytes, write_csv, write_text

N_MISTAKES = 12
N_CONFUSIONS = 10
# What the page shows of a card.
NO_CARD: dict[str, Any] = {"about": "", "limits": (), "data": None, "licence": "", "created": ""}


def write_report(  # noqa: PLR0913 - the sections of the page
    path: Path | str,
    *,
    title: str,
    scores: Scores,
    outcome: Outcome,
    curves: Sequence[Mapping[str, Any]] | None = None,
    picture: Callable[[int], npt.NDArray[Any]] | None = None,
    origin: Origin = "lower",
    card: Config | Mapping[str, Any] | None = None,
    facts: Mapping[str, Sequence[Sequence[str]]] | None = None,
) -> None:
    """Write the report as one HTML file.

    Parameters
    ----------
    path
        Where to; written atomically.
    title
        Heading, usually the recognizer's name.
    scores, outcome
        What was measured, and the answers it was measured on.
    curves
        Rows of the training log, see `curves_figure`.
    picture
        Returns the picture ``(freq|height, time|width)`` of row `i` of `outcome`; asked for the worst mistakes only.
    origin
        Whether row 0 of pictures is at the bottom (spectrograms) or at the top (drawings).
    card
        What the recognizer says about itself; ``about``, ``limits``, ``licence``, ``data`` and ``created`` are shown.
    facts
        Named tables to show below the others, the first row of each its heading.

    Raises
    ------
    MissingExtraError
        When Jinja or Matplotlib is not installed.
    DataError
        When `path` cannot be written.
    """
    outline = template("earmark.evaluation", "report.html.jinja", what="a report")
    page = outline.render(
        title=title,
        scores=scores,
        card=NO_CARD | (card.model_dump(mode="json") if isinstance(card, Config) else dict(card or {})),
        curves=curves_figure(curves) if curves else None,
        confusion=None if outcome.is_multi_label else confusion_figure(scores.confusion, scores.labels),
        confusions=() if outcome.is_multi_label else _confusions(scores),
        reliability=_reliability(outcome),
        mistakes=_mistakes(outcome, picture=picture, origin=origin),
        origin=origin,
        n_wrong=int((~outcome.correct).sum()),
        facts=facts or {},
    )
    write_text(path, page)


def write_figures(
    folder: Path, *, scores: Scores, outcome: Outcome, curves: Sequence[Mapping[str, Any]] | None = None
) -> None:
    """Write the figures of a report as SVG and PNG, and their numbers as CSV, into `folder`.

    Raises
    ------
    MissingExtraError
        When Matplotlib is not installed.
    """
    figures: dict[str, Callable[..., str]] = {"reliability": partial(_reliability, outcome)}
    if not outcome.is_multi_label:
        figures["confusion"] = partial(confusion_figure, scores.confusion, scores.labels)
        counts = ([label, *map(str, row)] for label, row in zip(scores.labels, scores.confusion, strict=True))
        write_csv(folder / "confusion.csv", counts, columns=("truth", *scores.labels))
    if curves:
        figures["curves"] = partial(curves_figure, curves)
    for name, draw in figures.items():
        for form in get_args(Form):
            write_bytes(folder / f"{name}.{form}", base64.b64decode(draw(form=form).partition(",")[2]))
    per_label = ([row.label, row.precision, row.recall, row.f1, row.support] for row in scores.per_class)
    write_csv(folder / "labels.csv", per_label, columns=("label", "precision", "recall", "f1", "examples"))


def worst_mistakes(outcome: Outcome, n: int = N_MISTAKES) -> tuple[int, ...]:
    """Return the rows of at most `n` wrong answers, the most confident first; with several labels the least right."""
    wrong = np.flatnonzero(~outcome.correct)
    order = np.argsort((outcome.credit if outcome.is_multi_label else -outcome.confidence)[wrong], kind="stable")
    return tuple(int(row) for row in wrong[order][:n])


def _mistakes(
    outcome: Outcome, *, picture: Callable[[int], npt.NDArray[Any]] | None, origin: Origin
) -> list[dict[str, Any]]:
    def probability(row: int, place: Any) -> float | None:
        # Several labels have no one probability.
        return None if outcome.is_multi_label else float(outcome.probabilities[row, place])

    return [
        {
            "input": outcome.inputs[row],
            "truth": outcome.names(row, given=False),
            "answer": outcome.names(row, given=True),
            "confidence": probability(row, outcome.answers[row]),
            "truth_confidence": probability(row, outcome.truth[row]),
            "picture": None if picture is None else picture_figure(picture(row), origin=origin),
        }
        for row in worst_mistakes(outcome)
    ]


def _confusions(scores: Scores) -> list[dict[str, Any]]:
    counts = np.array(scores.confusion)
    rows = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:N_CONFUSIONS]
    pairs = [divmod(int(place), len(scores.labels)) for place in order]
    return [
        {
            "truth": scores.labels[truth],
            "answer": scores.labels[answer],
            "n": int(counts[truth, answer]),
            "share": float(counts[truth, answer] / rows[truth]),
        }
        for truth, answer in pairs
        if counts[truth, answer]
    ]


def _reliability(outcome: Outcome, *, form: Form = "svg") -> str:
    after = calibration_of(outcome)
    if outcome.logits_uncalibrated is None:
        return reliability_figure(after, form=form)
    before = calibration_of(replace(outcome, logits=outcome.logits_uncalibrated))
    return reliability_figure(after, before=before, form=form)

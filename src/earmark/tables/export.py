"""Export of the best pipeline of an exploration as a recognizer."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from earmark.data import Manifest
from earmark.data.spreadsheet import to_numbers
from earmark.data.table import read_rows
from earmark.errors import DataError
from earmark.evaluation import fit_temperature, score
from earmark.features import NumberFeatures, Window
from earmark.features.table import FEATURE_COLUMNS, SAMPLE_RATE_HZ, Padding, TableFeatures
from earmark.files import write_bytes
from earmark.recognizer import Card, assemble
from earmark.recognizer.card import DataSummary, Score
from earmark.tables.config import NEURAL_NET
from earmark.tables.exploration import Candidate, ExplorationResult
from earmark.tables.onnx_nodes import to_onnx
from earmark.tables.trial import fit_pipeline, scores_of

_SHORTEST_S = 0.5
_WHOLE_CLIP_S = 30.0


def write_recognizer(
    findings: ExplorationResult, manifest: Manifest, path: Path, *, window_s: float, padding: Padding = "silence"
) -> None:
    """Write the best candidate of `findings` as a recognizer file.

    Parameters
    ----------
    findings, manifest
        What was found, and in what.
    path
        An ``.onnx`` file.
    window_s
        Seconds of sound that a row of the table described; longer sounds are cut into windows of that length.
    padding
        How the table treated the ends of sounds; see `earmark.features.table.describe.describe`.

    Where the table has columns that cannot be computed from a sound, the recognizer answers rows of such tables only.
    """
    model = assemble(to_onnx(findings.fitted), _card(findings, manifest, window_s=window_s, padding=padding))
    write_bytes(path, model.SerializeToString(deterministic=True))


def _card(findings: ExplorationResult, manifest: Manifest, *, window_s: float, padding: Padding) -> Card:
    best, table = findings.best, findings.table
    temperature = _temperature(best, findings)
    scores = score(best.outcome.calibrated(temperature), protocol=findings.protocol, seeds=best.scores.seeds)
    settings = {"transform": best.transform, "model": best.model, "settings": dict(best.chosen), **_layers(findings)}
    draft = {
        "name": f"{manifest.name} {best.name}",
        "about": f"Recognises {len(table.labels)} labels by the numbers of the feature table.",
        "task": "label",
        **_reads(table.columns, window_s=window_s, padding=padding),
    }
    data = DataSummary.of(manifest, examples=[manifest.examples[row] for row in table.train])
    return Card.draft(draft, manifest, data=data, libraries=("scikit-learn",)).model_copy(
        update={
            "labels": table.labels,
            "temperature": temperature,
            "scores": (Score.of(scores),),
            "recipe": settings,
        }
    )


def _reads(columns: tuple[str, ...], *, window_s: float, padding: Padding) -> dict[str, Any]:
    """Return features, window and limits of a card."""
    if not set(columns) <= set(FEATURE_COLUMNS):
        limits = ("It answers rows of tables with the columns that it learned from; it does not take sound.",)
        return {"features": NumberFeatures(columns=columns), "limits": limits}
    return {
        "features": TableFeatures(columns=columns, padding=padding),
        "window": Window(length_s=window_s, hop_s=window_s, min_s=min(_SHORTEST_S, window_s)),
        "limits": (f"Trained on rows of {window_s:g} s; much shorter or longer windows are out-of-distribution.",),
    }


def write_every_recognizer(
    findings: ExplorationResult, manifest: Manifest, folder: Path, *, window_s: float, padding: Padding = "silence"
) -> list[Path]:
    """Write a recognizer of every candidate, called by its transform and model; parameters as for the best."""
    paths = []
    for candidate in findings.candidates:
        others = tuple(other for other in findings.candidates if other is not candidate)
        alone = replace(findings, candidates=(candidate, *others))
        paths.append(folder / f"{candidate.transform}-{candidate.model}.onnx")
        write_recognizer(alone, manifest, paths[-1], window_s=window_s, padding=padding)
    return paths


def _layers(findings: ExplorationResult) -> dict[str, list[int] | list[float]]:
    """Return what shaped the neural net; nothing for any other model."""
    exploration = findings.exploration
    return (
        {"widths": list(exploration.widths), "dropout": list(exploration.dropout)}
        if findings.best.model == NEURAL_NET
        else {}
    )


def _temperature(best: Candidate, findings: ExplorationResult) -> float:
    """Fit it on the rows that settings were chosen by, answered by pipelines that did not learn from them."""
    table = findings.table
    answered = []
    for learn, validate in table.folds:
        fitted = fit_pipeline(findings.exploration, best.transform, best.model, best.chosen, table=table, rows=learn)
        answered.append((scores_of(fitted, table, validate), table.truth[validate]))
    scores, truth = (np.concatenate(parts) for parts in zip(*answered, strict=True))
    return fit_temperature(scores, truth)


def row_length_s(table: Path) -> float:
    """Return the median length of sound that a row of `table` describes.

    It comes from the published column ``length``, in samples; without that column a row describes a clip of 30 s.
    """
    cells = [row.get("length", "").strip() for row in read_rows(table)]
    given = [cell for cell in cells if cell]
    lengths = to_numbers([given])[0].tolist() if given else []
    for length, cell in zip(lengths, given, strict=True):
        if math.isnan(length):
            row = cells.index(cell) + 2
            raise DataError(f"{table}, row {row}: length is {cell!r}; write a plain number of samples")
    return statistics.median(lengths) / SAMPLE_RATE_HZ if lengths else _WHOLE_CLIP_S

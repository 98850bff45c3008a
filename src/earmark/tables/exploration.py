"""Transforms by models on a feature table: searched, scored under one protocol, compared in pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from earmark.data import Manifest
from earmark.evaluation import Comparison, Outcome, Scores, compare, describe_protocol, score
from earmark.files import sha256_bytes
from earmark.tables.classical import CLASSIFIERS, TRANSFORMS
from earmark.tables.config import Exploration
from earmark.tables.search import Tried
from earmark.tables.split import TableSplit, examine
from earmark.tables.trial import Job, Trial, learned
from earmark.tables.trials import Pair, measure_all
from earmark.types import Progress, no_progress

# Raised when a cell means something else than before, so that old ones are not taken for it.
_VERSION = 1


@dataclass(frozen=True)
class Candidate:
    """One transform with one model.

    Attributes
    ----------
    transform, model
        Their names.
    search
        Every setting tried, in order.
    chosen
        The best setting.
    outcome
        Its answers on the rows to score on.
    scores
        Figures of the outcome.
    fit_s, predict_ms
        Time to learn, and to answer a thousand rows.
    size_bytes
        Of the exported graph.
    grouped_accuracy
        Under a random protocol where groups are known: the accuracy of the same setting, learned and scored with groups
        kept whole.
    """

    transform: str
    model: str
    search: tuple[Tried, ...]
    chosen: Mapping[str, Any]
    outcome: Outcome
    scores: Scores
    fit_s: float
    predict_ms: float
    size_bytes: int
    grouped_accuracy: float | None = None

    @property
    def name(self) -> str:
        return f"{self.transform} + {self.model}"


@dataclass(frozen=True)
class ExplorationResult:
    """All candidates, best first by their score in the search, and what the best gains over each."""

    exploration: Exploration
    examination: TableSplit
    candidates: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...]
    protocol: str

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    @cached_property
    def fitted(self) -> Any:
        """The pipeline of the best, fitted on all training rows."""
        best, exam = self.best, self.examination
        return learned(self.exploration, best.transform, best.model, best.chosen, exam=exam, rows=exam.train)


def explore(
    manifest: Manifest,
    exploration: Exploration,
    *,
    folder: Path | None = None,
    workers: int = 1,
    progress: Progress = no_progress,
) -> ExplorationResult:
    """Try every transform with every model.

    The best is the one that did best in the search, on rows that the scores never see; so its score is not the luckiest
    of many.

    Parameters
    ----------
    manifest, exploration
        A feature table, and what to try.
    folder
        Where finished transforms and models are remembered: the same call goes on from there after a stop.
    workers
        Processes; each uses one thread. With 1 the work is done in this process.
    progress
        Told about every transform and model, and in this process about every trial of Optuna.

    Raises
    ------
    DataError
        As `examine`; when the folder cannot be written to.
    """
    exam = examine(manifest, exploration.split)
    leaky = exploration.split.protocol == "random" and manifest.groups_known
    grouped = examine(manifest, exploration.split.model_copy(update={"protocol": "grouped"})) if leaky else None
    protocol = describe_protocol(exploration.split.description, exam.part)
    pairs = [(transform, model) for transform in exploration.transforms for model in exploration.models]
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(TemporaryDirectory()))
        job = Job(exam, grouped, exploration, place / "studies", _asked(manifest, exploration))
        cells = measure_all(job, pairs, folder=place, workers=workers, progress=progress)
    candidates = [
        _candidate(pair, cell, exam, protocol=protocol, seed=exploration.split.seed)
        for pair, cell in zip(pairs, cells, strict=True)
    ]
    candidates.sort(key=lambda candidate: -max(tried.valid_accuracy for tried in candidate.search))
    comparisons = tuple(compare(candidates[0].outcome, other.outcome) for other in candidates[1:])
    return ExplorationResult(exploration, exam, tuple(candidates), comparisons, protocol)


def _asked(manifest: Manifest, exploration: Exploration) -> str:
    """Return what identifies a cell beside its transform, its model and the number of trials."""
    settings = exploration.model_dump(mode="json", exclude={"transforms", "models", "n_trials"})
    known = [list(TRANSFORMS), list(CLASSIFIERS), version("scikit-learn"), manifest.table.names]
    return sha256_bytes(json.dumps([_VERSION, manifest.fingerprint, settings, known]).encode())


def _candidate(pair: Pair, cell: Trial, exam: TableSplit, *, protocol: str, seed: int) -> Candidate:
    outcome = Outcome.from_logits(
        np.array(cell.logits),
        exam.truth[exam.test],
        labels=exam.labels,
        groups=exam.groups[exam.test].tolist(),
        tracks=exam.tracks[exam.test].tolist(),
        inputs=[f"row {row}" for row in exam.test],
    )
    transform, model = pair
    return Candidate(
        transform=transform,
        model=model,
        search=cell.search,
        chosen=cell.chosen,
        outcome=outcome,
        scores=score(outcome, protocol=protocol, seeds=(seed,)),
        fit_s=cell.fit_s,
        predict_ms=cell.predict_ms,
        size_bytes=cell.size_bytes,
        grouped_accuracy=cell.grouped_accuracy,
    )

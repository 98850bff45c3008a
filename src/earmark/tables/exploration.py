"""Exploration of a feature table: every transform with every model, tuned, scored and compared in pairs."""

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
from earmark.tables.split import TableSplit, split_table
from earmark.tables.trial import Job, Trial, fit_pipeline
from earmark.tables.trials import Pair, run_trials
from earmark.types import Progress, no_progress

# Raised when the meaning of a trial changes, so that trials of an older version are not reused.
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
    loss_curve
        Mean training loss of every epoch of the neural net; none for other models.
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
    loss_curve: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.transform} + {self.model}"


@dataclass(frozen=True)
class ExplorationResult:
    """All candidates, best first by their score in the search, and what the best gains over each."""

    exploration: Exploration
    table: TableSplit
    candidates: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...]
    protocol: str

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    @cached_property
    def fitted(self) -> Any:
        """The pipeline of the best, fitted on all training rows."""
        best, table = self.best, self.table
        return fit_pipeline(self.exploration, best.transform, best.model, best.chosen, table=table, rows=table.train)


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
        As `split_table`; when the folder cannot be written to.
    """
    table = split_table(manifest, exploration.split)
    leaky = exploration.split.protocol == "random" and manifest.groups_known
    grouped = split_table(manifest, exploration.split.model_copy(update={"protocol": "grouped"})) if leaky else None
    protocol = describe_protocol(exploration.split.description, table.part)
    pairs = [(transform, model) for transform in exploration.transforms for model in exploration.models]
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(TemporaryDirectory()))
        job = Job(table, grouped, exploration, place / "studies", _identity(manifest, exploration))
        trials = run_trials(job, pairs, folder=place, workers=workers, progress=progress)
    candidates = [
        _candidate(pair, trial, table, protocol=protocol, seed=exploration.split.seed)
        for pair, trial in zip(pairs, trials, strict=True)
    ]
    candidates.sort(key=lambda candidate: -max(tried.valid_accuracy for tried in candidate.search))
    comparisons = tuple(compare(candidates[0].outcome, other.outcome) for other in candidates[1:])
    return ExplorationResult(exploration, table, tuple(candidates), comparisons, protocol)


def _identity(manifest: Manifest, exploration: Exploration) -> str:
    """Return what identifies a trial beside its transform, its model and the number of trials."""
    settings = exploration.model_dump(mode="json", exclude={"transforms", "models", "n_trials"})
    known = [list(TRANSFORMS), list(CLASSIFIERS), version("scikit-learn"), manifest.table.names]
    return sha256_bytes(json.dumps([_VERSION, manifest.fingerprint, settings, known]).encode())


def _candidate(pair: Pair, trial: Trial, table: TableSplit, *, protocol: str, seed: int) -> Candidate:
    outcome = Outcome.from_logits(
        np.array(trial.logits),
        table.truth[table.test],
        labels=table.labels,
        groups=table.groups[table.test].tolist(),
        tracks=table.tracks[table.test].tolist(),
        inputs=[f"{table.tracks[row]} (row {row})" for row in table.test],
    )
    transform, model = pair
    return Candidate(
        transform=transform,
        model=model,
        search=trial.search,
        chosen=trial.chosen,
        outcome=outcome,
        scores=score(outcome, protocol=protocol, seeds=(seed,)),
        fit_s=trial.fit_s,
        predict_ms=trial.predict_ms,
        size_bytes=trial.size_bytes,
        grouped_accuracy=trial.grouped_accuracy,
        loss_curve=trial.loss_curve,
    )

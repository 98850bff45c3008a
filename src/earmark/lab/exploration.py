"""Transforms by models on a feature table: searched, scored under one protocol, compared in pairs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from earmark.config import Config
from earmark.data import Manifest, Split
from earmark.evaluation import Comparison, Outcome, Scores, compare, score, word_protocol
from earmark.lab.classical import CLASSIFIERS, TRANSFORMS, grid, logits, pipeline
from earmark.lab.examination import Examination, Rows, examine
from earmark.types import Progress, no_progress


class Exploration(Config):
    """What is tried, and how it is judged.

    Attributes
    ----------
    transforms, models
        Names in `TRANSFORMS` and `CLASSIFIERS`.
    split
        Who learns from which rows.
    search_rows
        At most so many training rows a fold are used to choose settings; the chosen ones learn from all rows.
    seed
        Of the models.
    """

    transforms: tuple[str, ...] = Field(default=("none", "pca", "rbf", "polynomial"), min_length=1)
    models: tuple[str, ...] = Field(default=tuple(CLASSIFIERS), min_length=1)
    split: Split = Split()
    search_rows: int = Field(default=1500, ge=20)
    seed: int = 0

    @field_validator("transforms")
    @classmethod
    def _known_transforms(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if TRANSFORMS[name])

    @field_validator("models")
    @classmethod
    def _known_models(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if CLASSIFIERS[name])


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting of a search: mean accuracy over the folds, on what was learned from and on what was not."""

    parameters: Mapping[str, Any]
    train_accuracy: float
    valid_accuracy: float


@dataclass(frozen=True)
class Candidate:
    """One transform with one model.

    Attributes
    ----------
    transform, model
        Their names.
    search
        Every setting tried, in the order of the grid.
    chosen
        The best setting.
    fitted
        The pipeline with it, fitted on all training rows.
    outcome
        Its answers on the rows to score on.
    scores
        Figures of the outcome.
    fit_s, predict_ms
        Time to learn, and to answer a thousand rows.
    grouped_accuracy
        Under a random protocol where groups are known: the accuracy of the same setting, learned and scored with groups
        kept whole.
    """

    transform: str
    model: str
    search: tuple[Tried, ...]
    chosen: Mapping[str, Any]
    fitted: Any
    outcome: Outcome
    scores: Scores
    fit_s: float
    predict_ms: float
    grouped_accuracy: float | None = None

    @property
    def name(self) -> str:
        return f"{self.transform} + {self.model}"


@dataclass(frozen=True)
class Findings:
    """All candidates, best first by their score in the search, and what the best gains over each."""

    examination: Examination
    candidates: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...]
    protocol: str

    @property
    def best(self) -> Candidate:
        return self.candidates[0]


def explore(manifest: Manifest, exploration: Exploration, *, progress: Progress = no_progress) -> Findings:
    """Try every transform with every model.

    The best is the one that did best in the search, on rows that the scores never see; so its score is not the luckiest
    of many.

    Raises
    ------
    DataError
        As `examine`.
    """
    exam = examine(manifest, exploration.split)
    leaky = exploration.split.protocol == "random" and manifest.groups_known
    grouped = examine(manifest, exploration.split.model_copy(update={"protocol": "grouped"})) if leaky else None
    protocol = word_protocol(exploration.split.description, exam.part)
    pairs = [(transform, model) for transform in exploration.transforms for model in exploration.models]
    candidates = []
    for done, (transform, model) in enumerate(pairs, start=1):
        candidate = _candidate(exam, grouped, transform, model, exploration=exploration, protocol=protocol)
        candidates.append(candidate)
        progress("exploring", done, len(pairs), f"{candidate.name}: {candidate.scores.accuracy:.3f}")
    candidates.sort(key=lambda candidate: -max(tried.valid_accuracy for tried in candidate.search))
    comparisons = tuple(compare(candidates[0].outcome, other.outcome) for other in candidates[1:])
    return Findings(exam, tuple(candidates), comparisons, protocol)


def _candidate(
    exam: Examination,
    grouped: Examination | None,
    transform: str,
    model: str,
    *,
    exploration: Exploration,
    protocol: str,
) -> Candidate:
    unfitted = pipeline(transform, model, seed=exploration.seed)
    search = _search(unfitted, grid(transform, model), exam, exploration=exploration)
    chosen = max(search, key=lambda tried: tried.valid_accuracy).parameters
    start = time.perf_counter()
    fitted = _fit(unfitted.set_params(**chosen), exam, exam.train)
    learned = time.perf_counter()
    outcome = _outcome(fitted, exam)
    answered = time.perf_counter()
    return Candidate(
        transform=transform,
        model=model,
        search=search,
        chosen=chosen,
        fitted=fitted,
        outcome=outcome,
        scores=score(outcome, protocol=protocol, seeds=(exploration.split.seed,)),
        fit_s=learned - start,
        predict_ms=1e6 * (answered - learned) / len(exam.test),
        grouped_accuracy=None
        if grouped is None
        else _accuracy(_fit(_copy(fitted), grouped, grouped.train), grouped, grouped.test),
    )


def _search(
    unfitted: Any, settings: Mapping[str, Sequence[Any]], exam: Examination, *, exploration: Exploration
) -> tuple[Tried, ...]:
    """Try all settings in all folds."""
    from sklearn.model_selection import ParameterGrid

    folds = [(_thinned(learn, exploration), validate) for learn, validate in exam.folds]
    tried = []
    for parameters in ParameterGrid(settings):
        accuracies = []
        for learn, validate in folds:
            fitted = _fit(_copy(unfitted).set_params(**parameters), exam, learn)
            accuracies.append((_accuracy(fitted, exam, learn), _accuracy(fitted, exam, validate)))
        train_accuracy, valid_accuracy = np.mean(accuracies, axis=0)
        tried.append(Tried(parameters, float(train_accuracy), float(valid_accuracy)))
    return tuple(tried)


def _thinned(rows: Rows, exploration: Exploration) -> Rows:
    if len(rows) <= exploration.search_rows:
        return rows
    return np.sort(np.random.default_rng(exploration.seed).permutation(rows)[: exploration.search_rows])


def _copy(estimator: Any) -> Any:
    from sklearn.base import clone

    return clone(estimator)


def _fit(unfitted: Any, exam: Examination, rows: Rows) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # A linear model that is stopped early is scored like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return unfitted.fit(exam.values[rows], exam.truth[rows])


def _accuracy(fitted: Any, exam: Examination, rows: Rows) -> float:
    right: npt.NDArray[np.bool_] = fitted.predict(exam.values[rows]) == exam.truth[rows]
    return float(right.mean())


def _outcome(fitted: Any, exam: Examination) -> Outcome:
    return Outcome.from_logits(
        logits(fitted, exam.values[exam.test]),
        exam.truth[exam.test],
        labels=exam.labels,
        groups=exam.groups[exam.test].tolist(),
        tracks=exam.tracks[exam.test].tolist(),
        inputs=[f"row {row}" for row in exam.test],
    )

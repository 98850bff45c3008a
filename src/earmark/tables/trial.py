"""One transform with one model on a divided table: searched, learned, answered, timed and weighed."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.config import Config
from earmark.search import Study
from earmark.tables.classical import grid, logits
from earmark.tables.config import Exploration
from earmark.tables.onnx_nodes import to_onnx
from earmark.tables.search import OnTrial, Setting, Tried, best_of, grid_search, tuned_search
from earmark.tables.split import Rows, TableSplit

_N_NEIGHBOURS = "model__n_neighbors"


@dataclass(frozen=True, slots=True)
class Job:
    """What every cell of an exploration needs.

    Attributes
    ----------
    exam
        The table under the protocol.
    grouped
        The same with groups kept whole, where a random protocol is to be compared with it.
    exploration
        What was asked for.
    studies
        A folder for what Optuna remembers.
    asked
        Identifies table and settings, but for the number of trials: a study goes on with more of them.
    """

    exam: TableSplit
    grouped: TableSplit | None
    exploration: Exploration
    studies: Path
    asked: str


class Trial(Config):
    """What came of one transform with one model, as it is kept on disk.

    Attributes
    ----------
    search
        Every setting tried, in order.
    chosen
        The best of them.
    logits
        ``(n_scored, n_labels)``, of the rows to score on.
    fit_s, predict_ms
        Time to learn from all training rows, and to answer a thousand.
    size_bytes
        Of the exported graph.
    grouped_accuracy
        As in `earmark.tables.exploration.Candidate`.
    """

    search: tuple[Tried, ...]
    chosen: Setting
    logits: tuple[tuple[float, ...], ...]
    fit_s: float
    predict_ms: float
    size_bytes: int
    grouped_accuracy: float | None


def measure(job: Job, transform: str, model: str, *, told: OnTrial) -> Trial:
    """Search the settings of a transform and a model, learn with the best, and answer the rows to score on."""
    exam = job.exam
    search = _search(job, transform, model, told)
    chosen = best_of(search).parameters
    start = time.perf_counter()
    fitted = learned(job.exploration, transform, model, chosen, exam=exam, rows=exam.train)
    ready = time.perf_counter()
    answers = scores_of(fitted, exam, exam.test)
    answered = time.perf_counter()
    grouped_accuracy = None
    if job.grouped is not None:
        again = learned(job.exploration, transform, model, chosen, exam=job.grouped, rows=job.grouped.train)
        grouped_accuracy = _accuracy(again, job.grouped, job.grouped.test)
    return Trial(
        search=search,
        chosen=chosen,
        logits=tuple(map(tuple, answers.tolist())),
        fit_s=ready - start,
        predict_ms=1e6 * (answered - ready) / len(exam.test),
        size_bytes=to_onnx(fitted).ByteSize(),
        grouped_accuracy=grouped_accuracy,
    )


def learned(
    exploration: Exploration, transform: str, model: str, chosen: Setting, *, exam: TableSplit, rows: Rows
) -> Any:
    """Return the pipeline with the chosen settings, fitted on some rows."""
    from sklearn.exceptions import ConvergenceWarning

    unfitted = exploration.unfitted(transform, model).set_params(**chosen)
    with warnings.catch_warnings():
        # A linear model that is stopped early is scored like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return unfitted.fit(exam.values[rows], exam.truth[rows])


def scores_of(fitted: Any, exam: TableSplit, rows: Rows) -> npt.NDArray[np.float64]:
    """Return logits ``(n, n_labels)``; a label that was not learned has the least of its row."""
    given = logits(fitted, exam.values[rows])
    if given.shape[1] == len(exam.labels):
        return given
    scores = np.repeat(given.min(axis=1, keepdims=True), len(exam.labels), axis=1)
    scores[:, fitted.classes_] = given
    return scores


def _search(job: Job, transform: str, model: str, told: OnTrial) -> tuple[Tried, ...]:
    exam, plan = job.exam, job.exploration
    folds = [(_thinned(learn, plan), validate) for learn, validate in exam.folds]

    def judge(parameters: Setting) -> tuple[float, float]:
        accuracies = []
        for learn, validate in folds:
            fitted = learned(plan, transform, model, parameters, exam=exam, rows=learn)
            accuracies.append((_accuracy(fitted, exam, learn), _accuracy(fitted, exam, validate)))
        train_accuracy, valid_accuracy = np.mean(accuracies, axis=0)
        return float(train_accuracy), float(valid_accuracy)

    values = _possible(grid(transform, model), min(len(learn) for learn, _ in folds))
    if not plan.n_trials:
        return grid_search(values, judge, told)
    study = Study(job.studies / f"{transform}-{model}.journal", name=job.asked, seed=plan.seed)
    return tuned_search(values, judge, told, study=study, n_trials=plan.n_trials)


def _possible(values: dict[str, list[Any]], n_rows: int) -> dict[str, list[Any]]:
    """Leave out numbers of neighbours that a small table has not."""
    if _N_NEIGHBOURS not in values:
        return values
    counts: Sequence[int] = values[_N_NEIGHBOURS]
    return {**values, _N_NEIGHBOURS: [n for n in counts if n <= n_rows]}


def _thinned(rows: Rows, exploration: Exploration) -> Rows:
    if len(rows) <= exploration.search_rows:
        return rows
    return np.sort(np.random.default_rng(exploration.seed).permutation(rows)[: exploration.search_rows])


def _accuracy(fitted: Any, exam: TableSplit, rows: Rows) -> float:
    right: npt.NDArray[np.bool_] = fitted.predict(exam.values[rows]) == exam.truth[rows]
    return float(right.mean())

"""One trial: a transform and a model, tuned, fitted and scored on a table split."""

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
from earmark.tables.split import TableSplit
from earmark.types import IntArray, RealArray

_N_NEIGHBOURS = "model__n_neighbors"


@dataclass(frozen=True, slots=True)
class Job:
    """What every trial of an exploration needs.

    Attributes
    ----------
    table
        The table under the protocol.
    grouped
        The same with groups kept whole, where a random protocol is to be compared with it.
    exploration
        What was asked for.
    studies
        A folder for what Optuna remembers.
    identity
        Identifies table and settings, but for the number of trials: a study goes on with more of them.
    """

    table: TableSplit
    grouped: TableSplit | None
    exploration: Exploration
    studies: Path
    identity: str


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
    grouped_accuracy, loss_curve
        As in `earmark.tables.exploration.Candidate`.
    """

    search: tuple[Tried, ...]
    chosen: Setting
    logits: tuple[tuple[float, ...], ...]
    fit_s: float
    predict_ms: float
    size_bytes: int
    grouped_accuracy: float | None
    loss_curve: tuple[float, ...] = ()


def run_trial(job: Job, transform: str, model: str, *, on_trial: OnTrial) -> Trial:
    """Search the settings of a transform and a model, learn with the best, and answer the rows to score on."""
    table = job.table
    search = _search(job, transform, model, on_trial)
    chosen = best_of(search).parameters
    start = time.perf_counter()
    fitted = fit_pipeline(job.exploration, transform, model, chosen, table=table, rows=table.train)
    ready = time.perf_counter()
    answers = scores_of(fitted, table, table.test)
    answered = time.perf_counter()
    grouped_accuracy = None
    if job.grouped is not None:
        again = fit_pipeline(job.exploration, transform, model, chosen, table=job.grouped, rows=job.grouped.train)
        grouped_accuracy = _accuracy(again, job.grouped, job.grouped.test)
    return Trial(
        search=search,
        chosen=chosen,
        logits=tuple(map(tuple, answers.tolist())),
        fit_s=ready - start,
        predict_ms=1e6 * (answered - ready) / len(table.test),
        size_bytes=to_onnx(fitted).ByteSize(),
        grouped_accuracy=grouped_accuracy,
        loss_curve=tuple(getattr(fitted[-1], "loss_curve_", ())),
    )


def fit_pipeline(
    exploration: Exploration, transform: str, model: str, chosen: Setting, *, table: TableSplit, rows: IntArray
) -> Any:
    """Return the pipeline with the chosen settings, fitted on some rows."""
    from sklearn.exceptions import ConvergenceWarning

    unfitted = exploration.unfitted(transform, model).set_params(**chosen)
    with warnings.catch_warnings():
        # A linear model that is stopped early is scored like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return unfitted.fit(table.values[rows], table.truth[rows])


def scores_of(fitted: Any, table: TableSplit, rows: IntArray) -> RealArray:
    """Return logits ``(n, n_labels)``; a label that was not learned has the least of its row."""
    given = logits(fitted, table.values[rows])
    if given.shape[1] == len(table.labels):
        return given
    scores = np.repeat(given.min(axis=1, keepdims=True), len(table.labels), axis=1)
    scores[:, fitted.classes_] = given
    return scores


def _search(job: Job, transform: str, model: str, on_trial: OnTrial) -> tuple[Tried, ...]:
    table, exploration = job.table, job.exploration
    folds = [(_thinned(learn, exploration), validate) for learn, validate in table.folds]

    def objective(parameters: Setting) -> tuple[float, float]:
        accuracies = []
        for learn, validate in folds:
            fitted = fit_pipeline(exploration, transform, model, parameters, table=table, rows=learn)
            accuracies.append((_accuracy(fitted, table, learn), _accuracy(fitted, table, validate)))
        train_accuracy, valid_accuracy = np.mean(accuracies, axis=0)
        return float(train_accuracy), float(valid_accuracy)

    values = _possible(grid(transform, model), min(len(learn) for learn, _ in folds))
    if not exploration.n_trials:
        return grid_search(values, objective, on_trial)
    study = Study(job.studies / f"{transform}-{model}.journal", name=job.identity, seed=exploration.seed)
    return tuned_search(values, objective, on_trial, study=study, n_trials=exploration.n_trials)


def _possible(values: dict[str, list[Any]], n_rows: int) -> dict[str, list[Any]]:
    """Leave out numbers of neighbours that a small table has not."""
    if _N_NEIGHBOURS not in values:
        return values
    counts: Sequence[int] = values[_N_NEIGHBOURS]
    return {**values, _N_NEIGHBOURS: [n for n in counts if n <= n_rows]}


def _thinned(rows: IntArray, exploration: Exploration) -> IntArray:
    if len(rows) <= exploration.search_rows:
        return rows
    return np.sort(np.random.default_rng(exploration.seed).permutation(rows)[: exploration.search_rows])


def _accuracy(fitted: Any, table: TableSplit, rows: IntArray) -> float:
    right: npt.NDArray[np.bool_] = fitted.predict(table.values[rows]) == table.truth[rows]
    return float(right.mean())

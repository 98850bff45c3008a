"""All trials of an exploration: in one process or several, and none twice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from earmark.errors import DataError
from earmark.parallel import map_processes, n_workers, stays_here
from earmark.tables.classical import CLASSIFIERS, TRANSFORMS
from earmark.tables.journal import Journal
from earmark.tables.trial import Job, Trial, run_trial
from earmark.types import Progress, no_progress

Pair: TypeAlias = tuple[str, str]
"""Names of a transform and a model."""

JOURNAL = "cells.journal"
_STAGE = "exploring"
_TRIALS = "settings"
# The dearest first, so that no process is left alone with one of them at the end.
_DEAREST = ("boosting", "neural-net", "forest")


def run_trials(
    job: Job, pairs: Sequence[Pair], *, folder: Path, workers: int = 1, progress: Progress = no_progress
) -> list[Trial]:
    """Return the trial of every pair, in their order; those that `folder` remembers are not measured again.

    Raises
    ------
    DataError
        When the folder cannot be written to, or a worker process dies.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
    with Journal(folder / JOURNAL, f"{job.identity} {job.exploration.n_trials}") as journal:
        missing = [pair for pair in pairs if _number(pair) not in journal]
        workers = min(n_workers(workers), len(missing))
        is_here = stays_here(workers, len(missing))
        if not is_here:
            missing.sort(key=lambda pair: (pair[1] not in _DEAREST, pair[0] != "polynomial"))
        # What a process has to say about a trial is not heard here.
        measured = partial(_measured, job=job, progress=progress if is_here else no_progress)
        n_before = len(pairs) - len(missing)
        progress(_STAGE, n_before, len(pairs), "")
        for done, (number, trial) in enumerate(map_processes(measured, missing, workers=workers), start=n_before + 1):
            pair = missing[number]
            journal.add(_number(pair), trial.model_dump(mode="json"))
            progress(_STAGE, done, len(pairs), f"{_name(pair)} done")
        trials = dict(journal.values())
    return [Trial.model_validate(trials[_number(pair)]) for pair in pairs]


def _number(pair: Pair) -> int:
    transform, model = pair
    return list(TRANSFORMS).index(transform) * len(CLASSIFIERS) + list(CLASSIFIERS).index(model)


def _name(pair: Pair) -> str:
    return " + ".join(pair)


def _measured(pair: Pair, *, job: Job, progress: Progress) -> Trial:
    n_trials = job.exploration.n_trials

    def on_trial(done: int, best: float) -> None:
        if n_trials:
            progress(_TRIALS, done, n_trials, f"{_name(pair)}: best {best:.3f}")

    return run_trial(job, *pair, on_trial=on_trial)

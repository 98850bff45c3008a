"""All cells of an exploration: in this process or in several, and none twice."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeAlias

from earmark.errors import DataError
from earmark.tables.classical import CLASSIFIERS, TRANSFORMS
from earmark.tables.journal import Journal
from earmark.tables.trial import Job, Trial, measure
from earmark.types import Progress, no_progress

Pair: TypeAlias = tuple[str, str]
"""Names of a transform and a model."""

JOURNAL = "cells.journal"
_STAGE = "exploring"
_TRIALS = "settings"
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# The dearest first, so that no process is left alone with one of them at the end.
_DEAREST = ("boosting", "neural-net", "forest")


def measure_all(
    job: Job, pairs: Sequence[Pair], *, folder: Path, workers: int = 1, progress: Progress = no_progress
) -> list[Trial]:
    """Return the cell of every pair, in their order; those that `folder` remembers are not measured again.

    Raises
    ------
    DataError
        When the folder cannot be written to, or a worker process dies.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}); choose another folder") from error
    with Journal(folder / JOURNAL, f"{job.asked} {job.exploration.n_trials}") as journal:
        missing = [pair for pair in pairs if _number(pair) not in journal]
        measured = (
            _in_this_process(job, missing, progress)
            if min(workers, len(missing)) <= 1
            else _in_processes(job, missing, min(workers, len(missing)))
        )
        n_before = len(pairs) - len(missing)
        for done, (pair, cell) in enumerate(measured, start=n_before + 1):
            journal.add(_number(pair), cell.model_dump(mode="json"))
            progress(_STAGE, done, len(pairs), f"{_name(pair)} done")
        cells = dict(journal.values())
    return [Trial.model_validate(cells[_number(pair)]) for pair in pairs]


def _number(pair: Pair) -> int:
    transform, model = pair
    return list(TRANSFORMS).index(transform) * len(CLASSIFIERS) + list(CLASSIFIERS).index(model)


def _name(pair: Pair) -> str:
    return " + ".join(pair)


def _in_this_process(job: Job, pairs: Sequence[Pair], progress: Progress) -> Iterator[tuple[Pair, Trial]]:
    n_trials = job.exploration.n_trials
    for pair in pairs:

        def told(done: int, best: float, pair: Pair = pair) -> None:
            if n_trials:
                progress(_TRIALS, done, n_trials, f"{_name(pair)}: best {best:.3f}")

        yield pair, measure(job, *pair, told=told)


_job: list[Job] = []  # of this worker process, so that the table travels to it once


def _begin(job: Job) -> None:
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(_THREAD_COUNTS, "1"))
    threadpool_limits(1)
    _job[:] = [job]


def _measured(pair: Pair) -> Trial:
    return measure(_job[0], *pair, told=_ignore)


def _ignore(_done: int, _best: float) -> None:
    pass


def _in_processes(job: Job, pairs: Sequence[Pair], n_workers: int) -> Iterator[tuple[Pair, Trial]]:
    context = multiprocessing.get_context("spawn")
    ordered = sorted(pairs, key=lambda pair: (pair[1] not in _DEAREST, pair[0] != "polynomial"))
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=_begin, initargs=(job,)) as pool:
        futures = {pool.submit(_measured, pair): pair for pair in ordered}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise DataError(
                "a worker process died, perhaps for want of memory; the same command goes on from here, "
                "with fewer --workers if it happens again"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

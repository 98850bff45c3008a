"""One pass over everything, on all cores, that nothing in the data can end."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from earmark.data import Example, Manifest
from earmark.data.archive import array_sha256
from earmark.doctor.examine import Examined, examine
from earmark.types import Progress, no_progress

FEWEST_FOR_POOL = 256
"""Starting processes takes longer than reading so few examples."""

CHUNK = 16
N_KEYS_IN_ALL = 2**25
N_KEYS_EACH = 1400
"""What 30 s of music give; from it follows how many keys each may keep."""

_THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Scan:
    """What the pass found.

    Attributes
    ----------
    examined
        One for every example that was read, by row.
    partial
        Whether it was interrupted.
    """

    examined: tuple[Examined, ...]
    partial: bool


def scan(manifest: Manifest, *, workers: int | None = None, progress: Progress = no_progress) -> Scan:
    """Examine every example once.

    Parameters
    ----------
    manifest
        Of any domain; the numbers of a feature table were read with it and are only handed on.
    workers
        Processes, each with one thread; one a core by default, and none where there is little to do.
    progress
        Called after every few examples.

    Returns
    -------
    What was examined; after Ctrl-C only a part.
    """
    if manifest.domain == "table":
        return Scan(tuple(_rows(manifest)), partial=False)
    n = len(manifest)
    workers = workers or n_cores()
    share = min(1.0, N_KEYS_IN_ALL / max(1, n * N_KEYS_EACH))
    found: list[Examined] = []
    partial = False
    try:
        alone = workers == 1 or n < FEWEST_FOR_POOL
        for chunk in _in_place(manifest, share) if alone else _in_pool(manifest, workers, share):
            found.extend(chunk)
            n_bad = sum(bool(each.problem) for each in chunk)
            progress("reading", len(found), n, f"{manifest.examples[chunk[-1].row].path}" if n_bad else "")
    except KeyboardInterrupt:
        partial = True
    return Scan(tuple(sorted(found, key=lambda each: each.row)), partial)


def _rows(manifest: Manifest) -> Iterator[Examined]:
    for row, values in enumerate(manifest.table.values):
        # As on disk, so that a hash that the manifest states can be compared.
        yield Examined(row, sha256=array_sha256(values), features=values.astype(np.float32))


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_place(manifest: Manifest, share: float) -> Iterator[list[Examined]]:
    for row, example in enumerate(manifest.examples):
        yield [examine(manifest, example, row=row, share=share)]


def _in_pool(manifest: Manifest, workers: int, share: float) -> Iterator[list[Examined]]:
    """Yield the results of processes; those that a process died over are tried again, each on its own."""
    bare = replace(manifest, examples=())
    rows = list(range(len(manifest)))
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]

    def submit(pool: ProcessPoolExecutor, chunk: Sequence[int]) -> Future[list[Examined]]:
        return pool.submit(_examine_chunk, bare, [(row, manifest.examples[row]) for row in chunk], share)

    done: set[int] = set()
    try:
        for chunk in _rolling(submit, chunks, workers):
            done.update(each.row for each in chunk)
            yield chunk
    except BrokenProcessPool:
        left = [row for row in rows if row not in done]
        under_way = 2 * workers * CHUNK
        yield from _one_by_one(submit, manifest, left[:under_way])
        yield from _again(manifest, left[under_way:], workers, share)


def _again(manifest: Manifest, rows: Sequence[int], workers: int, share: float) -> Iterator[list[Examined]]:
    """Go on with `rows` after a process died."""
    if not rows:
        return
    part = replace(manifest, examples=tuple(manifest.examples[row] for row in rows))
    for chunk in _in_pool(part, workers, share):
        for each in chunk:
            each.row = rows[each.row]
        yield chunk


def _rolling(
    submit: Callable[[ProcessPoolExecutor, Sequence[int]], Future[list[Examined]]],
    chunks: Sequence[Sequence[int]],
    workers: int,
) -> Iterator[list[Examined]]:
    """Keep two chunks a worker under way and yield each as it is done."""
    with _pool(workers) as pool:
        waiting = iter(chunks)
        with _interrupts_held_back():
            running = {submit(pool, chunk) for chunk in islice(waiting, 2 * workers)}
        try:
            while running:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield future.result()
                    chunk = next(waiting, None)
                    if chunk is not None:
                        running.add(submit(pool, chunk))
        except (KeyboardInterrupt, GeneratorExit):
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_by_one(
    submit: Callable[[ProcessPoolExecutor, Sequence[int]], Future[list[Examined]]],
    manifest: Manifest,
    rows: Sequence[int],
) -> Iterator[list[Examined]]:
    """Examine each of `rows` by itself; one that a process dies over gets that as its problem."""
    left = list(rows)
    while left:
        with _pool(1) as pool:
            try:
                while left:
                    yield submit(pool, left[:1]).result()
                    left.pop(0)
            except BrokenProcessPool:
                row = left.pop(0)
                said = f"{manifest.examples[row].path}: ends the process that decodes it; replace or remove it"
                yield [Examined(row, said, "crash")]


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give processes of one thread each that leave Ctrl-C to this one."""
    before = {name: os.environ.get(name) for name in _THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(_THREAD_SETTINGS, "1"))
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_interrupt) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait; a process that is started meanwhile does not hear it, not even before it can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _examine_chunk(bare: Manifest, chunk: Sequence[tuple[int, Example]], share: float) -> list[Examined]:
    return [examine(bare, example, row=row, share=share) for row, example in chunk]

"""A map over worker processes: one thread each, in any order, and alive after an item that kills its process."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import TypeAlias, TypeVar

from earmark.errors import DataError

T = TypeVar("T")
R = TypeVar("R")

THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Environment variables that numerical libraries take their number of threads from, when they are loaded."""

_AHEAD = 2  # chunks a worker has waiting, so that none is idle and few results are in memory

_Chunk: TypeAlias = Sequence[int]


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_processes(
    fn: Callable[[T], R],
    items: Sequence[T],
    *,
    workers: int,
    chunk: int = 1,
    survive_crashes: Callable[[T], R] | None = None,
) -> Iterator[tuple[int, R]]:
    """Yield the index and the result of every item, as they are done.

    Processes are spawned, because this one may hold threads. They leave Ctrl-C to this one; when it stops early, for
    whatever reason, they stop as well.

    Parameters
    ----------
    fn
        What is done with an item; it is sent to every process once, so it may hold a large object.
    items
        In the order in which they are begun.
    workers
        Processes. With one, or one item, the work is done in this process.
    chunk
        Items that travel together.
    survive_crashes
        Gives the result of an item whose process died over it; the others are still done. Without it, such a death
        raises.

    Raises
    ------
    DataError
        When a process dies and `survive_crashes` is not given.
    """
    if min(workers, len(items)) <= 1:
        yield from enumerate(map(fn, items))
        return
    numbers = range(len(items))
    waiting: deque[_Chunk] = deque(numbers[start : start + chunk] for start in range(0, len(items), chunk))
    while waiting:
        suspects: list[int] = []
        yield from _until_crash(fn, items, waiting, suspects, workers)
        if suspects and survive_crashes is None:
            raise DataError(
                "a worker process died, perhaps for want of memory; the same command goes on from here, "
                "with fewer --workers if it happens again"
            )
        if suspects:
            yield from _one_by_one(fn, items, suspects, survive_crashes)


def _until_crash(
    fn: Callable[[T], R], items: Sequence[T], waiting: deque[_Chunk], suspects: list[int], workers: int
) -> Iterator[tuple[int, R]]:
    """Empty `waiting`; when a process dies, fill `suspects` with what was under way."""
    with _pool(fn, workers) as submit:
        running: dict[Future[list[R]], _Chunk] = {}

        def submit_next() -> None:
            future = submit([items[number] for number in waiting[0]])
            running[future] = waiting.popleft()

        with _interrupts_held_back():
            while waiting and len(running) < _AHEAD * workers:
                submit_next()
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                try:
                    results = future.result()
                except BrokenProcessPool:
                    suspects.extend(running.pop(future))
                    continue
                yield from zip(running.pop(future), results, strict=True)
                if waiting and not suspects:
                    # When a process has just died, what is under way will say so.
                    with suppress(BrokenProcessPool):
                        submit_next()


def _one_by_one(
    fn: Callable[[T], R], items: Sequence[T], numbers: Sequence[int], crashed: Callable[[T], R] | None
) -> Iterator[tuple[int, R]]:
    """Try every suspect by itself, to find the one that kills its process."""
    left = deque(sorted(numbers))
    while left:
        with _pool(fn, 1) as submit:
            try:
                while left:
                    yield left[0], submit([items[left[0]]]).result()[0]
                    left.popleft()
            except BrokenProcessPool:
                number = left.popleft()
                if crashed is not None:
                    yield number, crashed(items[number])


_fn: list[Callable[..., object]] = []  # of this worker process


@contextmanager
def _pool(fn: Callable[[T], R], workers: int) -> Iterator[Callable[[Sequence[T]], Future[list[R]]]]:
    """Give a function that submits a chunk to processes of one thread each; stop them when something goes wrong."""
    before = {name: os.environ.get(name) for name in THREAD_COUNTS}
    os.environ.update(dict.fromkeys(THREAD_COUNTS, "1"))
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(fn,))
    try:
        yield lambda chunk: pool.submit(_map_chunk, chunk)
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait, so that a process that is being started does not get it before it can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(fn: Callable[..., object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _fn[:] = [fn]


def _map_chunk(chunk: Sequence[T]) -> list[R]:
    return [_fn[0](item) for item in chunk]  # type: ignore[misc]

"""A map over worker processes: one thread each, in any order, and alive after an item that kills its process.

The processes are those of this machine, or of the cluster that `engine` names; the map is the same.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias, TypeVar

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
_Submit: TypeAlias = Callable[[Sequence[Any]], "Future[list[Any]]"]


class Engine(Protocol):
    """What runs chunks of items in other processes.

    Attributes
    ----------
    crashes
        What `result` raises when a process died over a chunk.
    isolates
        Whether a process that dies takes no other chunk with it, so that a chunk of one item is the cause itself.
    """

    crashes: tuple[type[BaseException], ...]
    isolates: bool

    def n_workers(self, asked: int) -> int:
        """Return how many chunks can be worked on at once."""

    def pool(self, fn: Callable[[Any], Any], workers: int) -> AbstractContextManager[_Submit]:
        """Give a function that submits a chunk; stop what is under way when something goes wrong."""

    def result(self, future: Future[list[R]]) -> list[R]:
        """Return the results of a chunk, or raise what its function raised."""


_engine: ContextVar[Engine | None] = ContextVar("engine", default=None)


@contextmanager
def engine(used: Engine) -> Iterator[None]:
    """Let every `map_processes` within run on `used`."""
    before = _engine.set(used)
    try:
        yield
    finally:
        _engine.reset(before)


def stays_here(workers: int, n_items: int) -> bool:
    """Return whether `map_processes` does the work in this process."""
    return _engine.get() is None and min(workers, n_items) <= 1


def n_workers(asked: int) -> int:
    """Return how many processes there are for work that asks for `asked`: those of the cluster, where there is one."""
    used = _engine.get()
    return asked if used is None else used.n_workers(asked)


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
    whatever reason, they stop as well. Within `engine` the work is done there, and `workers` is what it has.

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
    if stays_here(workers, len(items)):
        yield from enumerate(map(fn, items))
        return
    used = _engine.get() or _PROCESSES
    numbers = range(len(items))
    waiting: deque[_Chunk] = deque(numbers[start : start + chunk] for start in range(0, len(items), chunk))
    while waiting:
        suspects: list[int] = []
        yield from _until_crash(fn, items, waiting, suspects, used, used.n_workers(workers))
        if suspects and survive_crashes is None:
            raise DataError(
                "a worker process died, perhaps for want of memory; the same command goes on from here, "
                "with fewer --workers if it happens again"
            )
        if chunk == 1 and used.isolates and survive_crashes is not None:
            yield from ((number, survive_crashes(items[number])) for number in suspects)
        elif suspects:
            yield from _one_by_one(fn, items, suspects, used, survive_crashes)


def in_order(results: Iterator[tuple[int, R]]) -> Iterator[R]:
    """Yield the results of `map_processes` in the order of the items; those that came early wait.

    >>> list(in_order(iter([(1, "b"), (0, "a"), (2, "c")])))
    ['a', 'b', 'c']
    """
    early: dict[int, R] = {}
    place = 0
    for number, result in results:
        early[number] = result
        while place in early:
            yield early.pop(place)
            place += 1


def _until_crash(
    fn: Callable[[T], R],
    items: Sequence[T],
    waiting: deque[_Chunk],
    suspects: list[int],
    used: Engine,
    workers: int,
) -> Iterator[tuple[int, R]]:
    """Empty `waiting`; when a process dies, fill `suspects` with what was under way."""
    with used.pool(fn, workers) as submit:
        running: dict[Future[list[R]], _Chunk] = {}

        def submit_next() -> None:
            future = submit([items[number] for number in waiting[0]])
            running[future] = waiting.popleft()

        while waiting and len(running) < _AHEAD * workers:
            submit_next()
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                try:
                    results = used.result(future)
                except used.crashes:
                    suspects.extend(running.pop(future))
                    continue
                yield from zip(running.pop(future), results, strict=True)
                if waiting and not suspects:
                    # When a process has just died, what is under way will say so.
                    with suppress(*used.crashes):
                        submit_next()


def _one_by_one(
    fn: Callable[[T], R],
    items: Sequence[T],
    numbers: Sequence[int],
    used: Engine,
    crashed: Callable[[T], R] | None,
) -> Iterator[tuple[int, R]]:
    """Try every suspect by itself, to find the one that kills its process."""
    left = deque(sorted(numbers))
    while left:
        with used.pool(fn, 1) as submit:
            try:
                while left:
                    yield left[0], used.result(submit([items[left[0]]]))[0]
                    left.popleft()
            except used.crashes:
                number = left.popleft()
                if crashed is not None:
                    yield number, crashed(items[number])


class _Processes:
    """The processes of this machine."""

    crashes: tuple[type[BaseException], ...] = (BrokenProcessPool,)
    isolates: bool = False

    def n_workers(self, asked: int) -> int:
        return asked

    def pool(self, fn: Callable[[Any], Any], workers: int) -> AbstractContextManager[_Submit]:
        return _pool(fn, workers)

    def result(self, future: Future[list[R]]) -> list[R]:
        return future.result()


_PROCESSES: Engine = _Processes()
_fn: list[Callable[..., object]] = []  # of this worker process


@contextmanager
def _pool(fn: Callable[[T], R], workers: int) -> Iterator[Callable[[Sequence[T]], Future[list[R]]]]:
    """Give a function that submits a chunk to processes of one thread each; stop them when something goes wrong."""
    before = {name: os.environ.get(name) for name in THREAD_COUNTS}
    os.environ.update(dict.fromkeys(THREAD_COUNTS, "1"))
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(fn,))

    def submit(chunk: Sequence[T]) -> Future[list[R]]:
        with _interrupts_held_back():  # a chunk may start a process
            return pool.submit(_map_chunk, chunk)

    try:
        yield submit
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
    """Let Ctrl-C wait while a process is being started.

    The process would get it before it can ignore it, so it inherits that this thread does not take it. Another thread
    of a numerical library takes it then, and Python tells this one: that must wait as well, because a process whose
    start is broken off complains that nobody has told it what to do.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    came: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    is_told = callable(handler) and threading.current_thread() is threading.main_thread()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if is_told:
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if is_told:
            signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _begin(fn: Callable[..., object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _fn[:] = [fn]


def _map_chunk(chunk: Sequence[T]) -> list[R]:
    return [_fn[0](item) for item in chunk]  # type: ignore[misc]

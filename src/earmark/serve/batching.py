"""Request batching: inputs that wait for the same network go through it as one batch.

There is no timer: while one batch is computed, requests wait, and then become the next batch. An idle service answers
at once; a busy one fills its batches by itself. `RequestQueue` says which requests share a batch. It has two users:
`BatchingSession` for threads, and `EventLoopBatcher` for coroutines, which hands its batches to the session.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np

from earmark.recognizer.file import NEXT
from earmark.serve.limits import CURRENT_WORK, NO_WORK, AbandonedError, CancelToken
from earmark.serve.problems import Problem
from earmark.types import FloatArray

MAX_WINDOWS = 64

_MOST_VALUES = 1 << 20
"""Numbers in a batch: beyond what a cache holds, a network is slower with two windows at once than with one by one."""

Feed: TypeAlias = dict[str, FloatArray]


class Batchable(Protocol):
    """A request as a `RequestQueue` sees it.

    Attributes
    ----------
    shape
        Requests of equal shape may share a batch.
    n_windows, n_values
        How large it makes a batch.
    """

    @property
    def shape(self) -> Hashable: ...
    @property
    def n_windows(self) -> int: ...
    @property
    def n_values(self) -> int: ...


R = TypeVar("R", bound=Batchable)


class RequestQueue(Generic[R]):
    """First-in, first-out queue of requests that gives them back in batches of one shape; for one thread.

    Parameters
    ----------
    max_windows
        Most windows in a batch, unless one request alone has more.
    """

    def __init__(self, max_windows: int = MAX_WINDOWS) -> None:
        self._max_windows = max_windows
        self._by_shape: dict[Hashable, deque[R]] = {}

    def __bool__(self) -> bool:
        """Whether a request waits."""
        return bool(self._by_shape)

    def put(self, request: R) -> None:
        """Let a request wait."""
        self._by_shape.setdefault(request.shape, deque()).append(request)

    def take(self) -> list[R]:
        """Return the next batch, in the order of arrival; then it is the turn of another shape."""
        shape, waiting = next(iter(self._by_shape.items()))
        batch: list[R] = []
        n_windows = n_values = 0
        while waiting:
            n_windows, n_values = n_windows + waiting[0].n_windows, n_values + waiting[0].n_values
            if batch and (n_windows > self._max_windows or n_values > _MOST_VALUES):
                break
            batch.append(waiting.popleft())
        del self._by_shape[shape]
        if waiting:
            self._by_shape[shape] = waiting
        return batch


@dataclass
class _Run:
    """One call of the session."""

    outputs: Sequence[str]
    feed: Feed
    token: CancelToken
    result: Future[list[FloatArray]] = field(default_factory=Future)

    @cached_property
    def shape(self) -> Hashable:
        if any(name.startswith(NEXT) for name in self.outputs):
            return id(self)  # it carries the state of one stream, and shares a batch with no other request
        return tuple(self.outputs), tuple((name, value.shape[1:]) for name, value in sorted(self.feed.items()))

    @cached_property
    def n_windows(self) -> int:
        return 1 if isinstance(self.shape, int) else max(len(value) for value in self.feed.values())

    @cached_property
    def n_values(self) -> int:
        return sum(value.size for value in self.feed.values())


class BatchingSession:
    """Batching for threads: stands in for an ``onnxruntime.InferenceSession`` that several threads use at once.

    Parameters
    ----------
    session
        The one that computes, in one thread of its own.
    max_windows
        Most windows in a batch, unless one request alone has more.
    on_batch
        Told the number of windows of every batch.
    """

    def __init__(
        self, session: Any, *, max_windows: int = MAX_WINDOWS, on_batch: Callable[[int], None] = lambda _: None
    ) -> None:
        self._session, self._on_batch = session, on_batch
        self._arrivals: queue.SimpleQueue[_Run | None] = queue.SimpleQueue()
        self._waiting: RequestQueue[_Run] = RequestQueue(max_windows)
        self._thread = threading.Thread(target=self._work, name="earmark-batches", daemon=True)
        self._thread.start()

    def run(self, outputs: Sequence[str], feed: Feed) -> list[FloatArray]:
        """Return what the session returns, computed in one batch with other requests that wait.

        Raises
        ------
        AbandonedError, Problem
            When the request that this thread works on is over.
        """
        token = CURRENT_WORK.get()
        token.check()
        return self.submit(outputs, feed, token=token).result()

    def submit(self, outputs: Sequence[str], feed: Feed, *, token: CancelToken = NO_WORK) -> Future[list[FloatArray]]:
        """Let the session run as soon as it can; the future is resolved in the thread that computes."""
        run = _Run(outputs, feed, token)
        self._arrivals.put(run)
        return run.result

    def get_overridable_initializers(self) -> Any:
        """Return what the session returns."""
        return self._session.get_overridable_initializers()

    def finish(self) -> None:
        """Let the thread end once it has finished what waits."""
        self._arrivals.put(None)

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        self.finish()
        self._thread.join()

    def _work(self) -> None:
        is_open = True
        while is_open or self._waiting:
            is_open = self._receive() and is_open
            if self._waiting:
                self._compute_next()

    def _receive(self) -> bool:
        """Queue all that has arrived; wait for one when nothing does. Return False at the end."""
        try:
            run = self._arrivals.get(block=not self._waiting)
            while run is not None:
                self._waiting.put(run)
                run = self._arrivals.get_nowait()
        except queue.Empty:
            return True
        return False

    def _compute_next(self) -> None:
        # In a function of its own, so that a thread that waits for requests holds on to none of those it has answered,
        # and through them to their recognizer, which may have been replaced.
        batch = [run for run in self._waiting.take() if not _is_over(run)]
        if batch:
            self._compute(batch)

    def _compute(self, batch: list[_Run]) -> None:
        lengths = [run.n_windows for run in batch]
        self._on_batch(sum(lengths))
        try:
            feed = {name: _joined([run.feed[name] for run in batch]) for name in batch[0].feed}
            results = self._session.run(list(batch[0].outputs), feed)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait, not to this thread
            for run in batch:
                run.result.set_exception(error)
            return
        if len(batch) == 1:
            batch[0].result.set_result(results)
            return
        ends = np.cumsum(lengths)[:-1]
        parts = [np.split(result, ends) for result in results]
        for run, *part in zip(batch, *parts, strict=True):
            run.result.set_result(part)


def _is_over(run: _Run) -> bool:
    """Whether nobody waits for it any more; then its future says why."""
    try:
        run.token.check()
    except (AbandonedError, Problem) as over:
        run.result.set_exception(over)
        return True
    return False


def _joined(values: list[FloatArray]) -> FloatArray:
    return values[0] if len(values) == 1 else np.concatenate(values)

"""Requests that wait for the same network go through it together.

There is no timer: while one batch is computed, what arrives waits, and becomes the next batch. An idle service answers
at once; a busy one fills its batches by itself.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from earmark.recognizer.file import NEXT
from earmark.serve.limits import CURRENT_WORK, NO_WORK, AbandonedError, CancelToken
from earmark.serve.problems import Problem
from earmark.types import FloatArray

MAX_WINDOWS = 64

_MOST_VALUES = 1 << 20
"""Numbers in a batch: beyond what a cache holds, a network is slower with two windows at once than with one by one."""

Feed: TypeAlias = dict[str, FloatArray]
_Key: TypeAlias = tuple[tuple[str, ...], tuple[tuple[str, tuple[int, ...]], ...]]


@dataclass
class _Ticket:
    outputs: Sequence[str]
    feed: Feed
    work: CancelToken
    result: Future[list[FloatArray]] = field(default_factory=Future)

    @property
    def is_alone(self) -> bool:
        """Whether it carries the state of a stream, which goes with nobody else's."""
        return any(name.startswith(NEXT) for name in self.outputs)

    @property
    def n_windows(self) -> int:
        return 1 if self.is_alone else max(len(value) for value in self.feed.values())

    @property
    def n_values(self) -> int:
        return sum(value.size for value in self.feed.values())

    @property
    def key(self) -> _Key:
        """What tickets that go together have in common."""
        return tuple(self.outputs), tuple((name, value.shape[1:]) for name, value in sorted(self.feed.items()))


class BatchingSession:
    """Stands in for an ``onnxruntime.InferenceSession`` that several threads use at once.

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
        self._session, self._max_windows, self._on_batch = session, max_windows, on_batch
        self._tickets: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._kept: _Ticket | None = None
        self._thread = threading.Thread(target=self._work, name="earmark-batches", daemon=True)
        self._thread.start()

    def run(self, outputs: Sequence[str], feed: Feed) -> list[FloatArray]:
        """Return what the session returns, computed together with whatever else waits.

        Raises
        ------
        AbandonedError, Problem
            When the request that this thread works on is over.
        """
        work = CURRENT_WORK.get()
        work.check()
        return self.submit(outputs, feed, work=work).result()

    def submit(self, outputs: Sequence[str], feed: Feed, *, work: CancelToken = NO_WORK) -> Future[list[FloatArray]]:
        """Let the session run as soon as it can; its answer comes from the thread that computes."""
        ticket = _Ticket(outputs, feed, work)
        self._tickets.put(ticket)
        return ticket.result

    def get_overridable_initializers(self) -> Any:
        """Return what the session returns."""
        return self._session.get_overridable_initializers()

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        self._tickets.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            first = self._kept or self._tickets.get()
            self._kept = None
            if first is None:
                return
            batch = [ticket for ticket in self._gather(first) if not self._is_over(ticket)]
            if batch:
                self._compute(batch)

    def _gather(self, first: _Ticket) -> list[_Ticket]:
        """Return `first` and what waits behind it and fits, in the order of arrival."""
        batch, n_windows, n_values = [first], first.n_windows, first.n_values
        while not first.is_alone:
            try:
                ticket = self._tickets.get_nowait()
            except queue.Empty:
                break
            if ticket is None:
                self._tickets.put(None)
                break
            n_windows, n_values = n_windows + ticket.n_windows, n_values + ticket.n_values
            if n_windows > self._max_windows or n_values > _MOST_VALUES or ticket.is_alone or ticket.key != first.key:
                self._kept = ticket
                break
            batch.append(ticket)
        return batch

    @staticmethod
    def _is_over(ticket: _Ticket) -> bool:
        try:
            ticket.work.check()
        except (AbandonedError, Problem) as over:
            ticket.result.set_exception(over)
            return True
        return False

    def _compute(self, batch: list[_Ticket]) -> None:
        lengths = [ticket.n_windows for ticket in batch]
        self._on_batch(sum(lengths))
        try:
            feed = {name: _joined([ticket.feed[name] for ticket in batch]) for name in batch[0].feed}
            results = self._session.run(list(batch[0].outputs), feed)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait, not to this thread
            for ticket in batch:
                ticket.result.set_exception(error)
            return
        if len(batch) == 1:
            batch[0].result.set_result(results)
            return
        ends = np.cumsum(lengths)[:-1]
        parts = [np.split(result, ends) for result in results]
        for ticket, *own in zip(batch, *parts, strict=True):
            ticket.result.set_result(own)


def _joined(values: list[FloatArray]) -> FloatArray:
    return values[0] if len(values) == 1 else np.concatenate(values)

"""Small requests are answered together: one thread takes all that wait, and the network computes them at once.

What costs a small request its time is not the network but the way from thread to thread, which is thus gone once for
many. Two threads take turns: while the network is busy with what one has brought, the other prepares the next.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from earmark.recognizer import Recognizer, Scored, as_dict
from earmark.recognizer.windows import Cuts
from earmark.serve.limits import CURRENT_WORK, NO_WORK, Work
from earmark.types import Content

SMALL_BYTES = 1 << 17
"""Bodies up to this size are small: they are decoded within a millisecond or two."""

_N_THREADS = 2
_MOST = 64


@dataclass
class Small:
    """A request that waits.

    Attributes
    ----------
    content
        Returns what the recognizer takes, or raises why it cannot.
    name, options
        For `Recognizer.conclude`.
    answer
        Of the event loop that asked.
    """

    content: Callable[[], Content | bytes]
    name: str
    options: dict[str, Any]
    work: Work
    answer: asyncio.Future[dict[str, Any]]
    cuts: list[Cuts] = field(default_factory=list)
    outcome: dict[str, Any] | Exception | None = None


class Together:
    """Answers small requests for one recognizer."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._waiting: queue.SimpleQueue[Small | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name="earmark-together", daemon=True) for _ in range(_N_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, small: Small) -> None:
        """Let a request be answered; called from its event loop."""
        self._waiting.put(small)

    def close(self) -> None:
        """Answer what waits, and end the threads."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = self._gather(first)
            self._answer(batch)
            batch[0].answer.get_loop().call_soon_threadsafe(_deliver, batch)

    def _gather(self, first: Small) -> list[Small]:
        batch = [first]
        while len(batch) < _MOST:
            try:
                small = self._waiting.get_nowait()
            except queue.Empty:
                break
            if small is None:
                self._waiting.put(None)
                break
            batch.append(small)
        return batch

    def _answer(self, batch: Sequence[Small]) -> None:
        for small in batch:
            self._prepare(small)
        CURRENT_WORK.set(NO_WORK)
        self._conclude([small for small in batch if small.outcome is None])

    def _conclude(self, batch: Sequence[Small]) -> None:
        try:
            scored = iter(self._recognizer.score_together([cuts for small in batch for cuts in small.cuts]))
            for small in batch:
                said = Scored.joined([next(scored) for _ in small.cuts])
                small.outcome = as_dict(self._recognizer.conclude(said, small.name, **small.options))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait, not to this thread
            if len(batch) == 1:
                batch[0].outcome = error
                return
            for small in batch:  # it is the fault of one of them
                self._conclude([small])

    def _prepare(self, small: Small) -> None:
        CURRENT_WORK.set(small.work)
        try:
            small.work.check()
            small.cuts = list(self._recognizer.cut(small.content()))
        except Exception as error:  # noqa: BLE001 - as above
            small.outcome = error


def _deliver(batch: Sequence[Small]) -> None:
    for small in batch:
        if small.answer.done():  # nobody waits any more
            continue
        if isinstance(small.outcome, Exception):
            small.answer.set_exception(small.outcome)
        else:
            small.answer.set_result(small.outcome or {})

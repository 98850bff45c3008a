"""Small requests are answered together, and on the event loop.

What costs a small request its time is not the network but the way from thread to thread. So all but the network runs
where the request arrives, and what arrives while the network is busy goes through it at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from earmark.recognizer import Recognizer, as_dict
from earmark.recognizer.windows import Shape, WindowBatch
from earmark.serve.batching import MAX_WINDOWS, BatchingSession
from earmark.types import FloatArray

_N_AHEAD = 2
"""Batches given to the session: one that it computes, and one to go on with while the first is answered."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that waits.

    Attributes
    ----------
    cuts
        The windows of its input.
    name, options
        For `Recognizer.to_prediction`.
    """

    cuts: WindowBatch
    name: str
    options: dict[str, Any]
    answer: asyncio.Future[dict[str, Any]]

    @property
    def n_windows(self) -> int:
        return len(self.cuts.weights)


class EventLoopBatcher:
    """Answers small requests for one recognizer; used from one event loop alone.

    Parameters
    ----------
    recognizer
        What answers.
    session
        Of this recognizer.
    """

    def __init__(self, recognizer: Recognizer, session: BatchingSession) -> None:
        self._recognizer, self._session = recognizer, session
        self._waiting: dict[Shape, deque[_Waiting]] = {}
        self._n_running = 0

    def answer(self, cuts: WindowBatch, name: str, options: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        """Return what will be the answer to windows of one input."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(cuts.shape, deque()).append(_Waiting(cuts, name, options, answer))
        self._go_on()
        return answer

    def _go_on(self) -> None:
        while self._waiting and self._n_running < _N_AHEAD:
            self._run(self._take())

    def _take(self) -> list[_Waiting]:
        """Take what waits of one shape, as much as goes together; then it is another's turn."""
        shape, waiting = next(iter(self._waiting.items()))
        batch = [waiting.popleft()]
        n_windows = batch[0].n_windows
        while waiting and (n_windows := n_windows + waiting[0].n_windows) <= MAX_WINDOWS:
            batch.append(waiting.popleft())
        del self._waiting[shape]
        if waiting:
            self._waiting[shape] = waiting
        return batch

    def _run(self, batch: Sequence[_Waiting]) -> None:
        cuts = WindowBatch.joined(waiting.cuts for waiting in batch)
        if not cuts.weights.any():
            self._finish(batch, cuts, tuple)
            return
        loop = asyncio.get_running_loop()
        self._n_running += 1
        future = self._session.submit(*self._recognizer.ask(cuts))
        future.add_done_callback(lambda said: loop.call_soon_threadsafe(self._done, batch, cuts, said))

    def _done(self, batch: Sequence[_Waiting], cuts: WindowBatch, said: Future[list[FloatArray]]) -> None:
        self._n_running -= 1
        self._go_on()  # first of all, so that the network does not wait for the answers of others
        self._finish(batch, cuts, said.result)

    def _finish(self, batch: Sequence[_Waiting], cuts: WindowBatch, said: Callable[[], Sequence[FloatArray]]) -> None:
        """Answer everybody, or tell who is at fault what went wrong, in the network or afterwards."""
        try:
            self._conclude(batch, cuts, said())
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait, not to this loop
            waiting = [each for each in batch if not each.answer.done()]
            if len(batch) == 1 and waiting:
                waiting[0].answer.set_exception(error)
            elif len(batch) > 1:  # it is the fault of one of them
                for each in waiting:
                    self._run([each])

    def _conclude(self, batch: Sequence[_Waiting], cuts: WindowBatch, said: Sequence[FloatArray]) -> None:
        scored = self._recognizer.heard(cuts, said)
        for waiting, own in zip(batch, scored.split(waiting.n_windows for waiting in batch), strict=True):
            if not waiting.answer.done():  # else nobody waits for it any more
                waiting.answer.set_result(as_dict(self._recognizer.to_prediction(own, waiting.name, **waiting.options)))

"""Request batching for coroutines: small requests are prepared and answered on the event loop.

What costs a small request its time is not the network but the way from thread to thread. So everything but the network
runs where the request arrives, and one hop to the computing thread and back serves a whole batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from earmark.recognizer import Recognizer, as_dict
from earmark.recognizer.prediction import to_prediction
from earmark.recognizer.windows import Shape, WindowBatch
from earmark.serve.batching import BatchingSession, RequestQueue
from earmark.types import FloatArray

_N_AHEAD = 2
"""Batches given to the session: one that it computes, and one to go on with while the first is answered."""


@dataclass(frozen=True)
class _Waiting:
    """A request that waits.

    Attributes
    ----------
    windows
        Those of its input.
    name, options
        For `to_prediction`.
    """

    windows: WindowBatch
    name: str
    options: dict[str, Any]
    answer: asyncio.Future[dict[str, Any]]

    @cached_property
    def shape(self) -> Shape:
        return self.windows.shape

    @cached_property
    def n_windows(self) -> int:
        return len(self.windows.weights)

    @property
    def n_values(self) -> int:
        return self.windows.batch.size


class EventLoopBatcher:
    """Batching for coroutines: answers small requests for one recognizer; used from one event loop alone.

    Parameters
    ----------
    recognizer
        What answers.
    session
        Of this recognizer.
    """

    def __init__(self, recognizer: Recognizer, session: BatchingSession) -> None:
        self._recognizer, self._session = recognizer, session
        self._waiting: RequestQueue[_Waiting] = RequestQueue()
        self._n_running = 0

    def answer(self, windows: WindowBatch, name: str, options: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        """Return the future answer to the windows of one input."""
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(windows, name, options, answer))
        self._go_on()
        return answer

    def _go_on(self) -> None:
        while self._waiting and self._n_running < _N_AHEAD:
            self._run(self._waiting.take())

    def _run(self, batch: Sequence[_Waiting]) -> None:
        windows = WindowBatch.joined(waiting.windows for waiting in batch)
        if not windows.weights.any():
            self._finish(batch, windows, tuple)
            return
        loop = asyncio.get_running_loop()
        self._n_running += 1
        future = self._session.submit(*self._recognizer.request(windows))
        future.add_done_callback(lambda outputs: loop.call_soon_threadsafe(self._done, batch, windows, outputs))

    def _done(self, batch: Sequence[_Waiting], windows: WindowBatch, outputs: Future[list[FloatArray]]) -> None:
        self._n_running -= 1
        self._go_on()  # first of all, so that the network does not wait for the answers of others
        self._finish(batch, windows, outputs.result)

    def _finish(
        self, batch: Sequence[_Waiting], windows: WindowBatch, outputs: Callable[[], Sequence[FloatArray]]
    ) -> None:
        """Answer every request, or tell the one at fault what went wrong, in the network or afterwards."""
        try:
            self._resolve(batch, windows, outputs())
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait, not to this loop
            waiting = [each for each in batch if not each.answer.done()]
            if len(batch) == 1 and waiting:
                waiting[0].answer.set_exception(error)
            elif len(batch) > 1:  # one of them is at fault: each runs alone
                for each in waiting:
                    self._run([each])

    def _resolve(self, batch: Sequence[_Waiting], windows: WindowBatch, outputs: Sequence[FloatArray]) -> None:
        scores = self._recognizer.scores_from_outputs(windows, outputs)
        for waiting, part in zip(batch, scores.split(waiting.n_windows for waiting in batch), strict=True):
            if not waiting.answer.done():  # else nobody waits for it any more
                prediction = to_prediction(self._recognizer.card, part, waiting.name, **waiting.options)
                waiting.answer.set_result(as_dict(prediction))

"""Admission control: limits on body size, time and concurrency; work in threads that can be stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from earmark.serve.limits import CURRENT_WORK, AbandonedError, CancelToken, Limits
from earmark.serve.problems import Problem

T = TypeVar("T")

_POLL_S = 0.1
_BUSY = {"Retry-After": "1"}


class Admission:
    """Counts what a service has taken on; one for all its requests, used from its event loop alone."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.n_requests = self.n_bytes = 0
        self._slots = asyncio.Semaphore(limits.n_active)
        self._threads = ThreadPoolExecutor(limits.n_active, thread_name_prefix="earmark-work")

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place among the requests; raise `Problem` (429) when there is none."""
        if self.n_requests >= self.limits.n_requests:
            raise Problem(
                429,
                f"{self.n_requests} requests are in work, which is the most; try again in a second",
                headers=_BUSY,
            )
        self.n_requests += 1
        try:
            yield
        finally:
            self.n_requests -= 1

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Give the body of a request, and count its bytes as long as it is held.

        Raises
        ------
        Problem
            413 when it is too large, 408 when it is too slow, 429 when all bodies together are too large, 415 when it
            is compressed, which is never undone.
        AbandonedError
            When the client goes away before its end.
        """
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Problem(415, "compressed bodies are not taken; send it as it is")
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self.limits.body_bytes:
            raise self._too_large()
        pieces: list[bytes] = []
        n_bytes = 0
        try:
            async with asyncio.timeout(self.limits.body_s):
                async for piece in request.stream():
                    n_bytes += len(piece)
                    self.n_bytes += len(piece)
                    if n_bytes > self.limits.body_bytes:
                        raise self._too_large()
                    if self.n_bytes > self.limits.bodies_bytes:
                        raise Problem(429, "too many bytes are being received; try again in a second", headers=_BUSY)
                    pieces.append(piece)
            yield b"".join(pieces)
        except TimeoutError:
            raise Problem(
                408, f"the body did not arrive within {self.limits.body_s:g} s; send it faster, or a smaller one"
            ) from None
        except ClientDisconnect:
            raise AbandonedError from None
        finally:
            self.n_bytes -= n_bytes

    async def work(self, request: Request, task: Callable[[], T]) -> T:
        """Return what `task` returns, run in a thread; tell it to stop when the client goes away or time is up.

        Raises
        ------
        Problem
            504 when it takes too long, and whatever `task` raises.
        AbandonedError
            When the client went away.
        """
        token = self.begin()

        def run() -> T:
            CURRENT_WORK.set(token)
            token.check()
            return task()

        try:
            async with asyncio.timeout(self.limits.work_s):
                await self._slots.acquire()
        except TimeoutError:
            raise Problem(429, "the service is busy; try again in a second", headers=_BUSY) from None
        future = asyncio.get_running_loop().run_in_executor(self._threads, run)
        # The slot is free when the thread is, which may be later than the answer.
        future.add_done_callback(self._release)
        return await self.watched(request, token, future)

    def begin(self) -> CancelToken:
        """Return the token of a request whose work begins now."""
        return CancelToken(time.monotonic() + self.limits.work_s)

    async def watched(self, request: Request, token: CancelToken, future: asyncio.Future[T]) -> T:
        """Return the result of `future`; raises as `work`."""
        try:
            while not future.done():
                await asyncio.wait({future}, timeout=_POLL_S)
                if not future.done() and (token.is_over or await request.is_disconnected()):
                    token.check()
                    raise AbandonedError
            return future.result()
        finally:
            token.cancel()

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _release(self, future: asyncio.Future[T]) -> None:
        self._slots.release()
        if not future.cancelled():
            future.exception()  # seen, also when nobody waits for it any more

    def _too_large(self) -> Problem:
        return Problem(
            413,
            f"the body is larger than {self.limits.body_bytes:,} bytes, which is the most; send a smaller file or less"
            " of it",
            headers={"Connection": "close"},
        )

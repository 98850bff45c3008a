"""WebSocket endpoint ``/v1/listen``: samples in, rolling answers out.

The first message is JSON, ``{"model": "notes", "sample_rate_hz": 48000}``, with ``"token"`` where one is needed, and
``"denoise": true``, ``"force": true`` or ``"top"`` when wanted; all others are float32 samples, little-endian, mono.
Each answer is a JSON message. ``"end"`` as text ends the stream and brings its last answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from pydantic import Field
from starlette.websockets import WebSocket, WebSocketDisconnect

from earmark.config import Config
from earmark.errors import DataError, EarmarkError, UsageError
from earmark.live import DenoiseConfig, ListenConfig, Listener, Update
from earmark.serve.limits import Limits
from earmark.serve.metrics import Metrics
from earmark.serve.models import Models
from earmark.serve.problems import Problem

_POLICY_VIOLATION, _TRY_AGAIN_LATER, _NORMAL = 1008, 1013, 1000
_IDLE_S = 30.0
_MOST_MESSAGE_S = 5.0


class StreamStart(Config):
    """The first message of a stream."""

    model: str
    sample_rate_hz: int = Field(ge=1000, le=768_000)
    token: str | None = None
    denoise: bool = False
    force: bool = False
    top: int = Field(default=5, ge=1, le=100)


class Streams:
    """All streams of a service."""

    def __init__(
        self, models: Models, *, limits: Limits, metrics: Metrics, is_allowed: Callable[[str | None], bool]
    ) -> None:
        self._models, self._limits, self._metrics, self._is_allowed = models, limits, metrics, is_allowed
        self._n_streams = 0

    async def run(self, socket: WebSocket) -> None:
        """Serve one stream to its end."""
        if not _same_origin(socket):
            await socket.close(_POLICY_VIOLATION, "another page may not listen here")
            return
        await socket.accept()
        if self._n_streams >= self._limits.n_streams:
            await _refuse(socket, "too many streams are open; try again later", code=_TRY_AGAIN_LATER)
            return
        self._n_streams += 1
        self._metrics.streams.inc()
        try:
            async with asyncio.timeout(self._limits.stream_s):
                await self._serve(socket)
        except (EarmarkError, Problem) as error:
            await _refuse(socket, str(error))
        except TimeoutError:
            await _refuse(socket, "the stream was silent too long or took too long; open it again")
        except WebSocketDisconnect:
            pass
        finally:
            self._n_streams -= 1
            self._metrics.streams.dec()

    async def _serve(self, socket: WebSocket) -> None:
        start = await self._start(socket)
        listener = Listener(
            self._models[start.model].recognizer,
            start.sample_rate_hz,
            config=ListenConfig(top=start.top, force=start.force, denoise=DenoiseConfig() if start.denoise else None),
            skip_late=True,
        )
        await socket.send_json({"ready": True, "window_s": listener.window_s, "hop_s": listener.hop_s})
        while True:
            samples, arrived_s = await _samples(socket, start.sample_rate_hz)
            if samples is None:
                await _send(socket, await asyncio.to_thread(listener.finish), listener)
                await socket.close(_NORMAL)
                return
            updates = await asyncio.to_thread(listener.feed, samples, arrived_s=arrived_s)
            await _send(socket, updates, listener)

    async def _start(self, socket: WebSocket) -> StreamStart:
        async with asyncio.timeout(_IDLE_S):
            try:
                values = await socket.receive_json()
            except (ValueError, KeyError) as error:
                raise UsageError('the first message is not JSON; send {"model": …, "sample_rate_hz": …}') from error
        if not isinstance(values, dict):
            raise UsageError('the first message is not an object; send {"model": …, "sample_rate_hz": …}')
        start = StreamStart.parse(values, where="the first message")
        if not self._is_allowed(start.token):
            raise UsageError("this service needs a token; send it as 'token' in the first message")
        return start


async def _samples(socket: WebSocket, sample_rate_hz: int) -> tuple[Any, float]:
    """Return the next samples ``(time,)`` and when they came; None at the end of the stream."""
    async with asyncio.timeout(_IDLE_S):
        message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", _NORMAL))
    data = message.get("bytes")
    if data is None:
        if message.get("text") == "end":
            return None, 0.0
        raise UsageError("a message is text; samples are binary messages of float32, and 'end' ends the stream")
    if len(data) % 4 or len(data) > 4 * _MOST_MESSAGE_S * sample_rate_hz:
        raise DataError(
            f"a message of {len(data)} bytes; samples are float32, at most {_MOST_MESSAGE_S:g} s at once; send less"
        )
    samples = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(samples).all():
        raise DataError("a message holds samples that are NaN or infinite; only finite numbers are sound")
    return samples, time.monotonic()


async def _send(socket: WebSocket, updates: list[Update], listener: Listener) -> None:
    for update in updates:
        await socket.send_json({**update.as_dict(), "n_skipped": listener.n_skipped})


async def _refuse(socket: WebSocket, sentence: str, *, code: int = _POLICY_VIOLATION) -> None:
    """Say why the stream ends, unless nobody listens any more."""
    try:
        await socket.send_json({"error": sentence})
        await socket.close(code, sentence[:120].encode()[:120].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError):
        return


def _same_origin(socket: WebSocket) -> bool:
    """Whether the page that opens the socket is ours; programs send no origin."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")

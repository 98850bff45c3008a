"""Limits of a service, and the token that stops a request that exceeds them."""

from __future__ import annotations

import contextvars
import time
from dataclasses import dataclass, field

from pydantic import Field

from earmark.config import Config
from earmark.serve.problems import Problem


class Limits(Config):
    """Limits of one service; a request beyond them is answered with a problem.

    Attributes
    ----------
    body_bytes, bodies_bytes
        Of one request, and of all that are being received or worked on.
    body_s
        Seconds in which a body must arrive.
    duration_s, pixels
        Of one sound once decoded, and of one image.
    n_items
        Inputs in one request.
    work_s
        Seconds from the arrival of a body to its answer.
    n_active, n_requests
        Requests worked on at once, and with those that are received or wait.
    n_streams, stream_s
        WebSockets at once, and how long one may last.
    n_connections
        Open connections; of more, those that have waited the longest without a request are closed.
    n_own_models
        Recognizer files that people may bring; they stay in memory until the service stops.
    """

    body_bytes: int = Field(default=32 << 20, ge=1024)
    bodies_bytes: int = Field(default=256 << 20, ge=1024)
    body_s: float = Field(default=20.0, gt=0)
    duration_s: float = Field(default=900.0, gt=0)
    pixels: int = Field(default=20_000_000, ge=1)
    n_items: int = Field(default=64, ge=1)
    work_s: float = Field(default=60.0, gt=0)
    n_active: int = Field(default=8, ge=1)
    n_requests: int = Field(default=128, ge=1)
    n_streams: int = Field(default=32, ge=0)
    stream_s: float = Field(default=3600.0, gt=0)
    n_connections: int = Field(default=1000, ge=2)
    n_own_models: int = Field(default=0, ge=0)


class AbandonedError(Exception):
    """The client went away; there is nobody to answer."""


@dataclass
class CancelToken:
    """Cancellation token of one request; the thread that works on it checks now and then whether to go on.

    Attributes
    ----------
    deadline_s
        `time.monotonic` at which it has taken too long.
    """

    deadline_s: float
    _is_cancelled: bool = field(default=False, init=False)

    def cancel(self) -> None:
        """Stop the work at its next `check`."""
        self._is_cancelled = True

    @property
    def is_over(self) -> bool:
        return self._is_cancelled or time.monotonic() > self.deadline_s

    def check(self) -> None:
        """Raise `AbandonedError` or a `Problem` (504) when there is no point in going on."""
        if self._is_cancelled:
            raise AbandonedError
        if time.monotonic() > self.deadline_s:
            raise Problem(504, "the request took too long; send a shorter sound or fewer inputs, or try again later")


NO_WORK = CancelToken(deadline_s=float("inf"))
CURRENT_WORK: contextvars.ContextVar[CancelToken] = contextvars.ContextVar("CURRENT_WORK", default=NO_WORK)

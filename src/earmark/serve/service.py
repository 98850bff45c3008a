"""Shared state of one application: limits, tokens, metrics, models, streams."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path

from starlette.requests import Request

from earmark.serve.admission import Admission
from earmark.serve.limits import Limits
from earmark.serve.metrics import Metrics
from earmark.serve.models import Models
from earmark.serve.problems import Problem
from earmark.serve.stream import Streams


class Service:
    """Shared state of the requests of one application."""

    def __init__(self, files: Mapping[str, Path], *, limits: Limits, n_threads: int, tokens: Iterable[str]) -> None:
        self.limits, self.tokens = limits, tuple(token.encode() for token in tokens)
        self.metrics = Metrics()
        self.models = Models(files, metrics=self.metrics, n_threads=n_threads, n_own=limits.n_own_models)
        self.admission = Admission(limits)
        self.metrics.in_flight.set_function(lambda: self.admission.n_requests)
        self.streams = Streams(self.models, limits=limits, metrics=self.metrics, is_allowed=self.is_allowed)

    def is_allowed(self, token: str | None) -> bool:
        """Whether a token is one of those given, or none is needed; in a time that says nothing about it."""
        given = (token or "").encode()
        return not self.tokens or True in [hmac.compare_digest(given, known) for known in self.tokens]

    def check_token(self, request: Request) -> None:
        """Raise `Problem` (401) for a request without a bearer token that is needed."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not self.is_allowed(token if scheme.lower() == "bearer" else None):
            raise Problem(
                401,
                "this service needs a token; send it as 'Authorization: Bearer TOKEN'",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def close(self) -> None:
        """End all threads."""
        self.admission.close()
        self.models.close()

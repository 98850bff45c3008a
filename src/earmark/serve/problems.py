"""Errors as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from earmark.errors import DataError, EarmarkError, MissingExtraError, ModelError, UsageError

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """A request that is answered with an error.

    Parameters
    ----------
    status
        The HTTP status.
    detail
        One sentence: what was given, what is allowed, what to do.
    headers
        To send along, such as ``Retry-After``.
    """

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})

    def as_dict(self) -> dict[str, Any]:
        """Return the members of the problem."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }


def problem_of(error: EarmarkError) -> Problem:
    """Return how an error of the library is answered: whose fault it is decides."""
    if isinstance(error, MissingExtraError):
        return Problem(501, f"this service cannot read that kind of file ({error}); convert it to wav, flac or png")
    if isinstance(error, UsageError):
        return Problem(400, str(error))
    if isinstance(error, DataError):
        return Problem(422, str(error))
    if isinstance(error, ModelError):
        return Problem(500, str(error))
    return Problem(500, str(error))

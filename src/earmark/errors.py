"""Everything that Earmark raises on purpose.

    EarmarkError                  caught by the command line, printed as one sentence
    ├── DataError        exit 1   a file, a drawing, a table or a data set is bad
    │   └── UnreadableError       one input cannot be decoded
    ├── ModelError       exit 1   a recognizer or a run is bad, or does not fit the data
    └── UsageError       exit 2   the call is wrong
        ├── UnknownNameError      a name that is not in a registry, with "did you mean"
        ├── ConfigError           a recipe or an option holds a wrong key or value
        ├── MissingExtraError     the call needs an optional dependency
        └── MissingPartError      the call needs a part of Earmark that was removed

Every message says what was given, what is allowed, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class EarmarkError(Exception):
    """Base of all errors raised on purpose; they can be sent between processes, whatever they are made of."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[EarmarkError], args: tuple[Any, ...], values: dict[str, Any]) -> EarmarkError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(values)
    return error


class DataError(EarmarkError):
    """A file, a drawing, a table or a data set is bad."""


class UnreadableError(DataError):
    """One input cannot be decoded."""


class ModelError(EarmarkError):
    """A recognizer or a run is bad, or does not fit the data."""


class UsageError(EarmarkError):
    """The call is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A recipe or an option holds a wrong key or value."""


class UnknownNameError(UsageError):
    """A name that is not in a registry."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(f"there is no {kind} called {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}")
        self.kind, self.name, self.known = kind, name, known


class MissingExtraError(UsageError):
    """The call needs an optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the {extra} extra: pip install 'earmark[{extra}]'")
        self.extra = extra


class MissingPartError(UsageError):
    """The call needs a part of Earmark that this installation lacks."""

    def __init__(self, feature: str, module: str) -> None:
        super().__init__(
            f"{feature} needs {module}, which this installation lacks; install all of Earmark with: pip install"
            " --force-reinstall --no-deps earmark"
        )


@contextmanager
def refusing(refusal: Callable[[Exception], EarmarkError]) -> Iterator[None]:
    """Turn whatever a library raises on a damaged file into the error that `refusal` makes of it.

    Only around calls of parsers of other people's bytes: what they raise is no part of their interface (a damaged
    ``.npy`` header is a `TokenError` of the tokenizer, text in a damaged model a `UnicodeDecodeError`), so a list of
    classes would never be complete.

    >>> with refusing(lambda error: DataError(f"a.npz: is damaged ({error}); save it again")):
    ...     raise LookupError("of another library")
    Traceback (most recent call last):
    earmark.errors.DataError: a.npz: is damaged (of another library); save it again
    """
    try:
        yield
    except EarmarkError:
        raise
    except Exception as error:
        raise refusal(error) from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""

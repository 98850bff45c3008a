"""One strict registry type: duplicates raise, unknown names list the known ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from earmark.errors import UnknownNameError

T = TypeVar("T")
U = TypeVar("U")


class Registry(Mapping[str, T]):
    """A mapping from public names to implementations.

    Parameters
    ----------
    kind
        What the entries are ("feature kind", "model"), used in error messages.

    Examples
    --------
    >>> shapes = Registry[type]("shape")
    >>> @shapes.register("circle")
    ... class Circle: ...
    >>> shapes["circle"] is Circle
    True
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[U], U]:
        """Return a decorator that files its target under `name`; a second use of the name raises ``ValueError``."""

        def file_under(entry: U) -> U:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry  # type: ignore[assignment]
            return entry

        return file_under

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

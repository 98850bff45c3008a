"""Append-only journal that lets an interrupted extraction or exploration resume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from earmark.errors import DataError


class Journal:
    """An append-only file of JSON lines, one an item; the first names what the run was asked for.

    A line is only taken back when it was finished and the run was asked for the same. The values stay on disk; only
    where they begin is held in memory.

    Parameters
    ----------
    path
        The file; made when it is not there, begun again when it belongs to another run.
    identity
        Identifies the run.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self._identity = path, identity
        self._starts: dict[int, int] = {}

    def __enter__(self) -> Self:
        try:
            self._stream: IO[bytes] = self.path.open("a+b")
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written ({error.strerror}); choose another place") from error
        end = self._recall()
        self._stream.truncate(end)
        if not end:
            self._append({"asked": self._identity})
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def __contains__(self, index: int) -> bool:
        return index in self._starts

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, index: int, value: Any) -> None:
        """Write the value of item `index` to disk."""
        self._starts[index] = self._append({"index": index, "value": value})

    def values(self) -> Iterator[tuple[int, Any]]:
        """Yield every item and its value, by index."""
        for index in sorted(self._starts):
            self._stream.seek(self._starts[index])
            yield index, json.loads(self._stream.readline())["value"]

    def _recall(self) -> int:
        """Find the finished lines; return where they end, 0 when they are of another run."""
        self._stream.seek(0)
        first = self._stream.readline()
        if _parsed(first).get("asked") != self._identity:
            return 0
        end = len(first)
        for line in self._stream:
            record = _parsed(line)
            if not record:
                break
            self._starts[record["index"]] = end
            end += len(line)
        return end

    def _append(self, record: dict[str, Any]) -> int:
        self._stream.seek(0, 2)
        start = self._stream.tell()
        self._stream.write(json.dumps(record).encode() + b"\n")
        self._stream.flush()
        return start


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the record of a line; nothing when it was cut off."""
    if not line.endswith(b"\n"):
        return {}
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}

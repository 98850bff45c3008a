"""Ring buffer: the latest samples of a stream, in memory that does not grow."""

from __future__ import annotations

import numpy as np

from earmark.errors import UsageError
from earmark.types import FloatArray


class Ring:
    """Holds the last `capacity` samples of a stream.

    >>> ring = Ring(3)
    >>> ring.extend(np.float32([1, 2, 3, 4]))
    >>> ring.between(2, 4).tolist()
    [3.0, 4.0]
    """

    def __init__(self, capacity: int) -> None:
        self._samples = np.zeros(capacity, np.float32)
        self.end = 0

    @property
    def start(self) -> int:
        """Number in the stream of the oldest sample that is still there."""
        return max(0, self.end - len(self._samples))

    def extend(self, samples: FloatArray) -> None:
        """Take the next samples, ``(time,)``; the oldest are forgotten."""
        capacity = len(self._samples)
        kept = samples[-capacity:]
        first = (self.end + len(samples) - len(kept)) % capacity
        until_wrap = min(len(kept), capacity - first)
        self._samples[first : first + until_wrap] = kept[:until_wrap]
        self._samples[: len(kept) - until_wrap] = kept[until_wrap:]
        self.end += len(samples)

    def between(self, start: int, end: int) -> FloatArray:
        """Return a copy of samples `start` to `end` of the stream, ``(time,)``.

        Raises
        ------
        UsageError
            When some of them are not there any more, or not yet.
        """
        if not self.start <= start <= end <= self.end:
            raise UsageError(f"samples {start} to {end} were asked for; the ring holds {self.start} to {self.end}")
        capacity = len(self._samples)
        first, n = start % capacity, end - start
        return np.concatenate([self._samples[first : first + n], self._samples[: max(0, first + n - capacity)]])

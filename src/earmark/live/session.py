"""Listening session: a listener fed from a source until the stream ends, with statistics of its answers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from earmark.errors import DataError
from earmark.live.listener import Listener
from earmark.live.recording import recording
from earmark.live.source import Source
from earmark.live.update import Update
from earmark.recognizer.answers import UNKNOWN

MUTED_S = 60.0
"""After so much silence the microphone may be muted."""


@dataclass
class SessionStats:
    """Statistics of a listening session so far.

    Attributes
    ----------
    latencies_s
        From the arrival of the last sample of an answer to the answer.
    """

    n_updates: int = 0
    latencies_s: list[float] = field(default_factory=list)
    _sums: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _n_heard: int = 0
    _n_unknown: int = 0
    _silent_since_s: float = 0.0
    _began_s: float = field(default_factory=time.monotonic)
    _began_cpu_s: float = field(default_factory=time.process_time)

    def add(self, update: Update) -> None:
        """Count one answer."""
        self.n_updates += 1
        if update.latency_s is not None:
            self.latencies_s.append(update.latency_s)
        if update.top:
            self._silent_since_s = update.end_s
            self._n_heard += 1
            self._n_unknown += update.answer.label == UNKNOWN
            for answer in update.top:
                self._sums[answer.label] += answer.confidence

    @property
    def whole(self) -> tuple[str, float] | None:
        """The answer to all that was heard, and its mean confidence; ``"unknown"`` where most answers were.

        None when there was only silence.
        """
        if not self._n_heard:
            return None
        label, total = max(self._sums.items(), key=lambda item: item[1])
        share = total / self._n_heard
        return (UNKNOWN if 2 * self._n_unknown > self._n_heard else label), share

    def is_muted(self, end_s: float) -> bool:
        """Return whether there was only silence for `MUTED_S` before this second of the stream."""
        return end_s - self._silent_since_s >= MUTED_S

    @property
    def elapsed_s(self) -> float:
        return max(time.monotonic() - self._began_s, 1e-9)

    @property
    def cpu_share(self) -> float:
        """Share of one core that this process has used."""
        return (time.process_time() - self._began_cpu_s) / self.elapsed_s

    @property
    def latency_s(self) -> tuple[float, float] | None:
        """Median and maximum of the latencies, if there are any."""
        return (float(np.median(self.latencies_s)), max(self.latencies_s)) if self.latencies_s else None


def run_session(
    source: Source,
    listener: Listener,
    *,
    on_updates: Callable[[Sequence[Update]], None],
    seconds: float | None = None,
    save: Path | None = None,
) -> None:
    """Feed the listener until the stream ends, `seconds` are over, or Ctrl-C.

    Parameters
    ----------
    on_updates
        Called with the answers to each chunk, and with the last ones at the end.
    save
        A file for the sound itself. It is complete whatever ends the session.

    Raises
    ------
    DataError
        When the source fails, after the last answers were given.
    """
    n_left = None if seconds is None else round(seconds * source.sample_rate_hz)
    failure: DataError | None = None
    with recording(save, source.sample_rate_hz) as record:
        try:
            for chunk in source.chunks():
                samples = chunk.samples[:n_left]
                record(samples)
                on_updates(listener.feed(samples, arrived_s=chunk.arrived_s))
                n_left = None if n_left is None else n_left - len(samples)
                if n_left is not None and n_left <= 0:
                    break
        except KeyboardInterrupt:
            pass  # the usual way to stop; what came so far is answered
        except DataError as error:
            failure = error
        try:
            on_updates(listener.finish())
        except DataError as error:
            failure = failure or error
    if failure is not None:
        raise failure

"""What a command that takes long says about itself on stderr: bars in a terminal, lines anywhere else."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from earmark.cli.output import say
from earmark.text import printable

if TYPE_CHECKING:
    from earmark.types import Progress

FIRST_LINE_S = 1.0
"""Seconds after which a stage that goes on is named where there is no terminal."""
NEXT_LINE_S = 20.0
"""Seconds after which it is named again."""
_LOOK_S = 0.25


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """Give a `Progress` that draws a bar for each stage; where there is no terminal, it prints lines.

    It begins with a stage for the imports, which take the longest of all in short commands. Of several processes of
    ``torchrun`` the first speaks.
    """
    if os.environ.get("RANK", "0") != "0":
        from earmark.types import no_progress

        yield no_progress
    elif sys.stderr.isatty():
        with _bars() as draw:
            draw("loading libraries", 0, 1, "")
            yield draw
    else:
        with StageLines() as lines:
            lines("loading libraries", 0, 1, "")
            yield lines


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    stages: dict[str, TaskID] = {}
    steps: list[TaskID] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, *times, console=Console(stderr=True)) as bars:

        def draw(stage: str, done: int, total: int, note: str) -> None:
            if total == 0:
                return
            if stage not in stages:
                stages[stage] = bars.add_task(stage, note=note)
            while steps and steps[-1] != stages[stage]:
                bars.update(steps.pop(), total=1, completed=1)
            if is_step := (done == 0 and total == 1):
                steps.append(stages[stage])
            # Without a total the bar moves to and fro.
            bars.update(stages[stage], completed=done, total=None if is_step else total, note=printable(note))

        yield draw
        while steps:
            bars.update(steps.pop(), total=1, completed=1)


class StageLines:
    """Progress as lines: a stage is named after a second, then every twenty, and when it is finished.

    Between two reports a thread looks at the clock, so that a step which reports nothing is not silent either.
    """

    def __init__(self) -> None:
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._stage, self._done, self._total, self._note = "", 0, 0, ""
        self._began_s = self._said_s = time.monotonic()
        self._is_named = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        if total == 0:
            return
        with self._lock:
            if stage != self._stage or self._done == self._total:
                self._stage, self._began_s, self._is_named = stage, time.monotonic(), False
            self._done, self._total, self._note = done, total, printable(note)
            if done == total:
                self._say(f"{stage}: {done} done{f', {self._note}' if note else ''}")

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            with self._lock:
                now_s = time.monotonic()
                silent_s = now_s - max(self._began_s, self._said_s)
                if silent_s >= (NEXT_LINE_S if self._is_named else FIRST_LINE_S):
                    self._say(self._line(now_s - self._began_s))

    def _line(self, elapsed_s: float) -> str:
        if self._done == self._total:
            return f"still at work, {time.monotonic() - self._said_s:.0f} s after: {self._stage}"
        facts = f"{f', {self._note}' if self._note else ''}{f', {elapsed_s:.0f} s' if self._is_named else ''}"
        if self._total == 1:
            return f"{self._stage}{facts} …"
        return f"{self._stage}: {self._done:,} of {self._total:,}{facts}"

    def _say(self, line: str) -> None:
        self._is_named, self._said_s = True, time.monotonic()
        say(line)

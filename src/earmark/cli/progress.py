"""Progress bars on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from earmark.text import printable

if TYPE_CHECKING:
    from earmark.types import Progress


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """Give a `Progress` that draws a bar for each stage; where there is no terminal, it prints each finished stage."""
    if not sys.stderr.isatty():
        yield _print_finished
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    stages: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True)) as bars:

        def draw(stage: str, done: int, total: int, note: str) -> None:
            if total == 0:
                return
            if stage not in stages:
                stages[stage] = bars.add_task(stage, note=note)
            bars.update(stages[stage], completed=done, total=total, note=printable(note))

        yield draw


def _print_finished(stage: str, done: int, total: int, note: str) -> None:
    if 0 < done == total:
        print(f"{stage}: {done} done{f', {printable(note)}' if note else ''}", file=sys.stderr, flush=True)

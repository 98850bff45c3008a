"""Scan: every example is read once, in parallel, and nothing in the data can stop it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from earmark.data import Example, Manifest
from earmark.data.archive import array_sha256
from earmark.doctor.examine import Examined, examine
from earmark.parallel import map_processes, n_cores
from earmark.types import Progress, no_progress

FEWEST_FOR_POOL = 256
"""Starting processes takes longer than reading so few examples."""

CHUNK = 16
N_KEYS_IN_ALL = 2**25
N_KEYS_EACH = 1400
"""What 30 s of music give; from it follows how many keys each may keep."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What the pass found.

    Attributes
    ----------
    examined
        One for every example that was read, by row.
    partial
        Whether it was interrupted.
    """

    examined: tuple[Examined, ...]
    partial: bool


def scan(manifest: Manifest, *, workers: int | None = None, progress: Progress = no_progress) -> Scan:
    """Examine every example once.

    Parameters
    ----------
    manifest
        Of any domain; the numbers of a feature table were read with it and are only handed on.
    workers
        Processes, each with one thread; one a core by default, and none where there is little to do.
    progress
        Called after every example.

    Returns
    -------
    What was examined; after Ctrl-C only a part.
    """
    if manifest.domain == "table":
        return Scan(tuple(_rows(manifest)), partial=False)
    n = len(manifest)
    workers = workers or n_cores()
    share = min(1.0, N_KEYS_IN_ALL / max(1, n * N_KEYS_EACH))
    found: list[Examined] = []
    interrupted = False
    progress("reading", 0, n, "")
    reading = map_processes(
        partial(_examined, bare=replace(manifest, examples=()), share=share),
        list(enumerate(manifest.examples)),
        workers=1 if n < FEWEST_FOR_POOL else workers,
        chunk=CHUNK,
        survive_crashes=_crashed,
    )
    try:
        for _, each in reading:
            found.append(each)
            progress("reading", len(found), n, manifest.examples[each.row].path if each.problem else "")
    except KeyboardInterrupt:
        interrupted = True
    return Scan(tuple(sorted(found, key=lambda each: each.row)), partial=interrupted)


def _rows(manifest: Manifest) -> Iterator[Examined]:
    for row, values in enumerate(manifest.table.values):
        # As on disk, so that a hash that the manifest states can be compared.
        yield Examined(row, sha256=array_sha256(values), features=values.astype(np.float32))


def _examined(numbered: tuple[int, Example], *, bare: Manifest, share: float) -> Examined:
    row, example = numbered
    return examine(bare, example, row=row, share=share)


def _crashed(numbered: tuple[int, Example]) -> Examined:
    row, example = numbered
    return Examined(row, f"{example.path}: ends the process that decodes it; replace or remove it", "crash")

"""Examples that cannot be read, set aside before anything is divided or learned."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from earmark.data import Example, Manifest, example_sha256, read_content
from earmark.errors import DataError
from earmark.features import FeatureCache
from earmark.text import counted
from earmark.types import Progress, no_progress

log = logging.getLogger(__name__)

_READ = np.ones(1, np.float32)


def set_aside_unreadable(
    manifest: Manifest, *, cache: FeatureCache, strict: bool = False, progress: Progress = no_progress
) -> Manifest:
    """Return the examples that can be decoded to their end, hashed, and say how many others there are.

    Parameters
    ----------
    manifest
        Not yet divided, so that no part loses more than another.
    cache
        Remembers by content what was read before, so that this costs one pass over new files only.
    strict
        Raise instead of leaving anything out.

    Raises
    ------
    DataError
        When nothing can be read, or with `strict` anything cannot.
    """

    def checked(example: Example) -> Example | str:
        try:
            digest = example.sha256 or example_sha256(manifest.root, example)
            known = replace(example, sha256=digest)
            key = f"readable {digest} {example.start_s} {example.duration_s}"
            if key not in cache:
                read_content(manifest, known)
                cache.get(key, lambda: _READ)
        except DataError as error:
            return str(error)
        return known

    examples: list[Example] = []
    reasons: list[str] = []
    progress("reading", 0, len(manifest), "")
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for done, result in enumerate(pool.map(checked, manifest.examples), start=1):
            if isinstance(result, Example):
                examples.append(result)
            else:
                reasons.append(result)
            progress("reading", done, len(manifest), "")
    if not reasons:
        return replace(manifest, examples=tuple(examples))
    n_bad = counted(len(reasons), "example")
    what = f"{manifest.name}: {n_bad} of {len(manifest)} cannot be read, the first: {reasons[0]}"
    if strict or not examples:
        raise DataError(f"{what}; 'earmark check --quarantine FILE' lists them all")
    log.warning(
        "%s; they are set aside, 'earmark check --quarantine FILE' lists them all, and --strict stops instead", what
    )
    return replace(manifest, examples=tuple(examples))

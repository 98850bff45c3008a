"""Read and write outcomes as ``.npz``, so that two runs can be compared example by example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import DataError, refusing
from earmark.evaluation.outcome import Outcome
from earmark.files import atomic_path


def write_outcome(path: Path | str, outcome: Outcome) -> None:
    """Write `outcome` as a compressed ``.npz`` of plain arrays; raise `DataError` when `path` cannot be written."""
    arrays: dict[str, Any] = {
        "labels": np.array(outcome.labels, dtype=np.str_),
        "logits": outcome.logits,
        "truth": outcome.truth,
        "groups": outcome.groups,
        "tracks": outcome.tracks,
        "inputs": np.array(outcome.inputs, dtype=np.str_),
        "failures": np.array(outcome.failures, dtype=np.str_).reshape(-1, 2),
    }
    thresholds = np.array(outcome.thresholds) if outcome.thresholds else None
    optional = {
        "logits_uncalibrated": outcome.logits_uncalibrated,
        "answered": outcome.answered,
        "thresholds": thresholds,
    }
    arrays |= {name: values for name, values in optional.items() if values is not None}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_outcome(path: Path | str) -> Outcome:
    """Read what `write_outcome` wrote; nothing is ever unpickled.

    Raises
    ------
    DataError
        When the file is missing, damaged or something else.
    """
    if not Path(path).exists():
        raise DataError(f"{path}: no such file; give the outcome.npz of a run")
    with (
        refusing(
            lambda error: DataError(f"{path}: not the outcome of an evaluation ({error}); evaluate again to make one")
        ),
        np.load(path, allow_pickle=False) as arrays,
    ):
        return Outcome(
            labels=tuple(arrays["labels"].tolist()),
            logits=arrays["logits"],
            truth=arrays["truth"],
            groups=arrays["groups"],
            tracks=arrays["tracks"],
            inputs=tuple(arrays["inputs"].tolist()),
            logits_uncalibrated=arrays.get("logits_uncalibrated"),
            failures=tuple((name, reason) for name, reason in arrays["failures"].tolist()),
            answered=arrays.get("answered"),
            thresholds=tuple(arrays["thresholds"].tolist()) if "thresholds" in arrays else (),
        )

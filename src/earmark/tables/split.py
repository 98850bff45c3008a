"""Rows of a feature table, divided by a protocol, ready for models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.data import Manifest, Split, apply_split
from earmark.errors import DataError

_N_FOLDS = 3
_LEAST_EXAMPLES = 3

Rows: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TableSplit:
    """A table and who learns from which rows.

    Attributes
    ----------
    columns, labels
        Names of the features and of the labels.
    values
        ``(n_rows, n_features)``; every number is one of single precision, as in the exported recognizer.
    truth
        ``(n_rows,)``, indices into the labels.
    groups, tracks
        ``(n_rows,)``; a row without a known group is its own.
    train
        Rows to learn from.
    folds
        ``(learn, validate)`` pairs of rows for the search of settings; none of them is in `test`.
    test
        Rows to score on.
    part
        What the test rows are called by the split.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    values: npt.NDArray[np.float64]
    truth: Rows
    groups: npt.NDArray[np.str_]
    tracks: npt.NDArray[np.str_]
    train: Rows
    folds: tuple[tuple[Rows, Rows], ...]
    test: Rows
    part: str


def examine(manifest: Manifest, split: Split) -> TableSplit:
    """Divide a feature table.

    With a test part, settings are searched on the valid part. A published split of which only train and valid are at
    hand is scored on valid, and settings are searched in three folds of train that keep groups whole.

    Raises
    ------
    DataError
        When the manifest is no table, a label has fewer than three examples, or the split is not possible.
    """
    if manifest.domain != "table":
        raise DataError(
            f"{manifest.name}: holds {manifest.domain} examples; make a table of it with 'earmark features'"
        )
    if len(manifest.labels) < 2:
        raise DataError(
            f"{manifest.name}: has only one label, {manifest.labels[0]!r}; two or more are needed; add rows of another"
        )
    _refuse_rare_labels(manifest)
    divided = apply_split(manifest, split)
    parts = np.array([example.split or "" for example in divided])
    rows = {part: np.flatnonzero(parts == part) for part in ("train", "valid", "test")}
    truth = np.array([divided.labels.index(example.label) for example in divided], np.int64)
    groups = np.array([example.group or f"row {row}" for row, example in enumerate(divided)])
    if len(rows["test"]):
        folds: tuple[tuple[Rows, Rows], ...] = ((rows["train"], rows["valid"]),)
    else:
        folds = tuple(_folds(rows["train"], truth, groups))
    return TableSplit(
        columns=divided.table.names,
        labels=divided.labels,
        values=divided.table.values.astype(np.float32).astype(np.float64),
        truth=truth,
        groups=groups,
        tracks=np.array([example.track or example.path for example in divided]),
        train=rows["train"],
        folds=folds,
        test=rows["test"] if len(rows["test"]) else rows["valid"],
        part="test" if len(rows["test"]) else "valid",
    )


def _refuse_rare_labels(manifest: Manifest) -> None:
    for label, n in Counter(example.label for example in manifest).items():
        if n < _LEAST_EXAMPLES:
            raise DataError(
                f"{manifest.name}: the label {label!r} has {n} example{'s' if n > 1 else ''}; "
                f"at least {_LEAST_EXAMPLES} are needed to learn, choose and score; add some or remove it"
            )


def _folds(train: Rows, truth: Rows, groups: npt.NDArray[np.str_]) -> Iterator[tuple[Rows, Rows]]:
    from sklearn.model_selection import StratifiedGroupKFold

    for learn, validate in StratifiedGroupKFold(_N_FOLDS).split(train, truth[train], groups[train]):
        yield train[learn], train[validate]

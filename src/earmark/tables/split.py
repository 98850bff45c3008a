"""Split of a feature table into training, validation and test rows, ready for models."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.data import Manifest, Split, apply_split, folds
from earmark.errors import DataError
from earmark.types import IntArray, RealArray

_N_FOLDS = 3
_LEAST_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class TableSplit:
    """A table and its training, validation and test rows.

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
        Training rows.
    folds
        ``(train, validation)`` pairs of rows for the search of settings; none of them is in `test`.
    test
        Rows to score on.
    part
        What the test rows are called by the split.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    values: RealArray
    truth: IntArray
    groups: npt.NDArray[np.str_]
    tracks: npt.NDArray[np.str_]
    train: IntArray
    folds: tuple[tuple[IntArray, IntArray], ...]
    test: IntArray
    part: str


def split_table(manifest: Manifest, split: Split) -> TableSplit:
    """Divide a feature table.

    With a test part, settings are chosen on the validation part. A published split of which only train and valid are at
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
    train = rows["train"]
    if len(rows["test"]):
        search: tuple[tuple[IntArray, IntArray], ...] = ((train, rows["valid"]),)
    else:
        fold = folds(groups[train], truth[train], k=_N_FOLDS)
        search = tuple((train[fold != number], train[fold == number]) for number in range(fold.max() + 1))
    return TableSplit(
        columns=divided.table.names,
        labels=divided.labels,
        values=divided.table.values.astype(np.float32).astype(np.float64),
        truth=truth,
        groups=groups,
        tracks=np.array([example.track or example.path for example in divided]),
        train=train,
        folds=search,
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

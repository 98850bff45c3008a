"""What a head is fitted to at once: embeddings with weights, and folds of them that keep groups together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from earmark.errors import DataError
from earmark.models import StandardizedHead
from earmark.training.examples import FeatureSet
from earmark.types import FloatArray, IntArray

log = logging.getLogger(__name__)

MOST_FOLDS = 5


@dataclass(frozen=True)
class Rows:
    """Embeddings with what is known of each.

    Attributes
    ----------
    x
        ``(n, n_embedding)``.
    owners
        Index of the example that each belongs to.
    labels
        Index of its label.
    """

    x: FloatArray
    owners: IntArray
    labels: IntArray

    def __getitem__(self, chosen: IntArray) -> Rows:
        return Rows(self.x[chosen], self.owners[chosen], self.labels[chosen])

    def weights(self, *, balanced: bool) -> npt.NDArray[np.float64]:
        """Return the weight of each: its share of its example, and of its label where `balanced`; 1 an example."""
        weights = 1 / np.bincount(self.owners)[self.owners]
        total = weights.sum()
        if balanced:
            weights /= np.bincount(self.labels, weights)[self.labels]
        scaled: npt.NDArray[np.float64] = weights * (total / weights.sum())
        return scaled


def can_hold_out(examples: FeatureSet, *, n_labels: int, head: str) -> bool:
    """Return whether every label has examples enough to choose the strength of a head by others; say where not.

    Raises
    ------
    DataError
        When a label has no example.
    """
    fewest = int(np.bincount(examples.targets[:, 0], minlength=n_labels).min())
    if not fewest:
        raise DataError("a label has no training example; add some, or leave the label out")
    if fewest < 2:
        log.warning("a label has 1 training example, so the strength of the %s head is not chosen by others", head)
    return fewest >= 2


def head_rows(head: StandardizedHead, examples: FeatureSet) -> tuple[Rows, Rows]:
    """Return the standardised embeddings of all windows that are not silent, and their mean in every view."""
    blocks, owners, labels = [], [], []
    device = head.standardize.mean.device
    for i in range(len(examples)):
        for v in range(examples.n_views):
            windows = examples.load(i, v).windows()
            heard = windows.batch[windows.weights > 0][:, 0, :, 0]
            if len(heard):
                with torch.no_grad():
                    blocks.append(head.standardize(torch.from_numpy(heard).to(device)).cpu().numpy())
                owners.append(i)
                labels.append(examples.targets[i, v])
    lengths = [len(block) for block in blocks]
    every = Rows(np.concatenate(blocks), np.repeat(owners, lengths), np.repeat(labels, lengths))
    return every, Rows(np.stack([block.mean(0) for block in blocks]), np.array(owners), np.array(labels))


def grouped_folds(rows: Rows, groups: Sequence[str], *, seed: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield the rows to learn from and to check on: whole groups are held out, or recordings where groups are few."""
    from sklearn.model_selection import StratifiedGroupKFold

    of_group = np.unique(groups, return_inverse=True)[1][rows.owners]
    n_folds = min(MOST_FOLDS, _fewest(of_group, rows.labels))
    if n_folds < 2:
        of_group, n_folds = rows.owners, min(MOST_FOLDS, _fewest(rows.owners, rows.labels))
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    yield from folds.split(np.zeros(len(rows.labels)), rows.labels, of_group)


def _fewest(of_group: IntArray, labels: IntArray) -> int:
    """Return the smallest number of groups that a label has."""
    return min(len(np.unique(of_group[labels == label])) for label in np.unique(labels))

"""Fit of one network: features of a manifest, a fresh network, the training loop, and its log on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from earmark.data import Manifest
from earmark.features import FeatureCache
from earmark.files import write_csv
from earmark.models import Network
from earmark.training.augment import BatchAugmentation
from earmark.training.batches import n_batches, whole_batches
from earmark.training.distributed import first_ahead
from earmark.training.examples import FeatureSet, prepare
from earmark.training.learner import make_learner
from earmark.training.loop import Row, fit
from earmark.training.memory import explains_memory
from earmark.training.recipe import Recipe
from earmark.types import Progress


@explains_memory
def fit_network(  # noqa: PLR0913 - what a fit consists of
    manifest: Manifest,
    *,
    recipe: Recipe,
    folder: Path,
    validated: bool,
    cache: FeatureCache,
    progress: Progress,
    watch: Callable[[Sequence[Row]], None] | None = None,
) -> tuple[Network, list[Row]]:
    """Fit a fresh network to the training part; return it with the log.

    `watch` is called with the log after every epoch; what it raises ends the fit.
    """
    examples = partial(prepare, recipe=recipe, labels=manifest.labels, cache=cache, progress=progress)
    with first_ahead():
        recipe.model.fetch()
        learning = examples(manifest.part("train"), augmented=True)
        validation = examples(manifest.part("valid")) if validated else None
    torch.manual_seed(recipe.training.seed)
    network = fresh_network(recipe, learning, n_labels=len(manifest.labels))
    learner = make_learner(
        network,
        training=recipe.training,
        augment=[change for change in recipe.augment if isinstance(change, BatchAugmentation)],
        n_steps=recipe.training.epochs * n_batches(len(learning), recipe.training.batch_size),
    )
    folder.mkdir(exist_ok=True)
    rows = fit(
        learner,
        train=learning,
        valid=validation,
        folder=folder,
        on_epoch=_EpochLog(folder, watch),
        progress=progress,
    )
    return network, rows


def fresh_network(recipe: Recipe, examples: FeatureSet, *, n_labels: int) -> Network:
    """Return an untrained network for the pictures of a training part, with whose numbers it learns to count."""
    network = recipe.model.build(
        n_labels=n_labels, input_shape=input_shape(examples, recipe), n_numbers=recipe.features.n_numbers
    )
    batches = whole_batches(examples, batch_size=recipe.training.batch_size)
    network.learn_scales(torch.from_numpy(pictures) for pictures, *_ in batches)
    return network


def input_shape(examples: FeatureSet, recipe: Recipe) -> tuple[int, int, int]:
    """Return ``(channel, freq|height, time|width)`` of what the network will see."""
    length_s = None if recipe.window is None else recipe.window.length_s
    n_channels, height, width = examples.load(0, 0).random(0.0, length_s).shape
    return n_channels, height - recipe.features.n_numbers, width


class _EpochLog:
    """Writes the log as CSV and for TensorBoard after every epoch."""

    def __init__(self, folder: Path, watch: Callable[[Sequence[Row]], None] | None) -> None:
        self.folder, self.watch = folder, watch
        self.writer: Any = None

    def __call__(self, rows: Sequence[Row]) -> None:
        write_csv(self.folder / "log.csv", (list(row.values()) for row in rows), columns=list(rows[0]))
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # What a killed run logged after its last checkpoint is not shown twice.
            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=len(rows))
        for name, value in rows[-1].items():
            if name != "epoch":
                self.writer.add_scalar(name.replace("_", "/", 1), value, len(rows))
        self.writer.flush()
        if self.watch is not None:
            self.watch(rows)

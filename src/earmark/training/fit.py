"""Fit of one network: features of a manifest, a fresh network, the training loop, and its log on disk."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from earmark.data import Manifest
from earmark.errors import DataError
from earmark.features import FeatureCache
from earmark.files import write_csv
from earmark.models import Network, Transfer, TransferConfig
from earmark.models.backbone import BEST_WEIGHTS
from earmark.training.augment import BatchAugmentation
from earmark.training.batches import n_batches, whole_batches
from earmark.training.checkpoint import save_weights
from earmark.training.distributed import first_ahead, is_first
from earmark.training.embeddings import embed_examples
from earmark.training.examples import FeatureSet, prepare
from earmark.training.fitted_heads import fitted_row
from earmark.training.learner import Learner, explains_memory, make_learner
from earmark.training.loop import Row, fit
from earmark.training.mixtures.examples import MixtureSet, OtherSounds, mixture_set
from earmark.training.recipe import Recipe
from earmark.training.training_config import Training
from earmark.types import Progress

LARGE_GAP = 0.4
"""Accuracy on the training part beyond that on the validation part that is worth a warning."""

SMALL_BATCH = 8
"""Examples a step below which batch norms have too little to go by."""

log = logging.getLogger(__name__)


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
    others: OtherSounds | None = None,
) -> tuple[Network, list[Row]]:
    """Fit a fresh network to the training part; return it with the log.

    With a frozen backbone, only what comes after it is fitted, to embeddings that are computed once and cached.

    `watch` is called with the log after every epoch; what it raises ends the fit. `others` makes sounds without any key
    for mixtures.

    Raises
    ------
    DataError
        When the validation part is needed and empty.
    """
    if validated and not len(manifest.part("valid")):
        raise DataError(
            f"{manifest.name}: no example falls into the validation part ({recipe.split.description}); give more "
            "examples of other groups, or change [split], with fewer folds, say"
        )
    examples = partial(prepare, recipe=recipe, labels=manifest.labels, cache=cache, progress=progress)
    with first_ahead():
        recipe.model.fetch()
        if recipe.mixtures is None:
            learning: FeatureSet | MixtureSet = examples(manifest.part("train"), augmented=True)
        else:
            part = manifest.part("train")
            learning = mixture_set(part, recipe, seed=recipe.training.seed, others=others, progress=progress)
        validation = examples(manifest.part("valid")) if validated else None
    progress("building the network", 0, 1, "")
    torch.manual_seed(recipe.training.seed)
    network = unscaled_network(recipe, learning, n_labels=len(manifest.labels))
    folder.mkdir(exist_ok=True)
    on_epoch = _EpochLog(folder, watch)
    if isinstance(network, Transfer) and isinstance(learning, FeatureSet) and recipe.is_frozen:
        with first_ahead():
            embed = partial(embed_examples, network=network, cache=cache, progress=progress)
            learning, validation = embed(learning), None if validation is None else embed(validation)
        progress("fitting the head", 0, 1, "")
        rows = _fit_head(network, recipe, train=learning, valid=validation, folder=folder, on_epoch=on_epoch)
    else:
        if isinstance(learning, FeatureSet):
            learn_scales(network, learning, batch_size=recipe.training.batch_size)
        learner = _learner(network, recipe, learning)
        rows = fit(learner, train=learning, valid=validation, folder=folder, on_epoch=on_epoch, progress=progress)
    if is_first():
        warn_of_gap(rows)
    return network, rows


def _fit_head(
    network: Transfer,
    recipe: Recipe,
    *,
    train: FeatureSet,
    valid: FeatureSet | None,
    folder: Path,
    on_epoch: Callable[[Sequence[Row]], None],
) -> list[Row]:
    """Fit what comes after a frozen backbone to its embeddings; return the log."""
    head = network.on_embeddings()
    learn_scales(head, train, batch_size=recipe.training.batch_size)
    if isinstance(recipe.model, TransferConfig) and recipe.model.is_fitted_at_once:
        rows = [fitted_row(head, train, valid, model=recipe.model, training=recipe.training)]
        on_epoch(rows)
    else:
        # Its checkpoints are of the head alone, and lie apart from the weights of the whole network.
        (folder / "head").mkdir(exist_ok=True)
        rows = fit(_learner(head, recipe, train), train=train, valid=valid, folder=folder / "head", on_epoch=on_epoch)
    if is_first():
        save_weights(folder / BEST_WEIGHTS, network)
    return rows


def _learner(network: Network, recipe: Recipe, examples: FeatureSet | MixtureSet) -> Learner:
    """Return what trains a network on examples by the settings of a recipe."""
    training = with_floor(recipe.training, n_examples=len(examples))
    return make_learner(
        network,
        training=training,
        augment=[change for change in recipe.augment if isinstance(change, BatchAugmentation)],
        n_steps=training.epochs * n_batches(len(examples), training.batch_size),
        label_counts=examples.label_counts(network.n_labels),
        target=examples.target,
    )


def with_floor(training: Training, *, n_examples: int) -> Training:
    """Return the settings with as many steps as `Training.min_steps` asks for.

    Batches become smaller, which costs nothing, and where that is not enough there are more epochs, with patience in
    proportion.
    """
    size = training.batch_size
    while size > SMALL_BATCH and n_batches(n_examples, size) * training.epochs < training.min_steps:
        size = max(SMALL_BATCH, size // 2)
    epochs = max(training.epochs, math.ceil(training.min_steps / n_batches(n_examples, size)))
    patience = math.ceil(training.patience * epochs / training.epochs)
    return training.model_copy(update={"batch_size": size, "epochs": epochs, "patience": patience})


def warn_of_gap(rows: Sequence[Row]) -> None:
    """Say so when what was learned holds for the training examples and not for others."""
    row = min(rows, key=lambda each: each.get("valid_loss", 0.0))
    if row["train_accuracy"] - row.get("valid_accuracy", 1.0) > LARGE_GAP:
        log.warning(
            "right on %.0f %% of the training examples and on %.0f %% of the validation examples: the network learned"
            " its examples by heart; give more examples of other groups, or start from pretrained weights (for sounds"
            " the recipe 'sound-transfer')",
            100 * row["train_accuracy"],
            100 * row["valid_accuracy"],
        )


def fresh_network(recipe: Recipe, examples: FeatureSet, *, n_labels: int) -> Network:
    """Return an untrained network for the pictures of a training part, with whose numbers it learns to count."""
    network = unscaled_network(recipe, examples, n_labels=n_labels)
    learn_scales(network, examples, batch_size=recipe.training.batch_size)
    return network


def unscaled_network(recipe: Recipe, examples: FeatureSet | MixtureSet, *, n_labels: int) -> Network:
    """Return an untrained network that has not taken the statistics of its inputs yet."""
    shape = input_shape(examples, recipe)
    return recipe.model.build(n_labels=n_labels, input_shape=shape, n_numbers=recipe.features.n_numbers)


def learn_scales(network: Network, examples: FeatureSet, *, batch_size: int) -> None:
    """Take the statistics of all windows of a training part, see `Network.learn_scales`."""
    batches = whole_batches(examples, batch_size=batch_size)
    network.learn_scales(torch.from_numpy(pictures) for pictures, *_ in batches)


def input_shape(examples: FeatureSet | MixtureSet, recipe: Recipe) -> tuple[int, int, int]:
    """Return ``(channel, freq|height, time|width)`` of what the network will see."""
    if isinstance(examples, MixtureSet):
        return examples.input_shape
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

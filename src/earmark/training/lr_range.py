"""The learning-rate range test (Smith 2017): raise the rate step by step and watch the loss."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR

from earmark.data import Manifest
from earmark.evaluation.figures import curve_figure
from earmark.features import open_cache
from earmark.files import write_bytes
from earmark.training.augment import BatchAugmentation
from earmark.training.batches import training_batches
from earmark.training.examples import FeatureSet, prepare
from earmark.training.fit import fresh_network
from earmark.training.learner import Learner, explains_memory, make_learner, train_batch
from earmark.training.recipe import Recipe, as_recipe
from earmark.training.settle import read_for, settle
from earmark.training.training_config import Training
from earmark.types import FloatArray, IntArray, Progress, no_progress

LOWEST, HIGHEST = 1e-6, 1.0
# How much of the mean loss so far stays at each step, and how many times the least loss is too much.
SMOOTHING, TOO_MUCH = 0.9, 4.0


@dataclass(frozen=True)
class Finding:
    """Result of a range test.

    Attributes
    ----------
    rates, losses
        Of every step; the losses are smoothed.
    suggestion
        The rate at which the loss fell fastest: a peak for one cycle.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float

    def plot(self, path: Path | str) -> None:
        """Write the curve as SVG."""
        figure = curve_figure(
            self.rates,
            self.losses,
            axes=("learning rate", "loss"),
            mark=self.suggestion,
            title=f"The loss falls fastest at {self.suggestion:.1e}",
        )
        write_bytes(path, base64.b64decode(figure.partition(",")[2]))


def find_learning_rate(
    recipe: Recipe | str | Path,
    *,
    data: Manifest | str | Path,
    n_steps: int = 100,
    cache: str | Path | None = None,
    progress: Progress = no_progress,
) -> Finding:
    """Raise the learning rate from 1e-6 to 1 over `n_steps` steps of training; nothing is kept of the network.

    Parameters
    ----------
    recipe, data, cache
        As for `train`.
    n_steps
        Fewer are taken when the loss explodes.

    Raises
    ------
    ConfigError, DataError, ModelError
        As for `train`.
    """
    recipe = as_recipe(recipe)
    recipe, manifest = settle(recipe, read_for(recipe, data))
    store = open_cache(cache)
    learning = manifest.part("train")
    examples = prepare(learning, recipe, labels=manifest.labels, cache=store, augmented=True, progress=progress)
    return range_test(recipe, examples, n_labels=len(manifest.labels), n_steps=n_steps, progress=progress)


@explains_memory
def range_test(
    recipe: Recipe, examples: FeatureSet, *, n_labels: int, n_steps: int, progress: Progress = no_progress
) -> Finding:
    """Make the range test on features that are computed already; parameters as for `find_learning_rate`."""
    torch.manual_seed(recipe.training.seed)
    training = recipe.training.model_copy(update={"learning_rate": LOWEST, "ema_decay": 0.0, "compile": False})
    augment = [change for change in recipe.augment if isinstance(change, BatchAugmentation)]
    network = fresh_network(recipe, examples, n_labels=n_labels)
    learner = make_learner(network, training=training, augment=augment, n_steps=n_steps, target=examples.target)
    growth = (HIGHEST / LOWEST) ** (1 / max(n_steps - 1, 1))
    for group in learner.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = LOWEST * group["lr"] / _peak(learner)
    learner.schedule = LambdaLR(learner.optimizer, lambda step: growth**step)
    return _climb(learner, examples, n_steps=n_steps, growth=growth, progress=progress)


def _peak(learner: Learner) -> float:
    return max(float(group["lr"]) for group in learner.optimizer.param_groups)


def _climb(learner: Learner, examples: FeatureSet, *, n_steps: int, growth: float, progress: Progress) -> Finding:
    learner.network.train()
    rng = torch.Generator().manual_seed(learner.training.seed)
    losses: list[float] = []
    mean = 0.0
    for step, (pictures, labels) in enumerate(_endless_batches(examples, learner.training)):
        if step == n_steps:
            break
        loss, _ = train_batch(learner, pictures, labels, rng=rng)
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth = mean / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(loss) or (losses and smooth > TOO_MUCH * min(losses)):
            break
        losses.append(smooth)
        progress("learning rates", step + 1, n_steps, f"loss {smooth:.3f}")
    rates = [LOWEST * growth**step for step in range(len(losses))]
    return Finding(tuple(rates), tuple(losses), steepest(rates, losses))


def _endless_batches(examples: FeatureSet, training: Training) -> Iterator[tuple[FloatArray, IntArray | FloatArray]]:
    """Yield the batches of one epoch after the other."""
    rng = np.random.default_rng(training.seed)
    while True:
        yield from training_batches(examples, batch_size=training.batch_size, vary_length=False, rng=rng)


def steepest(rates: list[float], losses: list[float]) -> float:
    """Return the rate at which the loss falls fastest over the logarithm of the rate.

    The first tenth, which is noise, and what comes after the least loss do not count.

    >>> steepest([1e-4, 1e-3, 1e-2, 1e-1, 1.0], [2.0, 1.9, 1.0, 0.9, 3.0])
    0.01
    """
    first = len(losses) // 10
    last = first + int(np.argmin(losses[first:])) + 1
    if last - first < 2:  # it never fell
        return rates[first]
    return float(rates[first + 1 + int(np.argmin(np.diff(losses[first:last])))])

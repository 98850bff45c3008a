"""The training loop: one epoch, one validation, and `fit`, which repeats them and resumes after a stop."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from earmark.errors import ConfigError, ModelError
from earmark.models import Network
from earmark.models.backbone import BEST_WEIGHTS
from earmark.text import in_words, percent
from earmark.training.batches import n_batches, prefetch, training_batches, whole_batches
from earmark.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from earmark.training.distributed import is_first, local_part, local_rows, n_processes, sum_over_processes
from earmark.training.examples import FeatureSet
from earmark.training.learner import Learner, to_device, train_batch
from earmark.training.mixtures.examples import MixtureSet
from earmark.training.objective import OBJECTIVES
from earmark.training.training_config import Training
from earmark.types import Progress, no_progress

log = logging.getLogger(__name__)

Row = dict[str, float]

ENOUGH_STEPS = 30
"""Steps an epoch after which running statistics of batch norms, which follow at a tenth a step, have caught up."""


def fit(
    learner: Learner,
    *,
    train: FeatureSet | MixtureSet,
    valid: FeatureSet | None,
    folder: Path,
    on_epoch: Callable[[Sequence[Row]], None],
    progress: Progress = no_progress,
) -> list[Row]:
    """Train, keeping the weights of the best epoch in ``folder/best.safetensors``; leave them in the network.

    The best epoch is the last when there is no validation part or `Training.keep` says so.

    A run that was killed goes on from its last whole epoch, to the same result as if it had not been: every epoch
    seeds its own randomness.

    Parameters
    ----------
    on_epoch
        Called with the log so far, one row an epoch, after each epoch.

    Returns
    -------
    rows
        The log.
    """
    training = learner.training
    _refuse_what_cannot_be_shared(training, n_examples=len(train))
    rows = _resume(learner, folder)
    if rows:
        log.info("going on at epoch %d of %d", len(rows) + 1, training.epochs)
    for epoch in range(len(rows), training.epochs):
        if valid is not None and _is_stale(rows, training.patience):
            best = min(rows, key=lambda row: row["valid_loss"])["epoch"]
            log.info("stopped early at epoch %d of %d, the best is epoch %d", len(rows), training.epochs, best)
            break
        torch.manual_seed(1_000_003 * training.seed + epoch)  # dropout draws from the global generator
        started_s = time.perf_counter()
        row: Row = {"epoch": epoch + 1, "learning_rate": float(learner.schedule.get_last_lr()[0])}
        row |= train_epoch(learner, train, epoch=epoch, progress=progress)
        _estimate_norms_of(learner, train, epoch=epoch)
        if valid is not None:
            row |= validate(learner.averaged, valid, batch_size=2 * training.batch_size, device=learner.device)
        row["seconds"] = time.perf_counter() - started_s
        rows.append(row)
        n_steps = n_batches(len(train), training.batch_size)
        progress(_stage(epoch, training), n_steps, n_steps, epoch_note(rows, n_epochs=training.epochs))
        if not is_first():
            continue
        if valid is None or training.keep == "last" or row["valid_loss"] <= min(r["valid_loss"] for r in rows):
            save_weights(folder / BEST_WEIGHTS, learner.averaged)
        save_checkpoint(folder / "last.safetensors", _checkpoint(learner, rows))
        on_epoch(rows)
    if is_first():
        load_weights(folder / BEST_WEIGHTS, learner.network)
    return rows


def train_epoch(learner: Learner, examples: FeatureSet | MixtureSet, *, epoch: int, progress: Progress) -> Row:
    """Take one pass over `examples`; return the mean loss, the accuracy and the share of time that data was awaited."""
    training = learner.training
    learner.network.train()
    seed = [training.seed, epoch]
    rng = torch.Generator().manual_seed(int(np.random.default_rng(seed).integers(2**31)))
    batches = training_batches(
        examples,
        batch_size=training.batch_size,
        vary_length=training.vary_length,
        rng=np.random.default_rng(seed),
        rows_of=partial(local_rows, n_pieces=training.accumulate),
    )
    total = n_batches(len(examples), training.batch_size)
    loss_sum, n_right, n_seen, waited_s, started_s = 0.0, 0.0, 0, 0.0, time.perf_counter()
    ready_s = started_s
    for step, (pictures, labels) in enumerate(prefetch(batches)):
        waited_s += time.perf_counter() - ready_s
        loss, n_right_now = train_batch(learner, pictures, labels, rng=rng)
        if not math.isfinite(loss):
            raise ModelError(f"the loss became {loss} in epoch {epoch + 1}; lower training.learning_rate")
        n_seen += len(labels)
        loss_sum += loss * len(labels)
        n_right += n_right_now
        share = waited_s / (time.perf_counter() - started_s)
        note = f"accuracy {n_right / n_seen:.3f}, {share:.0%} waiting for data"
        # The last step is reported with the figures of the epoch, by `fit`.
        progress(_stage(epoch, training), min(step + 1, total - 1), total, note)
        ready_s = time.perf_counter()
    return {"train_loss": loss_sum / n_seen, "train_accuracy": n_right / n_seen, "waiting_share": share}


def _estimate_norms_of(learner: Learner, examples: FeatureSet | MixtureSet, *, epoch: int) -> None:
    """Give batch norms the statistics of clean examples, where an epoch has too few steps for them to follow."""
    training = learner.training
    if n_batches(len(examples), training.batch_size) >= ENOUGH_STEPS:
        return
    rng = np.random.default_rng([training.seed, epoch, 1])
    batches = training_batches(examples, batch_size=training.batch_size, vary_length=False, rng=rng)
    estimate_norms(learner.averaged, (to_device(pictures, learner.device) for pictures, _ in batches))


def _stage(epoch: int, training: Training) -> str:
    return f"epoch {epoch + 1} of {training.epochs}"


def epoch_note(rows: Sequence[Row], *, n_epochs: int) -> str:
    """Return the figures of the last epoch in words, and how long the others will take.

    >>> row = {"train_loss": 0.5, "train_accuracy": 0.9, "valid_loss": 0.7, "valid_accuracy": 0.8, "seconds": 30.0}
    >>> epoch_note([row], n_epochs=3)
    'training loss 0.500, accuracy 90.0 %; validation loss 0.700, accuracy 80.0 %; 1 min to go'
    """
    row = rows[-1]
    parts = [f"training loss {row['train_loss']:.3f}, accuracy {percent(row['train_accuracy'])}"]
    if "valid_loss" in row:
        parts.append(f"validation loss {row['valid_loss']:.3f}, accuracy {percent(row['valid_accuracy'])}")
    if n_left := n_epochs - len(rows):
        parts.append(f"{in_words(n_left * sum(each['seconds'] for each in rows) / len(rows))} to go")
    return "; ".join(parts)


@torch.no_grad()
def validate(network: Network, examples: FeatureSet, *, batch_size: int, device: torch.device) -> Row:
    """Score `examples`; return loss (negative log likelihood) and accuracy.

    The answer of an example is the mean of its windows' probabilities, weighted as predictions are; a silent example,
    of which a recognizer says nothing, counts as wrong, with all labels alike.
    """
    network.eval()
    objective = OBJECTIVES[examples.target]
    sums: np.ndarray[Any, np.dtype[np.float64]] = np.zeros((len(examples), network.n_labels + 1))
    chosen = local_part(range(len(examples)))
    for pictures, owners, weights in prefetch(whole_batches(examples, batch_size=batch_size, chosen=chosen)):
        probabilities = objective.probabilities(network(to_device(pictures, device))).double().cpu().numpy()
        np.add.at(sums, owners, weights[:, None] * np.column_stack([probabilities, np.ones(len(weights))]))
    # Every process has scored some of the examples.
    sums = sum_over_processes(torch.from_numpy(sums)).numpy()
    is_heard = sums[:, -1] > 0
    probabilities = np.full((len(sums), network.n_labels), 1 / network.n_labels)
    probabilities[is_heard] = sums[is_heard, :-1] / sums[is_heard, -1:]
    truth = examples.targets[:, 0]
    loss, _ = objective.score(probabilities, truth)
    _, share_right = objective.score(probabilities[is_heard], truth[is_heard]) if is_heard.any() else (0.0, 0.0)
    return {"valid_loss": loss, "valid_accuracy": share_right * float(is_heard.mean())}


def _refuse_what_cannot_be_shared(training: Training, *, n_examples: int) -> None:
    if n_processes() == 1:
        return
    if training.compile:
        raise ConfigError("training.compile works in one process only; set training.compile = false or leave torchrun")
    batch = n_examples // n_batches(n_examples, training.batch_size)
    if batch // training.accumulate < n_processes():
        raise ConfigError(
            f"batches of {batch} examples in {training.accumulate} pieces leave some of the {n_processes()} processes "
            "without any; raise training.batch_size, lower training.accumulate, or start fewer processes"
        )


def _is_stale(rows: Sequence[Row], patience: int) -> bool:
    losses = [row["valid_loss"] for row in rows]
    return bool(patience and losses and len(losses) - 1 - losses.index(min(losses)) >= patience)


def _resume(learner: Learner, folder: Path) -> list[Row]:
    path = folder / "last.safetensors"
    if not path.exists():
        return []
    checkpoint = load_checkpoint(path)
    learner.network.load_state_dict(checkpoint.parts["network"])
    learner.optimizer.load_state_dict(checkpoint.optimizer_state())
    learner.schedule.load_state_dict(checkpoint.facts["schedule"])
    learner.scaler.load_state_dict(checkpoint.facts["scaler"])
    if learner.average is not None:
        learner.average.load_state_dict(checkpoint.parts["average"])
    return list(checkpoint.facts["rows"])


def _checkpoint(learner: Learner, rows: Sequence[Row]) -> Checkpoint:
    parts = {"network": learner.network.state_dict()}
    if learner.average is not None:
        parts["average"] = learner.average.state_dict()
    schedule = {
        k: v for k, v in learner.schedule.state_dict().items() if isinstance(v, int | float | str | bool | list)
    }
    facts = {"rows": list(rows), "schedule": schedule, "scaler": learner.scaler.state_dict()}
    return Checkpoint.of(parts, learner.optimizer.state_dict(), facts)


@torch.no_grad()
def estimate_norms(network: Network, batches: Iterable[torch.Tensor]) -> None:
    """Replace the running statistics of batch norms that learn by those of raw features in `batches`.

    Running averages follow the weights with a delay of some ten steps. With one or two steps an epoch they are those of
    a network that is long gone, and what is validated and exported answers at chance ("precise BN", Wu & Johnson 2021).
    Norms whose weights are frozen keep theirs. Nothing else of the network changes, nor any random generator.
    """
    network.train()
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.training]
    network.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True  # the plain mean over all batches
    for features in batches:
        network(features)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum, norm.training = momentum, False

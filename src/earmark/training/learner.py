"""The learner: a network with its optimiser, schedule and moving average, one training step, and advice on memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from earmark.errors import ModelError
from earmark.models import Network
from earmark.training.augment import BatchAugmentation
from earmark.training.distributed import layers_of_whole, local_part, sum_gradients, sum_over_processes, whole_batch
from earmark.training.objective import OBJECTIVES, Aim, Objective
from earmark.training.parameters import freeze, make_optimizer, make_schedule
from earmark.training.training_config import Precision, Training
from earmark.types import FloatArray, IntArray

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Learner:
    """The state of a training (network, moving average of its weights, optimiser, schedule) and its settings."""

    training: Training
    augment: Sequence[BatchAugmentation]
    network: Network
    average: AveragedModel | None
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    scaler: torch.amp.GradScaler
    device: torch.device
    judged: Callable[[torch.Tensor], torch.Tensor]
    class_weights: torch.Tensor | None = None
    objective: Objective = OBJECTIVES["multi-class"]

    @property
    def averaged(self) -> Network:
        """The network that is validated and kept: with averaged weights when there is a moving average."""
        return self.network if self.average is None else self.average.module  # type: ignore[return-value]


def make_learner(
    network: Network,
    *,
    training: Training,
    augment: Sequence[BatchAugmentation],
    n_steps: int,
    label_counts: npt.NDArray[np.int64] | None = None,
    target: Aim = "multi-class",
) -> Learner:
    """Put the network on the best device and give it an optimiser with a schedule of `n_steps`.

    `label_counts`, the number of examples of every label, is needed where `Training.class_weights` are balanced.
    """
    device = best_device()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze(network, training)
    optimizer = make_optimizer(network, training)
    schedule = make_schedule(optimizer, training, n_steps=n_steps)
    average = None
    if training.ema_decay:
        average = AveragedModel(network, avg_fn=partial(_move_average, decay=training.ema_decay), use_buffers=True)
    scaler = torch.amp.GradScaler(enabled=_amp_dtype(device, training.precision) is torch.float16)
    judged = network.judged if target == "transcription" else network.classify
    judged = torch.compile(judged) if training.compile else judged
    weights = None
    if training.class_weights == "balanced" and label_counts is not None:
        weights = torch.from_numpy(label_counts.mean() / label_counts.clip(1)).to(device, torch.float32)
    return Learner(
        training, augment, network, average, optimizer, schedule, scaler, device, judged, weights, OBJECTIVES[target]
    )


def best_device() -> torch.device:
    """Return the accelerator when there is one, else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Compute in `precision`; ``"auto"`` is half precision on CUDA and float32 elsewhere."""
    dtype = _amp_dtype(device, precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def _amp_dtype(device: torch.device, precision: Precision) -> torch.dtype | None:
    if precision == "bfloat16":
        return torch.bfloat16
    if precision == "float32" or device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def train_batch(
    learner: Learner, pictures: FloatArray, labels: IntArray | FloatArray, *, rng: torch.Generator
) -> tuple[float, float]:
    """Normalise and augment a batch and take a step; return its mean loss and how many answers were right.

    Parameters
    ----------
    pictures
        Features ``(n_own, channel, freq|height, time|width)`` of the rows that this process computes.
    labels
        Of the whole batch: label indices ``(batch,)``, 1 for each label of an example ``(batch, n_labels)``, or what
        else the objective encodes.
    rng
        Of the augmentations.
    """
    network, n_pieces = learner.network, learner.training.accumulate
    x = to_device(pictures, learner.device)
    y = learner.objective.encode(torch.from_numpy(labels).to(learner.device), network.n_labels)
    with torch.no_grad():
        x = whole_batch(network.normalize(x), n_rows=len(labels), n_pieces=n_pieces, exchange=bool(learner.augment))
        for change in learner.augment:
            x, y = change(x, y, rng)
    return take_step(learner, x, y)


def to_device(pictures: FloatArray, device: torch.device) -> torch.Tensor:
    """Return an array on a device, in the order of memory that convolutions are fastest with."""
    return torch.from_numpy(pictures).to(device, memory_format=torch.channels_last, non_blocking=True)


def take_step(learner: Learner, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Learn from one batch, piece by piece; return its mean loss and how many answers were right.

    A loss that is not finite changes nothing.

    Parameters
    ----------
    x, y
        Normalised, augmented pictures and their targets ``(batch, n_labels)``; of several processes, each computes its
        own rows of every piece.
    """
    learner.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros(2, dtype=torch.float64)
    n_pieces = min(learner.training.accumulate, len(x))
    for pictures, targets in zip(x.tensor_split(n_pieces), y.tensor_split(n_pieces), strict=True):
        wanted = local_part(targets)
        with autocast(learner.device, learner.training.precision), layers_of_whole(len(pictures)):
            logits = learner.judged(local_part(pictures))
            loss = learner.objective.loss(
                logits, wanted, weights=learner.class_weights, smoothing=learner.training.label_smoothing
            )
        loss = loss * (len(wanted) / len(x))
        learner.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        n_right = learner.objective.n_right(logits, wanted)
        total += torch.tensor([loss.item(), n_right.item()], dtype=torch.float64)
    loss_of_all, n_right_of_all = sum_over_processes(total).tolist()
    if math.isfinite(loss_of_all):
        _update(learner)
    return loss_of_all, n_right_of_all


def _update(learner: Learner) -> None:
    sum_gradients(learner.network)
    if learner.training.clip_norm:
        learner.scaler.unscale_(learner.optimizer)
        nn.utils.clip_grad_norm_(learner.network.parameters(), learner.training.clip_norm)
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    learner.schedule.step()
    if learner.average is not None:
        learner.average.update_parameters(learner.network)


def _move_average(
    average: torch.Tensor, now: torch.Tensor, n_steps: torch.Tensor | int, *, decay: float
) -> torch.Tensor:
    """Move an average towards the present weights; at first faster, so that it soon forgets the initial ones."""
    if not now.is_floating_point():
        return now
    return average.lerp(now, 1 - min(decay, (1 + int(n_steps)) / (10 + int(n_steps))))


def explains_memory(function: Callable[P, T]) -> Callable[P, T]:
    """Return `function`, raising `ModelError` that names the fields to lower when memory runs out."""

    @wraps(function)
    def explaining(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (MemoryError, RuntimeError) as error:
            # On a CPU torch raises a plain RuntimeError; its OutOfMemoryError is one too.
            known = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
            if not known:
                raise
            raise ModelError(
                "memory ran out; lower training.batch_size, model.size or the widths of [model], or raise "
                "training.accumulate, which computes a step in pieces"
            ) from error

    return explaining

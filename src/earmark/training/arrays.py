"""Fit of a small network to batches in memory, on the CPU: AdamW under one cycle; nothing is kept on disk.

For networks that belong to another one, as a rejection detector does, or to an estimator. Networks of recipes have the
loop of `earmark.training.loop`, which resumes, validates and augments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class OneCycle:
    """Settings of AdamW (Loshchilov & Hutter 2019) under one cycle (Smith & Topin 2017).

    Attributes
    ----------
    n_steps
        Batches of all epochs together.
    learning_rate
        The peak of the cycle.
    weight_decay
        On all weights.
    """

    n_steps: int
    learning_rate: float
    weight_decay: float


def fit_arrays(
    network: nn.Module,
    batches: Iterable[Batch],
    *,
    loss: Callable[[Batch], torch.Tensor],
    schedule: OneCycle,
    on_step: Callable[[int, float], None] | None = None,
) -> None:
    """Fit `network`, in place, taking one step a batch; leave it in evaluation mode.

    Parameters
    ----------
    batches
        Those of all epochs, one after the other: as many as `OneCycle.n_steps`.
    loss
        The loss of the network on a batch, a scalar.
    on_step
        Called with the number of steps taken, and the loss of the last one.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    # A cycle of one step is a division by zero in there.
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.learning_rate, total_steps=max(schedule.n_steps, 2))
    network.train()
    for step, batch in enumerate(batches, start=1):
        optimizer.zero_grad(set_to_none=True)
        value = loss(batch)
        torch.autograd.backward(value)
        optimizer.step()
        cycle.step()
        if on_step is not None:
            on_step(step, value.item())
    network.eval()

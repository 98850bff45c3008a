"""Parameter groups, optimisers and learning-rate schedules; which weights stay frozen."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR, OneCycleLR

from earmark.errors import ConfigError
from earmark.models import Network
from earmark.training.training_config import Training


def freeze(network: Network, training: Training) -> None:
    """Freeze the stages whose weights stay as they are.

    Raises
    ------
    ConfigError
        When more stages are to stay open than there are.
    """
    if training.freeze == "none":
        return
    stages = network.stages()
    if training.open_stages > len(stages):
        raise ConfigError(
            f"training.open_stages = {training.open_stages}, but this network has {len(stages)} before its head; "
            f"give 0…{len(stages)}"
        )
    for stage in stages[: len(stages) - training.open_stages]:
        for parameter in stage:
            parameter.requires_grad_(False)


def parameter_groups(network: Network, training: Training) -> list[dict[str, Any]]:
    """Return groups for an optimiser: weights decay and biases and norms do not; early stages may learn more slowly."""
    if training.stage_decay == 1:
        return _decayed_and_plain(list(network.parameters()), training, training.learning_rate)
    stages = network.stages()
    in_stages = {id(parameter) for stage in stages for parameter in stage}
    head = [parameter for parameter in network.parameters() if id(parameter) not in in_stages]
    groups = []
    for distance, part in enumerate([head, *map(list, reversed(stages))]):
        groups += _decayed_and_plain(part, training, training.learning_rate * training.stage_decay**distance)
    return [group for group in groups if group["params"]]


def _decayed_and_plain(parameters: list[nn.Parameter], training: Training, rate: float) -> list[dict[str, Any]]:
    learning = [p for p in parameters if p.requires_grad]
    return [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": training.weight_decay, "lr": rate},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0, "lr": rate},
    ]


def make_optimizer(network: Network, training: Training) -> torch.optim.Optimizer:
    """Return the optimiser over the weights that learn."""
    groups = parameter_groups(network, training)
    if training.optimizer == "adam":
        return torch.optim.Adam(groups, lr=training.learning_rate)
    return torch.optim.AdamW(groups, lr=training.learning_rate)


def make_schedule(optimizer: torch.optim.Optimizer, training: Training, *, n_steps: int) -> LRScheduler:
    """Return the schedule over `n_steps` steps."""
    if training.schedule == "step":
        milestones = [max(1, round(share * n_steps)) for share in training.drop_at]
        return MultiStepLR(optimizer, milestones, gamma=training.drop_to)
    peaks = [group["lr"] for group in optimizer.param_groups]
    n_steps = max(n_steps, 2)
    # A rise of exactly one step is a division by zero in there.
    warmup = training.warmup if training.warmup * n_steps != 1 else training.warmup * (1 + 1e-6)
    return OneCycleLR(optimizer, peaks, total_steps=n_steps, pct_start=warmup)

"""Multilayer perceptron over the numbers of a table, or over statistics of the rows of a spectrogram."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from earmark.models.base import MODELS, ModelConfig, Network, Standardize


def dense_layers(n_inputs: int, *, widths: Sequence[int], dropout: Sequence[float]) -> list[nn.Module]:
    """Return hidden layers: each a dense layer with batch normalisation, ReLU and dropout of its own."""
    layers: list[nn.Module] = []
    for (n_in, n_out), drop in zip(itertools.pairwise((n_inputs, *widths)), dropout, strict=True):
        layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU(inplace=True), nn.Dropout(drop)]
    return layers


class TimeStatistics(nn.Module):
    """Mean, standard deviation and mean absolute change over time of every row."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 3 * channel * freq)`` of ``(batch, channel, freq, time)``."""
        mean = pictures.mean(3)
        spread = torch.sqrt((pictures - mean[..., None]).square().mean(3) + 1e-8)
        change = (pictures[..., 1:] - pictures[..., :-1]).abs().mean(3)
        return torch.cat([mean, spread, change], dim=1).flatten(1)


class Mlp(Network):
    """Numbers standardised by the statistics of the training part, then dense layers.

    A table, which has one column, is its numbers; a longer picture is described by `TimeStatistics`.
    """

    def __init__(self, config: MlpConfig, *, n_labels: int, n_rows: int, n_frames: int) -> None:
        super().__init__()
        self.describe = nn.Flatten() if n_frames == 1 else TimeStatistics()
        n_numbers = n_rows if n_frames == 1 else 3 * n_rows
        self.standardize = Standardize(n_numbers)
        self.body = nn.Sequential(
            *dense_layers(n_numbers, widths=config.widths, dropout=[config.dropout] * len(config.widths))
        )
        self.head = nn.Linear(config.widths[-1], n_labels)

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.body(self.standardize(self.describe(normalized)))
        return embedding

    def learn_scales(self, batches: Iterable[torch.Tensor]) -> None:
        self.standardize.learn(self.describe(self.normalize(batch)) for batch in batches)


@MODELS.register("mlp")
class MlpConfig(ModelConfig):
    """Configuration of `Mlp`.

    Attributes
    ----------
    widths
        Of the hidden layers.
    dropout
        Probability of dropping a number after each hidden layer.
    """

    kind: Literal["mlp"] = "mlp"
    widths: tuple[int, ...] = Field(default=(256, 128), min_length=1, max_length=8)
    dropout: float = Field(default=0.3, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        n_channels, n_rows, n_frames = input_shape
        return Mlp(self, n_labels=n_labels, n_rows=n_channels * n_rows, n_frames=n_frames)

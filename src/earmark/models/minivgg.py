"""Mini-VGG, a small VGG (Simonyan & Zisserman 2015) that class projects on genre pictures use."""

from __future__ import annotations

import itertools
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from earmark.errors import ConfigError
from earmark.models.base import MODELS, ModelConfig, Network, too_small


class VggBlock(nn.Sequential):
    """Two convolutions 3 × 3, each with ReLU and then batch norm, a 2 × 2 max pool, and dropout of whole maps."""

    def __init__(self, n_in: int, n_out: int, *, dropout: float) -> None:
        layers: list[nn.Module] = []
        for n_before in (n_in, n_out):
            layers += [nn.Conv2d(n_before, n_out, 3, padding=1), nn.ReLU(inplace=True), nn.BatchNorm2d(n_out)]
        super().__init__(*layers, nn.MaxPool2d(2), nn.Dropout2d(dropout))


class MiniVgg(Network):
    """Blocks of convolutions, then two dense layers over everything that is left of the picture."""

    def __init__(self, config: MiniVggConfig, *, n_labels: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        n_channels, height, width = shape
        self.n_channels = config.channels or n_channels
        widths = (self.n_channels, *config.widths)
        self.body = nn.Sequential(
            *(VggBlock(n_in, n_out, dropout=config.block_dropout) for n_in, n_out in itertools.pairwise(widths))
        )
        halved = 2 ** len(config.widths)
        n_left = config.widths[-1] * (height // halved) * (width // halved)
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(n_left, config.hidden), nn.ReLU(inplace=True), nn.BatchNorm1d(config.hidden)
        )
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.hidden, n_labels))

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        if normalized.shape[1] != self.n_channels:
            normalized = normalized.expand(-1, self.n_channels, -1, -1)
        embedding: torch.Tensor = self.dense(self.body(normalized))
        return embedding


@MODELS.register("minivgg")
class MiniVggConfig(ModelConfig):
    """Configuration of `MiniVgg`.

    Attributes
    ----------
    widths
        Channels of each block; every block halves both sides of the picture.
    hidden
        Width of the dense layer that sees the whole picture. Nearly all weights are here: lower this, or `size`, when
        memory is short.
    channels
        How many the first convolution sees, 3 being the grey picture three times over; by default as many as there are.
    block_dropout, dropout
        Probability of dropping a map after a block, and one of the hidden numbers.
    """

    kind: Literal["minivgg"] = "minivgg"
    fixed_size: ClassVar[bool] = True
    widths: tuple[int, ...] = Field(default=(32, 64), min_length=1, max_length=8)
    hidden: int = Field(default=512, ge=1)
    channels: Literal[1, 3] | None = None
    block_dropout: float = Field(default=0.25, ge=0, lt=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        least = 2 ** len(self.widths)
        if min(input_shape[1:]) < least:
            raise too_small(self.kind, input_shape, least=least)
        if self.channels and input_shape[0] not in (1, self.channels):
            raise ConfigError(
                f"model 'minivgg' with channels = {self.channels} cannot take {input_shape[0]}-channel pictures; "
                "leave channels out"
            )
        return MiniVgg(self, n_labels=n_labels, shape=input_shape)

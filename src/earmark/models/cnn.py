"""Small convolutional network, which trains in minutes on two CPU cores."""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from earmark.models.base import MODELS, ModelConfig, Network, too_small


class ConvBlock(nn.Sequential):
    """Convolutions 3 × 3 with batch norm and ReLU, then a 2 × 2 max pool."""

    def __init__(self, n_in: int, n_out: int, *, n_convolutions: int) -> None:
        layers: list[nn.Module] = []
        for index in range(n_convolutions):
            layers += [
                nn.Conv2d(n_in if index == 0 else n_out, n_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers, nn.MaxPool2d(2))


class Cnn(Network):
    """Blocks of convolutions, global pooling, dropout, one dense layer."""

    def __init__(self, config: CnnConfig, *, n_labels: int, n_channels: int) -> None:
        super().__init__()
        widths = (n_channels, *config.widths)
        self.body = nn.Sequential(
            *(ConvBlock(n_in, n_out, n_convolutions=config.convolutions) for n_in, n_out in itertools.pairwise(widths))
        )
        self.pool = config.pool
        n_embedding = widths[-1] * (2 if config.pool == "mean-max" else 1)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(n_embedding, n_labels))

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        maps = self.body(normalized)
        mean = maps.mean((2, 3))
        return mean if self.pool == "mean" else torch.cat([mean, maps.amax((2, 3))], dim=1)


@MODELS.register("cnn")
class CnnConfig(ModelConfig):
    """Configuration of `Cnn`.

    Attributes
    ----------
    widths
        Channels of each block; every block halves both sides of the picture.
    convolutions
        Convolutions in each block.
    pool
        ``"mean"`` or ``"mean-max"`` (both, side by side) over what is left of the picture.
    dropout
        Probability of dropping an embedding before the dense layer.
    """

    kind: Literal["cnn"] = "cnn"
    widths: tuple[int, ...] = Field(default=(32, 64, 128, 256), min_length=1, max_length=8)
    convolutions: int = Field(default=2, ge=1, le=4)
    pool: Literal["mean", "mean-max"] = "mean"
    dropout: float = Field(default=0.2, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        least = 2 ** len(self.widths)
        if min(input_shape[1:]) < least:
            raise too_small(self.kind, input_shape, least=least)
        return Cnn(self, n_labels=n_labels, n_channels=input_shape[0])

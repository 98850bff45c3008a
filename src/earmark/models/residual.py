"""Small residual network for drawings: half the side after the first layer, so that it trains fast."""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from earmark.models.base import MODELS, ModelConfig, Network, too_small

STEM_KERNEL = 5


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016), which averages where it narrows (He et al. 2019)."""

    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        )
        self.second = nn.Sequential(nn.Conv2d(n_out, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out))
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool2d(stride, ceil_mode=True))
        if stride > 1 or n_in != n_out:
            self.shortcut.extend([nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out)])

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps of the same size, or half of it."""
        return functional.relu(self.second(self.first(maps)) + self.shortcut(maps))


class Residual(Network):
    """A wide first convolution, stages of residual blocks, mean pooling, dropout, one dense layer."""

    def __init__(self, config: ResidualConfig, *, n_labels: int, n_channels: int) -> None:
        super().__init__()
        stem = nn.Conv2d(n_channels, config.widths[0], STEM_KERNEL, stride=2, padding=STEM_KERNEL // 2, bias=False)
        layers: list[nn.Module] = [stem, nn.BatchNorm2d(config.widths[0]), nn.ReLU(inplace=True)]
        for stage, (n_in, n_out) in enumerate(itertools.pairwise((config.widths[0], *config.widths))):
            for block in range(config.blocks):
                stride = 2 if stage and not block else 1
                layers.append(ResidualBlock(n_out if block else n_in, n_out, stride=stride))
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.widths[-1], n_labels))

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.body(normalized)
        return maps.mean((2, 3))


@MODELS.register("residual")
class ResidualConfig(ModelConfig):
    """Configuration of `Residual`.

    Attributes
    ----------
    widths
        Channels of each stage. The first convolution and every stage but the first halve both sides of the picture.
    blocks
        Residual blocks of two convolutions in each stage.
    dropout
        Probability of dropping an embedding before the dense layer.
    """

    kind: Literal["residual"] = "residual"
    widths: tuple[int, ...] = Field(default=(32, 64, 128), min_length=1, max_length=6)
    blocks: int = Field(default=1, ge=1, le=8)
    dropout: float = Field(default=0.2, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        least = 2 ** len(self.widths)
        if min(input_shape[1:]) < least:
            raise too_small(self.kind, input_shape, least=least)
        return Residual(self, n_labels=n_labels, n_channels=input_shape[0])

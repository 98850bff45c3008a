"""Residual network that a GTZAN class project calls ResNet-34: four stages of two blocks, and two dense layers.

A true ResNet-34 (He et al. 2016) has 3, 4, 6 and 3 blocks, halves the picture in the first block of a stage, and pools
all of it before one dense layer; it is ``kind = "timm"``, ``name = "resnet34"``.
"""

from __future__ import annotations

import itertools
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from earmark.models.base import MODELS, ModelConfig, Network, split_numbers, too_small

STEM_PADDING = 3


class ProjectedBlock(nn.Module):
    """Two convolutions 3 × 3 with batch norm, and a shortcut 1 × 1 where the shape changes."""

    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps of the same shape, or half as high and wide."""
        return functional.relu(self.body(maps) + self.shortcut(maps))


class DoubleResidual(Network):
    """A 2 × 2 stem, stages of two blocks of which the second halves the picture, and two dense layers.

    Numbers below the picture, if there are any, join what is left of it.
    """

    def __init__(
        self, config: DoubleResidualConfig, *, n_labels: int, shape: tuple[int, int, int], n_numbers: int
    ) -> None:
        super().__init__()
        first = config.widths[0]
        layers: list[nn.Module] = [
            nn.Conv2d(shape[0], first, 2, stride=2, padding=STEM_PADDING, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        ]
        for n_in, n_out in itertools.pairwise((first, *config.widths)):
            layers += [ProjectedBlock(n_in, n_out, stride=1), ProjectedBlock(n_out, n_out, stride=2)]
        self.body = nn.Sequential(*layers, nn.AvgPool2d(2))
        height, width = (pooled_side(side, n_stages=len(config.widths)) for side in shape[1:])
        self.n_numbers = n_numbers
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(config.widths[-1] * height * width + n_numbers, config.hidden),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(config.hidden),
        )
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.hidden, n_labels))

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        picture, numbers = split_numbers(normalized, self.n_numbers)
        embedding: torch.Tensor = self.dense(torch.cat([self.body(picture).flatten(1), numbers], dim=1))
        return embedding


@MODELS.register("double-residual")
class DoubleResidualConfig(ModelConfig):
    """Configuration of `DoubleResidual`.

    Attributes
    ----------
    widths
        Channels of each stage.
    hidden
        Width of the dense layer that sees all that is left of the picture.
    dropout
        Probability of dropping one of the hidden numbers.
    """

    kind: Literal["double-residual"] = "double-residual"
    fixed_size: ClassVar[bool] = True
    widths: tuple[int, ...] = Field(default=(64, 128, 256, 512), min_length=1, max_length=6)
    hidden: int = Field(default=1000, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        return self.fused(n_labels=n_labels, input_shape=input_shape, n_numbers=0)

    def fused(self, *, n_labels: int, input_shape: tuple[int, int, int], n_numbers: int) -> Network:
        if min(pooled_side(side, n_stages=len(self.widths)) for side in input_shape[1:]) < 1:
            raise too_small(self.kind, input_shape, least=4 * 2 ** len(self.widths))
        return DoubleResidual(self, n_labels=n_labels, shape=input_shape, n_numbers=n_numbers)


def pooled_side(side: int, *, n_stages: int) -> int:
    """Return what is left of a side of the picture before the dense layer.

    >>> pooled_side(512, n_stages=4)
    4
    """
    side = (side + 2 * STEM_PADDING) // 2 // 2
    for _ in range(n_stages):
        side = (side + 1) // 2
    return side // 2

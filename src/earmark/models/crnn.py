"""Causal convolutional recurrent network, which can follow a stream frame by frame."""

from __future__ import annotations

import itertools
from typing import Literal, NamedTuple

import torch
from pydantic import Field, field_validator
from torch import nn
from torch.nn import functional

from earmark.models.base import MODELS, ModelConfig, Network, Scaling, split_numbers, too_small

KERNEL = 3


class CrnnState(NamedTuple):
    """What a `Crnn` remembers of the frames so far.

    Attributes
    ----------
    contexts
        The last two frames before every convolution, ``(batch, channel, freq, 2)``.
    hidden
        Of the recurrent layers, ``(layer, batch, hidden)``.
    total
        Sum of the outputs, ``(batch, hidden)``.
    n_frames
        How many there were, a float of no dimension.
    """

    contexts: tuple[torch.Tensor, ...]
    hidden: torch.Tensor
    total: torch.Tensor
    n_frames: torch.Tensor


class CausalBlock(nn.Module):
    """A convolution 3 × 3 that sees no later frame, batch norm, ReLU, and a max pool over two bins."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, KERNEL, padding=(KERNEL // 2, 0), bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, maps: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return maps as long as those given, and the context of the next call."""
        extended = torch.cat([context, maps], dim=3)
        maps = functional.relu(self.norm(self.convolution(extended)))
        return functional.max_pool2d(maps, (2, 1)), extended[:, :, :, 1 - KERNEL :]


class Crnn(Network):
    """Causal blocks, gated recurrent units (Cho et al. 2014), and the mean of their outputs over time.

    `advance` takes the frames of a stream as they come, in pieces of any length, and answers as `forward` would to all
    of them at once. Numbers below the picture, if there are any, join that mean.
    """

    def __init__(self, config: CrnnConfig, *, n_labels: int, n_channels: int, n_bins: int, n_numbers: int) -> None:
        super().__init__()
        self.n_numbers = n_numbers
        widths = (n_channels, *config.widths)
        self.blocks = nn.ModuleList(CausalBlock(n_in, n_out) for n_in, n_out in itertools.pairwise(widths))
        self.context_shapes = tuple((width, n_bins // 2**depth) for depth, width in enumerate(widths[:-1]))
        n_left = config.widths[-1] * (n_bins // 2 ** len(config.widths))
        self.recurrent = nn.GRU(n_left, config.hidden, num_layers=config.layers, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.hidden + n_numbers, n_labels))

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        maps, numbers = split_numbers(normalized, self.n_numbers)
        # Not len(), whose result an export would take for a constant.
        outputs, _ = self._follow(maps, self.start(maps.shape[0], like=maps))
        return torch.cat([outputs.mean(1), numbers], dim=1)

    def start(self, n_streams: int, *, like: torch.Tensor) -> CrnnState:
        """Return the state before the first frame of `n_streams` streams, on the device of `like`."""
        layers, hidden = self.recurrent.num_layers, self.recurrent.hidden_size
        return CrnnState(
            tuple(like.new_zeros(n_streams, *shape, KERNEL - 1) for shape in self.context_shapes),
            like.new_zeros(layers, n_streams, hidden),
            like.new_zeros(n_streams, hidden),
            like.new_zeros(()),
        )

    def advance(self, features: torch.Tensor, state: CrnnState) -> tuple[torch.Tensor, CrnnState]:
        """Return the logits of all frames so far, and the state after them.

        Parameters
        ----------
        features
            The next frames, raw: ``(batch, channel, freq, time)``, one frame at least; of numbers below them, what is
            known by now.
        state
            From `start` or the call before.
        """
        maps, numbers = split_numbers(self.normalize(features), self.n_numbers)
        outputs, followed = self._follow(maps, state)
        total = state.total + outputs.sum(1)
        n_frames = state.n_frames + outputs.shape[1]
        embedding = torch.cat([total / n_frames, numbers], dim=1)
        return self.head(embedding), followed._replace(total=total, n_frames=n_frames)

    def _follow(self, maps: torch.Tensor, state: CrnnState) -> tuple[torch.Tensor, CrnnState]:
        """Return the outputs ``(batch, time, hidden)`` of normalised frames."""
        contexts = []
        for block, context in zip(self.blocks, state.contexts, strict=True):
            maps, after = block(maps, context)
            contexts.append(after)
        outputs, hidden = self.recurrent(maps.permute(0, 3, 1, 2).flatten(2), state.hidden)
        return outputs, state._replace(contexts=tuple(contexts), hidden=hidden)


@MODELS.register("crnn")
class CrnnConfig(ModelConfig):
    """Configuration of `Crnn`.

    Attributes
    ----------
    widths
        Channels of each block; every block halves the number of bins and keeps that of frames.
    hidden, layers
        Width and number of the recurrent layers.
    dropout
        Probability of dropping an embedding before the dense layer.
    """

    kind: Literal["crnn"] = "crnn"
    normalize: Scaling = "absolute"
    widths: tuple[int, ...] = Field(default=(32, 64, 64, 96), min_length=1, max_length=8)
    hidden: int = Field(default=96, ge=1)
    layers: int = Field(default=1, ge=1, le=4)
    dropout: float = Field(default=0.3, ge=0, lt=1)

    @field_validator("normalize")
    @classmethod
    def _causal(cls, how: Scaling) -> Scaling:
        if how in ("peak", "min-max"):
            raise ValueError(f"{how!r} needs to know the loudest frame to come; a causal network takes 'absolute'")
        return how

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        return self.fused(n_labels=n_labels, input_shape=input_shape, n_numbers=0)

    def fused(self, *, n_labels: int, input_shape: tuple[int, int, int], n_numbers: int) -> Network:
        n_channels, n_bins, _ = input_shape
        least = 2 ** len(self.widths)
        if n_bins < least:
            raise too_small(self.kind, input_shape, least=least)
        return Crnn(self, n_labels=n_labels, n_channels=n_channels, n_bins=n_bins, n_numbers=n_numbers)

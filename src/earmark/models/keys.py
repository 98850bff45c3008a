"""Convolutional network over pitch for piano keys: the same weights look at every key, through a tall window."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from earmark.errors import ConfigError
from earmark.models.base import MODELS, ModelConfig, Network

N_VIEWS = 4
"""Channels that the time axis is pooled to, see `SpectrumPool`."""


class SpectrumPool(nn.Module):
    """Pool a picture over time, to four views of its spectrum.

    They are the level of the mean power, the mean level weighted by the power of each frame, the plain mean level, all
    relative to their peak, and how far the mean power rises above its neighbourhood. Partials stand out in all four, a
    knock only in the first, noise in none.

    Parameters
    ----------
    floor_db
        What 0 means, in dB below the peak, which is 1.
    neighbourhood
        Bins on either side that a bin is compared with.
    """

    def __init__(self, floor_db: float, neighbourhood: int) -> None:
        super().__init__()
        self.floor_db, self.neighbourhood = floor_db, neighbourhood

    def forward(self, normalized: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 4, freq)`` of ``(batch, 1, freq, time)`` in 0…1."""
        level = normalized[:, 0]
        power = torch.exp((level - 1) * (self.floor_db / 10 * 2.302585))
        mean_power = torch.log(power.mean(2) + 1e-9) * (10 / 2.302585 / self.floor_db) + 1
        weight = power.sum(1, keepdim=True)
        loud = (level * weight).sum(2) / weight.sum(2)
        reach = self.neighbourhood
        padded = functional.pad(mean_power[:, None], (reach, reach), mode="replicate")
        rise = mean_power - functional.avg_pool1d(padded, 2 * reach + 1, 1)[:, 0]
        views = [view - view.amax(1, keepdim=True) + 1 for view in (mean_power, loud, level.mean(2))]
        return torch.stack([*views, 4 * rise], dim=1)


class Keys(Network):
    """Local convolutions over pitch, one tall convolution a key, and a small network shared by all keys.

    The tall kernel sees the same partials at the same places whatever the key (a translation over log-frequency), so
    every example is one for all keys. A few learned numbers give where on the keyboard it looks, because the lowest
    keys have no fundamental and the highest no overtones.
    """

    def __init__(self, config: KeysConfig, *, n_labels: int, n_bins: int) -> None:
        super().__init__()
        local, shared, step = config.local_channels, config.shared_channels, config.bins_per_semitone
        below, above = 12 * config.octaves_below, 12 * config.octaves_above
        self.pool = SpectrumPool(config.floor_db, 6 * step)
        # After the second convolution there is one place a semitone, the first of them that of the lowest key.
        self.local = nn.Sequential(
            nn.Conv1d(N_VIEWS, 2 * local, 2 * step + 1, padding=step, bias=False),
            nn.BatchNorm1d(2 * local),
            nn.ReLU(),
        )
        self.semitones = nn.Sequential(
            nn.Conv1d(2 * local, local, 2 * step + 1, stride=step, bias=False), nn.BatchNorm1d(local), nn.ReLU()
        )
        before = below * step + step - config.first_bin
        n_needed = (below + n_labels - 1 + above) * step + 2 * step + 1
        self.padding = (before, max(0, n_needed - before - n_bins))
        self.tall = nn.Conv1d(local, shared, below + above + 1, bias=False)
        self.norm = nn.BatchNorm1d(shared)
        self.drop = nn.Dropout(config.dropout)
        self.place = nn.Parameter(0.1 * torch.randn(1, config.place_channels, n_labels))
        self.mix = nn.Conv1d(shared + config.place_channels, shared, 1)
        self.narrow = nn.Conv1d(shared, config.embedding_channels, 1)
        self.head = nn.Sequential(
            nn.Unflatten(1, (config.embedding_channels, n_labels)),
            nn.Conv1d(config.embedding_channels, 1, 1),
            nn.Flatten(),
        )

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        spectrum = self.semitones(functional.pad(self.local(self.pool(normalized)), self.padding))
        keys = self.drop(functional.relu(self.norm(self.tall(spectrum)[:, :, : self.n_labels])))
        placed = torch.cat([keys, self.place.expand(len(keys), -1, -1)], dim=1)
        return functional.relu(self.narrow(functional.relu(self.mix(placed)))).flatten(1)


@MODELS.register("keys")
class KeysConfig(ModelConfig):
    """Configuration of `Keys`: label `i` is the key `i` semitones above the lowest one.

    Attributes
    ----------
    bins_per_semitone, first_bin
        Of the picture: its resolution, and the bin of the lowest key.
    octaves_below, octaves_above
        What the tall kernel sees around a key.
    local_channels, shared_channels, embedding_channels
        Channels after the local convolutions, in the network that all keys share, and of the embedding, for each key.
    place_channels
        Numbers that tell a key's place on the keyboard.
    dropout
        Probability of dropping a number after the tall convolution.
    """

    kind: Literal["keys"] = "keys"
    normalize: Literal["none", "peak", "min-max"] = "peak"
    floor_db: float = Field(default=70.0, gt=0)
    bins_per_semitone: int = Field(default=3, ge=1, le=8)
    first_bin: int = Field(default=1, ge=0)
    octaves_below: int = Field(default=2, ge=1, le=8)
    octaves_above: int = Field(default=6, ge=1, le=8)
    local_channels: int = Field(default=24, ge=1)
    shared_channels: int = Field(default=64, ge=1)
    embedding_channels: int = Field(default=8, ge=1)
    place_channels: int = Field(default=8, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        n_channels, n_bins, _ = input_shape
        needed = self.first_bin + (n_labels - 1) * self.bins_per_semitone + 1
        if n_channels != 1 or n_bins < needed or self.first_bin > 12 * self.octaves_below * self.bins_per_semitone:
            raise ConfigError(
                f"model 'keys' cannot take pictures of {n_channels} × {n_bins} bins for {n_labels} keys; allowed is "
                f"one channel of at least {needed} bins ({self.bins_per_semitone} a semitone from bin "
                f"{self.first_bin}): change [features] n_bins or [model] bins_per_semitone and first_bin"
            )
        return Keys(self, n_labels=n_labels, n_bins=n_bins)

"""Fully convolutional network over pitch and time for piano keys that sound together: frames, onsets, velocities.

Harmonics of a key lie at the same distances above it whatever the key, so shifted copies of the picture bring them to
its own row (Bittner et al. 2022, "A lightweight instrument-agnostic model for polyphonic note transcription"). One
output says whether a key sounds at a frame, another whether it is struck there (Hawthorne et al. 2018, "Onsets and
Frames"). Whether a key sounds in the whole clip is pooled from its frames.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from earmark.errors import ConfigError
from earmark.models.base import MODELS, ModelConfig, Network

# In semitones: the first 12 harmonics, and keys whose harmonics the row's own frequency may be.
HARMONICS = (0, 12, 19, 24, 28, 31, 34, 36, 38, 40, 42, 43)
SUBHARMONICS = (-12, -19, -24, -28)
VELOCITY_RANGE_DB = 60.0
"""A velocity of 0 is a stroke so far below full scale, 1 one at full scale."""
_N_HEADS = 3


class Harmonics(nn.Module):
    """Stack copies of a picture of one row a semitone, shifted by the intervals of harmonics.

    Parameters
    ----------
    n_keys
        Rows of the result; the first is the first row of the picture.
    """

    def __init__(self, n_keys: int) -> None:
        super().__init__()
        self.n_keys, self.shifts = n_keys, (*SUBHARMONICS, *HARMONICS)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, shift * channel, key, time)`` of ``(batch, channel, semitone, time)``."""
        below = -min(self.shifts)
        above = max(0, self.n_keys + max(self.shifts) - picture.shape[2])
        padded = functional.pad(picture, (0, 0, below, above))
        rows = [slice(below + shift, below + shift + self.n_keys) for shift in self.shifts]
        return torch.cat([padded[:, :, row] for row in rows], dim=1)


class PitchMix(nn.Module):
    """A convolution over all keys, one kernel a channel, each as tall as the keyboard on both sides.

    It is computed as a product with a matrix of constant diagonals, which is quicker than a convolution.
    """

    def __init__(self, channels: int, n_keys: int) -> None:
        super().__init__()
        self.kernels = nn.Parameter(0.02 * torch.randn(channels, 2 * n_keys - 1))
        key = torch.arange(n_keys)
        self.place: torch.Tensor
        self.register_buffer("place", key[None] - key[:, None] + n_keys - 1, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the same shape ``(batch, channel, key, time)``."""
        return torch.matmul(self.kernels[:, self.place], x)


class Block(nn.Module):
    """Neighbouring frames, then all keys, then the channels of each place; both steps are added to what came in."""

    def __init__(self, channels: int, n_keys: int, *, dilation: int) -> None:
        super().__init__()
        self.over_time = nn.Conv2d(
            channels, channels, (1, 3), padding=(0, dilation), dilation=(1, dilation), bias=False
        )
        self.over_time_norm = nn.BatchNorm2d(channels)
        self.over_keys = PitchMix(channels, n_keys)
        self.over_keys_norm = nn.BatchNorm2d(channels)
        self.wide = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.wide_norm = nn.BatchNorm2d(2 * channels)
        self.narrow = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + functional.relu(self.over_time_norm(self.over_time(x)))
        keys = functional.relu(self.over_keys_norm(self.over_keys(x)))
        added: torch.Tensor = self.narrow(functional.relu(self.wide_norm(self.wide(keys))))
        return x + added


class ClipPool(nn.Module):
    """What a clip holds of each key: a soft maximum over its frames, and its strongest stroke."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(1.0))

    def forward(self, frames: torch.Tensor, onsets: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 2 * key)`` of logits of frames and of onsets, both ``(batch, key, time)``."""
        loudest = ((self.sharpness.abs() * frames).softmax(2) * frames).sum(2)
        return torch.cat([loudest, onsets.amax(2)], dim=1)


class ClipHead(nn.Module):
    """Whether a key sounds in a clip: a weighted sum of what `ClipPool` gives, with the same weights for all keys."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([0.7, 0.3]))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return logits ``(batch, key)``."""
        frames, onsets = pooled.chunk(2, dim=1)
        return self.weights[0] * frames + self.weights[1] * onsets + self.bias


class Transcription(Network):
    """A local network over the bins of a semitone, harmonics side by side, and blocks that see the whole keyboard."""

    def __init__(self, config: TranscriptionConfig, *, n_labels: int) -> None:
        super().__init__()
        step, local, channels = config.bins_per_semitone, config.local_channels, config.channels
        self.step, self.first_bin = step, config.first_bin
        self.stem = nn.Conv2d(1, local, (3 * step, 3), stride=(step, 1), padding=(0, 1), bias=False)
        self.stem_norm = nn.BatchNorm2d(local)
        self.local = nn.Conv2d(local, local, 3, padding=1, bias=False)
        self.local_norm = nn.BatchNorm2d(local)
        self.harmonics = Harmonics(n_labels)
        self.mix = nn.Conv2d(local * len(self.harmonics.shifts), channels, 1, bias=False)
        self.mix_norm = nn.BatchNorm2d(channels)
        self.place = nn.Parameter(torch.zeros(1, channels, n_labels, 1))
        self.blocks = nn.Sequential(*(Block(channels, n_labels, dilation=d) for d in config.dilations))
        self.drop = nn.Dropout(config.dropout)
        self.heads = nn.Conv2d(channels, _N_HEADS, 1)
        self.pool, self.head = ClipPool(), ClipHead()
        # Keys are silent most of the time.
        self.heads.bias = nn.Parameter(torch.tensor([-3.0, -4.5, 0.0]))

    def maps(self, normalized: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logits of frames and onsets, and relative velocities, each ``(batch, key, time)``."""
        # The bin of the lowest key comes to the middle of the first stride.
        below, rest = self.step + self.step // 2 - self.first_bin, -normalized.shape[2] % self.step
        x = functional.pad(normalized, (0, 0, below, self.step + rest))
        x = functional.relu(self.stem_norm(self.stem(x)))
        x = functional.relu(self.local_norm(self.local(x)))
        x = functional.relu(self.mix_norm(self.mix(self.harmonics(x))) + self.place)
        frames, onsets, velocities = self.heads(self.drop(self.blocks(x))).unbind(1)
        return frames, onsets, velocities

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        frames, onsets, _ = self.maps(normalized)
        pooled: torch.Tensor = self.pool(frames, onsets)
        return pooled

    def judged(self, normalized: torch.Tensor) -> torch.Tensor:
        maps = self.maps(normalized)
        clip: torch.Tensor = self.head(self.pool(*maps[:2]))
        return torch.cat([*(each.transpose(1, 2) for each in maps), clip[:, None]], dim=1)


@MODELS.register("transcription")
class TranscriptionConfig(ModelConfig):
    """Configuration of `Transcription`: label `i` is the key `i` semitones above the lowest one.

    Attributes
    ----------
    bins_per_semitone, first_bin
        Of the picture: its resolution, and the bin of the lowest key.
    local_channels, channels
        Channels before and after the harmonics are brought together.
    dilations
        Distance of the frames that each block sees together, one block each.
    dropout
        Probability of dropping a number before the last layer.
    """

    kind: Literal["transcription"] = "transcription"
    normalize: Literal["none", "peak", "min-max"] = "peak"
    floor_db: float = Field(default=80.0, gt=0)
    bins_per_semitone: int = Field(default=3, ge=1, le=8)
    first_bin: int = Field(default=1, ge=0)
    local_channels: int = Field(default=16, ge=1)
    channels: int = Field(default=40, ge=1)
    dilations: tuple[int, ...] = Field(default=(1, 2, 4), min_length=1, max_length=12)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        n_channels, n_bins, _ = input_shape
        needed = self.first_bin + (n_labels - 1) * self.bins_per_semitone + 1
        most = self.bins_per_semitone + self.bins_per_semitone // 2
        if n_channels != 1 or n_bins < needed or self.first_bin > most:
            raise ConfigError(
                f"model 'transcription' cannot take pictures of {n_channels} × {n_bins} bins for {n_labels} keys;"
                f" allowed is one channel of at least {needed} bins ({self.bins_per_semitone} a semitone from bin"
                f" {self.first_bin}, which is at most {most}): change [features] n_bins or [model] bins_per_semitone"
                " and first_bin"
            )
        return Transcription(self, n_labels=n_labels)

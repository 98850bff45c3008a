"""Convolutional music tagger with musically motivated filters (Pons & Serra 2019), as a body for transfer learning.

J. Pons and X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging", late-breaking demo
of ISMIR 2019; the architecture is that of J. Pons et al., "End-to-end learning for music audio tagging at scale",
ISMIR 2018. Tall filters look at timbre, long ones at rhythm; three convolutions over time follow, and the maximum and
the mean over time of all of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from earmark.features.graph import COMPRESSION, DB_PER_NEPER
from earmark.features.mel import mel_filters

NORM_EPSILON = 1e-3
"""What TensorFlow adds to the variance in a batch normalisation, unlike PyTorch."""
REACH_FRAMES = 3
"""Frames on either side that the timbral filters and those of the mid-end see."""
SAMPLE_RATE_HZ = 16000
N_FFT = 512
HOP_SAMPLES = 256
N_BANDS = 96


class MusicnnSizes(NamedTuple):
    """Sizes of a `Musicnn`.

    Attributes
    ----------
    timbral
        Height in mel bands and number of the filters of each timbral branch.
    temporal
        Length in frames and number of the filters of each temporal branch.
    n_mid, n_dense, n_tags
        Channels of each convolution of the mid-end, units of the dense layer, and tags.
    """

    timbral: tuple[tuple[int, int], ...]
    temporal: tuple[tuple[int, int], ...]
    n_mid: int = 64
    n_dense: int = 200
    n_tags: int = 50

    @property
    def n_pooled(self) -> int:
        """Numbers that the maximum and the mean over time of all channels make."""
        n_front_end = sum(number for _, number in (*self.timbral, *self.temporal))
        return 2 * (n_front_end + 3 * self.n_mid)

    @property
    def n_embedding(self) -> int:
        """Length of what `Musicnn.forward` returns."""
        return self.n_pooled + self.n_dense + self.n_tags


class MusicnnLogMel(nn.Module):
    """Spectrograms in decibels to the log-mel spectrograms that musicnn was trained on, log10(1 + 10⁴ power)."""

    filters: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        filters = mel_filters(SAMPLE_RATE_HZ, N_FFT, n_mels=N_BANDS, f_min_hz=0, f_max_hz=SAMPLE_RATE_HZ / 2)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)

    def forward(self, decibels: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 1, mel, time)`` of ``(batch, 1, freq, time)``."""
        bands = self.filters @ torch.exp(decibels / DB_PER_NEPER)
        return torch.log(1 + COMPRESSION * bands) / math.log(10)


class FrequencyPooledConvolution(nn.Module):
    """A convolution, ReLU, batch normalisation, and the maximum over frequency, with as many frames as before.

    Parameters
    ----------
    n_bands, n_frames
        Height and length of the filters. Along time the picture is padded as TensorFlow does it: the odd zero of an
        even length comes last.
    n_filters
        Number of channels.
    """

    def __init__(self, n_bands: int, n_frames: int, *, n_filters: int) -> None:
        super().__init__()
        self.padding = ((n_frames - 1) // 2, n_frames // 2)
        self.convolution = nn.Conv2d(1, n_filters, (n_bands, n_frames))
        self.norm = nn.BatchNorm2d(n_filters, eps=NORM_EPSILON)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_filters, time)`` of ``(batch, 1, freq, time)``."""
        maps = functional.relu(self.convolution(functional.pad(picture, self.padding)))
        normed: torch.Tensor = self.norm(maps)
        return normed.amax(2)


class TimeConvolution(nn.Module):
    """A convolution over time, ReLU and batch normalisation, with as many frames as before."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(n_in, n_out, 2 * REACH_FRAMES + 1, padding=REACH_FRAMES)
        self.norm = nn.BatchNorm1d(n_out, eps=NORM_EPSILON)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_out, time)`` of ``(batch, n_in, time)``."""
        normed: torch.Tensor = self.norm(functional.relu(self.convolution(maps)))
        return normed


class Musicnn(nn.Module):
    """The network between a log-mel spectrogram and its tags.

    Parameters
    ----------
    sizes
        Number and shape of its filters.
    """

    def __init__(self, sizes: MusicnnSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.norm = nn.BatchNorm2d(1, eps=NORM_EPSILON)
        self.front_end = nn.ModuleList(
            [
                *(FrequencyPooledConvolution(n_bands, 7, n_filters=n) for n_bands, n in sizes.timbral),
                *(FrequencyPooledConvolution(1, n_frames, n_filters=n) for n_frames, n in sizes.temporal),
            ]
        )
        n_front_end = sum(number for _, number in (*sizes.timbral, *sizes.temporal))
        self.mid_end = nn.ModuleList(
            TimeConvolution(n_in, sizes.n_mid) for n_in in (n_front_end, sizes.n_mid, sizes.n_mid)
        )
        self.pool_norm = nn.BatchNorm1d(sizes.n_pooled, eps=NORM_EPSILON)
        self.dense = nn.Linear(sizes.n_pooled, sizes.n_dense)
        self.dense_norm = nn.BatchNorm1d(sizes.n_dense, eps=NORM_EPSILON)
        self.tags = nn.Linear(sizes.n_dense, sizes.n_tags)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding)``: the pools over time, the penultimate layer and the logits of the tags."""
        pooled = self.pool(features)
        penultimate = self.penultimate(pooled)
        return torch.cat([pooled, penultimate, self.tags(penultimate)], dim=1)

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits of the tags, ``(batch, n_tags)``, of ``(batch, 1, mel, time)``, log10(1 + 10⁴ power)."""
        logits: torch.Tensor = self.tags(self.penultimate(self.pool(features)))
        return logits

    def pool(self, features: torch.Tensor) -> torch.Tensor:
        """Return the maximum and the mean over time of every channel, in turn, ``(batch, n_pooled)``."""
        picture = self.norm(features)
        front_end = torch.cat([branch(picture) for branch in self.front_end], dim=1)
        first, second, third = self.mid_end
        found = first(front_end)
        further = second(found) + found
        maps = torch.cat([front_end, found, further, third(further) + further], dim=1)
        return torch.stack([maps.amax(2), maps.mean(2)], dim=2).flatten(1)

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return the weights of the front end, the mid-end, the penultimate layer and the tags."""
        parts: tuple[tuple[nn.Module, ...], ...] = (
            (self.norm, self.front_end),
            (self.mid_end,),
            (self.pool_norm, self.dense, self.dense_norm),
            (self.tags,),
        )
        return tuple(tuple(weight for module in part for weight in module.parameters()) for part in parts)

    def penultimate(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return the dense layer before the tags, ``(batch, n_dense)``."""
        dense: torch.Tensor = self.dense_norm(functional.relu(self.dense(self.pool_norm(pooled))))
        return dense

"""Modulation spectrum and timbre statistics under a small learned classifier, for whole pieces of music.

With a few hundred pieces to learn from, filters that are known to suit music do better than filters that must be found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from earmark.errors import ConfigError
from earmark.models.base import MODELS, ModelConfig, Network

FREQ_STEP = 16
"""Bins from one patch to the next."""
N_CEPSTRA = 24
N_BANDS = 16
HARMONIC_REACH = 2
"""Bins on either side that a bin is compared with to see whether it is a partial."""
DEFAULT_PATCHES = ((32, 16), (48, 32))
"""Height in bins and width in frames of the patches whose modulation is analysed."""
POWER_FLOOR = 1e-3
SPREAD_FLOOR = 1e-3


class PatchPower(nn.Module):
    """The joint modulation spectrum over frequency and time (Chi, Ru & Shamma 2005), by patches.

    The picture is cut into overlapping patches; the power of the two-dimensional Fourier transform of each, pooled into
    few scales (ripples over frequency) and rates (ripples over time), is put in logarithm and averaged over time.
    Harmonics are fine scales, beats are fast rates, held notes slow ones.

    Parameters
    ----------
    height, width
        Of a patch, in bins and frames.
    """

    freq_kernels: torch.Tensor
    time_kernels: torch.Tensor
    scales: torch.Tensor
    rates: torch.Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.time_step = max(1, width // 2)
        # Computed from two numbers, so they need not lie in every checkpoint.
        self.register_buffer("freq_kernels", fourier_kernels(height)[:, None, :, None], persistent=False)
        self.register_buffer("time_kernels", fourier_kernels(width)[:, None, None, :], persistent=False)
        self.register_buffer("scales", octave_pools(height), persistent=False)
        self.register_buffer("rates", octave_pools(width)[:, :, None, None], persistent=False)

    def forward(self, normalized: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_scales * n_rates * n_places)`` of ``(batch, 1, freq, time)``."""
        rippled = functional.conv2d(normalized, self.freq_kernels, stride=(FREQ_STEP, 1))
        _, n_ripples, n_places, n_frames = rippled.shape
        single = rippled.reshape(-1, 1, n_places, n_frames)
        beaten = functional.conv2d(single, self.time_kernels, stride=(1, self.time_step))
        by_rate = functional.conv2d(beaten.square(), self.rates)
        n_rates, n_patches = by_rate.shape[1], by_rate.shape[3]
        power = self.scales @ by_rate.reshape(-1, n_ripples, n_rates * n_places * n_patches)
        level = torch.log(power + POWER_FLOOR).reshape(-1, len(self.scales), n_rates * n_places, n_patches)
        return level.mean(3).flatten(1)

    def n_features(self, n_bins: int) -> int:
        """Return the length of the answer for pictures of `n_bins`."""
        n_places = (n_bins - self.freq_kernels.shape[2]) // FREQ_STEP + 1
        return len(self.scales) * len(self.rates) * n_places


class Timbre(nn.Module):
    """Statistics over time: of the cepstrum (mean, spread, spread of change, skewness) and of the contrast by band.

    Contrast is how far a bin differs from its neighbours over frequency, which tells tones from noise; smoothed over
    time beforehand, it tells held tones from short ones.
    """

    cosines: torch.Tensor

    def __init__(self, n_bins: int) -> None:
        super().__init__()
        place = (torch.arange(n_bins) + 0.5) / n_bins
        cosines = torch.cos(math.pi * torch.arange(min(N_CEPSTRA, n_bins))[:, None] * place) * math.sqrt(2 / n_bins)
        self.register_buffer("cosines", cosines, persistent=False)
        self.band_height = n_bins // N_BANDS

    def forward(self, normalized: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_features)`` of ``(batch, 1, freq, time)``."""
        return torch.cat([self._cepstral(normalized[:, 0]), self._contrast(normalized)], dim=1)

    def n_features(self) -> int:
        """Return the length of the answer."""
        return 4 * len(self.cosines) + 5 * N_BANDS

    def _cepstral(self, picture: torch.Tensor) -> torch.Tensor:
        cepstra = self.cosines @ picture
        mean = cepstra.mean(2)
        around = cepstra - mean[:, :, None]
        spread = _spread(cepstra)
        skewness = (around * around.square()).mean(2) / (spread * spread.square() + SPREAD_FLOOR)
        change = _spread(cepstra[:, :, 1:] - cepstra[:, :, :-1])
        return torch.cat([mean, torch.log(spread + SPREAD_FLOOR), torch.log(change + SPREAD_FLOOR), skewness], dim=1)

    def _contrast(self, normalized: torch.Tensor) -> torch.Tensor:
        here = self._bands(_ripple(normalized))
        held = self._bands(_ripple(functional.avg_pool2d(normalized, (1, 3), stride=1)))
        moved = self._bands((normalized[:, :, :, 2:] - normalized[:, :, :, :-2]).abs())
        mean = here.mean(2)
        share_held = torch.log(held.mean(2) / (mean + 1e-4) + SPREAD_FLOOR)
        return torch.cat([mean, _spread(here), share_held, moved.mean(2), here.amax(2)], dim=1)

    def _bands(self, picture: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(picture, (self.band_height, 1))[:, 0, :N_BANDS]


def all_analyses(n_bins: int, patches: Sequence[tuple[int, int]]) -> tuple[nn.ModuleList, list[int]]:
    """Return the analyses of spectrograms of `n_bins`, see `ModulationConfig`, and the lengths of their answers."""
    powers, timbre = [PatchPower(height, width) for height, width in patches], Timbre(n_bins)
    return nn.ModuleList([*powers, timbre]), [*(power.n_features(n_bins) for power in powers), timbre.n_features()]


class ModulationFeatures(nn.Module):
    """All of them as one embedding without weights, to stand beside the embedding of a pretrained network.

    Parameters
    ----------
    n_bins
        Of the spectrograms.
    patches
        See `ModulationConfig`.
    """

    def __init__(self, n_bins: int, *, patches: Sequence[tuple[int, int]] = DEFAULT_PATCHES) -> None:
        super().__init__()
        self.analyses, sizes = all_analyses(n_bins, patches)
        self.n_embedding = sum(sizes)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding)`` of ``(batch, 1, freq, time)``."""
        return torch.cat([analyse(spectrograms) for analyse in self.analyses], dim=1)

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return no stages: nothing in there can learn."""
        return ()


class Modulation(Network):
    """Groups of fixed features, each standardised and put through a dense layer of its own, then one dense layer."""

    def __init__(self, config: ModulationConfig, *, n_labels: int, n_channels: int, n_bins: int) -> None:
        super().__init__()
        self.analyses, sizes = all_analyses(n_bins, config.patches)
        self.dense = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(size * n_channels, affine=False),
                nn.Dropout(config.input_dropout),
                nn.Linear(size * n_channels, config.hidden),
                nn.GELU(),
            )
            for size in sizes
        )
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(len(sizes) * config.hidden, n_labels))

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        # Every channel is analysed alone.
        single = normalized.reshape(-1, 1, *normalized.shape[2:])
        groups = [
            dense(analyse(single).reshape(normalized.shape[0], -1))
            for analyse, dense in zip(self.analyses, self.dense, strict=True)
        ]
        return torch.cat(groups, dim=1)


@MODELS.register("modulation")
class ModulationConfig(ModelConfig):
    """Configuration of `Modulation`.

    Attributes
    ----------
    patches
        Height in bins and width in frames of the patches of each `PatchPower`.
    hidden
        Numbers that each group of features becomes.
    input_dropout, dropout
        Probability of dropping a feature, and one of the numbers that the features become.
    """

    kind: Literal["modulation"] = "modulation"
    normalize: Literal["none", "peak", "min-max"] = "min-max"
    patches: tuple[tuple[int, int], ...] = Field(default=DEFAULT_PATCHES, min_length=1, max_length=16)
    hidden: int = Field(default=96, ge=1)
    input_dropout: float = Field(default=0.3, ge=0, lt=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        n_channels, n_bins, n_frames = input_shape
        height, width = (max(N_BANDS, *sides) for sides in zip(*self.patches, strict=True))
        if n_bins < height or n_frames < width:
            raise ConfigError(
                f"model 'modulation' cannot take pictures of {n_bins} × {n_frames}; its largest patch is "
                f"{height} × {width}: use larger features, a longer window or smaller [model] patches"
            )
        return Modulation(self, n_labels=n_labels, n_channels=n_channels, n_bins=n_bins)


def fourier_kernels(length: int) -> torch.Tensor:
    """Return cosines, then sines, of 0…length/2 periods under a Hann window, ``(2 * (length // 2 + 1), length)``.

    All but the first have no mean, so that a constant level answers in the first only.
    """
    time = torch.arange(length)
    phase = 2 * math.pi * torch.arange(length // 2 + 1)[:, None] * time / length
    window = torch.sin(math.pi * (time + 1) / (length + 1)).square()
    kernels = torch.cat([window * torch.cos(phase), window * torch.sin(phase)])
    kernels[1:] -= kernels[1:].mean(1, keepdim=True)
    return kernels


def octave_pools(length: int) -> torch.Tensor:
    """Return the weights that pool the powers of `fourier_kernels` by octaves, ``(n_pools, 2 * (length // 2 + 1))``."""
    n_periods = length // 2 + 1
    edges = np.geomspace(1, n_periods, round(math.log2(length)) + 1).round().astype(int)
    pools = [(low, high) for low, high in zip([0, *edges], edges, strict=False) if high > low]
    weights = torch.zeros(len(pools), 2 * n_periods)
    for row, (low, high) in zip(weights, pools, strict=True):
        row[low:high] = row[n_periods + low : n_periods + high] = 1 / (high - low)
    return weights


def _spread(values: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation over the last axis, with a slope that stays finite at zero."""
    return torch.sqrt((values - values.mean(2, keepdim=True)).square().mean(2) + 1e-8)


def _ripple(normalized: torch.Tensor) -> torch.Tensor:
    """Return how far every bin differs from the mean of those `HARMONIC_REACH` above and below it."""
    reach = HARMONIC_REACH
    padded = functional.pad(normalized, (0, 0, reach, reach), mode="replicate")
    return (normalized - (padded[:, :, 2 * reach :] + padded[:, :, : -2 * reach]) / 2).abs()

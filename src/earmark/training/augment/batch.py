"""Augmentations of a batch of pictures, be they spectrograms or drawings."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from earmark.training.augment.base import AUGMENTATIONS, BatchAugmentation, uniform


@AUGMENTATIONS.register("spec-augment")
class SpecAugment(BatchAugmentation):
    """Silence random bands of frequency and stretches of time (Park et al. 2019), without the warping.

    Attributes
    ----------
    n_freq, n_time
        Masks an example.
    freq_share, time_share
        Greatest share of the rows or columns that one mask may cover.
    """

    domains = frozenset({"sound", "picture"})
    kind: Literal["spec-augment"] = "spec-augment"
    n_freq: int = Field(default=2, ge=0)
    n_time: int = Field(default=2, ge=0)
    freq_share: float = Field(default=0.15, ge=0, lt=1)
    time_share: float = Field(default=0.15, ge=0, lt=1)

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        batch, _, n_bins, n_frames = pictures.shape
        keep = torch.ones(batch, 1, n_bins, n_frames, dtype=torch.bool, device=pictures.device)
        for n_masks, share, size, axis in (
            (self.n_freq, self.freq_share, n_bins, 2),
            (self.n_time, self.time_share, n_frames, 3),
        ):
            places = torch.arange(size, device=pictures.device)
            for _ in range(n_masks):
                width = uniform(rng, batch, 0, share * size, like=pictures)
                start = uniform(rng, batch, 0, 1, like=pictures) * (size - width)
                inside = (places >= start[:, None]) & (places < (start + width)[:, None])
                keep &= ~(inside[:, None, :, None] if axis == 2 else inside[:, None, None, :])
        return pictures * keep, targets


@AUGMENTATIONS.register("mixup")
class Mixup(BatchAugmentation):
    """Blend pairs of examples and their targets (Zhang et al. 2018).

    Attributes
    ----------
    alpha
        Of the symmetric beta distribution that the share of the second example is drawn from.
    probability
        Share of the batches that are blended.
    """

    domains = frozenset({"sound", "ink", "picture"})
    keeps_numbers = True
    kind: Literal["mixup"] = "mixup"
    alpha: float = Field(default=0.3, gt=0)
    probability: float = Field(default=1.0, gt=0, le=1)

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if torch.rand(1, generator=rng).item() >= self.probability:
            return pictures, targets
        seed = int(torch.randint(2**31, (1,), generator=rng).item())
        share = np.random.default_rng(seed).beta(self.alpha, self.alpha, len(pictures))
        order = torch.randperm(len(pictures), generator=rng).to(pictures.device)
        weight = torch.as_tensor(np.maximum(share, 1 - share), dtype=pictures.dtype, device=pictures.device)
        first, of_targets = weight.view(-1, 1, 1, 1), weight.view(-1, 1)
        return (
            first * pictures + (1 - first) * pictures[order],
            of_targets * targets + (1 - of_targets) * targets[order],
        )


@AUGMENTATIONS.register("tilt")
class Tilt(BatchAugmentation):
    """Change gain and spectral balance smoothly, as another room, record or microphone would.

    Attributes
    ----------
    strength
        Standard deviation of each of the smooth components, as a share of the dynamic range.
    components
        Cosines over frequency that the curve is made of, the first being a plain gain.
    """

    domains = frozenset({"sound", "picture"})
    kind: Literal["tilt"] = "tilt"
    strength: float = Field(default=0.05, gt=0, le=1)
    components: int = Field(default=4, ge=1, le=16)

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n_bins = pictures.shape[2]
        place = (torch.arange(n_bins) + 0.5) / n_bins
        basis = torch.cos(math.pi * torch.arange(self.components)[:, None] * place)
        curve = torch.randn(len(pictures), self.components, generator=rng) * self.strength @ basis
        shifted = pictures + curve.to(pictures.device)[:, None, :, None]
        # What is silent stays silent: only sounding bins change.
        return torch.where(pictures > 0, shifted, pictures).clamp(0, 1), targets


@AUGMENTATIONS.register("freq-shift")
class FreqShift(BatchAugmentation):
    """Move the picture up or down by a few bins, as another tuning or another key would.

    Attributes
    ----------
    max_bins
        Greatest shift, in bins.
    """

    domains = frozenset({"sound", "picture"})
    kind: Literal["freq-shift"] = "freq-shift"
    max_bins: int = Field(default=4, ge=1)

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        steps = torch.randint(-self.max_bins, self.max_bins + 1, (len(pictures),), generator=rng).to(pictures.device)
        return _moved(pictures, steps, axis=2), targets


@AUGMENTATIONS.register("time-shift")
class TimeShift(BatchAugmentation):
    """Move the picture to an earlier or later moment; what comes in is silence.

    Attributes
    ----------
    max_share
        Greatest shift, as a share of the length.
    """

    domains = frozenset({"sound", "picture"})
    kind: Literal["time-shift"] = "time-shift"
    max_share: float = Field(default=0.2, gt=0, lt=1)

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        share = uniform(rng, len(pictures), -self.max_share, self.max_share, like=pictures)
        return _moved(pictures, (share * pictures.shape[3]).round().long(), axis=3), targets


def _moved(pictures: torch.Tensor, steps: torch.Tensor, *, axis: int) -> torch.Tensor:
    """Return each picture moved by its own number of steps, ``(batch,)``, along an axis; what comes in is zero."""
    size = pictures.shape[axis]
    source = torch.arange(size, device=pictures.device) - steps[:, None]
    inside = (source >= 0) & (source < size)
    spread = [len(pictures), *(size if each == axis else 1 for each in range(1, pictures.ndim))]
    places = source.clamp(0, size - 1).reshape(spread).expand_as(pictures)
    return torch.gather(pictures, axis, places) * inside.reshape(spread)


@AUGMENTATIONS.register("flip")
class Flip(BatchAugmentation):
    """Mirror half of the drawings, for labels that mirror images share; music symbols are none of these.

    Attributes
    ----------
    axis
        ``"horizontal"`` swaps left and right, ``"vertical"`` above and below.
    """

    domains = frozenset({"ink"})
    why_refused = " (a mirrored spectrogram is another sound)"
    kind: Literal["flip"] = "flip"
    axis: Literal["horizontal", "vertical"] = "horizontal"

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = (torch.rand(len(pictures), generator=rng) < 0.5).to(pictures.device)[:, None, None, None]
        mirrored = pictures.flip(3 if self.axis == "horizontal" else 2)
        return torch.where(chosen, mirrored, pictures), targets


@AUGMENTATIONS.register("affine")
class Affine(BatchAugmentation):
    """Rotate, shear, scale and move drawings a little; never flip them.

    Attributes
    ----------
    rotate_degrees, shear, scale, shift
        Greatest rotation; greatest shear; greatest change of size, as a share; greatest move, as a share of the side.
    """

    domains = frozenset({"ink"})
    why_refused = " (a turned spectrogram is another sound)"
    kind: Literal["affine"] = "affine"
    rotate_degrees: float = Field(default=10.0, ge=0, le=45)
    shear: float = Field(default=0.1, ge=0, le=1)
    scale: float = Field(default=0.1, ge=0, lt=1)
    shift: float = Field(default=0.05, ge=0, lt=1)

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = len(pictures)
        turn = uniform(rng, n, -self.rotate_degrees, self.rotate_degrees, like=pictures) * (math.pi / 180)
        shear = uniform(rng, n, -self.shear, self.shear, like=pictures)
        scale_x, scale_y = (uniform(rng, n, 1 - self.scale, 1 + self.scale, like=pictures) for _ in range(2))
        shift_x, shift_y = (uniform(rng, n, -2 * self.shift, 2 * self.shift, like=pictures) for _ in range(2))
        cos, sin = torch.cos(turn), torch.sin(turn)
        matrix = torch.stack(
            [
                torch.stack([cos / scale_x, (shear - sin) / scale_y, shift_x], 1),
                torch.stack([sin / scale_x, cos / scale_y, shift_y], 1),
            ],
            1,
        )
        grid = functional.affine_grid(matrix, list(pictures.shape), align_corners=False)
        return functional.grid_sample(pictures, grid, align_corners=False), targets


@AUGMENTATIONS.register("elastic")
class Elastic(BatchAugmentation):
    """Bend drawings smoothly (Simard et al. 2003).

    Attributes
    ----------
    strength
        Standard deviation of the displacement at the knots, as a share of the side.
    knots
        Knots along each side of the displacement field, which is interpolated between them.
    """

    domains = frozenset({"ink"})
    why_refused = " (a bent spectrogram is another sound)"
    kind: Literal["elastic"] = "elastic"
    strength: float = Field(default=0.02, gt=0, le=0.5)
    knots: int = Field(default=5, ge=2, le=32)

    def __call__(
        self, pictures: torch.Tensor, targets: torch.Tensor, rng: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n, _, height, width = pictures.shape
        knots = torch.randn(n, 2, self.knots, self.knots, generator=rng).to(pictures.device) * (2 * self.strength)
        field = functional.interpolate(knots, (height, width), mode="bicubic", align_corners=True)
        identity = torch.eye(2, 3, device=pictures.device).expand(n, 2, 3)
        grid = functional.affine_grid(identity, list(pictures.shape), align_corners=False) + field.permute(0, 2, 3, 1)
        return functional.grid_sample(pictures, grid, align_corners=False), targets

"""Several pretrained networks side by side, each with a mel spectrogram of its own, made of one power spectrum.

Every example is brought to one level first, so that neither an answer nor its familiarity depends on how loud a
recording is. Genres of artists that were left out are told better so than by musicnn at the level of the recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import cast

import torch
from torch import nn

from earmark.features.graph import DB_PER_NEPER

LEVEL_DB = 6.0
"""Mean power of what the networks are given: about the median of 3 s of the tracks of GTZAN."""
MOST_GAIN_DB = 40.0
"""By how much quiet examples are raised at most, so that what is nearly silence does not become noise."""


def to_level(decibels: torch.Tensor) -> torch.Tensor:
    """Return spectrograms ``(batch, 1, freq, time)`` in decibels, each with the mean power `LEVEL_DB` where it can."""
    mean_db = torch.log(torch.exp(decibels / DB_PER_NEPER).mean((1, 2, 3), keepdim=True)) * DB_PER_NEPER
    return decibels + (LEVEL_DB - mean_db).clamp(max=MOST_GAIN_DB)


class SharedSpectrum(nn.Module):
    """The embeddings of several networks, one after the other.

    A recognizer computes one spectrogram, so it is that of the Fourier transform, from which each network makes the one
    that it was trained on.

    Parameters
    ----------
    ears
        For each network what makes its input of spectrograms in decibels ``(batch, 1, freq, time)``, and the network.
    """

    def __init__(self, ears: Sequence[tuple[nn.Module, nn.Module]]) -> None:
        super().__init__()
        self.front_ends = nn.ModuleList(front_end for front_end, _ in ears)
        self.bodies = nn.ModuleList(body for _, body in ears)

    def forward(self, decibels: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding)`` of spectrograms ``(batch, 1, freq, time)``."""
        levelled = to_level(decibels)
        pairs = zip(self.front_ends, self.bodies, strict=True)
        return torch.cat([body(front_end(levelled)) for front_end, body in pairs], dim=1)

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return the weights of the stages of all networks, the last ones of each together."""
        of_each = [cast("tuple[tuple[nn.Parameter, ...], ...]", body.stages()) for body in self.bodies]  # type: ignore[operator]
        backwards = zip_longest(*(reversed(stages) for stages in of_each), fillvalue=())
        return tuple(tuple(weight for part in parts for weight in part) for parts in backwards)[::-1]

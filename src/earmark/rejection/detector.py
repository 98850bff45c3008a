"""The network that says whether a picture is of the kind that another network learned from."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from earmark.models.base import Normalize, Scaling
from earmark.training.rejection_config import DetectorConfig

N_BEST = 5
"""Logits, best first, whose relation to each other the gate sees."""


class Detector(nn.Module):
    """A few convolutions over the picture, beside the embedding and the best logits of the network it guards.

    Parameters
    ----------
    config
        Its size.
    normalize, floor_db
        See `Normalize`; those of the network.
    n_channels, n_rows
        Of the picture; its width is free, and rows below it are not looked at.
    n_labels, n_embedding
        Of the network.
    """

    def __init__(  # noqa: PLR0913 - the sizes of what it sees
        self,
        config: DetectorConfig,
        *,
        normalize: Scaling,
        floor_db: float,
        n_channels: int,
        n_rows: int,
        n_labels: int,
        n_embedding: int,
    ) -> None:
        super().__init__()
        self.config, self.n_best = config, min(N_BEST, n_labels)
        self.normalize = Normalize(normalize, floor_db)
        self.register_buffer("place", torch.linspace(-1, 1, n_rows)[None, None, :, None])
        self.body = nn.Sequential(*_convolutions(config, n_channels + 1))
        self.of_picture = _narrowed(2 * config.widths[-1], config)
        self.of_embedding = _narrowed(n_embedding, config, drop=config.input_dropout) if config.embedding else None
        self.of_logits = _narrowed(self.n_best + 2, config) if config.logits else None
        n_sources = 1 + config.embedding + config.logits
        self.head = nn.Sequential(
            nn.Linear(n_sources * config.hidden, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1)
        )
        self.register_buffer("scale", torch.tensor([1.0, 0.0]))
        self.scale: torch.Tensor
        self.place: torch.Tensor

    def forward(self, features: torch.Tensor, logits: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Return how familiar pictures are, ``(batch,)``, as log odds.

        Parameters
        ----------
        features
            ``(batch, channel, freq|height, time|width)``, as the network sees them.
        logits, embedding
            What it says of them, ``(batch, n_labels)`` and ``(batch, n_embedding)``.
        """
        sources = [self.of_picture(self._seen(features))]
        if self.of_embedding is not None:
            sources.append(self.of_embedding(embedding))
        if self.of_logits is not None:
            sources.append(self.of_logits(self._relations(logits)))
        odds: torch.Tensor = self.head(torch.cat(sources, dim=1))[:, 0]
        return self.scale[0] * odds + self.scale[1]

    def _seen(self, features: torch.Tensor) -> torch.Tensor:
        """Return what the convolutions find on average and at most, ``(batch, 2 * channel)``."""
        pictures = self.normalize(features[:, :, : self.place.shape[2]])
        if self.config.levels:
            pictures = torch.round(pictures * self.config.levels) / self.config.levels
        place = torch.zeros_like(pictures[:, :1]) + self.place
        found = self.body(torch.cat([pictures, place], dim=1))
        return torch.cat([found.mean((2, 3)), found.amax((2, 3))], dim=1)

    def _relations(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the best log probabilities, the entropy and the level of the logits, ``(batch, n_best + 2)``."""
        log_probability = functional.log_softmax(logits, dim=1)
        best = torch.topk(log_probability, self.n_best, dim=1).values
        entropy = -(log_probability.exp() * log_probability).sum(1, keepdim=True)
        return torch.cat([best, entropy, torch.logsumexp(logits, 1, keepdim=True)], dim=1)


def _convolutions(config: DetectorConfig, n_channels: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    stride = config.stem_stride
    for width in config.widths:
        kernel = 2 * (stride // 2) + 1
        layers += [
            nn.Conv2d(n_channels, width, kernel, stride=stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        n_channels, stride = width, 2
    return layers


def _narrowed(n_inputs: int, config: DetectorConfig, *, drop: float = 0.0) -> nn.Sequential:
    """Return layers that bring numbers of any scale to `DetectorConfig.hidden` ones."""
    return nn.Sequential(
        nn.BatchNorm1d(n_inputs),
        nn.Dropout(drop),
        nn.Linear(n_inputs, config.hidden),
        nn.ReLU(),
        nn.Dropout(config.dropout),
    )

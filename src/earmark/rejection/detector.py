"""Out-of-distribution detectors, small networks that tell whether an input is like what another has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from earmark.models.base import Normalize, Scaling, Standardize
from earmark.training.export import export_module
from earmark.training.rejection_config import DetectorConfig

if TYPE_CHECKING:
    import onnx

N_BEST = 5
"""Logits, best first, whose relation to each other the detector sees."""
FURTHEST = 5.0
"""Standard deviations at which an embedding is clipped, so that the strangest inputs do not decide the fit alone."""
LEAST_DEVIATION = 1e-3
"""Share of the largest deviation below which a number of an embedding is dead and differs by rounding only."""


class LogisticDetector(nn.Module):
    """An out-of-distribution detector: logistic regression on the standardised embedding of a network.

    Parameters
    ----------
    n_embedding
        Of the network whose inputs it judges.
    """

    scale: torch.Tensor

    def __init__(self, n_embedding: int) -> None:
        super().__init__()
        self.standardize = Standardize(n_embedding)
        self.head = nn.Linear(n_embedding, 1)
        self.register_buffer("scale", torch.tensor([1.0, 0.0]))

    @torch.no_grad()
    def learn_scales(self, embedding: torch.Tensor) -> None:
        """Take the statistics of embeddings ``(batch, n_embedding)``; a dead number is only centred."""
        deviation = embedding.std(0, correction=0)
        is_dead = deviation < LEAST_DEVIATION * deviation.max()
        self.standardize.mean.copy_(embedding.mean(0))
        self.standardize.deviation.copy_(torch.where(is_dead, deviation.max(), deviation))

    def clipped(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return what the regression sees, ``(batch, n_embedding)``."""
        return torch.clamp(self.standardize(embedding), -FURTHEST, FURTHEST)

    def forward(self, features: torch.Tensor, logits: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Return the log odds that inputs are in-distribution, ``(batch,)``; inputs as `Detector` takes them."""
        odds: torch.Tensor = self.head(self.clipped(embedding))[:, 0]
        return self.scale[0] * odds + self.scale[1]


class Detector(nn.Module):
    """An out-of-distribution detector: convolutions over the features, beside embedding and best logits of a network.

    Parameters
    ----------
    config
        Its size.
    normalize, floor_db
        See `Normalize`; those of the network.
    n_channels, n_rows
        Of the features; their width is free, and rows below these are not looked at.
    n_labels, n_embedding
        Of the network whose inputs it judges.
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
        self.of_features = _projection(2 * config.widths[-1], config)
        self.of_embedding = _projection(n_embedding, config, drop=config.input_dropout) if config.embedding else None
        self.of_logits = _projection(self.n_best + 2, config) if config.logits else None
        n_sources = 1 + config.embedding + config.logits
        self.head = nn.Sequential(
            nn.Linear(n_sources * config.hidden, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1)
        )
        self.register_buffer("scale", torch.tensor([1.0, 0.0]))
        self.scale: torch.Tensor
        self.place: torch.Tensor

    def forward(self, features: torch.Tensor, logits: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """Return the log odds that inputs are in-distribution, ``(batch,)``.

        Parameters
        ----------
        features
            ``(batch, channel, freq|height, time|width)``, as the network sees them.
        logits, embedding
            Its outputs for them, ``(batch, n_labels)`` and ``(batch, n_embedding)``.
        """
        sources = [self.of_features(self._pooled_maps(features))]
        if self.of_embedding is not None:
            sources.append(self.of_embedding(embedding))
        if self.of_logits is not None:
            sources.append(self.of_logits(self._relations(logits)))
        odds: torch.Tensor = self.head(torch.cat(sources, dim=1))[:, 0]
        return self.scale[0] * odds + self.scale[1]

    def _pooled_maps(self, features: torch.Tensor) -> torch.Tensor:
        """Return mean and maximum of the last convolution over the features, ``(batch, 2 * channel)``."""
        normalized = self.normalize(features[:, :, : self.place.shape[2]])
        if self.config.levels:
            normalized = torch.round(normalized * self.config.levels) / self.config.levels
        place = torch.zeros_like(normalized[:, :1]) + self.place
        maps = self.body(torch.cat([normalized, place], dim=1))
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

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


def _projection(n_inputs: int, config: DetectorConfig, *, drop: float = 0.0) -> nn.Sequential:
    """Return layers that bring values of any scale to `DetectorConfig.hidden` ones."""
    return nn.Sequential(
        nn.BatchNorm1d(n_inputs),
        nn.Dropout(drop),
        nn.Linear(n_inputs, config.hidden),
        nn.ReLU(),
        nn.Dropout(config.dropout),
    )


class _InDistributionProbability(torch.nn.Module):
    """The detector, answering with a probability."""

    def __init__(self, detector: Detector | LogisticDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, features: torch.Tensor, logits: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        probability: torch.Tensor = self.detector(features, logits, embedding).sigmoid()
        return probability


def export_detector(
    detector: Detector | LogisticDetector, example: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> onnx.ModelProto:
    """Return a detector as ONNX: ``features``, ``logits`` and ``embedding`` in, the in-distribution probability out.

    Its name in the file is ``familiarity``.

    Parameters
    ----------
    detector
        Fitted; it is moved to the CPU and put into evaluation mode.
    example
        Its inputs, for two windows; the width of the features is left open.
    """
    batch = torch.export.Dim("batch")
    # A raster has one width, but a detector that takes any of them is not worse for it.
    dynamic: tuple[dict[int, Any], ...] = ({0: batch, 3: torch.export.Dim.DYNAMIC}, {0: batch}, {0: batch})
    module = _InDistributionProbability(detector).eval().cpu()
    return export_module(module, example, names=(["features", "logits", "embedding"], ["familiarity"]), dynamic=dynamic)

"""The contract of a model: a frozen configuration that builds a network.

To add a model: one new file here with a `ModelConfig` registered under its name, one line in ``models/__init__.py``;
the contract tests over `MODELS` find it.
"""

from __future__ import annotations

import torch
from torch import nn

from earmark.config import Config
from earmark.registry import Registry


class Network(nn.Module):
    """A picture goes in, logits come out; the body can be asked for alone.

    Subclasses set `head` and implement `embed`.
    """

    head: nn.Module

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding)`` of features ``(batch, channel, freq|height, time|width)``."""
        raise NotImplementedError

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits ``(batch, n_labels)``."""
        logits: torch.Tensor = self.head(self.embed(features))
        return logits


class ModelConfig(Config):
    """Base of all model configurations."""

    kind: str

    def build(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        """Return a freshly initialised network.

        Parameters
        ----------
        n_labels
            Number of logits.
        input_shape
            ``(channel, freq|height, time|width)`` of the features; time may vary later unless the model says otherwise.
        """
        raise NotImplementedError


MODELS: Registry[type[ModelConfig]] = Registry("model")

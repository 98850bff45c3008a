"""The contract of a model: a frozen configuration that builds a network.

To add a model: one new file here with a `ModelConfig` registered under its name, one line in ``models/__init__.py``;
the contract tests over `MODELS` find it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, Self, TypeAlias

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from earmark.config import Config, Registry
from earmark.errors import ConfigError
from earmark.features import Features

Scaling: TypeAlias = Literal["none", "peak", "min-max", "absolute"]

LOUDEST_DB = 60.0
"""What 1 means in "absolute": no band of a sound in -1…1 is louder in the usual spectrograms."""


class Normalize(nn.Module):
    """Bring features of any loudness to 0…1, one example at a time, so that it can travel inside the file.

    Parameters
    ----------
    how
        ``"none"``: leave as they are. ``"peak"``: dB below the example's loudest bin, 0 at the floor and 1 at the peak.
        ``"min-max"``: the same, then stretched so that the quietest bin is 0, as published 8-bit pictures are.
        ``"absolute"``: dB from ``-floor_db`` to `LOUDEST_DB` become 0 to 1, whatever else the example holds, so that a
        stream can be scaled before its end is known.
    floor_db
        Depth of the floor below the peak, in dB.
    """

    def __init__(self, how: Scaling, floor_db: float) -> None:
        super().__init__()
        self.how, self.floor_db = how, floor_db

    def extra_repr(self) -> str:
        """Return the settings, by which cached embeddings are told apart."""
        return f"{self.how!r}, floor_db={self.floor_db}"

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape ``(batch, channel, freq|height, time|width)``."""
        if self.how == "none":
            return features
        if self.how == "absolute":
            return ((features + self.floor_db) / (self.floor_db + LOUDEST_DB)).clamp(0, 1)
        peak = features.amax((1, 2, 3), keepdim=True)
        scaled = (features - peak).clamp(min=-self.floor_db) / self.floor_db + 1
        if self.how == "peak":
            return scaled
        lowest = scaled.amin((1, 2, 3), keepdim=True)
        return (scaled - lowest) / (1 - lowest).clamp(min=1e-6)


class Resize(nn.Module):
    """Bring pictures of any size to one, by bilinear interpolation; those that have it already stay as they are.

    Parameters
    ----------
    size
        Height and width.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def extra_repr(self) -> str:
        """Return the settings, by which cached embeddings are told apart."""
        return f"{self.size}"

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, channel, *size)``."""
        return functional.interpolate(pictures, self.size, mode="bilinear", align_corners=False)


class Standardize(nn.Module):
    """Bring numbers to the mean 0 and the deviation 1 that they have over the training part.

    Both statistics travel in the file; nothing else moves them than `learn`.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, n_numbers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_numbers))
        self.register_buffer("deviation", torch.ones(n_numbers))

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return numbers of the same shape ``(batch, n_numbers)``."""
        return (numbers - self.mean) / self.deviation

    @torch.no_grad()
    def learn(self, batches: Iterable[torch.Tensor]) -> None:
        """Take the statistics of all `batches`; a number that never changes is only centred."""
        # A copy of each, because a view would keep the pictures beside it in memory.
        numbers = torch.cat([batch.double() for batch in batches])
        deviation = numbers.std(0, correction=0)
        self.mean.copy_(numbers.mean(0))
        self.deviation.copy_(torch.where(deviation > 1e-6 * numbers.abs().amax(0), deviation, 1.0))


def split_numbers(features: torch.Tensor, n_numbers: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the pictures ``(batch, channel, freq, time)`` and the numbers below them, ``(batch, n_numbers)``."""
    n_rows = features.shape[2] - n_numbers
    return features[:, :, :n_rows], features[:, 0, n_rows:, 0]


class BesideNumbers(nn.Module):
    """Normalise pictures, and standardise the rows of numbers below them.

    Parameters
    ----------
    normalize
        What is done to the picture; it may change its size.
    n_numbers
        Rows below the picture.
    """

    def __init__(self, normalize: nn.Module, n_numbers: int) -> None:
        super().__init__()
        self.normalize, self.n_numbers = normalize, n_numbers
        self.standardize = Standardize(n_numbers)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, channel, height + n_numbers, width)``."""
        picture, numbers = split_numbers(features, self.n_numbers)
        picture = self.normalize(picture)
        rows = self.standardize(numbers)[:, None, :, None].expand(-1, picture.shape[1], -1, picture.shape[3])
        return torch.cat([picture, rows], dim=2)

    def learn_scales(self, batches: Iterable[torch.Tensor]) -> None:
        """See `Network.learn_scales`."""
        self.standardize.learn(split_numbers(batch, self.n_numbers)[1] for batch in batches)


class Network(nn.Module):
    """A picture goes in, logits come out; normaliser, body and head can be asked for alone.

    Subclasses set `head` and implement `embed`; `ModelConfig.build` sets the rest. Augmentations work between
    `normalize` and `embed`.
    """

    normalize: nn.Module
    head: nn.Module
    n_labels: int
    input_shape: tuple[int, int, int]

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding)`` of normalised features ``(batch, channel, freq|height, time|width)``."""
        raise NotImplementedError

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return the weights of each stage, first the one that sees the picture; the head is none of them."""
        in_head = {id(parameter) for parameter in self.head.parameters()}
        return (tuple(parameter for parameter in self.parameters() if id(parameter) not in in_head),)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - the signature of its base
        """Set the mode; parts whose weights do not learn stay as they are at work, so their statistics do not move."""
        super().train(mode)
        for part in self.modules():
            weights = list(part.parameters(recurse=False))
            if weights and not any(parameter.requires_grad for parameter in weights):
                part.training = False
        return self

    def learn_scales(self, batches: Iterable[torch.Tensor]) -> None:
        """Take the statistics of the training part, raw features in batches, where the network standardises numbers."""
        if isinstance(self.normalize, BesideNumbers):
            self.normalize.learn_scales(batches)

    def classify(self, normalized: torch.Tensor) -> torch.Tensor:
        """Return logits ``(batch, n_labels)`` of normalised features."""
        logits: torch.Tensor = self.head(self.embed(normalized))
        return logits

    def judged(self, normalized: torch.Tensor) -> torch.Tensor:
        """Return all outputs in one array, for an objective that judges more than the logits."""
        return self.classify(normalized)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits ``(batch, n_labels)`` of raw features."""
        return self.classify(self.normalize(features))


class ModelConfig(Config):
    """Base of all model configurations.

    Attributes
    ----------
    kind
        The registered name.
    normalize, floor_db
        See `Normalize`.
    size
        Height and width that pictures are brought to before anything else, see `Resize`, so that windows of any length
        suit one network; by default they keep theirs.
    fixed_size
        Whether the network knows one size only, which is that of the first pictures unless `size` says otherwise.
    """

    kind: str
    normalize: Scaling = "none"
    floor_db: float = Field(default=80.0, gt=0)
    size: tuple[int, int] | None = None
    fixed_size: ClassVar[bool] = False

    @property
    def wanted_features(self) -> Features | None:
        """The only front end that the model takes; None when it takes any."""
        return None

    def untrained(self) -> Self:
        """Return the same model without weights from elsewhere, where it can be built without them."""
        return self

    @property
    def weights_licence(self) -> str:
        """Licence of the pretrained weights in a file of this model, with its notice; empty where there are none."""
        return ""

    def fetch(self) -> None:
        """Get what the network starts from, or raise: called before anything that takes long."""

    def build(self, *, n_labels: int, input_shape: tuple[int, int, int], n_numbers: int = 0) -> Network:
        """Return a freshly initialised network.

        Parameters
        ----------
        n_labels
            Number of logits.
        input_shape
            ``(channel, freq|height, time|width)`` of the pictures; time may vary later unless the model says otherwise.
        n_numbers
            Rows that the features have below the picture, each a number about all of it.

        Raises
        ------
        ConfigError
            When the pictures do not fit the model.
        """
        channels, height, width = input_shape
        size = self.size or ((height, width) if self.fixed_size else None)
        pictures = (channels, *(size or (height, width)))
        network = (
            self.fused(n_labels=n_labels, input_shape=pictures, n_numbers=n_numbers)
            if n_numbers
            else self.network(n_labels=n_labels, input_shape=pictures)
        )
        network.normalize = Normalize(self.normalize, self.floor_db)
        if size is not None:
            network.normalize = nn.Sequential(network.normalize, Resize(size))
        if n_numbers:
            network.normalize = BesideNumbers(network.normalize, n_numbers)
        network.n_labels, network.input_shape = n_labels, (channels, height + n_numbers, width)
        return network

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        """Return the network without its normaliser; `build` adds it."""
        raise NotImplementedError

    def fused(self, *, n_labels: int, input_shape: tuple[int, int, int], n_numbers: int) -> Network:
        """Return the same for pictures with rows of numbers below them; most models see pictures only."""
        raise ConfigError(
            f"model {self.kind!r} sees pictures only, and these features hold {n_numbers} numbers beside; choose the"
            " model 'double-residual' or 'crnn', or features without a table"
        )


MODELS: Registry[type[ModelConfig]] = Registry("model")


def too_small(kind: str, input_shape: tuple[int, int, int], *, least: int) -> ConfigError:
    """Return the error for pictures that a network would pool away to nothing."""
    _, height, width = input_shape
    return ConfigError(
        f"model {kind!r} cannot take pictures of {height} × {width}; each side needs at least {least}; "
        "use larger features or fewer blocks"
    )

"""Transfer learning: a pretrained backbone, frozen or partly open, and a small head on its embedding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import nn

from earmark.errors import ConfigError
from earmark.features import Features
from earmark.models.backbone import TimmBody
from earmark.models.base import MODELS, ModelConfig, Network, Standardize, split_numbers
from earmark.models.lookup import features_of_backbone, find_backbone, timm_model_of
from earmark.models.onnx_body import OnnxBody
from earmark.models.pretrained import BackboneModule, Pretrained


class StandardizedHead(Network):
    """A standardised embedding and its head: the part of `Transfer` that learns when the backbone is frozen.

    It takes embeddings as pictures of one row, ``(batch, 1, n_embedding, 1)``, so that the loop can train it alone.
    """

    def __init__(self, standardize: Standardize, head: nn.Module, *, n_labels: int) -> None:
        super().__init__()
        self.normalize, self.standardize, self.head = nn.Identity(), standardize, head
        self.n_labels, self.input_shape = n_labels, (1, len(standardize.mean), 1)

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.standardize(normalized[:, 0, :, 0])
        return embedding

    def learn_scales(self, batches: Iterable[torch.Tensor]) -> None:
        self.standardize.learn(batch[:, 0, :, 0] for batch in batches)


class BodyBesideNumbers(nn.Module):
    """A backbone, and the numbers that lie below its pictures, as one embedding.

    Parameters
    ----------
    body
        The backbone.
    n_numbers
        Rows below the picture.
    """

    def __init__(self, body: BackboneModule, n_numbers: int) -> None:
        super().__init__()
        self.body, self.n_numbers = cast("nn.Module", body), n_numbers

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding + n_numbers)`` of ``(batch, channel, freq + n_numbers, time)``."""
        pictures, numbers = split_numbers(features, self.n_numbers)
        return torch.cat([self.body(pictures), numbers], dim=1)

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return the weights of each stage of the backbone."""
        return cast("BackboneModule", self.body).stages()


class Transfer(Network):
    """A pretrained backbone, its embedding brought to mean 0 and deviation 1, and a head.

    Norms of the backbone keep the statistics that they were pretrained with, also where their weights learn: a few
    examples would replace them by worse ones.

    Parameters
    ----------
    body
        The backbone, see `Pretrained.load`.
    head
        From ``(batch, n_embedding)`` to logits.
    n_embedding
        Length of the embedding.
    """

    def __init__(self, body: BackboneModule, head: nn.Module, *, n_embedding: int) -> None:
        super().__init__()
        self.body = cast("nn.Module", body)
        self.standardize = Standardize(n_embedding)
        self.head = head

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.standardize(self.body(normalized))
        return embedding

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        return cast("BackboneModule", self.body).stages()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - the signature of its base
        super().train(mode)
        for part in self.body.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - their only common base
                part.training = False
        return self

    @torch.no_grad()
    def learn_scales(self, batches: Iterable[torch.Tensor]) -> None:
        self.eval()
        self.standardize.learn(self.body(self.normalize(batch)) for batch in batches)

    def on_embeddings(self) -> StandardizedHead:
        """Return what comes after the backbone, sharing its weights, as a network of its own."""
        return StandardizedHead(self.standardize, self.head, n_labels=self.n_labels)


@MODELS.register("transfer")
class TransferConfig(ModelConfig):
    """Configuration of `Transfer`.

    Attributes
    ----------
    backbone
        An entry of `PRETRAINED`, the name of any timm model, or the path of an ONNX file, see `find_backbone`.
    weights
        Of a timm model, see `BackboneConfig`; ``"imagenet"`` when nothing is given. Other backbones have their own.
    mean, std
        What is subtracted from the pictures that an ONNX file sees, and what they are then divided by: one number, or
        one a channel. Other backbones know theirs.
    head
        ``"linear"``: one dense layer, trained by the loop. ``"logistic"``: the same layer fitted by regularised
        multinomial logistic regression, its strength chosen by cross-validation over groups; the backbone is frozen.
        ``"ridge"``: the same layer fitted by ridge regression on the labels, likewise. ``"mlp"``: a hidden layer
        before it.
    strength
        Of ridge regression, a share of the mean squared length of an embedding; chosen unless given.
    hidden
        Units of the hidden layer.
    dropout
        Probability of dropping a number of the embedding, and one of the hidden layer.
    """

    kind: Literal["transfer"] = "transfer"
    backbone: str = "musicnn-msd"
    weights: str = ""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[Annotated[float, Field(gt=0)], ...] = (1.0,)
    head: Literal["linear", "logistic", "ridge", "mlp"] = "linear"
    strength: float | None = Field(default=None, gt=0)
    hidden: int = Field(default=128, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _only_ridge_has_a_strength(self) -> Self:
        if self.strength is not None and self.head != "ridge":
            raise ConfigError(
                f"model.strength is that of ridge regression, and the head is {self.head!r}; remove it, or set"
                " model.head = 'ridge'"
            )
        return self

    @property
    def is_fitted_at_once(self) -> bool:
        """Whether the head is fitted by a solver to embeddings that stay as they are, and not by the loop."""
        return self.head in ("logistic", "ridge")

    def untrained(self) -> Self:
        name = timm_model_of(self.backbone)
        return self.model_copy(update={"backbone": name, "weights": "none"}) if name else self

    def fetch(self) -> None:
        self._entry().load()

    @property
    def wanted_features(self) -> Features | None:
        return features_of_backbone(self.backbone)

    @property
    def weights_licence(self) -> str:
        entry = self._entry()
        return f"{entry.licence}, weights of {entry.name}\n{entry.notice()}"

    def _entry(self) -> Pretrained:
        return find_backbone(self.backbone, weights=self.weights, mean=self.mean, std=self.std)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        return self.fused(n_labels=n_labels, input_shape=input_shape, n_numbers=0)

    def fused(self, *, n_labels: int, input_shape: tuple[int, int, int], n_numbers: int) -> Network:
        entry = self._entry()
        if entry.features is not None and self.normalize != "none":
            raise ConfigError(
                f"the backbone {entry.name!r} takes its features as they are; set model.normalize = 'none', not"
                f" {self.normalize!r}"
            )
        with torch.device("cpu"):  # also where weights are only counted, on a device without memory
            body = entry.load()
        if isinstance(body, TimmBody | OnnxBody):
            body.check_input(input_shape)
        if n_numbers:
            body = BodyBesideNumbers(body, n_numbers)
        n_embedding = entry.n_embedding + n_numbers
        return Transfer(body, self._head(n_embedding, n_labels), n_embedding=n_embedding)

    def _head(self, n_embedding: int, n_labels: int) -> nn.Module:
        if self.is_fitted_at_once:
            return nn.Linear(n_embedding, n_labels)
        if self.head == "linear":
            return nn.Sequential(nn.Dropout(self.dropout), nn.Linear(n_embedding, n_labels))
        return nn.Sequential(
            nn.Dropout(self.dropout),
            nn.Linear(n_embedding, self.hidden),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, n_labels),
        )

"""Any timm backbone, for pictures of one or three channels."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, Self

import torch
from pydantic import Field
from torch import nn

from earmark.errors import ConfigError, ModelError, did_you_mean
from earmark.models.base import MODELS, ModelConfig, Network
from earmark.models.imagenet import find_imagenet, imagenet_state

BEST_WEIGHTS = "best.safetensors"
"""Where a run keeps the weights of its best epoch."""


class TimmBody(nn.Module):
    """A timm model without its classifier: pictures 0…1 go in, an embedding comes out.

    Parameters
    ----------
    model
        Made by ``timm.create_model``; its settings say which mean and deviation its published weights expect.
    n_channels
        1 or 3; grey pictures are repeated for 3.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: nn.Module, *, n_channels: int) -> None:
        super().__init__()
        self.model, self.n_channels = model, n_channels
        # Some have a dense layer between the pooled maps and their classifier.
        self.n_embedding = int(getattr(model, "head_hidden_size", None) or model.num_features)  # type: ignore[arg-type]
        settings: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
        mean, std = torch.tensor(settings["mean"]), torch.tensor(settings["std"])
        if n_channels == 1:
            mean, std = mean.mean(0, keepdim=True), std.mean(0, keepdim=True)
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("std", std.view(1, -1, 1, 1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding)`` of pictures ``(batch, channel, height, width)``."""
        if pictures.shape[1] == 1 and self.n_channels == 3:
            pictures = pictures.expand(-1, 3, -1, -1)
        embedding: torch.Tensor = self.model((pictures - self.mean) / self.std)
        return embedding

    def check_input(self, input_shape: tuple[int, int, int]) -> None:
        """Raise `ConfigError` when the network cannot take pictures of that ``(channel, height, width)``."""
        if input_shape[0] not in (1, self.n_channels):
            raise ConfigError(
                f"a backbone of {self.n_channels} channel(s) cannot take {input_shape[0]}-channel pictures; give grey "
                f"ones or {self.n_channels} channels, by [features] or by model.channels"
            )

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return the weights of each stage as timm groups them, first the one that sees the picture."""
        from timm.models import group_parameters

        weights = dict(self.model.named_parameters())
        groups = group_parameters(self.model, self.model.group_matcher(coarse=True))  # type: ignore[operator]
        return tuple(tuple(weights[name] for name in groups[index]) for index in sorted(groups))


def timm_body(name: str, *, weights: str, channels: int = 3) -> TimmBody:
    """Return a timm model without its classifier.

    Parameters
    ----------
    weights
        See `BackboneConfig`.

    Raises
    ------
    ConfigError
        When timm has no model of that name.
    ModelError
        When the weights are missing, damaged, cannot be fetched, or belong to another architecture.
    """
    import timm

    check_timm_name(name)
    model = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=0)
    if weights != "none":
        _load_weights(model, name, weights, channels=channels)
    return TimmBody(model, n_channels=channels)


def check_timm_name(name: str) -> None:
    """Raise `ConfigError` when timm has no model of that name."""
    import timm

    if not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models())
        raise ConfigError(f"timm has no model {name!r}{hint}; see timm.list_models()")


class Backbone(Network):
    """A timm model without its classifier, pooled over the picture, and a dense layer of our own."""

    def __init__(self, body: TimmBody, *, n_labels: int, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(body.n_embedding, n_labels))

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        embedding: torch.Tensor = self.body(normalized)
        return embedding

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        return self.body.stages()


@MODELS.register("timm")
class BackboneConfig(ModelConfig):
    """Configuration of `Backbone`.

    Attributes
    ----------
    name
        A timm model name, for example ``resnet18``.
    channels
        1 sees grey; 3 sees grey three times over, as networks trained on photographs expect.
    weights
        ``"none"``; ``"imagenet"``, from an installed package, else fetched once from the model hub that timm uses; the
        path of a ``.safetensors`` or ``.pth`` state dict, which is never unpickled; or the folder of a run with the
        same network.
    dropout
        Probability of dropping an embedding before the dense layer.
    """

    kind: Literal["timm"] = "timm"
    name: str = "resnet18"
    channels: Literal[1, 3] = 1
    weights: str = "none"
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def untrained(self) -> Self:
        return self.model_copy(update={"weights": "none"})

    def fetch(self) -> None:
        check_timm_name(self.name)
        if self.weights != "none":
            find_weights(self.name, self.weights)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        body = timm_body(self.name, weights=self.weights, channels=self.channels)
        body.check_input(input_shape)
        return Backbone(body, n_labels=n_labels, dropout=self.dropout)


def _load_weights(model: nn.Module, name: str, weights: str, *, channels: int) -> None:
    """Load weights trained elsewhere; the first convolution is averaged for one channel."""
    from safetensors import SafetensorError

    path = find_weights(name, weights)
    try:
        state = imagenet_state(name, channels=channels) if weights == "imagenet" else _read(path, name, channels)
    except (SafetensorError, UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise ModelError(
            f"{path}: not weights that can be read safely ({type(error).__name__}); give a .safetensors file, or a "
            ".pth that holds a state dict of tensors and nothing else"
        ) from error
    wanted = model.state_dict()
    # Files from before 2018 lack the counters of batch norm, which nothing uses here.
    state = {key: value for key, value in wanted.items() if key.endswith(".num_batches_tracked")} | state
    if missing := [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]:
        raise ModelError(f"{path}: these weights are not of {name} ({missing[0]} is missing or of another shape)")
    model.load_state_dict({key: state[key] for key in wanted})


def _read(path: Path, name: str, channels: int) -> dict[str, torch.Tensor]:
    """Return a state dict under timm's names; of a `Backbone`, what lies in its body."""
    import timm
    from timm.models import PretrainedCfg, adapt_input_conv, load_state_dict

    state: dict[str, torch.Tensor] = load_state_dict(str(path), weights_only=True)
    # "body." alone is how runs of version 0.1.0 wrote a body.
    for prefix in ("body.model.", "body."):
        state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)} or state
    settings = timm.get_pretrained_cfg(name) or PretrainedCfg()
    first = f"{settings.first_conv}.weight"
    if first in state:
        state[first] = adapt_input_conv(channels, state[first])
    return state


def find_weights(name: str, weights: str) -> Path:
    """Return the path of weights: the file given, that of the run given, or for ``"imagenet"`` the published one.

    Raises
    ------
    ModelError
        When the file is missing or cannot be fetched.
    """
    if weights == "imagenet":
        return find_imagenet(name)
    path = Path(weights, BEST_WEIGHTS) if Path(weights).is_dir() else Path(weights)
    if not path.is_file():
        raise ModelError(
            f'{path}: no such weights file; give a .safetensors or .pth state dict, a finished run, or "none"'
        )
    return path

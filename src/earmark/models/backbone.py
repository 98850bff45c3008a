"""Any timm backbone, for pictures of one or three channels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from earmark.errors import ConfigError, ModelError, did_you_mean
from earmark.models.base import MODELS, ModelConfig, Network

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Backbone(Network):
    """A timm model without its classifier, pooled over the picture, and a dense layer of our own."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, body: nn.Module, *, n_embedding: int, n_labels: int, n_channels: int, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.n_channels = n_channels
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(n_embedding, n_labels))
        mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        if n_channels == 1:
            mean, std = mean.mean(0, keepdim=True), std.mean(0, keepdim=True)
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("std", std.view(1, -1, 1, 1))

    def embed(self, normalized: torch.Tensor) -> torch.Tensor:
        if normalized.shape[1] == 1 and self.n_channels == 3:
            normalized = normalized.expand(-1, 3, -1, -1)
        embedding: torch.Tensor = self.body((normalized - self.mean) / self.std)
        return embedding

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        from timm.models import group_parameters

        weights = dict(self.body.named_parameters())
        groups = group_parameters(self.body, self.body.group_matcher(coarse=True))  # type: ignore[operator]
        return tuple(tuple(weights[name] for name in groups[index]) for index in sorted(groups))


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
        ``"none"``, ``"imagenet"`` (timm fetches them once from the model hub), or the path of a ``.safetensors`` or
        ``.pth`` state dict, which is never unpickled.
    dropout
        Probability of dropping an embedding before the dense layer.
    """

    kind: Literal["timm"] = "timm"
    name: str = "resnet18"
    channels: Literal[1, 3] = 1
    weights: str = "none"
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        import timm

        if not timm.is_model(self.name):
            hint = did_you_mean(self.name, timm.list_models())
            raise ConfigError(f"timm has no model {self.name!r}{hint}; see timm.list_models()")
        if input_shape[0] not in (1, self.channels):
            raise ConfigError(
                f"model 'timm' with channels = {self.channels} cannot take {input_shape[0]}-channel pictures"
            )
        body = timm.create_model(self.name, pretrained=False, in_chans=self.channels, num_classes=0)
        if self.weights != "none":
            load_body_weights(body, self.name, self.weights, channels=self.channels)
        return Backbone(
            body,
            n_embedding=int(body.num_features),  # type: ignore[arg-type]
            n_labels=n_labels,
            n_channels=self.channels,
            dropout=self.dropout,
        )


def load_body_weights(body: nn.Module, name: str, weights: str, *, channels: int) -> None:
    """Load weights trained elsewhere into a timm body; the first convolution is averaged for one channel.

    Raises
    ------
    ModelError
        When the file is missing, cannot be fetched, or belongs to another architecture.
    """
    import timm
    from timm.models import PretrainedCfg, adapt_input_conv, load_state_dict

    if weights == "imagenet":
        try:
            state = timm.create_model(name, pretrained=True, in_chans=channels, num_classes=0).state_dict()
        except (OSError, RuntimeError) as error:
            address = (timm.get_pretrained_cfg(name) or PretrainedCfg()).url or f"timm/{name}"
            raise ModelError(
                f"the weights of {name} could not be fetched from {address}; allowed: a network, or a local file; "
                'download them elsewhere and set weights = "path/to/file"'
            ) from error
    else:
        if not Path(weights).is_file():
            raise ModelError(f'{weights}: no such weights file; give a .safetensors or .pth state dict, or "none"')
        state = load_state_dict(weights, weights_only=True)
        settings = timm.get_pretrained_cfg(name) or PretrainedCfg()
        first = f"{settings.first_conv}.weight"
        if first in state:
            state[first] = adapt_input_conv(channels, state[first])
    wanted = body.state_dict()
    head = {key for key in state if key not in wanted}
    if missing := [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]:
        raise ModelError(f"{weights}: these weights are not of {name} ({missing[0]} is missing or of another shape)")
    body.load_state_dict({key: value for key, value in state.items() if key not in head})

"""Any timm backbone, for pictures of one or three channels."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Literal
from urllib.request import Request, urlopen

import torch
from pydantic import Field
from torch import nn

from earmark.errors import ConfigError, ModelError, did_you_mean
from earmark.models.base import MODELS, ModelConfig, Network

BEST_WEIGHTS = "best.safetensors"
"""Where a run keeps the weights of its best epoch."""

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
        ``"none"``, ``"imagenet"`` (fetched once from the model hub that timm uses), the path of a ``.safetensors``
        or ``.pth`` state dict, which is never unpickled, or the folder of a run of one's own with the same network.
    dropout
        Probability of dropping an embedding before the dense layer.
    """

    kind: Literal["timm"] = "timm"
    name: str = "resnet18"
    channels: Literal[1, 3] = 1
    weights: str = "none"
    dropout: float = Field(default=0.0, ge=0, lt=1)

    def _check_name(self) -> None:
        import timm

        if not timm.is_model(self.name):
            hint = did_you_mean(self.name, timm.list_models())
            raise ConfigError(f"timm has no model {self.name!r}{hint}; see timm.list_models()")

    def fetch(self) -> None:
        self._check_name()
        if self.weights != "none":
            find_weights(self.name, self.weights)

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        import timm

        self._check_name()
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
        When the file is missing, damaged, cannot be fetched, or belongs to another architecture.
    """
    import timm
    from safetensors import SafetensorError
    from timm.models import PretrainedCfg, adapt_input_conv, load_state_dict

    path = find_weights(name, weights)
    try:
        if weights == "imagenet":
            file = {"file": path}
            state = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=file, in_chans=channels, num_classes=0
            ).state_dict()
        else:
            state = _of_body(load_state_dict(path, weights_only=True))
    except (SafetensorError, UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise ModelError(
            f"{path}: not weights that can be read safely ({type(error).__name__}); give a .safetensors file, or a "
            ".pth that holds a state dict of tensors and nothing else"
        ) from error
    if weights != "imagenet":
        settings = timm.get_pretrained_cfg(name) or PretrainedCfg()
        first = f"{settings.first_conv}.weight"
        if first in state:
            state[first] = adapt_input_conv(channels, state[first])
    wanted = body.state_dict()
    head = {key for key in state if key not in wanted}
    # Files from before 2018 lack the counters of batch norm, which nothing uses here.
    state = {key: value for key, value in wanted.items() if key.endswith(".num_batches_tracked")} | state
    if missing := [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]:
        raise ModelError(f"{path}: these weights are not of {name} ({missing[0]} is missing or of another shape)")
    body.load_state_dict({key: value for key, value in state.items() if key not in head})


def _of_body(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what timm wrote as it is, and of a `Backbone` what lies in its body."""
    own = {key.removeprefix("body."): value for key, value in state.items() if key.startswith("body.")}
    return own or state


def find_weights(name: str, weights: str) -> str:
    """Return the path of weights: the file given, that of the run given, or for ``"imagenet"`` the published one.

    The published one is fetched unless it is here.

    Raises
    ------
    ModelError
        When the file is missing or cannot be fetched.
    """
    if weights != "imagenet":
        path = Path(weights, BEST_WEIGHTS) if Path(weights).is_dir() else Path(weights)
        if not path.is_file():
            raise ModelError(
                f'{path}: no such weights file; give a .safetensors or .pth state dict, a finished run, or "none"'
            )
        return str(path)
    import timm
    from huggingface_hub import hf_hub_download, hf_hub_url
    from timm.models import PretrainedCfg

    settings = timm.get_pretrained_cfg(name) or PretrainedCfg()
    if settings.hf_hub_id is None:
        raise ModelError(f'nobody has published weights of {name}; set model.weights = "none" or to the path of a file')
    repository, file = settings.hf_hub_id, settings.hf_hub_filename or "model.safetensors"
    try:
        return hf_hub_download(repository, file, local_files_only=True)
    except OSError:
        address = hf_hub_url(repository, file)
    try:
        # The hub tries for most of a minute before it gives up; one question tells whether there is any hope.
        urlopen(Request(address, method="HEAD"), timeout=10).close()  # noqa: S310 - the address is the hub's
        return hf_hub_download(repository, file)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(
            f"the weights of {name} could not be fetched from {address} ({reason}); fetch that file elsewhere, put it "
            "anywhere on this machine and add --set model.weights=FILE, or start from nothing by --set "
            "model.weights=none"
        ) from error

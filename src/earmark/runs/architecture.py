"""The network that a recipe makes, layer by layer, without making its weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from earmark.features import (
    InkFeatures,
    NumberFeatures,
    PictureFeatures,
    PictureFusion,
    SoundFeatures,
    WindowFeatures,
)
from earmark.models import Network
from earmark.training.crops import frames_of
from earmark.training.parameters import freeze
from earmark.training.recipe import Recipe

N_LABELS = 10
"""As many as GTZAN has genres, where no data says how many there are."""

_N_PROBED = 2
_BACKWARD = 2
"""A pass back costs about two passes forward."""
_SHARE_OF_PEAK = 0.3
"""What convolutions reach of the speed of a large matrix product, roughly."""
_SIDE = 768


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its name in the network, its kind, the shape that it gives for one example, and its weights."""

    name: str
    kind: str
    shape: tuple[int, ...]
    n_parameters: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network.

    Attributes
    ----------
    input_shape
        ``(channel, freq|height, time|width)`` of one example.
    layers
        In the order in which they are passed.
    n_parameters, n_trainable
        Weights, and those of them that the recipe trains.
    n_operations
        Additions and multiplications of convolutions and matrices, for one example.
    """

    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    n_parameters: int
    n_trainable: int
    n_operations: int = 0


def architecture_of(recipe: Recipe, *, n_labels: int = N_LABELS) -> Architecture:
    """Return the layers of the network that `recipe` makes for `n_labels`.

    Raises
    ------
    ConfigError
        When its features do not fit its model.
    """
    shape = input_shape_of(recipe)
    network = blank_network(recipe, n_labels=n_labels, input_shape=shape)
    parameters = list(network.parameters())
    with FlopCounterMode(display=False) as counter:
        layers = _layers(network)
    return Architecture(
        input_shape=shape,
        layers=tuple(layers),
        n_operations=counter.get_total_flops() // _N_PROBED,
        n_parameters=sum(parameter.numel() for parameter in parameters),
        n_trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    )


def rough_time_s(recipe: Recipe, network: Architecture, *, n_examples: int) -> float:
    """Return about how long the epochs of a recipe take on this machine; decoding and features come on top.

    The speed of the machine is that of one matrix product, which takes some milliseconds.
    """
    square = torch.ones(_SIDE, _SIDE)
    times_s = []
    for _ in range(4):
        started_s = time.perf_counter()
        torch.mm(square, square)
        times_s.append(time.perf_counter() - started_s)
    operations_a_second = _SHARE_OF_PEAK * 2 * _SIDE**3 / min(times_s)
    # The embeddings of a frozen backbone are computed once.
    passes = 1 if recipe.is_frozen else recipe.training.epochs * (1 + _BACKWARD)
    return n_examples * passes * network.n_operations / operations_a_second


def blank_network(recipe: Recipe, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
    """Return the network with shapes only, its frozen weights marked; nothing is fetched or computed."""
    # Weights trained elsewhere are as many as fresh ones, and need not be fetched to be counted.
    model = recipe.model.untrained()
    # A backbone from the package reads its own small file, so it has its weights.
    with torch.device("cpu" if model.kind == "transfer" else "meta"):
        network = model.build(n_labels=n_labels, input_shape=input_shape, n_numbers=recipe.features.n_numbers)
    freeze(network, recipe.training)
    return network


def input_shape_of(recipe: Recipe) -> tuple[int, int, int]:
    """Return ``(channel, freq|height, time|width)`` of one window or image, without numbers beside it."""
    features = recipe.features
    if isinstance(features, PictureFusion):
        return features.picture.shape
    if isinstance(features, InkFeatures | PictureFeatures):
        return features.shape
    if isinstance(features, NumberFeatures):
        return 1, max(1, len(features.columns)), 1
    if isinstance(features, SoundFeatures | WindowFeatures) and recipe.window is not None:
        return 1, features.n_bins, frames_of(features, recipe.window.length_s)
    raise TypeError(f"{features.kind} features have no shape")


def _layers(network: Network) -> list[Layer]:
    """Return the innermost modules with the shapes that an example has after each."""
    layers: list[Layer] = []

    def remembering(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def remember(module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            if isinstance(tensor, torch.Tensor):
                n_parameters = sum(parameter.numel() for parameter in module.parameters())
                layers.append(Layer(name, type(module).__name__, tuple(tensor.shape[1:]), n_parameters))

        return remember

    hooks = [
        module.register_forward_hook(remembering(name))
        for name, module in network.named_modules()
        if name and not list(module.children())
    ]
    network.eval()
    with torch.no_grad():
        network(torch.zeros(_N_PROBED, *network.input_shape, device=next(network.parameters()).device))
    for hook in hooks:
        hook.remove()
    return layers

"""Checkpoints as safetensors: tensors by name, everything else as JSON in the header. Nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from earmark.errors import ModelError
from earmark.files import atomic_path

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after an epoch: everything that a run needs to resume.

    Attributes
    ----------
    parts
        State dicts by the name of what they belong to; ``"optimizer"`` is keyed ``"index/name"``.
    facts
        JSON: the log, the schedule, the optimiser's parameter groups.
    """

    parts: dict[str, Tensors]
    facts: dict[str, Any]

    @classmethod
    def of(cls, parts: Mapping[str, Tensors], optimizer_state: Mapping[str, Any], facts: Mapping[str, Any]) -> Self:
        """Flatten an optimiser's state beside the other parts."""
        moments = {
            f"{index}/{name}": value
            for index, values in optimizer_state["state"].items()
            for name, value in values.items()
        }
        return cls({**parts, "optimizer": moments}, {**facts, "param_groups": optimizer_state["param_groups"]})

    def optimizer_state(self) -> dict[str, Any]:
        """Return what ``optimizer.load_state_dict`` wants."""
        state: dict[int, Tensors] = {}
        for key, value in self.parts["optimizer"].items():
            index, _, name = key.partition("/")
            state.setdefault(int(index), {})[name] = value
        return {"state": state, "param_groups": self.facts["param_groups"]}


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically."""
    tensors = {f"{part}:{name}": value for part, state in checkpoint.parts.items() for name, value in state.items()}
    _save(path, tensors, {"facts": json.dumps(checkpoint.facts)})


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; raise `ModelError` when it is not one."""
    tensors, metadata = _load(path)
    parts: dict[str, Tensors] = {}
    for key, value in tensors.items():
        part, _, name = key.partition(":")
        parts.setdefault(part, {})[name] = value
    return Checkpoint({"optimizer": {}, **parts}, json.loads(metadata["facts"]))


def save_weights(path: Path, module: nn.Module) -> None:
    """Write a module's state dict atomically."""
    _save(path, module.state_dict(), {})


def load_weights(path: Path, module: nn.Module) -> None:
    """Read a state dict into a module; raise `ModelError` when it does not fit."""
    tensors, _ = _load(path)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{path}: these weights are of another network; give the run of this recipe") from error


def _save(path: Path, tensors: Tensors, metadata: dict[str, str]) -> None:
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary, metadata)


def _load(path: Path) -> tuple[Tensors, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, stream.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: not a checkpoint ({error}); delete it to start again") from error

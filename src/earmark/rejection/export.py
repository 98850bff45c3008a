"""ONNX export of the out-of-distribution detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from earmark.rejection.detector import Detector
from earmark.training.export import export_module

if TYPE_CHECKING:
    import onnx


class _Familiarity(torch.nn.Module):
    """The gate, answering with a probability."""

    def __init__(self, gate: Detector) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, features: torch.Tensor, logits: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        familiarity: torch.Tensor = self.gate(features, logits, embedding).sigmoid()
        return familiarity


def export_detector(gate: Detector, example: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> onnx.ModelProto:
    """Return a gate as ONNX: ``features``, ``logits`` and ``embedding`` in, ``familiarity`` out.

    Parameters
    ----------
    gate
        Taught; it is moved to the CPU and put into evaluation mode.
    example
        What it takes, for two inputs; the width of the features is left open.
    """
    batch = torch.export.Dim("batch")
    # A raster has one width, but a gate that takes any of them is not worse for it.
    dynamic: tuple[dict[int, Any], ...] = ({0: batch, 3: torch.export.Dim.DYNAMIC}, {0: batch}, {0: batch})
    module = _Familiarity(gate).eval().cpu()
    return export_module(module, example, names=(["features", "logits", "embedding"], ["familiarity"]), dynamic=dynamic)

"""ONNX export of the out-of-distribution detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from earmark.rejection.detector import Detector, LogisticDetector
from earmark.training.export import export_module

if TYPE_CHECKING:
    import onnx


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

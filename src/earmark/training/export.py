"""From a trained network to the one file, and the proof that both say the same."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch

from earmark.features import Features, SoundFeatures
from earmark.models import Network

if TYPE_CHECKING:
    import onnx

EXPORT_OPSET = 20


class _LogitsAndEmbedding(torch.nn.Module):
    """What the file answers with: the logits, and the embedding that they were computed from."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.network.embed(self.network.normalize(features))
        return self.network.head(embedding), embedding


def export_network(network: Network, features: Features) -> onnx.ModelProto:
    """Return the network as ONNX: ``features`` in, ``logits`` and ``embedding`` out.

    Parameters
    ----------
    network
        Trained; it is moved to the CPU and put into evaluation mode.
    features
        Sound features leave the length open; a raster's sides are fixed.
    """
    module = _LogitsAndEmbedding(network).eval().cpu()
    # Two examples, because an example batch of one would be taken for a constant.
    example = torch.zeros(2, *network.input_shape)
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch")}
    if isinstance(features, SoundFeatures):
        dynamic[3] = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        # The exporter warns about its own internals; a contract test compares the outputs.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module,
            (example,),
            input_names=["features"],
            output_names=["logits", "embedding"],
            dynamic_shapes=(dynamic,),
            opset_version=EXPORT_OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    return program.model_proto

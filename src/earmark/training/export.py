"""ONNX export of networks: features in, logits and embedding out; causal networks also take and give their state."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from earmark.errors import ModelError
from earmark.features import Features, SoundFeatures
from earmark.models import Crnn, CrnnState, Network, Transcription
from earmark.models.onnx_body import inline_bodies
from earmark.models.transcription import VELOCITY_RANGE_DB
from earmark.recognizer.file import NEXT
from earmark.recognizer.frame_outputs import FRAME_OUTPUTS

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

EXPORT_OPSET = 20
MOST_BYTES = 2**31 - 2**27
"""Of weights in one file: an ONNX file holds less than 2 GiB, and the front end needs some of it."""
FEWEST_HALVED = 10_000
"""Numbers of a tensor below which half of its bytes are not worth a node."""


class _LogitsAndEmbedding(torch.nn.Module):
    """A network whose outputs are the logits and the embedding that they were computed from."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.network.embed(self.network.normalize(features))
        return self.network.head(embedding), embedding


class _Transcribed(torch.nn.Module):
    """A network of keys with all its outputs, frame by frame; velocities are made independent of the loudest bin."""

    def __init__(self, network: Transcription) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        frames, onsets, relative = self.network.maps(self.network.normalize(features))
        embedding = self.network.pool(frames, onsets)
        velocities = (relative + features.amax((1, 2, 3))[:, None, None] / VELOCITY_RANGE_DB).clamp(0, 1)
        return (self.network.head(embedding), embedding, *(x.transpose(1, 2) for x in (frames, onsets, velocities)))


def export_network(network: Network, features: Features) -> onnx.ModelProto:
    """Return the network as ONNX: ``features`` in, ``logits`` and ``embedding`` out, and those of `FRAME_OUTPUTS`.

    Parameters
    ----------
    network
        Trained; it is moved to the CPU and put into evaluation mode.
    features
        Sound features leave the length open, but for a table's one column; a raster's sides are fixed.
    """
    if isinstance(network, Crnn) and isinstance(features, SoundFeatures):
        return export_recurrent(network)
    is_transcription = isinstance(network, Transcription)
    module = (
        (_Transcribed(network) if isinstance(network, Transcription) else _LogitsAndEmbedding(network)).eval().cpu()
    )
    # Two examples, because an example batch of one would be taken for a constant.
    example = torch.zeros(2, *network.input_shape)
    dynamic: dict[int, Any] = {0: torch.export.Dim("batch")}
    if features.domain == "sound" and network.input_shape[2] > 1:
        dynamic[3] = torch.export.Dim.DYNAMIC
    outputs = ["logits", "embedding", *(FRAME_OUTPUTS if is_transcription else ())]
    return export_module(module, (example,), names=(["features"], outputs), dynamic=(dynamic,))


class _Recurrent(torch.nn.Module):
    """A causal network with its state as plain tensors of one stream, because a graph has no tuples."""

    def __init__(self, network: Crnn) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        *contexts, hidden, total, n_frames = state
        batch = features.shape[0]
        spread = tuple(context.repeat(batch, 1, 1, 1) for context in contexts)
        before = CrnnState(spread, hidden.repeat(1, batch, 1), total.repeat(batch, 1), n_frames)
        logits, after = self.network.advance(features, before)
        return (logits, after.total / after.n_frames, *after.contexts, after.hidden, after.total, after.n_frames)


def export_recurrent(network: Crnn) -> onnx.ModelProto:
    """Return a causal network as ONNX with its state as further inputs and outputs.

    Parameters
    ----------
    network
        Trained; it is moved to the CPU and put into evaluation mode.

    Returns
    -------
    As `export_network`, and the state as further inputs, of one stream and all zero at first: ``context_0`` …,
    ``hidden``, ``total``, ``n_frames``. The further outputs are the state after the frames given, named
    ``next_context_0`` … in the same order. With zeros, any batch is answered as `export_network` does.
    """
    module = _Recurrent(network).eval().cpu()
    # Two examples, because an example batch of one would be taken for a constant.
    features = torch.zeros(2, *network.input_shape)
    start = network.start(1, like=features)
    example = (features, *start.contexts, start.hidden, start.total, start.n_frames)
    state = [*(f"context_{i}" for i in range(len(start.contexts))), "hidden", "total", "n_frames"]
    names = ["features", *state], ["logits", "embedding", *(f"{NEXT}{name}" for name in state)]
    still: tuple[dict[int, Any], ...] = ({},) * len(state)
    dynamic = {0: torch.export.Dim("batch"), 3: torch.export.Dim.DYNAMIC}
    return export_module(module, example, names=names, dynamic=(dynamic, still))


def export_module(
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    *,
    names: tuple[list[str], list[str]],
    dynamic: tuple[Any, ...],
) -> onnx.ModelProto:
    """Return a module as ONNX; `names` are those of the inputs and of the outputs.

    Raises
    ------
    ModelError
        When this version of torch cannot export it.
    """
    with warnings.catch_warnings():
        # The exporter warns about its own internals; tests compare the outputs.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                module,
                example,
                input_names=names[0],
                output_names=names[1],
                dynamic_shapes=dynamic,
                opset_version=EXPORT_OPSET,
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise ModelError(
                f"torch {torch.__version__} cannot export this network to ONNX; install a newer torch and give the same"
                " command again: what was trained is kept"
            ) from error
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    weights = [value.const_value for value in program.model.graph.initializers.values()]
    n_bytes = sum(tensor.nbytes for tensor in weights if tensor is not None)
    halve(program.model, only_exact=n_bytes <= MOST_BYTES)
    return inline_bodies(program.model_proto)


def halve(model: ir.Model, *, only_exact: bool) -> None:
    """Keep the weights of dense layers and convolutions as 16-bit floats, which the graph widens again, in place.

    Parameters
    ----------
    only_exact
        Only those that nothing is lost of, such as pretrained weights that came as 16-bit floats.
    """
    import onnx_ir as ir

    graph = model.graph
    for name, wide in list(graph.initializers.items()):
        tensor = wide.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) < 2:
            continue
        values = tensor.numpy()
        with np.errstate(over="ignore"):
            rounded = values.astype(np.float16)
        if only_exact and (values.size < FEWEST_HALVED or not np.array_equal(rounded, values)):
            continue
        stored = ir.tensor(rounded, name=f"{name}/half")
        half = ir.Value(name=stored.name, shape=wide.shape, type=ir.TensorType(stored.dtype), const_value=stored)
        widen = ir.node("Cast", [half], attributes={"to": ir.DataType.FLOAT})
        graph.insert_before(graph[0], widen)
        wide.replace_all_uses_with(widen.outputs[0])
        del graph.initializers[name]
        graph.initializers.add(half)

"""A network that somebody exported as ONNX, as a frozen backbone: run by ONNX Runtime, and copied into the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from earmark.errors import ConfigError, ModelError
from earmark.files import sha256_bytes
from earmark.recognizer.file import session_errors

if TYPE_CHECKING:
    import onnx
    from onnxruntime import InferenceSession

DOMAIN = "earmark.backbone"
"""Of the node that stands for a whole graph until `inline_bodies` puts it there."""
OPSET = 20
USUAL_SIDE = 224
"""Of the picture by which the length of an embedding is found where a graph takes any."""
_PREFIX = "backbone/"
_LOADED: dict[str, tuple[bytes, InferenceSession, int]] = {}
"""By checksum: the graph, its session, and the length of its embedding."""


class OnnxBody(nn.Module):
    """A frozen graph from pictures to an embedding, with no weights that could learn.

    Parameters
    ----------
    source
        Path of the file; ``"file.onnx::name"`` takes the tensor of that name as the embedding. Else it is the output
        ``embedding``, or the only one. Maps are averaged over height and width.
    mean, std
        What is subtracted from pictures, and what they are then divided by; one number, or one a channel.

    Raises
    ------
    ModelError
        When the file is missing, not ONNX, or not a graph from one batch of pictures to one of embeddings.
    """

    mean: torch.Tensor
    std: torch.Tensor
    checksum: torch.Tensor

    def __init__(self, source: str, *, mean: tuple[float, ...] = (0.0,), std: tuple[float, ...] = (1.0,)) -> None:
        super().__init__()
        self.source = source
        model = _embedding_graph(source)
        dimensions = model.graph.input[0].type.tensor_type.shape.dim
        self.n_channels, *sides = (int(d.dim_value) for d in dimensions[1:])
        self.size = (sides[0], sides[1])
        if {len(mean), len(std)} - {1, self.n_channels}:
            raise ConfigError(
                f"{source}: model.mean and model.std hold {len(mean)} and {len(std)} numbers; give one, or one for "
                f"each of its {self.n_channels} channel(s)"
            )
        data = model.SerializeToString()
        self.key = sha256_bytes(data)
        self.n_embedding = _load(self.key, data, source=source)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))
        # In place of the weights, so that whatever depends on them can tell two graphs apart.
        self.register_buffer("checksum", torch.frombuffer(bytearray.fromhex(self.key), dtype=torch.uint8))

    def check_input(self, input_shape: tuple[int, int, int]) -> None:
        """Raise `ConfigError` when the graph cannot take pictures of that ``(channel, height, width)``."""
        n_channels, *sides = input_shape
        if n_channels not in (1, self.n_channels):
            raise ConfigError(
                f"{self.source}: takes {self.n_channels} channel(s), and these pictures have {n_channels}"
            )
        if any(needed not in (0, given) for needed, given in zip(self.size, sides, strict=True)):
            needed = [fixed or given for fixed, given in zip(self.size, sides, strict=True)]
            raise ConfigError(
                f"{self.source}: takes pictures of {needed[0]} × {needed[1]} only, and these are {sides[0]} × "
                f"{sides[1]}; set model.size = {needed}"
            )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding)`` of pictures ``(batch, channel, height, width)``."""
        if pictures.shape[1] == 1 and self.n_channels > 1:
            pictures = pictures.expand(-1, self.n_channels, -1, -1)
        scaled = (pictures - self.mean) / self.std
        if torch.onnx.is_in_onnx_export():
            shape = (scaled.shape[0], self.n_embedding)
            return torch.onnx.ops.symbolic(
                f"{DOMAIN}::Run", (scaled,), {"key": self.key}, dtype=torch.float32, shape=shape, version=1
            )
        session = _LOADED[self.key][1]
        fed = {session.get_inputs()[0].name: scaled.detach().cpu().contiguous().numpy()}
        return torch.from_numpy(session.run(None, fed)[0]).to(pictures.device)

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return no stages: nothing in there can learn."""
        return ()


def inline_bodies(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put the graphs of all `OnnxBody` where their export left a node for each, in place, and return the model."""
    import onnx
    from onnx import compose

    nodes = list(model.graph.node)
    for at, node in enumerate(nodes):
        if node.domain != DOMAIN:
            continue
        body = onnx.load_from_string(_LOADED[node.attribute[0].s.decode()][0]).graph
        del body.value_info[:]  # it may name the input, which is to be called otherwise
        names = {body.input[0].name: node.input[0], body.output[0].name: node.output[0]}
        prefix = f"{_PREFIX}{at}/"
        placed = compose.add_prefix_graph(body, prefix, rename_inputs=False, rename_outputs=False, name_map=names)
        model.graph.initializer.extend(placed.initializer)
        del model.graph.node[:]
        model.graph.node.extend([*nodes[:at], *placed.node, *nodes[at + 1 :]])
        return inline_bodies(model)
    kept = [entry for entry in model.opset_import if entry.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def _load(key: str, data: bytes, *, source: str) -> int:
    """Start a session for a graph, unless there is one; return the length of its embedding."""
    import numpy as np
    import onnxruntime

    if key not in _LOADED:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            given = session.get_inputs()[0]
            sides = [side if isinstance(side, int) else USUAL_SIDE for side in given.shape[2:]]
            found = session.run(None, {given.name: np.zeros((2, given.shape[1], *sides), np.float32)})[0]
        except session_errors() as error:
            raise ModelError(f"{source}: cannot be run by ONNX Runtime ({error}); export it again") from error
        _LOADED[key] = data, session, int(found.shape[1])
    return _LOADED[key][2]


def _embedding_graph(source: str) -> onnx.ModelProto:
    """Return the part of a file from its pictures to its embedding ``(batch, n_embedding)``, at our opset."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import version_converter

    path, _, name = source.partition("::")
    if not Path(path).is_file():
        raise ModelError(f"{path}: no such ONNX file; give the path of a backbone, or the name of a known one")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, OSError) as error:
        raise ModelError(f"{path}: is not a whole ONNX file ({type(error).__name__}); export it again") from error
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset > OPSET:
        raise ModelError(f"{path}: was exported for ONNX opset {opset}; export it with opset_version={OPSET} or lower")
    if opset < OPSET:
        model = version_converter.convert_version(model, OPSET)
    pictures = _picture_input(model, path)
    extracted = onnx.utils.Extractor(model).extract_model([pictures], [name or _only_output(model, path)])
    _pool(extracted.graph, path)
    return extracted


def _picture_input(model: onnx.ModelProto, path: str) -> str:
    """Return the name of the one input, once it is known to be pictures of any number."""
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    dimensions = list(inputs[0].type.tensor_type.shape.dim) if len(inputs) == 1 else []
    if len(dimensions) != 4 or not dimensions[1].dim_value or inputs[0].type.tensor_type.elem_type != 1:
        raise ModelError(
            f"{path}: its inputs are {', '.join(item.name for item in inputs)}; a backbone has one, float32 pictures "
            "(batch, channel, height, width) with a fixed number of channels; export it so"
        )
    if dimensions[0].dim_value:
        raise ModelError(f"{path}: was exported for one batch size; export it with a dynamic batch axis")
    return str(inputs[0].name)


def _only_output(model: onnx.ModelProto, path: str) -> str:
    names = [item.name for item in model.graph.output]
    if "embedding" in names or len(names) == 1:
        return "embedding" if "embedding" in names else names[0]
    raise ModelError(f"{path}: has the outputs {', '.join(names)}; say which is the embedding: {path}::{names[0]}")


def _pool(graph: onnx.GraphProto, path: str) -> None:
    """Average maps over height and width, in place."""
    from onnx import TensorProto, helper, numpy_helper

    output = graph.output[0]
    rank = len(output.type.tensor_type.shape.dim)
    if rank == 2:
        return
    if rank != 4:
        raise ModelError(
            f"{path}: {output.name} has {rank} axes; an embedding has two (batch, n_embedding), or four that are "
            f"averaged over height and width; choose another tensor by {path}::NAME"
        )
    import numpy as np

    pooled = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", None])
    graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), "pooled_axes"))
    graph.node.append(helper.make_node("ReduceMean", [output.name, "pooled_axes"], ["pooled"], keepdims=0))
    del graph.output[:]
    graph.output.append(pooled)

"""Assemble the recognizer file: front end, network, out-of-distribution detector and card in one ONNX graph.

A sound recognizer has two inputs, ``samples`` (batch, time) and ``features`` (batch, channel, freq, time). The second
has an empty initializer of the same name, which makes it optional: whoever knows nothing about it feeds samples
alone, in any ONNX runtime. Whoever has spectrograms already feeds them as ``features`` and an empty ``(0, 0)`` array
as ``samples``. An ``If`` on the size of ``features`` picks the branch, so the front end is not computed in vain.
``samples`` has no such initializer on purpose: runtimes do not list inputs that have one, so the recognizer would
seem to have no input at all (and could not be fed from ONNX Runtime Web). The state of a network that follows streams
is optional in the same way, zero at first; what it is after the frames given is an output named ``next_`` and so on.
Measured with ONNX Runtime 1.31: no difference in time to the same graph without the ``If``, and bit-identical logits
from both inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.errors import ModelError
from earmark.features import SoundFeatures
from earmark.features.graph import OPSET, Graph
from earmark.recognizer.card import FAMILIARITY, FEATURES_OUT, FEATURES_OUT_1, FORMAT_VERSION, METADATA_KEY, Card
from earmark.recognizer.file import NEXT
from earmark.recognizer.frame_outputs import FRAME_OUTPUTS

if TYPE_CHECKING:
    import onnx

_OUTPUTS = ("logits", "embedding")
_DETECTOR = "gate/"  # prefix of its nodes, as in files of format 1
_DETECTOR_INPUTS = ("features", "logits", "embedding")


def assemble(network: onnx.ModelProto, card: Card) -> onnx.ModelProto:
    """Return the recognizer made of `network` and what its `card` says.

    Parameters
    ----------
    network
        Input ``features`` (batch, channel, freq|height, time|width), batch and usually time dynamic; outputs ``logits``
        (batch, n_labels) and ``embedding`` (batch, n_embedding); where the card has frames also `FRAME_OUTPUTS`. A
        network of sounds that remembers has the state as further inputs of fixed shape, and for each an output
        ``next_`` and its name. It is not changed.
    card
        Goes into the file as JSON; its features give the front end of a sound recognizer.

    Returns
    -------
    onnx.ModelProto
        The same bytes for the same arguments.

    Raises
    ------
    ModelError
        When the network's inputs, outputs or number of labels do not fit.
    """
    from onnx import checker

    model = _prepared(network)
    _check_fit(model, card)
    if isinstance(card.features, SoundFeatures):
        model.graph.CopyFrom(_with_front_end(model.graph, card.features))
    set_card(model, card)
    checker.check_model(model, full_check=True)
    return model


def add_detector(model: onnx.ModelProto, detector: onnx.ModelProto, card: Card) -> onnx.ModelProto:
    """Return a recognizer with an out-of-distribution detector; nothing else that it computes changes.

    Parameters
    ----------
    model
        A recognizer of any format; a detector that it already has is replaced. It is not changed.
    detector
        Inputs ``features`` (what the network is given: of a sound the spectrogram), ``logits`` and ``embedding``;
        output ``familiarity`` (batch,), the probability that the input is in-distribution.
    card
        The new card.

    Raises
    ------
    ModelError
        When the detector's inputs or outputs do not fit.
    """
    from onnx import checker, compose

    merged = _without_detector(model)
    added = _prepared(detector)
    inputs, outputs = ([item.name for item in values] for values in (added.graph.input, added.graph.output))
    if inputs != list(_DETECTOR_INPUTS) or outputs != [FAMILIARITY]:
        raise ModelError(
            f"the detector has inputs {inputs} and outputs {outputs}; a recognizer needs the inputs"
            f" {list(_DETECTOR_INPUTS)} and the output {FAMILIARITY!r}; name them so at export"
        )
    set_card(merged, card)
    given = FEATURES_OUT if isinstance(card.features, SoundFeatures) else "features"
    body = compose.add_prefix_graph(
        added.graph, _DETECTOR, rename_inputs=False, rename_outputs=False, name_map={"features": given}
    )
    merged.graph.node.extend(body.node)
    merged.graph.initializer.extend(body.initializer)
    merged.graph.value_info.extend(body.value_info)
    merged.graph.output.extend(body.output)
    checker.check_model(merged, full_check=True)
    return merged


def find_head(model: onnx.ModelProto) -> tuple[onnx.TensorProto, onnx.TensorProto]:
    """Return weights ``(n_labels, n_embedding)`` and biases of the dense layer between embedding and logits.

    They are tensors of the graph: who changes them changes the recognizer.

    Raises
    ------
    ModelError
        When the logits come from anything else.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if "logits" in node.output:
            names = list(node.input)
            is_dense = node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute)
            if is_dense and names[0] == "embedding" and set(names[1:]) <= set(tensors) and len(names) == 3:
                return tensors[names[1]], tensors[names[2]]
    raise ModelError("the last layer of this recognizer is no dense layer on its embedding; adapt another file")


def set_card(model: onnx.ModelProto, card: Card) -> None:
    """Replace the card of a recognizer; a file of format 1 becomes one of format 2."""
    from onnx import helper

    _rename(model.graph, FEATURES_OUT_1, FEATURES_OUT)
    current = card.model_copy(update={"format_version": FORMAT_VERSION})
    helper.set_model_props(model, {METADATA_KEY: current.model_dump_json()})


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename a value of a graph, where it is computed and where it is used."""
    for value in (*graph.output, *graph.value_info):
        value.name = new if value.name == old else value.name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


def _without_detector(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a recognizer as it was before `add_detector`."""
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for values in (bare.graph.node, bare.graph.initializer, bare.graph.value_info, bare.graph.output):
        kept = [item for item in values if not item.name.startswith(_DETECTOR) and item.name != FAMILIARITY]
        del values[:]
        values.extend(kept)
    return bare


def _prepared(network: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with one opset, no local functions, and no traces of the machine that exported it."""
    import onnx
    from onnx import inliner, version_converter

    model = onnx.ModelProto()
    model.CopyFrom(network)
    if model.functions:
        model = inliner.inline_local_functions(model)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("", OPSET) < OPSET:
        model = version_converter.convert_version(model, OPSET)
        model.producer_name, model.producer_version = network.producer_name, network.producer_version
    elif opsets.get("", OPSET) > OPSET:
        raise ModelError(
            f"the network was exported for ONNX opset {opsets['']}; the front end is written for {OPSET};"
            f" export with opset_version={OPSET}"
        )
    _forget_traces(model.graph)
    del model.metadata_props[:]
    return model


def _forget_traces(graph: onnx.GraphProto) -> None:
    """Drop stack traces and remarks: they name source files of the exporting machine, and weigh more than the graph."""
    for item in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.metadata_props[:]
    graph.doc_string = ""
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    _forget_traces(inner)


def _check_fit(model: onnx.ModelProto, card: Card) -> None:
    inputs = [item.name for item in model.graph.input]
    outputs = {item.name: _shape(item) for item in model.graph.output}
    state = inputs[1:]
    promised = (*_OUTPUTS, *(FRAME_OUTPUTS if card.frames else ()))
    if inputs[:1] != ["features"] or not {*promised, *(f"{NEXT}{name}" for name in state)} <= set(outputs):
        raise ModelError(
            f"the network has inputs {inputs} and outputs {sorted(outputs)}; a recognizer needs the input 'features'"
            f" and the outputs {', '.join(map(repr, promised[:-1]))} and {promised[-1]!r}; name them so at export"
        )
    n_logits = outputs["logits"][-1]
    if isinstance(n_logits, int) and n_logits != len(card.labels):
        raise ModelError(
            f"the network gives {n_logits} logits and the card names {len(card.labels)} labels; they must be as many"
        )
    if isinstance(_shape(model.graph.input[0])[0], int):
        raise ModelError("the network was exported for one batch size; export it with a dynamic batch axis")


def _with_front_end(network: onnx.GraphProto, features: SoundFeatures) -> onnx.GraphProto:
    """Return a graph from ``samples`` or ``features`` to ``features_out`` and on through `network`."""
    from onnx import TensorProto, compose, helper, numpy_helper

    body = compose.add_prefix_graph(
        network, "network/", rename_inputs=False, rename_outputs=False, name_map={"features": FEATURES_OUT}
    )
    front = Graph()
    computed = front.add("Identity", features.add_nodes(front, "samples"))
    given = helper.make_graph(
        [helper.make_node("Identity", ["features"], ["given"], name="given")], "given", [], [_any_float("given")]
    )
    made = helper.make_graph(front.nodes, "front_end", [], [_any_float(computed)])
    choice = Graph("choice")
    is_given = choice.add("Greater", choice.add("Size", "features"), choice.constant(np.int64(0)))
    branch = helper.make_node("If", [is_given], [FEATURES_OUT], name="choice/If", then_branch=given, else_branch=made)
    features_in, *state = network.input
    shape = _shape(features_in)
    optional = np.zeros([size if isinstance(size, int) else 0 for size in shape], np.float32)
    out_shape = ["n_features_out", *shape[1:3], shape[3] if isinstance(shape[3], int) else "n_frames"]
    return helper.make_graph(
        [*choice.nodes, branch, *body.node],
        "recognizer",
        [
            helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["n_sounds", "n_samples"]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n_features", *shape[1:]]),
            *state,
        ],
        [*body.output, helper.make_tensor_value_info(FEATURES_OUT, TensorProto.FLOAT, out_shape)],
        [
            numpy_helper.from_array(optional, "features"),
            *(
                numpy_helper.from_array(np.zeros([int(size) for size in _shape(item)], np.float32), item.name)
                for item in state
            ),
            *choice.constants,
            *front.constants,
            *body.initializer,
        ],
        value_info=body.value_info,
    )


def _any_float(name: str) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def _shape(value: Any) -> list[int | str]:
    """Return the axes of a value: numbers where fixed, names where dynamic."""
    return [
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "dynamic"
        for axis in value.type.tensor_type.shape.dim
    ]

"""Recognizers small enough to be made in a test: the mean of every row of the picture, then one linear layer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from earmark.features import FEATURES, Features, InkFeatures, Window
from earmark.recognizer import Card, DataSummary, Recognizer, add_detector, assemble
from earmark.units import LOWEST_KEY_MIDI, N_PIANO_KEYS, note_name

KEY_NAMES = tuple(note_name(LOWEST_KEY_MIDI + key) for key in range(N_PIANO_KEYS))

WINDOW = Window(length_s=1.0, hop_s=0.5, min_s=0.25)
DATA = DataSummary(name="made up", fingerprint="0", n_examples=3, n_groups=3, source="a test", licence="CC0")
LABELS = ("A4", "C4", "E4")


def tiny_network(features: Features, *, n_labels: int = 3, opset: int = 18) -> onnx.ModelProto:
    """Return a network with fixed random weights, as an exporter would give it."""
    if isinstance(features, InkFeatures):
        shape: list[int | str] = ["batch", *features.shape]
    else:
        shape = ["batch", 1, features.n_bins, "time"]
    weights = np.random.default_rng(7).normal(size=(shape[2], n_labels)).astype(np.float32) / 10
    nodes = [
        helper.make_node("ReduceMean", ["features", "axes"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", n_labels]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", shape[2]]),
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1, 3], np.int64), "axes"),
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10, producer_name="tiny", producer_version="1"
    )


def tiny_card(kind: str = "log-mel", **changes: object) -> Card:
    """Return a card for features of `kind` with their defaults."""
    features = FEATURES[kind]()
    values = {
        "name": "tiny",
        "task": "note",
        "labels": LABELS,
        "features": features,
        "window": None if isinstance(features, InkFeatures) else WINDOW,
        "data": DATA,
    }
    return Card(**{**values, **changes})


def save_tiny(path: Path, card: Card | None = None) -> Path:
    """Write the recognizer of `card` and return its path."""
    card = card or tiny_card()
    model = assemble(tiny_network(card.features, n_labels=len(card.labels)), card)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def tiny_recognizer(folder: Path, card: Card | None = None) -> Recognizer:
    """Return the recognizer of `card`, by way of a file."""
    return Recognizer.load(save_tiny(folder / "tiny.onnx", card))


def tone(*, seconds: float = 1.0, rate_hz: int = 22050, hz: float = 440.0) -> np.ndarray:
    """Return a quiet sine, float32 ``(time,)``."""
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def tiny_detector(*, slope: float, offset: float) -> onnx.ModelProto:
    """Return a gate whose log odds are `slope` times the mean of the features, plus `offset`."""
    axes = [["batch", "channel", "freq", "time"], ["batch", "n_labels"], ["batch", "n_embedding"]]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("features", "logits", "embedding"), axes, strict=True)
    ]
    nodes = [
        helper.make_node("ReduceMean", ["features", "axes"], ["mean"], keepdims=0, name="mean"),
        helper.make_node("Mul", ["mean", "slope"], ["scaled"], name="scaled"),
        helper.make_node("Add", ["scaled", "offset"], ["odds"], name="odds"),
        helper.make_node("Sigmoid", ["odds"], ["familiarity"], name="familiarity"),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes"),
        numpy_helper.from_array(np.float32(slope), "slope"),
        numpy_helper.from_array(np.float32(offset), "offset"),
    ]
    outputs = [helper.make_tensor_value_info("familiarity", TensorProto.FLOAT, ["batch"])]
    graph = helper.make_graph(nodes, "gate", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def save_guarded(path: Path, card: Card, *, slope: float = 0.0, offset: float = 0.0) -> Path:
    """Write the recognizer of `card`, which has a `Rejection`, with a `tiny_detector`; return its path."""
    model = assemble(tiny_network(card.features, n_labels=len(card.labels)), card)
    guarded = add_detector(model, tiny_detector(slope=slope, offset=offset), card)
    path.write_bytes(guarded.SerializeToString(deterministic=True))
    return path


def as_format_1(path: Path, out: Path) -> Path:
    """Write a recognizer file of format 2 as one of format 1; return its path."""
    model = onnx.load(path)
    for names in (*(node.input for node in model.graph.node), *(node.output for node in model.graph.node)):
        names[:] = ["picture" if name == "features_out" else name for name in names]
    for output in model.graph.output:
        output.name = "picture" if output.name == "features_out" else output.name
    card = json.loads(model.metadata_props[0].value)
    card["format_version"] = 1
    for name in ("content_hashes", "track_hashes", "group_hashes"):
        del card["data"][name]
    if card["rejection"]:
        scores = [{"declined": score.pop("rejected"), **score} for score in card["rejection"].pop("ood_scores")]
        kinds, rate = card["rejection"].pop("ood_kinds"), card["rejection"].pop("false_rejection_rate")
        card["rejection"] |= {"foreign": kinds, "declines": rate, "measured": scores}
    helper.set_model_props(model, {"earmark": json.dumps(card)})
    onnx.save(model, out)
    return out

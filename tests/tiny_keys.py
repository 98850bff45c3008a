"""A recognizer of piano keys with frame outputs, made in a test: it sees a key where its fundamental is loud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from earmark.features import ConstantQ, Window
from earmark.recognizer import Card, Recognizer, assemble
from earmark.recognizer.frame_outputs import FrameOutputs
from earmark.units import midi_to_hz, note_name
from tiny import tiny_card

RATE_HZ = 16000
HOP = 512
KEYS = tuple(note_name(midi) for midi in range(60, 85))  # two octaves whose kernels last 0.13 s at most
FEATURES = ConstantQ(
    sample_rate_hz=RATE_HZ, hop_samples=HOP, f_min_hz=midi_to_hz(60), n_bins=len(KEYS), filter_scale=2.0
)
MARGIN_S = 0.16
LOUD_DB = -45.0


def keys_card(**changes: object) -> Card:
    """Return the card of a recognizer of two octaves with frames."""
    values = {
        "name": "tiny-keys",
        "task": "note",
        "target": "multi-label",
        "labels": KEYS,
        "thresholds": (0.5,) * len(KEYS),
        "features": FEATURES,
        "window": Window(length_s=1.024, hop_s=0.512, min_s=0.256),
        "frames": FrameOutputs(hop_s=HOP / RATE_HZ, margin_s=MARGIN_S, onset_threshold=0.6, frame_threshold=0.5),
    }
    return tiny_card(**{**values, **changes})


def keys_network(n_labels: int) -> onnx.ModelProto:
    """Return a network of the contract.

    A key sounds where its bin is louder than `LOUD_DB` and than its neighbours; it is struck where that is new.
    """
    nodes = [
        helper.make_node("Squeeze", ["features", "one"], ["bins"]),  # (batch, freq, time)
        helper.make_node("Transpose", ["bins"], ["levels"], perm=[0, 2, 1]),
        helper.make_node("Sub", ["levels", "loud"], ["above"]),
        helper.make_node("MaxPool", ["levels"], ["loudest"], kernel_shape=[3], pads=[1, 1]),
        helper.make_node("Sub", ["levels", "loudest"], ["lead"]),
        helper.make_node("Mul", ["lead", "steep"], ["lead_scaled"]),
        helper.make_node("Add", ["lead_scaled", "steep"], ["standing_out"]),
        helper.make_node("Min", ["above", "standing_out"], ["frame_logits"]),
        # The level three frames ago, silence before the window.
        helper.make_node("Pad", ["levels", "before", "floor"], ["padded"]),
        helper.make_node("Slice", ["padded", "zero", "minus_three", "one"], ["past"]),
        helper.make_node("Sub", ["levels", "past"], ["rise"]),
        helper.make_node("Sub", ["rise", "least_rise"], ["risen"]),
        helper.make_node("Min", ["risen", "frame_logits"], ["onset_logits"]),
        helper.make_node("Div", ["levels", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "full"], ["velocities"]),
        helper.make_node("Clip", ["frame_logits", "minus_six", "six"], ["clipped"]),
        helper.make_node("ReduceMean", ["clipped", "one"], ["logits"], keepdims=0),
        helper.make_node("ReduceMean", ["levels", "one"], ["embedding"], keepdims=0),
    ]
    constants = {
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "minus_three": np.array([-3], np.int64),
        "before": np.array([0, 3, 0, 0, 0, 0], np.int64),
        "floor": np.float32(-100),
        "loud": np.float32(LOUD_DB),
        "steep": np.float32(20),
        "least_rise": np.float32(12),
        "minus_six": np.float32(-6),
        "six": np.float32(6),
        "scale": np.float32(60),
        "full": np.float32(1),
    }
    shapes = {
        "logits": ["batch", n_labels],
        "embedding": ["batch", n_labels],
        "frame_logits": ["batch", "time", n_labels],
        "onset_logits": ["batch", "time", n_labels],
        "velocities": ["batch", "time", n_labels],
    }
    graph = helper.make_graph(
        nodes,
        "tiny-keys",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 1, n_labels, "time"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def save_keys(path: Path, card: Card | None = None) -> Path:
    """Write the recognizer and return its path."""
    card = card or keys_card()
    path.write_bytes(assemble(keys_network(len(card.labels)), card).SerializeToString(deterministic=True))
    return path


def keys_recognizer(folder: Path, card: Card | None = None) -> Recognizer:
    """Return the recognizer, by way of a file."""
    return Recognizer.load(save_keys(folder / "keys.onnx", card))


def played(*notes: tuple[float, float, int], seconds: float = 3.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Return pure tones, each of ``(start_s, end_s, midi)``, float32 ``(time,)``."""
    samples = np.zeros(round(seconds * rate_hz), np.float32)
    for start_s, end_s, midi in notes:
        first, last = round(start_s * rate_hz), round(end_s * rate_hz)
        time_s = np.arange(last - first) / rate_hz
        fade = np.minimum(1, np.minimum(time_s, time_s[::-1]) / 0.005)
        samples[first:last] += 0.1 * fade * np.sin(2 * np.pi * midi_to_hz(midi) * time_s)
    return samples

"""The front end: the spectrogram nodes of a recognizer file in an ONNX Runtime session, to make training features."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark import extras
from earmark.features.graph import OPSET, Graph
from earmark.types import FloatArray

if TYPE_CHECKING:
    from earmark.features.base import SoundFeatures

FRAMES_AT_ONCE = 2048
"""Frames that are computed together, so that the memory does not grow with the length of a recording."""

_IR_VERSION = 10


def spectrogram(features: SoundFeatures, samples: FloatArray) -> FloatArray:
    """Compute a spectrogram with the front end that recognizers carry.

    Parameters
    ----------
    features
        The kind.
    samples
        Mono float32 ``(time,)`` at its rate.

    Returns
    -------
    ndarray
        float32 ``(channel, freq, time)``.

    Raises
    ------
    MissingExtraError
        When the package that builds ONNX graphs is not installed.
    """
    session = session_of(features)
    samples = np.ascontiguousarray(samples, np.float32)
    n_frames, hop, reach = features.n_frames(len(samples)), features.hop_samples, features.reach_samples
    margin, pieces = -(-reach // hop), []
    for first in range(0, n_frames, FRAMES_AT_ONCE):
        origin, stop = max(0, first - margin), min(n_frames, first + FRAMES_AT_ONCE)
        end = len(samples) if stop == n_frames else (stop - 1) * hop + reach
        (frames,) = session.run(None, {"samples": samples[None, origin * hop : end]})
        pieces.append(frames[0, ..., first - origin : stop - origin])
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=2)


def window_spectrogram(features: SoundFeatures, samples: FloatArray, *, known: FloatArray) -> FloatArray:
    """Compute the spectrogram of a window of a longer sound from the frames of that sound.

    Only the frames at the edges of the window differ from those of the longer sound, because a window sees silence
    outside itself; only these are computed.

    Parameters
    ----------
    samples
        The window, ``(time,)``; it begins where a frame of the longer sound is centred.
    known
        Frames of the longer sound from that one on, ``(channel, freq, time)``; some may be missing at the end.
    """
    if not reuses_frames(features, min(len(samples), (known.shape[2] - 1) * features.hop_samples)):
        return features(samples)
    hop, reach = features.hop_samples, features.reach_samples
    n_edge = -(-reach // hop)
    outer = min((len(samples) - reach) // hop + 1, known.shape[2])
    head = features(samples[: (n_edge - 1) * hop + reach])[..., :n_edge]
    tail = features(samples[(outer - n_edge) * hop :])[..., n_edge:]
    return np.concatenate([head, known[..., n_edge:outer], tail], axis=2)


def reuses_frames(features: SoundFeatures, n_samples: int) -> bool:
    """Tell whether a window of `n_samples` has many frames more than its edges, for which as many are computed."""
    n_inside = (n_samples - features.reach_samples) // features.hop_samples + 1
    return n_inside > 4 * -(-features.reach_samples // features.hop_samples)


@lru_cache(maxsize=16)
def session_of(features: SoundFeatures) -> Any:
    """Return the front end as an ``onnxruntime.InferenceSession`` of one thread; it may be used from several.

    It is cached for this process only, and never part of `features`, which are sent to worker processes.
    """
    import onnxruntime as ort

    extras.require("computing spectrograms outside a recognizer", "train", "onnx")
    from onnx import TensorProto, helper

    graph = Graph()
    output = features.add_nodes(graph, "samples")
    shape: list[str | int] = ["batch", features.n_channels, features.n_bins, "frames"]
    body = helper.make_graph(
        graph.nodes,
        "front_end",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["batch", "time"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        graph.constants,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

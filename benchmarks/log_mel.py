"""Time the log-mel against the same made with torch.stft, on one core, in one run.

    python benchmarks/log_mel.py

Both take 30 s at 22,050 Hz (n_fft 2048, hop 512, 128 bands) from float32 samples to decibels. They take turns, and what
counts is the processor time of the one thread that each uses, so that a busy machine does not change the ratio of the
medians. Exit code 1 when the log-mel is less than twice as fast.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

from earmark.features import LogMel
from earmark.features.graph import OPSET, Graph
from earmark.features.mel import mel_filters
from earmark.types import FloatArray

ROUNDS = 41


def torch_log_mel(features: LogMel) -> Callable[[FloatArray], FloatArray]:
    """Return the quickest way to make it with PyTorch."""
    window = torch.hann_window(features.n_fft)
    half_rate_hz = features.sample_rate_hz / 2
    filters = torch.from_numpy(
        mel_filters(features.sample_rate_hz, features.n_fft, n_mels=features.n_mels, f_min_hz=0, f_max_hz=half_rate_hz)
    )

    @torch.inference_mode()
    def compute(samples: FloatArray) -> FloatArray:
        spectrum = torch.stft(
            torch.from_numpy(samples),
            features.n_fft,
            hop_length=features.hop_samples,
            window=window,
            pad_mode="constant",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()  # twice as fast as abs().square()
        return (10 * (filters @ power).clamp_min(1e-10).log10()).numpy()

    return compute


def onnx_log_mel(features: LogMel) -> Callable[[FloatArray], FloatArray]:
    """Return the twin that recognizers carry."""
    graph = Graph()
    output = features.add_nodes(graph, "samples")
    inputs = [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["batch", "time"])]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 1, features.n_mels, "frames"])]
    body = helper.make_graph(graph.nodes, "log_mel", inputs, outputs, graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda samples: np.asarray(session.run(None, {"samples": samples[None]})[0][0, 0])


def main() -> int:
    """Print medians, their ratio and the agreement."""
    torch.set_num_threads(1)
    features = LogMel()
    ways: dict[str, Callable[[FloatArray], FloatArray]] = {
        "Earmark": lambda samples: features(samples)[0],
        "PyTorch": torch_log_mel(features),
        "ONNX twin": onnx_log_mel(features),
    }
    samples = (0.1 * np.random.default_rng(0).standard_normal(30 * features.sample_rate_hz)).astype(np.float32)
    pictures = {name: way(samples) for name, way in ways.items()}
    times_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.thread_time()
            way(samples)
            times_ms[name].append(1000 * (time.thread_time() - start))
    medians_ms = {name: median(times) for name, times in times_ms.items()}
    for name, picture in pictures.items():
        difference_db = np.abs(picture - pictures["Earmark"]).max()
        print(
            f"{name:10} median {medians_ms[name]:6.2f} ms   fastest {min(times_ms[name]):6.2f} ms   "
            f"differs from Earmark by at most {difference_db:.1e} dB"
        )
    ratio = medians_ms["PyTorch"] / medians_ms["Earmark"]
    of_fastest = min(times_ms["PyTorch"]) / min(times_ms["Earmark"])
    print(f"Earmark is {ratio:.2f} times as fast as PyTorch, by the fastest rounds {of_fastest:.2f} times (target: 2)")
    return 0 if ratio >= 2 else 1


if __name__ == "__main__":
    sys.exit(main())

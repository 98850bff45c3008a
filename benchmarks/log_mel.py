"""Time the log-mel against the same made with torch.stft, on one core, in one run.

    python benchmarks/log_mel.py

Both take 30 s at 22,050 Hz (n_fft 2048, hop 512, 128 bands) from float32 samples to decibels; ours is the graph that
recognizers carry. They take turns, and what counts is the processor time of the one thread that each uses, so that a
busy machine does not change the ratio of the medians. Last comes what a training crop of 3 s costs whose inside is
taken from the recording's spectrogram. Exit code 1 when the log-mel takes more than twice as long as PyTorch's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from earmark.features import LogMel
from earmark.features.front_end import window_spectrogram
from earmark.features.mel import mel_filters
from earmark.types import FloatArray

ROUNDS = 41
CROP_S = 3


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


def main() -> int:
    """Print medians, their ratio and the agreement."""
    torch.set_num_threads(1)
    features = LogMel()
    samples = (0.1 * np.random.default_rng(0).standard_normal(30 * features.sample_rate_hz)).astype(np.float32)
    known, n_crop = features(samples), CROP_S * features.sample_rate_hz
    ways: dict[str, Callable[[FloatArray], FloatArray]] = {
        "Earmark": lambda samples: features(samples)[0],
        "PyTorch": torch_log_mel(features),
        "crop": lambda samples: window_spectrogram(features, samples[:n_crop], known=known)[0],
    }
    pictures = {name: way(samples) for name, way in ways.items()}
    times_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.thread_time()
            way(samples)
            times_ms[name].append(1000 * (time.thread_time() - start))
    medians_ms = {name: median(times) for name, times in times_ms.items()}
    for name in ways:
        print(f"{name:10} median {medians_ms[name]:6.2f} ms   fastest {min(times_ms[name]):6.2f} ms")
    difference_db = np.abs(pictures["PyTorch"] - pictures["Earmark"]).max()
    ratio = medians_ms["Earmark"] / medians_ms["PyTorch"]
    print(
        f"Earmark takes {ratio:.2f} times as long as PyTorch (at most 2), and differs by at most {difference_db:.1e} dB"
    )
    return 0 if ratio <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())

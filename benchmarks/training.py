"""Time training against the plain torchvision way, same network, same pictures, same machine, same run.

    python benchmarks/training.py [--images 192] [--batch 32] [--size 128] [--network resnet18]

The plain way is what tutorials do: spectrograms saved as RGB PNG files, `ImageFolder`, `Resize`, `ToTensor`,
`Normalize`, a `DataLoader`, float32, channels first. Earmark's way is its own loop on its own features: kept in memory
as computed, one channel, channels last, in bfloat16 where the processor has instructions for it and in half precision
on CUDA. Both make the same number of AdamW steps on a timm network of three channels, and take turns. On a CPU what
counts is processor time, so that a busy machine does not change the ratio of the medians; on an accelerator it is wall
time. Exit code 1 when Earmark is less than 1.8 times as fast.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import timm
import torch
from PIL import Image
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from earmark.features import LogMel
from earmark.models import BackboneConfig
from earmark.training import Training
from earmark.training.crops import WindowCrops
from earmark.training.examples import FeatureSet
from earmark.training.learner import best_device, make_learner
from earmark.training.loop import train_epoch
from earmark.types import FloatArray, no_progress

ROUNDS = 3
N_LABELS = 10
TARGET = 1.8


def clock(device: torch.device) -> Callable[[], float]:
    """Return what counts: processor time on a CPU, wall time where the work is elsewhere."""
    return time.process_time if device.type == "cpu" else time.perf_counter


def has_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 faster than float32."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def plain_way(folder: Path, *, name: str, size: int, batch: int) -> Callable[[], None]:
    """Return one epoch as tutorials do it."""
    steps = [
        transforms.Resize((size, size)),
        transforms.ToTensor(),
        transforms.Normalize(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
    ]
    loader = DataLoader(ImageFolder(str(folder), transforms.Compose(steps)), batch_size=batch, shuffle=True)
    device = best_device()
    network = timm.create_model(name, num_classes=N_LABELS).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def epoch() -> None:
        network.train()
        for pictures, labels in loader:
            loss = torch.nn.functional.cross_entropy(network(pictures.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    return epoch


def our_way(arrays: list[FloatArray], *, name: str, size: int, batch: int) -> Callable[[], None]:
    """Return one epoch of Earmark's loop."""
    precision = "bfloat16" if best_device().type == "cpu" and has_bfloat16() else "auto"
    training = Training(batch_size=batch, precision=precision)
    config = BackboneConfig(name=name, channels=3, normalize="peak", size=(size, size))
    network = config.build(n_labels=N_LABELS, input_shape=(1, *arrays[0].shape[1:]))
    targets = np.arange(len(arrays))[:, None] % N_LABELS
    crops = [WindowCrops.one(array, LogMel()) for array in arrays]
    examples = FeatureSet(lambda i, _: crops[i], targets, tuple("g" * len(arrays)), None, LogMel())
    learner = make_learner(network, training=training, augment=[], n_steps=10_000)

    def epoch() -> None:
        row = train_epoch(learner, examples, epoch=0, progress=no_progress)
        print(f"Earmark waits for data {row['waiting_share']:.1%} of the time")

    return epoch


def write_pictures(folder: Path, arrays: list[FloatArray]) -> None:
    """Save spectrograms as tutorials do: one RGB PNG each, in a folder a class."""
    for number, array in enumerate(arrays):
        place = folder / f"{number % N_LABELS}"
        place.mkdir(exist_ok=True)
        grey = np.clip((array[0, ::-1] + 80) / 80 * 255, 0, 255).astype(np.uint8)
        Image.fromarray(grey).convert("RGB").save(place / f"{number}.png")


def main() -> int:
    """Print images a second both ways, and their ratio."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=192)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--size", type=int, default=128)
    options.add_argument("--network", default="resnet18")
    given = options.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    features = LogMel()
    arrays = [features(rng.standard_normal(3 * 22050).astype(np.float32) * 0.1) for _ in range(given.images)]
    device = best_device()
    now = clock(device)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), arrays)
        settings = {"name": given.network, "size": given.size, "batch": given.batch}
        ways = {"plain torchvision": plain_way(Path(folder), **settings), "Earmark": our_way(arrays, **settings)}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(ROUNDS + 1):
            for name, epoch in ways.items():
                started_s = now()
                epoch()
                if turn:  # the first warms up
                    rates[name].append(given.images / (now() - started_s))
    medians = {name: median(values) for name, values in rates.items()}
    for name, rate in medians.items():
        print(f"{name:18} {rate:8.1f} images/s")
    ratio = medians["Earmark"] / medians["plain torchvision"]
    print(f"Earmark is {ratio:.2f} times as fast on {device} with {given.network} at {given.size}² (target: {TARGET})")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())

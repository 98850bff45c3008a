"""Time the training of a head on a frozen backbone against the usual loop, same network, same machine, same run.

    python benchmarks/transfer.py [--images 128] [--epochs 40] [--batch 32]

The usual loop is what tutorials on transfer learning do: spectrograms saved as PNG files, `ImageFolder`, a
`DataLoader`, the backbone without gradients and in evaluation mode, run anew on every picture in every epoch, and an
optimiser on the head. Earmark computes the embedding of every window once, keeps it in its cache, and trains the head
on that, by its loop (``linear``) or at once (``logistic``). The cache is empty at first, so the backbone's one pass is
counted. The backbone is musicnn. What counts is processor time, so that a busy machine does not change the ratio. Exit
code 1 when Earmark's loop is less than 20 times as fast.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from earmark.features import FeatureCache, Window
from earmark.models import PRETRAINED, Transfer, TransferConfig
from earmark.models.pretrained import load_musicnn
from earmark.training import Training
from earmark.training.crops import WindowCrops
from earmark.training.embeddings import embed_examples
from earmark.training.examples import FeatureSet
from earmark.training.fit import learn_scales
from earmark.training.fitted_heads import fitted_row
from earmark.training.learner import make_learner
from earmark.training.loop import fit
from earmark.types import FloatArray

N_LABELS = 10
TARGET = 20.0
HIGHEST = 7.0
"""Of the log-compressed spectrogram, for 8 bits."""


def usual_loop(folder: Path, *, epochs: int, batch: int) -> float:
    """Return the seconds of processor time that tutorials need."""
    steps = transforms.Compose([transforms.Grayscale(), transforms.ToTensor()])
    loader = DataLoader(ImageFolder(str(folder), steps), batch_size=batch, shuffle=True)
    body = load_musicnn()
    head = torch.nn.Linear(body.sizes.n_embedding, N_LABELS)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)
    started_s = time.process_time()
    for _ in range(epochs):
        for pictures, labels in loader:
            with torch.no_grad():
                embedding = body(pictures * HIGHEST)
            loss = torch.nn.functional.cross_entropy(head(embedding), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.process_time() - started_s


def earmark_way(examples: FeatureSet, *, head: str, epochs: int, batch: int) -> float:
    """Return the seconds of processor time that Earmark needs, with an empty cache."""
    started_s = time.process_time()
    model = TransferConfig.model_validate({"head": head})
    network = model.build(n_labels=N_LABELS, input_shape=(1, 96, 188))
    if not isinstance(network, Transfer):
        raise TypeError("a transfer configuration builds a Transfer")
    training = Training(epochs=epochs, batch_size=batch)
    with tempfile.TemporaryDirectory() as folder:
        embedded = embed_examples(examples, network, cache=FeatureCache(folder))
        alone = network.on_embeddings()
        learn_scales(alone, embedded, batch_size=batch)
        if model.is_fitted_at_once:
            fitted_row(alone, embedded, None, model=model, training=training)
        else:
            n_steps = epochs * max(1, round(len(embedded) / batch))
            learner = make_learner(alone, training=training, augment=[], n_steps=n_steps)
            fit(learner, train=embedded, valid=None, folder=Path(folder), on_epoch=lambda _: None)
    return time.process_time() - started_s


def spectrograms(n_images: int) -> list[FloatArray]:
    """Return log-compressed spectrograms of 3 s of noise, of ten colours."""
    features = PRETRAINED["musicnn-msd"].features
    if features is None:
        raise TypeError("musicnn takes sounds")
    rng = np.random.default_rng(0)
    result = []
    for number in range(n_images):
        noise = np.fft.rfft(rng.standard_normal(3 * 16000))
        noise /= np.linspace(1, 30, len(noise)) ** (number % N_LABELS / N_LABELS)
        result.append(features(np.fft.irfft(noise).astype(np.float32) * 0.3))  # type: ignore[operator]
    return result


def write_pictures(folder: Path, arrays: list[FloatArray]) -> None:
    """Save spectrograms as PNG files, in a folder a class."""
    for number, array in enumerate(arrays):
        place = folder / f"{number % N_LABELS}"
        place.mkdir(exist_ok=True)
        grey = np.clip(array[0] / HIGHEST * 255, 0, 255).astype(np.uint8)
        Image.fromarray(grey).save(place / f"{number}.png")


def main() -> int:
    """Print the seconds both ways, and their ratio."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=128)
    options.add_argument("--epochs", type=int, default=40)
    options.add_argument("--batch", type=int, default=32)
    given = options.parse_args()
    torch.set_num_threads(1)
    arrays = spectrograms(given.images)
    features = PRETRAINED["musicnn-msd"].features
    window = Window(length_s=3.0, hop_s=1.5, min_s=0.5)
    crops = [WindowCrops(array[None], np.ones(1, np.float32), features, window) for array in arrays]  # type: ignore[arg-type]
    targets = np.arange(len(arrays))[:, None] % N_LABELS
    keys = tuple((str(number),) for number in range(len(arrays)))
    groups = tuple(str(number) for number in range(len(arrays)))
    examples = FeatureSet(lambda i, _: crops[i], targets, groups, window, features, keys)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), arrays)
        usual_s = usual_loop(Path(folder), epochs=given.epochs, batch=given.batch)
    seconds = {
        head: earmark_way(examples, head=head, epochs=given.epochs, batch=given.batch)
        for head in ("linear", "logistic")
    }
    print(f"{given.images} spectrograms of 3 s, {given.epochs} epochs, musicnn frozen; seconds of processor time")
    print(f"usual loop       {usual_s:7.2f}")
    for head, taken_s in seconds.items():
        print(f"Earmark {head:8s} {taken_s:7.2f}   {usual_s / taken_s:.1f} times as fast")
    return int(usual_s / seconds["linear"] < TARGET)


if __name__ == "__main__":
    sys.exit(main())

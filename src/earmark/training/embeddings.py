"""Cached embeddings: what a frozen backbone says of every window, computed once, so that a head trains in seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from earmark.features import FeatureCache, Window, WindowFeatures
from earmark.files import sha256_bytes
from earmark.models import Transfer
from earmark.training.augment import BatchAugmentation
from earmark.training.batches import crop, frames_of
from earmark.training.examples import FeatureSet
from earmark.training.learner import best_device
from earmark.training.recipe import Recipe
from earmark.types import FloatArray, Progress, no_progress

BATCH = 16
"""Windows that the backbone takes at once."""


class EmbeddingFeatures(WindowFeatures):
    """Embeddings of windows in place of a spectrogram: one column a window, ``(1, n_embedding, n_windows)``.

    They are no kind that a recipe can name: a recognizer computes them from its own spectrogram.
    """

    kind: str = "embedding"
    n_embedding: int

    @property
    def sample_rate_hz(self) -> int:
        return 1

    @property
    def n_bins(self) -> int:
        return self.n_embedding

    def n_frames(self, n_samples: int) -> int:
        return 1


def is_frozen(recipe: Recipe) -> bool:
    """Return whether every window has one embedding all through a training."""
    training = recipe.training
    changing = any(isinstance(change, BatchAugmentation) for change in recipe.augment)
    return (
        recipe.model.kind == "transfer" and training.freeze == "backbone" and not training.open_stages and not changing
    )


def embed_examples(
    examples: FeatureSet, network: Transfer, *, cache: FeatureCache, progress: Progress = no_progress
) -> FeatureSet:
    """Return the same examples with the embeddings of their windows as features, from the cache where it has them.

    Parameters
    ----------
    examples
        Spectrograms or pictures; a sound is cut on the grid of its windows, and one that is shorter than a window is
        taken as long as it is.
    network
        Its backbone computes them, before they are standardised.
    """
    fingerprint = _fingerprint(network)
    window = None if examples.window is None else examples.window.model_dump(mode="json")
    device = best_device()
    network.to(device).eval()
    total, arrays = len(examples) * examples.n_views, []
    for i in range(len(examples)):
        of_example = []
        for v in range(examples.n_views):
            key = sha256_bytes(json.dumps(["embedding", examples.keys[i][v], fingerprint, window]).encode())
            pieces = _windows(examples, i, v)
            of_example.append(np.array(cache.get(key, lambda pieces=pieces: _embed(pieces, network, device))))
        arrays.append(of_example)
        progress("embeddings", (i + 1) * examples.n_views, total, "")
    features = EmbeddingFeatures(n_embedding=arrays[0][0].shape[1])
    whole = None if examples.window is None else Window(length_s=1, hop_s=1, min_s=1)
    return replace(examples, load=lambda i, v: arrays[i][v], window=whole, features=features)


def _windows(examples: FeatureSet, i: int, v: int) -> Iterator[FloatArray]:
    """Yield the windows of one view of one example."""
    array = examples.load(i, v)
    window = examples.window
    if window is None:
        yield array
        return
    length, shortest = (frames_of(examples.features, seconds) for seconds in (window.length_s, window.min_s))
    hop = max(1, round(length * window.hop_s / window.length_s))
    for start in window.starts(array.shape[2], length=length, hop=hop):
        yield crop(array, start, min(length, max(shortest, array.shape[2])))


@torch.no_grad()
def _embed(pieces: Iterator[FloatArray], network: Transfer, device: torch.device) -> FloatArray:
    """Return the embeddings of windows of one size, ``(1, n_embedding, n_windows)``."""
    windows = np.stack(list(pieces))
    found: Sequence[torch.Tensor] = [
        network.body(network.normalize(torch.from_numpy(windows[at : at + BATCH]).to(device))).cpu()
        for at in range(0, len(windows), BATCH)
    ]
    return torch.cat(list(found)).numpy().T[None]


def _fingerprint(network: Transfer) -> str:
    """Return a hash of all that an embedding depends on but the features."""
    digest = hashlib.sha256(repr(network.normalize).encode())
    for name, value in sorted(network.body.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()

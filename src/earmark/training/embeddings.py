"""Cached embeddings: what a frozen backbone says of every window, computed once, so that a head trains in seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import torch

from earmark.features import FeatureCache, WindowFeatures
from earmark.files import sha256_bytes
from earmark.models import Transfer
from earmark.recognizer.windows import WindowBatch
from earmark.training.crops import WindowCrops
from earmark.training.examples import FeatureSet
from earmark.training.learner import best_device
from earmark.types import FloatArray, Progress, no_progress

BATCH = 16
"""Windows that the backbone takes at once."""


class EmbeddingFeatures(WindowFeatures):
    """Embeddings of windows in place of spectrograms, one column each, ``(1, n_embedding, 1)``.

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


def embed_examples(
    examples: FeatureSet, network: Transfer, *, cache: FeatureCache, progress: Progress = no_progress
) -> FeatureSet:
    """Return the same examples with the embeddings of their windows as features, from the cache where it has them.

    Parameters
    ----------
    examples
        Spectrograms or pictures; all windows of a sound are taken, as predictions cut them.
    network
        Its backbone computes them, before they are standardised.
    """
    fingerprint = _fingerprint(network)
    window = None if examples.window is None else examples.window.model_dump(mode="json")
    device = best_device()
    network.to(device).eval()
    total, held = len(examples) * examples.n_views, []
    for i in range(len(examples)):
        of_example = []
        for v in range(examples.n_views):
            key = sha256_bytes(json.dumps(["embedding", examples.keys[i][v], fingerprint, window]).encode())
            windows = lru_cache(1)(partial(_windows, examples, i, v))
            weights = cache.get(f"{key} weights", partial(_weights, windows))
            embeddings = cache.get(key, partial(_embed, windows, network, device))
            of_example.append((np.array(embeddings), np.array(weights)))
        held.append(of_example)
        progress("embeddings", (i + 1) * examples.n_views, total, "")
    features = EmbeddingFeatures(n_embedding=held[0][0][0].shape[2])

    def load(i: int, v: int) -> WindowCrops:
        batch, weights = held[i][v]
        return WindowCrops(batch, weights, features, examples.window)

    return replace(examples, load=load, features=features)


def _windows(examples: FeatureSet, i: int, v: int) -> WindowBatch:
    return examples.load(i, v).windows()


def _weights(windows: Callable[[], WindowBatch]) -> FloatArray:
    return windows().weights


@torch.no_grad()
def _embed(windows: Callable[[], WindowBatch], network: Transfer, device: torch.device) -> FloatArray:
    """Return the embeddings of windows, ``(n_windows, 1, n_embedding, 1)``."""
    batches = torch.split(torch.from_numpy(np.array(windows().batch)), BATCH)
    found = [network.body(network.normalize(batch.to(device))).cpu() for batch in batches]
    embeddings: FloatArray = torch.cat(found)[:, None, :, None].numpy()
    return embeddings


def _fingerprint(network: Transfer) -> str:
    """Return a hash of all that an embedding depends on but the features."""
    digest = hashlib.sha256(repr(network.normalize).encode())
    for name, value in sorted(network.body.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()

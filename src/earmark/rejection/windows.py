"""Training data of the detector: windows of real and of out-of-distribution inputs, with the outputs of the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from earmark.data import Manifest
from earmark.features import FeatureCache
from earmark.recognizer import Recognizer
from earmark.rejection.sources import OodSource
from earmark.training.augment import BatchAugmentation, ContentAugmentation, Drawn, Mixup
from earmark.training.crops import Crops
from earmark.training.examples import ViewLoader, views_of
from earmark.training.make_crops import make_crops
from earmark.training.recipe import Recipe
from earmark.types import Content, FloatArray, IntArray, Progress, no_progress

REAL = -1
"""The kind of a window of a real example, which is in-distribution; others are indices into the sources."""

N_LENGTHS = 4
N_MEASURED = 16  # real examples whose length says how long whole ones are
N_TRIES = 200  # for a window of a sound that is almost all silent
FADED_DB = 45.0  # what has died away by more is an example of nothing
_BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one width, and the outputs of the network for them.

    Attributes
    ----------
    pictures
        ``(n_windows, channel, freq|height, time|width)``.
    logits, embedding
        ``(n_windows, n_labels)`` and ``(n_windows, n_embedding)``.
    kinds
        ``(n_windows,)``, `REAL` or the index of an out-of-distribution kind.
    """

    pictures: FloatArray
    logits: FloatArray
    embedding: FloatArray
    kinds: IntArray

    def __len__(self) -> int:
        return len(self.kinds)

    def where(self, chosen: IntArray | npt.NDArray[np.bool_]) -> Windows:
        """Return some of the windows, by their index or by a mask."""
        return Windows(self.pictures[chosen], self.logits[chosen], self.embedding[chosen], self.kinds[chosen])

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the inputs of a detector."""
        return torch.from_numpy(self.pictures), torch.from_numpy(self.logits), torch.from_numpy(self.embedding)


class WindowSampler:
    """Draws windows of real and of out-of-distribution inputs, augmented alike, so that augmentation tells nothing.

    Parameters
    ----------
    recognizer
        Gives logits and embeddings.
    recipe
        Its recipe, for the features, the windows and the augmentations.
    sources
        Of out-of-distribution inputs, by kind.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        recipe: Recipe,
        sources: Mapping[str, OodSource],
        *,
        cache: FeatureCache,
        progress: Progress = no_progress,
    ) -> None:
        self.recognizer, self.recipe, self.sources = recognizer, recipe, sources
        self._cache, self._progress = cache, progress
        self._content_changes = [a for a in recipe.augment if isinstance(a, ContentAugmentation)]
        # Spectrograms are normalised inside the network, and augmentations of normalised ones come too late here.
        self._batch_changes = [
            a
            for a in recipe.augment
            if isinstance(a, BatchAugmentation) and not isinstance(a, Mixup) and recipe.window is None
        ]

    def __call__(self, part: Manifest, *, n_real: int, n_ood: int, seed: tuple[int, int]) -> list[Windows]:
        """Return windows by width; of the out-of-distribution ones, there are as many of each kind.

        Parameters
        ----------
        part
            The real examples.
        seed
            Another one gives other windows.
        """
        sources = list(self.sources.values())
        total = n_real + n_ood
        lengths_s = self._lengths_s(part, np.random.default_rng([*seed, total]))
        real_lengths_s: list[float] = []

        def drawn() -> Iterator[tuple[int, FloatArray]]:
            for index in range(total):
                rng = np.random.default_rng([*seed, index])
                self._progress("windows", index + 1, total, "")
                if index < n_real:
                    crops = self._real(part, rng)
                    length_s = _length_s(crops, rng, lengths_s)
                    real_lengths_s.extend([] if length_s is None else [length_s])
                    yield REAL, _window(crops, rng, length_s)
                else:
                    number = index % len(sources)
                    # As long as the real ones, or the length would tell which is which.
                    length_s = float(rng.choice(real_lengths_s or lengths_s)) if lengths_s else None
                    yield number, _window(self._ood(sources[number], rng), rng, length_s)

        return self._with_outputs(_by_width(drawn()), torch.Generator().manual_seed(seed[0] + seed[1]))

    def _real(self, part: Manifest, rng: np.random.Generator) -> Crops:
        one = replace(part, examples=(part.examples[int(rng.integers(len(part)))],))
        labels, n_views = self.recognizer.card.labels, self.recipe.training.views
        (views,) = views_of(one, self.recipe, n_views=n_views, labels=labels)
        view = views[int(rng.integers(len(views)))]
        loader = ViewLoader(replace(part, examples=()), self.recipe)
        # Of many views few are drawn, so they are not kept; but training may have kept them.
        return loader(view, cache=self._cache if loader.is_kept(view, self._cache) else None)

    def _ood(self, source: OodSource, rng: np.random.Generator) -> Crops:
        content: Content = source.make(rng)
        # Of the views of a real example, too, the first is as it is.
        if self._content_changes and rng.integers(self.recipe.training.views + 1):
            for change in self._content_changes:
                content = change(content, Drawn(""), rng)
        features = self.recipe.features
        return make_crops(features, lambda: content, domain=features.domain, window=self.recipe.window)

    def _lengths_s(self, part: Manifest, rng: np.random.Generator) -> list[float]:
        """Return lengths of windows, from the shortest to that of whole real examples; none for drawings."""
        window = self.recipe.window
        if window is None:
            return []
        whole_s = max(self._real(part, rng).duration_s for _ in range(N_MEASURED))
        longest_s = max(window.min_s, min(window.length_s, whole_s))
        return sorted(set(np.linspace(window.min_s, longest_s, N_LENGTHS).tolist()))

    def _with_outputs(
        self, by_width: Mapping[int, list[tuple[int, FloatArray]]], rng: torch.Generator
    ) -> list[Windows]:
        result = []
        for drawn in by_width.values():
            pictures = torch.from_numpy(np.stack([picture for _, picture in drawn]))
            for change in self._batch_changes:
                pictures, _ = change(pictures, torch.zeros(len(pictures), 1), rng)
            features = pictures.numpy()
            outputs = [
                self.recognizer.network.run(["logits", "embedding"], features=features[first : first + _BATCH_SIZE])
                for first in range(0, len(features), _BATCH_SIZE)
            ]
            logits, embedding = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
            result.append(Windows(features, logits, embedding, np.array([kind for kind, _ in drawn], np.int64)))
        return result


def _length_s(crops: Crops, rng: np.random.Generator, lengths_s: Sequence[float]) -> float | None:
    """Return a random length that the example has, half of the time the longest; None for drawings."""
    if not lengths_s:
        return None
    length_s = lengths_s[-1] if rng.random() < 0.5 else float(rng.choice(lengths_s))
    return max([s for s in lengths_s if s <= min(length_s, crops.duration_s)], default=lengths_s[0])


def _window(crops: Crops, rng: np.random.Generator, length_s: float | None) -> FloatArray:
    """Return a random window, and not of what has faded."""
    if length_s is None:
        return crops.random(0.0, None)
    window = crops.random(rng.random(), length_s)
    if crops.duration_s <= length_s:
        return window
    loud = crops.peak - FADED_DB
    for _ in range(N_TRIES):
        if window.max() >= loud:
            break
        window = crops.random(rng.random(), length_s)
    return window


def sample(manifest: Manifest, most: int, *, seed: Sequence[int]) -> Manifest:
    """Return at most `most` random examples."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(manifest))[:most])
    return replace(manifest, examples=tuple(manifest.examples[i] for i in chosen))


def _by_width(drawn: Iterable[tuple[int, FloatArray]]) -> dict[int, list[tuple[int, FloatArray]]]:
    by_width: dict[int, list[tuple[int, FloatArray]]] = {}
    for kind, picture in drawn:
        by_width.setdefault(picture.shape[2], []).append((kind, picture))
    return by_width

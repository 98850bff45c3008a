"""Windows of real and of foreign inputs, with what a recognizer says of them: what a gate learns from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from earmark.data import Manifest
from earmark.features import FeatureCache
from earmark.recognizer import Recognizer
from earmark.rejection.sources import OodSource
from earmark.training.augment import BatchAugmentation, ContentAugmentation, Mixup
from earmark.training.batches import crop, frames_of
from earmark.training.examples import compute_view, make_features, views_of
from earmark.training.recipe import Recipe
from earmark.types import Content, FloatArray, IntArray, Progress, no_progress

REAL = -1
"""The kind of a window of a real example; others are indices into the kinds."""

N_LENGTHS = 4
N_MEASURED = 16  # real examples whose width says how wide whole ones are
FADED_DB = 45.0  # what has died away by more is an example of nothing
_BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one width, and what the recognizer says of them.

    Attributes
    ----------
    pictures
        ``(n_windows, channel, freq|height, time|width)``.
    logits, embedding
        ``(n_windows, n_labels)`` and ``(n_windows, n_embedding)``.
    kinds
        ``(n_windows,)``, `REAL` or the index of a foreign kind.
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
        """Return what a gate takes."""
        return torch.from_numpy(self.pictures), torch.from_numpy(self.logits), torch.from_numpy(self.embedding)


class Draw:
    """Draws windows of real examples and of foreign kinds, disturbed alike, so that no disturbance tells them apart.

    Parameters
    ----------
    recognizer
        Says what it thinks of them.
    recipe
        Its recipe, for the features, the windows and the augmentations.
    foreign
        Kind to maker.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        recipe: Recipe,
        foreign: Mapping[str, OodSource],
        *,
        cache: FeatureCache,
        progress: Progress = no_progress,
    ) -> None:
        self.recognizer, self.recipe, self.foreign = recognizer, recipe, foreign
        self._cache, self._progress = cache, progress
        self._content_changes = [a for a in recipe.augment if isinstance(a, ContentAugmentation)]
        # Pictures of sounds are normalised inside the network, and what changes normalised ones comes too late here.
        self._batch_changes = [
            a
            for a in recipe.augment
            if isinstance(a, BatchAugmentation) and not isinstance(a, Mixup) and recipe.window is None
        ]

    def __call__(self, part: Manifest, *, n_real: int, n_foreign: int, seed: tuple[int, int]) -> list[Windows]:
        """Return windows by width; of the foreign ones, there are as many of each kind.

        Parameters
        ----------
        part
            The real examples.
        seed
            Another one gives other windows.
        """
        kinds = list(self.foreign.values())
        total = n_real + n_foreign
        widths = self._widths(part, np.random.default_rng([*seed, total]))
        real_widths: list[int] = []

        def drawn() -> Iterator[tuple[int, FloatArray]]:
            for index in range(total):
                rng = np.random.default_rng([*seed, index])
                self._progress("windows", index + 1, total, "")
                if index < n_real:
                    real = _cut(self._real_features(part, rng), rng, widths)
                    real_widths.append(real.shape[2])
                    yield REAL, real
                else:
                    number = index % len(kinds)
                    # As wide as the real ones, or the width would tell which is which.
                    width = [int(rng.choice(real_widths or widths))] if widths else []
                    yield number, _cut(self._foreign_features(kinds[number], rng), rng, width)

        return self._heard(_by_width(drawn()), torch.Generator().manual_seed(seed[0] + seed[1]))

    def _real_features(self, part: Manifest, rng: np.random.Generator) -> FloatArray:
        one = replace(part, examples=(part.examples[int(rng.integers(len(part)))],))
        labels, n_views = self.recognizer.card.labels, self.recipe.training.views
        (views,) = views_of(one, self.recipe, n_views=n_views, labels=labels)
        view = views[int(rng.integers(len(views)))]
        compute = partial(compute_view, view, manifest=one, recipe=self.recipe, labels=labels)
        # Of many views few are drawn, so they are not kept; but training may have kept them.
        if view.key in self._cache:
            return self._cache.get(view.key, compute)
        return compute()

    def _foreign_features(self, kind: OodSource, rng: np.random.Generator) -> FloatArray:
        content: Content = kind.make(rng)
        # Of the views of a real example, too, the first is as it is.
        if self._content_changes and rng.integers(self.recipe.training.views + 1):
            for change in self._content_changes:
                content = change(content, "", "", rng)
        return make_features(self.recipe.features, content)

    def _widths(self, part: Manifest, rng: np.random.Generator) -> list[int]:
        """Return the widths of windows, from the shortest to that of whole real examples; none for drawings."""
        features, window = self.recipe.features, self.recipe.window
        if window is None:
            return []
        shortest, full = (frames_of(features, length_s) for length_s in (window.min_s, window.length_s))
        whole = max(self._real_features(part, rng).shape[2] for _ in range(N_MEASURED))
        widest = max(shortest, min(full, whole))
        return sorted({round(width) for width in np.linspace(shortest, widest, N_LENGTHS)})

    def _heard(self, by_width: Mapping[int, list[tuple[int, FloatArray]]], rng: torch.Generator) -> list[Windows]:
        result = []
        for drawn in by_width.values():
            pictures = torch.from_numpy(np.stack([picture for _, picture in drawn]))
            for change in self._batch_changes:
                pictures, _ = change(pictures, torch.zeros(len(pictures), 1), rng)
            seen = pictures.numpy()
            said = [
                self.recognizer.run(["logits", "embedding"], features=seen[first : first + _BATCH_SIZE])
                for first in range(0, len(seen), _BATCH_SIZE)
            ]
            logits, embedding = (np.concatenate(parts) for parts in zip(*said, strict=True))
            result.append(Windows(seen, logits, embedding, np.array([kind for kind, _ in drawn], np.int64)))
        return result


def _cut(features: FloatArray, rng: np.random.Generator, widths: Sequence[int]) -> FloatArray:
    """Return a window of a random one of `widths`, half of the time the widest, and not of what has faded."""
    if not widths:
        return features
    width = widths[-1] if rng.random() < 0.5 else int(rng.choice(widths))
    width = max([w for w in widths if w <= min(width, features.shape[2])], default=widths[0])
    latest = max(features.shape[2] - width, 0)
    loud = features.max() - FADED_DB
    part = crop(features, int(rng.integers(latest + 1)), width)
    while latest and part.max() < loud:
        part = crop(features, int(rng.integers(latest + 1)), width)
    return part


def sample(manifest: Manifest, most: int, *, seed: Sequence[int]) -> Manifest:
    """Return at most `most` random examples."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(manifest))[:most])
    return replace(manifest, examples=tuple(manifest.examples[i] for i in chosen))


def _by_width(drawn: Iterable[tuple[int, FloatArray]]) -> dict[int, list[tuple[int, FloatArray]]]:
    by_width: dict[int, list[tuple[int, FloatArray]]] = {}
    for kind, picture in drawn:
        by_width.setdefault(picture.shape[2], []).append((kind, picture))
    return by_width

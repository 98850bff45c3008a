"""Adapting a finished recognizer to a few examples of one person, without the data it was trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from earmark.data import Manifest, read_manifest
from earmark.data.content import read_content
from earmark.errors import ConfigError, DataError
from earmark.features import InkFeatures
from earmark.files import atomic_path, write_text
from earmark.recognizer import Recognizer, find, set_card
from earmark.recognizer.assemble import find_head
from earmark.text import counted, percent, some
from earmark.training.adapt import Head, adapt_head
from earmark.training.augment import ContentAugmentation
from earmark.training.recipe import Recipe, load_recipe
from earmark.types import Content, FloatArray, IntArray

MODEL, SCORES = "model.onnx", "scores.json"
_MOST_FOLDS = 5
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Adapted:
    """An adapted recognizer.

    Attributes
    ----------
    model
        Its file.
    n_examples, n_labels
        What it was adapted to.
    n_scored
        Examples that were scored by cross-validation: those whose label has two or more.
    accuracy_before, accuracy_after
        Share of them that is right without and with the others; None where there are none.
    """

    model: Path
    n_examples: int
    n_labels: int
    n_scored: int
    accuracy_before: float | None
    accuracy_after: float | None

    def as_dict(self) -> dict[str, object]:
        """Return the figures as plain values."""
        return {key: value for key, value in asdict(self).items() if key != "model"}

    @property
    def sentence(self) -> str:
        """The figures in words."""
        learned = f"adapted to {counted(self.n_examples, 'example')} of {counted(self.n_labels, 'label')}"
        if self.accuracy_before is None or self.accuracy_after is None:
            return f"{learned}; give two examples or more of a label to see what it gains"
        return (
            f"{learned}; of {counted(self.n_scored, 'example')} held out in turn, {percent(self.accuracy_after)} are"
            f" right, and {percent(self.accuracy_before)} were before"
        )


def adapt(
    recipe: str | Path, *, data: str | Path, weights: str | Path, out: str | Path, overrides: Sequence[str] = ()
) -> Adapted:
    """Fit the last layer of a recognizer of drawings to a few examples, held to what it was, and write the new file.

    Parameters
    ----------
    recipe
        One with a table ``[adapt]``, such as ``"symbols/own-hand"``.
    data
        Labelled drawings; every label has to be one of the recognizer.
    weights
        The recognizer: a built-in name, a file or a run.
    out
        Folder for the new file and its figures.
    overrides
        Changes to the recipe, such as ``"adapt.strength=0.1"``.

    Raises
    ------
    ConfigError, DataError, ModelError
        When the recipe adapts nothing, a label is not known, or the recognizer is not of this kind.
    """
    import onnx
    from onnx import numpy_helper

    settings = load_recipe(recipe, overrides=overrides)
    if settings.adapt is None:
        raise ConfigError(f"recipe {settings.name!r} adapts nothing; leave --weights out, or take symbols/own-hand")
    source = find(weights)
    recognizer = Recognizer.load(source)
    manifest = read_manifest(data)
    targets = _targets(manifest, recognizer, data)
    model = onnx.load(source)
    tensors = find_head(model)
    before = Head(*(numpy_helper.to_array(tensor).astype(np.float32) for tensor in tensors))
    embeddings = _embeddings(manifest, recognizer, settings)
    strength = settings.adapt.strength
    after = _adapted(before, embeddings, targets, strength=strength)
    for tensor, values in zip(tensors, (after.weights, after.biases), strict=True):
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    card = recognizer.card
    about = f"{card.about}, adapted to {counted(len(targets), 'drawing')} of {manifest.name}"
    set_card(model, card.model_copy(update={"name": f"{card.name}-{manifest.name}", "about": about}))
    folder = Path(out)
    with atomic_path(folder / MODEL) as temporary:
        onnx.save(model, temporary)
    adapted = Adapted(
        folder / MODEL,
        len(targets),
        len(np.unique(targets)),
        *_cross_validated(before, embeddings, targets, strength=strength),
    )
    write_text(folder / SCORES, json.dumps(adapted.as_dict(), indent=2) + "\n")
    return adapted


def _targets(manifest: Manifest, recognizer: Recognizer, data: str | Path) -> IntArray:
    known = recognizer.card.labels
    if not isinstance(recognizer.card.features, InkFeatures) or manifest.domain != "ink":
        raise DataError(
            f"{data}: drawings are adapted to; give labelled strokes or images and a recognizer of drawings"
        )
    foreign = sorted(set(manifest.labels) - set(known))
    if foreign:
        raise DataError(
            f"{data}: {recognizer.card.name} has no label {some(foreign)}; give labels that 'earmark info"
            f" {recognizer.card.name}' lists, or train a recognizer of your own"
        )
    return np.array([known.index(example.label) for example in manifest.examples], np.int64)


def _embeddings(manifest: Manifest, recognizer: Recognizer, recipe: Recipe) -> FloatArray:
    """Return the embeddings of every example and its augmented views, ``(n_examples, n_views, n_embedding)``."""
    if recipe.adapt is None:
        raise ConfigError(f"recipe {recipe.name!r} adapts nothing; leave --weights out")
    changes = [change for change in recipe.augment if isinstance(change, ContentAugmentation)]
    rng = np.random.default_rng(recipe.adapt.seed)
    n_views = 1 + (recipe.adapt.views if changes else 0)
    rasters = []
    for example in manifest.examples:
        content = read_content(manifest, example)
        for view in range(n_views):
            changed: Content = content
            for change in changes if view else ():
                changed = change(changed, change.draw(example.label, recognizer.card.labels, rng), rng)
            rasters.append(next(recognizer.cut(changed)).batch)
    batches = [np.concatenate(rasters[start : start + _AT_ONCE]) for start in range(0, len(rasters), _AT_ONCE)]
    found = np.concatenate([recognizer.network.embedding(batch) for batch in batches])
    return np.asarray(found.reshape(len(manifest.examples), n_views, -1), np.float32)


def _adapted(head: Head, embeddings: FloatArray, targets: IntArray, *, strength: float) -> Head:
    n_examples, n_views, n_embedding = embeddings.shape
    return adapt_head(
        head,
        embeddings.reshape(n_examples * n_views, n_embedding),
        np.repeat(targets, n_views),
        example_weights=np.full(n_examples * n_views, 1 / n_views),
        strength=strength,
    )


def _cross_validated(
    head: Head, embeddings: FloatArray, targets: IntArray, *, strength: float
) -> tuple[int, float | None, float | None]:
    """Return how many examples were held out in turn, and which share of them is right before and after."""
    place = np.zeros(len(targets), np.int64)
    for label in np.unique(targets):
        own = np.flatnonzero(targets == label)
        place[own] = np.arange(len(own)) % _MOST_FOLDS if len(own) > 1 else -1
    right_before, right_after, n_scored = 0, 0, 0
    for fold in range(min(_MOST_FOLDS, int(place.max()) + 1)):
        held_out, learned = place == fold, place != fold
        adapted = _adapted(head, embeddings[learned], targets[learned], strength=strength)
        clean, truth = embeddings[held_out, 0], targets[held_out]
        right_before += int((head.logits(clean).argmax(axis=1) == truth).sum())
        right_after += int((adapted.logits(clean).argmax(axis=1) == truth).sum())
        n_scored += len(truth)
    if not n_scored:
        return 0, None, None
    return n_scored, right_before / n_scored, right_after / n_scored

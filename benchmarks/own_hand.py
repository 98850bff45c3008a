"""Adapt a recognizer to 0, 1, 3 and 5 examples a symbol of writers that it has not met.

    python benchmarks/own_hand.py RUN/model.onnx --data HOMUS.zip --manifest RUN/manifest.csv

The manifest says which writers the recognizer was not trained on (its test part). A quarter of a writer's drawings of
each symbol is held out, at random, in each of four repeats; of the others up to so many are learned from. HOMUS has
four drawings of most symbols by each writer and eight of notes, so "5" means 3 of most symbols and 5 of notes.
Intervals are of 95 %, by resampling writers; the gain is paired.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from earmark.evaluation.intervals import expanded_tail
from earmark.recognizer import Recognizer
from earmark.recognizer.assemble import find_head
from earmark.training import load_recipe
from earmark.training.adapt import Head, adapt_head
from earmark.types import FloatArray, Ink, IntArray
from line import read_drawings

COUNTS = (0, 1, 3, 5)
N_REPEATS = 4
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)


def main() -> None:
    """Print the curve for the strength of the recipe, and the mean for others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--part", default="test")
    parser.add_argument("--strengths", action="store_true", help="Try several strengths instead.")
    given = parser.parse_args()
    recognizer = Recognizer.load(given.model)
    head = Head(*(numpy_helper.to_array(tensor) for tensor in find_head(onnx.load(given.model))))
    drawings = read_drawings(given.data, Path(given.manifest), part=given.part)
    writers = [embedded(recognizer, items) for items in drawings.values()]
    chosen = load_recipe("symbols/own-hand").adapt
    for strength in STRENGTHS if given.strengths else (chosen.strength,):
        curves = np.array([curve(head, *writer, strength=strength) for writer in writers])
        print(f"strength {strength:g}, {len(writers)} writers of the {given.part} part")
        for place, count in enumerate(COUNTS):
            low, high = interval(curves[:, place])
            gain_low, gain_high = interval(curves[:, place] - curves[:, 0])
            gain = 100 * float((curves[:, place] - curves[:, 0]).mean())
            print(
                f"  {count} a symbol: {100 * curves[:, place].mean():.2f} % ({100 * low:.1f}-{100 * high:.1f}),"
                f" gain {gain:+.2f} points ({100 * gain_low:+.2f} to {100 * gain_high:+.2f})"
            )
        worst = np.argsort(curves[:, 0])[:4]
        print("  the four worst writers:", "; ".join(" ".join(f"{100 * v:.1f}" for v in curves[row]) for row in worst))


def embedded(recognizer: Recognizer, items: list[tuple[str, Ink]]) -> tuple[FloatArray, IntArray]:
    """Return embeddings ``(n, n_views, n_embedding)`` of drawings and of their augmented views, and labels."""
    recipe = load_recipe("symbols/own-hand")
    rng = np.random.default_rng(0)
    rows = []
    for label, ink in items:
        views = [ink]
        for _ in range(recipe.adapt.views):
            view = ink
            for change in recipe.augment:
                view = change(view, change.draw(label, recognizer.card.labels, rng), rng)
            views.append(view)
        rows.append(recognizer.network.embedding(np.stack([recognizer.card.features(view) for view in views])))
    targets = np.array([recognizer.card.labels.index(label) for label, _ in items])
    return np.stack(rows), targets


def curve(head: Head, embeddings: FloatArray, targets: IntArray, *, strength: float) -> list[float]:
    """Return the share of held-out drawings that is right, for each of `COUNTS`."""
    n_views = embeddings.shape[1]
    right = np.zeros(len(COUNTS))
    for repeat in range(N_REPEATS):
        rng = np.random.default_rng(repeat)
        orders = [rng.permutation(np.flatnonzero(targets == label)) for label in np.unique(targets)]
        test = np.concatenate([order[: max(1, len(order) // 4)] for order in orders])
        for place, count in enumerate(COUNTS):
            learned = np.concatenate([order[max(1, len(order) // 4) :][:count] for order in orders])
            adapted = head
            if len(learned):
                adapted = adapt_head(
                    head,
                    embeddings[learned].reshape(len(learned) * n_views, -1),
                    np.repeat(targets[learned], n_views),
                    example_weights=np.full(len(learned) * n_views, 1 / n_views),
                    strength=strength,
                )
            answers = adapted.logits(embeddings[test, 0]).argmax(axis=1)
            right[place] += float((answers == targets[test]).mean()) / N_REPEATS
    return right.tolist()


def interval(values: FloatArray) -> tuple[float, float]:
    """Return the 95 % interval of a mean over writers."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
    tail = expanded_tail(len(values))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


if __name__ == "__main__":
    main()

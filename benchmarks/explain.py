"""Whether explanations are true: what the marked part costs an answer, beside random parts of equal size.

    python benchmarks/explain.py DATA [MODEL …] [--n N]

DATA holds ``homus/``, ``pianos/`` and ``gtzan/audio/``. Of each model N examples are explained, evenly spread over the
data. The marked part is taken away; then, five times, the same shape elsewhere: cells of a spectrogram are moved around
cyclically in time and frequency, parts of strokes along the way of the pen. Printed are the mean drops of confidence,
their paired difference with a 95 % interval by resampling writers, pianos or artists, how often the marked part cost
more, and the same in log-odds, which do not saturate. It asks whether marks are right about the network, so it does not
matter that some examples were learned.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.data import Example, Manifest, read_content, read_manifest
from earmark.evaluation import accuracy_interval
from earmark.explanation.explain import decisive, occluded_log_odds, strongest_window, worth
from earmark.explanation.occlusion import GridCells, Mask, OcclusionUnits
from earmark.recognizer import Recognizer, load

SOURCES = {"symbols": "homus/*.zip", "notes": "pianos", "genre": "gtzan/audio"}
N_RANDOM = 5


@dataclass(frozen=True)
class Drop:
    """What one example loses, of confidence and of log-odds: without the marked part, and without random ones."""

    group: str
    marked: float
    random: float
    marked_nats: float
    random_nats: float


def elsewhere(pieces: OcclusionUnits, marked: Mask, rng: np.random.Generator) -> Mask:
    """Return the same shape at another place."""
    if isinstance(pieces, GridCells):
        shift = tuple(int(rng.integers(side)) for side in pieces.shape)
        return np.roll(marked.reshape(pieces.shape), shift, axis=(0, 1)).ravel()
    return np.roll(marked, int(rng.integers(1, max(2, len(marked)))))


def drops(recognizer: Recognizer, manifest: Manifest, examples: list[Example]) -> Iterator[Drop]:
    """Yield what each example loses; of what is only silence, or one dot, nothing can be taken away."""
    rng = np.random.default_rng(0)
    for example in examples:
        place, window = strongest_window(recognizer, read_content(manifest, example))
        pieces = window.pieces
        full, importance = worth(recognizer, pieces, place=place)
        marked = decisive(importance, pieces.sizes)
        if not marked.any():
            continue
        without = np.array([marked, *(elsewhere(pieces, marked, rng) for _ in range(N_RANDOM))])
        left = occluded_log_odds(recognizer, pieces, without, place=place)
        lost = 1 / (1 + np.exp(-full)) - 1 / (1 + np.exp(-left))
        nats = full - left
        yield Drop(example.group, lost[0], lost[1:].mean(), nats[0], nats[1:].mean())


def show(name: str, data: Path, n: int) -> None:
    """Explain examples of one model and print a line."""
    manifest = read_manifest(next(iter(sorted(data.glob(SOURCES[name])))))
    rows = np.unique(np.linspace(0, len(manifest) - 1, n).round().astype(int))
    found = list(drops(load(name), manifest, [manifest.examples[row] for row in rows]))
    gain = np.array([drop.marked - drop.random for drop in found])
    (low, high), basis = accuracy_interval(gain, [drop.group for drop in found])
    means = {key: np.mean([getattr(drop, key) for drop in found]) for key in ("marked", "random")}
    nats = [np.mean([getattr(drop, key) for drop in found]) for key in ("marked_nats", "random_nats")]
    print(
        f"{name}: n {len(found)}, drop of confidence {means['marked']:.3f} marked, {means['random']:.3f} random,"
        f" difference {gain.mean():.3f} ({low:.3f} to {high:.3f}, by {basis}), marked costs more in"
        f" {np.mean(gain > 0):.0%}; log-odds {nats[0]:.2f} and {nats[1]:.2f} nats",
        flush=True,
    )


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--n", type=int, default=96)
    given = parser.parse_args()
    for name in given.models or SOURCES:
        show(name, given.data, given.n)


if __name__ == "__main__":
    main()

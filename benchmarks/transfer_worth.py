"""Measure what transfer learning is worth: a table of what learns, and learning curves.

    python benchmarks/transfer_worth.py SHARED_DATA results.csv [--only table/genre] [--minutes 60]

SHARED_DATA holds `gtzan/`, `pianos/` and `homus/`. Every cell is one training from a small part of the data; its budget
is in the constants below. Each is scored by the mean probability of its windows and appended to `results.csv`, which a
second call goes on from; `transfer_worth_table.py` prints it. `--only` picks cells whose name begins so, and `--list`
prints the names.

The table: EfficientNet-Lite0 (ImageNet) and musicnn (Million Song Dataset), frozen, with the last stages open, with
everything open, and the same network from nothing, each under two protocols: `random`, where clips of one artist,
drawings of one writer, notes of one piano are on both sides, and `honest`, where they are not.

The curves: 2 to 50 examples a class, the recipe `sound` from nothing against musicnn with a head, on genre (artists
held out) and on which of five pianos plays (keys held out).
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from earmark.data import Example, Manifest, Split, apply_split, read_manifest
from earmark.evaluation import Outcome, score
from earmark.features import FeatureCache
from earmark.models import MODELS, Backbone, BackboneConfig, ModelConfig, Network
from earmark.models.musicnn import Musicnn
from earmark.models.pretrained import MUSICNN_SIZES
from earmark.training import load_recipe
from earmark.training.batches import whole_batches
from earmark.training.examples import FeatureSet, prepare
from earmark.training.fit import fit_network
from earmark.training.recipe import Recipe
from earmark.types import no_progress

SEED = 0
CLIP_S = 3.0
SIDE = 96  # of the pictures that EfficientNet-Lite0 sees here; 224 is what it was trained with
N_CLIPS_A_GENRE = 40
N_WRITERS = 12
PIANOS = ("general-midi", "grand-d", "steinway", "synth-j", "upright-c")
PIANO_LEFT_OUT = "steinway"
SIZES = (2, 5, 10, 20, 50)
EPOCHS = {"frozen": 40, "last": 5, "all": 5, "nothing": 5}
CURVE_EPOCHS, CURVE_STEPS = 15, 100

Learns = Literal["frozen", "last", "all", "nothing"]


@MODELS.register("musicnn-untrained")
class UntrainedMusicnn(ModelConfig):
    """The network of musicnn with weights at random, to see what its own are worth."""

    kind: Literal["musicnn-untrained"] = "musicnn-untrained"

    def network(self, *, n_labels: int, input_shape: tuple[int, int, int]) -> Network:
        """Return the network."""
        body = Musicnn(MUSICNN_SIZES)
        body.n_embedding = MUSICNN_SIZES.n_embedding
        return Backbone(body, n_labels=n_labels, dropout=0.2)


@dataclass(frozen=True)
class Cell:
    """One training: its name, its recipe, and what makes its data, split already."""

    name: str
    recipe: Callable[[], Recipe]
    data: Callable[[], Manifest]


def genre_clips(shared: Path, *, n_a_genre: int = N_CLIPS_A_GENRE) -> Manifest:
    """Return clips of 3 s, two of each whole track and one of each excerpt; the group is the artist."""
    examples: dict[str, list[Example]] = defaultdict(list)
    for folder in ("audio", "audio_more"):
        for track in read_manifest(shared / "gtzan" / folder).examples:
            starts = (6.0, 18.0) if _seconds(shared / "gtzan" / folder / track.path) > 2 * 12 else (0.0,)
            for start_s in starts:
                clip = replace(track, path=f"{folder}/{track.path}", start_s=start_s, duration_s=CLIP_S)
                examples[track.label].append(clip)
    rng = np.random.default_rng(SEED)
    chosen = [clips[i] for clips in examples.values() for i in rng.permutation(len(clips))[:n_a_genre]]
    return Manifest(tuple(chosen), "sound", shared / "gtzan", "genre")


def _seconds(path: Path) -> float:
    import soundfile

    return float(soundfile.info(path).duration)


def piano_notes(shared: Path) -> Manifest:
    """Return single notes of the five pianos that have nearly all keys; the label is the key, the group the piano."""
    notes = read_manifest(shared / "pianos")
    return replace(notes, examples=tuple(note for note in notes if note.group in PIANOS))


def which_piano(shared: Path) -> Manifest:
    """Return the same notes; the label is the piano, the group the key."""
    notes = piano_notes(shared)
    turned = tuple(replace(note, label=note.group, group=note.label) for note in notes)
    return replace(notes, examples=turned, name="which piano")


def symbols(shared: Path) -> Manifest:
    """Return one drawing of each class by each of 12 writers."""
    everything = read_manifest(shared / "homus" / "HOMUS-80-writers.zip")
    writers = sorted({example.group for example in everything})
    kept = set(np.random.default_rng(SEED).choice(writers, N_WRITERS, replace=False))
    first = {(example.group, example.label): example for example in everything if example.group in kept}
    return replace(everything, examples=tuple(first.values()), name="symbols")


def divided(manifest: Manifest, protocol: str) -> Manifest:
    """Return a manifest with a training and a test part: `random`, or `honest` by group; of pianos, one is left out."""
    if protocol == "honest" and manifest.name == "pianos":
        return manifest.with_splits(["test" if each.group == PIANO_LEFT_OUT else "train" for each in manifest])
    fractions = (0.795, 0.0, 0.205) if manifest.name == "pianos" else (0.75, 0.0, 0.25)
    name = {"random": "random", "honest": "grouped"}[protocol]
    return apply_split(manifest, Split(protocol=name, fractions=fractions, seed=SEED))


def with_few(manifest: Manifest, n: int) -> Manifest:
    """Return a manifest with `n` examples a class in its training part, of as many groups as there are."""
    rng = np.random.default_rng(SEED)
    seen: dict[tuple[str, str], int] = defaultdict(int)
    turns = []
    for row in rng.permutation(len(manifest)):
        example = manifest.examples[row]
        turns.append((seen[example.label, example.group], row))
        seen[example.label, example.group] += example.split == "train"
    counts: dict[str, int] = defaultdict(int)
    kept = []
    for _, row in sorted(turns, key=lambda turn: turn[0]):
        example = manifest.examples[row]
        counts[example.label] += example.split == "train"
        if example.split != "train" or counts[example.label] <= n:
            kept.append(example)
    return replace(manifest, examples=tuple(kept))


def eyes(task: str, learns: Learns) -> Recipe:
    """Return the recipe of EfficientNet-Lite0 for a task."""
    changes = [f"model.size=[{SIDE},{SIDE}]", *_training(learns, open_stages=2)]
    recipe = load_recipe(f"{task}/efficientnet-lite0", overrides=changes)
    if learns != "nothing":
        return recipe
    kept = recipe.model.model_dump(include={"normalize", "floor_db", "size"})
    return recipe.model_copy(update={"model": BackboneConfig(name="tf_efficientnet_lite0", channels=3, **kept)})


def ears(learns: Learns) -> Recipe:
    """Return the recipe of musicnn."""
    changes = ['model.head="linear"', *_training(learns, open_stages=2)]
    if learns == "nothing":
        changes.append('model={kind="musicnn-untrained"}')
    return load_recipe("sound-transfer", overrides=changes)


def _training(learns: Learns, *, open_stages: int) -> list[str]:
    settings: dict[str, Any] = {"epochs": EPOCHS[learns], "batch_size": 16, "seed": SEED, "patience": 0}
    settings["keep"] = '"last"'
    settings["freeze"] = '"backbone"' if learns in ("frozen", "last") else '"none"'
    settings["open_stages"] = open_stages if learns == "last" else 0
    settings["learning_rate"] = {"frozen": 3e-3, "last": 1e-3, "all": 1e-3, "nothing": 2e-3}[learns]
    settings["stage_decay"] = 1.0 if learns == "nothing" else 0.7
    return [f"training.{key}={value}" for key, value in settings.items()]


def cells(shared: Path) -> Iterator[Cell]:
    """Yield all cells, the cheap ones first."""
    yield from _table(shared, ("frozen",))
    yield from _curves(shared)
    yield from _table(shared, ("nothing", "all", "last"))


def _table(shared: Path, modes: Sequence[Learns]) -> Iterator[Cell]:
    sources = {"genre": genre_clips, "notes": piano_notes, "symbols": symbols}
    for learns, task, protocol in itertools.product(modes, sources, ("honest", "random")):
        data = partial(_divided, sources[task], shared, protocol)
        yield Cell(f"table/{task}/efficientnet-lite0/{learns}/{protocol}", partial(eyes, task, learns), data)
        if task != "symbols":
            yield Cell(f"table/{task}/musicnn/{learns}/{protocol}", partial(ears, learns), data)


def _curves(shared: Path) -> Iterator[Cell]:
    sources = {"piano": which_piano, "genre": partial(genre_clips, n_a_genre=90)}
    budget = [f"training.epochs={CURVE_EPOCHS}", f"training.min_steps={CURVE_STEPS}", "training.patience=0"]
    from_nothing = partial(load_recipe, "sound", overrides=[*budget, 'training.keep="last"'])
    for (task, source), n in itertools.product(sources.items(), SIZES):
        few = partial(_few, source, shared, n)
        yield Cell(f"curve/{task}/sound-transfer/{n}", partial(load_recipe, "sound-transfer"), few)
        yield Cell(f"curve/{task}/sound/{n}", from_nothing, few)


def _divided(source: Callable[[Path], Manifest], shared: Path, protocol: str) -> Manifest:
    return divided(source(shared), protocol)


def _few(source: Callable[[Path], Manifest], shared: Path, n: int) -> Manifest:
    return with_few(divided(source(shared), "honest"), n)


def measure(cell: Cell, *, cache: FeatureCache) -> dict[str, Any]:
    """Train one cell and return its row."""
    recipe, manifest = cell.recipe(), cell.data().hashed()
    started_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        network, log = fit_network(
            manifest, recipe=recipe, folder=Path(folder) / "run", validated=False, cache=cache, progress=no_progress
        )
    spent_s = time.perf_counter() - started_s
    test = manifest.part("test")
    examples = prepare(test, recipe, labels=manifest.labels, cache=cache)
    outcome = Outcome.from_logits(
        _log_probabilities(network, examples),
        examples.targets[:, 0],
        labels=manifest.labels,
        groups=[example.group or example.path for example in test],
    )
    scores = score(outcome, protocol=cell.name, seeds=(SEED,))
    return {
        "cell": cell.name,
        "accuracy": f"{scores.accuracy:.4f}",
        "low": f"{scores.accuracy_interval[0]:.4f}",
        "high": f"{scores.accuracy_interval[1]:.4f}",
        "n_train": len(manifest.part("train")),
        "n_test": len(test),
        "n_groups_test": len(set(outcome.groups)),
        "epochs": len(log),
        "train_accuracy": f"{log[-1]['train_accuracy']:.4f}" if log and "train_accuracy" in log[-1] else "",
        "seed": SEED,
        "seconds": f"{spent_s:.0f}",
    }


@torch.no_grad()
def _log_probabilities(network: Network, examples: FeatureSet) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the logarithm of the weighted mean probability of the windows of each example."""
    network.eval().cpu()
    sums = np.full((len(examples), network.n_labels), 1e-12)
    for pictures, owners, weights in whole_batches(examples, batch_size=32):
        probabilities = network(torch.from_numpy(pictures)).softmax(1).double().numpy()
        np.add.at(sums, owners, weights[:, None] * probabilities)
    return np.log(sums / sums.sum(1, keepdims=True))


def main() -> int:
    """Measure what is not yet measured."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("shared", type=Path)
    options.add_argument("results", type=Path)
    options.add_argument("--only", default="")
    options.add_argument("--minutes", type=float, default=float("inf"))
    options.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "earmark-transfer")
    options.add_argument("--list", action="store_true")
    given = options.parse_args()
    torch.set_num_threads(1)
    done = set()
    if given.results.exists():
        with given.results.open(encoding="utf-8", newline="") as stream:
            done = {row["cell"] for row in csv.DictReader(stream)}
    started_s = time.perf_counter()
    for cell in cells(given.shared):
        if cell.name in done or not cell.name.startswith(given.only):
            continue
        if given.list:
            print(cell.name)
            continue
        if time.perf_counter() - started_s > 60 * given.minutes:
            break
        row = measure(cell, cache=FeatureCache(given.cache))
        print(row, flush=True)
        with given.results.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(row))
            if not stream.tell():
                writer.writeheader()
            writer.writerow(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())

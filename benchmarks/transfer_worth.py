"""Measure what transfer learning is worth: a table of what learns, and learning curves.

    python benchmarks/transfer_worth.py SHARED_DATA results.csv [--only table/genre] [--minutes 60]

SHARED_DATA holds `gtzan/`, `pianos/` and `homus/`. Every cell is one training from a small part of the data; its budget
is in the constants below. Each is scored by the mean probability of its windows and appended to `results.csv`, which a
second call goes on from. `--only` picks cells whose name begins so; `--list` prints the names.

The table: EfficientNet-Lite0 (ImageNet) and musicnn (Million Song Dataset), frozen, with the last stages open, with
everything open, and the same network from nothing, each under two protocols: `random`, where clips of one artist,
drawings of one writer, notes of one piano are on both sides, and `honest`, where they are not.

The curves: 2 to 50 examples a class, the recipe `sound` from nothing against musicnn with a head, on genre (artists
held out) and on which of five pianos plays (keys held out).
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
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
from earmark.training.examples import prepare
from earmark.training.fit import fit_network
from earmark.training.recipe import Recipe

SEED = 0
CLIP_S = 3.0
SIDE = 96  # of the pictures that EfficientNet-Lite0 sees here; 224 is what it was trained with
N_CLIPS_A_GENRE = 60
N_WRITERS = 20
SIZES = (2, 5, 10, 20, 50)
EPOCHS = {"frozen": 40, "last": 6, "all": 6, "nothing": 6}
CURVE_EPOCHS = 30

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


def genre_clips(shared: Path) -> Manifest:
    """Return clips of 3 s: two of each whole track and one of each excerpt, at most 60 a genre, by artist."""
    examples: dict[str, list[Example]] = defaultdict(list)
    for folder in ("audio", "audio_more"):
        for track in read_manifest(shared / "gtzan" / folder).examples:
            starts = (6.0, 18.0) if _seconds(shared / "gtzan" / folder / track.path) > 2 * 12 else (0.0,)
            for start_s in starts:
                clip = replace(track, path=f"{folder}/{track.path}", start_s=start_s, duration_s=CLIP_S)
                examples[track.label].append(clip)
    rng = np.random.default_rng(SEED)
    chosen = [clips[i] for clips in examples.values() for i in rng.permutation(len(clips))[:N_CLIPS_A_GENRE]]
    return Manifest(tuple(chosen), "sound", shared / "gtzan", "genre")


def _seconds(path: Path) -> float:
    import soundfile

    return float(soundfile.info(path).duration)


def piano_notes(shared: Path) -> Manifest:
    """Return single notes of eight pianos; the label is the key, the group the piano."""
    return read_manifest(shared / "pianos")


def which_piano(shared: Path) -> Manifest:
    """Return the notes of five pianos with nearly all keys; the label is the piano, the group the key."""
    notes = piano_notes(shared)
    chosen = [
        replace(note, label=note.group, group=note.label)
        for note in notes
        if note.group in {"general-midi", "grand-d", "steinway", "synth-j", "upright-c"}
    ]
    return replace(notes, examples=tuple(chosen), name="which piano")


def symbols(shared: Path) -> Manifest:
    """Return one drawing of each class by each of 20 writers."""
    everything = read_manifest(shared / "homus" / "HOMUS-80-writers.zip")
    writers = sorted({example.group for example in everything})
    kept = set(np.random.default_rng(SEED).choice(writers, N_WRITERS, replace=False))
    first = {(example.group, example.label): example for example in everything if example.group in kept}
    return replace(everything, examples=tuple(first.values()), name="symbols")


def divided(manifest: Manifest, protocol: str) -> Manifest:
    """Return a manifest with its parts: `random`, or `honest` by group; of pianos two are left out, by name."""
    if protocol == "honest" and manifest.name == "pianos":
        parts = {"steinway": "test", "grand-d": "valid"}
        return manifest.with_splits([parts.get(example.group, "train") for example in manifest])
    fractions = (0.774, 0.113, 0.113) if manifest.name == "pianos" else (0.7, 0.1, 0.2)
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
    changes = [f"window.length_s={CLIP_S}", 'model.head="linear"', *_training(learns, open_stages=2)]
    if learns == "nothing":
        changes.append('model={kind="musicnn-untrained"}')
    return load_recipe("sound-transfer", overrides=changes)


def _training(learns: Learns, *, open_stages: int) -> list[str]:
    settings: dict[str, Any] = {"epochs": EPOCHS[learns], "batch_size": 16, "seed": SEED, "patience": 0}
    settings["freeze"] = '"backbone"' if learns in ("frozen", "last") else '"none"'
    settings["open_stages"] = open_stages if learns == "last" else 0
    settings["learning_rate"] = {"frozen": 3e-3, "last": 1e-3, "all": 1e-3, "nothing": 2e-3}[learns]
    settings["stage_decay"] = 1.0 if learns == "nothing" else 0.7
    return [f"training.{key}={value}" for key, value in settings.items()]


def cells(shared: Path) -> Iterator[Cell]:
    """Yield all cells, the cheap ones of every task first."""
    sources = {"genre": genre_clips, "notes": piano_notes, "symbols": symbols}
    for learns in ("frozen", "nothing", "all", "last"):
        for task, source in sources.items():
            for protocol in ("honest", "random"):
                data = partial(lambda source, protocol: divided(source(shared), protocol), source, protocol)
                yield Cell(f"table/{task}/efficientnet-lite0/{learns}/{protocol}", partial(eyes, task, learns), data)
                if task != "symbols":
                    yield Cell(f"table/{task}/musicnn/{learns}/{protocol}", partial(ears, learns), data)
    for task, source in {"genre": genre_clips, "piano": which_piano}.items():
        for n in SIZES:
            few = partial(lambda source, n: with_few(divided(source(shared), "honest"), n), source, n)
            plain = partial(load_recipe, "sound", overrides=[f"training.epochs={CURVE_EPOCHS}"])
            yield Cell(f"curve/{task}/sound/{n}", plain, few)
            yield Cell(f"curve/{task}/sound-transfer/{n}", partial(load_recipe, "sound-transfer"), few)


def measure(cell: Cell, *, cache: FeatureCache) -> dict[str, Any]:
    """Train one cell and return its row."""
    recipe, manifest = cell.recipe(), cell.data().hashed()
    started_s = time.perf_counter()
    progress = lambda *_: None  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        network, log = fit_network(
            manifest, recipe=recipe, folder=Path(folder) / "run", validated=True, cache=cache, progress=progress
        )
    spent_s = time.perf_counter() - started_s
    test = manifest.part("test")
    examples = prepare(test, recipe, labels=manifest.labels, cache=cache, progress=progress)
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
def _log_probabilities(network: Network, examples: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    network.eval().cpu()
    sums = np.zeros((len(examples), network.n_labels))
    for pictures, owners in whole_batches(examples, batch_size=32):
        np.add.at(sums, owners, network(torch.from_numpy(pictures)).softmax(1).double().numpy())
    return np.log(sums / sums.sum(1, keepdims=True) + 1e-12)


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

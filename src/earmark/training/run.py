"""A run: a folder in which a recipe and some data become a recognizer."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from earmark.data import SPLITS, Manifest, apply_split, leaks, read_manifest
from earmark.errors import ConfigError, DataError, ModelError
from earmark.evaluation import Outcome, Scores, word_protocol, write_outcome, write_report
from earmark.features import FeatureCache
from earmark.files import write_bytes, write_text
from earmark.models import Network
from earmark.recognizer import Card, DataSummary, Recognizer, Score, assemble
from earmark.recognizer.evaluate import calibrate, evaluate, example_pictures
from earmark.training.augment import BatchAugmentation
from earmark.training.examples import FeatureSet, frames_of, n_batches, prepare
from earmark.training.export import export_network
from earmark.training.loop import Row, fit, make_learner
from earmark.training.memory import explains_memory
from earmark.training.recipe import Recipe, load_recipe
from earmark.types import Progress, no_progress

if TYPE_CHECKING:
    import onnx

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder
        Holds ``recipe.json``, ``manifest.csv``, ``log.csv``, ``tensorboard/``, the checkpoints, ``model.onnx``,
        ``scores.json`` and ``report.html``.
    scores
        On the test part, by the finished file.
    """

    folder: Path
    scores: Scores

    @property
    def model(self) -> Path:
        """The recognizer file."""
        return self.folder / "model.onnx"

    @property
    def report(self) -> Path:
        """The report of the test part."""
        return self.folder / "report.html"


def train(
    recipe: Recipe | str | Path,
    *,
    data: Manifest | str | Path,
    out: str | Path,
    overrides: Sequence[str] = (),
    cache: str | Path | None = None,
    progress: Progress = no_progress,
) -> Run:
    """Learn from labelled examples and write one file that recognises.

    A run that was killed goes on where it stopped when it is started again with the same folder, recipe and data.

    Parameters
    ----------
    recipe
        A `Recipe`, the name of a shipped one, or a TOML file.
    data
        A manifest or anything that `read_manifest` reads.
    out
        Folder of the run.
    overrides
        Changes to the recipe, such as ``"training.epochs=20"``.
    cache
        Folder of the feature cache; by default the user's cache folder.

    Raises
    ------
    ConfigError, DataError, ModelError
        When the recipe is wrong, the data is bad or does not fit it, or the folder holds another run.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, overrides=overrides)
    manifest = data if isinstance(data, Manifest) else read_manifest(data)
    manifest = split_for(recipe, manifest)
    folder = Path(out)
    claim(folder, recipe, manifest)

    store = FeatureCache(Path(cache) if cache else default_cache())
    fit_to = partial(teach, recipe=recipe, cache=store, progress=progress)
    network, rows = fit_to(manifest, folder=folder, validated=True)
    graph = export_network(network, recipe.features)
    card = card_for(recipe, manifest)
    with _file(folder, graph, card) as candidate:
        temperature = calibrate(candidate, manifest, progress=progress)
    card = card.model_copy(update={"temperature": temperature})

    # Some published splits come without their test part; the validation part, which chose the epoch, must do then,
    # and it is scored before the network learns from it.
    part = "test" if len(manifest.where("test")) else "valid"
    judge = partial(_judge, manifest=manifest, recipe=recipe, folder=folder, rows=rows, part=part, progress=progress)
    learns_test = recipe.training.refit == "everything"
    scores = judge(graph, card) if part == "valid" or learns_test or recipe.training.refit == "none" else None
    if recipe.training.refit != "none":
        learned = SPLITS if learns_test else ("train", "valid")
        more = manifest.with_splits(["train" if e.split in learned else e.split for e in manifest.examples])
        network, _ = fit_to(more, folder=folder / "refit", validated=False)
        graph = export_network(network, recipe.features)
        card = card.model_copy(update={"data": summarize(more, learned=learned)})
    scores = scores or judge(graph, card)
    recognizer_file(folder / "model.onnx", graph, card.model_copy(update={"scores": (headline(scores),)}))
    return Run(folder, scores)


@explains_memory
def teach(  # noqa: PLR0913 - what a fit consists of
    manifest: Manifest,
    *,
    recipe: Recipe,
    folder: Path,
    validated: bool,
    cache: FeatureCache,
    progress: Progress,
    watch: Callable[[Sequence[Row]], None] | None = None,
) -> tuple[Network, list[Row]]:
    """Fit a fresh network to the training part; return it with the log.

    `watch` is called with the log after every epoch; what it raises ends the fit.
    """
    examples = partial(prepare, recipe=recipe, labels=manifest.labels, cache=cache, progress=progress)
    learning = examples(manifest.where("train"), augmented=True)
    torch.manual_seed(recipe.training.seed)
    network = recipe.model.build(n_labels=len(manifest.labels), input_shape=input_shape(learning, recipe))
    learner = make_learner(
        network,
        training=recipe.training,
        augment=[change for change in recipe.augment if isinstance(change, BatchAugmentation)],
        n_steps=recipe.training.epochs * n_batches(len(learning), recipe.training.batch_size),
    )
    folder.mkdir(exist_ok=True)
    rows = fit(
        learner,
        train=learning,
        valid=examples(manifest.where("valid")) if validated else None,
        folder=folder,
        on_epoch=_EpochLog(folder, watch),
        progress=progress,
    )
    return network, rows


def split_for(recipe: Recipe, manifest: Manifest) -> Manifest:
    """Return the examples that the recipe can use, each in its part; warn when the split leaks.

    Raises
    ------
    DataError
        When the recipe cannot read the data, or a label is missing from the training part.
    """
    readable = ("sound", "picture") if recipe.features.domain == "sound" else ("ink",)
    if manifest.domain not in readable:
        raise DataError(
            f"{manifest.name}: holds {manifest.domain} data, but recipe {recipe.name!r} reads {' or '.join(readable)}; "
            "choose another recipe or other data"
        )
    manifest = apply_split(manifest.hashed(), recipe.split)
    for sentence in leaks(manifest):
        log.warning("the split leaks: %s", sentence)
    missing = set(manifest.labels) - set(manifest.where("train").labels)
    if missing:
        raise DataError(
            f"{manifest.name}: the training part has no example of {', '.join(sorted(missing))}; every label needs "
            "groups enough for all parts: add examples, leave the label out, or change [split]"
        )
    return manifest


def _judge(  # noqa: PLR0913 - what a report tells
    graph: onnx.ModelProto,
    card: Card,
    *,
    manifest: Manifest,
    recipe: Recipe,
    folder: Path,
    rows: Sequence[Row],
    part: str,
    progress: Progress,
) -> Scores:
    """Score the very file that `graph` and `card` make, and write the scores, the answers and the report."""
    with _file(folder, graph, card) as candidate:
        outcome, scores = evaluate(
            candidate,
            manifest,
            split=part,
            protocol=word_protocol(recipe.split.description, part),
            seeds=(recipe.training.seed,),
            progress=progress,
        )
        write_papers(folder, candidate, manifest, outcome=outcome, scores=scores, rows=rows)
    return scores


def write_papers(
    folder: Path,
    model: Path,
    manifest: Manifest,
    *,
    outcome: Outcome,
    scores: Scores,
    rows: Sequence[Row],
) -> None:
    """Write the scores, the answers and the report of the recognizer file `model` into `folder`."""
    recognizer = Recognizer.load(model)
    write_text(folder / "scores.json", scores.to_json())
    write_outcome(folder / "outcome.npz", outcome)
    write_report(
        folder / "report.html",
        title=recognizer.card.name,
        scores=scores,
        outcome=outcome,
        curves=rows,
        picture=example_pictures(recognizer, manifest, outcome),
        origin="lower" if recognizer.card.features.domain == "sound" else "upper",
        card=recognizer.card,
    )


def recognizer_file(path: Path, graph: onnx.ModelProto, card: Card) -> Path:
    """Write the one file; return its path."""
    write_bytes(path, assemble(graph, card).SerializeToString(deterministic=True))
    return path


@contextmanager
def _file(folder: Path, graph: onnx.ModelProto, card: Card) -> Iterator[Path]:
    """Give a recognizer file that is gone afterwards."""
    path = recognizer_file(folder / "candidate.onnx", graph, card)
    try:
        yield path
    finally:
        path.unlink()


def card_for(recipe: Recipe, manifest: Manifest) -> Card:
    """Return the card of a recognizer before it is calibrated and scored."""
    return Card(
        name=recipe.name.rpartition("/")[2],
        about=recipe.about,
        task=recipe.task,
        labels=manifest.labels,
        features=recipe.features,
        window=recipe.window,
        data=summarize(manifest),
        limits=recipe.limits,
        recipe=recipe.model_dump(mode="json"),
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        versions={name: metadata.version(name) for name in ("earmark", "torch", "onnx", "numpy")},
    )


def summarize(manifest: Manifest, *, learned: tuple[str, ...] = ("train",)) -> DataSummary:
    """Return what a card says about the data of the training part, which holds the parts `learned` of the split."""
    examples = manifest.where("train").examples
    return DataSummary(
        name=manifest.name,
        fingerprint=manifest.fingerprint,
        n_examples=len(examples),
        n_groups=len({example.group for example in examples if example.group}),
        source="; ".join(sorted({example.source for example in examples} - {""})) or manifest.name,
        licence="; ".join(sorted({example.licence for example in examples} - {""})) or "not stated by the data",
        learned=learned,
    )


def input_shape(examples: FeatureSet, recipe: Recipe) -> tuple[int, int, int]:
    """Return ``(channel, freq|height, time|width)`` of what the network will see."""
    n_channels, height, width = examples.load(0, 0).shape
    if recipe.window is not None:
        width = frames_of(recipe.features, recipe.window.length_s)
    return n_channels, height, width


def default_cache() -> Path:
    """Return the folder of the feature cache: ``$EARMARK_CACHE``, else ``earmark`` in the user's cache folder."""
    base = (
        os.environ.get("EARMARK_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earmark"
    )
    return Path(base) / "features"


def claim(folder: Path, recipe: Recipe, manifest: Manifest) -> None:
    """Make the folder this run's own, or find that it already is."""
    identity = {"recipe": recipe.model_dump(mode="json"), "data": manifest.fingerprint}
    path = folder / "recipe.json"
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        # A run goes on although recipes have gained fields since; those have their defaults.
        found["recipe"] = Recipe.parse(found["recipe"], where=str(path)).model_dump(mode="json")
        if found != json.loads(json.dumps(identity)):
            raise ModelError(
                f"{folder}: holds a run of another recipe or other data; choose another folder with -o, or delete it"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists and is not a run; choose another folder with -o")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(identity, indent=1))
    manifest.to_csv(folder / "manifest.csv")


class _EpochLog:
    """Writes the log as CSV and for TensorBoard after every epoch."""

    def __init__(self, folder: Path, watch: Callable[[Sequence[Row]], None] | None) -> None:
        self.folder, self.watch = folder, watch
        self.writer: Any = None

    def __call__(self, rows: Sequence[Row]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
        write_text(self.folder / "log.csv", text.getvalue())
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # What a killed run logged after its last checkpoint is not shown twice.
            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=len(rows))
        for name, value in rows[-1].items():
            if name != "epoch":
                self.writer.add_scalar(name.replace("_", "/", 1), value, len(rows))
        self.writer.flush()
        if self.watch is not None:
            self.watch(rows)


def headline(scores: Scores) -> Score:
    """Return the figures that a card carries."""
    return Score(
        accuracy=scores.accuracy,
        accuracy_interval=scores.accuracy_interval,
        n=scores.n,
        n_groups=scores.n_groups,
        protocol=scores.protocol,
        seeds=scores.seeds,
        macro_f1=scores.macro_f1,
        ece=scores.ece,
    )

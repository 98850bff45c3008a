"""A run: a folder in which a recipe and some data become a recognizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.data import SPLITS, Manifest, as_manifest
from earmark.evaluation import Scores, describe_protocol, read_outcome
from earmark.evaluation.evaluate import calibrate, evaluate
from earmark.features import open_cache
from earmark.recognizer import Card
from earmark.rejection.fit import add_rejection
from earmark.runs.artifacts import card_for, claim_run_folder, headline, recognizer_file, summarize, write_artifacts
from earmark.training.distributed import first_ahead, is_first, joined, wait
from earmark.training.export import export_network
from earmark.training.fit import fit_network
from earmark.training.loop import Row
from earmark.training.recipe import Recipe, load_recipe
from earmark.training.split import split_for
from earmark.types import Progress, no_progress

if TYPE_CHECKING:
    import onnx


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


@joined()
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
    Processes started by ``torchrun`` train as one, in the same folder, and all return what the first has written.

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
    manifest = as_manifest(data)
    manifest = split_for(recipe, manifest)
    folder = Path(out)
    with first_ahead():
        claim_run_folder(folder, recipe, manifest)

    progress = progress if is_first() else no_progress
    store = open_cache(cache)
    fit_to = partial(fit_network, recipe=recipe, cache=store, progress=progress)
    network, rows = fit_to(manifest, folder=folder, validated=True)
    if not is_first():
        if recipe.training.refit != "none":
            fit_to(_more(manifest, recipe), folder=folder / "refit", validated=False)
        return finished(folder)
    graph = export_network(network, recipe.features)
    card = card_for(recipe, manifest)
    with _file(folder, graph, card) as candidate:
        temperature = calibrate(candidate, manifest, progress=progress)
    card = card.model_copy(update={"temperature": temperature})

    # Some published splits come without their test part; the validation part, which chose the epoch, must do then,
    # and it is scored before the network learns from it.
    part = "test" if len(manifest.part("test")) else "valid"
    judge = partial(_judge, manifest=manifest, recipe=recipe, folder=folder, rows=rows, part=part, progress=progress)
    learns_test = recipe.training.refit == "everything"
    scores = judge(graph, card) if part == "valid" or learns_test or recipe.training.refit == "none" else None
    if recipe.training.refit != "none":
        more = _more(manifest, recipe)
        network, _ = fit_to(more, folder=folder / "refit", validated=False)
        graph = export_network(network, recipe.features)
        card = card.model_copy(update={"data": summarize(more, learned=_learned(recipe))})
    scores = scores or judge(graph, card)
    model = recognizer_file(folder / "model.onnx", graph, card.model_copy(update={"scores": (headline(scores),)}))
    if recipe.rejection is not None:
        outcome = read_outcome(folder / "outcome.npz")
        add_rejection(model, manifest, out=model, outcome=outcome, cache=cache, progress=progress)
    return finished(folder)


def finished(folder: Path) -> Run:
    """Return the run that the first process has written, once it has."""
    wait()
    path = folder / "scores.json"
    return Run(folder, Scores.from_json(path.read_bytes(), where=str(path)))


def _learned(recipe: Recipe) -> tuple[str, ...]:
    """Return the parts that the second fit learns from."""
    return SPLITS if recipe.training.refit == "everything" else ("train", "valid")


def _more(manifest: Manifest, recipe: Recipe) -> Manifest:
    """Return the examples with those of the second fit in the training part."""
    learned = _learned(recipe)
    return manifest.with_splits(["train" if e.split in learned else e.split for e in manifest.examples])


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
            protocol=describe_protocol(recipe.split.description, part),
            seeds=(recipe.training.seed,),
            progress=progress,
        )
        write_artifacts(folder, candidate, manifest, outcome=outcome, scores=scores, rows=rows)
    return scores


@contextmanager
def _file(folder: Path, graph: onnx.ModelProto, card: Card) -> Iterator[Path]:
    """Give a recognizer file that is gone afterwards."""
    path = recognizer_file(folder / "candidate.onnx", graph, card)
    try:
        yield path
    finally:
        path.unlink()

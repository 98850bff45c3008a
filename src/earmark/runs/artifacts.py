"""The folder of a run and its papers: whose it is, the recognizer file and its card, the scores and the report."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.data import Manifest
from earmark.errors import ConfigError, ModelError
from earmark.evaluation import Outcome, Scores, write_outcome, write_report
from earmark.evaluation.evaluate import example_pictures
from earmark.files import write_bytes, write_text
from earmark.recognizer import Card, DataSummary, Recognizer, Score, assemble
from earmark.training.loop import Row
from earmark.training.recipe import Recipe

if TYPE_CHECKING:
    import onnx


def claim_run_folder(folder: Path, recipe: Recipe, manifest: Manifest) -> None:
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


def write_artifacts(
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
    examples = manifest.part("train").examples
    return DataSummary(
        name=manifest.name,
        fingerprint=manifest.fingerprint,
        n_examples=len(examples),
        n_groups=len({example.group for example in examples if example.group}),
        source="; ".join(sorted({example.source for example in examples} - {""})) or manifest.name,
        licence="; ".join(sorted({example.licence for example in examples} - {""})) or "not stated by the data",
        learned=learned,
    )


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

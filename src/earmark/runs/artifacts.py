"""Artifacts of a run: its folder, the recognizer file and its card, the scores and the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.data import Manifest
from earmark.errors import ConfigError, ModelError, UnknownNameError
from earmark.evaluation import Outcome, Scores, write_outcome, write_report
from earmark.evaluation.evaluate import answers_to, example_feature_maps
from earmark.evaluation.report import write_figures
from earmark.features import SoundFeatures
from earmark.files import write_bytes, write_text
from earmark.recognizer import Card, Recognizer, assemble
from earmark.recognizer.frame_outputs import FrameOutputs
from earmark.runs.facts import facts_of, some_of
from earmark.text import encodable
from earmark.training.distributed import wait
from earmark.training.loop import Row
from earmark.training.recipe import Recipe

if TYPE_CHECKING:
    import onnx

OUTCOME, VALIDATION = "outcome.npz", "validation.npz"
"""Answers to the test part, which is scored, and to the validation part, on which thresholds are chosen."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    folder
        Holds ``recipe.json``, ``manifest.csv``, ``log.csv``, ``tensorboard/``, the checkpoints, ``model.onnx``,
        ``scores.json``, ``outcome.npz``, ``validation.npz``, ``report.html`` and its ``figures/``.
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


def finished(folder: Path) -> Run:
    """Return the run that the first process has written, once it has."""
    wait()
    path = folder / "scores.json"
    return Run(folder, Scores.from_json(path.read_bytes(), where=str(path)))


def claim_run_folder(folder: Path, recipe: Recipe, manifest: Manifest) -> None:
    """Make the folder of this run, or find that it already is.

    A run goes on although recipes have gained fields since, which have their defaults, and although another rejection
    is asked for, which the network does not depend on.

    Raises
    ------
    ConfigError
        When the folder holds something that is not a run, or its name is no text, which weights cannot be read from.
    ModelError
        When it holds a run of another recipe or other data, or one that cannot be read.
    """
    if encodable(str(folder)) != str(folder):
        raise ConfigError(f"{folder}: is a name in another encoding than UTF-8; choose another folder with -o")
    identity = _identity(recipe, manifest.fingerprint)
    path = folder / "recipe.json"
    if path.exists():
        if _what_is_fitted(_read_identity(path)) != _what_is_fitted(identity):
            raise ModelError(
                f"{folder}: holds a run of another recipe or other data; choose another folder with -o, or delete it"
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists and is not a run; choose another folder with -o")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(identity, indent=1))
    manifest.to_csv(folder / "manifest.csv")


def _identity(recipe: Recipe, fingerprint: str) -> dict[str, Any]:
    """Return what makes a run this one and no other, as it comes back from JSON."""
    identity: dict[str, Any] = json.loads(json.dumps({"recipe": recipe.model_dump(mode="json"), "data": fingerprint}))
    return identity


def _read_identity(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return _identity(Recipe.parse(found["recipe"], where=str(path)), found["data"])
    except (ValueError, TypeError, KeyError, ConfigError, UnknownNameError) as error:
        raise ModelError(
            f"{path}: not a recipe that this version of Earmark can read ({error}); choose another folder with -o to "
            "train again, or go on with the version that wrote it"
        ) from error


def _what_is_fitted(identity: dict[str, Any]) -> dict[str, Any]:
    """Return an identity without what may change between two calls for the same run."""
    return {**identity, "recipe": {key: value for key, value in identity["recipe"].items() if key != "rejection"}}


def write_artifacts(  # noqa: PLR0913 - all that a run leaves
    folder: Path,
    model: Path,
    manifest: Manifest,
    *,
    recipe: Recipe,
    outcome: Outcome,
    validation: Outcome,
    scores: Scores,
    rows: Sequence[Row],
) -> None:
    """Write the scores, the answers, the report and its figures of the recognizer file `model` into `folder`."""
    recognizer = Recognizer.load(model)
    part = manifest.part("train")
    # After cross-validation nothing is divided, and everything was learned from.
    learned = answers_to(recognizer, some_of(part if len(part) else manifest).with_target(recognizer.card.target))
    write_text(folder / "scores.json", scores.to_json())
    write_outcome(folder / OUTCOME, outcome)
    write_outcome(folder / VALIDATION, validation)
    write_report(
        folder / "report.html",
        title=recognizer.card.name,
        scores=scores,
        outcome=outcome,
        curves=rows,
        picture=example_feature_maps(recognizer, manifest, outcome),
        origin="upper" if recognizer.card.features.domain == "ink" else "lower",
        card=recognizer.card,
        facts=facts_of(recipe, manifest, rows=rows, scores=scores, validation=validation, learned=learned),
    )
    write_figures(folder / "figures", scores=scores, outcome=outcome, curves=rows)


def write_recognizer(path: Path, graph: onnx.ModelProto, card: Card) -> Path:
    """Write the recognizer file that a graph and a card make; return its path."""
    write_bytes(path, assemble(graph, card).SerializeToString(deterministic=True))
    return path


def draft_card(recipe: Recipe, manifest: Manifest) -> Card:
    """Return the card of a recognizer before it is calibrated and scored."""
    name = recipe.name.rpartition("/")[2]
    card = Card.draft(recipe.model_dump(mode="json"), manifest, name=name, libraries=("torch", "onnx", "numpy"))
    if recipe.mixtures is not None and isinstance(recipe.features, SoundFeatures):
        frames = FrameOutputs(
            hop_s=recipe.features.hop_samples / recipe.features.sample_rate_hz,
            margin_s=recipe.mixtures.margin_s,
            onset_threshold=recipe.mixtures.onset_threshold,
            frame_threshold=recipe.mixtures.frame_threshold,
        )
        card = card.model_copy(update={"frames": frames})
    if weights := recipe.model.weights_licence:
        card = card.model_copy(update={"licence": f"{card.licence} and {weights}"})
    return card

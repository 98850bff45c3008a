"""Comparison of finished runs: scores, paired tests of their differences, size and cost."""

from __future__ import annotations

import base64
import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from earmark.errors import ModelError, UsageError, refusing
from earmark.evaluation import Comparison, Outcome, Scores, read_outcome
from earmark.evaluation import compare as compare_outcomes
from earmark.evaluation.figures import CurvePoint, intervals_figure, learning_curves_figure, validation_losses_figure
from earmark.evaluation.templates import template
from earmark.features import (
    InkFeatures,
    NumberFeatures,
    PictureFeatures,
    PictureFusion,
    SoundFeatures,
    Window,
    WindowFeatures,
)
from earmark.files import write_bytes, write_text
from earmark.recognizer import Recognizer
from earmark.runs.architecture import blank_network, input_shape_of
from earmark.runs.facts import settings_table
from earmark.runs.pipeline import ALL_FOLDS
from earmark.text import encodable
from earmark.training.recipe import Recipe
from earmark.types import Progress, Sound, no_progress
from earmark.units import seconds_to_samples

N_TIMED = 15


@dataclass(frozen=True)
class Entry:
    """One run in a comparison.

    Attributes
    ----------
    name
        The folder of the run, as short as tells it from the others.
    recipe
        Name of its recipe.
    scores
        On its test part.
    n_per_label
        Mean number of training examples a label.
    n_parameters
        Weights that learn or could; statistics of norms are not counted.
    n_trainable
        Those of them that the recipe trains.
    valid_losses
        Validation loss of every epoch; none where there was no validation.
    settings
        Every field of the recipe, as text by its path.
    size_bytes
        Of the recognizer file.
    training_s
        Time in the training loop, refit included.
    clip_ms
        Median time from one window of samples, or one raster, to an answer, on one core of this machine.
    rival, against_rival
        The best run that answered to the same examples better, and the paired comparison with it; None for the best.
    """

    name: str
    recipe: str
    scores: Scores
    n_per_label: float
    n_parameters: int
    n_trainable: int
    valid_losses: tuple[float, ...]
    settings: dict[str, str]
    size_bytes: int
    training_s: float
    clip_ms: float
    rival: str | None = None
    against_rival: Comparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            **{key: value for key, value in asdict(self).items() if key not in ("scores", "against_rival")},
            "scores": self.scores.to_dict(),
            "against_rival": asdict(self.against_rival) if self.against_rival else None,
        }


def differing_settings(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """Return the fields of the recipes that are not the same in all runs, with the value in each run."""
    fields = sorted({field for entry in entries for field in entry.settings} - {"name", "about"})
    values = {field: tuple(entry.settings.get(field, "") for entry in entries) for field in fields}
    return {field: found for field, found in values.items() if len(set(found)) > 1}


def compare_runs(folders: Sequence[str | Path], *, progress: Progress = no_progress) -> tuple[Entry, ...]:
    """Compare finished runs, the best first.

    Parameters
    ----------
    folders
        Of two runs or more.
    progress
        Called after each run is read and timed, and after each is compared.

    Raises
    ------
    UsageError
        When fewer than two are given, or one twice.
    ModelError
        When a folder is not a finished run.
    """
    paths = [Path(folder) for folder in folders]
    if len({path.resolve() for path in paths}) < max(2, len(paths)):
        raise UsageError(f"{len(paths)} runs were given; name at least two, each once")
    entries = []
    progress("runs", 0, len(paths), "")
    for path, name in zip(paths, map(encodable, short_names(paths)), strict=True):
        entries.append(_entry(path, name))
        progress("runs", len(entries), len(paths), name)
    order = sorted(range(len(paths)), key=lambda i: -entries[i].scores.headline[1])
    outcomes = [read_outcome(paths[i] / "outcome.npz") for i in order]
    compared: list[Entry] = []
    progress("comparisons", 0, len(paths), "")
    for i, outcome in zip(order, outcomes, strict=True):
        pairs = ((entry.name, _paired(outcome, rival)) for entry, rival in zip(compared, outcomes, strict=False))
        rival, comparison = next((pair for pair in pairs if pair[1]), (None, None))
        compared.append(replace(entries[i], rival=rival, against_rival=comparison))
        progress("comparisons", len(compared), len(paths), entries[i].name)
    return tuple(compared)


def write_comparison(path: Path | str, entries: Sequence[Entry]) -> None:
    """Write a comparison as one self-contained HTML file.

    Raises
    ------
    MissingExtraError
        When Jinja or Matplotlib is not installed.
    DataError
        When `path` cannot be written.
    """
    outline = template("earmark.runs", "compare.html.jinja", what="a comparison as HTML")
    names, shares, intervals = zip(*(entry.scores.headline for entry in entries), strict=True)
    measure = " or ".join(sorted(set(names)))
    figure = intervals_figure([entry.name for entry in entries], shares, intervals, measure=measure)
    curves = learning_curves(entries)
    curve = learning_curves_figure(curves) if curves else None
    losses = {entry.name: entry.valid_losses for entry in entries if entry.valid_losses}
    overlaid = validation_losses_figure(losses) if losses else None
    settings = differing_settings(entries)
    page = outline.render(
        entries=entries, figure=figure, measure=measure, curve=curve, losses=overlaid, settings=settings
    )
    write_text(path, page)


def learning_curves(entries: Sequence[Entry]) -> dict[str, tuple[CurvePoint, ...]]:
    """Return the learning curve of each recipe that has runs with different numbers of training examples.

    Runs of one number of examples stay apart as points: their spread is that of the draw and the seed.
    """
    points: dict[str, list[CurvePoint]] = defaultdict(list)
    for entry in entries:
        _, value, interval = entry.scores.headline
        points[entry.recipe].append((entry.n_per_label, value, interval))
    return {
        recipe: tuple(sorted(of_recipe))
        for recipe, of_recipe in sorted(points.items())
        if len({n_per_label for n_per_label, _, _ in of_recipe}) > 1
    }


def write_learning_curves(path: Path | str, entries: Sequence[Entry]) -> None:
    """Draw accuracy against the number of training examples a label, one curve a recipe, as SVG.

    Raises
    ------
    UsageError
        When no recipe has two runs with different numbers of training examples.
    MissingExtraError
        When Matplotlib is not installed.
    DataError
        When `path` cannot be written.
    """
    curves = learning_curves(entries)
    if not curves:
        raise UsageError(
            f"the {len(entries)} runs hold no learning curve; give runs of one recipe that learned from different "
            "numbers of examples"
        )
    write_bytes(path, base64.b64decode(learning_curves_figure(curves).partition(",")[2]))


def _paired(outcome: Outcome, rival: Outcome) -> Comparison | None:
    """Compare two outcomes, or return None when they are of other examples or of one alone: they stand unpaired."""
    if outcome.labels != rival.labels or sorted(outcome.inputs) != sorted(rival.inputs) or outcome.n < 2:
        return None
    return compare_outcomes(outcome, rival)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return the last parts of paths, as few as tell all apart.

    >>> short_names([Path("a/x/run"), Path("b/x/run")]), short_names([Path("runs/a"), Path("runs/b")])
    (['a/x/run', 'b/x/run'], ['a', 'b'])
    """
    parts = [path.absolute().parts for path in paths]
    names: list[str] = []
    for n_parts in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-n_parts:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def _settings_of(recipe: Recipe) -> dict[str, str]:
    return {row[0]: row[1] for row in settings_table(recipe)[1:]}


def count_parameters(recipe: Recipe, *, n_labels: int, input_shape: tuple[int, int, int]) -> int:
    """Return the number of weights of the network that `recipe` makes, without making them."""
    network = blank_network(recipe, n_labels=n_labels, input_shape=input_shape)
    return sum(parameter.numel() for parameter in network.parameters())


def _entry(folder: Path, name: str) -> Entry:
    facts = folder / ALL_FOLDS / "recipe.json" if (folder / ALL_FOLDS).is_dir() else folder / "recipe.json"
    needed = (facts, folder / "scores.json", folder / "outcome.npz", folder / "model.onnx")
    missing = [file.name for file in needed if not file.is_file()]
    if missing:
        raise ModelError(
            f"{folder}: not a finished run ({missing[0]} is missing); give folders that 'earmark train' has finished"
        )
    with refusing(lambda error: ModelError(f"{facts}: is damaged ({error}); train again to make it")):
        recipe = Recipe.parse(json.loads(facts.read_text(encoding="utf-8"))["recipe"], where=str(facts))
    recognizer = Recognizer.load(folder / "model.onnx")
    network = blank_network(recipe, n_labels=len(recognizer.card.labels), input_shape=input_shape_of(recipe))
    return Entry(
        name=name,
        recipe=recipe.name,
        scores=Scores.from_json((folder / "scores.json").read_bytes(), where=str(folder / "scores.json")),
        n_per_label=recognizer.card.data.n_examples / len(recognizer.card.labels),
        n_parameters=sum(weights.numel() for weights in network.parameters()),
        n_trainable=sum(weights.numel() for weights in network.parameters() if weights.requires_grad),
        valid_losses=_valid_losses(folder / "log.csv"),
        settings=_settings_of(recipe),
        size_bytes=(folder / "model.onnx").stat().st_size,
        training_s=sum(map(_seconds, folder.rglob("log.csv"))),  # also of folds, and of learning again
        clip_ms=_clip_ms(recognizer),
    )


def _of_sound(recognizer: Recognizer) -> tuple[SoundFeatures | WindowFeatures, Window]:
    features, window = recognizer.card.features, recognizer.card.window
    if isinstance(features, SoundFeatures | WindowFeatures) and window is not None:
        return features, window
    raise TypeError(f"{features.kind} features are not of sound")


def _clip_ms(recognizer: Recognizer) -> float:
    """Return the time that one raster, or one window of noise, takes to be recognised."""
    features = recognizer.card.features
    if isinstance(features, InkFeatures | NumberFeatures | PictureFeatures | PictureFusion):
        answer: Callable[[], Any] = partial(recognizer.network.logits, np.zeros((1, *features.shape), np.float32))
    else:
        sound_features, window = _of_sound(recognizer)
        n_samples = seconds_to_samples(window.length_s, sound_features.sample_rate_hz)
        noise = (0.1 * np.random.default_rng(0).standard_normal(n_samples)).astype(np.float32)
        answer = partial(recognizer.score, Sound(noise, sound_features.sample_rate_hz))
    times_ms = []
    for _ in range(N_TIMED):
        started_s = time.perf_counter()
        answer()
        times_ms.append(1000 * (time.perf_counter() - started_s))
    return median(times_ms)


def _valid_losses(log: Path) -> tuple[float, ...]:
    if not log.is_file():
        return ()
    with log.open(encoding="utf-8", newline="") as stream:
        return tuple(float(row["valid_loss"]) for row in csv.DictReader(stream) if row.get("valid_loss"))


def _seconds(log: Path) -> float:
    with log.open(encoding="utf-8", newline="") as stream:
        return sum(float(row["seconds"]) for row in csv.DictReader(stream))

"""Hyperparameter search over the fields of a recipe: pruned, resumable, scored on the validation part only."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from earmark.data import Manifest
from earmark.errors import ConfigError, ModelError, UsageError
from earmark.extras import require
from earmark.features import open_cache
from earmark.files import sha256_bytes, write_csv
from earmark.parallel import in_order, map_processes, n_workers, stays_here
from earmark.search import Axis, Study, suggest
from earmark.training.fit import fit_network
from earmark.training.loop import Row
from earmark.training.readable import set_aside_unreadable
from earmark.training.recipe import Recipe, load_recipe
from earmark.training.settle import read_for, settle, with_pictures
from earmark.types import Progress, Target, no_progress

if TYPE_CHECKING:
    import optuna

STUDY = "study.journal"
# Trials that run to their end before any is pruned, and epochs that none is judged by.
N_UNPRUNED, N_WARMUP = 4, 3


@dataclass(frozen=True)
class Trial:
    """One attempt.

    Attributes
    ----------
    overrides
        What was changed, as for ``--set``.
    accuracy
        Of the validation part, at the epoch with the least loss; for a pruned trial of those that it had.
    loss
        Of the same epoch, the mean negative log likelihood. Of several labels it decides which trial is best, because
        most labels are absent, and their share of right decisions hardly differs.
    n_epochs
        How many it had.
    pruned
        Whether it was given up early.
    """

    overrides: tuple[str, ...]
    accuracy: float
    loss: float
    n_epochs: int
    pruned: bool


@dataclass(frozen=True)
class Tuning:
    """A finished search; `trials` has the best first."""

    recipe: str
    trials: tuple[Trial, ...]
    target: Target = "multi-class"

    @property
    def best(self) -> Trial:
        return self.trials[0]


def parse_axis(text: str) -> Axis:
    """Read ``KEY=LOW..HIGH`` or ``KEY=A,B,C``, values as in TOML.

    >>> parse_axis("training.batch_size=16..128").whole
    True
    >>> parse_axis("model.widths=[16, 32],[32, 64]").choices
    ('[16, 32]', '[32, 64]')

    Raises
    ------
    ConfigError
        When it is neither.
    """
    key, _, values = text.partition("=")
    advice = "write KEY=LOW..HIGH, or KEY=A,B,C with values as in the recipe"
    low_text, dots, high_text = values.partition("..")
    try:
        if dots:
            low, high = tomllib.loads(f"low = {low_text}\nhigh = {high_text}").values()
            if not low < high:
                raise ConfigError(f"--search {text!r}: {low} is not less than {high}; {advice}")
            return Axis(key=key.strip(), low=low, high=high, whole=isinstance(low, int) and isinstance(high, int))
        choices = tomllib.loads(f"values = [{values}]")["values"]
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ConfigError(f"--search {text!r}: not readable ({error}); {advice}") from error
    if not key.strip() or len(choices) < 2:
        raise ConfigError(f"--search {text!r}: needs a key and two values at least; {advice}")
    return Axis(key=key.strip(), choices=tuple(json.dumps(choice) for choice in choices))


def usual_axes(recipe: Recipe) -> tuple[Axis, ...]:
    """Return what is searched when nothing is said: learning rate, weight decay, and dropout where there is one."""
    training = recipe.training
    axes = [
        Axis(key="training.learning_rate", low=training.learning_rate / 10, high=training.learning_rate * 10),
        Axis(key="training.weight_decay", low=1e-4, high=0.3),
    ]
    if hasattr(recipe.model, "dropout"):
        axes.append(Axis(key="model.dropout", low=0.0, high=0.7))
    return tuple(axes)


def tune(  # noqa: PLR0913 - the call of `train`, and how to search
    recipe: str | Path,
    *,
    data: Manifest | str | Path,
    out: str | Path,
    search: Sequence[str] = (),
    n_trials: int = 20,
    overrides: Sequence[str] = (),
    cache: str | Path | None = None,
    progress: Progress = no_progress,
) -> Tuning:
    """Search the fields of a recipe for the best accuracy of the validation part; the test part stays unseen.

    Of a multi-label recipe the least loss is best.

    Trials that do worse than the median of the others at the same epoch are given up (Akiba et al. 2019). A search that
    was killed goes on where it was when it is called again with the same folder. On a cluster as many trials run at
    once as it has cores; they do not know of each other, so they are others than one after the other would be, and run
    to their end.

    Parameters
    ----------
    recipe, data, overrides, cache
        As for `train`; the overrides hold for every trial.
    out
        Folder of the search.
    search
        Fields, see `parse_axis`; `usual_axes` when there are none.
    n_trials
        How many there are in the end, those of an earlier call included.

    Raises
    ------
    ConfigError, DataError, ModelError
        When a field does not exist, the data does not fit, or the folder holds another search.
    """
    require("a search", "train", "optuna")
    base = load_recipe(recipe, overrides=overrides)
    axes = tuple(map(parse_axis, search)) or usual_axes(base)
    store = open_cache(cache)
    progress("finding examples", 0, 1, "")
    base, manifest = settle(base, set_aside_unreadable(read_for(base, data), cache=store, progress=progress))
    folder = Path(out)
    study = _study(folder, base, axes, manifest.fingerprint)

    from optuna import TrialPruned

    noted = partial(_noted, target=base.target)

    def suggested(trial: optuna.Trial) -> tuple[list[str], Recipe]:
        changes = [f"{axis.key}={suggest(trial, axis)}" for axis in axes]
        return changes, with_pictures(load_recipe(recipe, overrides=[*overrides, *changes]), manifest)

    def attempt(trial: optuna.Trial) -> float:
        changes, changed = suggested(trial)

        def watch(rows: Sequence[Row]) -> None:
            trial.report(_worth(rows[-1], base.target), len(rows))
            noted(trial, rows)
            if trial.should_prune():
                raise TrialPruned

        def within(stage: str, _done: int, _total: int, note: str) -> None:
            progress("trials", min(trial.number, n_trials - 1), n_trials, f"{stage}{note and f': {note}'}")

        place = folder / f"trial-{sha256_bytes(json.dumps(changes).encode())[:12]}"
        _, rows = fit_network(
            manifest, recipe=changed, folder=place, validated=True, cache=store, progress=within, watch=watch
        )
        return noted(trial, rows)

    def attempt_together(trials: Sequence[optuna.Trial]) -> Iterator[float]:
        fit = partial(_fit_apart, manifest=manifest, cache=store.folder)
        logs = in_order(map_processes(fit, [suggested(trial)[1] for trial in trials], workers=1))
        return map(noted, trials, logs)

    if stays_here(1, n_trials):
        runs = study.run(attempt, n_trials=n_trials)
    else:
        runs = study.run_together(attempt_together, n_trials=n_trials, n_together=n_workers(1))
    for done in runs:
        if done:
            _write_trials(folder / "trials.csv", _tuning(base, study, axes))
        progress("trials", done, n_trials, _note(study))
    return _tuning(base, study, axes)


def _fit_apart(recipe: Recipe, *, manifest: Manifest, cache: Path) -> list[Row]:
    """Fit the network of one trial on another machine; only its log comes back."""
    with TemporaryDirectory() as folder:
        _, rows = fit_network(
            manifest,
            recipe=recipe,
            folder=Path(folder),
            validated=True,
            cache=open_cache(cache),
            progress=no_progress,
        )
    return rows


def _noted(trial: optuna.Trial, rows: Sequence[Row], *, target: Target) -> float:
    """Note with a trial how it went; return its score."""
    kept = _kept(rows)
    for name, value in (("n_epochs", len(rows)), ("accuracy", kept["valid_accuracy"]), ("loss", kept["valid_loss"])):
        trial.set_user_attr(name, value)
    return _worth(kept, target)


def _kept(rows: Sequence[Row]) -> Row:
    """Return the epoch whose weights are kept."""
    return min(rows, key=lambda row: row["valid_loss"])


def _worth(row: Row, target: Target) -> float:
    """Return what a search maximises."""
    return row["valid_accuracy"] if target == "multi-class" else -row["valid_loss"]


def _study(folder: Path, recipe: Recipe, axes: Sequence[Axis], data: str) -> Study:
    """Open the study in `folder`, or start it."""
    from optuna.pruners import MedianPruner

    identity = {"recipe": recipe.model_dump(mode="json"), "axes": [a.model_dump() for a in axes], "data": data}
    if folder.exists() and not (folder / STUDY).exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: exists and is not a search; choose another folder with -o")
    pruner = MedianPruner(n_startup_trials=N_UNPRUNED, n_warmup_steps=N_WARMUP)
    study = Study(folder / STUDY, seed=recipe.training.seed, pruner=pruner)
    if not study.belongs_to(json.loads(json.dumps(identity))):
        raise ModelError(
            f"{folder}: holds a search of another recipe, other fields or other data; choose another folder with -o"
        )
    return study


def _tuning(recipe: Recipe, study: Study, axes: Sequence[Axis]) -> Tuning:
    trials = [
        Trial(
            overrides=tuple(f"{axis.key}={trial.params[axis.key]}" for axis in axes),
            accuracy=trial.user_attrs.get("accuracy", math.nan),
            loss=trial.user_attrs.get("loss", math.nan),
            n_epochs=trial.user_attrs.get("n_epochs", 0),
            pruned=trial.state.name == "PRUNED",
        )
        for trial in study.finished
    ]

    def rank(trial: Trial) -> tuple[bool, float]:
        return trial.pruned, -trial.accuracy if recipe.target == "multi-class" else trial.loss

    return Tuning(recipe.name, tuple(sorted(trials, key=rank)), recipe.target)


def _note(study: Study) -> str:
    return "" if study.best_score is None else f"best {study.best_score:.3f}"


def _write_trials(path: Path, tuning: Tuning) -> None:
    keys = (change.partition("=")[0] for change in tuning.best.overrides)
    rows = (
        [
            trial.accuracy,
            trial.loss,
            trial.n_epochs,
            trial.pruned,
            *(change.partition("=")[2] for change in trial.overrides),
        ]
        for trial in tuning.trials
    )
    write_csv(path, rows, columns=["accuracy", "loss", "n_epochs", "pruned", *keys])

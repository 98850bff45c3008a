"""``earmark tune`` and ``earmark find-rate``: search for settings that suit the data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from earmark import extras
from earmark.cli.output import print_table
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import As, Beside, Groups, OnCluster, on_cluster, refuse_absent_data, source_for
from earmark.files import local_folder
from earmark.storage import as_path
from earmark.text import percent

_N_SHOWN = 10


def tune(
    recipe: Annotated[str, typer.Argument(help="A name from 'earmark recipes', or a TOML file.")],
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="Training data: folder, manifest, zip, npz.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", parser=as_path, help="Folder for the search.")],
    trials: Annotated[int, typer.Option("--trials", min=1, help="Number of trials, earlier ones included.")] = 20,
    search: Annotated[
        list[str] | None,
        typer.Option("--search", metavar="KEY=…", help="KEY=LOW..HIGH or KEY=A,B,C; may be repeated."),
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe for all trials.")
    ] = None,
    kind: As = None,
    groups: Groups = None,
    table: Beside = None,
    cluster: OnCluster = None,
) -> None:
    """Search for better settings of a recipe.

    Settings are compared on the validation part; the test part stays unseen. If a search was stopped, the same
    command continues it.
    """
    extras.require("a search", "train", "torch", "optuna")
    refuse_absent_data(data)
    with progress_on_stderr() as progress:
        from earmark.runs.tune import tune as search_for

        source = source_for(recipe, data, changes=changes or (), kind=kind, groups=groups, table=table)
        with on_cluster(cluster), local_folder(out) as folder:
            tuning = search_for(
                recipe,
                data=source,
                out=folder,
                search=search or (),
                n_trials=trials,
                overrides=changes or (),
                progress=progress,
            )
    of_loss = tuning.target == "multi-label"
    rows = [("VALIDATION LOSS" if of_loss else "VALIDATION ACCURACY", "EPOCHS", "CHANGES")]
    for trial in tuning.trials[:_N_SHOWN]:
        epochs = f"{trial.n_epochs}{' (given up)' if trial.pruned else ''}"
        worth = f"{trial.loss:.4f}" if of_loss else percent(trial.accuracy)
        rows.append((worth, epochs, " ".join(trial.overrides)))
    print_table(rows)
    settings = " ".join(f"--set {shlex.quote(change)}" for change in (*(changes or ()), *tuning.best.overrides))
    beside = "" if table is None else f" --table {shlex.quote(str(table))}"
    print(f"train the best: earmark train {recipe} --data {shlex.quote(data)}{beside} {settings} -o RUN")


def find_rate(
    recipe: Annotated[str, typer.Argument(help="A name from 'earmark recipes', or a TOML file.")],
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="Training data: folder, manifest, zip, npz.")],
    plot: Annotated[Path | None, typer.Option("--plot", metavar="SVG", help="Also draw the curve.")] = None,
    steps: Annotated[int, typer.Option("--steps", min=10, help="Steps from 1e-6 to 1.")] = 100,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe.")] = None,
    kind: As = None,
    groups: Groups = None,
    table: Beside = None,
) -> None:
    """Find a learning rate for a recipe (range test).

    The rate is raised step by step; where the loss falls fastest is a good peak for training.
    """
    extras.require("training", "train", "torch")
    refuse_absent_data(data)
    with progress_on_stderr() as progress:
        from earmark.training import load_recipe
        from earmark.training.lr_range import find_learning_rate

        settings = load_recipe(recipe, overrides=changes or ())
        source = source_for(recipe, data, changes=changes or (), kind=kind, groups=groups, table=table)
        finding = find_learning_rate(settings, data=source, n_steps=steps, progress=progress)
    if plot is not None:
        finding.plot(plot)
    print(f"training.learning_rate={finding.suggestion:.1e}")

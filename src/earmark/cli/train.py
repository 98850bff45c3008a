"""``earmark train`` and ``earmark recipes``: train a recognizer, and list the recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark import extras
from earmark.cli.output import AsJson, print_json, print_table
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import As, Groups, read_source
from earmark.errors import UsageError

RECIPE_FILE = "recipe.json"


def train(
    recipe: Annotated[str, typer.Argument(help="A name from 'earmark recipes', or a TOML file.")],
    data: Annotated[str, typer.Option("--data", metavar="SOURCE", help="Training data: folder, manifest, zip, npz.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="RUN", help="Folder for the recognizer, scores and report.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: --set training.epochs=20."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only continue a run that was stopped; never start one.")
    ] = False,
    every_fold: Annotated[
        bool,
        typer.Option("--every-fold", help="Cross-validate first, then train on all examples."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop when an example cannot be read, instead of setting it aside.")
    ] = False,
    kind: As = None,
    groups: Groups = None,
    as_json: AsJson = False,
) -> None:
    """Train a recognizer on labelled examples.

    When a run was stopped, the same command continues it. Under torchrun, several processes train one network.
    """
    if resume and not (out / RECIPE_FILE).is_file():
        raise UsageError(f"{out}: holds no run to continue; leave --resume out to start one")
    extras.require("training", "train", "torch")
    from earmark.runs.pipeline import cross_validate
    from earmark.runs.pipeline import train as train_once
    from earmark.training import load_recipe
    from earmark.training.distributed import is_first, process_group
    from earmark.training.settle import preferred_domain

    settings = load_recipe(recipe, overrides=changes or ())
    source = read_source(data, kind=kind, groups=groups, prefer=preferred_domain(settings))
    learn = cross_validate if every_fold else train_once
    with process_group(), progress_on_stderr() as progress:
        run = learn(recipe, data=source, out=out, overrides=changes or (), strict=strict, progress=progress)
        if not is_first():
            return
    if as_json:
        print_json({"model": str(run.model), "report": str(run.report), "scores": run.scores.to_dict()})
        return
    print(run.scores.sentence)
    print(f"recognizer: {run.model}")
    print(f"report:     {run.report}")


def recipes(as_json: AsJson = False) -> None:
    """List the recipes that come with Earmark."""
    from earmark.config import read_toml
    from earmark.training import shipped_recipes

    about = {name: (str(path), read_toml(path).get("about", "")) for name, path in shipped_recipes().items()}
    if as_json:
        print_json([{"name": name, "about": text, "file": path} for name, (path, text) in about.items()])
        return
    print_table([("NAME", "ABOUT"), *((name, text) for name, (_, text) in about.items())])

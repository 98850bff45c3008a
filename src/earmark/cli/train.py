"""``earmark train`` and ``earmark recipes``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark import extras
from earmark.cli.output import AsJson, print_json, print_table
from earmark.cli.progress import progress_on_stderr
from earmark.errors import UsageError

RECIPE_FILE = "recipe.json"


def train(
    recipe: Annotated[str, typer.Argument(help="A name from 'earmark recipes', or a TOML file.")],
    data: Annotated[
        str, typer.Option("--data", metavar="SOURCE", help="Folder, manifest, zip, npz: what to learn from.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="RUN", help="Folder for everything that comes out.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe: --set training.epochs=20."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only go on with a run that was stopped; never start one.")
    ] = False,
    every_fold: Annotated[
        bool,
        typer.Option("--every-fold", help="Train once a fold and score all examples; then learn from everything."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn from labelled examples and write one file that recognises.

    A run that was stopped goes on where it was when the same command is given again. Under torchrun, several processes
    train as one.
    """
    if resume and not (out / RECIPE_FILE).is_file():
        raise UsageError(f"{out}: holds no run to go on with; leave --resume out to start one")
    extras.require("training", "train", "torch")
    from earmark.runs.cross_validate import train_every_fold
    from earmark.runs.train import train as train_once
    from earmark.training.distributed import is_first, joined

    learn = train_every_fold if every_fold else train_once
    with joined(), progress_on_stderr() as progress:
        run = learn(recipe, data=data, out=out, overrides=changes or (), progress=progress)
        if not is_first():
            return
    if as_json:
        print_json({"model": str(run.model), "report": str(run.report), "scores": run.scores.to_dict()})
        return
    print(run.scores.sentence)
    print(f"recognizer: {run.model}")
    print(f"report:     {run.report}")


def recipes(as_json: AsJson = False) -> None:
    """List the shipped recipes."""
    from earmark.config import read_toml
    from earmark.training import shipped_recipes

    about = {name: (str(path), read_toml(path).get("about", "")) for name, path in shipped_recipes().items()}
    if as_json:
        print_json([{"name": name, "about": text, "file": path} for name, (path, text) in about.items()])
        return
    print_table([("NAME", "ABOUT"), *((name, text) for name, (_, text) in about.items())])

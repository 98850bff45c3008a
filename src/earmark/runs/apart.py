"""Runs that are trained beside each other on the machines of a cluster, and kept here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from earmark.files import write_bytes
from earmark.listing import files_under
from earmark.parallel import map_processes
from earmark.training.recipe import Recipe
from earmark.types import Progress

SCORES = "scores.json"


def train_apart(
    train: Callable[..., Any], recipes: Sequence[Recipe], *, folders: Sequence[Path], progress: Progress
) -> None:
    """Train every recipe whose run is not finished, and write here what each has written there.

    Parameters
    ----------
    train
        Called with a recipe and ``out``; it is sent to other machines.
    folders
        Of the runs, in the order of the recipes. A run that was under way when it was killed is begun again.
    """
    missing = [number for number, folder in enumerate(folders) if not (folder / SCORES).is_file()]
    there = partial(_train_there, train=train)
    results = map_processes(there, [recipes[number] for number in missing], workers=1)
    for done, (place, files) in enumerate(results, start=len(folders) - len(missing) + 1):
        # The scores are last: a run that has them is whole.
        for name in sorted(files, key=lambda name: name == SCORES):
            write_bytes(folders[missing[place]] / name, files[name])
        progress("folds", done, len(folders), "")


def _train_there(recipe: Recipe, *, train: Callable[..., Any]) -> dict[str, bytes]:
    """Train on another machine, and return the files of the run."""
    with TemporaryDirectory() as place:
        folder = Path(place, "run")
        train(recipe, out=folder)
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_under(folder)}

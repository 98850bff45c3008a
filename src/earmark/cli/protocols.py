"""``earmark evaluate --protocols``: score one recipe under several split protocols."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli.output import print_json
from earmark.cli.progress import progress_on_stderr

if TYPE_CHECKING:
    from earmark.data import Manifest
    from earmark.doctor.protocols import Learner
    from earmark.evaluation import Outcome
    from earmark.training import Recipe

QUICK = "quick"


def compare(model: str, manifest: Manifest, *, protocols: str, n_folds: int, n_seeds: int, as_json: bool) -> None:
    """Learn and score under each protocol and print the scores with the gap.

    Parameters
    ----------
    model
        ``"quick"`` for the quick model, else whatever names a recipe: a shipped one, a TOML file, or a recognizer,
        whose recipe is then trained afresh for every fold and seed.
    manifest
        Undivided examples.
    protocols
        Names, apart by commas.
    n_folds, n_seeds, as_json
        As on the command line.
    """
    from earmark.doctor.protocols import compare_protocols, quick_learner

    names = [name.strip() for name in protocols.split(",") if name.strip()]
    with progress_on_stderr() as progress:
        learner = quick_learner(manifest, progress=progress) if model == QUICK else _trainer(model)
        compared = compare_protocols(
            manifest, learner, protocols=names, n_folds=n_folds, n_seeds=n_seeds, progress=progress
        )
    if as_json:
        scores = [score.model_dump(mode="json") for score in compared.scores]
        print_json({"learner": model, "scores": scores, "sentence": compared.sentence})
    else:
        print(compared.text)


def _trainer(model: str) -> Learner:
    """Return a learner that trains a recipe from its beginning."""
    from earmark.evaluation import read_outcome
    from earmark.runs.pipeline import train

    recipe = _recipe(model)

    def learn(divided: Manifest, seed: int) -> Outcome:
        training = recipe.training.model_copy(update={"seed": seed})
        split = recipe.split.model_copy(update={"protocol": "given", "folds": None, "fold": 0})
        own = recipe.model_copy(update={"training": training, "split": split})
        with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
            run = train(own, data=divided, out=Path(folder) / "run")
            return read_outcome(run.folder / "outcome.npz")

    return learn


def _recipe(model: str) -> Recipe:
    from earmark.recognizer import load
    from earmark.training import Recipe, load_recipe, shipped_recipes

    if model.endswith(".toml") or model in shipped_recipes():
        return load_recipe(model)
    card = load(model).card
    return Recipe.parse(card.recipe, where=f"the recipe of {card.name}")

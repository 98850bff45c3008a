"""Train once for every fold: every example is scored by a network that never saw its group, and the file learns all.

With few groups (eight pianos) one held-out group says little and costs much; this way all of them are test groups, and
the recognizer that is shipped still learns from all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from earmark.data import SPLITS, Manifest, as_manifest
from earmark.errors import ConfigError
from earmark.evaluation import Outcome, fit_temperature, read_outcome, score
from earmark.features import open_cache
from earmark.rejection.fit import add_rejection
from earmark.runs.artifacts import card_for, claim_run_folder, headline, recognizer_file, summarize, write_artifacts
from earmark.runs.train import Run, finished, train
from earmark.training.distributed import first_ahead, is_first, joined
from earmark.training.export import export_network
from earmark.training.fit import fit_network
from earmark.training.recipe import Recipe, load_recipe
from earmark.training.split import split_for
from earmark.types import Progress, no_progress

ALL_FOLDS = "all"
"""Where in the folder of a run lies what was learned from everything."""


@joined()
def train_every_fold(
    recipe: Recipe | str | Path,
    *,
    data: Manifest | str | Path,
    out: str | Path,
    overrides: Sequence[str] = (),
    cache: str | Path | None = None,
    progress: Progress = no_progress,
) -> Run:
    """Cross-validate a recipe by group, then train on everything.

    The scores are those of all examples together, each by the fold that did not see it. The temperature is fitted to
    the same answers. The network in the file has seen every example, so it must not be scored on this data again.

    Parameters
    ----------
    recipe, data, out, overrides, cache, progress
        As for `train`; the folds are kept in ``out/fold-1`` and so on, and a call that was killed goes on where it was.

    Raises
    ------
    ConfigError
        When the recipe's ``[split]`` has no ``folds``.
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe, overrides=overrides)
    if recipe.split.folds is None:
        raise ConfigError(f"recipe {recipe.name!r} has no folds; add --set split.folds=5")
    manifest = as_manifest(data).hashed()
    folder = Path(out)
    runs = [
        train(_fold(recipe, number), data=manifest, out=folder / f"fold-{number + 1}", cache=cache, progress=progress)
        for number in range(recipe.split.folds)
    ]
    outcome = together([read_outcome(run.folder / "outcome.npz") for run in runs])

    everything = split_for(recipe, manifest)
    everything = everything.with_splits([part and "train" for part in (e.split for e in everything.examples)])
    with first_ahead():
        claim_run_folder(folder / ALL_FOLDS, recipe, everything)
    network, rows = fit_network(
        everything,
        recipe=recipe,
        folder=folder / ALL_FOLDS,
        validated=False,
        cache=open_cache(cache),
        progress=progress if is_first() else no_progress,
    )
    if not is_first():
        return finished(folder)
    temperature = fit_temperature(outcome.logits, outcome.truth)
    outcome = outcome.calibrated(temperature)
    protocol = f"{recipe.split.protocol}, {recipe.split.folds} folds, seed {recipe.split.seed}, every fold in turn"
    scores = score(outcome, protocol=protocol, seeds=(recipe.training.seed,))
    card = card_for(recipe, everything).model_copy(
        update={
            "temperature": temperature,
            "scores": (headline(scores),),
            "data": summarize(everything, learned=SPLITS),
        }
    )
    model = recognizer_file(folder / "model.onnx", export_network(network, recipe.features), card)
    write_artifacts(folder, model, everything, outcome=outcome, scores=scores, rows=rows)
    if recipe.rejection is not None:
        add_rejection(model, manifest, out=model, outcome=outcome, cache=cache, progress=progress)
    return finished(folder)


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcomes of folds as one, as the networks answered before their temperatures."""
    bare = [each.logits if each.logits_uncalibrated is None else each.logits_uncalibrated for each in outcomes]
    return replace(
        outcomes[0],
        logits=np.concatenate(bare),
        truth=np.concatenate([each.truth for each in outcomes]),
        groups=np.concatenate([each.groups for each in outcomes]),
        tracks=np.concatenate([each.tracks for each in outcomes]),
        inputs=tuple(name for each in outcomes for name in each.inputs),
        logits_uncalibrated=None,
        failures=tuple(failure for each in outcomes for failure in each.failures),
    )


def _fold(recipe: Recipe, number: int) -> Recipe:
    return recipe.model_copy(
        update={
            "split": recipe.split.model_copy(update={"fold": number}),
            "training": recipe.training.model_copy(update={"refit": "none"}),
        }
    )

"""``earmark evaluate --protocols``: score one recipe under several split protocols."""

from __future__ import annotations

from earmark.cli.output import print_json
from earmark.cli.progress import progress_on_stderr
from earmark.data import Manifest

BASELINES = ("baseline", "quick")
"""What names the baseline, and what named it once."""


def compare(model: str, manifest: Manifest, *, protocols: str, n_folds: int, n_seeds: int, as_json: bool) -> None:
    """Learn and score under each protocol and print the scores with the gap.

    Parameters
    ----------
    model
        ``"baseline"`` for the baseline of the doctor, else a shipped recipe, a TOML file, or a recognizer; its recipe
        is then trained from the beginning for every fold and seed.
    manifest
        Undivided examples.
    protocols
        Names, apart by commas.
    n_folds, n_seeds, as_json
        As on the command line.
    """
    names = [name.strip() for name in protocols.split(",") if name.strip()]
    with progress_on_stderr() as progress:
        from earmark.doctor.protocols import baseline_trainer, compare_protocols, recipe_trainer

        trainer = baseline_trainer(manifest, progress=progress) if model in BASELINES else recipe_trainer(model)
        compared = compare_protocols(
            manifest, trainer, protocols=names, n_folds=n_folds, n_seeds=n_seeds, progress=progress
        )
    if as_json:
        scores = [score.model_dump(mode="json") for score in compared.scores]
        print_json({"learner": model, "scores": scores, "sentence": compared.sentence})
    else:
        print(compared.text)

"""Comparison of evaluation protocols: the scores of one trainer under each, and the gap between them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from earmark import extras
from earmark.config import Config
from earmark.data import PROTOCOLS, Manifest, Split, apply_split, leaks
from earmark.data.facts import PUBLISHED_SPLITS
from earmark.doctor.baseline import Baseline, matrix
from earmark.doctor.scan import scan
from earmark.errors import DataError, UnknownNameError
from earmark.evaluation import Outcome, accuracy_interval, read_outcome
from earmark.types import Progress, no_progress

if TYPE_CHECKING:
    from earmark.training import Recipe

Trainer: TypeAlias = Callable[[Manifest, int], Outcome]
"""Learns from the train (and, if it wants, the valid) part of a divided manifest with a seed, and answers to the test
part, or to the validation part where there is no other."""


class ProtocolScore(Config):
    """One trainer under one protocol.

    Attributes
    ----------
    protocol
        In words.
    accuracy, spread
        Mean over the seeds and their standard deviation (n - 1); None for a single seed.
    interval
        95 %, groups resampled.
    n, n_groups
        Examples that were answered to, and their groups.
    n_train
        Examples learned from, on average.
    n_folds, seeds
        How often it was learned; one fold is the protocol's own parts.
    n_leaking
        Groups on both sides, on average over the folds.
    part
        What was scored.
    """

    protocol: str
    accuracy: float
    spread: float | None
    interval: tuple[float, float]
    n: int
    n_groups: int
    n_train: int
    n_folds: int
    seeds: tuple[int, ...]
    n_leaking: float
    part: str


@dataclass(frozen=True, slots=True)
class Protocols:
    """Scores side by side."""

    scores: tuple[ProtocolScore, ...]

    @property
    def sentence(self) -> str:
        """Why the scores differ."""
        highest = max(self.scores, key=lambda score: score.accuracy)
        lowest = min(self.scores, key=lambda score: score.accuracy)
        gap = 100 * (highest.accuracy - lowest.accuracy)
        if len(self.scores) < 2 or gap < 1:
            return "There is no gap to speak of: the protocols agree."
        difference = f"{highest.protocol} is {gap:.1f} points above {lowest.protocol}"
        if highest.n_leaking > lowest.n_leaking:
            return (
                f"{difference}: in it {highest.n_leaking:.0f} groups are on both sides, so the model is also tested on "
                f"groups that it was trained on; believe {lowest.protocol}."
            )
        return (
            f"{difference}, though neither lets more groups onto both sides: they test on other examples "
            f"({highest.n:,} and {lowest.n:,}) and learn from other numbers of them ({highest.n_train:,} and "
            f"{lowest.n_train:,}); believe the lower."
        )

    @property
    def text(self) -> str:
        """The table and the sentence."""
        lines = []
        width = max(len(score.protocol) for score in self.scores)
        best = max(score.accuracy for score in self.scores)
        for score in self.scores:
            spread = "" if score.spread is None else f" ± {100 * score.spread:.1f} over {len(score.seeds)} seeds"
            low, high = (100 * bound for bound in score.interval)
            lines.append(
                f"{score.protocol:<{width}}  {100 * score.accuracy:5.1f} %{spread}, 95 % interval {low:.1f} to "
                f"{high:.1f}, gap {100 * (score.accuracy - best):+.1f}; n = {score.n:,} in {score.n_groups:,} groups, "
                f"{score.part} part, {score.n_folds} fold(s), learned from {score.n_train:,}, "
                f"{score.n_leaking:.0f} groups on both sides"
            )
        return "\n".join([*lines, self.sentence])


def compare_protocols(
    manifest: Manifest,
    trainer: Trainer,
    *,
    protocols: Sequence[str],
    n_folds: int = 5,
    n_seeds: int = 1,
    progress: Progress = no_progress,
) -> Protocols:
    """Learn and score under each protocol.

    Parameters
    ----------
    manifest
        Undivided examples.
    trainer
        What learns: `baseline_trainer` or `recipe_trainer`.
    protocols
        Names of `Split` protocols; a published one also without the name of its data set ("fault-filtered").
    n_folds
        Of "random" and "grouped", at least 3; published and given splits keep their own parts.
    n_seeds
        Of the split and the trainer: 0, 1, …
    progress
        Called after every fold.

    Raises
    ------
    UnknownNameError, DataError
        When a protocol is not known or does not fit the data.
    """
    names = [full_name(name) for name in protocols]
    scores = tuple(
        _score(manifest, trainer, name, n_folds=n_folds, n_seeds=n_seeds, progress=progress) for name in names
    )
    return Protocols(scores)


def full_name(protocol: str) -> str:
    """Return the protocol that a name or the last part of one means.

    >>> full_name("fault-filtered"), full_name("grouped")
    ('gtzan/fault-filtered', 'grouped')
    """
    matching = [name for name in PROTOCOLS if name == protocol or name.endswith(f"/{protocol}")]
    if len(matching) != 1:
        raise UnknownNameError("split protocol", protocol, PROTOCOLS)
    return matching[0]


def _score(
    manifest: Manifest, trainer: Trainer, name: str, *, n_folds: int, n_seeds: int, progress: Progress
) -> ProtocolScore:
    own_parts = name == "given" or name in PUBLISHED_SPLITS
    folds = 1 if own_parts else n_folds
    right: dict[str, list[float]] = {}
    groups: dict[str, str] = {}
    of_seed, n_train, n_leaking, part = [], [], [], "test"
    for seed in range(n_seeds):
        answers: list[bool] = []
        for fold in range(folds):
            split = Split(protocol=name) if own_parts else Split(protocol=name, folds=folds, fold=fold, seed=seed)
            divided = apply_split(manifest, split)
            part = "test" if len(divided.part("test")) else "valid"
            outcome = trainer(divided, seed)
            for key, group, hit in zip(outcome.inputs, outcome.groups, outcome.correct, strict=True):
                right.setdefault(key, []).append(float(hit))
                groups[key] = str(group)
            answers.extend(outcome.correct.tolist())
            n_train.append(len(divided.part("train")))
            n_leaking.append(len(leaks(divided)))
            progress(name, seed * folds + fold + 1, n_seeds * folds, "")
        of_seed.append(float(np.mean(answers)))
    keys = sorted(right)
    interval, _ = accuracy_interval([np.mean(right[key]) for key in keys], [groups[key] for key in keys])
    return ProtocolScore(
        protocol=name,
        accuracy=float(np.mean(of_seed)),
        spread=float(np.std(of_seed, ddof=1)) if n_seeds > 1 else None,
        interval=interval,
        n=len(keys),
        n_groups=len(set(groups.values())),
        n_train=round(float(np.mean(n_train))),
        n_folds=folds,
        seeds=tuple(range(n_seeds)),
        n_leaking=float(np.mean(n_leaking)),
        part=part,
    )


def baseline_trainer(manifest: Manifest, *, workers: int | None = None, progress: Progress = no_progress) -> Trainer:
    """Return the baseline as a trainer; everything is read once, here.

    Raises
    ------
    DataError
        When there is nothing to learn from.
    """
    rows, features = matrix(scan(manifest, workers=workers, progress=progress).examined)
    if not rows:
        raise DataError(f"{manifest.name}: holds nothing that a model could learn from; 'earmark check' says why")
    place = {_key(manifest, row): n for n, row in enumerate(rows)}
    labels = manifest.labels

    def learn(divided: Manifest, seed: int) -> Outcome:
        tested = "test" if len(divided.part("test")) else "valid"
        taught = ("train", "valid") if tested == "test" else ("train",)
        known = [row for row in range(len(divided)) if _key(divided, row) in place]
        train = [row for row in known if divided.examples[row].split in taught]
        test = [row for row in known if divided.examples[row].split == tested]
        truth = np.array([labels.index(example.label) for example in divided.examples])
        inputs = np.array([place.get(_key(divided, row), -1) for row in range(len(divided))])
        model = Baseline(len(labels), seed=seed).fit(features[inputs[train]], truth[train])
        return Outcome.from_logits(
            model.log_probabilities(features[inputs[test]]),
            truth[test],
            labels=labels,
            groups=[divided.examples[row].group or str(row) for row in test],
            inputs=[str(row) for row in test],
        )

    return learn


def recipe_trainer(model: str) -> Trainer:
    """Return a trainer that trains a recipe from its beginning: a shipped one, a TOML file, or that of a recognizer.

    Raises
    ------
    MissingExtraError
        When PyTorch is not installed.
    """
    extras.require("training", "train", "torch")
    from earmark.runs.pipeline import train

    recipe = _recipe(model)

    def learn(divided: Manifest, seed: int) -> Outcome:
        training = recipe.training.model_copy(update={"seed": seed})
        split = recipe.split.model_copy(update={"protocol": "given", "folds": None, "fold": 0})
        changed = recipe.model_copy(update={"training": training, "split": split})
        with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
            run = train(changed, data=divided, out=Path(folder) / "run")
            return read_outcome(run.folder / "outcome.npz")

    return learn


def _recipe(model: str) -> Recipe:
    from earmark.recognizer import load
    from earmark.training import Recipe, load_recipe, shipped_recipes

    if model.endswith(".toml") or model in shipped_recipes():
        return load_recipe(model)
    card = load(model).card
    return Recipe.parse(card.recipe, where=f"the recipe of {card.name}")


def _key(manifest: Manifest, row: int) -> tuple[str, float | None, float | None]:
    example = manifest.examples[row]
    return example.path, example.start_s, example.duration_s

"""The training pipeline: fit, export, calibrate, score, publish; `cross_validate` goes through it once a fold.

Every step after the fit is taken by the first of several processes alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.data import SPLITS, Examples, Manifest
from earmark.errors import ConfigError
from earmark.evaluation import Outcome, Scores, describe_protocol, read_outcome, score
from earmark.evaluation.evaluate import calibrate, evaluate
from earmark.evaluation.multi_label import fit_outcome_temperature, with_chosen_thresholds
from earmark.features import FeatureCache, open_cache
from earmark.models import Network
from earmark.parallel import stays_here
from earmark.recognizer import Card, DataSummary, Rejection, Score
from earmark.rejection.fit import add_rejection, min_confidence_for
from earmark.rejection.sounds import some_of_each_kind
from earmark.runs.apart import train_apart
from earmark.runs.artifacts import (
    OUTCOME,
    VALIDATION,
    Run,
    claim_run_folder,
    draft_card,
    finished,
    write_artifacts,
    write_recognizer,
)
from earmark.training.distributed import first_ahead, is_first, process_group
from earmark.training.export import export_network
from earmark.training.fit import fit_network
from earmark.training.loop import Row
from earmark.training.mixtures.scored import single_notes, with_mixtures
from earmark.training.readable import set_aside_unreadable
from earmark.training.recipe import Recipe, as_recipe
from earmark.training.settle import read_for, recipe_for_data, settle
from earmark.types import Progress, no_progress

if TYPE_CHECKING:
    import onnx

log = logging.getLogger(__name__)

ALL_FOLDS = "all"
"""Where in the folder of a cross-validation lies the network that was fitted to everything."""


@process_group()
def train(  # noqa: PLR0913 - what a run is made of
    recipe: Recipe | str | Path,
    *,
    data: Manifest | Examples | str | Path,
    out: str | Path,
    overrides: Sequence[str] = (),
    cache: str | Path | None = None,
    strict: bool = False,
    progress: Progress = no_progress,
) -> Run:
    """Fit a network to labelled examples and write one file that recognises.

    A run that was killed goes on where it stopped when it is started again with the same folder, recipe and data.
    Processes started by ``torchrun`` train as one, in the same folder, and all return what the first has written.

    Parameters
    ----------
    recipe
        A recipe, the name of a shipped one, or a TOML file.
    data
        A manifest or any source that `earmark.read_manifest` reads.
    out
        Folder of the run; made when missing.
    overrides
        Changes to the recipe, such as ``"training.epochs=20"``.
    cache
        Folder of the feature cache; by default the user's cache folder.
    strict
        Raise when an example cannot be read; by default such examples are set aside, and that is said.

    Raises
    ------
    ConfigError, DataError, ModelError
        When the recipe is wrong, the data is bad or does not fit it, or the folder holds another run.
    """
    asked = as_recipe(recipe, overrides=overrides)
    progress = progress if is_first() else no_progress
    store = open_cache(cache)
    progress("finding examples", 0, 1, "")
    with first_ahead():
        readable = set_aside_unreadable(read_for(asked, data), cache=store, strict=strict, progress=progress)
        recipe = _chosen_recipe(recipe, readable, overrides)
        readable = with_mixtures(readable, recipe, cache=store)
    progress("dividing examples", 0, 1, "")
    recipe, manifest = settle(recipe, readable)
    pipeline = Pipeline(recipe, Path(out), store, progress)
    with first_ahead():
        claim_run_folder(pipeline.folder, recipe, manifest)
    network, rows = pipeline.fit(manifest)
    more = _with_refit_parts(manifest, recipe)
    if not is_first():
        if more is not None:
            pipeline.fit(more, subfolder="refit", validated=False)
        return finished(pipeline.folder)

    draft, validation = pipeline.calibrate(pipeline.export(network, manifest), manifest)
    # Some published splits come without their test part; the validation part, which chose the epoch, must do then,
    # and it is scored before the network learns from it.
    part = "test" if len(manifest.part("test")) else "valid"
    measured = None
    if more is None or part in _learned(recipe):
        measured = pipeline.score(draft, manifest, part=part)
    if more is not None:
        network, _ = pipeline.fit(more, subfolder="refit", validated=False)
        draft = pipeline.export(network, more, like=draft.card, learned=_learned(recipe))
    outcome, scores = measured or pipeline.score(draft, manifest, part=part)
    pipeline.publish(draft, manifest, outcome=outcome, validation=validation, scores=scores, rows=rows)
    return finished(pipeline.folder)


@process_group()
def cross_validate(  # noqa: PLR0913 - as train
    recipe: Recipe | str | Path,
    *,
    data: Manifest | Examples | str | Path,
    out: str | Path,
    overrides: Sequence[str] = (),
    cache: str | Path | None = None,
    strict: bool = False,
    progress: Progress = no_progress,
) -> Run:
    """Cross-validate a recipe by group, then fit a network to everything.

    Every example is scored by the fold that had it in its test part, and the temperature and the rejection threshold
    are chosen on the answers of the folds that had it in their validation part. With few groups (eight pianos) one
    held-out group says little and costs much; this way all of them are tested, and the file still learns from all. It
    has seen every example, so it must not be scored on this data again.

    Parameters
    ----------
    recipe, data, out, overrides, cache, strict, progress
        As for `train`; the folds are kept in ``out/fold-1`` and so on, and a call that was killed goes on where it was.
        On a cluster they are trained beside each other, and a fold that was under way is begun again.

    Raises
    ------
    ConfigError
        When the recipe's ``[split]`` has no ``folds``.
    """
    asked = as_recipe(recipe, overrides=overrides)
    store = open_cache(cache)
    progress = progress if is_first() else no_progress
    progress("finding examples", 0, 1, "")
    with first_ahead():
        manifest = set_aside_unreadable(read_for(asked, data), cache=store, strict=strict, progress=progress)
        recipe = _chosen_recipe(recipe, manifest, overrides)
        manifest = with_mixtures(manifest, recipe, cache=store)
    n_folds = recipe.split.folds
    if n_folds is None:
        raise ConfigError(f"recipe {recipe.name!r} has no folds; add --set split.folds=5")
    pipeline = Pipeline(recipe, Path(out), store, progress)
    folders = [pipeline.folder / f"fold-{number + 1}" for number in range(n_folds)]
    if stays_here(1, n_folds):
        for number, folder in enumerate(folders):
            train(_fold(recipe, number), data=manifest, out=folder, cache=cache, progress=progress)
    else:
        recipes = [_fold(recipe, number) for number in range(n_folds)]
        train_apart(partial(train, data=manifest, cache=cache), recipes, folders=folders, progress=pipeline.progress)

    recipe, everything = settle(recipe, manifest)
    pipeline = replace(pipeline, recipe=recipe)
    everything = everything.with_splits([part and "train" for part in (e.split for e in everything.examples)])
    with first_ahead():
        claim_run_folder(pipeline.folder / ALL_FOLDS, recipe, everything)
    network, rows = pipeline.fit(everything, subfolder=ALL_FOLDS, validated=False)
    if not is_first():
        return finished(pipeline.folder)

    outcome, validation = (
        Outcome.concatenate([read_outcome(folder / name) for folder in folders]) for name in (OUTCOME, VALIDATION)
    )
    temperature = fit_outcome_temperature(validation)
    outcome, validation = outcome.calibrated(temperature), validation.calibrated(temperature)
    if validation.is_multi_label:
        validation = with_chosen_thresholds(validation, common=recipe.mixtures is not None)
        outcome = replace(outcome, thresholds=validation.thresholds)
    rejection = _threshold(recipe, validation)
    if rejection is not None:
        outcome = replace(outcome, answered=outcome.confidence >= rejection.min_confidence)
    protocol = f"{recipe.split.protocol}, {n_folds} folds, seed {recipe.split.seed}, every fold in turn"
    scores = score(outcome, protocol=protocol, seeds=(recipe.training.seed,))
    draft = pipeline.export(network, everything, learned=SPLITS)
    draft = draft.calibrated(temperature, rejection, thresholds=validation.thresholds)
    pipeline.publish(draft, manifest, outcome=outcome, validation=validation, scores=scores, rows=rows)
    return finished(pipeline.folder)


@dataclass(frozen=True)
class Draft:
    """A recognizer that is not a file yet: the graph of its network, and its card."""

    graph: onnx.ModelProto
    card: Card

    def calibrated(
        self, temperature: float, rejection: Rejection | None, *, thresholds: tuple[float, ...] = ()
    ) -> Draft:
        """Return the same with a temperature, a rejection threshold, and the thresholds of multi-label answers."""
        chosen = {"temperature": temperature, "rejection": rejection, "thresholds": thresholds}
        return replace(self, card=self.card.model_copy(update=chosen))


@dataclass(frozen=True)
class Pipeline:
    """The five steps from examples to a published recognizer, in the folder of one run."""

    recipe: Recipe
    folder: Path
    cache: FeatureCache
    progress: Progress

    def fit(self, manifest: Manifest, *, subfolder: str = "", validated: bool = True) -> tuple[Network, list[Row]]:
        """Fit a fresh network to the training part; return it with the log. Without validation it is a second fit."""
        return fit_network(
            manifest,
            recipe=self.recipe if validated else _second(self.recipe),
            folder=self.folder / subfolder,
            validated=validated,
            cache=self.cache,
            progress=self.progress,
            others=some_of_each_kind,
        )

    def export(
        self, network: Network, manifest: Manifest, *, like: Card | None = None, learned: tuple[str, ...] = ("train",)
    ) -> Draft:
        """Return a network as a graph with a card: a new one, or one `like` another but for what it has learned."""
        self.progress("exporting the network", 0, 1, "")
        card = like or draft_card(self.recipe, manifest)
        notes = single_notes(manifest)
        examples = notes.part("train").examples
        card = card.model_copy(update={"data": DataSummary.of(notes, learned=learned, examples=examples)})
        return Draft(export_network(network, self.recipe.features), card)

    def calibrate(self, draft: Draft, manifest: Manifest) -> tuple[Draft, Outcome]:
        """Choose temperature and rejection threshold on the validation part; return the answers to it as well."""
        log.info("calibrates the recognizer on the validation part")
        with self._file(draft) as candidate:
            temperature, validation = calibrate(
                candidate, manifest, common_threshold=self.recipe.mixtures is not None, progress=self.progress
            )
        rejection = _threshold(self.recipe, validation)
        return draft.calibrated(temperature, rejection, thresholds=validation.thresholds), validation

    def score(self, draft: Draft, manifest: Manifest, *, part: str) -> tuple[Outcome, Scores]:
        """Score the very file that a draft makes on a part that its network has not learned from."""
        log.info("scores it on the %s part", {"valid": "validation"}.get(part, part))
        with self._file(draft) as candidate:
            return evaluate(
                candidate,
                manifest,
                split=part,
                protocol=describe_protocol(self.recipe.split.description, part),
                seeds=(self.recipe.training.seed,),
                progress=self.progress,
            )

    def publish(
        self,
        draft: Draft,
        manifest: Manifest,
        *,
        outcome: Outcome,
        validation: Outcome,
        scores: Scores,
        rows: Sequence[Row],
    ) -> None:
        """Write the recognizer, with a rejection detector if the recipe asks for one, the scores and the report."""
        log.info("writes the recognizer, the scores and the report to %s", self.folder)
        card = draft.card.model_copy(update={"scores": (Score.of(scores),)})
        model = write_recognizer(self.folder / "model.onnx", draft.graph, card)
        if self.recipe.rejection is not None:
            add_rejection(
                model, manifest, out=model, outcome=validation, cache=self.cache.folder, progress=self.progress
            )
        self.progress("drawing the report", 0, 1, "")
        write_artifacts(
            self.folder,
            model,
            manifest,
            recipe=self.recipe,
            outcome=outcome,
            validation=validation,
            scores=scores,
            rows=rows,
        )

    @contextmanager
    def _file(self, draft: Draft) -> Iterator[Path]:
        """Give a recognizer file that is deleted afterwards."""
        path = write_recognizer(self.folder / "candidate.onnx", draft.graph, draft.card)
        try:
            yield path
        finally:
            path.unlink()


def _chosen_recipe(recipe: Recipe | str | Path, manifest: Manifest, overrides: Sequence[str]) -> Recipe:
    """Return the recipe asked for; of a name, the one that suits the amount of data."""
    asked = as_recipe(recipe, overrides=overrides)
    return asked if isinstance(recipe, Recipe) else recipe_for_data(asked, manifest, overrides=overrides)


def _threshold(recipe: Recipe, validation: Outcome) -> Rejection | None:
    """Return the rejection by confidence alone that reaches the precision the recipe asks for."""
    if recipe.rejection is None or validation.is_multi_label:
        return None
    precision = recipe.rejection.precision
    return Rejection(min_confidence=min_confidence_for(validation, precision), precision=precision)


def _learned(recipe: Recipe) -> tuple[str, ...]:
    """Return the parts of the split that the network in the file has learned from."""
    return {"none": ("train",), "valid": ("train", "valid"), "everything": SPLITS}[recipe.training.refit]


def _with_refit_parts(manifest: Manifest, recipe: Recipe) -> Manifest | None:
    """Return the examples with those of the second fit in the training part; None when there is no second fit."""
    if recipe.training.refit == "none":
        return None
    learned = _learned(recipe)
    return manifest.with_splits(["train" if e.split in learned else e.split for e in manifest.examples])


def _second(recipe: Recipe) -> Recipe:
    """Return the recipe of a second fit."""
    training = recipe.training
    return recipe.model_copy(
        update={"training": training.model_copy(update={"epochs": training.refit_epochs or training.epochs})}
    )


def _fold(recipe: Recipe, number: int) -> Recipe:
    """Return the recipe of one fold, whose file is only scored: it learns no test part, and gets no detector."""
    refit = "valid" if recipe.training.refit == "valid" else "none"
    return recipe.model_copy(
        update={
            "split": recipe.split.model_copy(update={"fold": number}),
            "training": recipe.training.model_copy(update={"refit": refit}),
            "rejection": None,
        }
    )

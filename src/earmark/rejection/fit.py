"""Teach a recognizer to decline: a gate beside its network, learned from real and foreign inputs, and its thresholds.

Nothing of the recognizer changes, so this suits any file whose card holds its recipe, long after its run is gone. The
gate is a classifier of real against foreign inputs (Hendrycks et al. 2019, outlier exposure), calibrated on groups of
real examples that it has not learned (Platt 1999). What it makes of kinds that nobody foresaw is measured by leaving
out one family of kinds after the other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.config import apply_overrides
from earmark.data import Manifest, as_manifest, read_content
from earmark.errors import DataError, ModelError
from earmark.evaluation import Outcome
from earmark.evaluation.evaluate import evaluate
from earmark.features import InkFeatures, SoundFeatures, open_cache
from earmark.files import atomic_path
from earmark.recognizer import Card, Recognizer, Rejection, add_detector, find, set_card
from earmark.rejection.export import export_detector
from earmark.rejection.fit_detector import DetectorTrainer, least_familiarity
from earmark.rejection.sources import RealExample, ood_sources
from earmark.rejection.windows import Draw, sample
from earmark.training.recipe import Recipe
from earmark.training.rejection_config import RejectionConfig
from earmark.training.split import split_for
from earmark.types import Content, Progress, no_progress

# Whole real examples, at most, that the threshold of familiarity is chosen by.
MOST_REAL = 2000

log = logging.getLogger(__name__)


def add_rejection(  # noqa: PLR0913 - what to learn from and where to put it
    model: str | Path,
    data: Manifest | str | Path,
    *,
    out: str | Path,
    settings: RejectionConfig | None = None,
    folders: Sequence[str | Path] = (),
    outcome: Outcome | None = None,
    cache: str | Path | None = None,
    progress: Progress = no_progress,
) -> Rejection:
    """Give a recognizer file a gate and thresholds, so that it declines what it does not know.

    Parameters
    ----------
    model
        What `earmark.load` takes.
    data
        What it was trained on: the gate learns from the training part of its recipe, and the thresholds are chosen on
        the other parts.
    out
        The file to write; it may be that of `model`.
    settings
        Those of the recipe, or else the defaults, unless given.
    folders
        Of foreign files, each a kind, beside those that are made up.
    outcome
        Answers of the same training to examples that it had not learned, to choose ``min_confidence`` by. Without it,
        the parts that the file has not learned are scored; where there are none, only the familiarity decides.
    cache
        Folder of the feature cache; by default the user's cache folder.

    Raises
    ------
    ModelError
        When the card holds no recipe, or the recognizer sees no picture.
    ConfigError, DataError
        When the recipe is of another Earmark, or the data does not fit.
    """
    import onnx

    path = find(model)
    recognizer = Recognizer.load(path)
    recipe = _recipe_of(recognizer.card)
    settings = settings or recipe.rejection or RejectionConfig()
    manifest = split_for(recipe, as_manifest(data))
    learned = manifest.part("train")
    unlearned = replace(manifest, examples=tuple(e for e in manifest.examples if e.split in ("valid", "test")))
    if not len(unlearned):
        raise DataError(f"{manifest.name}: all of it is learned from; thresholds need a validation or a test part")
    foreign = ood_sources(recognizer.card, kinds=settings.kinds, folders=folders, real=_any_of(learned))

    store = open_cache(cache)
    draw = Draw(recognizer, recipe, foreign, cache=store, progress=progress)
    seed = settings.seed
    learn = draw(learned, n_real=settings.n_examples, n_foreign=settings.n_examples, seed=(seed, 0))
    check = draw(unlearned, n_real=settings.n_check, n_foreign=settings.n_check, seed=(seed, 1))
    teacher = DetectorTrainer(recognizer.card, recipe, settings, learn=learn, check=check, progress=progress)
    measured = teacher.measure(foreign) if settings.measure else ()
    gate = teacher.fit_network()

    outcome = outcome or _unlearned_answers(recognizer, manifest, progress)
    rejection = Rejection(
        min_familiarity=0.0,
        min_confidence=0.0 if outcome is None else least_confidence(outcome, settings.precision),
        precision=None if outcome is None else settings.precision,
        min_pitch_salience=settings.min_pitch_salience,
        foreign=tuple(foreign),
        measured=measured,
    )
    added = export_detector(gate, max(learn, key=len).where(np.arange(2)).tensors())
    graph = add_detector(onnx.load(path), added, _with(recognizer.card, rejection))
    with atomic_path(out) as temporary:
        temporary.write_bytes(graph.SerializeToString(deterministic=True))
        whole = sample(unlearned, MOST_REAL, seed=[seed])
        familiarity = _whole_familiarity(Recognizer.load(temporary), whole, progress)
        both = np.concatenate([familiarity, teacher.real_familiarity(gate)])
        least = least_familiarity(both, settings)
        found = {"min_familiarity": round(least, 6), "declines": float((familiarity < least).mean())}
        counts = {"n_real": len(familiarity), "n_groups": len(whole.groups)}
        rejection = rejection.model_copy(update=found | counts)
        set_card(graph, _with(recognizer.card, rejection))
        temporary.write_bytes(graph.SerializeToString(deterministic=True))
    return rejection


def rejection_config_of(model: str | Path, *, overrides: Iterable[str] = ()) -> RejectionConfig:
    """Return how a recognizer would learn to decline: as its recipe says, with changes such as ``"epochs=12"``.

    Raises
    ------
    ModelError, ConfigError
        When there is no such recognizer, it has no recipe, or a change does not fit.
    """
    settings = _recipe_of(Recognizer.load(find(model)).card).rejection or RejectionConfig()
    return RejectionConfig.parse(apply_overrides(settings.model_dump(), overrides), where="[rejection]")


def least_confidence(outcome: Outcome, precision: float) -> float:
    """Return the lowest threshold at which a share `precision` of the answers given is right, 0 when none is needed.

    Where it cannot be reached, the threshold is that of the highest precision, and a warning says so.
    """
    order = np.argsort(-outcome.confidence, kind="stable")
    confidence, right = outcome.confidence[order], outcome.correct[order]
    reached = np.cumsum(right) / np.arange(1, len(right) + 1)
    # Answers of equal confidence are given or declined together.
    last = np.flatnonzero(np.diff(confidence, append=-1.0))
    enough = last[reached[last] >= precision]
    if not len(enough):
        best = last[int(np.argmax(reached[last]))]
        log.warning(
            "no threshold makes %.1f %% of the answers right; the best is %.1f %%", 100 * precision, 100 * reached[best]
        )
        return float(confidence[best])
    return 0.0 if enough[-1] == len(right) - 1 else float(confidence[enough[-1]])


def _recipe_of(card: Card) -> Recipe:
    if not card.recipe:
        raise ModelError(f"{card.name}: its card holds no recipe to learn by; train it again with 'earmark train'")
    if not isinstance(card.features, InkFeatures | SoundFeatures):
        raise ModelError(
            f"{card.name}: sees {card.features.kind} features, which are no picture; only recognizers of spectrograms"
            " and drawings can learn to decline"
        )
    return Recipe.parse(card.recipe, where=f"recipe of {card.name}")


def _any_of(manifest: Manifest) -> RealExample:
    """Return what reads a random example of a manifest."""
    by_label = {label: [e for e in manifest.examples if e.label == label] for label in manifest.labels}

    def read(rng: np.random.Generator, label: str | None) -> Content:
        among = by_label.get(label or "") or manifest.examples
        return read_content(manifest, among[int(rng.integers(len(among)))])

    return read


def _unlearned_answers(recognizer: Recognizer, manifest: Manifest, progress: Progress) -> Outcome | None:
    """Return the answers to a part that the recognizer has not learned from; None when there is none."""
    for part in ("test", "valid"):
        if part not in recognizer.card.data.learned and len(manifest.part(part)):
            return evaluate(recognizer, manifest, split=part, progress=progress)[0]
    log.warning(
        "%s has learned from all of the data, so nothing shows how often its answers are right; only the familiarity"
        " decides, unless the answers of its training are given as an outcome",
        recognizer.card.name,
    )
    return None


def _whole_familiarity(recognizer: Recognizer, manifest: Manifest, progress: Progress) -> npt.NDArray[np.float64]:
    """Return how familiar every example that is not silent is, ``(n,)``."""
    result = []
    for done, example in enumerate(manifest.examples, start=1):
        scored = recognizer.score(read_content(manifest, example))
        if not scored.is_silent:
            result.append(scored.mean_familiarity())
        progress("thresholds", done, len(manifest), "")
    return np.array(result)


def _with(card: Card, rejection: Rejection) -> Card:
    return card.model_copy(update={"rejection": rejection})

"""Rejection: an out-of-distribution detector beside the network of a recognizer, and thresholds to answer `unknown` by.

Nothing else of the recognizer changes, so this suits any file whose card holds its recipe, long after its run is gone.
The detector is a classifier of in-distribution against out-of-distribution inputs (Hendrycks et al. 2019, outlier
exposure), calibrated on groups of real examples that it has not learned (Platt 1999). Thresholds are chosen on the
validation part. How well kinds are rejected that nobody foresaw is measured by leaving out one family of kinds after
the other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.config import apply_overrides
from earmark.data import Manifest, as_manifest, read_content
from earmark.errors import DataError, ModelError, UnknownNameError
from earmark.evaluation import Outcome
from earmark.evaluation.evaluate import evaluate
from earmark.features import InkFeatures, PictureFeatures, SoundFeatures, open_cache
from earmark.files import atomic_path
from earmark.recognizer import Card, Recognizer, Rejection, add_detector, find, set_card
from earmark.rejection.detector import export_detector
from earmark.rejection.fit_detector import DetectorTrainer, min_familiarity_for
from earmark.rejection.mixtures import MixtureSampler
from earmark.rejection.sources import RealExample, ood_sources
from earmark.rejection.windows import WindowSampler, sample
from earmark.training.mixtures.scored import with_mixtures
from earmark.training.recipe import Recipe
from earmark.training.rejection_config import RejectionConfig
from earmark.training.settle import split_for
from earmark.types import Content, Progress, no_progress

# Whole real examples, at most, that the threshold is chosen by, and that its cost is measured on.
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
    """Add an out-of-distribution detector and thresholds to a recognizer file, so that it can answer `unknown`.

    Parameters
    ----------
    model
        What `earmark.load` takes.
    data
        What it was trained on: the detector learns from the training part of its recipe, the thresholds are chosen on
        the validation part, and their cost is measured on the test part where there is one.
    out
        The file to write; it may be that of `model`.
    settings
        Those of the recipe, or else the defaults, unless given.
    folders
        Of out-of-distribution files, each a kind, beside those that are made up.
    outcome
        Answers of the same training to its validation part, to choose ``min_confidence`` by. Without it, the file is
        asked; where it has learned from that part, only the in-distribution probability decides.
    cache
        Folder of the feature cache; by default the user's cache folder.

    Raises
    ------
    ModelError
        When the card holds no recipe, or the recognizer sees neither spectrograms nor drawings.
    ConfigError, DataError
        When the recipe is of another Earmark, or the data does not fit.
    """
    progress("finding examples", 0, 1, "")
    path = find(model)
    recognizer = Recognizer.load(path)
    recipe = _recipe_of(recognizer.card)
    settings = settings or recipe.rejection or RejectionConfig()
    examples = with_mixtures(as_manifest(data), recipe, cache=open_cache(cache))
    manifest = split_for(recipe, examples)
    learned, unlearned = manifest.part("train"), manifest.part("valid")
    if not len(unlearned):
        raise DataError(
            f"{manifest.name}: has no validation part to choose thresholds on; change [split] of the recipe"
        )
    sources = ood_sources(recognizer.card, kinds=settings.kinds, folders=folders, real=_any_of(learned))
    families = {source.family for source in sources.values()}
    for family in settings.family_weights:
        if family not in families:
            raise UnknownNameError("family of out-of-distribution inputs in family_weights", family, sorted(families))

    draw = (
        WindowSampler(recognizer, recipe, sources, cache=open_cache(cache), progress=progress)
        if recipe.mixtures is None
        else MixtureSampler(recognizer, recipe, sources, progress=progress)
    )
    n, n_validation, seed = settings.n_examples, settings.n_validation, settings.seed
    trainer = DetectorTrainer(
        recognizer.card,
        recipe,
        settings,
        train=draw(learned, n_real=n, n_ood=n, seed=(seed, 0)),
        validation=draw(unlearned, n_real=n_validation, n_ood=n_validation, seed=(seed, 1)),
        sources=tuple(sources.values()),
        progress=progress,
    )
    measured = trainer.measure() if settings.measure else ()
    # Each label of a multi-label recognizer has a threshold of its own, below which it is not given.
    is_one_label = not recognizer.card.is_multi_label
    outcome = (outcome or _validation_answers(recognizer, manifest, progress)) if is_one_label else None
    rejection = Rejection(
        min_familiarity=0.0,
        min_confidence=0.0 if outcome is None else min_confidence_for(outcome, settings.precision),
        precision=None if outcome is None else settings.precision,
        min_pitch_salience=settings.min_pitch_salience,
        ood_kinds=tuple(sources),
        ood_scores=measured,
    )
    return _write(path, Path(out), rejection, trainer=trainer, manifest=manifest)


def rejection_config_of(model: str | Path, *, overrides: Iterable[str] = ()) -> RejectionConfig:
    """Return the rejection settings of a recognizer: those of its recipe, with changes such as ``"epochs=12"``.

    Raises
    ------
    ModelError, ConfigError
        When there is no such recognizer, it has no recipe, or a change does not fit.
    """
    settings = _recipe_of(Recognizer.load(find(model)).card).rejection or RejectionConfig()
    return RejectionConfig.parse(apply_overrides(settings.model_dump(), overrides), where="[rejection]")


def min_confidence_for(outcome: Outcome, precision: float) -> float:
    """Return the lowest threshold at which a share `precision` of the answers given is right, 0 when none is needed.

    Where it cannot be reached, the threshold is that of the highest precision, and a warning says so.
    """
    order = np.argsort(-outcome.confidence, kind="stable")
    confidence, right = outcome.confidence[order], outcome.correct[order]
    reached = np.cumsum(right) / np.arange(1, len(right) + 1)
    # Answers of equal confidence are given or rejected together.
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
    if isinstance(card.features, PictureFeatures):
        raise ModelError(
            f"{card.name}: reads spectrogram pictures, of which no others can be made in code; a recognizer that hears"
            " the sounds themselves can learn to decline"
        )
    if not isinstance(card.features, InkFeatures | SoundFeatures):
        raise ModelError(
            f"{card.name}: sees {card.features.kind} features; only recognizers of spectrograms and drawings can be "
            "given a rejection detector"
        )
    return Recipe.parse(card.recipe, where=f"recipe of {card.name}")


def _any_of(manifest: Manifest) -> RealExample:
    """Return what reads a random example of a manifest."""
    by_label = {label: [e for e in manifest.examples if e.label == label] for label in manifest.labels}

    def read(rng: np.random.Generator, label: str | None) -> Content:
        among = by_label.get(label or "") or manifest.examples
        return read_content(manifest, among[int(rng.integers(len(among)))])

    return read


def _validation_answers(recognizer: Recognizer, manifest: Manifest, progress: Progress) -> Outcome | None:
    """Return the answers to the validation part; None when the recognizer has learned from it."""
    if "valid" not in recognizer.card.data.learned:
        return evaluate(recognizer, manifest, split="valid", progress=progress)[0]
    log.warning(
        "%s has learned from the validation part, so nothing shows how often its answers are right; only the "
        "in-distribution probability decides, unless validation.npz of its run is given as the outcome",
        recognizer.card.name,
    )
    return None


def _write(path: Path, out: Path, rejection: Rejection, *, trainer: DetectorTrainer, manifest: Manifest) -> Rejection:
    """Fit the detector, put it into the file, choose its threshold by whole examples, and return what the card says."""
    import onnx

    trainer.progress("fitting the detector", 0, 1, "")
    detector = trainer.fit()
    trainer.progress("exporting the detector", 0, 1, "")
    added = export_detector(detector, max(trainer.train, key=len).where(np.arange(2)).tensors())
    graph = add_detector(onnx.load(path), added, _with(trainer.card, rejection))
    with atomic_path(out) as temporary:
        temporary.write_bytes(graph.SerializeToString(deterministic=True))
        recognizer = Recognizer.load(temporary)
        parts = [sample(manifest.part(name), MOST_REAL, seed=[trainer.settings.seed]) for name in ("valid", "test")]
        validation, test = (_whole_familiarity(recognizer, part, trainer.progress) for part in parts)
        both = np.concatenate([validation, trainer.real_familiarity(detector)])
        least = min_familiarity_for(both, trainer.settings)
        cost, groups = (test, parts[1].groups) if len(test) else (validation, parts[0].groups)
        rejection = rejection.model_copy(
            update={
                "min_familiarity": round(least, 6),
                "false_rejection_rate": float((cost < least).mean()),
                "n_real": len(cost),
                "n_groups": len(groups),
            }
        )
        set_card(graph, _with(trainer.card, rejection))
        temporary.write_bytes(graph.SerializeToString(deterministic=True))
    return rejection


def _whole_familiarity(recognizer: Recognizer, manifest: Manifest, progress: Progress) -> npt.NDArray[np.float64]:
    """Return the in-distribution probability of every example that is not silent, ``(n,)``."""
    result = []
    for done, example in enumerate(manifest.examples, start=1):
        scored = recognizer.score(read_content(manifest, example))
        if not scored.is_silent:
            result.append(scored.mean_familiarity())
        progress("thresholds", done, len(manifest), "")
    return np.array(result)


def _with(card: Card, rejection: Rejection) -> Card:
    return card.model_copy(update={"rejection": rejection})

"""Verify the scores and costs on the cards of the built-in recognizers, by measuring the files that ship."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeAlias

import numpy as np

from earmark.data import SPLITS, Manifest, Split, apply_split, read_manifest
from earmark.data.facts import PUBLISHED_SPLITS
from earmark.errors import DataError
from earmark.evaluation import Scores, describe_protocol
from earmark.evaluation.evaluate import evaluate
from earmark.recognizer.card import Card, Score
from earmark.recognizer.file import zoo
from earmark.recognizer.recognizer import Recognizer, load
from earmark.types import Content, Ink, Progress, Sound, no_progress
from earmark.zoo.costs import cost_of

Status: TypeAlias = Literal["redone", "learned since", "other examples", "no data"]

# Where the data of each lies in the folder; the first that is there is read.
_PLACES = {
    "symbols": ("homus/*.zip", "homus"),
    "notes": ("pianos",),
    "genre": ("gtzan/audio", "gtzan"),
}
# What a typical item is, and how long; None for a drawing.
_ITEMS: dict[str, tuple[str, float | None]] = {
    "symbols": ("a drawing of three strokes", None),
    "notes": ("a second of sound", 1.0),
    "genre": ("30 s of sound", 30.0),
    "tags": ("30 s of sound", 30.0),
}
_N_TIMED = 15
# Between machines the last bit of a logit differs, and with it now and then the better of two equal answers.
_TOLERANCE = 0.002


@dataclass(frozen=True, slots=True)
class ScoreCheck:
    """One score of a card, and the score of the file today.

    Attributes
    ----------
    model
        Name of the recognizer.
    status
        ``"redone"``: on the same examples, from which it has not learned. ``"learned since"``: the file has learned
        them after the figure was made. ``"other examples"``: the data is not that of the card. ``"no data"``.
    says
        In a sentence, what was scored and what that is worth.
    card
        The figure on the card.
    now
        What was measured; None without data.
    agrees
        Whether both say the same: within a fifth of a point on the same examples, within the interval on some of them;
        None where they need not.
    """

    model: str
    status: Status
    says: str
    card: Score
    now: Scores | None = None
    agrees: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        kept = {*Score.model_fields, "n_failed", "selective"}
        now = None if self.now is None else {k: v for k, v in self.now.to_dict().items() if k in kept}
        return {
            "model": self.model,
            "status": self.status,
            "says": self.says,
            "card": self.card.model_dump(mode="json"),
            "now": now,
            "agrees": self.agrees,
        }


@dataclass(frozen=True, slots=True)
class CostCheck:
    """Measured cost of using a recognizer, beside the stated one.

    Attributes
    ----------
    n_bytes
        Size of the file.
    item
        What was timed.
    ms, ms_stated
        Median time for it on one core, here and as the card states it.
    """

    model: str
    n_bytes: int
    item: str
    ms: float
    ms_stated: float | None


def verify_recognizer(
    name: str, data: Path, *, limit: int | None = None, progress: Progress = no_progress
) -> tuple[list[ScoreCheck], CostCheck]:
    """Measure the scores and the cost of one built-in recognizer.

    Parameters
    ----------
    name
        Of the recognizer.
    data
        Folder that holds ``homus/``, ``pianos/`` and ``gtzan/``, or some of them.
    limit
        Score at most so many examples, spread over all.
    progress
        Called after each example.
    """
    recognizer = load(name)
    item, duration_s = _ITEMS[name]
    ms, n_bytes = _time_ms(recognizer, duration_s), zoo()[name].stat().st_size
    cost = CostCheck(name, n_bytes, item, ms, cost_of(name).answer_ms)
    source = _source(name, data)
    if source is None:
        looked = " or ".join(_PLACES.get(name, ()))
        says = f"{data} holds no {looked}"
        return [ScoreCheck(name, "no data", says, score) for score in recognizer.card.scores], cost
    manifest = read_manifest(source).hashed()
    is_same = manifest.fingerprint == recognizer.card.data.fingerprint
    if is_same:
        manifest = _as_scored(recognizer.card, manifest)
    return [
        _check_score(recognizer, manifest, score, is_same=is_same, limit=limit, progress=progress)
        for score in recognizer.card.scores
    ], cost


def known_models(data: Path) -> tuple[str, ...]:
    """Return the recognizers whose data is in the folder, and those whose card has no figures to score.

    Raises
    ------
    DataError
        When there is none.
    """
    found = tuple(name for name in zoo() if name not in _PLACES or _source(name, data) is not None)
    if not set(found) & set(_PLACES):
        places = ", ".join(sorted({places[0].split("/")[0] for places in _PLACES.values()}))
        raise DataError(f"{data}: holds none of the folders {places}; give the folder that they are in")
    return found


def _source(name: str, data: Path) -> Path | None:
    return next((path for place in _PLACES.get(name, ()) for path in sorted(data.glob(place))), None)


def _as_scored(card: Card, manifest: Manifest) -> Manifest:
    """Return the examples of a card's data with the mixtures that its recipe renders to score by."""
    if not card.recipe.get("mixtures"):
        return manifest
    from earmark.features import open_cache
    from earmark.training.mixtures.scored import with_mixtures
    from earmark.training.recipe import Recipe

    recipe = Recipe.parse(card.recipe, where=f"recipe of {card.name}")
    return with_mixtures(manifest, recipe, cache=open_cache(None)).hashed()


def _check_score(
    recognizer: Recognizer,
    manifest: Manifest,
    score: Score,
    *,
    is_same: bool,
    limit: int | None,
    progress: Progress,
) -> ScoreCheck:
    status, part, says = _plan(recognizer.card, manifest, score, is_same=is_same)
    chosen = _thin(manifest if part is None else part, limit)
    n_all = len(manifest if part is None else part)
    if len(chosen) < n_all:
        says = f"{len(chosen):,} of {n_all:,} examples; {says}"
    _, now = evaluate(recognizer, chosen, protocol=says, progress=progress)
    agrees = None
    if status == "redone":
        low, high = now.accuracy_interval
        same = len(chosen) == score.n
        agrees = abs(now.accuracy - score.accuracy) <= _TOLERANCE if same else low <= score.accuracy <= high
    return ScoreCheck(recognizer.card.name, status, says, score, now, agrees)


def _plan(card: Card, manifest: Manifest, score: Score, *, is_same: bool) -> tuple[Status, Manifest | None, str]:
    """Return what to do about a figure: the status, the examples to score (None for all) and the words for it."""
    split = Split.parse(card.recipe.get("split", {}), where=f"the recipe of {card.name}")
    if not is_same and split.protocol not in PUBLISHED_SPLITS:
        return (
            "other examples",
            None,
            f"{manifest.name} is not the data of the card; how much of it the file has learned is not known",
        )
    divided = apply_split(manifest, split)
    parts = {part: divided.part(part) for part in SPLITS}
    scored = next((part for part in SPLITS if describe_protocol(split.description, part) == score.protocol), None)
    if scored is not None and scored not in card.data.learned and len(parts[scored]):
        return "redone", parts[scored], score.protocol
    unseen = next((part for part in SPLITS if part not in card.data.learned and len(parts[part])), None)
    if unseen is not None:
        says = f"{describe_protocol(split.description, unseen)}, which the file has not learned"
        return "other examples", parts[unseen], f"{score.protocol} cannot be redone; instead {says}"
    says = (
        f"{score.protocol} cannot be redone from the file, which has since learned {', '.join(card.data.learned)}: the"
        " figure is that of the training. Scored is what the file has learned, which shows that it works and not how"
        f" good it is. To make it again: {cost_of(card.name).train}"
    )
    return "learned since", parts[scored] if scored is not None and len(parts[scored]) else None, says


def _thin(manifest: Manifest, limit: int | None) -> Manifest:
    """Return at most `limit` examples, evenly spread."""
    if limit is None or limit >= len(manifest):
        return manifest
    rows = np.linspace(0, len(manifest) - 1, limit).round().astype(int)
    return replace(manifest, examples=tuple(manifest.examples[row] for row in np.unique(rows)))


def _time_ms(recognizer: Recognizer, duration_s: float | None) -> float:
    """Return the median time of one core for a typical item that is already in memory."""
    item = _typical(recognizer, duration_s)
    recognizer.predict(item)
    times_s = []
    for _ in range(_N_TIMED):
        began_s = time.process_time()
        recognizer.predict(item)
        times_s.append(time.process_time() - began_s)
    return 1000 * median(times_s)


def _typical(recognizer: Recognizer, duration_s: float | None) -> Content:
    rng = np.random.default_rng(0)
    if duration_s is None:
        return Ink(tuple(rng.normal(0, 4, (30, 2)).cumsum(axis=0).astype(np.float32) for _ in range(3)))
    rate_hz = recognizer.card.features.sample_rate_hz  # type: ignore[attr-defined]
    return Sound(rng.normal(scale=0.1, size=round(duration_s * rate_hz)).astype(np.float32), rate_hz)

"""Evaluate a recognizer on a data set: the answers of `predict` beside the truth, and their scores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from earmark import extras
from earmark.data import Manifest, as_manifest, read_content
from earmark.evaluation.calibration import fit_temperature
from earmark.evaluation.multi_label import fit_decision_temperature, with_chosen_thresholds
from earmark.evaluation.outcome import Outcome
from earmark.evaluation.overlap import describe_protocol, training_overlap
from earmark.evaluation.scores import Scores
from earmark.evaluation.scoring import score
from earmark.evaluation.window_outputs import WindowOutputs, collect_window_outputs, example_name
from earmark.recognizer.recognizer import Recognizer, load
from earmark.types import Progress, no_progress

BATCH_SIZE = 128

log = logging.getLogger(__name__)


def evaluate(  # noqa: PLR0913 - how it was measured belongs to the figures
    recognizer: Recognizer | str | Path,
    data: Manifest | str | Path,
    *,
    split: str | None = None,
    protocol: str | None = None,
    seeds: Sequence[int] = (),
    batch_size: int = BATCH_SIZE,
    progress: Progress = no_progress,
) -> tuple[Outcome, Scores]:
    """Score `recognizer` on every example of `data`, or of one part of it.

    When it was trained on some of them, or on other examples of their groups, a warning is logged, and the protocol of
    the scores says so.

    Parameters
    ----------
    recognizer, data
        Loaded and read, or what `load` and `read_manifest` take.
    split
        ``"train"``, ``"valid"`` or ``"test"``; None for all examples.
    protocol
        How the examples were chosen; described by the name of the data unless given.
    seeds
        Of the training or the split.
    batch_size
        Drawings given to the network at once.
    progress
        Called after each example.

    Returns
    -------
    The answers, one row an example that could be read, and their scores; examples that could not be read, and silent
    ones, which the recognizer declines, are listed as failures in both.

    Raises
    ------
    ModelError
        When the recognizer does not know a label of the data, or reads drawings and was given sounds (or vice versa).
    DataError
        When the part is empty, or nothing could be read.

    Examples
    --------
    >>> import earmark
    >>> outcome, scores = earmark.evaluate("notes", "pianos")  # doctest: +SKIP
    >>> scores.sentence  # doctest: +SKIP
    '99.9 % of 776 examples of 8 groups are right (95 % interval 99.5–100.0 %, by resampling the groups, …'
    """
    extras.require("scoring", "train", "sklearn")
    recognizer = _loaded(recognizer)
    card, manifest = recognizer.card, as_manifest(data).with_target(recognizer.card.target)
    outputs = _window_outputs(recognizer, manifest, split, batch_size=batch_size, progress=progress)
    progress("scores and their intervals", 0, 1, "")
    protocol = protocol or describe_protocol(None, split, source=manifest.name)
    overlap = training_overlap(card, manifest, split=split, protocol=protocol)
    if overlap.remark:
        log.warning("%s", overlap.sentence(card.name))
    outcome = outputs.outcome(card.temperature, thresholds=card.thresholds)
    scores = score(
        outcome,
        protocol=protocol + overlap.remark,
        seeds=seeds,
        clips=outputs.windows_apart(card.temperature, thresholds=card.thresholds) if outputs.has_windows else None,
    )
    return outcome, scores


def calibrate(
    recognizer: Recognizer | str | Path,
    data: Manifest | str | Path,
    *,
    split: str | None = "valid",
    batch_size: int = BATCH_SIZE,
    common_threshold: bool = False,
    progress: Progress = no_progress,
) -> tuple[float, Outcome]:
    """Fit the temperature of `recognizer` on a part of `data` that it was not trained on (temperature scaling).

    It is the best one to divide the logits of every window by before their probabilities are averaged, as a recognizer
    does. Parameters and errors as for `evaluate`; with `common_threshold` all labels of a multi-label recognizer get
    the same threshold.

    Returns
    -------
    The temperature, and the answers at that temperature, by which thresholds can be chosen; those of a multi-label
    recognizer have been.
    """
    loaded = _loaded(recognizer)
    manifest = as_manifest(data).with_target(loaded.card.target)
    outputs = _window_outputs(loaded, manifest, split, batch_size=batch_size, progress=progress)
    if loaded.card.is_multi_label:
        fitted = fit_decision_temperature(outputs.logits, outputs.truth, row=outputs.row, weights=outputs.weights)
        return fitted, with_chosen_thresholds(outputs.outcome(fitted), common=common_threshold)
    temperature = fit_temperature(outputs.logits, outputs.truth, row=outputs.row, weights=outputs.weights)
    return temperature, outputs.outcome(temperature)


def answers_to(recognizer: Recognizer, manifest: Manifest, *, progress: Progress = no_progress) -> Outcome:
    """Return the answers to every example of `manifest` beside the truth, whatever was learned from."""
    outputs = _window_outputs(recognizer, manifest, None, batch_size=BATCH_SIZE, progress=progress)
    return outputs.outcome(recognizer.card.temperature, thresholds=recognizer.card.thresholds)


def example_feature_maps(
    recognizer: Recognizer, manifest: Manifest, outcome: Outcome
) -> Callable[[int], npt.NDArray[Any]]:
    """Return the function that gives a report the feature map ``(freq|height, time|width)`` of row `i` of `outcome`.

    It is of the first window of a sound, or the raster of a drawing.
    """
    examples = {example_name(example): example for example in manifest.examples}

    def feature_map(row: int) -> npt.NDArray[Any]:
        return recognizer.feature_map(read_content(manifest, examples[outcome.inputs[row]]))

    return feature_map


def _loaded(recognizer: Recognizer | str | Path) -> Recognizer:
    return recognizer if isinstance(recognizer, Recognizer) else load(recognizer)


def _window_outputs(
    recognizer: Recognizer, manifest: Manifest, split: str | None, *, batch_size: int, progress: Progress
) -> WindowOutputs:
    part = manifest if split is None else manifest.part(split)
    return collect_window_outputs(recognizer, part, batch_size=batch_size, progress=progress)

"""A recognizer over every example of a manifest: what `predict` would answer, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from earmark.data import Manifest, as_manifest, read_content
from earmark.evaluation.calibration import fit_temperature
from earmark.evaluation.outcome import Outcome
from earmark.evaluation.protocol import describe_protocol
from earmark.evaluation.scores import Scores
from earmark.evaluation.scoring import score
from earmark.evaluation.window_outputs import WindowOutputs, collect_window_outputs, example_name
from earmark.recognizer.locate import load
from earmark.recognizer.recognizer import Recognizer
from earmark.types import Progress, no_progress

BATCH_SIZE = 128


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

    Parameters
    ----------
    recognizer, data
        Loaded and read, or what `load` and `read_manifest` take.
    split
        ``"train"``, ``"valid"`` or ``"test"``; None for all examples.
    protocol
        How the examples were chosen; worded from the name of the data when it is not given.
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
    '97.3 % of 776 examples of 8 groups are right (95 % interval 94.9–99.0 %, by resampling the groups, …'
    """
    recognizer, manifest = _loaded(recognizer), as_manifest(data)
    replies = _replies(recognizer, manifest, split, batch_size=batch_size, progress=progress)
    temperature = recognizer.card.temperature
    outcome = replies.outcome(temperature)
    scores = score(
        outcome,
        protocol=protocol or describe_protocol(None, split, source=manifest.name),
        seeds=seeds,
        clips=replies.windows_apart(temperature) if replies.has_windows else None,
    )
    return outcome, scores


def calibrate(
    recognizer: Recognizer | str | Path,
    data: Manifest | str | Path,
    *,
    split: str | None = "valid",
    batch_size: int = BATCH_SIZE,
    progress: Progress = no_progress,
) -> tuple[float, Outcome]:
    """Fit the temperature to the answers of `recognizer` to a part of `data` that it was not trained on.

    It is the best one to divide the logits of every window by before their probabilities are averaged, as a recognizer
    does. Parameters and errors as for `evaluate`.

    Returns
    -------
    The temperature, and the answers at that temperature, by which thresholds can be chosen.
    """
    loaded, manifest = _loaded(recognizer), as_manifest(data)
    replies = _replies(loaded, manifest, split, batch_size=batch_size, progress=progress)
    temperature = fit_temperature(replies.logits, replies.truth, row=replies.row, weights=replies.weights)
    return temperature, replies.outcome(temperature)


def example_pictures(recognizer: Recognizer, manifest: Manifest, outcome: Outcome) -> Callable[[int], npt.NDArray[Any]]:
    """Return the function that a report asks for the picture ``(freq|height, time|width)`` of row `i` of `outcome`.

    It is what the network saw: the first window of a sound, the raster of a drawing.
    """
    examples = {example_name(example): example for example in manifest.examples}

    def picture(row: int) -> npt.NDArray[Any]:
        return recognizer.picture(read_content(manifest, examples[outcome.inputs[row]]))

    return picture


def _loaded(recognizer: Recognizer | str | Path) -> Recognizer:
    return recognizer if isinstance(recognizer, Recognizer) else load(recognizer)


def _replies(
    recognizer: Recognizer, manifest: Manifest, split: str | None, *, batch_size: int, progress: Progress
) -> WindowOutputs:
    part = manifest if split is None else manifest.part(split)
    return collect_window_outputs(recognizer, part, batch_size=batch_size, progress=progress)

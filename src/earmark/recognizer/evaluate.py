"""A recognizer over every example of a manifest: what `predict` would answer, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.data import Example, Manifest, read_content, read_manifest
from earmark.errors import DataError, EarmarkError, MissingExtraError, ModelError, did_you_mean
from earmark.evaluation import Outcome, Scores, log_softmax, logits_of, score, word_protocol
from earmark.features import InkFeatures, SoundFeatures
from earmark.recognizer.inputs import ink_input
from earmark.recognizer.predict import Recognizer
from earmark.recognizer.zoo import load
from earmark.types import FloatArray, Picture, Progress, Sound, no_progress
from earmark.units import note_midi, seconds_to_samples

# What one bad file may raise without ending the evaluation of the others.
FORGIVEN = (DataError, MissingExtraError)
SILENT = "silence: the recognizer declines to answer"


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """Logits ``(n_windows, n_labels)`` of one example before the temperature, and what each window counts."""

    logits: FloatArray
    weights: FloatArray


def evaluate(  # noqa: PLR0913 - how it was measured belongs to the figures
    recognizer: Recognizer | str | Path,
    data: Manifest | str | Path,
    *,
    split: str | None = None,
    protocol: str | None = None,
    seeds: Sequence[int] = (),
    batch_size: int = 128,
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
    recognizer = recognizer if isinstance(recognizer, Recognizer) else load(recognizer)
    manifest = data if isinstance(data, Manifest) else read_manifest(data)
    _check_domain(recognizer, manifest)
    part = manifest if split is None else manifest.where(split)
    truths = _truths(recognizer.card.labels, part.labels)
    heard: list[tuple[Example, _Heard]] = []
    failures: list[tuple[str, str]] = []
    for done, (example, result) in enumerate(_run(recognizer, part, batch_size=batch_size), start=1):
        if isinstance(result, EarmarkError):
            failures.append((example_name(example), str(result)))
        else:
            heard.append((example, result))
        progress("evaluating", done, len(part.examples), "")
    outcome = _outcome(recognizer, heard, truths=truths, failures=tuple(failures))
    several = any(len(result.weights) > 1 for _, result in heard)
    scores = score(
        outcome,
        protocol=protocol or word_protocol(None, split, source=manifest.name),
        seeds=seeds,
        clips=_windows_apart(recognizer, heard, truths=truths) if several else None,
    )
    return outcome, scores


def example_name(example: Example) -> str:
    """Return what an example is called in outcomes and reports: its path, and where a span of a sound starts."""
    return example.path if example.start_s is None else f"{example.path} @ {example.start_s:g} s"


def example_pictures(recognizer: Recognizer, manifest: Manifest, outcome: Outcome) -> Callable[[int], npt.NDArray[Any]]:
    """Return the function that a report asks for the picture ``(freq|height, time|width)`` of row `i` of `outcome`.

    It is what the network saw: the first window of a sound, the raster of a drawing.
    """
    examples = {example_name(example): example for example in manifest.examples}

    def picture(row: int) -> npt.NDArray[Any]:
        features = recognizer.card.features
        content = read_content(manifest, examples[outcome.inputs[row]])
        if isinstance(features, InkFeatures):
            seen = features(ink_input(content))
        elif isinstance(features, SoundFeatures) and isinstance(content, Picture):
            seen = features.from_picture(content)
        else:
            seen = _first_window(recognizer, content)
        values: npt.NDArray[Any] = seen[0]
        return values

    return picture


def _check_domain(recognizer: Recognizer, manifest: Manifest) -> None:
    takes = ("ink",) if isinstance(recognizer.card.features, InkFeatures) else ("sound", "picture")
    if manifest.domain not in takes:
        raise ModelError(
            f"{recognizer.card.name} takes {' and '.join(takes)}, but {manifest.name} holds {manifest.domain}; "
            "give a recognizer and data of the same kind"
        )


def _truths(known: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """Map each label of the data to its logit; notes may be spelled with flats."""
    place = {label: index for index, label in enumerate(known)}
    by_pitch = {note_midi(label): index for label, index in place.items()}
    by_pitch.pop(None, None)
    found = {label: place.get(label, by_pitch.get(note_midi(label))) for label in labels}
    unknown = [label for label, index in found.items() if index is None]
    if unknown:
        named = ", ".join(f"{label!r}{did_you_mean(label, known)}" for label in unknown[:8])
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        raise ModelError(
            f"the recognizer does not know {len(unknown)} of the {len(labels)} labels of the data: {named}{more}; "
            f"it knows {', '.join(known[:8])}{' …' if len(known) > 8 else ''}; rename or leave out those examples"
        )
    return {label: index for label, index in found.items() if index is not None}


def _run(recognizer: Recognizer, part: Manifest, *, batch_size: int) -> Iterator[tuple[Example, _Heard | EarmarkError]]:
    if isinstance(recognizer.card.features, InkFeatures):
        for start in range(0, len(part.examples), batch_size):
            yield from _read(recognizer, part, part.examples[start : start + batch_size])
    else:
        for example in part.examples:
            yield example, _listen(recognizer, part, example)


def _read(
    recognizer: Recognizer, part: Manifest, examples: Sequence[Example]
) -> Iterator[tuple[Example, _Heard | EarmarkError]]:
    """Recognise drawings together: their rasters are all of one size."""
    raster_of = recognizer.card.features
    if not isinstance(raster_of, InkFeatures):
        raise ModelError(f"{recognizer.card.name} listens to sounds; it does not read drawings")
    drawn: list[tuple[Example, FloatArray]] = []
    for example in examples:
        try:
            drawn.append((example, raster_of(ink_input(read_content(part, example)))))
        except FORGIVEN as error:
            yield example, error
    if drawn:
        logits = recognizer.logits(np.stack([raster for _, raster in drawn]))
        for (example, _), row in zip(drawn, logits, strict=True):
            yield example, _Heard(row[None], np.ones(1, np.float32))


def _listen(recognizer: Recognizer, part: Manifest, example: Example) -> _Heard | EarmarkError:
    """Recognise a sound, or a picture of one; all windows of it go through the network together."""
    try:
        scored = recognizer.score(read_content(part, example))
    except FORGIVEN as error:
        return error
    if scored.is_silent:
        return DataError(SILENT)
    counts = scored.weights > 0
    # The logits before the temperature, but for a constant that no softmax sees.
    logits = logits_of(scored.probabilities[counts]) * np.float32(recognizer.card.temperature)
    return _Heard(logits, scored.weights[counts])


def _outcome(
    recognizer: Recognizer,
    heard: Sequence[tuple[Example, _Heard]],
    *,
    truths: dict[str, int],
    failures: tuple[tuple[str, str], ...],
) -> Outcome:
    temperature = recognizer.card.temperature
    logits = [_together(result, temperature) for _, result in heard]
    before = [_together(result, 1.0) for _, result in heard]
    n_labels = len(recognizer.card.labels)
    return Outcome(
        labels=recognizer.card.labels,
        logits=np.array(logits, np.float32).reshape(-1, n_labels),
        truth=np.array([truths[example.label] for example, _ in heard], dtype=np.int64),
        groups=np.array([_group(example) for example, _ in heard], dtype=np.str_),
        tracks=np.array([_track(example) for example, _ in heard], dtype=np.str_),
        inputs=tuple(example_name(example) for example, _ in heard),
        logits_uncalibrated=None if temperature == 1 else np.array(before, np.float32).reshape(-1, n_labels),
        failures=failures,
    )


def _windows_apart(
    recognizer: Recognizer, heard: Sequence[tuple[Example, _Heard]], *, truths: dict[str, int]
) -> Outcome:
    """Return one row a window, as if each were an example."""
    n_windows = [len(result.weights) for _, result in heard]
    return Outcome.from_logits(
        np.concatenate([result.logits for _, result in heard]) / recognizer.card.temperature,
        np.repeat([truths[example.label] for example, _ in heard], n_windows),
        labels=recognizer.card.labels,
        groups=np.repeat([_group(example) for example, _ in heard], n_windows).tolist(),
    )


def _track(example: Example) -> str:
    return example.track or example.path


def _group(example: Example) -> str:
    """Return the group; where nobody knows it, the recording stands for itself."""
    return example.group or _track(example)


def _together(heard: _Heard, temperature: float) -> FloatArray:
    """Return logits ``(n_labels,)`` of the weighted mean of the windows' probabilities."""
    if len(heard.weights) == 1:
        only: FloatArray = (heard.logits[0] / np.float32(temperature)).astype(np.float32)
        return only
    probabilities = np.exp(log_softmax(heard.logits / np.float32(temperature)))
    return logits_of(np.average(probabilities, axis=0, weights=heard.weights))


def _first_window(recognizer: Recognizer, content: Any) -> FloatArray:
    """Return the features ``(channel, freq, time)`` of the start of a sound, as the graph makes them."""
    from earmark.sound import resample

    card = recognizer.card
    if not isinstance(content, Sound) or not isinstance(card.features, SoundFeatures) or card.window is None:
        raise ModelError(f"{card.name}: cannot draw a {type(content).__name__}; give sounds to a recognizer of sounds")
    rate_hz = card.features.sample_rate_hz
    samples = resample(content, rate_hz).samples[: seconds_to_samples(card.window.length_s, rate_hz)]
    missing = max(0, seconds_to_samples(card.window.min_s, rate_hz) - len(samples))
    first: FloatArray = recognizer.run(["picture"], samples=np.pad(samples, (0, missing))[None])[0][0]
    return first

"""Raw outputs of every window of every example of a data set, before calibration and aggregation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.data import Example, Manifest, read_content
from earmark.errors import DataError, EarmarkError, MissingExtraError, ModelError, did_you_mean
from earmark.evaluation.outcome import Outcome, logits_of, pool
from earmark.features import InkFeatures
from earmark.parallel import in_order, map_processes
from earmark.recognizer.card import Card
from earmark.recognizer.inputs import ink_input
from earmark.recognizer.network import HighestScores, WindowScores
from earmark.recognizer.prediction import SILENT, to_prediction
from earmark.recognizer.recognizer import Recognizer
from earmark.recognizer.windows import WindowBatch, drawing
from earmark.text import some
from earmark.types import FloatArray, IntArray, Progress, Target
from earmark.units import note_midi

# What one bad file may raise without ending the evaluation of the others.
FORGIVEN = (DataError, MissingExtraError)
N_NAMED = 8
CHUNK = 8

# Logits (n_windows, n_labels) of one example, what each window counts, (n_windows,), and whether there is an answer.
_Windows: TypeAlias = tuple[FloatArray, FloatArray, bool]


@dataclass(frozen=True, slots=True, eq=False)
class WindowOutputs:
    """Logits of all windows of all examples that could be read.

    Attributes
    ----------
    labels
        Of the recognizer.
    logits
        float32 of shape ``(n_windows, n_labels)``, before the temperature.
    row, weights
        Shape ``(n_windows,)``: which of `examples` a window belongs to, and what it counts in its answer.
    examples, truth
        Shape ``(n,)``; truths are those of an `Outcome`.
    failures
        ``(input, reason)``.
    answered
        Shape ``(n,)``: whether the recognizer would give an answer; None when it never declines.
    target
        Whether an example has one label or several.
    """

    labels: tuple[str, ...]
    logits: FloatArray
    row: npt.NDArray[np.int64]
    weights: FloatArray
    examples: tuple[Example, ...]
    truth: npt.NDArray[np.int64]
    failures: tuple[tuple[str, str], ...]
    answered: npt.NDArray[np.bool_] | None
    target: Target = "multi-class"

    @property
    def has_windows(self) -> bool:
        """Whether some answer was put together from several windows."""
        return len(self.row) > len(self.examples)

    def outcome(self, temperature: float, *, thresholds: tuple[float, ...] = ()) -> Outcome:
        """Return one row an example, as `Recognizer.predict` answers when it is forced to."""
        pooled = partial(pool, row=self.row, weights=self.weights, target=self.target)
        before, after = pooled(self.logits), pooled((self.logits / temperature).astype(np.float32))
        return Outcome(
            labels=self.labels,
            logits=after,
            truth=self.truth,
            groups=np.array([_group(example) for example in self.examples], dtype=np.str_),
            tracks=np.array([_track(example) for example in self.examples], dtype=np.str_),
            inputs=tuple(example_name(example) for example in self.examples),
            logits_uncalibrated=None if temperature == 1 else before,
            failures=self.failures,
            answered=self.answered,
            thresholds=thresholds,
        )

    def windows_apart(self, temperature: float, *, thresholds: tuple[float, ...] = ()) -> Outcome:
        """Return one row a window, as if each were an example."""
        outcome = Outcome.from_logits(
            self.logits / temperature,
            self.truth[self.row],
            labels=self.labels,
            groups=[_group(self.examples[row]) for row in self.row],
        )
        return replace(outcome, thresholds=thresholds)


def collect_window_outputs(
    recognizer: Recognizer, part: Manifest, *, batch_size: int, progress: Progress
) -> WindowOutputs:
    """Run `recognizer` over every example of `part`.

    Raises
    ------
    ModelError
        When it does not know a label of the data, or reads drawings and was given sounds (or vice versa).
    """
    _check_domain(recognizer, part)
    labels = recognizer.card.labels
    truths = _truths(labels, part.labels)
    examples: list[Example] = []
    windows: list[_Windows] = []
    failures: list[tuple[str, str]] = []
    for done, (example, result) in enumerate(_run(recognizer, part, batch_size=batch_size), start=1):
        if isinstance(result, EarmarkError):
            failures.append((example_name(example), str(result)))
        else:
            examples.append(example)
            windows.append(result)
        progress("evaluating", done, len(part.examples), "")
    return WindowOutputs(
        labels=labels,
        logits=np.concatenate([np.zeros((0, len(labels)), np.float32), *(logits for logits, _, _ in windows)]),
        row=np.repeat(np.arange(len(windows)), [len(weights) for _, weights, _ in windows]),
        weights=np.concatenate([np.zeros(0, np.float32), *(weights for _, weights, _ in windows)]),
        examples=tuple(examples),
        truth=_truth_array([[truths[label] for label in part.labels_of(each)] for each in examples], recognizer.card),
        failures=tuple(failures),
        answered=None if recognizer.card.rejection is None else np.array([given for *_, given in windows], np.bool_),
        target=recognizer.card.target,
    )


def _truth_array(places: Sequence[Sequence[int]], card: Card) -> IntArray:
    """Return the truth of an `Outcome` from the places of the labels of every example."""
    if not card.is_multi_label:
        return np.array([place for (place,) in places], dtype=np.int64)
    truth = np.zeros((len(places), len(card.labels)), np.int64)
    for row, chosen in enumerate(places):
        truth[row, list(chosen)] = 1
    return truth


def example_name(example: Example) -> str:
    """Return what an example is called in outcomes and reports: its path, and where a span of a sound starts."""
    return example.name if example.start_s is None else f"{example.name} @ {example.start_s:g} s"


def _check_domain(recognizer: Recognizer, manifest: Manifest) -> None:
    takes = recognizer.card.features.reads
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
        named = some((f"{label!r}{did_you_mean(label, known)}" for label in unknown), n=N_NAMED)
        raise ModelError(
            f"the recognizer does not know {len(unknown)} of the {len(labels)} labels of the data: {named}; "
            f"it knows {some(known, n=N_NAMED)}; "
            "rename or leave out those examples"
        )
    return {label: index for label, index in found.items() if index is not None}


def _run(
    recognizer: Recognizer, part: Manifest, *, batch_size: int
) -> Iterator[tuple[Example, _Windows | EarmarkError]]:
    bare = replace(part, examples=())
    if isinstance(recognizer.card.features, InkFeatures):
        batches = [part.examples[start : start + batch_size] for start in range(0, len(part.examples), batch_size)]
        read = partial(_read, recognizer=recognizer, part=bare)
        for results in in_order(map_processes(read, batches, workers=1)):
            yield from results
        return
    listen = partial(_listen, recognizer=recognizer, part=bare)
    heard = in_order(map_processes(listen, part.examples, workers=1, chunk=CHUNK, survive_crashes=_crashed))
    yield from zip(part.examples, heard, strict=True)


def _crashed(example: Example) -> DataError:
    return DataError(f"{example.path}: ends the process that decodes it; replace or remove it")


def _read(
    examples: Sequence[Example], *, recognizer: Recognizer, part: Manifest
) -> list[tuple[Example, _Windows | EarmarkError]]:
    """Recognise drawings together: their rasters are all of one size. Those that cannot be read come first."""
    raster_of = recognizer.card.features
    if not isinstance(raster_of, InkFeatures):
        raise ModelError(f"{recognizer.card.name} listens to sounds; it does not read drawings")
    found: list[tuple[Example, _Windows | EarmarkError]] = []
    drawn: list[tuple[Example, WindowBatch]] = []
    for example in examples:
        try:
            drawn.append((example, drawing(raster_of(ink_input(read_content(part, example))))))
        except FORGIVEN as error:
            found.append((example, error))
    scores = recognizer.score_together([batch for _, batch in drawn])
    found += [(example, _windows(recognizer, scored)) for (example, _), scored in zip(drawn, scores, strict=True)]
    return found


def _listen(example: Example, *, recognizer: Recognizer, part: Manifest) -> _Windows | EarmarkError:
    """Recognise a sound, or a picture of one; all windows of it go through the network together."""
    try:
        scored = recognizer.score(read_content(part, example))
    except FORGIVEN as error:
        return error
    return DataError(SILENT) if scored.is_silent else _windows(recognizer, scored)


def _windows(recognizer: Recognizer, scored: WindowScores) -> _Windows:
    if isinstance(scored, HighestScores):
        # The temperature keeps the order of the windows, so their highest is what it is fitted to.
        highest = replace(scored.part(slice(0, 1)), probabilities=scored.mean()[None], weights=np.ones(1, np.float32))
        scored = replace(highest, familiarity=np.array([scored.mean_familiarity()], np.float32))
    counts = scored.weights > 0
    # The logits before the temperature, but for a constant that no softmax sees, and a floor that no score does.
    card = recognizer.card
    logits = logits_of(scored.probabilities[counts], target=card.target) * np.float32(card.temperature)
    return logits, scored.answer_weights[counts], to_prediction(card, scored, "", top=1).reason is None


def _track(example: Example) -> str:
    return example.track or example.path


def _group(example: Example) -> str:
    """Return the group; where nobody knows it, the recording stands for itself."""
    return example.group or _track(example)

"""Explanations by occlusion: how much an answer rests on each part of a spectrogram, an image or a stroke.

Occlusion (Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks"): parts are taken away one after
the other, and what that costs in log-odds is shared among what was taken away. It asks the network itself, whatever it
is made of, and ``benchmarks/explain.py`` measures how far the result can be believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.errors import DataError, UsageError, did_you_mean
from earmark.explanation.occlusion import GridCells, Mask, OcclusionUnits, StrokePart, StrokeParts, surroundings
from earmark.features import InkFeatures, InkRaster, PictureFeatures, SoundFeatures
from earmark.recognizer.card import FEATURES_OUT
from earmark.recognizer.inputs import Input, ink_input, input_name, picture_input
from earmark.recognizer.recognizer import Recognizer, load
from earmark.types import FloatArray, Ink, RealArray, Sound

MARKED_SHARE = 0.1
"""Largest share of the feature map, or of the length of the strokes, that is marked."""

_SHORTEST_S = 0.5
_BATCH_SIZE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The explanation of one answer: the importance of each part of the input for it.

    Attributes
    ----------
    input
        What was explained.
    label, confidence
        The answer, and how sure the network is of it, 0…1; for a sound in the window that speaks for it most.
    without
        How sure it is when the marked part is taken away.
    feature_map
        What the network is given, ``(freq|height, time|width)``.
    importance
        Of the same shape: nats of log-odds that the answer loses without each piece; below zero where a piece speaks
        against it.
    marked
        Of the same shape: the decisive part, the most important tenth.
    frequencies_hz, times_s
        Of the rows and columns of a spectrogram; times are from the start of the sound. Empty for drawings.
    strokes
        For strokes: ``(part, importance, whether it is marked)`` of each part of a stroke, in the order drawn.
    deciding_s
        Start and end of the shortest stretch with half of all importance; None for drawings.
    sound
        That stretch, when a sound was given.
    """

    input: str
    label: str
    confidence: float
    without: float
    feature_map: FloatArray
    importance: FloatArray
    marked: Mask
    frequencies_hz: RealArray
    times_s: RealArray
    strokes: tuple[tuple[StrokePart, float, bool], ...] = ()
    deciding_s: tuple[float, float] | None = None
    sound: Sound | None = None


@dataclass(frozen=True, slots=True)
class OccludedWindow:
    """The window of an input that is explained, and the pieces that can be taken away.

    Attributes
    ----------
    pieces
        What can be taken away.
    start_s
        Where the window begins.
    samples
        ``(time,)``, at the rate of the recognizer; None for drawings and pictures.
    """

    pieces: OcclusionUnits
    start_s: float = 0.0
    samples: FloatArray | None = None


def explain(
    recognizer: Recognizer | str | Path,
    item: Input,
    *,
    label: str | None = None,
    sample_rate_hz: int | None = None,
    name: str | None = None,
) -> Explanation:
    """Explain an answer by occlusion: find the parts of the input that it rests on.

    Parameters
    ----------
    recognizer
        A recognizer, or what `load` takes.
    item, sample_rate_hz
        As for `Recognizer.predict`. Of a long sound the window is explained that speaks most for the answer.
    label
        The answer to explain; the best one unless given.
    name
        What to call the input.

    Raises
    ------
    UsageError
        When the recognizer reads numbers of a whole window, which have no place in it, or does not know `label`.
    DataError
        When the input cannot be read, or there is only silence.

    Examples
    --------
    >>> import earmark
    >>> explanation = earmark.explain("symbols", [[[0, 0], [9, 9]], [[9, 0], [0, 9]]])
    >>> explanation.label, explanation.without < explanation.confidence
    ('Double-Sharp', True)
    """
    recognizer = recognizer if isinstance(recognizer, Recognizer) else load(recognizer)
    place, window = strongest_window(recognizer, item, label=label, sample_rate_hz=sample_rate_hz)
    pieces = window.pieces
    full, importance = worth(recognizer, pieces, place=place)
    chosen = decisive(importance, pieces.sizes)
    less = occluded_log_odds(recognizer, pieces, chosen[None], place=place)[0]
    feature_map = pieces.without(np.zeros(len(chosen), np.bool_))[0]
    values = pieces.spread(importance)
    strokes = (
        tuple(zip(pieces.parts, importance.tolist(), chosen.tolist(), strict=True))
        if isinstance(pieces, StrokeParts)
        else ()
    )
    shown = {
        "input": name or input_name(item),
        "label": recognizer.card.labels[place],
        "confidence": _probability(full),
        "without": _probability(less),
        "feature_map": feature_map,
        "importance": values,
        "marked": (pieces.spread(chosen.astype(np.float32)) > 0.5),
        "strokes": strokes,
    }
    nothing = np.zeros(0)
    features = recognizer.card.features
    if not isinstance(features, SoundFeatures):
        return Explanation(**shown, frequencies_hz=nothing, times_s=nothing)
    times_s = window.start_s + np.arange(feature_map.shape[1]) * features.hop_samples / features.sample_rate_hz
    first, last = _half(np.maximum(values, 0).sum(axis=0), shortest=_SHORTEST_S / (times_s[1] - times_s[0]))
    deciding_s = (float(times_s[first]), float(times_s[last]))
    return Explanation(
        **shown,
        frequencies_hz=features.frequencies_hz,
        times_s=times_s,
        deciding_s=deciding_s,
        sound=_excerpt(window, deciding_s, features.sample_rate_hz),
    )


def refuse_unexplainable(recognizer: Recognizer) -> None:
    """Raise `UsageError` when what the recognizer reads has no parts that could be taken away."""
    features = recognizer.card.features
    if not isinstance(features, InkFeatures | PictureFeatures | SoundFeatures):
        raise UsageError(
            f"{recognizer.card.name} reads {features.kind} features, numbers of a whole window that have no place in"
            " it; explain a recognizer of spectrograms or drawings, such as 'genre', 'notes' or 'symbols'"
        )


def strongest_window(
    recognizer: Recognizer, item: Input, *, label: str | None = None, sample_rate_hz: int | None = None
) -> tuple[int, OccludedWindow]:
    """Return the place of the answer among the labels, and the window of the input that speaks for it most.

    Parameters and errors as for `explain`.
    """
    features = recognizer.card.features
    if isinstance(features, InkFeatures):
        drawing = ink_input(item)
        raster = features(drawing)
        place = _place(recognizer, label, recognizer.probabilities(drawing))
        if isinstance(drawing, Ink) and isinstance(features, InkRaster):
            return place, OccludedWindow(StrokeParts(drawing, features))
        return place, OccludedWindow(GridCells(raster, np.zeros_like(raster)))
    refuse_unexplainable(recognizer)
    if isinstance(features, PictureFeatures):
        image = picture_input(item)
        picture = features(image)
        place = _place(recognizer, label, recognizer.probabilities(image))
        return place, OccludedWindow(GridCells(picture, surroundings(picture)))
    return _strongest_of_sound(recognizer, item.read() if hasattr(item, "read") else item, label, sample_rate_hz)


def worth(recognizer: Recognizer, pieces: OcclusionUnits, *, place: int) -> tuple[float, FloatArray]:
    """Return the log-odds of a label, and how much of them is owed to each piece, ``(n_pieces,)``, both in nats."""
    whole = np.zeros((1, len(pieces.sizes)), np.bool_)
    full, *others = occluded_log_odds(
        recognizer, pieces, np.concatenate([whole, pieces.removals]), place=place
    ).tolist()
    return full, _shared(pieces.removals, full - np.array(others))


def occluded_log_odds(recognizer: Recognizer, pieces: OcclusionUnits, removed: Mask, *, place: int) -> RealArray:
    """Return the calibrated log-odds of a label without some pieces, ``(n,)``, for each row of ``(n, n_pieces)``."""
    results = []
    for start in range(0, len(removed), _BATCH_SIZE):
        batch = np.stack([pieces.without(row) for row in removed[start : start + _BATCH_SIZE]])
        logits = recognizer.network.logits(batch).astype(np.float64) / recognizer.card.temperature
        odds = logits[:, place]
        if not recognizer.card.is_multi_label:
            odds = odds - np.logaddexp.reduce(np.delete(logits, place, axis=1), axis=1)
        results.append(odds)
    return np.concatenate(results)


def decisive(importance: FloatArray, sizes: FloatArray) -> Mask:
    """Return the pieces that matter most, ``(n_pieces,)``: at most `MARKED_SHARE` of all, and at least one if any."""
    order = np.argsort(-importance, kind="stable")
    chosen = (np.cumsum(sizes[order]) <= MARKED_SHARE + 1e-6) & (importance[order] > 0)
    chosen[0] = importance[order[0]] > 0
    marked = np.zeros(len(importance), np.bool_)
    marked[order[chosen]] = True
    return marked


def _strongest_of_sound(
    recognizer: Recognizer, item: Input, label: str | None, sample_rate_hz: int | None
) -> tuple[int, OccludedWindow]:
    """Go through the sound twice: for the answer, and for the window that speaks for it most; in flat memory."""
    scored = recognizer.score(item, sample_rate_hz=sample_rate_hz)
    if scored.is_silent:
        raise DataError(f"{input_name(item)}: there is only silence, and nothing to explain; give an audible sound")
    place = _place(recognizer, label, scored.mean())
    chosen = int(np.argmax(scored.answer_weights * scored.probabilities[:, place]))
    passed = 0
    for cuts in recognizer.cut(item, sample_rate_hz=sample_rate_hz):
        if chosen < passed + len(cuts.weights):
            break
        passed += len(cuts.weights)
    window = cuts.batch[chosen - passed]
    is_sound = cuts.enters == "samples"
    features = recognizer.network.run([FEATURES_OUT], samples=window[None])[0][0] if is_sound else window
    pieces = GridCells(features, surroundings(features))
    return place, OccludedWindow(pieces, float(scored.starts_s[chosen]), window if is_sound else None)


def _place(recognizer: Recognizer, label: str | None, probabilities: FloatArray) -> int:
    labels = recognizer.card.labels
    if label is None:
        return int(probabilities.argmax())
    if label not in labels:
        raise UsageError(f"{recognizer.card.name} knows no label {label!r}{did_you_mean(label, labels)}")
    return labels.index(label)


def _shared(removals: Mask, lost: RealArray) -> FloatArray:
    """Return what each piece is worth: the mean, over all removals that it was in, of an equal share of the loss."""
    shares = lost / np.maximum(removals.sum(axis=1), 1)
    n_times = np.maximum(removals.sum(axis=0), 1)
    return np.asarray(shares @ removals / n_times, np.float32)


def _probability(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def _half(curve: FloatArray, *, shortest: float) -> tuple[int, int]:
    """Return first and last column of the shortest stretch with half of the sum of `curve`, not below `shortest`."""
    total = np.concatenate([[0.0], np.cumsum(curve, dtype=np.float64)])
    n = len(curve)
    ends = np.searchsorted(total, total[:-1] + total[-1] / 2 - 1e-9)
    lengths = np.where(ends <= n, ends - np.arange(n), n)
    first = int(np.argmin(lengths))
    length = min(n, max(int(lengths[first]), round(shortest)))
    first = max(0, min(first - (length - int(lengths[first])) // 2, n - length))
    return first, min(first + length, n - 1)


def _excerpt(window: OccludedWindow, span_s: tuple[float, float], rate_hz: int) -> Sound | None:
    if window.samples is None:
        return None
    first, last = (round((at_s - window.start_s) * rate_hz) for at_s in span_s)
    return Sound(window.samples[first:last], rate_hz)

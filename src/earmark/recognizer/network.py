"""The network of a recognizer file, an ONNX Runtime session as a function of arrays, and its scores of windows.

Nothing here knows what a label or a threshold is: that is `Recognizer`. The torch modules that are trained are
`earmark.models.Network`; this is what remains of one, with the front end before it, in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.errors import ModelError, UsageError
from earmark.features import SoundFeatures
from earmark.recognizer.card import FEATURES_OUT, FEATURES_OUT_1, Card
from earmark.recognizer.file import NEXT, session_errors
from earmark.types import FloatArray, Target

State: TypeAlias = dict[str, FloatArray]
"""What a causal network remembers of a stream, by the name of the input that takes it."""

Request: TypeAlias = tuple[Sequence[str], dict[str, FloatArray]]
"""Names of outputs, and the inputs by name: what an ``onnxruntime.InferenceSession`` runs."""

LEAST_FAMILIAR = 1e-6  # not zero, so that of what is like nothing learned there still is a best guess

_NO_SAMPLES = np.zeros((0, 0), np.float32)

# Rows of a spectrogram on either side that a partial is compared with: an octave at three bins a semitone.
_NEIGHBOURHOOD = 18


class OnnxNetwork:
    """The graph of a recognizer file, run by ONNX Runtime.

    Parameters
    ----------
    session
        An ``onnxruntime.InferenceSession``, or what stands in for one; safe to use from several threads.
    card
        Of the file: says whether the graph takes samples, and in which format its outputs are named.
    """

    def __init__(self, session: Any, card: Card) -> None:
        self.session = session
        self._name = card.name
        self._takes_samples = isinstance(card.features, SoundFeatures)
        self._renamed = {FEATURES_OUT: FEATURES_OUT_1} if card.format_version == 1 else {}

    def run(
        self, outputs: Sequence[str], *, samples: FloatArray | None = None, features: FloatArray | None = None
    ) -> tuple[FloatArray, ...]:
        """Return outputs of the graph for a batch of windows.

        Parameters
        ----------
        outputs
            Of ``"logits"`` (batch, n_labels), ``"embedding"`` (batch, n_embedding), for sounds ``"features_out"``
            (batch, channel, freq, time), the features that the network was given, and with an out-of-distribution
            detector ``"familiarity"`` (batch,), the probability of being in-distribution.
        samples
            float32 ``(batch, time)`` at the rate of the card.
        features
            float32 ``(batch, channel, freq|height, time|width)``; give exactly one of the two.

        Raises
        ------
        UsageError, ModelError
            When both or none are given, or the graph cannot take the shape.
        """
        if samples is not None and features is None and self._takes_samples:
            return tuple(self.execute(*self.request(outputs, "samples", samples)))
        if features is not None and samples is None:
            return tuple(self.execute(*self.request(outputs, "features", features)))
        allowed = "samples or features, not both" if self._takes_samples else "features"
        raise UsageError(f"give this recognizer {allowed}")

    def logits(self, features: FloatArray | None = None, *, samples: FloatArray | None = None) -> FloatArray:
        """Return logits ``(batch, n_labels)`` of a batch of features, or of windows of samples; see `run`."""
        return self.run(["logits"], samples=samples, features=features)[0]

    def embedding(self, features: FloatArray | None = None, *, samples: FloatArray | None = None) -> FloatArray:
        """Return embeddings ``(batch, n_embedding)``, what the last layer is given; see `run`."""
        return self.run(["embedding"], samples=samples, features=features)[0]

    def request(self, outputs: Sequence[str], enters: Literal["samples", "features"], batch: FloatArray) -> Request:
        """Return what the session has to run for a batch that enters by one of its inputs."""
        unused = {"samples": _NO_SAMPLES} if self._takes_samples else {}
        return [self._renamed.get(name, name) for name in outputs], {**unused, enters: batch}

    def execute(self, names: Sequence[str], feed: dict[str, FloatArray]) -> Sequence[FloatArray]:
        """Return what the session answers to a `request`; raise `ModelError` when the graph cannot take it."""
        try:
            results: list[FloatArray] = self.session.run(list(names), feed)
        except session_errors() as error:
            shapes = {name: value.shape for name, value in feed.items() if value.size}
            raise ModelError(f"{self._name}: the graph cannot take {shapes} ({error})") from error
        return results

    @cached_property
    def start(self) -> State:
        """The state before the first frame of a stream, by name; empty unless the network is causal."""
        inputs = self.session.get_overridable_initializers()
        return {item.name: np.zeros(item.shape, np.float32) for item in inputs if item.name != "features"}

    def advance(self, frames: FloatArray, state: State) -> tuple[FloatArray, State]:
        """Follow a stream with a causal network.

        Parameters
        ----------
        frames
            The next ones, ``(channel, freq, time)``, one at least.
        state
            `start`, or what the call before returned.

        Returns
        -------
        Logits ``(n_labels,)`` of all frames so far, equal to those of `logits` for the same frames, and the new state.
        """
        names = ["logits", *(f"{NEXT}{name}" for name in state)]
        logits, *after = self.execute(names, {"features": frames[None], "samples": _NO_SAMPLES, **state})
        return logits[0], dict(zip(state, after, strict=True))


@dataclass(frozen=True, slots=True)
class WindowScores:
    """What the network says about each window of one input.

    Attributes
    ----------
    starts_s, ends_s
        Shape ``(n_windows,)``; empty for drawings.
    probabilities
        Shape ``(n_windows, n_labels)``, calibrated; all zero for a silent window.
    weights
        Shape ``(n_windows,)``, how much there is to hear in each; 0 for a silent window.
    familiarity
        Shape ``(n_windows,)``, the probability that a window is of the kind that was learned; 1 without a detector.
    salience
        Shape ``(n_windows,)``, how far partials stand out, in dB, see `pitch_salience`; infinite when it does not
        matter.
    """

    starts_s: npt.NDArray[np.float64]
    ends_s: npt.NDArray[np.float64]
    probabilities: FloatArray
    weights: FloatArray
    familiarity: FloatArray
    salience: FloatArray

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return the windows of all `parts`, at least one, in their order."""
        parts = list(parts)
        columns = zip(*([getattr(part, field.name) for field in fields(cls)] for part in parts), strict=True)
        return type(parts[0])(*(np.concatenate(column) for column in columns))

    def part(self, rows: slice) -> Self:
        """Return some of the windows, at least one."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def split(self, lengths: Iterable[int]) -> Iterator[Self]:
        """Yield so many windows at a time, which are all of them together; undoes `joined`."""
        start = 0
        for length in lengths:
            yield self.part(slice(start, start + length))
            start += length

    @property
    def is_silent(self) -> bool:
        return not self.weights.any()

    @property
    def answer_weights(self) -> FloatArray:
        """Weight of each window in the answer, ``(n_windows,)``: the less, the less it is like what was learned."""
        return self.weights * self.familiarity

    def mean(self) -> FloatArray:
        """Return the answer of all windows together, ``(n_labels,)``; all zero when everything is silent."""
        return _mean(self.probabilities, self.answer_weights)

    def mean_familiarity(self) -> float:
        """Return how much of the sound is like what was learned, 0…1; 0 when everything is silent."""
        return float(_mean(self.familiarity, self.weights))

    def mean_salience(self) -> float:
        """Return how far partials stand out in the windows that decide; 0 when everything is silent."""
        return float(_mean(self.salience, self.answer_weights))


class HighestScores(WindowScores):
    """Scores of windows whose labels say what is somewhere in a sound, so that one window is enough."""

    __slots__ = ()

    def mean(self) -> FloatArray:
        """Return the highest probability of each label in any window that counts, ``(n_labels,)``."""
        counts = self.answer_weights > 0
        highest: FloatArray = np.where(counts[:, None], self.probabilities, np.float32(0)).max(axis=0)
        return highest


def _mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted mean over the first axis of what counts; zero when nothing does."""
    counts = weights > 0
    if not counts.any():
        return np.zeros_like(values[0])
    result: FloatArray = weights[counts] @ values[counts] / weights.sum()
    return result


def pitch_salience(spectrograms: FloatArray) -> FloatArray:
    """Return how far the strongest partial stands out of its neighbourhood, in dB, ``(batch,)``.

    Parameters
    ----------
    spectrograms
        In dB on a logarithmic axis of frequency, ``(batch, channel, freq, time)``.
    """
    power = np.exp(spectrograms[:, 0] * np.float32(np.log(10) / 10)).mean(axis=2, dtype=np.float64)
    level_db = 10 * np.log10(power + 1e-12)
    padded = np.pad(level_db, ((0, 0), (_NEIGHBOURHOOD, _NEIGHBOURHOOD)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURHOOD + 1, axis=1)
    # Of an odd number the median is the middle one; np.median takes twice as long to find it.
    medians = np.partition(around, _NEIGHBOURHOOD, axis=2)[..., _NEIGHBOURHOOD]
    rise: FloatArray = (level_db - medians).max(axis=1).astype(np.float32)
    return rise


def log_sigmoid(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return log-probabilities of labels that do not exclude each other, float64 of the same shape.

    >>> np.exp(log_sigmoid(np.array([0.0, -800.0]))).tolist()
    [0.5, 0.0]
    """
    result: npt.NDArray[np.float64] = -np.logaddexp(0, -logits.astype(np.float64))
    return result


def log_probabilities(logits: npt.NDArray[Any], *, target: Target) -> npt.NDArray[np.float64]:
    """Return log-probabilities, float64 of the same shape: one label of the last axis, or any number of them."""
    return log_sigmoid(logits) if target == "multi-label" else log_softmax(logits)


def log_softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return log-probabilities, float64 of the same shape, along the last axis.

    The same as ``scipy.special.log_softmax``, whose import takes longer than a prediction.

    >>> log_softmax(np.zeros((1, 2))).round(3)
    array([[-0.693, -0.693]])
    """
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    result: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result

"""The recognizer: one file, one session, one `predict` for every kind of input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from earmark.errors import DataError, EarmarkError, MissingExtraError, ModelError, UsageError
from earmark.features import InkFeatures, SoundFeatures
from earmark.recognizer.answers import make_answer, unknown_answer
from earmark.recognizer.card import FAMILIARITY, Card
from earmark.recognizer.decide import SILENT, pitch_salience, reason_to_decline
from earmark.recognizer.file import NEXT, State, card_of, open_session, state_of
from earmark.recognizer.inputs import Input, describe, ink_input, sound_input
from earmark.recognizer.segments import segments
from earmark.recognizer.windows import LEAST_FAMILIAR, Shape, WindowBatch, WindowScores, cut, drawing
from earmark.types import Answer, Content, FloatArray, Prediction, Span

_NO_SAMPLES = np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Failure:
    """An input of a batch that could not be recognised, and why."""

    input: str
    error: EarmarkError


class Recognizer:
    """A loaded recognizer; get one from `load`.

    Parameters
    ----------
    session
        An ``onnxruntime.InferenceSession``; safe to use from several threads.
    card
        What the file says about itself.
    """

    def __init__(self, session: Any, card: Card) -> None:
        self._session = session
        self.card = card

    @classmethod
    def load(cls, path: str | Path, *, n_threads: int = 1) -> Self:
        """Open the recognizer file at `path`.

        Raises
        ------
        ModelError
            When the file is missing, damaged, no recognizer, or written by a newer Earmark.
        """
        session = open_session(Path(path), n_threads=n_threads)
        return cls(session, card_of(session, where=path))

    def with_window(self, length_s: float) -> Self:
        """Return this recognizer with windows of another length, their hop in proportion, such as for a timeline.

        Raises
        ------
        UsageError
            When it has no windows, or such short or long ones were not learned.
        """
        window = self.card.window
        if window is None:
            raise UsageError(f"{self.card.name} reads {self.card.features.domain}, which is not cut into windows")
        if not window.min_s <= length_s <= window.length_s:
            raise UsageError(
                f"windows of {length_s:g} s were not learned by {self.card.name}; choose {window.min_s:g} to"
                f" {window.length_s:g} s"
            )
        hop_s = window.hop_s * length_s / window.length_s
        changed = window.model_copy(update={"length_s": length_s, "hop_s": hop_s})
        return type(self)(self._session, self.card.model_copy(update={"window": changed}))

    def __repr__(self) -> str:
        return f"<Recognizer {self.card.name!r}: {len(self.card.labels)} labels, {self.card.features.kind}>"

    def run(
        self, outputs: Sequence[str], *, samples: FloatArray | None = None, features: FloatArray | None = None
    ) -> tuple[FloatArray, ...]:
        """Return raw outputs of the graph for a batch of windows.

        Parameters
        ----------
        outputs
            Of ``"logits"`` (batch, n_labels), ``"embedding"`` (batch, n_embedding), for sounds ``"picture"``
            (batch, channel, freq, time), the features that the network saw, and where the card says that there is a
            gate ``"familiarity"`` (batch,).
        samples
            float32 ``(batch, time)`` at the rate of the card.
        features
            float32 ``(batch, channel, freq|height, time|width)``; give exactly one of the two.

        Raises
        ------
        UsageError, ModelError
            When both or none are given, or the graph cannot take the shape.
        """
        listens = isinstance(self.card.features, SoundFeatures)
        if (samples is None) == (features is None) or (samples is not None and not listens):
            allowed = "samples or features, not both" if listens else "features"
            raise UsageError(f"give this recognizer {allowed}")
        feed = self._feed("features", features) if samples is None else self._feed("samples", samples)
        return tuple(self._run(outputs, feed))

    def _feed(self, enters: str, batch: FloatArray | None) -> dict[str, Any]:
        unused = {"samples": _NO_SAMPLES} if isinstance(self.card.features, SoundFeatures) else {}
        return {**unused, enters: batch}

    def _run(self, outputs: Sequence[str], feed: dict[str, Any]) -> Sequence[FloatArray]:
        from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

        try:
            results: list[FloatArray] = self._session.run(list(outputs), feed)
        except (ort_errors.InvalidArgument, ort_errors.Fail, ort_errors.RuntimeException) as error:
            shapes = {name: value.shape for name, value in feed.items() if value is not None and value.size}
            raise ModelError(f"{self.card.name}: the graph cannot take {shapes} ({error})") from error
        return results

    def logits(self, features: FloatArray | None = None, *, samples: FloatArray | None = None) -> FloatArray:
        """Return logits ``(batch, n_labels)`` of a batch of features, or of windows of samples; see `run`."""
        return self.run(["logits"], samples=samples, features=features)[0]

    def score(self, item: Input, *, sample_rate_hz: int | None = None) -> WindowScores:
        """Return what the network says of every window of one input, calibrated; parameters as for `predict`."""
        return WindowScores.joined(self._scored(cuts) for cuts in self.cut(item, sample_rate_hz=sample_rate_hz))

    def score_together(self, parts: Sequence[WindowBatch]) -> list[WindowScores]:
        """Return what `score` would say of each of `parts`; those with windows of one shape are computed at once."""
        results: list[WindowScores | None] = [None] * len(parts)
        alike: dict[Shape, list[int]] = {}
        for rank, part in enumerate(parts):
            alike.setdefault(part.shape, []).append(rank)
        for ranks in alike.values():
            scored = self._scored(WindowBatch.joined(parts[rank] for rank in ranks))
            for rank, own in zip(ranks, scored.split(len(parts[rank].weights) for rank in ranks), strict=True):
                results[rank] = own
        return [result for result in results if result is not None]

    @cached_property
    def start(self) -> State:
        """What the network remembers before the first frame of a stream; nothing unless it can follow one."""
        return state_of(self._session)

    def advance(self, frames: FloatArray, state: State) -> tuple[FloatArray, State]:
        """Follow a stream.

        Parameters
        ----------
        frames
            The next ones, ``(channel, freq, time)``, one at least.
        state
            `start`, or what the call before returned.

        Returns
        -------
        The calibrated probabilities ``(n_labels,)`` of all frames so far, those of `predict` for the same frames, and
        what the network remembers of them.
        """
        after = [f"{NEXT}{name}" for name in state]
        feed = {"features": frames[None], "samples": _NO_SAMPLES, **state}
        logits, *remembered = self._session.run(["logits", *after], feed)
        return self._probabilities(logits)[0], dict(zip(state, remembered, strict=True))

    def picture(self, item: Input, *, sample_rate_hz: int | None = None) -> FloatArray:
        """Return what the network sees, ``(freq|height, time|width)``: of a sound the first window."""
        first = next(self.cut(item, sample_rate_hz=sample_rate_hz))
        features = first.batch if first.enters == "features" else self.run(["picture"], samples=first.batch[:1])[0]
        seen: FloatArray = features[0, 0]
        return seen

    def probabilities(self, content: Content) -> FloatArray:
        """Return one calibrated probability a label, ``(n_labels,)``, were it of the kind that was learned.

        All are zero for silence.
        """
        return self.score(content).mean()

    def predict(
        self,
        item: Input,
        *,
        sample_rate_hz: int | None = None,
        top: int = 5,
        timeline: bool = False,
        force: bool = False,
        name: str | None = None,
    ) -> Prediction:
        """Recognise one input.

        A confidence is the probability that the input is of the kind that was learned, times that of the label if it
        is; what the answers lack to 1 is the chance of something else.

        Parameters
        ----------
        item
            For a recognizer that listens: a sound file of any format, rate, length and number of channels, its bytes,
            an array ``(time,)`` or ``(channel, time)`` with its rate, a `Sound`, or a `Picture`. For one that reads
            drawings: an image or stroke file, its bytes, a list of strokes ``(n_points, 2)``, an array of pixels, a PIL
            image, an `Ink` or an `Image`.
        sample_rate_hz
            Of an array of samples.
        top
            Most answers to return.
        timeline
            Also answer for every window of a sound, and for every stretch of one answer, see `segments`.
        force
            Give the best label even where the recognizer would decline, unless there is only silence; `reason` still
            says why it would.
        name
            What to call the input in the prediction.

        Raises
        ------
        DataError, UsageError
            When the input cannot be read, or is not what this recognizer takes.
        """
        if top < 1:
            raise UsageError(f"top={top}: at least one answer is given; ask for 1 or more")
        if timeline and isinstance(self.card.features, InkFeatures):
            raise UsageError("a drawing has no timeline; leave 'timeline' out")
        scored = self.score(item, sample_rate_hz=sample_rate_hz)
        return self.to_prediction(scored, name or describe(item), top=top, timeline=timeline, force=force)

    def to_prediction(
        self, scored: WindowScores, name: str, *, top: int = 5, timeline: bool = False, force: bool = False
    ) -> Prediction:
        """Return what follows from what the network says of the windows of one input; parameters as for `predict`."""
        familiarity = scored.mean_familiarity()
        best = () if scored.is_silent else self._answers(scored.mean(), top, familiarity=familiarity)
        reason: str | None = SILENT
        if best:
            reason = self.reason_to_decline(best[0], familiarity=familiarity, salience=scored.mean_salience())
        confidence = best[0].confidence if best else 0.0
        given = best[0] if best and (force or reason is None) else unknown_answer(confidence)
        return Prediction(
            input=name,
            label=given.label,
            confidence=confidence,
            top=best,
            reason=reason,
            familiarity=familiarity if self.card.has_detector and best else None,
            timeline=self._timeline(scored, force=force) if timeline else None,
            segments=self._segments(scored, force=force) if timeline else None,
        )

    def predict_many(
        self,
        items: Iterable[Input],
        *,
        sample_rate_hz: int | None = None,
        top: int = 5,
        timeline: bool = False,
        force: bool = False,
    ) -> Iterator[Prediction | Failure]:
        """Recognise inputs one after the other; one that is bad gives a `Failure` and the others are still done."""
        for item in items:
            yield self.try_predict(item, sample_rate_hz=sample_rate_hz, top=top, timeline=timeline, force=force)

    def try_predict(
        self,
        item: Input,
        *,
        sample_rate_hz: int | None = None,
        top: int = 5,
        timeline: bool = False,
        force: bool = False,
        name: str | None = None,
    ) -> Prediction | Failure:
        """Recognise one input of a batch: as `predict`, but a bad input is returned as a `Failure`."""
        try:
            return self.predict(item, sample_rate_hz=sample_rate_hz, top=top, timeline=timeline, force=force, name=name)
        except (DataError, MissingExtraError) as error:
            return Failure(name or describe(item), error)

    def _answers(self, probabilities: FloatArray, top: int, *, familiarity: float) -> tuple[Answer, ...]:
        best = np.argsort(-probabilities, kind="stable")[:top]
        return tuple(
            make_answer(self.card.labels[i], familiarity * float(probabilities[i]), task=self.card.task) for i in best
        )

    def reason_to_decline(self, best: Answer, *, familiarity: float, salience: float) -> str | None:
        """Return why the recognizer would decline what is not silent; parameters as for `decide.reason_to_decline`."""
        if self.card.rejection is None:
            return None
        return reason_to_decline(self.card.rejection, best, familiarity=familiarity, salience=salience)

    def _timeline(self, scored: WindowScores, *, force: bool) -> tuple[Span, ...]:
        columns = (scored.probabilities, scored.weights, scored.familiarity, scored.salience)
        answers = (
            self._window_answer(row, float(familiarity), float(salience), force=force)
            if weight > 0
            else unknown_answer()
            for row, weight, familiarity, salience in zip(*columns, strict=True)
        )
        return tuple(zip(scored.starts_s.tolist(), scored.ends_s.tolist(), answers, strict=True))

    def _segments(self, scored: WindowScores, *, force: bool) -> tuple[Span, ...]:
        return tuple((start_s, end_s, self._answer(part, force=force)) for start_s, end_s, part in segments(scored))

    def _answer(self, scored: WindowScores, *, force: bool) -> Answer:
        if scored.is_silent:
            return unknown_answer()
        familiarity, salience = scored.mean_familiarity(), scored.mean_salience()
        return self._window_answer(scored.mean(), familiarity, salience, force=force)

    def _window_answer(self, row: FloatArray, familiarity: float, salience: float, *, force: bool) -> Answer:
        (best,) = self._answers(row, 1, familiarity=familiarity)
        reason = self.reason_to_decline(best, familiarity=familiarity, salience=salience)
        return best if force or reason is None else unknown_answer(best.confidence)

    def _probabilities(self, logits: FloatArray) -> FloatArray:
        scaled = logits.astype(np.float64) / self.card.temperature
        exponents = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        probabilities: FloatArray = (exponents / exponents.sum(axis=-1, keepdims=True)).astype(np.float32)
        return probabilities

    def cut(self, item: Input, *, sample_rate_hz: int | None = None) -> Iterator[WindowBatch]:
        """Yield the windows of one input in batches; parameters and errors as for `predict`."""
        features, window = self.card.features, self.card.window
        if isinstance(features, InkFeatures):
            yield drawing(features(ink_input(item)))
        elif window is not None:
            content, where = sound_input(item, sample_rate_hz=sample_rate_hz), describe(item)
            yield from cut(content, features, window=window, where=where)
        else:
            raise ModelError(f"{self.card.name}: reads {features.domain}, which 'predict' cannot make; give features")

    @cached_property
    def _asked(self) -> tuple[str, ...]:
        """What the answers are made of."""
        rejection = self.card.rejection
        needs_picture = rejection is not None and rejection.min_pitch_salience is not None
        return ("logits", *([FAMILIARITY] * self.card.has_detector), *(["picture"] * needs_picture))

    def ask(self, cuts: WindowBatch) -> tuple[Sequence[str], dict[str, FloatArray]]:
        """Return which outputs of the graph, and for which inputs, say what there is in windows not all silent."""
        return self._asked, self._feed(cuts.enters, cuts.batch[cuts.weights > 0])

    def heard(self, cuts: WindowBatch, said: Sequence[FloatArray] = ()) -> WindowScores:
        """Return what the outputs that `ask` names say of the windows; nothing is said when all of them are silent."""
        counts = cuts.weights > 0
        n_windows = len(counts)
        probabilities = np.zeros((n_windows, len(self.card.labels)), np.float32)
        familiarity, salience = np.ones(n_windows, np.float32), np.full(n_windows, np.inf, np.float32)
        outputs = dict(zip(self._asked, said, strict=False))
        if outputs:
            probabilities[counts] = self._probabilities(outputs["logits"])
        if FAMILIARITY in outputs:
            familiarity[counts] = np.maximum(outputs[FAMILIARITY], LEAST_FAMILIAR)
        if "picture" in outputs:
            salience[counts] = pitch_salience(outputs["picture"])
        return WindowScores(cuts.starts_s, cuts.ends_s, probabilities, cuts.weights, familiarity, salience)

    def _scored(self, cuts: WindowBatch) -> WindowScores:
        """Let the network hear or see what is not silent."""
        return self.heard(cuts, self._run(*self.ask(cuts)) if cuts.weights.any() else ())

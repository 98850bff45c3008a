"""The recognizer: one file, one `predict` for every kind of input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from earmark.errors import DataError, MissingExtraError, ModelError, UsageError
from earmark.recognizer.answers import Failure
from earmark.recognizer.card import FAMILIARITY, FEATURES_OUT, Card
from earmark.recognizer.file import card_of, find, open_session
from earmark.recognizer.frame_outputs import FrameScores
from earmark.recognizer.inputs import Input, input_name, sound_input
from earmark.recognizer.network import (
    LEAST_FAMILIAR,
    HighestScores,
    OnnxNetwork,
    Request,
    State,
    WindowScores,
    log_probabilities,
    pitch_salience,
)
from earmark.recognizer.note_events import NoteDecoder, note_events
from earmark.recognizer.prediction import to_prediction, with_notes
from earmark.recognizer.stitching import FrameStitcher
from earmark.recognizer.windows import Shape, WindowBatch, cut
from earmark.storage import as_path, open_binary
from earmark.types import Content, FloatArray, Line, Note, Picture, Prediction


def load(model: str | Path, *, n_threads: int = 1) -> Recognizer:
    """Load a recognizer.

    Parameters
    ----------
    model
        A name from the zoo (``"genre"``, ``"notes"``, ``"symbols"``, ``"tags"``), an ``.onnx`` file or a run folder.
    n_threads
        CPU threads that one prediction may use.

    Raises
    ------
    ModelError
        When there is no such recognizer, or the file is not one.

    Examples
    --------
    >>> import earmark
    >>> earmark.load("notes").predict("key.mp3").label  # doctest: +SKIP
    'A4'
    """
    return Recognizer.load(find(model), n_threads=n_threads)


class Recognizer:
    """A loaded recognizer; get one from `load`.

    Parameters
    ----------
    session
        An ``onnxruntime.InferenceSession``; safe to use from several threads.
    card
        The metadata of the file.
    file, n_threads
        What the session was opened from and how, so that another process can open it too.

    Attributes
    ----------
    network
        The session as a function of arrays: logits, embedding, state.
    """

    def __init__(self, session: Any, card: Card, *, file: Path | bytes | None = None, n_threads: int = 1) -> None:
        self.network = OnnxNetwork(session, card)
        self.card = card
        self._file, self._n_threads = file, n_threads

    @property
    def content(self) -> bytes:
        """The file that it was loaded from.

        Raises
        ------
        ModelError
            When there is none.
        """
        if self._file is None:
            raise ModelError(f"{self.card.name}: was made of a session, not loaded from a file; use Recognizer.load")
        if isinstance(self._file, bytes):
            return self._file
        with open_binary(self._file) as stream:
            return stream.read()

    def __reduce__(self) -> tuple[Any, ...]:
        """Send the content of the file to another process, which opens it there."""
        return _opened, (type(self), self.content, self.card, self._n_threads)

    @classmethod
    def load(cls, path: str | Path | bytes, *, n_threads: int = 1) -> Self:
        """Open the recognizer file at `path`, or one that was read already.

        Raises
        ------
        ModelError
            When the file is missing, damaged, no recognizer, or written by a newer Earmark.
        """
        file = path if isinstance(path, bytes) else as_path(path)
        session = open_session(file, n_threads=n_threads)
        card = card_of(session, where="the recognizer" if isinstance(file, bytes) else file)
        return cls(session, card, file=file, n_threads=n_threads)

    def with_window(self, length_s: float) -> Self:
        """Return this recognizer with windows of another length, their hop in proportion, such as for a timeline.

        Raises
        ------
        UsageError
            When it has no windows, or was not trained on such short or long ones.
        """
        window = self.card.window
        if window is None:
            raise UsageError(f"{self.card.name} reads {self.card.features.domain}, which is not cut into windows")
        if not window.min_s <= length_s <= window.length_s:
            raise UsageError(
                f"{self.card.name} was not trained on windows of {length_s:g} s; choose {window.min_s:g} to"
                f" {window.length_s:g} s"
            )
        hop_s = window.hop_s * length_s / window.length_s
        changed = window.model_copy(update={"length_s": length_s, "hop_s": hop_s})
        card = self.card.model_copy(update={"window": changed})
        return type(self)(self.network.session, card, file=self._file, n_threads=self._n_threads)

    def __repr__(self) -> str:
        return f"<Recognizer {self.card.name!r}: {len(self.card.labels)} labels, {self.card.features.kind}>"

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

        A confidence is the probability that the input is in-distribution (its familiarity), times that of the label if
        it is; what the answers lack to 1 is the probability of something else. Of a multi-label recognizer each label
        has its own probability, and `Prediction.labels` are those above their threshold.

        Parameters
        ----------
        item
            For a recognizer that listens: a sound file of any format, rate, length and number of channels, its bytes,
            an array ``(time,)`` or ``(channel, time)`` with its rate, a `Sound`, or a `Picture`. For one that reads
            drawings: an image or stroke file, its bytes, a list of strokes ``(n_points, 2)``, an array of pixels, a PIL
            image, an `Ink` or an `Image`. For one that reads spectrogram pictures: any of these but strokes, or a
            `Picture`; where it reads numbers beside it, ``{"picture": …, "numbers": …}`` with a mapping of the columns.
        sample_rate_hz
            Of an array of samples.
        top
            Most answers to return.
        timeline
            Also answer for every window of a sound, and for every stretch of one answer, see `segments` and
            `label_segments`; with frame outputs also give the notes.
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
        if timeline and self.card.window is None:
            raise UsageError("an image has no timeline; leave 'timeline' out")
        name, card = name or input_name(item), self.card
        has_notes = timeline and card.frames is not None and not isinstance(item, Picture)
        item = item.read() if has_notes and hasattr(item, "read") else item  # two passes over a stream
        scores = self.score(item, sample_rate_hz=sample_rate_hz)
        prediction = to_prediction(card, scores, name, top=top, timeline=timeline, force=force)
        if not has_notes:
            return prediction
        notes = self.notes(item, sample_rate_hz=sample_rate_hz)
        return with_notes(prediction, notes, card=card, scores=scores, force=force)

    def read(self, item: Input, *, staff_space: float | None = None, top: int = 5, name: str | None = None) -> Line:
        """Read a line of symbols, or a page of such lines.

        Which strokes are one symbol is decided together with what they are: groups of neighbouring strokes form a
        lattice, scored by the network, its familiarity and a model of sizes and gaps, and the best path is taken. A
        stroke that was drawn after the next symbol finds its own. What fits nothing is ``"unknown"``, never left out.

        Parameters
        ----------
        item
            A list of strokes ``(n_points, 2)``, an `Ink`, a stroke file (HOMUS text or JSON), a mapping with
            ``strokes``, ``staff`` (``top`` and ``space``) and ``known`` (labels that a person gave to some strokes),
            or a scanned line: whatever `predict` takes as an image.
        staff_space
            Distance of two lines of the staff in the unit of the strokes; taken from the staff where there is one, else
            guessed from the size of the strokes.
        top
            Most labels to return for each symbol.
        name
            What to call the input in the result.

        Raises
        ------
        DataError, UsageError
            When the input cannot be read, holds more than a person writes, or this recognizer reads no drawings.
        """
        from earmark.recognizer.line.read import read_line

        if top < 1:
            raise UsageError(f"top={top}: at least one label is given; ask for 1 or more")
        return read_line(self, item, staff_space=staff_space, top=top, name=name or input_name(item))

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
            return Failure(name or input_name(item), error)

    def score(self, item: Input, *, sample_rate_hz: int | None = None) -> WindowScores:
        """Return the calibrated scores of every window of one input; parameters as for `predict`."""
        batches = self.cut(item, sample_rate_hz=sample_rate_hz)
        return WindowScores.joined(self._batch_scores(batch) for batch in batches)

    def frames(self, item: Input, *, sample_rate_hz: int | None = None) -> Iterator[FrameScores]:
        """Return what the network says about every frame of a sound, block after block, in flat memory.

        Parameters and errors as for `predict`. `FrameScores.joined` puts the blocks together.

        Raises
        ------
        ModelError
            When the recognizer has no frame outputs.
        """
        stitcher = FrameStitcher(self.network, self.card)
        return stitcher.follow(sound_input(item, sample_rate_hz=sample_rate_hz), where=input_name(item))

    def notes(self, item: Input, *, sample_rate_hz: int | None = None) -> Iterator[Note]:
        """Return the note events of a sound by their ends, in flat memory; parameters and errors as for `frames`.

        All that looks like a note is given, also where `predict` declines.
        """
        return note_events(self.frames(item, sample_rate_hz=sample_rate_hz), NoteDecoder(self.card))

    def score_together(self, parts: Sequence[WindowBatch]) -> list[WindowScores]:
        """Return the scores of each of `parts`; those with windows of one shape are computed at once."""
        results: dict[int, WindowScores] = {}
        same_shape: dict[Shape, list[int]] = {}
        for index, part in enumerate(parts):
            same_shape.setdefault(part.shape, []).append(index)
        for indices in same_shape.values():
            scores = self._batch_scores(WindowBatch.joined(parts[index] for index in indices))
            results.update(zip(indices, scores.split(len(parts[index].weights) for index in indices), strict=True))
        return [results[index] for index in range(len(parts))]

    def probabilities(self, content: Content) -> FloatArray:
        """Return calibrated probabilities ``(n_labels,)``, were the input in-distribution; zero for silence."""
        return self.score(content).mean()

    def feature_map(self, item: Input, *, sample_rate_hz: int | None = None) -> FloatArray:
        """Return the picture that the network is given, ``(freq|height, time|width)``: of a sound the first window."""
        first = next(self.cut(item, sample_rate_hz=sample_rate_hz))
        batch = first.batch[:1]
        features: FloatArray = (
            batch if first.enters == "features" else self.network.run([FEATURES_OUT], samples=batch)[0]
        )[0, 0]
        return features[: len(features) - self.card.features.n_numbers]

    def advance(self, frames: FloatArray, state: State) -> tuple[FloatArray, State]:
        """Follow a stream: as `OnnxNetwork.advance`, but the first result are calibrated probabilities ``(n_labels,)``.

        They are those of `predict` for the same frames.
        """
        logits, state = self.network.advance(frames, state)
        return self._probabilities(logits), state

    def cut(self, item: Input, *, sample_rate_hz: int | None = None) -> Iterator[WindowBatch]:
        """Yield the windows of one input in batches; parameters and errors as for `predict`."""
        return cut(item, self.card, sample_rate_hz=sample_rate_hz)

    @cached_property
    def _outputs(self) -> tuple[str, ...]:
        """The outputs of the graph that scores are made of."""
        rejection = self.card.rejection
        needs_features = rejection is not None and rejection.min_pitch_salience is not None
        return ("logits", *([FAMILIARITY] * self.card.has_detector), *([FEATURES_OUT] * needs_features))

    def request(self, batch: WindowBatch) -> Request:
        """Return the outputs and inputs that the session has to run for windows not all silent."""
        return self.network.request(self._outputs, batch.enters, batch.batch[batch.weights > 0])

    def scores_from_outputs(self, batch: WindowBatch, outputs: Sequence[FloatArray] = ()) -> WindowScores:
        """Return the scores of windows from what the session returned; no outputs when all windows are silent."""
        counts = batch.weights > 0
        n_windows = len(counts)
        probabilities = np.zeros((n_windows, len(self.card.labels)), np.float32)
        familiarity, salience = np.ones(n_windows, np.float32), np.full(n_windows, np.inf, np.float32)
        named = dict(zip(self._outputs, outputs, strict=False))
        if named:
            probabilities[counts] = self._probabilities(named["logits"])
        if FAMILIARITY in named:
            familiarity[counts] = np.maximum(named[FAMILIARITY], LEAST_FAMILIAR)
        if FEATURES_OUT in named:
            salience[counts] = pitch_salience(named[FEATURES_OUT])
        is_highest = self.card.window is not None and self.card.window.aggregate == "max"
        scores = HighestScores if is_highest else WindowScores
        return scores(batch.starts_s, batch.ends_s, probabilities, batch.weights, familiarity, salience)

    def _batch_scores(self, batch: WindowBatch) -> WindowScores:
        outputs = self.network.execute(*self.request(batch)) if batch.weights.any() else ()
        return self.scores_from_outputs(batch, outputs)

    def _probabilities(self, logits: FloatArray) -> FloatArray:
        """Return calibrated probabilities: the softmax or sigmoid of logits divided by the temperature."""
        calibrated = logits.astype(np.float64) / self.card.temperature
        probabilities: FloatArray = np.exp(log_probabilities(calibrated, target=self.card.target)).astype(np.float32)
        return probabilities


def _opened(kind: type[Recognizer], content: bytes, card: Card, n_threads: int) -> Recognizer:
    """Return a recognizer that another process has sent; its card may have been changed since it was loaded."""
    return kind(open_session(content, n_threads=n_threads), card, file=content, n_threads=n_threads)

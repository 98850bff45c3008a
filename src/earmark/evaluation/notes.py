"""Scores of note events against a score in MIDI, by the measures of mir_eval, with intervals over pieces.

A note is found when a note of the same key begins within 50 ms of it; with offset it must also end within 50 ms or a
fifth of its length (Bay, Ehmann & Downie, ISMIR 2009; `mir_eval.transcription`). Frames are compared key by key every
10 ms, as far as the longer of the two goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark import extras
from earmark.evaluation.intervals import Interval, accuracy_interval
from earmark.listing import files_under
from earmark.notes import MIDI_EXTENSIONS, read_midi
from earmark.recognizer import Recognizer
from earmark.types import Note, Progress, no_progress
from earmark.units import LOWEST_KEY_MIDI, N_PIANO_KEYS, midi_to_hz

ONSET_TOLERANCE_S = 0.05
OFFSET_SHARE = 0.2
FRAME_S = 0.01


@dataclass(frozen=True, slots=True)
class PieceScore:
    """How well the notes of one piece were found.

    Attributes
    ----------
    piece
        Its recording.
    n_notes, n_found
        Notes of the score, and of the prediction.
    precision, recall, f1
        Of notes by their onsets.
    f1_with_offset
        Of notes by onset and offset.
    frame_f1
        Of keys in frames of 10 ms.
    """

    piece: str
    n_notes: int
    n_found: int
    precision: float
    recall: float
    f1: float
    f1_with_offset: float
    frame_f1: float


@dataclass(frozen=True, slots=True)
class NoteScores:
    """Means over pieces, each with its 95 % bootstrap interval over `groups` of pieces.

    Attributes
    ----------
    f1, f1_with_offset, frame_f1
        Mean and interval.
    pieces
        Every piece.
    """

    f1: tuple[float, Interval]
    f1_with_offset: tuple[float, Interval]
    frame_f1: tuple[float, Interval]
    pieces: tuple[PieceScore, ...]

    @classmethod
    def of(cls, pieces: Sequence[PieceScore], *, groups: Sequence[str] | None = None, seed: int = 0) -> NoteScores:
        """Return the means; the groups are the pieces unless given."""
        names = list(groups or (score.piece for score in pieces))

        def mean(name: str) -> tuple[float, Interval]:
            values = [getattr(score, name) for score in pieces]
            return float(np.mean(values)), accuracy_interval(values, names, seed=seed)[0]

        return cls(mean("f1"), mean("f1_with_offset"), mean("frame_f1"), tuple(pieces))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        means = {
            name: {"mean": mean, "interval": list(interval)}
            for name, (mean, interval) in (
                ("f1", self.f1),
                ("f1_with_offset", self.f1_with_offset),
                ("frame_f1", self.frame_f1),
            )
        }
        return {**means, "pieces": [asdict(score) for score in self.pieces]}


def recordings_with_midi(folder: Path) -> list[tuple[Path, Path]]:
    """Return the recordings under a folder that have a MIDI file of the same name beside them, each with that file."""
    from earmark.sound import SOUND_EXTENSIONS

    scores = {path.with_suffix(""): path for path in files_under(folder, MIDI_EXTENSIONS)}
    sounds = files_under(folder, SOUND_EXTENSIONS)
    return [(sound, scores[sound.with_suffix("")]) for sound in sounds if sound.with_suffix("") in scores]


def evaluate_notes(
    recognizer: Recognizer, pairs: Sequence[tuple[Path, Path]], *, progress: Progress = no_progress
) -> NoteScores:
    """Return how well a recognizer finds the notes of recordings whose score is known.

    Parameters
    ----------
    pairs
        Recordings, at least one, each with its MIDI file.

    Raises
    ------
    ModelError
        When the recognizer gives no notes.
    DataError
        When a file cannot be read, or a MIDI file has no notes.
    MissingExtraError
        When mir_eval is not installed.
    """
    extras.require("scoring notes", "train", "mir_eval")
    scores = []
    for done, (sound, score) in enumerate(pairs):
        truth = read_midi(score)
        prediction = recognizer.predict(sound, timeline=True)
        found = prediction.notes if prediction.notes is not None else tuple(recognizer.notes(sound))
        scores.append(score_notes(truth, found, piece=str(sound)))
        progress("scoring", done + 1, len(pairs), sound.name)
    return NoteScores.of(scores)


def score_notes(truth: Sequence[Note], found: Sequence[Note], *, piece: str = "") -> PieceScore:
    """Return the scores of the notes that were found in one piece."""
    precision, recall, f1 = _matched(truth, found, offset_share=None)
    return PieceScore(
        piece=piece,
        n_notes=len(truth),
        n_found=len(found),
        precision=precision,
        recall=recall,
        f1=f1,
        f1_with_offset=_matched(truth, found, offset_share=OFFSET_SHARE)[2],
        frame_f1=_frame_f1(truth, found),
    )


def _matched(truth: Sequence[Note], found: Sequence[Note], *, offset_share: float | None) -> tuple[float, float, float]:
    """Return precision, recall and F1 of notes; nothing found where nothing is, is all right."""
    if not truth or not found:
        both = float(not truth and not found)
        return both, both, both
    from mir_eval.transcription import precision_recall_f1_overlap

    arrays = [array for notes in (truth, found) for array in (_intervals(notes), _pitches_hz(notes))]
    precision, recall, f1, _ = precision_recall_f1_overlap(
        *arrays, onset_tolerance=ONSET_TOLERANCE_S, offset_ratio=offset_share
    )
    return float(precision), float(recall), float(f1)


def _intervals(notes: Iterable[Note]) -> npt.NDArray[np.float64]:
    return np.array([(note.start_s, max(note.end_s, note.start_s + 1e-3)) for note in notes])


def _pitches_hz(notes: Iterable[Note]) -> npt.NDArray[np.float64]:
    return np.array([midi_to_hz(note.midi) for note in notes])


def _frame_f1(truth: Sequence[Note], found: Sequence[Note]) -> float:
    end_s = max((note.end_s for note in (*truth, *found)), default=0.0)
    n_frames = int(end_s / FRAME_S) + 1
    there, given = (_roll(notes, n_frames) for notes in (truth, found))
    total = int(there.sum()) + int(given.sum())
    return 2 * int((there & given).sum()) / total if total else 1.0


def _roll(notes: Iterable[Note], n_frames: int) -> npt.NDArray[np.bool_]:
    """Return which keys are down in each frame, ``(n_frames, 88)``."""
    roll = np.zeros((n_frames, N_PIANO_KEYS), np.bool_)
    for note in notes:
        key = note.midi - LOWEST_KEY_MIDI
        if 0 <= key < N_PIANO_KEYS:
            roll[round(note.start_s / FRAME_S) : round(note.end_s / FRAME_S), key] = True
    return roll

"""Notes of piano pieces: how many a recognizer finds, beside basic-pitch, on the same pieces in the same run.

    python benchmarks/pieces.py PIANOS --pianos kawai,steinway [--model FILE] [--seeds 3] [--basic-pitch DIR]

Pieces are made in code and rendered from the recordings of single notes of each piano: scales in one and two hands,
chorales of four voices, and melodies over broken chords, with and without pedal. Name pianos that the recognizer has
not learned. A note of the truth ends when its damper falls, or when it is 30 dB below its own loudest moment. Printed
are note F1 by onset (50 ms), with offset (50 ms or a fifth of the length), and frame F1, by mir_eval, with 95 %
intervals by resampling pianos; each piano and each kind of piece; and how fast each system is.

DIR holds basic-pitch 0.4.0 (Bittner et al. 2022, Apache 2.0) and what it needs to run its own code with ONNX Runtime:
``pip install --no-deps --target DIR basic-pitch==0.4.0 pretty_midi resampy importlib_resources``, beside librosa and
mir_eval. It runs as published: its own windows, thresholds, shortest note and decoding.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from earmark.data import read_manifest
from earmark.evaluation.notes import NoteScores, PieceScore, score_notes
from earmark.recognizer import load
from earmark.training.mixtures.bank import bank_of
from earmark.training.mixtures.render import SOUNDS_DB, Sounding, frame_levels_db, mix, perform
from earmark.training.mixtures.strokes import Stroke
from earmark.types import FloatArray, Note
from earmark.units import note_name

RATE_HZ = 22_050
_STEP_S = 0.01
_TAIL_S = 1.5
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)
_PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (5, 3, 0, 4), (0, 4, 5, 3), (1, 4, 0, 0))
_BARS = 8

Rng = np.random.Generator
Transcriber = Callable[[Path], Sequence[Note]]


@dataclass(frozen=True)
class Piece:
    """A rendered piece and its notes."""

    kind: str
    piano: str
    samples: FloatArray
    notes: tuple[Note, ...]


def scale(rng: Rng) -> list[Stroke]:
    """Return a scale up and down over two octaves, in one hand or in both."""
    tonic, steps, step_s = int(rng.integers(40, 64)), _degrees(rng), float(rng.uniform(0.15, 0.4))
    keys = [tonic + steps(degree) for degree in (*range(15), *range(13, -1, -1))]
    hands = (0, 12) if rng.random() < 0.5 else (0,)
    return [
        _struck(rng, key + hand, index * step_s, (index + float(rng.uniform(0.8, 1.0))) * step_s)
        for index, key in enumerate(keys)
        for hand in hands
    ]


def chorale(rng: Rng) -> list[Stroke]:
    """Return chords of four voices, each a root, its fifth or third, and a top voice that moves by steps."""
    steps, tonic, beat_s = _degrees(rng), int(rng.integers(41, 53)), float(rng.uniform(0.5, 1.0))
    strokes, roots = [], [root for root in _progression(rng) for _ in range(2)]
    for index, root in enumerate(roots):
        chord = [root, root + 4, root + 9, root + (7, 11, 14, 11)[index % 4]]
        start_s, end_s = index * beat_s, (index + 0.95) * beat_s
        strokes += [
            _struck(rng, tonic + steps(degree), start_s + float(rng.uniform(0, 0.015)), end_s) for degree in chord
        ]
    return strokes


def two_hands(rng: Rng, *, pedal: bool) -> list[Stroke]:
    """Return a melody over broken chords; with pedal all keys of a bar ring until its end."""
    steps, tonic, beat_s = _degrees(rng), int(rng.integers(40, 52)), float(rng.uniform(0.4, 0.7))
    strokes, degree = [], 14
    for bar, root in enumerate(_progression(rng)):
        start_s, end_s = 4 * bar * beat_s, 4 * (bar + 1) * beat_s
        for index in range(8):
            key = tonic + steps(root + (0, 4, 2, 4)[index % 4])
            onset_s = start_s + index * beat_s / 2
            strokes.append(_struck(rng, key, onset_s, end_s if pedal else onset_s + 0.45 * beat_s, gain_db=-3.0))
        onset_s = start_s
        while onset_s < end_s - 0.1 * beat_s:
            length_s = beat_s * float(rng.choice((0.5, 0.5, 1.0, 1.5)))
            degree = int(np.clip(degree + rng.choice((-2, -1, 1, 2, 3)), 9, 22))
            off_s = end_s if pedal else min(onset_s + 0.9 * length_s, end_s)
            strokes.append(_struck(rng, tonic + 12 + steps(degree), onset_s, off_s, gain_db=3.0))
            onset_s += length_s
    return strokes


KINDS: dict[str, Callable[[Rng], list[Stroke]]] = {
    "scale": scale,
    "chorale": chorale,
    "two hands": lambda rng: two_hands(rng, pedal=False),
    "two hands, pedal": lambda rng: two_hands(rng, pedal=True),
}


def _degrees(rng: Rng) -> Callable[[int], int]:
    """Return semitones above the tonic of the degrees of a major or harmonic minor scale."""
    tones = _MAJOR if rng.random() < 0.5 else _MINOR
    return lambda degree: 12 * (degree // 7) + tones[degree % 7]


def _progression(rng: Rng) -> list[int]:
    chosen = _PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))]
    return [*chosen, *chosen][:_BARS]


def _struck(rng: Rng, midi: int, onset_s: float, off_s: float, *, gain_db: float = 0.0) -> Stroke:
    return Stroke(midi, 0.3 + onset_s, 0.3 + off_s, gain_db + float(np.clip(rng.normal(0, 3), -9, 9)))


def render(manifest_folder: Path, pianos: Sequence[str], *, n_seeds: int) -> list[Piece]:
    """Return pieces of each kind, `n_seeds` of each piano; the same seed gives all pianos the same music."""
    manifest = read_manifest(manifest_folder)
    pieces = []
    for piano in pianos or manifest.groups:
        own = replace(manifest, examples=tuple(example for example in manifest if example.group == piano))
        bank = bank_of(own, sample_rate_hz=RATE_HZ)
        for place, (kind, make) in enumerate(KINDS.items()):
            for seed in range(n_seeds):
                performed = perform(
                    make(np.random.default_rng([seed, place])), bank, np.random.default_rng(seed), pianos=[piano]
                )
                end_s = max(each.stroke.off_s for each in performed if np.isfinite(each.stroke.off_s)) + _TAIL_S
                samples = mix(performed, n_samples=round(end_s * RATE_HZ), sample_rate_hz=RATE_HZ)
                samples *= np.float32(0.5 / np.abs(samples).max())
                pieces.append(Piece(kind, piano, samples, tuple(_truth(each, end_s) for each in performed)))
    return pieces


def _truth(each: Sounding, end_s: float) -> Note:
    """Return a stroke as a note, which ends when its damper falls or it has become too quiet."""
    stroke = each.stroke
    times_s = np.arange(stroke.onset_s, min(stroke.off_s, end_s), _STEP_S)
    audible = np.flatnonzero(frame_levels_db(each, times_s) >= SOUNDS_DB)
    return Note(stroke.onset_s, float(times_s[audible[-1]]) + _STEP_S, stroke.midi, note_name(stroke.midi), 64)


def basic_pitch(folder: Path) -> Transcriber:
    """Return what runs basic-pitch as published."""
    sys.path.append(str(folder))
    logging.disable(logging.WARNING)  # about the runtimes that are not installed
    from basic_pitch import FilenameSuffix, build_icassp_2022_model_path
    from basic_pitch.inference import Model, predict

    logging.disable(logging.NOTSET)
    model = Model(build_icassp_2022_model_path(FilenameSuffix.onnx))

    def transcribe(path: Path) -> list[Note]:
        with redirect_stdout(None):
            _, _, events = predict(path, model)
        return [Note(float(start), float(end), int(midi), "", 64) for start, end, midi, *_ in events]

    return transcribe


def score(transcribe: Transcriber, pieces: Sequence[Piece]) -> tuple[list[PieceScore], float]:
    """Return the scores of all pieces, and how many times faster than real time they were transcribed."""
    scores, spent_s = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "piece.wav"
        soundfile.write(path, pieces[0].samples, RATE_HZ)
        transcribe(path)  # loads and compiles what it needs
        for piece in pieces:
            soundfile.write(path, piece.samples, RATE_HZ)
            began_s = time.process_time()
            found = transcribe(path)
            spent_s += time.process_time() - began_s
            scores.append(score_notes(piece.notes, found, piece=f"{piece.piano}, {piece.kind}"))
    return scores, sum(len(piece.samples) for piece in pieces) / RATE_HZ / spent_s


def report(name: str, scores: Sequence[PieceScore], pieces: Sequence[Piece]) -> float:
    """Print the figures of one system; return its note F1."""
    print(f"\n{name}\n{'':18}{'pieces':>7}{'notes':>7}  {'note F1':>22}  {'with offset':>22}  {'frame F1':>22}  P / R")
    rows = {"all": list(range(len(pieces)))}
    for attribute in ("piano", "kind"):
        for value in dict.fromkeys(getattr(piece, attribute) for piece in pieces):
            rows[value] = [index for index, piece in enumerate(pieces) if getattr(piece, attribute) == value]
    for title, indices in rows.items():
        chosen = [scores[index] for index in indices]
        means = NoteScores.of(chosen, groups=[pieces[index].piano for index in indices])
        cells = [
            f"{m:.3f} ({low:.3f} to {high:.3f})" for m, (low, high) in (means.f1, means.f1_with_offset, means.frame_f1)
        ]
        precision, recall = (np.mean([getattr(each, part) for each in chosen]) for part in ("precision", "recall"))
        n_notes = sum(each.n_notes for each in chosen)
        print(
            f"{title:18}{len(chosen):7}{n_notes:7}  "
            + "  ".join(f"{cell:>22}" for cell in cells)
            + f"  {precision:.3f} / {recall:.3f}"
        )
    return NoteScores.of(scores).f1[0]


def main() -> None:
    """Render the pieces, transcribe and score them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a pianos folder with labels.csv")
    parser.add_argument("--model", default="notes")
    parser.add_argument("--pianos", default="", help="comma-separated; all unless given")
    parser.add_argument("--seeds", type=int, default=3, help="pieces of each kind and piano")
    parser.add_argument("--basic-pitch", type=Path, help="the folder that it is installed in")
    arguments = parser.parse_args()
    pieces = render(arguments.data, [name for name in arguments.pianos.split(",") if name], n_seeds=arguments.seeds)
    recognizer = load(arguments.model)
    systems: dict[str, Transcriber] = {recognizer.card.name: lambda path: list(recognizer.notes(path))}
    if arguments.basic_pitch:
        systems["basic-pitch 0.4.0"] = basic_pitch(arguments.basic_pitch)
    figures = {}
    for name, transcribe in systems.items():
        scores, speed = score(transcribe, pieces)
        figures[name] = report(name, scores, pieces)
        print(f"{speed:.0f} times real time on one core")
    ours, *others = figures.values()
    for other in others:
        print(f"\nratio of note F1: {ours / other:.2f}")


if __name__ == "__main__":
    main()

"""Synthetic sounds and drawings, so that the demo needs no data and no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.files import atomic_path, write_csv
from earmark.sound.synthesis import synthesize_note
from earmark.types import FloatArray, Ink, Progress, Sound, Staff, no_progress
from earmark.units import LOWEST_KEY_MIDI, N_PIANO_KEYS, note_name

# The last two are never trained on: one chooses the epoch, the other is scored.
TRAINING_TIMBRES = ("grand", "upright", "guitar", "harpsichord", "clarinet", "flute")
VALIDATION_TIMBRE, UNSEEN_TIMBRE = "strings", "electric-piano"
SAMPLE_RATE_HZ = 22_050


# One stroke, from the middle of the curl to the end of the tail, down the page.
G_CLEF = (
    *((2, 62), (-5, 55), (-2, 47), (7, 46), (12, 55), (8, 66), (-3, 69), (-14, 62), (-16, 48), (-8, 33), (4, 20)),
    *((10, 6), (6, -6), (0, -2), (-2, 14), (2, 40), (6, 66), (8, 84), (3, 94), (-6, 92), (-7, 86)),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Input for a built-in recognizer, and the answer that is expected."""

    name: str
    model: str
    expected: str
    content: Sound | Ink


def samples() -> Iterator[Sample]:
    """Yield a few keys, drawings and pieces."""
    for midi, timbre in ((21, "grand"), (60, "upright"), (69, "electric-piano"), (96, "grand")):
        note = synthesize_note(midi, timbre=timbre, duration_s=2.0, sample_rate_hz=SAMPLE_RATE_HZ, seed=midi)
        yield Sample(f"one key, {timbre}", "notes", note_name(midi), note)
    for name, drawing in drawings().items():
        yield Sample("a drawing", "symbols", name, drawing)
    yield Sample("a drum machine and a bass", "genre", "", dance_piece())


def drawings() -> dict[str, Ink]:
    """Return a few symbols drawn by hand and by formula, by the name that HOMUS gives them."""
    t = np.linspace(0, 1, 40)
    turn = 2 * np.pi * t
    head = _points(12 * np.cos(turn), 9 * np.sin(turn) - 3 * np.cos(turn))
    scribble = _points(12 * t * np.cos(4 * turn), 9 * t * np.sin(4 * turn))
    stem = _points(0 * t + 12, -60 * t)
    return {
        "Whole-Note": Ink((head * np.float32(1.5),)),
        "Quarter-Note": Ink((scribble, stem)),
        "Half-Note": Ink((head, stem)),
        "Sharp": Ink(
            (
                _points(0 * t - 8, 60 * t - 30),
                _points(0 * t + 8, 60 * t - 34),
                _points(40 * t - 20, -6 - 10 * t),
                _points(40 * t - 20, 14 - 10 * t),
            )
        ),
        "Flat": Ink((_points(0 * t, 60 * t - 40), _points(18 * np.sin(np.pi * t), 20 - 24 * t))),
        "G-Clef": Ink((np.array(G_CLEF, np.float32),)),
    }


LINE_STAFF = Staff(top=-32.0, space=16.0)
_LINE = (
    *(
        ("G-Clef", 3, 1.25),
        ("Sharp", 8, 0.7),
        ("Quarter-Note", 2, 0.85),
        ("Quarter-Note", 4, 0.85),
        ("Half-Note", 3, 0.85),
    ),
    *(("Sharp", 5, 0.7), ("Half-Note", 5, 0.85), ("Whole-Note", 2, 0.7)),
)


def line() -> Ink:
    """Return a line of such symbols on the staff `LINE_STAFF`: what, on which staff position, how large."""
    known, strokes, left = drawings(), [], 0.0
    for label, position, size in _LINE:
        drawing = [np.float32(size) * stroke for stroke in known[label].strokes]
        points = np.concatenate(drawing)
        # Notes are drawn around their head; all else is centred.
        middle = 0.0 if label.endswith("-Note") else float(points[:, 1].min() + points[:, 1].max()) / 2
        height = LINE_STAFF.top + LINE_STAFF.space * (4 - position / 2)
        move = np.array([left - points[:, 0].min(), height - middle], np.float32)
        strokes += [stroke + move for stroke in drawing]
        left += float(np.ptp(points[:, 0])) + 20
    return Ink(tuple(strokes))


def dance_piece(*, duration_s: float = 15.0, beats_per_minute: float = 124.0) -> Sound:
    """Return a bass drum on every beat, a hi-hat between them, and a bass line of synthesised notes."""
    rng = np.random.default_rng(0)
    mix = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)
    beat_s = 60 / beats_per_minute
    t = np.arange(round(0.25 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    drum = np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-25 * t)))) * np.exp(-12 * t)
    hat = np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-40 * t) * 0.2
    for beat in range(int(duration_s / beat_s)):
        pitch = 33 + (0, 0, 3, 5)[beat // 4 % 4]
        bass = synthesize_note(pitch, timbre="guitar", duration_s=beat_s, sample_rate_hz=SAMPLE_RATE_HZ, seed=beat)
        _add(mix, drum, beat * beat_s)
        _add(mix, hat, (beat + 0.5) * beat_s)
        _add(mix, bass.samples, beat * beat_s)
    return Sound(mix / np.abs(mix).max() * np.float32(0.8), SAMPLE_RATE_HZ)


def write_keys(folder: Path, *, progress: Progress = no_progress) -> Path:
    """Write the 88 keys in several timbres as flac files with a manifest; return the manifest.

    Parameters
    ----------
    folder
        Where to; what is already there is not made again.
    """
    import soundfile

    parts = dict.fromkeys(TRAINING_TIMBRES, "train") | {VALIDATION_TIMBRE: "valid", UNSEEN_TIMBRE: "test"}
    rows = []
    for done, (timbre, part) in enumerate(parts.items()):
        progress("synthesising", done, len(parts), timbre)
        for midi in range(LOWEST_KEY_MIDI, LOWEST_KEY_MIDI + N_PIANO_KEYS):
            path = folder / timbre / f"{midi:03}.flac"
            rows.append((path.relative_to(folder).as_posix(), note_name(midi), timbre, part))
            if not path.exists():
                note = synthesize_note(midi, timbre=timbre, duration_s=1.2, sample_rate_hz=SAMPLE_RATE_HZ, seed=midi)
                with atomic_path(path) as temporary:
                    soundfile.write(temporary, note.samples, note.sample_rate_hz, format="FLAC")
    progress("synthesising", len(parts), len(parts), "")
    manifest = folder / "manifest.csv"
    write_csv(manifest, rows, columns=("path", "label", "group", "split"))
    return manifest


def _points(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> FloatArray:
    return np.stack([x, y], axis=1).astype(np.float32)


def _add(mix: FloatArray, sound: npt.NDArray[np.floating], start_s: float) -> None:
    start = round(start_s * SAMPLE_RATE_HZ)
    part = sound[: max(0, len(mix) - start)]
    mix[start : start + len(part)] += part.astype(np.float32)

"""Sample files, made in code: sounds and drawings to recognise, and two small data sets to train on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from earmark.demo.samples import LINE_STAFF, SAMPLE_RATE_HZ, dance_piece, drawings, line
from earmark.files import atomic_path, write_csv, write_text
from earmark.ink.draw import draw_strokes
from earmark.ink.strokes import stroke_text
from earmark.sound.synthesis import synthesize_note
from earmark.types import FloatArray, Ink, Sound

INSTRUMENTS = ("clarinet", "guitar", "organ")
N_PLAYERS, KEYS_MIDI = 6, (52, 57, 60, 64)
SYMBOLS = ("Flat", "Half-Note", "Sharp")
N_WRITERS, N_DRAWINGS = 6, 4


@dataclass(frozen=True, slots=True)
class SampleFile:
    """File that was written, a recognizer that suits it, and what it holds."""

    path: Path
    model: str
    about: str


def write_samples(folder: Path | str) -> tuple[SampleFile, ...]:
    """Write four sounds, four drawings and two data sets into `folder`; the same bytes every time.

    Parameters
    ----------
    folder
        Is made when it is missing; files with the same names in it are replaced.

    Raises
    ------
    DataError
        When the folder cannot be written to.
    """
    folder = Path(folder)
    sounds, ink = _sounds(), drawings()
    for name, (sound, _, _) in sounds.items():
        _write_flac(folder / name, sound)
    write_text(folder / "clef.txt", stroke_text("G-Clef", ink["G-Clef"]))
    write_text(folder / "sharp.json", json.dumps([stroke.tolist() for stroke in ink["Sharp"].strokes]) + "\n")
    write_text(folder / "line.json", _line_text())
    _write_png(folder / "note.png", ink["Quarter-Note"], side_px=96)
    _write_instruments(folder)
    _write_symbols(folder)
    return (
        *(SampleFile(folder / name, model, about) for name, (_, model, about) in sounds.items()),
        SampleFile(folder / "clef.txt", "symbols", "a G clef, as pen strokes in the text format of HOMUS"),
        SampleFile(folder / "sharp.json", "symbols", "a sharp, as pen strokes in JSON"),
        SampleFile(folder / "note.png", "symbols", "a quarter note, as an image"),
        SampleFile(folder / "line.json", "symbols", "a line of symbols on a staff, as pen strokes in JSON"),
        SampleFile(folder / "instruments.csv", "", f"{len(INSTRUMENTS)} instruments of {N_PLAYERS} players each"),
        SampleFile(folder / "symbols.csv", "", f"{len(SYMBOLS)} symbols drawn by {N_WRITERS} writers"),
    )


def _sounds() -> dict[str, tuple[Sound, str, str]]:
    notes = [_note(midi, "grand", 1.0, seed=midi) for midi in (60, 64, 67, 72)]
    rain = np.random.default_rng(0).normal(0, 0.1, 3 * SAMPLE_RATE_HZ).astype(np.float32)
    return {
        "key.flac": (_sound(_note(69, "electric-piano", 2.0, seed=69)), "notes", "one key, A4"),
        "melody.flac": (_sound(np.concatenate(notes)), "notes", "four keys, C4 E4 G4 C5"),
        "rain.flac": (_sound(rain), "notes", "noise like rain, which is no key"),
        "dance.flac": (dance_piece(), "genre", "a drum machine and a bass"),
    }


def _note(midi: int, timbre: str, duration_s: float, *, seed: int) -> FloatArray:
    note = synthesize_note(midi, timbre=timbre, duration_s=duration_s, sample_rate_hz=SAMPLE_RATE_HZ, seed=seed)
    return note.samples


def _sound(samples: FloatArray) -> Sound:
    return Sound(samples, SAMPLE_RATE_HZ)


def _write_instruments(folder: Path) -> None:
    rows = []
    for n, instrument in enumerate(INSTRUMENTS):
        for player in range(N_PLAYERS):
            for midi in KEYS_MIDI:
                path = f"instruments/{instrument}/player-{n * N_PLAYERS + player + 1:02}-{midi}.flac"
                rows.append((path, instrument, f"player {n * N_PLAYERS + player + 1}"))
                # One seed for a player: the same instrument in the same room.
                _write_flac(folder / path, _sound(_note(midi, instrument, 0.8, seed=n * N_PLAYERS + player)))
    write_csv(folder / "instruments.csv", rows, columns=("path", "label", "group"))


def _write_symbols(folder: Path) -> None:
    rows = []
    for label in SYMBOLS:
        for writer in range(1, N_WRITERS + 1):
            for number, drawing in enumerate(_by_hand(drawings()[label], writer), start=1):
                path = f"symbols/{label}/writer-{writer}-{number}.png"
                rows.append((path, label, f"writer {writer}"))
                _write_png(folder / path, drawing, side_px=48)
    write_csv(folder / "symbols.csv", rows, columns=("path", "label", "group"))


def _by_hand(ink: Ink, writer: int) -> Iterator[Ink]:
    """Yield drawings of `ink` with the slant of a writer, each a little different."""
    rng = np.random.default_rng(writer)
    slant = rng.normal(0, 0.15, (2, 2))
    for _ in range(N_DRAWINGS):
        bend = (np.eye(2) + slant + rng.normal(0, 0.05, (2, 2))).astype(np.float32)
        yield Ink(tuple(stroke @ bend for stroke in ink.strokes))


def _line_text() -> str:
    strokes = [[[round(float(x), 2), round(float(y), 2)] for x, y in stroke] for stroke in line().strokes]
    return json.dumps({"strokes": strokes, "staff": asdict(LINE_STAFF)}) + "\n"


def _write_flac(path: Path, sound: Sound) -> None:
    import soundfile

    with atomic_path(path) as temporary:
        soundfile.write(temporary, sound.samples, sound.sample_rate_hz, format="FLAC")


def _write_png(path: Path, ink: Ink, *, side_px: int) -> None:
    import PIL.Image

    raster = draw_strokes(ink, height=side_px, width=side_px, margin_px=4.0)
    with atomic_path(path) as temporary:
        PIL.Image.fromarray(np.rint(255 * (1 - raster)).astype(np.uint8)).save(temporary, format="PNG")

"""The scripts under examples/, each on small data of its own kind, from the data to its outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthetic_pictures import write_pictures
from tiny import tone

EXAMPLES = Path(__file__).parents[1] / "examples"
RATE_HZ = 16000
SMALL = ("--set", "training.epochs=3", "--set", "training.batch_size=8")
SMALL_VGG = (*SMALL, "--set", "model.size=[24,32]", "--set", "model.hidden=16", "--set", "model.widths=[4,8]")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the examples are shell scripts"),
]


def example(name: str, *arguments: object, folder: Path) -> None:
    """Run a script; what it prints is shown when it fails."""
    environment = {**os.environ, "EARMARK": f"{sys.executable} -m earmark", "EARMARK_CACHE": str(folder / "cache")}
    done = subprocess.run(
        ["sh", EXAMPLES / name, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_genre_pictures(tmp_path):
    for seed, (part, each) in enumerate((("train", 8), ("val", 3), ("test", 3))):
        write_pictures(tmp_path / "data" / part, each=each, seed=seed)
    example("genre_pictures.sh", tmp_path / "data", tmp_path / "out", *SMALL_VGG, folder=tmp_path)
    out = tmp_path / "out"
    assert (out / "gallery" / "gallery.html").exists()
    assert "confusion" in (out / "test.html").read_text().lower()
    assert (out / "run" / "figures" / "confusion.csv").exists()
    assert (out / "run" / "figures" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    rows = (out / "submission.csv").read_text().splitlines()
    assert len(rows) == 10
    assert {row.split(",")[1] for row in rows[1:]} <= {"low", "mid", "high"}


def test_genre_clips(tmp_path):
    for number, (genre, hz) in enumerate((("blues", 200), ("jazz", 2000))):
        (tmp_path / "data" / genre).mkdir(parents=True)
        for track in range(6):
            sound = tone(seconds=2, rate_hz=RATE_HZ, hz=hz + 20 * track)
            soundfile.write(tmp_path / "data" / genre / f"song{number}{track}.wav", sound, RATE_HZ)
    os.environ["SEGMENT_S"] = "1"
    try:
        example("genre_clips.sh", tmp_path / "data", tmp_path / "out", *SMALL_VGG, folder=tmp_path)
    finally:
        del os.environ["SEGMENT_S"]
    pictures = sorted(path.stem for path in (tmp_path / "out" / "pictures").rglob("*.png"))
    rows = (tmp_path / "out" / "segments.csv").read_text().splitlines()[1:]
    assert pictures == sorted(row.split(",")[0].removesuffix(".wav").rpartition("/")[2] for row in rows)
    assert (tmp_path / "out" / "compare.html").exists()
    assert len((tmp_path / "out" / "answers.csv").read_text().splitlines()) == 1 + len(pictures)


def test_genre_table(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        f"{genre}.{number:05d}.wav,661794,{rng.normal() + place:.4f},{rng.normal() - place:.4f},{genre}"
        for place, genre in enumerate(("blues", "jazz", "rock"))
        for number in range(30)
    ]
    table = tmp_path / "features.csv"
    table.write_text("\n".join(["filename,length,rms_mean,mfcc1_mean,label", *rows]))
    quick = ("--model", "logistic", "--transform", "none", "--workers", "1")
    example("genre_table.sh", table, tmp_path / "out", *quick, folder=tmp_path)
    assert len((tmp_path / "out" / "answers.csv").read_text().splitlines()) == 91


def test_piano_notes(tmp_path):
    lines = ["file,note,piano"]
    for piano in range(6):
        for note, hz in (("A3", 220), ("A4", 440), ("A5", 880)):
            name = f"{piano}-{note}.wav"
            (tmp_path / "data").mkdir(exist_ok=True)
            sound = tone(rate_hz=RATE_HZ, hz=hz * (1 + piano / 1000))
            soundfile.write(tmp_path / "data" / name, sound, RATE_HZ)
            lines.append(f"{name},{note},piano {piano}")
    (tmp_path / "data" / "labels.csv").write_text("\n".join(lines))
    settings = (*SMALL, "--set", "model.weights=none", "--set", "features.height=64", "--set", "features.width=64")
    example("piano_notes.sh", tmp_path / "data", tmp_path / "out", *settings, folder=tmp_path)
    rows = (tmp_path / "out" / "submission.csv").read_text().splitlines()
    assert len(rows) == 19
    assert {row.split(",")[1] for row in rows[1:]} <= {"57", "69", "81"}


def test_handwritten_symbols(tmp_path):
    rng = np.random.default_rng(0)
    for writer in range(1, 7):
        (tmp_path / "HOMUS" / str(writer)).mkdir(parents=True)
        for number in range(1, 5):
            x = int(rng.integers(0, 20))
            strokes = [f"{x},0;{x + 2},60;"] if number % 2 else [f"0,{x};60,{x};", f"30,0;30,{x + 9};"]
            text = "\n".join([("Barline", "C-Clef")[number % 2 == 0], *strokes]) + "\n"
            (tmp_path / "HOMUS" / str(writer) / f"{writer}-{number}.txt").write_text(text)
    small = (*SMALL, "--set", "model.widths=[4,8]")
    example("handwritten_symbols.sh", tmp_path / "HOMUS", tmp_path / "out", *small, folder=tmp_path)
    assert len(list((tmp_path / "out" / "png").rglob("*.png"))) == 24
    assert "augmented 2" in (tmp_path / "out" / "gallery" / "gallery.html").read_text()
    assert (tmp_path / "out" / "run" / "report.html").exists()

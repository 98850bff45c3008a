"""One small task with Earmark and with alternatives that are installed: five instruments, 20 notes each, new players.

    python benchmarks/alternatives.py [NAME …]

Each contestant is a script as its users would write it. It gets two folders of classes, `train` and `test`, whose
players differ, and prints its accuracy on `test`. Printed: lines of code, accuracy, seconds from the start of Python to
that answer, seconds to import what it needs, and megabytes of its packages with all that they need. Needs the `train`
extra; librosa for its own line.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

INSTRUMENTS = ("clarinet", "flute", "guitar", "harpsichord", "organ")
PLAYERS = {"train": range(4), "test": range(4, 5)}
KEYS_MIDI = (52, 57, 60, 64)
SAMPLE_RATE_HZ = 22_050


@dataclass(frozen=True)
class Contestant:
    """A script, what it imports at the start, and the packages that it takes."""

    imports: str
    packages: tuple[str, ...]
    script: str


EARMARK = """
import earmark
run = earmark.train("sound", data="train", out="run-sound")
print(earmark.evaluate(run.model, "test")[1].accuracy)
"""
LIBROSA = """
import librosa, numpy as np
from pathlib import Path
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
def features(path):
    mfcc = librosa.feature.mfcc(y=librosa.load(path, sr=22050)[0], sr=22050)
    return np.r_[mfcc.mean(1), mfcc.std(1)]
def read(folder):
    paths = sorted(Path(folder).glob("*/*.flac"))
    return np.array([features(path) for path in paths]), [path.parent.name for path in paths]
model = make_pipeline(StandardScaler(), SVC(C=10)).fit(*read("train"))
print(model.score(*read("test")))
"""
TABLE = """
import csv, subprocess, numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
def read(folder):
    subprocess.run(["earmark", "features", folder, "-o", folder + ".csv"], check=True, capture_output=True)
    rows = list(csv.reader(open(folder + ".csv")))[1:]
    return np.array([row[2:-1] for row in rows], float), [row[-1] for row in rows]
model = make_pipeline(StandardScaler(), SVC(C=10)).fit(*read("train"))
print(model.score(*read("test")))
"""
CONTESTANTS = {
    "earmark": Contestant("earmark, torch", ("earmark", "torch", "timm", "onnx", "scikit-learn"), EARMARK),
    "earmark-features": Contestant("earmark, numba, sklearn.svm", ("earmark", "numba", "scikit-learn"), TABLE),
    "librosa": Contestant("librosa, sklearn.svm", ("librosa", "scikit-learn"), LIBROSA),
}


def write_data(folder: Path) -> None:
    """Write the notes of every player."""
    import soundfile

    from earmark.sound.synthesis import synthesize_note

    for part, players in PLAYERS.items():
        for n, instrument in enumerate(INSTRUMENTS):
            (folder / part / instrument).mkdir(parents=True)
            for player in players:
                for midi in KEYS_MIDI:
                    note = synthesize_note(midi, timbre=instrument, sample_rate_hz=SAMPLE_RATE_HZ, seed=n * 10 + player)
                    soundfile.write(folder / part / instrument / f"{player}-{midi}.flac", note.samples, SAMPLE_RATE_HZ)


def megabytes(packages: tuple[str, ...]) -> float:
    """Return the size of packages with all that they need, as far as it is installed."""
    seen: set[str] = set()
    waiting = list(packages)
    total = 0
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        total += sum(path.stat().st_size for file in found.files or () if (path := Path(file.locate())).is_file())
        waiting += [re.match(r"[\w.-]+", need)[0] for need in found.requires or () if "extra ==" not in need]
    return total / 1e6


def seconds(code: str, folder: Path) -> tuple[float, str]:
    """Return how long a fresh Python takes for `code`, and the last line that it prints."""
    environment = {**os.environ, "EARMARK_CACHE": str(folder / "cache")}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - began, (done.stdout.strip().splitlines() or [""])[-1]


def main() -> None:
    """Print a line for each contestant."""
    print(f"{'':18}{'lines':>6}{'accuracy':>10}{'answer, s':>11}{'import, s':>11}{'MB':>8}")
    for name in sys.argv[1:] or CONTESTANTS:
        contestant = CONTESTANTS[name]
        modules = [module.partition(".")[0].strip() for module in contestant.imports.split(",")]
        if not all(importlib.util.find_spec(module) for module in modules):
            print(f"{name:18} is not installed")
            continue
        with tempfile.TemporaryDirectory() as place:
            write_data(Path(place))
            n_lines = len(contestant.script.strip().splitlines())
            answer_s, accuracy = seconds(contestant.script, Path(place))
            import_s, _ = seconds(f"import {contestant.imports}", Path(place))
        size_mb = megabytes(contestant.packages)
        print(f"{name:18}{n_lines:6}{float(accuracy):10.3f}{answer_s:11.1f}{import_s:11.1f}{size_mb:8.0f}", flush=True)


if __name__ == "__main__":
    main()

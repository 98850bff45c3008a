"""Speed and memory of whole songs: the timeline of files of 2, 10 and 60 minutes.

    python benchmarks/timeline.py [MODEL …]

The files are flac, 44.1 kHz, stereo, made of notes and drums. Each is done in a process of its own, on one core:
printed are how many times faster than real time it was by processor time, decoding and resampling included, how much of
it decoding and resampling took alone, and the peak of memory above that of a file of two seconds. Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.demo.samples import dance_piece
from earmark.sound import resample

MINUTES = (2, 10, 60)
RATE_HZ = 44_100
ONE = """
import json, re, sys, time
from pathlib import Path
from earmark.recognizer import load
from earmark.features.window import sound_windows
path, model = sys.argv[1:]
recognizer = load(model)
began_s = time.process_time()
prediction = recognizer.predict(path, timeline=True)
all_s = time.process_time() - began_s
# What getrusage calls the peak includes that of the parent before it became this process.
peak_mb = int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
window, rate_hz = recognizer.card.window, recognizer.card.features.sample_rate_hz
began_s = time.process_time()
for _ in sound_windows(path, length_s=window.length_s, hop_s=window.hop_s, sample_rate_hz=rate_hz):
    pass
reading_s = time.process_time() - began_s
print(json.dumps([all_s, reading_s, peak_mb, len(prediction.timeline), len(prediction.segments)]))
"""


def write_piece(path: Path, seconds: float) -> None:
    """Write a minute of music over and over, each time at another loudness."""
    minute = resample(dance_piece(duration_s=60.0), RATE_HZ).samples
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE_HZ, 2) as file:
        left = round(seconds * RATE_HZ)
        while left > 0:
            piece = minute[:left] * rng.uniform(0.3, 1.0)
            file.write(np.stack([piece, piece[::-1]], axis=1))
            left -= len(piece)


def measure(path: Path, model: str) -> list[float]:
    """Return processor seconds in all and for reading, peak MB, windows and segments."""
    done = subprocess.run([sys.executable, "-c", ONE, str(path), model], capture_output=True, text=True, check=True)
    values: list[float] = json.loads(done.stdout)
    return values


def main(models: list[str]) -> None:
    """Print a line for each model and length."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {minutes: Path(folder) / f"{minutes}.flac" for minutes in MINUTES}
        short = Path(folder) / "short.flac"
        write_piece(short, 2.0)
        for minutes, path in paths.items():
            write_piece(path, 60.0 * minutes)
        for model in models:
            _, _, least_mb, *_ = measure(short, model)
            for minutes, path in paths.items():
                all_s, reading_s, peak_mb, n_windows, n_segments = measure(path, model)
                print(
                    f"{model}: {minutes:2} min, {60 * minutes / all_s:4.0f} times real time ({reading_s / all_s:.0%}"
                    f" reading), peak {peak_mb - least_mb:+.0f} MB, {n_windows} windows, {n_segments} segments",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:] or ["genre", "notes"])

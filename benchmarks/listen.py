"""Latency and CPU of listening: a file played in real time through the path of a microphone.

    python benchmarks/listen.py FILE [MODEL …]

Prints, for each model, how often it answers, latency from the arrival of a window's last sample, the share of one core
while windows are full, what was lost, and the largest difference to the offline probabilities of the same windows; a
network that follows the stream knows what was before a window, so it is not asked about windows.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np

from earmark.live import FileSource, ListenConfig, Listener
from earmark.live.source import CHUNK_S
from earmark.recognizer import Recognizer, load
from earmark.sound import read
from earmark.types import Sound

SECONDS = 12.0  # of full windows


def show(path: Path, recognizer: Recognizer) -> None:
    """Listen for some seconds and print the figures."""
    source = FileSource(path)
    listener = Listener(recognizer, source.sample_rate_hz, skip_late=True)
    began_s, began_cpu_s, updates = 0.0, 0.0, []
    for chunk in islice(source.chunks(), round((listener.window_s + SECONDS) / CHUNK_S)):
        if listener.heard_s < listener.window_s:
            began_s, began_cpu_s, updates = time.monotonic(), time.process_time(), []
        updates += listener.feed(chunk.samples, arrived_s=chunk.arrived_s)
    share = (time.process_time() - began_cpu_s) / (time.monotonic() - began_s)
    latencies_ms = 1000 * np.array([update.latency_s for update in updates])
    compared = "" if recognizer.network.start else f"; off by {difference(path, recognizer):.1e} from offline"
    print(
        f"{recognizer.card.name}: window {listener.window_s:g} s, {len(updates)} answers, every {listener.hop_s:g} s;"
        f" latency p50 {np.median(latencies_ms):.0f} ms, p99 {np.percentile(latencies_ms, 99):.0f} ms;"
        f" {share:.1%} of one core; {listener.n_skipped} windows skipped{compared}"
    )


def difference(path: Path, recognizer: Recognizer) -> float:
    """Return the largest difference between streamed probabilities and those of the same windows offline."""
    sound = read(
        path, duration_s=recognizer.card.window.length_s + 1, sample_rate_hz=recognizer.card.features.sample_rate_hz
    )
    listener = Listener(recognizer, sound.sample_rate_hz, config=ListenConfig(gate_db=-120, early=False))
    pieces = np.split(sound.samples, range(777, len(sound.samples), 777))
    updates = [update for piece in pieces for update in listener.feed(piece)]
    spans = [(round(u.start_s * sound.sample_rate_hz), round(u.end_s * sound.sample_rate_hz)) for u in updates]
    windows = [Sound(sound.samples[start:end], sound.sample_rate_hz) for start, end in spans]
    offline = [scored.mean_familiarity() * scored.mean() for scored in map(recognizer.score, windows)]
    return float(np.abs(np.stack([u.probabilities for u in updates]) - np.stack(offline)).max())


if __name__ == "__main__":
    for model in sys.argv[2:] or ["notes", "genre"]:
        show(Path(sys.argv[1]), load(model))

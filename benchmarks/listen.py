"""Latency and CPU of listening: a file played in real time through the path of a microphone.

    python benchmarks/listen.py FILE [MODEL …]

Prints, for each model, answers a second, latency from the arrival of a window's last sample, the share of one core,
what was lost, and the largest difference to the offline probabilities of the same windows.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np

from earmark.live import FileSource, Listener, Listening
from earmark.recognizer import Recognizer, load
from earmark.sound import read

SECONDS = 12


def show(path: Path, recognizer: Recognizer) -> None:
    """Listen for some seconds and print the figures."""
    source = FileSource(path)
    listener = Listener(recognizer, source.sample_rate_hz, skip_late=True)
    recognizer.predict(np.ones(source.sample_rate_hz, np.float32), sample_rate_hz=source.sample_rate_hz)
    began_s, cpu_s, updates = time.monotonic(), time.process_time(), []
    for chunk in islice(source.chunks(), round(SECONDS / 0.05)):
        updates += listener.feed(chunk.samples, arrived_s=chunk.arrived_s)
    elapsed_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    latencies_ms = 1000 * np.array([update.latency_s for update in updates])
    print(
        f"{recognizer.card.name}: window {listener.window_s:g} s, {len(updates)} answers, every {listener.hop_s:g} s;"
        f" latency p50 {np.median(latencies_ms):.0f} ms, p99 {np.percentile(latencies_ms, 99):.0f} ms;"
        f" {cpu_s / elapsed_s:.1%} of one core; {listener.n_skipped} windows skipped;"
        f" off by {difference(path, recognizer):.1e} from offline"
    )


def difference(path: Path, recognizer: Recognizer) -> float:
    """Return the largest difference between streamed and offline probabilities, with the hop of the card."""
    sound = read(path, duration_s=SECONDS)
    window = recognizer.card.window
    config = Listening(hop_s=window.hop_s if window else None, gate_db=-120, early=False)
    listener = Listener(recognizer, sound.sample_rate_hz, config=config)
    pieces = np.split(sound.samples, range(777, len(sound.samples), 777))
    updates = [update for piece in pieces for update in listener.feed(piece)] + listener.finish()
    return float(np.abs(np.stack([u.probabilities for u in updates]) - recognizer.score(sound).probabilities).max())


if __name__ == "__main__":
    for model in sys.argv[2:] or ["notes", "genre"]:
        show(Path(sys.argv[1]), load(model))

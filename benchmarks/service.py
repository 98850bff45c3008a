"""A service in a process of its own, and good requests to it; what the benchmarks of serving share."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from earmark.features import InkFeatures
from earmark.recognizer import Recognizer, find
from earmark.recognizer.inputs import ink_input

STROKES = [[[x, round(40 + 30 * np.sin(x / 9))] for x in range(0, 100, 4)], [[50, 0], [50, 90]]]


class Load:
    """One kind of good request to one model: one window of samples, or one drawing."""

    def __init__(self, model: str) -> None:
        self.file = find(model)
        self.recognizer = Recognizer.load(self.file)
        card = self.recognizer.card
        if isinstance(card.features, InkFeatures) or card.window is None:
            self.query, self.content_type = "", "application/json"
            self.body = json.dumps({"strokes": STROKES}).encode()
            self.expected = self.recognizer.predict(STROKES)
        else:
            rate_hz = card.features.sample_rate_hz
            noise = np.random.default_rng(0).standard_normal(round(card.window.length_s * rate_hz))
            self.samples = (0.1 * noise).astype(np.float32)
            self.query, self.content_type = f"?sample_rate_hz={rate_hz}", "application/octet-stream"
            self.body = self.samples.tobytes()
            self.expected = self.recognizer.predict(self.samples, sample_rate_hz=rate_hz)

    @property
    def argument(self) -> str:
        """What `serving` calls the model of `path`."""
        return f"model={self.file}"

    @property
    def path(self) -> str:
        return f"/v1/predict/model{self.query}"

    def decode(self) -> dict[str, np.ndarray]:
        """Return what the body becomes before the network, a batch of one."""
        features = self.recognizer.card.features
        if isinstance(features, InkFeatures):
            return {"features": features(ink_input(json.loads(self.body)["strokes"]))[None]}
        return {"samples": np.frombuffer(self.body, "<f4")[None]}


@contextmanager
def serving(models: Iterable[str], *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Give a service of models, each ``NAME=FILE``, and its port; its warnings are not shown."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "earmark.cli", "serve", *models, "--port", str(port), *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            while not is_there(port):
                time.sleep(0.2)
            yield process, port
        finally:
            process.terminate()


def is_there(port: int) -> bool:
    """Return whether something listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    """Return the memory that a process holds."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024

"""The service against ONNX Runtime called directly, under load, and after many requests of which a tenth is bad.

    python benchmarks/serve.py MODEL [SECONDS] [N_REQUESTS]

MODEL listens or reads drawings; one request is one window of samples, or one drawing. Rival: the session of the same
file, one thread, one window a call, in this process. The load comes from threads of this process, on the same machine.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from earmark.features import SoundFeatures
from earmark.recognizer import Recognizer, find

N_CLIENTS = 8
STROKES = [[[x, round(40 + 30 * np.sin(x / 9))] for x in range(0, 100, 4)], [[50, 0], [50, 90]]]
JSON_HEADERS = {"Content-Type": "application/json"}


class Load:
    """One kind of good request to one model."""

    def __init__(self, path: Path) -> None:
        self.recognizer = Recognizer.load(path)
        features, window = self.recognizer.card.features, self.recognizer.card.window
        if isinstance(features, SoundFeatures) and window is not None:
            rate_hz = features.sample_rate_hz
            samples = 0.1 * np.random.default_rng(0).standard_normal(round(window.length_s * rate_hz))
            samples = samples.astype(np.float32)
            self.path, self.headers, self.body = f"?sample_rate_hz={rate_hz}", {}, samples.tobytes()
            self.feed = {"samples": samples[None]}
            self.expected = self.recognizer.predict(samples, sample_rate_hz=rate_hz).label
        else:
            self.path, self.headers, self.body = "", JSON_HEADERS, json.dumps({"strokes": STROKES}).encode()
            from earmark.recognizer.inputs import ink_input

            self.feed = {"features": features(ink_input(STROKES))[None]}
            self.expected = self.recognizer.predict(STROKES).label

    def ask(self, connection: http.client.HTTPConnection, *, bad: bool = False) -> bool:
        """Send one request; return whether the answer was the right one."""
        body = b"nonsense" if bad else self.body
        connection.request("POST", f"/v1/predict/model{'' if bad else self.path}", body, self.headers)
        response = connection.getresponse()
        values = json.loads(response.read())
        return response.status == 422 if bad else response.status == 200 and values["label"] == self.expected


def direct(load: Load, seconds: float) -> float:
    """Return calls of ONNX Runtime a second."""
    load.recognizer.run(["logits"], **load.feed)
    began_s, n = time.monotonic(), 0
    while time.monotonic() - began_s < seconds:
        load.recognizer.run(["logits"], **load.feed)
        n += 1
    return n / (time.monotonic() - began_s)


def in_threads(port: int, work: Callable[[http.client.HTTPConnection, int], None]) -> None:
    """Do `work` in all clients at once."""

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        work(connection, number)
        connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(N_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def under_load(load: Load, port: int, *, seconds: float, rate_hz: float | None = None) -> tuple[float, np.ndarray, int]:
    """Return requests a second, their times in ms, and wrong answers; at most `rate_hz` requests a second."""
    times_ms: list[float] = []
    wrong: list[int] = []
    began_s = time.monotonic()

    def work(connection: http.client.HTTPConnection, number: int) -> None:
        due_s = began_s + (number / rate_hz if rate_hz else 0)
        while time.monotonic() - began_s < seconds:
            if rate_hz:
                time.sleep(max(0.0, due_s - time.monotonic()))
            sent_s = due_s if rate_hz else time.monotonic()
            if not load.ask(connection):
                wrong.append(number)
            times_ms.append(1000 * (time.monotonic() - sent_s))
            due_s += N_CLIENTS / rate_hz if rate_hz else 0

    in_threads(port, work)
    return len(times_ms) / (time.monotonic() - began_s), np.array(times_ms), len(wrong)


def endurance(load: Load, port: int, n_requests: int) -> int:
    """Send many requests of which every tenth is bad; return wrong answers."""
    wrong: list[int] = []

    def work(connection: http.client.HTTPConnection, number: int) -> None:
        mine = range(number, n_requests, N_CLIENTS)
        wrong.extend(index for index in mine if not load.ask(connection, bad=index % 10 == 0))

    in_threads(port, work)
    return len(wrong)


def resident_mb(process: subprocess.Popen[bytes]) -> float:
    """Return the memory that a process holds."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main(model: str, seconds: float, n_requests: int) -> None:
    """Print the figures of one model."""
    path = find(model)
    load = Load(path)
    rival = direct(load, seconds)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "earmark.cli", "serve", f"model={path}", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.2)
        under_load(load, port, seconds=1)
        full, _, wrong = under_load(load, port, seconds=seconds)
        _, times_ms, wrong_at_half = under_load(load, port, seconds=seconds, rate_hz=full / 2)
        before_mb = resident_mb(process)
        wrong_at_last = endurance(load, port, n_requests)
        after_mb = resident_mb(process)
        process.terminate()
    p50_ms, p99_ms = np.percentile(times_ms, [50, 99])
    print(f"ONNX Runtime directly: {rival:.0f} windows a second; service: {full:.0f}, ratio {full / rival:.2f}")
    print(f"at half load: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, ratio {p99_ms / p50_ms:.1f}")
    print(f"{n_requests} requests, a tenth of them bad: {before_mb:.0f} MB before, {after_mb:.0f} MB after")
    print(f"wrong answers: {wrong + wrong_at_half + wrong_at_last}; exit code {process.returncode}")


if __name__ == "__main__":
    main(
        sys.argv[1],
        float(sys.argv[2]) if len(sys.argv) > 2 else 5.0,
        int(sys.argv[3]) if len(sys.argv) > 3 else 10_000,
    )

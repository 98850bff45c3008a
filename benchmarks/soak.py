"""Endurance of the service: mixed load for as long as is asked, its wrong answers, and the slope of its memory.

    python benchmarks/soak.py [--minutes 60] [--clients 6] [--rate 0] [--models symbols notes]

Every client sends good requests in turn to each model. One request of ten is bad, in every way in turn; one of a
hundred breaks off in the middle of its body; one client listens by WebSocket instead; and every half a minute the file
of one model is replaced while it serves, by a copy of itself or, once in four times, by what is no recognizer.
`--rate` limits the requests of a client to so many a second (0: as many as it can).

An answer is wrong when a good request does not get the label and confidence that `predict` gives in this process, a bad
one not the status that it should, or a stream not the answers of `earmark listen`. The slope of the resident memory is
that of a least-squares line after the first tenth of the time, with the 95 % interval of a block bootstrap (blocks of
ten looks, so that neighbours that resemble each other do not count as independent). Exit code 1 when one was wrong.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from websockets.sync.client import connect

from earmark.files import write_bytes
from earmark.live import Listener
from service import Load, resident_mb, serving

TOLERANCE = 1e-5
REPLACE_S = 30.0
N_LOOKS = 240


@dataclass(frozen=True)
class Bad:
    """A request that must be refused."""

    path: str
    content_type: str
    body: bytes
    status: int


def bad_requests(model: str) -> list[Bad]:
    """Return requests that must be refused."""
    path = f"/v1/predict/{model}"
    return [
        Bad(path, "audio/wav", b"nonsense" * 100, 422),
        Bad(path, "application/json", b'{"strokes": [[[1, 2', 422),
        Bad(path, "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"/>', 422),
        Bad(path, "application/zip", b"PK\x03\x04" + bytes(1000), 415),
        Bad(path, "application/octet-stream", b"", 422),
        Bad(path, "multipart/form-data; boundary=x", b"--x\r\n\r\n", 422),
        Bad(f"{path}?top=many", "audio/wav", b"x", 400),
        Bad("/v1/predict/nothing", "audio/wav", b"x", 404),
    ]


class Soak:
    """Clients that share one clock, counts, and one list of what went wrong."""

    def __init__(self, loads: dict[str, Load], port: int, *, ends_s: float, rate_hz: float) -> None:
        self.loads, self.port, self.ends_s, self.rate_hz = loads, port, ends_s, rate_hz
        self.bad = [bad for name in loads for bad in bad_requests(name)]
        self.numbers = itertools.count()
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()

    def client(self) -> None:
        """Send requests until the time is over."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        while time.monotonic() < self.ends_s:
            began_s, number = time.monotonic(), next(self.numbers)
            if number % 100 == 50:
                self._count("vanished", self._vanish())
            elif number % 10 == 0:
                self._count("bad", self._refused(connection, self.bad[number // 10 % len(self.bad)]))
            else:
                name = list(self.loads)[number % len(self.loads)]
                self._count(name, self._answered(connection, name))
            if self.rate_hz:
                time.sleep(max(0.0, began_s + 1 / self.rate_hz - time.monotonic()))
        connection.close()

    def stream(self, name: str) -> None:
        """Listen again and again to the same sound until the time is over."""
        load = self.loads[name]
        rate_hz = load.recognizer.card.features.sample_rate_hz
        times_s = np.arange(3 * rate_hz) / rate_hz
        partials = [np.sin(2 * np.pi * 440 * n * times_s) / n**2 for n in range(1, 9)]
        samples = (0.2 * sum(partials) * np.exp(-2 * (times_s % 1))).astype(np.float32)
        listener = Listener(load.recognizer, rate_hz)
        updates = (*listener.feed(samples), *listener.finish())
        expected = {update.as_dict()["end_s"]: update.answer.label for update in updates}
        while time.monotonic() < self.ends_s:
            with connect(f"ws://127.0.0.1:{self.port}/v1/listen") as stream:
                stream.send(json.dumps({"model": name, "sample_rate_hz": rate_hz}))
                stream.recv()
                for piece in np.array_split(samples, 10):
                    stream.send(piece.astype("<f4").tobytes())
                stream.send("end")
                answers = [json.loads(message) for message in stream]
            # It skips windows when it cannot keep up, so each answer is held against that of the same time.
            labels = {answer.get("end_s"): answer.get("label") for answer in answers}
            is_right = bool(labels) and labels.items() <= expected.items()
            wrong = None if is_right else f"stream: {labels} instead of {expected}"
            self._count("streams", wrong)
            time.sleep(0.5)

    def replace(self, files: dict[str, Path]) -> None:
        """Replace the files of the models in turn until the time is over."""
        good = {name: path.read_bytes() for name, path in files.items()}
        for turn, name in enumerate(itertools.cycle(files)):
            if time.monotonic() + REPLACE_S > self.ends_s:
                return
            time.sleep(REPLACE_S)
            write_bytes(files[name], b"no recognizer" if turn % 4 == 3 else good[name])
            self._count("replaced", None)

    def _count(self, kind: str, wrong: str | None) -> None:
        with self.lock:
            self.counts[kind] += 1
            if wrong is not None:
                self.wrong.append(wrong)

    def _answered(self, connection: http.client.HTTPConnection, name: str) -> str | None:
        load = self.loads[name]
        status, values = _post(connection, f"/v1/predict/{name}{load.query}", load.body, load.content_type)
        expected = load.expected
        right = status == 200 and values["label"] == expected.label
        right = right and abs(values["confidence"] - expected.confidence) < TOLERANCE
        return None if right else f"{name}: {status} {values}"

    def _refused(self, connection: http.client.HTTPConnection, bad: Bad) -> str | None:
        status, values = _post(connection, bad.path, bad.body, bad.content_type)
        return None if (status, values["status"]) == (bad.status, bad.status) else f"{bad.path}: {status} {values}"

    def _vanish(self) -> str | None:
        """Break off in the middle of a body."""
        name, load = next(iter(self.loads.items()))
        head = (
            f"POST /v1/predict/{name}{load.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {load.content_type}\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(
                f"{head}Content-Length: {len(load.body)}\r\n\r\n".encode() + load.body[: len(load.body) // 2]
            )


def _post(
    connection: http.client.HTTPConnection, path: str, body: bytes, content_type: str
) -> tuple[int, dict[str, object]]:
    connection.request("POST", path, body, {"Content-Type": content_type})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def slope_mb_per_h(times_s: list[float], sizes_mb: list[float], *, n_draws: int = 1000) -> tuple[float, float, float]:
    """Return the slope of a least-squares line and its 95 % interval by a block bootstrap of the residuals."""
    hours, sizes = np.array(times_s) / 3600, np.array(sizes_mb)
    slope, level = np.polyfit(hours, sizes, 1)
    line, rng, length = slope * hours + level, np.random.default_rng(0), 10
    residuals = sizes - line
    starts = rng.integers(0, max(1, len(sizes) - length), (n_draws, -(-len(sizes) // length)))
    drawn = residuals[(starts[:, :, None] + np.arange(length)).reshape(n_draws, -1)[:, : len(sizes)] % len(sizes)]
    low, high = np.quantile([np.polyfit(hours, line + each, 1)[0] for each in drawn], [0.025, 0.975])
    return float(slope), float(low), float(high)


def watch(process: subprocess.Popen[bytes], ends_s: float) -> tuple[list[float], list[float]]:
    """Return times and resident memory of a process until a time, without the first tenth."""
    began_s, times_s, sizes_mb = time.monotonic(), [], []
    every_s = (ends_s - began_s) / N_LOOKS
    while (now_s := time.monotonic()) < ends_s and process.poll() is None:
        if now_s - began_s > (ends_s - began_s) / 10:
            times_s.append(now_s - began_s)
            sizes_mb.append(resident_mb(process))
        time.sleep(every_s)
    return times_s, sizes_mb


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second of one client; 0: no limit")
    parser.add_argument("--models", nargs="+", default=["symbols", "notes"])
    given = parser.parse_args()
    loads = {name: Load(name) for name in given.models}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(shutil.copy(load.file, Path(folder, f"{name}.onnx"))) for name, load in loads.items()}
        with serving(f"{name}={path}" for name, path in files.items()) as (process, port):
            ends_s = time.monotonic() + 60 * given.minutes
            soak = Soak(loads, port, ends_s=ends_s, rate_hz=given.rate)
            threads = [threading.Thread(target=soak.client) for _ in range(given.clients)]
            threads += [threading.Thread(target=soak.stream, args=(n,)) for n, load in loads.items() if load.query]
            threads.append(threading.Thread(target=soak.replace, args=(files,)))
            for thread in threads:
                thread.start()
            times_s, sizes_mb = watch(process, ends_s)
            for thread in threads:
                thread.join()
            n_threads = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
            n_files = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    print(f"{given.minutes:g} minutes: " + ", ".join(f"{n} {kind}" for kind, n in sorted(soak.counts.items())))
    slope, low, high = slope_mb_per_h(times_s, sizes_mb)
    print(
        f"resident: {min(sizes_mb):.1f} to {max(sizes_mb):.1f} MB; {slope:+.1f} MB an hour ({low:+.1f} to {high:+.1f})"
    )
    print(f"{n_threads} threads, {n_files} open files at the end; wrong answers: {len(soak.wrong)}")
    for sentence in soak.wrong[:5]:
        print("   ", sentence)
    sys.exit(bool(soak.wrong))


if __name__ == "__main__":
    main()

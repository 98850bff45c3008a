"""Many requests, a tenth of them bad in turn in every way: wrong answers, and the memory of the service.

    python benchmarks/soak.py [MODEL] [N_REQUESTS]

An answer is wrong when a good request does not get the label and confidence that `predict` gives in this process, or a
bad one not the status that it should.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from service import Load, resident_mb, serving

N_CLIENTS = 8
N_LOOKS = 5  # at the memory
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Bad:
    """A request that must be refused."""

    path: str
    content_type: str
    body: bytes
    status: int


BAD = (
    Bad("/v1/predict/model", "audio/wav", b"nonsense" * 100, 422),
    Bad("/v1/predict/model", "application/json", b'{"strokes": [[[1, 2', 422),
    Bad("/v1/predict/model", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"/>', 422),
    Bad("/v1/predict/model", "application/zip", b"PK\x03\x04" + bytes(1000), 415),
    Bad("/v1/predict/model", "application/octet-stream", b"", 422),
    Bad("/v1/predict/model", "multipart/form-data; boundary=x", b"--x\r\n\r\n", 422),
    Bad("/v1/predict/model?top=many", "audio/wav", b"x", 400),
    Bad("/v1/predict/nothing", "audio/wav", b"x", 404),
)


class Soak:
    """Clients that share one count and one list of what went wrong."""

    def __init__(self, load: Load, port: int) -> None:
        self.load, self.port = load, port
        self.bad = itertools.cycle(BAD)
        self.wrong: list[str] = []
        self.lock = threading.Lock()

    def run(self, numbers: range) -> None:
        """Send the requests with these numbers."""
        shared = iter(numbers)
        threads = [threading.Thread(target=self._client, args=(shared,)) for _ in range(N_CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self, numbers: itertools.count[int]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        while True:
            with self.lock:
                number = next(numbers, None)
                bad = next(self.bad) if number is not None and number % 10 == 0 else None
            if number is None:
                break
            told = self._ask(connection, bad)
            if told is not None:
                self.wrong.append(told)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, bad: Bad | None) -> str | None:
        """Send one request; return what is wrong with its answer, if anything."""
        if bad is not None:
            status, values = _post(connection, bad.path, bad.body, bad.content_type)
            return None if (status, values["status"]) == (bad.status, bad.status) else f"{bad.path}: {status} {values}"
        status, values = _post(connection, self.load.path, self.load.body, self.load.content_type)
        expected = self.load.expected
        right = status == 200 and values["label"] == expected.label
        if right and abs(values["confidence"] - expected.confidence) < TOLERANCE:
            return None
        return f"{status} {values}"


def _post(
    connection: http.client.HTTPConnection, path: str, body: bytes, content_type: str
) -> tuple[int, dict[str, object]]:
    connection.request("POST", path, body, {"Content-Type": content_type})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def main(model: str, n_requests: int) -> None:
    """Print the figures."""
    load = Load(model)
    with serving([load.argument]) as (process, port):
        soak = Soak(load, port)
        soak.run(range(N_CLIENTS * len(BAD) * 2))
        sizes_mb, began_s = [resident_mb(process)], time.monotonic()
        for part in range(N_LOOKS):
            soak.run(range(part * n_requests // N_LOOKS, (part + 1) * n_requests // N_LOOKS))
            sizes_mb.append(resident_mb(process))
        took_s = time.monotonic() - began_s
        n_threads = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
        n_files = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    print(f"{n_requests} requests to {load.recognizer.card.name}, a tenth bad, {N_CLIENTS} clients, {took_s:.0f} s")
    print(f"resident: {', '.join(f'{size:.1f}' for size in sizes_mb)} MB; {n_threads} threads, {n_files} open files")
    print(f"wrong answers: {len(soak.wrong)}; exit code {process.returncode}")
    for told in soak.wrong[:5]:
        print("   ", told)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "symbols", int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)

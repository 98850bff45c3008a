"""The service against ONNX Runtime called directly: throughput at saturation, and latency at half of it.

    python benchmarks/serve.py MODEL [SECONDS]

One request is one window of samples, or one drawing; the load comes from ``wrk`` (Debian: ``apt install wrk``), one
thread, on the same machine. Rival: the session of the same file with the same one thread, in this process while the
service is idle, fed with one window at a time and with as many as the service put together on average; the service is
compared with the faster of the two. At half load every client thinks for a random while between its requests; the
median of five such runs is told, and beside it what ONNX Runtime alone shows when requests come to it at random, at
half of its own rate: some wait for others even so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service import Load, resident_mb, serving

N_CLIENTS = 32

LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "{content_type}"
wrk.body = io.open("{body}", "rb"):read("*a")
if {think_ms} > 0 then
  function delay() return math.random(0, 2 * {think_ms}) end
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\n{{"rate_hz": %f, "p50_ms": %f, "p99_ms": %f, "n": %d, "n_failed": %d}}',
    1e6 * summary.requests / summary.duration, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.requests, errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Measured:
    """What wrk saw."""

    rate_hz: float
    p50_ms: float
    p99_ms: float
    n: int
    n_failed: int


def per_second(call: Callable[[], object], seconds: float) -> float:
    """Return how often a second something can be done."""
    call()
    began_s, n = time.monotonic(), 0
    while time.monotonic() - began_s < seconds:
        call()
        n += 1
    return n / (time.monotonic() - began_s)


def direct(load: Load, *, n_windows: int, seconds: float) -> float:
    """Return windows a second of ONNX Runtime alone."""
    feed = {name: np.repeat(value, n_windows, axis=0) for name, value in load.decode().items()}
    return n_windows * per_second(lambda: load.recognizer.network.run(["logits"], **feed), seconds)


def alone_at_half_load(load: Load, *, rate_hz: float, seconds: float) -> float:
    """Return the 99th percentile of the time to an answer over its median, of ONNX Runtime asked at random times."""
    feed = load.decode()
    asked_s = np.cumsum(np.random.default_rng(0).exponential(2 / rate_hz, round(seconds * rate_hz / 2)))
    took_s, began_s = [], time.monotonic()
    for at_s in asked_s:
        time.sleep(max(0.0, began_s + at_s - time.monotonic()))
        load.recognizer.network.run(["logits"], **feed)
        took_s.append(time.monotonic() - began_s - at_s)
    p50_s, p99_s = np.percentile(took_s, [50, 99])
    return float(p99_s / p50_s)


def under_load(load: Load, port: int, *, seconds: float, think_ms: float = 0.0) -> Measured:
    """Return what wrk sees with all its clients."""
    with tempfile.TemporaryDirectory() as folder:
        body, script = Path(folder, "body"), Path(folder, "load.lua")
        body.write_bytes(load.body)
        script.write_text(LUA.format(content_type=load.content_type, body=body, think_ms=round(think_ms)))
        command = ["wrk", "-t1", f"-c{N_CLIENTS}", f"-d{seconds:g}s", "--timeout=30s", "-s", str(script)]
        address = f"http://127.0.0.1:{port}{load.path}"
        done = subprocess.run([*command, address], check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def windows_together(port: int) -> tuple[float, float]:
    """Return the number of windows so far, and that of batches."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    sums = {line.split("{")[0]: float(line.split()[-1]) for line in lines if line.startswith("earmark_batch_windows_")}
    return sums["earmark_batch_windows_sum"], sums["earmark_batch_windows_count"]


def main(model: str, seconds: float) -> None:
    """Print the figures of one model."""
    load = Load(model)
    decode_ms = 1000 / per_second(load.decode, 0.5)
    with serving([load.argument]) as (process, port):
        under_load(load, port, seconds=2)
        n_before, n_batches_before = windows_together(port)
        full = under_load(load, port, seconds=seconds)
        n_after, n_batches_after = windows_together(port)
        together = (n_after - n_before) / (n_batches_after - n_batches_before)
        rivals_hz = {n: direct(load, n_windows=n, seconds=seconds / 2) for n in {1, max(1, round(together))}}
        think_ms = 1000 * N_CLIENTS / (full.rate_hz / 2) - full.p50_ms / N_CLIENTS
        halves = [under_load(load, port, seconds=seconds, think_ms=think_ms) for _ in range(5)]
        memory_mb = resident_mb(process)
    told = ", ".join(f"{rate_hz:.1f} in batches of {n}" for n, rate_hz in sorted(rivals_hz.items()))
    print(f"{load.recognizer.card.name}: ONNX Runtime directly: windows a second {told}")
    print(f"service: {full.rate_hz:.1f} requests a second, {together:.1f} windows at once on average")
    print(f"ratio {full.rate_hz / max(rivals_hz.values()):.2f}; decoding one body takes {decode_ms:.2f} ms of Python")
    print(f"with {N_CLIENTS} clients: p50 {full.p50_ms:.0f} ms, p99 {full.p99_ms:.0f} ms")
    half = sorted(halves, key=lambda measured: measured.p99_ms / measured.p50_ms)[2]
    ratios = ", ".join(f"{measured.p99_ms / measured.p50_ms:.1f}" for measured in halves)
    print(f"at {half.rate_hz:.1f} a second: p50 {half.p50_ms:.1f} ms, p99 {half.p99_ms:.1f} ms; ratios {ratios}")
    alone = alone_at_half_load(load, rate_hz=rivals_hz[1], seconds=seconds)
    print(f"ONNX Runtime alone at half its rate: ratio {alone:.1f}")
    measured = [full, *halves]
    n, n_failed = sum(each.n for each in measured), sum(each.n_failed for each in measured)
    print(f"{n} requests, {n_failed} failed; {memory_mb:.0f} MB resident")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 8.0)

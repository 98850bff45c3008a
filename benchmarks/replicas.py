"""Requests a second of two processes of the service behind a proxy against one, in the same run.

    python benchmarks/replicas.py [--models genre symbols] [--seconds 10]

The proxy is the HAProxy of the extra `cluster`, set up as `docs/scale.md` shows; the load comes from ``wrk`` (Debian:
``apt install wrk``). All of them share this machine, so two processes can only be twice as fast where it has more than
two idle cores: the load and the proxy need some of them too. One process without the proxy says what the proxy costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from proxy import proxy
from ray_nodes import free_port
from serve import under_load
from service import Load, is_there, serving

LOOKS_S = 3.0
"""The proxy looks at a service every second, and believes the second look."""


@contextmanager
def behind_proxy(ports: Sequence[int]) -> Iterator[int]:
    """Give the port of a proxy before the services on `ports`."""
    front = free_port()
    with tempfile.TemporaryDirectory() as folder, proxy(Path(folder), front, ports) as process:
        try:
            while not is_there(front):
                time.sleep(0.1)
            time.sleep(LOOKS_S)
            yield front
        finally:
            process.terminate()


def measure(model: str, *, seconds: float) -> None:
    """Print the requests a second of one service, of one behind the proxy, and of two behind it."""
    load = Load(model)
    rates_hz: dict[str, float] = {}
    with ExitStack() as services:
        ports = [services.enter_context(serving([load.argument]))[1] for _ in range(2)]
        for name, behind in (("one process, no proxy", []), ("one behind it", ports[:1]), ("two behind it", ports)):
            with ExitStack() as place:
                port = place.enter_context(behind_proxy(behind)) if behind else ports[0]
                under_load(load, port, seconds=1)
                found = under_load(load, port, seconds=seconds)
            rates_hz[name] = found.rate_hz
            print(
                f"{model}, {name}: {found.rate_hz:.1f} requests/s, median {found.p50_ms:.0f} ms, 99th percentile"
                f" {found.p99_ms:.0f} ms, {found.n} requests, {found.n_failed} failed",
                flush=True,
            )
    alone, one, two = rates_hz.values()
    print(f"{model}: two are {two / one:.2f} times one; the proxy costs {100 * (1 - one / alone):.0f} %", flush=True)


def main() -> None:
    """Measure each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["genre", "symbols"])
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, shared by the services, the proxy and the load")
    for model in given.models:
        measure(model, seconds=given.seconds)


if __name__ == "__main__":
    main()

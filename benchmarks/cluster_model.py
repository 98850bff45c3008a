"""What very many tracks cost: a simulation of the cluster, and the plan for 10^6, 10^8 and 10^9 tracks.

    python benchmarks/cluster_model.py plan [--costs costs.json]
    python benchmarks/cluster_model.py simulate --costs costs.json --tracks 2000 --nodes 1 2

`benchmarks/cluster.py cost` measures the costs here and writes them. Prices are those in `PRICES`; put in your own.
Needs simpy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Costs:
    """What one track of 30 s costs: seconds of one core, bytes, requests; and what a part and a run cost on top.

    The defaults were measured on the machine of `docs/scale.md`, except `part_s` to `spread`, which are assumed.
    """

    decode_s: float = 0.019
    fetch_s: float = 0.011
    recognise_s: float = 0.170
    write_s: float = 0.001
    read_bytes: float = 160_000
    written_bytes: float = 80
    read_requests: float = 2.0
    part_s: float = 0.05
    driver_part_s: float = 0.003
    start_s: float = 12.0
    process_start_s: float = 1.5
    spread: float = 0.1
    key_bytes: float = 16 * 1400
    listing_bytes: float = 60

    @property
    def track_s(self) -> float:
        """Seconds of one core."""
        return self.decode_s + self.fetch_s + self.recognise_s + self.write_s


PRICES = {"core_hour": 0.045, "spot_core_hour": 0.016, "get_1000": 0.0004, "put_1000": 0.005, "list_1000": 0.005}
"""In dollars; assumed, of the order of what large providers ask in 2026. Transfer within a region is free there."""

N_NODE_CORES = 16
LATENCY_S = 0.03
"""Of a request to object storage within its region; assumed."""

NODE_BYTES_S = 600e6
"""What a node of 16 cores reads from object storage; assumed."""

NODE_LIFE_H = 200.0
"""Mean life of a node that can be taken away; assumed."""


@dataclass(frozen=True)
class Simulated:
    """What came of a simulated run."""

    wall_s: float
    tracks_per_s: float
    busy: float
    n_parts_again: int


def simulate(  # noqa: PLR0913 - one run
    costs: Costs,
    *,
    n_tracks: int,
    n_nodes: int,
    n_cores: int = 1,
    rows_a_part: int = 256,
    node_life_h: float | None = None,
    latency_s: float = 0.0,
    seed: int = 0,
) -> Simulated:
    """Simulate a run event by event: one driver hands parts to cores, nodes share their line, and some are lost."""
    import simpy

    rng = np.random.default_rng(seed)
    env = simpy.Environment()
    n_parts = -(-n_tracks // rows_a_part)
    waiting = [min(rows_a_part, n_tracks - place * rows_a_part) for place in range(n_parts)][::-1]
    driver = simpy.Resource(env)
    busy_s, again, left = 0.0, 0, n_parts
    done = env.event()

    def core(line: simpy.Resource, life: list[float]) -> Iterator[simpy.Event]:
        nonlocal busy_s, again, left
        yield env.timeout(costs.start_s + costs.process_start_s)
        while waiting:
            n = waiting.pop()
            with driver.request() as turn:
                yield turn
                yield env.timeout(costs.driver_part_s)
            begun = env.now
            with line.request() as turn:
                yield turn
                yield env.timeout(n * costs.read_bytes / NODE_BYTES_S)
            work_s = costs.part_s + n * (costs.track_s + latency_s * costs.read_requests)
            yield env.timeout(work_s * max(0.2, rng.normal(1, costs.spread / np.sqrt(n))))
            busy_s += env.now - begun
            if env.now > life[0]:  # the node was lost meanwhile: another takes its place, and the part is done again
                again += 1
                waiting.append(n)
                life[0] = env.now + costs.start_s + rng.exponential(3600 * (node_life_h or np.inf))
                yield env.timeout(costs.start_s + costs.process_start_s)
                continue
            left -= 1
            if not left:
                done.succeed()

    for _ in range(n_nodes):
        line = simpy.Resource(env, capacity=max(1, n_cores))
        life = [rng.exponential(3600 * node_life_h) if node_life_h else np.inf]
        for _ in range(n_cores):
            env.process(core(line, life))
    env.run(done)
    return Simulated(env.now, n_tracks / env.now, busy_s / (env.now * n_nodes * n_cores), again)


def plan(costs: Costs) -> list[dict[str, str]]:
    """Return the rows of the plan: what 10^6, 10^8 and 10^9 tracks need."""
    rows = []
    for n in (10**6, 10**8, 10**9):
        core_h = n * (costs.track_s + LATENCY_S * costs.read_requests) / 3600
        rows_a_part = 256 if n <= 10**8 else 4096
        n_parts = n / rows_a_part
        gets, puts = n * costs.read_requests + n_parts, n_parts
        requests = gets / 1000 * PRICES["get_1000"] + puts / 1000 * PRICES["put_1000"] + n / 1e6 * PRICES["list_1000"]
        rows.append(
            {
                "tracks": f"{n:.0e}",
                "core hours": f"{core_h:,.0f}",
                "cores for a day": f"{core_h / 24:,.0f}",
                "hours on 1,000 cores": f"{core_h / 1000:,.1f}",
                "read": f"{n * costs.read_bytes / 1e12:,.1f} TB",
                "answers": f"{n * costs.written_bytes / 1e9:,.2f} GB",
                "requests": f"{(gets + puts) / 1e6:,.1f} M",
                "parts": f"{n_parts:,.0f}",
                "fingerprint keys": f"{n * costs.key_bytes / 1e12:,.2f} TB",
                "computing, on demand": f"${core_h * PRICES['core_hour']:,.0f}",
                "computing, spot": f"${core_h * PRICES['spot_core_hour']:,.0f}",
                "requests, money": f"${requests:,.0f}",
                "a million tracks": f"${(core_h * PRICES['core_hour'] + requests) / n * 1e6:,.2f}",
            }
        )
    return rows


def read_costs(path: Path | None) -> Costs:
    """Return measured costs; the defaults without a file."""
    if path is None:
        return Costs()
    values = json.loads(path.read_text())
    known = {field.name for field in fields(Costs)}
    return Costs(**{name: value for name, value in values.items() if name in known})


def main() -> None:
    """Print the plan, or what a simulated run takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plan", "simulate"])
    parser.add_argument("--costs", type=Path)
    parser.add_argument("--tracks", type=int, default=2000)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--rows", type=int, default=64)
    given = parser.parse_args()
    costs = read_costs(given.costs)
    print(json.dumps(asdict(costs)))
    if given.what == "plan":
        table = plan(costs)
        for name in table[0]:
            print(f"{name:22}" + "".join(f"{row[name]:>16}" for row in table))
        for n, n_nodes, rows in ((10**6, 4, 256), (10**8, 63, 256), (10**9, 625, 4096)):
            # Fewer parts of the same kind: the simulation is linear in them, and 4 million events are enough.
            scale = max(1, n // 10**7)
            found = simulate(
                costs,
                n_tracks=n // scale,
                n_nodes=max(1, n_nodes // scale),
                n_cores=N_NODE_CORES,
                rows_a_part=rows,
                node_life_h=NODE_LIFE_H,
                latency_s=LATENCY_S,
            )
            print(
                f"{n:.0e} on {n_nodes} nodes of {N_NODE_CORES}: {found.wall_s / 3600:.1f} h, busy {found.busy:.0%},"
                f" {found.n_parts_again * scale} parts done again"
            )
        return
    for n_nodes in given.nodes:
        found = simulate(costs, n_tracks=given.tracks, n_nodes=n_nodes, n_cores=given.cores, rows_a_part=given.rows)
        print(f"{n_nodes} node(s): {found.wall_s:.1f} s, {found.tracks_per_s:.2f} tracks/s, busy {found.busy:.0%}")


if __name__ == "__main__":
    main()

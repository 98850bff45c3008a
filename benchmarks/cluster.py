"""What a cluster costs and gains on this machine: nodes of one core each, against no cluster in the same run.

    python benchmarks/cluster.py cost --out costs.json          # seconds of a core for each stage of a track
    python benchmarks/cluster.py nodes --tracks 2000            # tracks/s with no cluster, one node, two nodes
    python benchmarks/cluster.py memory --rows 100000 1000000   # memory of the driver
    python benchmarks/cluster.py kill --model notes --tracks 400  # kill -9 of the driver, again and again
    python benchmarks/cluster.py rows --model notes --rows 20000  # a table of predictions of generated clips of 0.3 s

Needs the extras `cluster` and `train`; `nodes` wants a machine that does nothing else, with two cores at least.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

import earmark
from earmark.distributed.parts import Job, Made, Row, write_in_parts
from earmark.distributed.predict import predict_table
from earmark.recognizer import Recognizer
from earmark.sound import read

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "benchmarks"))

from cluster_model import Costs, simulate  # noqa: E402
from ray_nodes import nodes_of_one_core  # noqa: E402

KILLED_PART = 16
"""Inputs of a part of the table whose driver is killed: many parts, so that it is killed between them."""


def make_tracks(folder: Path, *, n: int, seconds: float, kind: str = "mp3") -> Path:
    """Write `n` tracks of chords and noise; files with the same content get names of their own, by links."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rate_hz = 22050
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    originals = []
    for number in range(min(n, 16)):
        tones = sum(np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6)) for hz in rng.uniform(80, 2000, 6))
        path = folder / f"original-{number}.{kind}"
        soundfile.write(path, 0.05 * tones + 0.02 * rng.normal(size=len(time_s)), rate_hz)
        originals.append(path)
    place = folder / "tracks"
    for number in range(n):
        link = place / f"{number // 1000:04d}" / f"{number:07d}.{kind}"
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            os.link(originals[number % len(originals)], link)
    return place


def cpu_s(work: Callable[[], object], *, n: int = 5) -> float:
    """Return the seconds of a core that `work` takes, the least of `n`: others on the machine do not count."""
    taken = []
    for _ in range(n):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def cost(model: str, *, out: Path | None) -> None:
    """Measure what a track of 30 s costs, in seconds of one core."""
    recognizer = earmark.load(model)
    with tempfile.TemporaryDirectory() as place:
        track = next(make_tracks(Path(place), n=1, seconds=30.0).rglob("*.mp3"))
        recognizer.predict(track)
        whole = cpu_s(lambda: recognizer.predict(track))
        decode = cpu_s(lambda: read(track, sample_rate_hz=recognizer.card.features.sample_rate_hz))
        fetch = _fetch_s(track)
        written, write = _write_s(recognizer, track, Path(place))
        found = {
            "decode_s": decode,
            "recognise_s": max(0.0, whole - decode),
            "fetch_s": fetch,
            "write_s": write,
            "read_bytes": track.stat().st_size,
            "written_bytes": written,
        }
    print(json.dumps(found, indent=2))
    if out is not None:
        out.write_text(json.dumps({**Costs().__dict__, **found}, indent=2))


def _fetch_s(track: Path) -> float:
    """Return the seconds of a core to fetch a track from an S3 server on the loopback, the server's not counted."""
    from earmark.storage import as_path, open_binary
    from object_storage import BUCKET, s3_server

    with s3_server():
        place = as_path(f"s3://{BUCKET}/track.mp3")
        place.write_bytes(track.read_bytes())
        # The server is a thread of this process; what it takes is measured without the client and taken off.
        address = f"{os.environ['AWS_ENDPOINT_URL']}/{BUCKET}/track.mp3"
        both = cpu_s(lambda: open_binary(place).read())
        try:
            server = cpu_s(lambda: urllib.request.urlopen(address).read())  # noqa: S310 - the loopback
        except OSError:
            server = 0.0
        return max(0.0, both - server)


def _write_s(recognizer: Recognizer, track: Path, place: Path) -> tuple[float, float]:
    """Return the bytes and the seconds of a core that writing costs for each row."""
    from earmark.recognizer.answers import columns_of, rows_of

    row = next(rows_of(recognizer.predict(track)))
    columns = columns_of(recognizer.card, top=5, timeline=False)
    kinds = {name: "float64" if isinstance(row.get(name), float) else "string" for name in columns}
    rng = np.random.default_rng(0)

    def made(listed: Row) -> Made:
        # Real rows differ in what they are called, in their labels and in every digit of their confidences.
        labels = iter(rng.permutation(recognizer.card.labels))
        cells = {
            name: float(rng.random()) if kinds[name] == "float64" else str(next(labels, ""))
            for name in columns
            if name not in ("input", "reason")
        }
        return Made(({**cells, "input": f"s3://archive/{listed['n'] // 1000:06d}/{listed['n']:09d}.mp3"},))

    job = Job({"kind": "cost"}, {"n": "int64"}, kinds, made, crashed=lambda _: Made(()))
    n = 2048
    begun = time.process_time()
    table = write_in_parts(job, ({"n": number} for number in range(n)), out=place / "table")
    taken = time.process_time() - begun
    size = sum(path.stat().st_size for path in table.folder.glob("part-*"))
    return size / n, taken / n


@contextmanager
def on_nodes(n_nodes: int) -> Iterator[None]:
    """Work on so many nodes of one core; on none with 0."""
    if not n_nodes:
        yield
        return
    with nodes_of_one_core(n_nodes), earmark.cluster("auto"):
        yield


def nodes(model: str, *, n: int, seconds: float, rows: int) -> None:
    """Print tracks per second with no cluster, one node and two; the ratio, the overhead, and the simulation."""
    recognizer = earmark.load(model)
    walls: dict[int, float] = {}
    tables: dict[int, list[bytes]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = make_tracks(Path(place), n=n, seconds=seconds)
        for n_nodes in (0, 1, 2):
            out = Path(place, f"table-{n_nodes}")
            with on_nodes(n_nodes):
                begun = time.perf_counter()
                predict_table(recognizer, [str(folder)], out=out, rows_a_part=rows)
                walls[n_nodes] = time.perf_counter() - begun
            tables[n_nodes] = [path.read_bytes() for path in sorted(out.iterdir())]
            print(f"{n_nodes} node(s): {walls[n_nodes]:.1f} s, {n / walls[n_nodes]:.2f} tracks/s", flush=True)
    assert tables[0] == tables[1] == tables[2]
    print("the same bytes from all three")
    overhead, ratio = 100 * (walls[1] / walls[0] - 1), walls[1] / walls[2]
    print(f"one node costs {overhead:+.1f} % over none; two are {ratio:.2f} times as fast as one")
    # What one track costs is taken from the run without a cluster, so that only the cluster is simulated.
    track_s = walls[0] / n
    costs = Costs(decode_s=track_s, recognise_s=0, fetch_s=0, write_s=0, start_s=0, read_bytes=0)
    for n_nodes in (1, 2):
        found = simulate(costs, n_tracks=n, n_nodes=n_nodes, rows_a_part=rows)
        off = 100 * (found.wall_s / walls[n_nodes] - 1)
        print(f"simulated for {n_nodes} node(s): {found.wall_s:.1f} s, {off:+.1f} % off")


def _synthetic(row: Row) -> Made:
    return Made(({"input": row["input"], "label": "A4", "confidence": 0.5},))


def memory(counts: list[int]) -> None:
    """Print the peak memory of a driver that writes tables of synthetic rows, in a process of its own for each."""
    for n in counts:
        done = subprocess.run(
            [sys.executable, __file__, "synthetic", "--rows", str(n)], capture_output=True, text=True, check=True
        )
        print(done.stdout.strip(), flush=True)


def synthetic(n: int) -> None:
    """Write one table of synthetic rows on one node, and print the peak memory of this process."""
    job = Job(
        {"kind": "synthetic"},
        {"input": "string"},
        {"input": "string", "label": "string", "confidence": "float64"},
        _synthetic,
        lambda _: Made(()),
    )
    with tempfile.TemporaryDirectory() as place, on_nodes(1):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        listed = ({"input": f"s3://archive/{number // 1000:06d}/{number:09d}.mp3"} for number in range(n))
        table = write_in_parts(job, listed, out=Path(place, "t"), rows_a_part=2048)
        wall_s = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"{table.n_rows:,} rows: driver {before / 1024:.0f} MB before, at most {peak / 1024:.0f} MB;"
            f" {wall_s:.0f} s, {1e6 * wall_s / n:.0f} µs a row"
        )


def rows(n: int, *, model: str, n_nodes: int) -> None:
    """Write a table of predictions of `n` generated clips of 0.3 s, and print how long it took."""
    recognizer = earmark.load(model)
    with tempfile.TemporaryDirectory() as place:
        folder = make_tracks(Path(place), n=n, seconds=0.3, kind="wav")
        with on_nodes(n_nodes):
            begun = time.perf_counter()
            table = predict_table(recognizer, [str(folder)], out=Path(place, "t"), rows_a_part=2048, top=1)
            wall_s = time.perf_counter() - begun
    print(f"{table.n_rows:,} rows on {n_nodes} node(s): {wall_s:.0f} s, {n / wall_s:.0f} clips/s")


def kill(n_kills: int, *, model: str, n: int) -> None:
    """Kill the driver of a table with -9 when some parts are done; compare the table with one that was left alone."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        folder = make_tracks(Path(place), n=n, seconds=1.0, kind="wav")
        predict_table(earmark.load(model), [str(folder)], out=Path(place, "whole"), rows_a_part=KILLED_PART)
        out = Path(place, "killed")
        done: dict[str, int] = {}
        n_again, when = 0, []
        with nodes_of_one_core(2) as cluster:
            command = [sys.executable, __file__, "driver", "--model", model, "--source", str(folder), "--out", str(out)]
            command += ["--address", cluster.address]
            for number in range(n_kills + 1):
                process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
                enough = len(done) + int(rng.integers(1, 5)) if number < n_kills else np.inf
                while process.poll() is None and len(_parts(out)) < enough:
                    time.sleep(0.02)
                process.kill()
                code = process.wait()
                found = _parts(out)
                n_again += sum(found[name] != time_ns for name, time_ns in done.items())
                when.append(f"{len(found)} ({code})")
                done = found
        same = _bytes(Path(place, "whole")) == _bytes(out)
        print(
            f"{-(-n // KILLED_PART)} parts; done, with the exit code, at each end of the driver: {', '.join(when)};"
            f" parts made again although they were done: {n_again}; the same bytes as when left alone: {same}"
        )


def driver(model: str, *, address: str, source: Path, out: Path) -> None:
    """Write one table of predictions on a cluster; `kill` kills this."""
    with earmark.cluster(address):
        predict_table(earmark.load(model), [str(source)], out=out, rows_a_part=KILLED_PART)


def _parts(folder: Path) -> dict[str, int]:
    """Return the parts that are done, and when each was."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")}


def _bytes(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cost", "nodes", "memory", "kill", "rows", "synthetic", "driver"])
    parser.add_argument("--model", default="genre")
    parser.add_argument("--tracks", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--part", type=int, default=64, help="tracks of a part")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--address", default="auto")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    n = given.rows[0]
    {
        "cost": lambda: cost(given.model, out=given.out),
        "nodes": lambda: nodes(given.model, n=given.tracks, seconds=given.seconds, rows=given.part),
        "memory": lambda: memory(given.rows),
        "synthetic": lambda: synthetic(n),
        "rows": lambda: rows(n, model=given.model, n_nodes=given.nodes),
        "kill": lambda: kill(given.kills, model=given.model, n=given.tracks),
        "driver": lambda: driver(given.model, address=given.address, source=given.source, out=given.out),
    }[given.what]()


if __name__ == "__main__":
    main()

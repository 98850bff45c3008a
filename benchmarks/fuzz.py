"""Damaged inputs of every kind through Python, the command line and REST: each is answered or refused as it should.

    python benchmarks/fuzz.py [--n 10000] [--seed 0] [--only CASE]

A case is a number: with the seed it says which file is damaged, how, and which way it takes. What counts as a failure:
an exception that is no `EarmarkError`, an answer 500, a crash of the process, over 20 s of processor time, five
minutes without an end, or over 2 GiB of memory. The undamaged files have to be answered first. Cases run in a process
of their own, so a crash ends one case. `--only CASE` runs one here, with its traceback. Exit code 1 when anything
failed. Needs the `train` and `serve` extras and `httpx`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import selectors
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAX_S, MAX_MEMORY_KB = 20.0, 2 << 20
SILENT_S = 300.0  # by the clock, which on a busy machine runs faster than the processor's
START_S = 600.0  # for imports
WAYS = ("python", "command", "rest")
RATE_HZ = 22_050


@dataclass(frozen=True)
class Case:
    """One damaged input and the way it takes."""

    kind: str
    way: str
    data: bytes
    damage: str

    @property
    def is_sound(self) -> bool:
        return self.kind in SOUNDS


def _sound(container: str) -> bytes:
    import soundfile

    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * 440 * time_s), RATE_HZ, format=container)
    return file.getvalue()


def _image(container: str) -> bytes:
    import PIL.Image

    from earmark.demo.samples import drawings
    from earmark.ink import draw_strokes

    raster = (255 * (1 - draw_strokes(drawings()["Sharp"], height=64, width=64))).astype(np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(raster).save(file, format=container)
    return file.getvalue()


def _npz() -> bytes:
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    texts = {"track": np.array([f"t{n}" for n in range(6)]), "label": np.array(["a", "b"] * 3)}
    np.savez_compressed(file, X=rng.random((6, 8, 9)).astype(np.float32), **texts)
    return file.getvalue()


def _zip() -> bytes:
    import zipfile

    from earmark.demo.sample_files import stroke_text
    from earmark.demo.samples import drawings

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for writer in (1, 2):
            for number, (label, ink) in enumerate(drawings().items(), start=1):
                archive.writestr(f"HOMUS/{writer}/{writer}-{number}.txt", stroke_text(label, ink))
    return file.getvalue()


def _parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    file = io.BytesIO()
    names = [f"{n}.wav" for n in range(8)]
    pq.write_table(pa.table({"filename": names, "tempo": rng.random(8), "label": ["a", "b"] * 4}), file)
    return file.getvalue()


def _text(kind: str) -> bytes:
    from earmark.demo.sample_files import stroke_text
    from earmark.demo.samples import drawings
    from earmark.training import shipped_recipes

    ink = drawings()["Sharp"]
    return {
        "txt": lambda: stroke_text("Sharp", ink),
        "json": lambda: json.dumps([stroke.tolist() for stroke in ink.strokes]),
        "csv": lambda: "filename,tempo,label\n" + "".join(f"{n}.wav,{n * 7.5},{'ab'[n % 2]}\n" for n in range(8)),
        "toml": lambda: Path(shipped_recipes()["sound"]).read_text(encoding="utf-8"),
    }[kind]().encode()


def _onnx() -> bytes:
    from earmark.recognizer import find

    return find("notes").read_bytes()


SOUNDS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3", "aiff": "AIFF", "au": "AU", "caf": "CAF"}
IMAGES = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "gif": "GIF", "tiff": "TIFF", "bmp": "BMP", "pgm": "PPM"}
SEEDS: dict[str, Callable[[], bytes]] = {
    **{kind: lambda container=container: _sound(container) for kind, container in SOUNDS.items()},
    **{kind: lambda container=container: _image(container) for kind, container in IMAGES.items()},
    **{kind: lambda kind=kind: _text(kind) for kind in ("txt", "json", "csv", "toml")},
    "npz": _npz,
    "zip": _zip,
    "parquet": _parquet,
    "onnx": _onnx,
}
SOURCES = frozenset({"csv", "npz", "zip", "parquet"})


def case_of(number: int, seeds: dict[str, bytes], *, seed: int) -> Case:
    """Return case `number`: the same one for the same seed."""
    rng = np.random.default_rng([seed, number])
    kinds = list(seeds)
    kind = kinds[number % len(kinds)]
    way = WAYS[number // len(kinds) % len(WAYS)]
    if way == "rest" and (kind in SOURCES or kind == "toml"):
        way = "python"  # the service takes no data sets and no recipes
    data, damages = bytearray(seeds[kind]), []
    for _ in range(1 + int(rng.integers(3))):
        name = str(rng.choice(list(DAMAGES)))
        data = DAMAGES[name](data, rng)
        damages.append(name)
    return Case(kind, way, bytes(data), "+".join(damages))


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """Return a position, mostly near the start or the end, where headers, directories and metadata are."""
    size = max(1, len(data))
    near = int(rng.integers(min(size, 512)))
    return (near, size - 1 - near, int(rng.integers(size)))[int(rng.integers(3))]


def _flip(data: bytearray, rng: np.random.Generator) -> bytearray:
    for _ in range(1 + int(rng.integers(8))):
        if data:
            data[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return data


def _overwrite(data: bytearray, rng: np.random.Generator) -> bytearray:
    start, n = _place(data, rng), 1 + int(rng.integers(16))
    fill = (b"\x00", b"\xff", b"\x80", b"9", bytes(rng.integers(0, 256, 1, np.uint8)))[int(rng.integers(5))]
    data[start : start + n] = fill * len(data[start : start + n])
    return data


def _cut(data: bytearray, rng: np.random.Generator) -> bytearray:
    return data[: _place(data, rng)]


def _remove(data: bytearray, rng: np.random.Generator) -> bytearray:
    start = _place(data, rng)
    del data[start : start + 1 + int(rng.integers(64))]
    return data


def _repeat(data: bytearray, rng: np.random.Generator) -> bytearray:
    start = _place(data, rng)
    part = bytes(data[start : start + 1 + int(rng.integers(64))])
    return data[:start] + part * (1 + int(rng.integers(40))) + data[start:]


def _insert(data: bytearray, rng: np.random.Generator) -> bytearray:
    start = _place(data, rng)
    return data[:start] + rng.integers(0, 256, 1 + int(rng.integers(32)), np.uint8).tobytes() + data[start:]


DAMAGES = {"flip": _flip, "overwrite": _overwrite, "cut": _cut, "remove": _remove, "repeat": _repeat, "insert": _insert}


class Runner:
    """Everything loaded once; `run` returns ``"answered"`` or ``"refused"``, and raises for a failure."""

    def __init__(self, folder: Path) -> None:
        from fastapi.testclient import TestClient

        import earmark
        from earmark.recognizer import find
        from earmark.serve import Limits, make_app

        self.folder = folder
        self.recognizers = {True: earmark.load("notes"), False: earmark.load("symbols")}
        files = {"notes": find("notes"), "symbols": find("symbols")}
        app = make_app(files, limits=Limits(n_own_models=4))
        self.client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=True)

    def run(self, case: Case) -> str:
        """Run one case by its way."""
        path = self.folder / f"case.{case.kind}"
        path.write_bytes(case.data)
        way = {"python": self._python, "command": self._command, "rest": self._rest}[case.way]
        return way(case, path)

    def _python(self, case: Case, path: Path) -> str:
        import earmark
        from earmark.data import read_content
        from earmark.training import load_recipe

        try:
            if case.kind in SOURCES:
                manifest = earmark.read_manifest(path)
                read_content(manifest, manifest.examples[0])
            elif case.kind == "toml":
                load_recipe(str(path))
            elif case.kind == "onnx":
                earmark.load(path).predict(np.zeros(RATE_HZ, np.float32), sample_rate_hz=RATE_HZ, force=True)
            else:
                self.recognizers[case.is_sound].predict(path if len(case.data) % 2 else case.data)
        except earmark.EarmarkError:
            return "refused"
        return "answered"

    def _command(self, case: Case, path: Path) -> str:
        from earmark import cli

        key, out_file = self.folder / "key.wav", self.folder / "out.csv"
        if case.kind in SOURCES:
            words = ["submit", "notes", "--data", path, "--sample", path, "-o", out_file]
        elif case.kind == "toml":
            words = ["train", path, "--data", self.folder / "nothing", "-o", self.folder / "run"]
        elif case.kind == "onnx":
            words = ["predict", path, key]
        else:
            words = ["predict", "notes" if case.is_sound else "symbols", path]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main([str(word) for word in words])
            except SystemExit as stop:
                code = stop.code
        if code not in {0, 1, 2} or "Traceback" in err.getvalue():
            raise RuntimeError(f"exit code {code}: {err.getvalue()}")
        return "answered" if code == 0 else "refused"

    def _rest(self, case: Case, _path: Path) -> str:
        if case.kind == "onnx":
            answer = self.client.put("/v1/models/own", content=case.data)
            if answer.status_code < 300:
                answer = self.client.post("/v1/predict/own", content=self.folder.joinpath("key.wav").read_bytes())
        else:
            name = "notes" if case.is_sound else "symbols"
            kind = "application/json" if case.kind == "json" else "application/octet-stream"
            data = b'{"strokes": ' + case.data + b"}" if case.kind == "json" else case.data
            answer = self.client.post(f"/v1/predict/{name}", content=data, headers={"content-type": kind})
        if answer.status_code >= 500:
            raise RuntimeError(f"status {answer.status_code}: {answer.text}")
        return "answered" if answer.status_code < 300 else "refused"


def work(numbers: Iterator[int], *, seed: int) -> None:
    """Run cases in this process; print a JSON line before each and after it."""
    warnings.simplefilter("ignore")
    seeds = {kind: make() for kind, make in SEEDS.items()}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "key.wav").write_bytes(seeds["wav"])
        runner = Runner(Path(folder))
        for kind, data in seeds.items():
            if (result := runner.run(Case(kind, "python", data, ""))) != "answered":
                sys.exit(f"the undamaged {kind} is {result}")
        for number in numbers:
            print(json.dumps([number, "begins"]), flush=True)
            case = case_of(number, seeds, seed=seed)
            began_s, before_kb = time.process_time(), _peak_kb()
            try:
                result = runner.run(case)
            except BaseException as error:  # noqa: BLE001 - whatever escapes is what is looked for
                place = traceback.extract_tb(error.__traceback__)[-1]
                result = f"{type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
            if time.process_time() - began_s > MAX_S:
                result = "took too long"
            if _peak_kb() > max(before_kb, MAX_MEMORY_KB):
                result = f"took {_peak_kb() >> 10} MB"
            print(json.dumps([number, result, f"{case.kind} {case.way} {case.damage}"]), flush=True)


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fuzz(n: int, *, seed: int) -> tuple[Counter[str], list[str]]:
    """Run cases 0…n-1; return how many were answered and refused, and what failed."""
    counts: Counter[str] = Counter()
    failures: list[str] = []
    done = 0
    while done < n:
        call = [sys.executable, __file__, "--seed", str(seed), "--work", str(done), str(n)]
        # Without a buffer: lines that lie in one are not seen by `select`, so a busy worker would seem to be silent.
        with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as worker:
            begun, ended = _follow(worker, counts, failures)
        if ended is None and begun is None:
            raise SystemExit("the worker does not start; run: python benchmarks/fuzz.py --only 0")
        if begun != ended:
            failures.append(f"case {begun}: crashed or hung (exit code {worker.returncode})")
            print(failures[-1], flush=True)
        done = (begun if begun is not None else done) + 1
    return counts, failures


def _follow(worker: Any, counts: Counter[str], failures: list[str]) -> tuple[int | None, int | None]:
    """Read what a worker prints; kill it when it is silent for too long; return the last case begun and ended."""
    begun = ended = None
    with selectors.DefaultSelector() as ready:
        ready.register(worker.stdout, selectors.EVENT_READ)
        while ready.select(START_S if begun is None else SILENT_S):
            line = worker.stdout.readline()
            if not line:
                return begun, ended
            number, result, *what = json.loads(line)
            if result == "begins":
                begun = number
                continue
            ended = number
            counts[result if result in {"answered", "refused"} else "failed"] += 1
            if result not in {"answered", "refused"}:
                failures.append(f"case {number} ({what[0]}): {result}")
                print(failures[-1], flush=True)
            if counts.total() % 500 == 0:
                print(f"{counts.total()} cases: {dict(counts)}", file=sys.stderr, flush=True)
    worker.kill()
    return begun, ended


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, help="how many cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run this case here")
    parser.add_argument("--work", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.work:
        work(iter(range(*given.work)), seed=given.seed)
    elif given.only is not None:
        seeds = {kind: make() for kind, make in SEEDS.items()}
        case = case_of(given.only, seeds, seed=given.seed)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "key.wav").write_bytes(seeds["wav"])
            print(case.kind, case.way, case.damage, Runner(Path(folder)).run(case))
    else:
        began = time.monotonic()
        counts, failures = fuzz(given.n, seed=given.seed)
        took_s = time.monotonic() - began
        print(f"seed {given.seed}: {given.n} cases in {took_s:.0f} s: {dict(counts)}, {len(failures)} failed")
        sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

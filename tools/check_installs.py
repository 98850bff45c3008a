"""Build the wheel, install it in fresh environments without extras and with each extra alone, and run all of it there.

    python tools/check_installs.py [--extras "" av cluster imagenet live serve train] [--report matrix.json]
        [--folder PLACE] [--timeout-s 1800]

A command has to work (exit code 0) or to say in one sentence which extra it needs (exit code 2). Prints the matrix of
commands and installations; exit code 1 when a cell is something else. With `--folder` the environments and the cells
stay there, and the same call goes on where the last one stopped. Needs uv and a package index; `train` takes 1 GB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("", "av", "cluster", "imagenet", "live", "serve", "train")
# Each as its users type it, on the samples and with little work, in this order: some need what others have written.
COMMANDS = {
    "samples": "samples",
    "models": "models",
    "info": "info notes",
    "recipes": "recipes",
    "predict": "predict notes samples/key.flac",
    "predict -o": "predict notes samples/melody.flac --timeline -o timeline.png",
    "predict --cluster": "predict notes samples/key.flac --cluster local:1",
    "predict --format parquet": "predict notes samples/key.flac --format parquet -o answers",
    "predict --explain": "predict notes samples/key.flac --explain -o why.png",
    "read": "read samples/line.json",
    "submit": "submit notes --data recordings --sample wanted.csv -o answers.csv",
    "check": "check samples/symbols.csv",
    "check --html": "check samples/symbols.csv --html check.html",
    "show": "show samples/symbols.csv -o gallery",
    "train": "train drawing --data samples/symbols.csv -o run --set training.epochs=1",
    "evaluate": "evaluate run --data samples/symbols.csv",
    "add-rejection": "add-rejection run --data samples/symbols.csv -o more.onnx --set n_examples=50 --set epochs=1",
    "tune": "tune drawing --data samples/symbols.csv -o search --trials 1 --search training.epochs=1,2",
    "find-rate": "find-rate drawing --data samples/symbols.csv --steps 10",
    "train --set": "train drawing --data samples/symbols.csv -o other --set training.epochs=1 --set training.seed=1",
    "compare": "compare run other",
    "features": "features samples/instruments.csv -o table.csv",
    "explore": "explore table.csv -o found --transform none --model logistic",
    "denoise": "denoise samples/rain.flac clean.flac",
    "listen": "listen --model notes --input samples/melody.flac --fast --json",
    "listen --devices": "listen --devices",
    "serve": "serve no-such-model",
    "demo": "demo --help",
    "bench": "bench --help",
}
_NEEDS = re.compile(r"earmark: .* needs the (\w+) extra: pip install 'earmark\[\1\]'$")
# `serve` of a model that is not there refuses before it opens a port, with a sentence of its own.
_REFUSED = re.compile(r"earmark: there is no recognizer called 'no-such-model'")


def build(folder: Path) -> Path:
    """Build the wheel and return its path."""
    subprocess.run(["uv", "build", "-q", "--wheel", "-o", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


def check(wheel: Path, extra: str, *, folder: Path, timeout_s: float) -> dict[str, str]:
    """Install the wheel with `extra` in a fresh environment and return what each command does there.

    Cells that ``folder/cells-EXTRA.json`` already has for this wheel are not tried again, unless they were wrong.
    """
    name = extra or "base"
    environment, place, record = folder / f"venv-{name}", folder / f"place-{name}", folder / f"cells-{name}.json"
    known = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    if known.get("wheel") != _sha256(wheel):
        _install(wheel, extra, environment)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        _write_competition(place)
        known = {"wheel": _sha256(wheel), "cells": {}}
    for command, words in COMMANDS.items():
        cells = known["cells"]
        if command not in cells or cells[command].startswith("WRONG"):
            began_s = time.monotonic()
            cells[command] = _cell([environment / "bin/earmark", *words.split()], place=place, timeout_s=timeout_s)
            print(
                f"{name}: {command}: {cells[command]} ({time.monotonic() - began_s:.0f} s)", file=sys.stderr, flush=True
            )
            record.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return known["cells"]


def _write_competition(place: Path) -> None:
    """Write a folder of one recording and a sample submission that asks for it; the samples hold no such pair."""
    (place / "recordings").mkdir()
    with wave.open(str(place / "recordings/a.wav"), "wb") as file:
        file.setparams((1, 2, 22_050, 0, "NONE", ""))
        tone = (int(9_000 * math.sin(2 * math.pi * 440 * n / 22_050)) for n in range(22_050))
        file.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in tone))
    (place / "wanted.csv").write_text("file,label\na.wav,\n", encoding="utf-8")


def _install(wheel: Path, extra: str, environment: Path) -> None:
    subprocess.run(["uv", "venv", "-q", "--clear", environment], check=True)
    wanted = f"earmark[{extra}] @ {wheel.as_uri()}" if extra else f"earmark @ {wheel.as_uri()}"
    # The wheel keeps its name while its content changes, so a copy in uv's cache may be an older one.
    call = [
        "uv",
        "pip",
        "install",
        "-q",
        "--refresh-package",
        "earmark",
        "--python",
        environment / "bin/python",
        wanted,
    ]
    subprocess.run(call, check=True)


def _cell(call: list[str | Path], *, place: Path, timeout_s: float) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables["EARMARK_CACHE"] = str(place / "cache")
    # Threads that wait for each other in turns are many times slower on a busy machine.
    variables.setdefault("OMP_NUM_THREADS", "1")
    try:
        done = subprocess.run(
            call,
            cwd=place,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"WRONG: no end within {timeout_s:.0f} s"
    return _verdict(done.returncode, done.stderr)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _verdict(code: int, stderr: str) -> str:
    last = (stderr.strip().splitlines() or [""])[-1]
    if code == 0:
        return "works"
    needs = _NEEDS.match(last)
    if code == 2 and needs and "Traceback" not in stderr:
        return f"needs {needs[1]}"
    # What a command refuses for want of a file that another command could not write is refused rightly.
    if "Traceback" not in stderr and (_REFUSED.match(last) or "no such" in last):
        return "refused"
    return f"WRONG: exit code {code}: {last}"


def main() -> None:
    """Print the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", nargs="*", default=EXTRAS)
    parser.add_argument("--report", type=Path, help="also write the matrix as JSON")
    parser.add_argument("--folder", type=Path, help="keep environments and cells here, and go on where a call stopped")
    parser.add_argument("--timeout-s", type=float, default=1800.0, help="by the clock, for one command")
    given = parser.parse_args()
    if not shutil.which("uv"):
        sys.exit("check_installs needs uv on the PATH: pip install uv")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        wheel = build(folder)
        matrix = {
            extra or "base": check(wheel, extra, folder=folder, timeout_s=given.timeout_s) for extra in given.extras
        }
    print(f"{'':26}" + "".join(f"{name:16}" for name in matrix))
    for command in COMMANDS:
        print(f"{command:26}" + "".join(f"{results[command]:16}" for results in matrix.values()))
    if given.report:
        given.report.write_text(json.dumps(matrix, indent=1), encoding="utf-8")
    sys.exit(any(result.startswith("WRONG") for results in matrix.values() for result in results.values()))


if __name__ == "__main__":
    main()

"""Build the wheel, install it in fresh environments without extras and with each extra alone, and run all of it there.

    python tools/check_installs.py [--extras "" av cluster live serve train] [--report matrix.json]

A command has to work (exit code 0) or to say in one sentence which extra it needs (exit code 2). Prints the matrix of
commands and installations; exit code 1 when a cell is something else. Needs uv and a package index; `train` takes 1 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Each as its users type it, on the samples.
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
    "check": "check samples/symbols.csv",
    "check --html": "check samples/symbols.csv --html check.html",
    "train": "train drawing --data samples/symbols.csv -o run --set training.epochs=1",
    "evaluate": "evaluate run --data samples/symbols.csv",
    "add-rejection": "add-rejection run --data samples/symbols.csv -o more.onnx --set n_examples=50 --set epochs=1",
    "tune": "tune drawing --data samples/symbols.csv -o search --trials 1 --search training.epochs=1,2",
    "find-rate": "find-rate drawing --data samples/symbols.csv",
    "compare": "compare run run",
    "features": "features samples/instruments.csv -o table.csv",
    "explore": "explore table.csv -o found --transform none --model logistic",
    "denoise": "denoise samples/rain.flac clean.flac",
    "listen": "listen --model notes --input samples/melody.flac --fast --json",
    "listen --devices": "listen --devices",
    "serve": "serve no-such-model",
    "demo": "demo --help",
}
_NEEDS = re.compile(r"earmark: .* needs the (\w+) extra: pip install 'earmark\[\1\]'$")
# `serve` of a model that is not there refuses before it opens a port, with a sentence of its own.
_REFUSED = re.compile(r"earmark: there is no recognizer called 'no-such-model'")


def build(folder: Path) -> Path:
    """Build the wheel and return its path."""
    subprocess.run(["uv", "build", "-q", "--wheel", "-o", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


def check(wheel: Path, extra: str, folder: Path) -> dict[str, str]:
    """Install the wheel with `extra` in a fresh environment and return what each command does there."""
    environment = folder / f"venv-{extra or 'base'}"
    subprocess.run(["uv", "venv", "-q", environment], check=True)
    wanted = f"earmark[{extra}] @ {wheel.as_uri()}" if extra else f"earmark @ {wheel.as_uri()}"
    subprocess.run(["uv", "pip", "install", "-q", "--python", environment / "bin/python", wanted], check=True)
    place = folder / f"place-{extra or 'base'}"
    place.mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables["EARMARK_CACHE"] = str(place / "cache")
    results = {}
    for name, words in COMMANDS.items():
        done = subprocess.run(
            [environment / "bin/earmark", *words.split()],
            cwd=place,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        results[name] = _verdict(done.returncode, done.stderr)
    return results


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
    parser.add_argument("--extras", nargs="*", default=["", "av", "cluster", "live", "serve", "train"])
    parser.add_argument("--report", type=Path, help="also write the matrix as JSON")
    given = parser.parse_args()
    if not shutil.which("uv"):
        sys.exit("check_installs needs uv on the PATH: pip install uv")
    with tempfile.TemporaryDirectory() as place:
        wheel = build(Path(place))
        matrix = {extra or "base": check(wheel, extra, Path(place)) for extra in given.extras}
    print(f"{'':26}" + "".join(f"{name:16}" for name in matrix))
    for command in COMMANDS:
        print(f"{command:26}" + "".join(f"{results[command]:16}" for results in matrix.values()))
    if given.report:
        given.report.write_text(json.dumps(matrix, indent=1), encoding="utf-8")
    sys.exit(any(result.startswith("WRONG") for results in matrix.values() for result in results.values()))


if __name__ == "__main__":
    main()

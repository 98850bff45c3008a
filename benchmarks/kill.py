"""Commands killed with SIGKILL at random moments and given again: the result has to equal that of an undisturbed run.

    python benchmarks/kill.py [--n 20] [--seed 0] [COMMAND …]

COMMAND is of train, features, explore, check and add-rejection; all by default. Each runs once undisturbed, which gives
its duration and its result, and then N times: killed after random shares of that time and given again until it ends.
Different results, temporary files that stay, and runs that do not end are failures; exit code 1 when there is one.
Needs the `train` extra.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MOST_KILLS = 3  # of one run
LIMIT_S = 900.0


@dataclass(frozen=True)
class Killed:
    """A command on the samples, and what of its result has to be the same."""

    words: str
    result: Callable[[Path], str]


def _digest(*names: str) -> Callable[[Path], str]:
    """Return what makes one text of files: hashes of their contents."""
    return lambda place: " ".join(hashlib.sha256((place / name).read_bytes()).hexdigest()[:16] for name in names)


def _accuracies(place: Path) -> str:
    """Return the accuracy of every pair that was explored; the rest of the table are times."""
    with (place / "found" / "accuracy.csv").open(encoding="utf-8", newline="") as stream:
        return str([(row["transform"], row["model"], row["accuracy"]) for row in csv.DictReader(stream)])


def _answers(model: str) -> Callable[[Path], str]:
    """Return what makes a text of the answers of a recognizer: its card has a date, its answers have none."""

    def answers(place: Path) -> str:
        import earmark

        recognizer = earmark.load(place / model)
        shown = [recognizer.predict(place / "samples" / name, force=True) for name in ("note.png", "clef.txt")]
        return str([(each.label, each.confidence) for each in shown])

    return answers


_DATA = "--data samples/symbols.csv"
COMMANDS = {
    "train": Killed(f"train drawing {_DATA} -o run --set training.epochs=4", _answers("run/model.onnx")),
    "features": Killed("features samples/instruments.csv -o table.csv", _digest("table.csv")),
    "explore": Killed("explore given.csv -o found --transform none --model logistic", _accuracies),
    "check": Killed("check samples/symbols.csv --json --quarantine q.csv", _digest("q.csv")),
    "add-rejection": Killed(
        f"add-rejection symbols {_DATA} -o more.onnx --set n_examples=100 --set n_validation=50 --set epochs=1",
        _answers("more.onnx"),
    ),
}


def prepare(place: Path) -> None:
    """Write the samples and a feature table."""
    from earmark.demo.sample_files import write_samples

    write_samples(place / "samples")
    rng = np.random.default_rng(0)
    rows = [f"{n}.wav,{rng.normal(n % 3):.4f},{rng.normal():.4f},{'abc'[n % 3]}" for n in range(90)]
    (place / "given.csv").write_text("\n".join(["filename,tempo,rms_mean,label", *rows]) + "\n", encoding="utf-8")


def start(words: str, place: Path) -> subprocess.Popen[bytes]:
    """Start a command as the first of a group of processes, so that a kill reaches all of them."""
    environment = {**os.environ, "EARMARK_CACHE": str(place / "cache")}
    call = [sys.executable, "-m", "earmark", *words.split()]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(call, cwd=place, env=environment, start_new_session=True, **quiet)


def run_killed(killed: Killed, place: Path, moments_s: list[float]) -> str:
    """Run a command in `place`, killed once after each of `moments_s`, then to its end; return what is wrong."""
    for moment_s in moments_s:
        process = start(killed.words, place)
        try:
            process.wait(moment_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    process = start(killed.words, place)
    try:
        code = process.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return "did not end"
    if code:
        return f"exit code {code}"
    left = [path.relative_to(place).as_posix() for path in place.rglob(".*.tmp")]
    return f"left behind: {left[:3]}" if left else ""


def failures_of(killed: Killed, n: int, *, rng: np.random.Generator) -> tuple[float, list[str]]:
    """Run a command undisturbed and `n` times killed; return its duration and what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        template, whole = Path(folder, "template"), Path(folder, "whole")
        prepare(template)
        shutil.copytree(template, whole)
        began = time.monotonic()
        wrong = run_killed(killed, whole, [])
        duration_s = time.monotonic() - began
        if wrong:
            sys.exit(f"{killed.words}, undisturbed: {wrong}")
        expected, failures = killed.result(whole), []
        for number in range(n):
            place = Path(shutil.copytree(template, Path(folder, str(number))))
            moments_s = list(rng.uniform(0.1, 1, 1 + int(rng.integers(MOST_KILLS))) * duration_s)
            wrong = run_killed(killed, place, moments_s)
            if not wrong and killed.result(place) != expected:
                wrong = "another result"
            if wrong:
                failures.append(f"killed after {[round(moment_s, 1) for moment_s in moments_s]} s: {wrong}")
            shutil.rmtree(place)
    return duration_s, failures


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commands", nargs="*", default=list(COMMANDS))
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    n_failed = 0
    for name in given.commands:
        duration_s, failures = failures_of(COMMANDS[name], given.n, rng=rng)
        n_failed += len(failures)
        print(f"{name}: {given.n} runs of {duration_s:.0f} s killed, {len(failures)} failed", *failures, sep="\n  ")
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()

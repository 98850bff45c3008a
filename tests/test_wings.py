"""Each wing can be removed with ``rm -r``: the core and the other commands work without it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile

from tiny import save_tiny, tone

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
WINGS = sorted(next(contract for contract in CONTRACTS if contract["type"] == "independence")["modules"])

# What the core is for: read anything, make features of it, answer; and keep data apart by group.
CORE_TESTS = (
    "test_features_contract.py",
    "test_recognizer_predict.py",
    "test_recognizer_file.py",
    "test_data_manifest.py",
    "test_splits.py",
    "test_ink_strokes.py",
)

COMMANDS_OF = {
    "earmark.doctor": (["check", "nowhere"],),
    "earmark.tables": (["explore", "nowhere.csv", "-o", "out"], ["features", "nowhere", "-o", "out.csv"]),
    "earmark.distributed": (
        ["predict", "notes", "a.wav", "--cluster", "local:1"],
        ["predict", "notes", "a.wav", "--format", "parquet", "-o", "out"],
    ),
    "earmark.explanation": (["predict", "notes", "a.wav", "--explain"],),
    "earmark.zoo": (["bench", "zoo", "--data", "nowhere"],),
    "earmark.live": (["listen", "--devices"], ["denoise", "a.wav", "b.wav"]),
    "earmark.serve": (["serve", "nowhere"],),
    "earmark.rejection": (["add-rejection", "nowhere", "--data", ".", "-o", "out.onnx"],),
    "earmark.runs": (["compare", "a", "b"], ["submit", "m", "--data", "a", "--sample", "b", "-o", "c"]),
}

# Runs commands in one interpreter, because starting one takes longer than all of them.
SCRIPT = """
import contextlib, io, json, sys
import earmark
from earmark.cli import main

assert earmark.__file__.startswith(sys.argv[1]), earmark.__file__
results = []
for arguments in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as stop:
            results.append([stop.code, out.getvalue(), err.getvalue()])
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return a copy of the package."""
    copy = tmp_path_factory.mktemp("package") / "earmark"
    shutil.copytree(ROOT / "src" / "earmark", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def python(package: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("wing", WINGS)
def test_without_one_wing_all_other_commands_work(package, tmp_path, wing):
    model = save_tiny(tmp_path / "tiny.onnx")
    soundfile.write(tmp_path / "a.wav", tone(), 22050)
    folder = package / wing.removeprefix("earmark.")
    aside = tmp_path / "aside"
    shutil.copytree(folder, aside)
    shutil.rmtree(folder)
    try:
        calls = [["--help"], ["predict", str(model), str(tmp_path / "a.wav")], ["info", str(model)], ["models"]]
        calls += COMMANDS_OF.get(wing, ())
        done = python(package, "-c", SCRIPT, str(package.parent), json.dumps(calls))
    finally:
        shutil.copytree(aside, folder)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [code for code, _, _ in results[:4]] == [0] * 4, results
    for code, _, err in results[4:]:
        assert code == 2
        last = err.splitlines()[-1]  # before it a line may say that libraries are loaded
        assert f"needs {wing}" in last
        assert "which this installation lacks" in last
        assert "Traceback" not in err


def test_the_core_passes_its_tests_without_any_wing(package, tmp_path):
    bare = tmp_path / "earmark"
    shutil.copytree(package, bare, ignore=shutil.ignore_patterns("__pycache__"))
    for wing in [*WINGS, "earmark.demo"]:
        shutil.rmtree(bare / wing.removeprefix("earmark."))
    options = ("-o", "addopts=", "-p", "no:cacheprovider", "-q")
    done = python(bare, "-m", "pytest", *options, *(f"tests/{name}" for name in CORE_TESTS))
    assert done.returncode == 0, done.stdout[-3000:]

"""Without extras every command works, or says in one sentence which extra to install."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import earmark.extras
from earmark.cli import COMMANDS
from earmark.errors import MissingExtraError

BARE = """
import contextlib, io, json, sys
from importlib.abc import MetaPathFinder

blocked = {modules}

class Refuse(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {{fullname!r}}", name=fullname)

sys.meta_path.insert(0, Refuse())
from earmark.cli import main

for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as stop:
            code = stop.code
        except BaseException as error:
            code = repr(error)
    print(json.dumps([code, err.getvalue()]))
"""
LEARNING = {
    "train": ["train", "symbols/writer-split", "--data", "sounds", "-o", "run"],
    "add-rejection": ["add-rejection", "notes", "--data", "sounds", "-o", "more.onnx"],
    "guard": ["guard", "notes", "--data", "sounds", "-o", "more.onnx"],
    "evaluate": ["evaluate", "notes", "--data", "sounds"],
    "tune": ["tune", "symbols/writer-split", "--data", "sounds", "-o", "search"],
    "find-rate": ["find-rate", "symbols/writer-split", "--data", "sounds"],
    "show": ["show", "sounds", "-o", "gallery"],
    "compare": ["compare", "run", "other", "--html", "report.html"],
    "features": ["features", "sounds", "-o", "table.csv"],
    "explore": ["explore", "numbers.csv", "-o", "explored"],
    "demo": ["demo", "-o", "page"],
    "check": ["check", "sounds", "--html", "check.html"],
    "predict": ["predict", "notes", "sounds", "--explain", "-o", "pictures"],
    "denoise": ["denoise", "sounds/A4/0.wav", "clean.wav", "--plot", "clean.png"],
}
OTHERS = {
    "listen": (["listen", "--model", "notes"], "live"),
    "serve": (["serve", "notes"], "serve"),
}
CLUSTER_COMMANDS = [
    ["predict", "notes", "sounds", "--cluster", "local:1"],
    ["predict", "notes", "sounds", "--format", "parquet", "-o", "table"],
    ["predict", "notes", "s3://bucket/a.wav"],
    ["predict", "s3://bucket/a.onnx", "sounds"],
    ["check", "https://localhost/a.zip"],
]
BARE_COMMANDS = [
    ["predict", "notes", "sounds"],
    ["samples", "samples"],
    ["read", "samples/line.json"],
    ["models"],
    ["info", "notes"],
    ["recipes"],
    ["check", "sounds"],
    ["denoise", "sounds/A4/0.wav", "clean.wav"],
    ["submit", "notes", "--data", "sounds", "--sample", "sample.csv", "-o", "answers.csv"],
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with sounds of two labels, a table, and a sample submission."""
    root = tmp_path_factory.mktemp("extras")
    rng = np.random.default_rng(0)
    for label in ("A4", "C4"):
        (root / "sounds" / label).mkdir(parents=True)
        for n in range(3):
            soundfile.write(root / "sounds" / label / f"{n}.wav", rng.normal(0, 0.1, 22050), 22050)
    rows = [f"{n}.wav,1,{rng.normal()},{'ab'[n % 2]}" for n in range(12)]
    (root / "numbers.csv").write_text("\n".join(["filename,length,x,label", *rows]) + "\n")
    names = [f"{label}/{n}.wav" for label in ("A4", "C4") for n in range(3)]
    (root / "sample.csv").write_text("\n".join(["id,label", *(f"{name},A4" for name in names)]) + "\n")
    return root


def run(place, commands, modules):
    """Return the exit code and stderr of each command, in one process that lacks `modules`."""
    done = subprocess.run(
        [sys.executable, "-c", BARE.format(modules=sorted(modules))],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        cwd=place,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_every_command_is_asked():
    asked = {*LEARNING, *OTHERS, *(command[0] for command in BARE_COMMANDS)}
    assert asked == {*COMMANDS} - {"bench"}


def test_without_any_extra(place):
    missing = [(command, "train") for command in LEARNING.values()] + list(OTHERS.values())
    missing += [(command, "cluster") for command in CLUSTER_COMMANDS]
    commands = [command for command, _ in missing] + BARE_COMMANDS
    found = run(place, commands, frozenset().union(*earmark.extras.MODULES.values()))
    for (command, extra), (code, err) in zip(missing, found, strict=False):
        last = err.strip().splitlines()[-1]
        assert code == 2, (command, code, err)
        assert last.endswith(f"needs the {extra} extra: pip install 'earmark[{extra}]'"), (command, err)
        assert last.startswith("earmark: ")
        assert "Traceback" not in err
    for command, (code, err) in zip(BARE_COMMANDS, found[len(missing) :], strict=True):
        assert code == 0, (command, code, err)


def test_modules_are_found_without_importing_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "no_longer_there", None)
    assert not earmark.extras.installed("no_longer_there")
    with pytest.raises(MissingExtraError, match=r"^a walk needs the av extra: pip install 'earmark\[av\]'$"):
        earmark.extras.require("a walk", "av", "numpy", "no_such_module")
    earmark.extras.require("a walk", "av", "numpy")


def test_only_modules_of_extras_are_explained():
    with (
        pytest.raises(MissingExtraError, match="earmark sing needs the train extra"),
        earmark.extras.explained("earmark sing"),
    ):
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    with pytest.raises(ModuleNotFoundError, match="tkinter"), earmark.extras.explained("earmark sing"):
        raise ModuleNotFoundError("No module named 'tkinter'", name="tkinter")

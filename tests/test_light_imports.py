"""Predicting must start fast, so it may not import what only training needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import soundfile

import earmark
from tiny import save_tiny, tone

HEAVY = (
    "torch",
    "timm",
    "sklearn",
    "matplotlib",
    "pandas",
    "pyarrow",
    "numba",
    "onnx",
    "scipy",
    "librosa",
    "rich",
    "optuna",
    "ssl",
)


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has imported after `code`."""
    report = "import json, sys; print(); print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_earmark_imports_nothing_else():
    loaded = modules_after("import earmark; earmark.__version__; dir(earmark)")
    assert not loaded & {*HEAVY, "numpy", "pydantic", "onnxruntime"}


def test_help_imports_nothing_heavy():
    loaded = modules_after("from earmark.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass")
    assert not loaded & {*HEAVY, "numpy", "onnxruntime"}


def test_earmark_shows_its_public_names_alone():
    assert dir(earmark) == sorted(earmark.__all__)
    for name in earmark.__all__:
        assert getattr(earmark, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'lode'; it has: "):
        earmark.lode  # noqa: B018


def test_predicting_imports_no_training_library(tmp_path):
    model = save_tiny(tmp_path / "tiny.onnx")
    soundfile.write(tmp_path / "a.wav", tone(), 22050)
    loaded = modules_after(
        "import sys\n"
        "from earmark.cli import main\n"
        f"try: main(['predict', {str(model)!r}, {str(tmp_path / 'a.wav')!r}, '--format', 'jsonl', '--timeline'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
    )
    assert "onnxruntime" in loaded
    assert not loaded & {*HEAVY, "PIL", "av", "jinja2"}


@pytest.mark.parametrize("command", ["train drawing", "tune drawing", "find-rate drawing", "add-rejection notes"])
def test_data_that_is_absent_is_refused_before_heavy_imports(tmp_path, command):
    words = [*command.split(), "--data", str(tmp_path / "absent")]
    words += [] if command.startswith("find") else ["-o", str(tmp_path / "run")]
    loaded = modules_after(
        f"from earmark.cli import main\ntry: main({words!r})\nexcept SystemExit as stop: assert stop.code == 1\n"
    )
    assert not loaded & {"torch", "sklearn", "onnx", "matplotlib", "pandas"}

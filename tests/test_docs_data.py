"""Every example of the page about data, run as it stands."""

from __future__ import annotations

import doctest
import logging
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

PAGE = Path(__file__).parents[1] / "docs" / "data.md"
RATE_HZ = 8000


def write(*names: str, text: str | None = None) -> None:
    """Write files of a second of noise, grey pictures, or `text`."""
    rng = np.random.default_rng(0)
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text, encoding="utf-8")
        elif path.suffix in {".wav", ".flac", ".ogg"} and not path.name.startswith("."):
            soundfile.write(path, rng.uniform(-0.5, 0.5, RATE_HZ), RATE_HZ)
        elif path.suffix == ".png":
            Image.fromarray(rng.integers(0, 255, (20, 30), np.uint8)).save(path)
        else:
            path.write_text("nothing to learn from", encoding="utf-8")


def test_every_example_is_true(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    logging.getLogger("earmark").handlers = []
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, globs={"write": write}, encoding="utf-8")
    assert failed == 0
    assert tried > 25

"""The demo: its samples are recognised, and it runs on any data."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from earmark.data import read_manifest
from earmark.demo import run as steps
from earmark.demo import samples as made
from earmark.errors import DataError
from earmark.recognizer import load
from earmark.runs.pipeline import train

SAMPLES = [sample for sample in made.samples() if sample.expected]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.expected)
def test_the_zoo_recognises_what_is_made_up(sample):
    assert load(sample.model).predict(sample.content).label == sample.expected


def test_keys_are_written_once_with_an_unheard_timbre_for_the_test(tmp_path, monkeypatch):
    monkeypatch.setattr(made, "TRAINING_TIMBRES", ("grand",))
    monkeypatch.setattr(made, "N_PIANO_KEYS", 3)
    manifest = read_manifest(made.write_keys(tmp_path))
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}
    made.write_keys(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")} == times
    assert manifest.labels == ("A0", "A#0", "B0")
    assert {(e.group, e.split) for e in manifest} == {
        ("grand", "train"),
        (made.VALIDATION_TIMBRE, "valid"),
        (made.UNSEEN_TIMBRE, "test"),
    }


@pytest.fixture
def drawings(tmp_path):
    """Ten writers, two symbols."""
    rng = np.random.default_rng(0)
    for writer in range(1, 11):
        folder = tmp_path / "HOMUS" / str(writer)
        folder.mkdir(parents=True)
        for n in range(4):
            ends = rng.normal(0, 3, 4) + ((0, 50, 100, 50) if n % 2 else (50, 0, 50, 100))
            points = ";".join(
                f"{ends[0] * (1 - t) + ends[2] * t:.0f},{ends[1] * (1 - t) + ends[3] * t:.0f}" for t in (0, 1)
            )
            (folder / f"{writer}-{n + 1}.txt").write_text(f"{'Barline' if n % 2 else 'Dot'}\n{points};\n")
    return tmp_path / "HOMUS"


@pytest.mark.slow
def test_the_demo_runs_on_the_users_data(tmp_path, drawings, monkeypatch):
    monkeypatch.setattr(steps, "train", partial(train, overrides=["training.epochs=1"], cache=tmp_path / "cache"))
    result = steps.run_demo(tmp_path / "demo", data=drawings)
    page = result.page.read_text()
    assert result.run.model.is_file()
    assert result.run.scores.sentence.split(" (")[0] in page
    assert page.count("<li>") == len(result.recognitions)
    assert "http" not in page.replace("http://www.w3.org", "")


def test_tables_are_not_for_the_demo(tmp_path):
    (tmp_path / "t.csv").write_text("filename,tempo,label\na.wav,120,x\nb.wav,90,y\n")
    with pytest.raises(DataError, match="the demo learns from sounds or drawings"):
        steps.recipe_for(read_manifest(tmp_path / "t.csv"))

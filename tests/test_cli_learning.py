"""The commands that learn and judge; what they call is tested elsewhere."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import soundfile

import earmark
from earmark.data import read_manifest
from earmark.evaluation import Outcome, score
from earmark.training import shipped_recipes
from tiny import save_tiny, tiny_card, tone

RATE_HZ = 22050
SCORES = score(
    Outcome.from_logits(
        np.eye(3)[[0, 1, 2, 1]], np.array([0, 1, 2, 2]), labels=("A4", "C4", "E4"), groups=list("abcd")
    ),
    protocol="made up",
)


@pytest.fixture
def sounds(tmp_path):
    """Return a manifest of three labels by six groups."""
    rows = ["path,label,group"]
    for label, hz in (("A4", 440), ("C4", 262), ("E4", 330)):
        for group in range(6):
            name = f"{label}-{group}.wav"
            soundfile.write(tmp_path / name, tone(hz=hz + group, seconds=0.5), RATE_HZ)
            rows.append(f"{name},{label},player {group}")
    (tmp_path / "sounds.csv").write_text("\n".join(rows))
    return tmp_path / "sounds.csv"


@pytest.fixture
def learned(monkeypatch, tmp_path):
    """Return the arguments that the training was called with; there is a folder ``here``."""
    calls = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here" / "A4").mkdir(parents=True)
    home = sys.modules[earmark.train.__module__]

    def train(recipe, *, data, out, overrides, strict, progress):
        assert not strict
        progress("features", 0, 0, "")
        progress("epoch 1", 1, 2, "")
        progress("epoch 1", 2, 2, "accuracy 0.75")
        calls.append((recipe, data, out, tuple(overrides)))
        return home.Run(out, SCORES)

    monkeypatch.setattr(home, "train", train)
    return calls


def test_train_says_what_came_out(run, learned, tmp_path):
    code, out, err = run("train", "sound", "--data", "here", "-o", tmp_path, "--set", "a.b=1", "--set", "c=d")
    assert code == 0
    assert learned == [("sound", "here", tmp_path, ("a.b=1", "c=d"))]
    assert out.splitlines() == [
        SCORES.sentence,
        f"recognizer: {tmp_path / 'model.onnx'}",
        f"report:     {tmp_path / 'report.html'}",
    ]
    assert err.endswith("epoch 1: 2 done, accuracy 0.75\n")


def test_train_prints_json(run, learned, tmp_path):
    code, out, _ = run("train", "sound", "--data", "here", "--out", tmp_path, "--json")
    values = json.loads(out)
    assert code == 0
    assert values["model"] == str(tmp_path / "model.onnx")
    assert values["scores"]["accuracy"] == 0.75


def test_resume_only_goes_on(run, learned, tmp_path):
    assert run("train", "sound", "--data", "here", "-o", tmp_path, "--resume")[0] == 2
    assert learned == []
    (tmp_path / "recipe.json").write_text("{}")
    assert run("train", "sound", "--data", "here", "-o", tmp_path, "--resume")[0] == 0
    assert len(learned) == 1


def test_recipes_lists_what_is_shipped(run):
    code, out, _ = run("recipes", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["name"] for row in rows] == list(shipped_recipes())
    assert all(row["about"] for row in rows)
    assert run("recipes")[1].startswith("NAME ")


def test_evaluate_divides_like_the_recipe(run, sounds, tmp_path):
    card = tiny_card(temperature=40.0, recipe={"split": {"fractions": [0.5, 0.25, 0.25], "seed": 3}})
    model = save_tiny(tmp_path / "model.onnx", card)
    code, out, err = run("evaluate", model, "--data", sounds, "--split", "test", "--json")
    values = json.loads(out)
    assert code == 0
    assert values["protocol"] == "grouped 50/25/25, seed 3, test part"
    assert 0 < values["n"] < 18
    assert values["n"] == 3 * values["n_groups"]
    assert "sounds is not the data set that tiny was trained on, so its test part may hold training examples" in err


def test_evaluate_writes_a_report(run, sounds, tmp_path):
    model = save_tiny(tmp_path / "model.onnx", tiny_card(temperature=40.0))
    code, out, err = run("evaluate", model, "--data", sounds, "--html", tmp_path / "report.html")
    assert code == 0
    assert " of 18 examples of 6 groups are right" in out
    assert "macro F1" in out
    assert "evaluating: 18 done\n" in err
    assert "<html" in (tmp_path / "report.html").read_text()[:500]


def test_evaluate_says_when_it_scores_what_was_learned(run, sounds, tmp_path):
    data = tiny_card().data.model_copy(
        update={"fingerprint": read_manifest(sounds).fingerprint, "learned": ("train", "valid")}
    )
    card = tiny_card(temperature=40.0, data=data, recipe={"split": {"fractions": [0.5, 0.25, 0.25], "seed": 3}})
    model = save_tiny(tmp_path / "model.onnx", card)
    for part, seen in (("valid", True), ("test", False)):
        _, out, err = run("evaluate", model, "--data", sounds, "--split", part, "--json")
        values = json.loads(out)
        assert (f"has learned from {values['n']} of these {values['n']} examples" in err) == seen
        assert ("examples learned from)" in values["protocol"]) == seen

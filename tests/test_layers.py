"""What a person watches: layers of a recipe, tables of a report, the answer to a whole session."""

from __future__ import annotations

import json

import numpy as np
import pytest

from earmark.data import Example, Manifest
from earmark.evaluation import Outcome, score
from earmark.live import SessionStats
from earmark.live.update import Update
from earmark.runs.architecture import architecture_of, rough_time_s
from earmark.runs.facts import facts_of
from earmark.text import in_words
from earmark.training import load_recipe
from earmark.types import Answer


def test_layers_and_weights_are_those_of_the_network():
    recipe = load_recipe("genre/cnn")
    found = architecture_of(recipe, n_labels=7)
    network = recipe.model.build(n_labels=7, input_shape=found.input_shape)
    assert found.n_parameters == found.n_trainable == sum(weights.numel() for weights in network.parameters())
    assert sum(layer.n_parameters for layer in found.layers) == found.n_parameters
    assert found.layers[-1].shape == (7,)
    # The first convolution alone: every weight once for each pixel that it gives.
    first = next(layer for layer in found.layers if layer.kind == "Conv2d")
    _, height, width = first.shape
    assert found.n_operations > 2 * first.n_parameters * height * width / 2
    fast, slow = (rough_time_s(recipe, found, n_examples=n) for n in (1, 1000))
    assert 0 < fast < slow


def test_frozen_weights_are_not_trained():
    recipe = load_recipe("genre/resnet50", overrides=["model.weights=none", "training.open_stages=0"])
    found = architecture_of(recipe)
    assert 0 < found.n_trainable < found.n_parameters / 10


def test_the_command_prints_settings_and_layers(run):
    code, out, _ = run("recipes", "drawing", "--labels", "5")
    assert code == 0
    assert 'kind = "ink-raster"' in out
    assert "LAYER" in out
    assert "rough time" in out
    assert "1 × 48 × 48" in out
    values = json.loads(run("recipes", "drawing", "--json")[1])
    assert values["n_parameters"] > 100_000
    assert values["layers"][-1]["shape"] == [10]
    code, _, err = run("recipes", "drawin")
    assert code == 2
    assert "did you mean 'drawing'" in err


@pytest.mark.parametrize(("seconds", "words"), [(0.1, "1 s"), (61, "1 min 1 s"), (3600, "1 h")])
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


def test_a_report_tells_figures_settings_and_counts(tmp_path):
    examples = tuple(
        Example(f"{label}/{number}.png", label, f"g{number}", split)
        for label in ("a", "b")
        for number, split in enumerate(("train", "train", "valid", "test"))
    )
    manifest = Manifest(examples, "ink", tmp_path, "drawings")
    outcome = Outcome.from_logits(np.eye(2), np.array([0, 1]), labels=("a", "b"), groups=["g2", "g3"])
    losses = {"train_loss": 0.5, "train_accuracy": 0.75, "valid_loss": 0.6, "valid_accuracy": 0.5}
    rows = [{"epoch": 1, "seconds": 3.0, **losses}]
    scores = score(outcome, protocol="grouped")
    facts = facts_of(load_recipe("drawing"), manifest, rows=rows, scores=scores, validation=outcome, learned=outcome)
    assert facts["Figures"][1][:3] == ("training, while learning", "75.0 %", "0.500")
    assert facts["Figures"][2][0] == "training, finished"
    assert facts["Figures"][2][3:5] == facts["Figures"][3][3:5] == ("100.0 %", "100.0 %")
    assert facts["Examples of each label"][-1] == ("all", "4", "2", "2", "8")
    assert ("training.batch_size", "64") in facts["Settings"]
    assert dict(row for row in facts["Run"] if len(row) == 2)["time in the loop"] == "3 s"


def test_a_session_ends_with_one_answer():
    stats = SessionStats()
    assert stats.whole is None
    fields = {"start_s": 0.0, "level_db": -20.0, "reason": None, "probabilities": np.zeros(2), "is_partial": False}
    fields["latency_s"] = None
    for end_s, label, confidence in ((1.0, "A4", 0.9), (2.0, "unknown", 0.0), (3.0, "A4", 0.7)):
        top = (Answer("A4", max(confidence, 0.2), {}), Answer("C4", 0.1, {}))
        stats.add(Update(end_s=end_s, answer=Answer(label, confidence, {}), top=top, **fields))
    label, share = stats.whole
    assert label == "A4"
    assert share == pytest.approx(0.6)

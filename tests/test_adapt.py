"""Adapting a finished recognizer to a few examples of one person."""

from __future__ import annotations

import json

import numpy as np
import pytest

import earmark
from earmark.errors import ConfigError, DataError, ModelError
from earmark.ink.strokes import stroke_text
from earmark.recognizer.assemble import find_head
from earmark.runs.adapt import adapt
from earmark.training.adapt import Head, adapt_head
from earmark.types import Ink
from tiny import save_tiny, tiny_card
from written import SYMBOLS

RECIPE = "symbols/own-hand"


def drawings(label, n, seed=0):
    """Yield a symbol, each time a little different."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        bend = np.eye(2) + rng.normal(0, 0.06, (2, 2))
        yield Ink(tuple((stroke @ bend).astype(np.float32) for stroke in SYMBOLS[label]))


def write_hand(folder, symbols):
    """Write drawings as a HOMUS folder; `symbols` are labels with what is drawn for them."""
    number = 0
    (folder / "own").mkdir(parents=True)
    for label, drawn in symbols:
        for ink in drawn:
            number += 1
            (folder / "own" / f"own-{number}.txt").write_text(stroke_text(label, ink))
    return folder


def test_a_hand_with_a_sign_of_its_own_is_learned_and_the_rest_is_kept(tmp_path, run):
    # This person draws a natural as others draw a double sharp.
    mine = write_hand(
        tmp_path / "mine", [("Natural", drawings("Double-Sharp", 3)), ("Half-Note", drawings("Half-Note", 3))]
    )
    code, out, err = run("train", RECIPE, "--data", mine, "--weights", "symbols", "-o", tmp_path / "run")
    assert (code, err) == (0, "")
    assert "adapted to 6 examples of 2 labels; of 6 examples held out in turn, " in out
    adapted = earmark.load(tmp_path / "run")
    (strange,) = drawings("Double-Sharp", 1, seed=9)
    assert earmark.load("symbols").predict(strange).label == "Double-Sharp"
    assert adapted.predict(strange).label == "Natural"
    for label in ("Sharp", "Barline", "Half-Note", "Whole-Note"):
        assert adapted.predict(Ink(tuple(s.astype(np.float32) for s in SYMBOLS[label]))).label == label
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["n_scored"] == 6
    assert "adapted to 6 drawings of mine" in adapted.card.about


def test_what_cannot_be_adapted_is_refused(tmp_path):
    mine = write_hand(tmp_path / "mine", [("Lyre", drawings("Sharp", 1))])
    with pytest.raises(DataError, match="has no label Lyre; give labels that"):
        adapt(RECIPE, data=mine, weights="symbols", out=tmp_path / "run")
    known = write_hand(tmp_path / "known", [("Sharp", drawings("Sharp", 1))])
    with pytest.raises(ConfigError, match="'drawing' adapts nothing"):
        adapt("drawing", data=known, weights="symbols", out=tmp_path / "run")
    with pytest.raises(DataError, match="give labelled strokes or images and a recognizer of drawings"):
        adapt(RECIPE, data=known, weights="notes", out=tmp_path / "run")
    other = save_tiny(tmp_path / "tiny.onnx", tiny_card("ink-raster", task="symbol", labels=("Sharp", "Flat")))
    with pytest.raises(ModelError, match="no dense layer"):
        adapt(RECIPE, data=known, weights=other, out=tmp_path / "run")
    alone = adapt(RECIPE, data=known, weights="symbols", out=tmp_path / "run")
    assert alone.n_scored == 0
    assert "give two examples or more" in alone.sentence


def test_the_head_that_is_found_is_that_of_the_network():
    import onnx
    from onnx import numpy_helper

    recognizer = earmark.load("symbols")
    head = Head(*map(numpy_helper.to_array, find_head(onnx.load(earmark.recognizer.find("symbols")))))
    features = recognizer.card.features(Ink(tuple(s.astype(np.float32) for s in SYMBOLS["Sharp"])))[None]
    logits, embedding = recognizer.network.run(["logits", "embedding"], features=features)
    np.testing.assert_allclose(head.logits(embedding), logits, atol=1e-3)


def test_a_stronger_prior_moves_the_weights_less():
    rng = np.random.default_rng(0)
    head = Head(rng.normal(size=(3, 5)).astype(np.float32), np.zeros(3, np.float32))
    embeddings, targets = rng.normal(size=(6, 5)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])
    moved = [
        float(
            np.abs(
                adapt_head(head, embeddings, targets, example_weights=np.ones(6), strength=s).weights - head.weights
            ).max()
        )
        for s in (0.01, 1.0, 1e6)
    ]
    assert moved[0] > moved[1] > moved[2]
    assert moved[2] < 1e-4
    learned = adapt_head(head, embeddings, targets, example_weights=np.ones(6), strength=1e-3)
    assert (learned.logits(embeddings).argmax(axis=1) == targets).all()

from __future__ import annotations

import json
import pickle

import numpy as np
import onnx
import pytest
from onnx import helper

import earmark
from earmark.errors import ModelError
from earmark.recognizer import OodScore, Rejection, add_detector, find, load, set_card, zoo
from earmark.recognizer import zoo as zoo_names
from tiny import as_format_1, save_guarded, save_tiny, tiny_card, tiny_detector, tiny_network, tone

REJECTION = Rejection(
    min_familiarity=0.25,
    min_pitch_salience=8.0,
    ood_kinds=("speech",),
    false_rejection_rate=0.125,
    ood_scores=(OodScore(kind="speech", n=7, auroc=0.875, rejected=0.5),),
)


def with_metadata(path, **entries):
    model = onnx.load(path)
    del model.metadata_props[:]
    helper.set_model_props(model, entries)
    onnx.save(model, path)
    return path


def changed_card(**changes) -> str:
    return json.dumps({**tiny_card().model_dump(mode="json"), **changes})


def test_a_file_a_run_and_a_name_are_found(tmp_path):
    (tmp_path / "run").mkdir()
    path = save_tiny(tmp_path / "run" / "model.onnx")
    assert find(path) == find(str(path)) == find(tmp_path / "run") == path
    assert load(tmp_path / "run").card.name == "tiny"
    for name, file in zoo().items():
        assert find(name) == file


def test_what_is_not_there_is_explained(tmp_path):
    with pytest.raises(ModelError, match=r"no recognizer called 'nowhere'; give a built-in name"):
        load("nowhere")
    with pytest.raises(ModelError, match=r"a folder without model\.onnx; give the folder of a finished run"):
        load(tmp_path)


def test_a_misspelt_name_is_corrected():
    for name in zoo_names():
        with pytest.raises(ModelError, match=f"did you mean '{name}'"):
            load(name[:-1] + "x")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "the file is empty"),
        (b"not a model", "not a readable ONNX model"),
        (bytes(2000), "not a readable ONNX model"),
        (pickle.dumps({"weights": [1, 2]}), "a pickled or zipped checkpoint, which Earmark never opens"),
        (b"PK\x03\x04rest", "a pickled or zipped checkpoint, which Earmark never opens"),
    ],
)
def test_a_file_that_is_not_a_model_is_refused(tmp_path, content, match):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=match):
        load(path)


def test_a_truncated_recognizer_is_refused(tmp_path):
    path = save_tiny(tmp_path / "model.onnx")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ModelError, match="not a readable ONNX model"):
        load(path)


def test_a_model_without_a_card_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(tiny_network(tiny_card().features), path)
    with pytest.raises(ModelError, match="an ONNX model, but not a recognizer"):
        load(path)


@pytest.mark.parametrize(
    ("card", "match"),
    [
        ("{", "the metadata of the recognizer is damaged"),
        ("[]", "recognizer format None is not one that this Earmark reads"),
        (
            changed_card(format_version=3),
            "recognizer format 3 is newer.*up to 2; upgrade with: pip",
        ),
        (changed_card(format_version="x"), "recognizer format 'x' is not one"),
        (changed_card(labels=["A4"]), "labels: .*made by another Earmark or is damaged"),
        (changed_card(labels=["a", "b"]), "the graph does not fit its card"),
        (changed_card(features={"kind": "telepathy"}), "no feature kind called 'telepathy'"),
        (changed_card(temperature=0), "temperature"),
        (changed_card(colour="red"), "unknown key 'colour'"),
        (changed_card(window=None), "needs a window"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path, card, match):
    path = with_metadata(save_tiny(tmp_path / "model.onnx"), earmark=card)
    with pytest.raises(ModelError, match=match):
        load(path)


@pytest.mark.parametrize("kind", ["log-mel", "ink-raster"])
def test_files_of_formats_1_and_2_are_the_same_recognizer(tmp_path, kind):
    card = tiny_card(kind, rejection=REJECTION)
    new = save_guarded(tmp_path / "new.onnx", card, slope=0.01)
    old = as_format_1(new, tmp_path / "old.onnx")
    first, second = load(old), load(new)
    assert (first.card.format_version, second.card.format_version) == (1, 2)
    assert first.card.model_copy(update={"format_version": 2}) == second.card == card
    if kind == "log-mel":
        outputs, feed = ["logits", "familiarity", "features_out"], {"samples": tone()[None]}
        names = [[item.name for item in onnx.load(path).graph.output] for path in (old, new)]
        assert names[0][2:] == ["picture", "familiarity"]
        assert names[1][2:] == ["features_out", "familiarity"]
    else:
        outputs, feed = ["logits", "familiarity"], {"features": np.ones((1, *card.features.shape), np.float32)}
    for one, two in zip(first.network.run(outputs, **feed), second.network.run(outputs, **feed), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_file_of_format_1_is_written_in_format_2(tmp_path):
    card = tiny_card(rejection=REJECTION)
    new = save_guarded(tmp_path / "new.onnx", card, slope=0.01)
    old = as_format_1(new, tmp_path / "old.onnx")
    model = onnx.load(old)
    before = load(old)
    set_card(model, before.card)
    onnx.save(model, tmp_path / "again.onnx")
    again = load(tmp_path / "again.onnx")
    assert again.card == card
    assert json.loads(model.metadata_props[0].value)["rejection"]["ood_kinds"] == ["speech"]
    outputs = ["logits", "features_out", "familiarity"]
    for one, two in zip(*(r.network.run(outputs, samples=tone()[None]) for r in (before, again)), strict=True):
        np.testing.assert_array_equal(one, two)
    replaced = add_detector(onnx.load(old), tiny_detector(slope=0.01, offset=0), before.card)
    assert [item.name for item in replaced.graph.output] == ["logits", "embedding", "features_out", "familiarity"]


@pytest.mark.parametrize("name", zoo())
def test_the_built_in_files_are_read(name):
    recognizer = load(name)
    assert recognizer.card.format_version in (1, 2)
    rejection = recognizer.card.rejection
    assert (rejection is None) == (name == "tags")
    if rejection is not None:
        assert rejection.ood_kinds
        assert all(0 <= score.rejected <= 1 for score in rejection.ood_scores)
    if recognizer.card.features.domain == "sound":
        n_samples = round(recognizer.card.window.length_s * recognizer.card.features.sample_rate_hz)
        samples = np.zeros((1, n_samples), np.float32)
        (features,) = recognizer.network.run(["features_out"], samples=samples)
        assert features.shape[:3] == (1, 1, recognizer.card.features.n_bins)


def test_a_sound_card_on_an_ink_graph_is_refused(tmp_path):
    path = save_tiny(tmp_path / "model.onnx", tiny_card("ink-raster"))
    with pytest.raises(ModelError, match="the graph does not fit its card"):
        load(with_metadata(path, earmark=changed_card()))


def test_the_package_offers_its_names():
    assert earmark.load is load
    assert set(earmark.__all__) <= set(dir(earmark))
    assert earmark.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="has no attribute 'listen'; it has: EarmarkClassifier, EarmarkError"):
        _ = earmark.listen

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from earmark.errors import ModelError
from earmark.features import FEATURES, SoundFeatures
from earmark.recognizer import Card, assemble
from tiny import WINDOW, save_tiny, tiny_card, tiny_network, tiny_recognizer, tone

SOUND_KINDS = sorted(kind for kind, features in FEATURES.items() if issubclass(features, SoundFeatures))


@pytest.fixture(scope="module", params=SOUND_KINDS)
def recognizer(request, tmp_path_factory):
    return tiny_recognizer(tmp_path_factory.mktemp(request.param), tiny_card(request.param))


def windows_of(recognizer, n_samples: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(scale=0.1, size=(3, n_samples))
    return (noise + tone(seconds=n_samples / 22050 + 1)[:n_samples]).astype(np.float32)


def test_samples_and_their_picture_give_the_same_logits(recognizer):
    samples = windows_of(recognizer, 20_000)
    logits, picture = recognizer.network.run(["logits", "features_out"], samples=samples)
    assert picture.shape == (3, 1, recognizer.card.features.n_bins, recognizer.card.features.n_frames(20_000))
    np.testing.assert_array_equal(recognizer.network.logits(picture), logits)


def test_the_front_end_inside_equals_the_one_used_for_training(recognizer):
    samples = windows_of(recognizer, 20_000)
    outside = np.stack([recognizer.card.features(window) for window in samples])
    np.testing.assert_allclose(
        recognizer.network.logits(outside), recognizer.network.logits(samples=samples), atol=2e-3
    )


def test_batch_and_length_are_free(recognizer):
    samples = windows_of(recognizer, 12_345)
    together = recognizer.network.logits(samples=samples)
    apart = np.concatenate([recognizer.network.logits(samples=window[None]) for window in samples])
    np.testing.assert_allclose(apart, together, rtol=1e-4, atol=1e-4)
    assert recognizer.network.run(["embedding"], samples=samples[:, :8000])[0].shape == (
        3,
        recognizer.card.features.n_bins,
    )


def test_a_stranger_feeds_samples_alone(tmp_path):
    path = save_tiny(tmp_path / "tiny.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    assert [item.name for item in session.get_inputs()] == ["samples"]
    assert [item.name for item in session.get_outputs()] == ["logits", "embedding", "features_out"]
    assert session.run(["logits"], {"samples": tone()[None]})[0].shape == (1, 3)


def test_the_same_arguments_give_the_same_bytes():
    card = tiny_card()
    network = tiny_network(card.features)
    before = network.SerializeToString(deterministic=True)
    first, second = (assemble(network, card).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert network.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("opset", [18, 20])
def test_opsets_are_brought_together_and_the_producer_is_kept(opset):
    card = tiny_card()
    model = assemble(tiny_network(card.features, opset=opset), card)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert (model.producer_name, model.producer_version) == ("tiny", "1")


def test_the_card_travels_in_the_file(tmp_path):
    card = tiny_card(
        "constant-q", temperature=1.5, limits=("only a test",), recipe={"name": "x", "training": {"epochs": 3}}
    )
    assert tiny_recognizer(tmp_path, card).card == card


def test_traces_of_the_exporting_machine_are_dropped():
    card = tiny_card()
    network = tiny_network(card.features)
    network.graph.node[0].doc_string = "/home/somebody/model.py"
    helper.set_model_props(network, {"where": "/home/somebody"})
    network.graph.node[1].metadata_props.add(key="stack_trace", value="/home/somebody/model.py")
    assert b"somebody" not in assemble(network, card).SerializeToString()


def test_local_functions_are_inlined(tmp_path):
    card = tiny_card()
    network = tiny_network(card.features)
    halve = helper.make_function(
        "mine",
        "Halve",
        ["x"],
        ["y"],
        [
            helper.make_node("Constant", [], ["half"], value_float=0.5),
            helper.make_node("Mul", ["x", "half"], ["y"]),
        ],
        [helper.make_opsetid("", 18)],
    )
    network.functions.append(halve)
    network.opset_import.append(helper.make_opsetid("mine", 1))
    network.graph.node[1].output[0] = "whole"
    network.graph.node.append(helper.make_node("Halve", ["whole"], ["logits"], domain="mine"))
    (tmp_path / "halved").mkdir()
    path = tmp_path / "halved" / "model.onnx"
    onnx.save(assemble(network, card), path)
    from earmark.recognizer import Recognizer

    samples = tone()[None]
    whole = tiny_recognizer(tmp_path, card).network.logits(samples=samples)
    np.testing.assert_allclose(Recognizer.load(path).network.logits(samples=samples), whole / 2, rtol=1e-5)


def test_a_network_that_does_not_fit_is_refused():
    card = tiny_card()
    with pytest.raises(ModelError, match="gives 2 logits and the card names 3 labels"):
        assemble(tiny_network(card.features, n_labels=2), card)

    renamed = tiny_network(card.features)
    renamed.graph.output[1].name = "body"
    renamed.graph.node[0].output[0] = renamed.graph.node[1].input[0] = "body"
    with pytest.raises(ModelError, match="needs the input 'features' and the outputs 'logits' and 'embedding'"):
        assemble(renamed, card)

    fixed = tiny_network(card.features)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(ModelError, match="dynamic batch axis"):
        assemble(fixed, card)

    with pytest.raises(ModelError, match="exported for ONNX opset 21"):
        assemble(tiny_network(card.features, opset=21), card)


def test_a_network_of_fixed_length_keeps_its_length(tmp_path):
    card = tiny_card()
    network = tiny_network(card.features)
    n_frames = card.features.n_frames(22050)
    network.graph.input[0].type.tensor_type.shape.dim[3].dim_value = n_frames
    path = tmp_path / "fixed.onnx"
    onnx.save(assemble(network, card), path)
    from earmark.recognizer import Recognizer

    recognizer = Recognizer.load(path)
    logits, picture = recognizer.network.run(["logits", "features_out"], samples=tone()[None])
    assert picture.shape[-1] == n_frames
    np.testing.assert_array_equal(recognizer.network.logits(picture), logits)


def test_ink_recognizers_have_one_input(tmp_path):
    recognizer = tiny_recognizer(tmp_path, tiny_card("ink-raster"))
    raster = np.random.default_rng(0).random((4, *recognizer.card.features.shape), dtype=np.float32)
    logits, embedding = recognizer.network.run(["logits", "embedding"], features=raster)
    assert logits.shape == (4, 3)
    np.testing.assert_allclose(embedding, raster.mean(axis=(1, 3)), rtol=1e-5)


def test_cards_round_trip_as_json():
    card = tiny_card(window=WINDOW)
    assert Card.model_validate_json(card.model_dump_json()) == card

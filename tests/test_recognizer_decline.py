"""A recognizer with a gate declines what is unlike anything learned, and nothing else about it changes."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import onnx
import pytest
import soundfile

from earmark.data import Example, Manifest
from earmark.errors import ModelError
from earmark.evaluation.evaluate import evaluate
from earmark.features import Window
from earmark.live import ListenConfig, Listener
from earmark.recognizer import Recognizer, Rejection, add_detector, as_dict, assemble
from earmark.recognizer.network import pitch_salience
from earmark.types import Picture, Sound
from tiny import LABELS, save_guarded, save_tiny, tiny_card, tiny_detector, tiny_network, tone

RATE_HZ = 22050
# The mean level of a tone is below -70 dB, that of noise above -30 dB.
HEARS_TONES = {"slope": -0.5, "offset": -25.0}
GATED = Rejection(min_familiarity=0.5)


def noise(seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.2, round(seconds * RATE_HZ)).astype(np.float32)


def guarded(folder, rejection=GATED, **changes):
    card = tiny_card(temperature=40.0, rejection=rejection, **changes)
    return Recognizer.load(save_guarded(folder / "guarded.onnx", card, **HEARS_TONES))


@pytest.fixture(scope="module")
def ears(tmp_path_factory):
    return guarded(tmp_path_factory.mktemp("guarded"))


@pytest.fixture(scope="module")
def careless(tmp_path_factory):
    return Recognizer.load(save_tiny(tmp_path_factory.mktemp("bare") / "bare.onnx", tiny_card(temperature=40.0)))


@pytest.mark.parametrize("kind", ["log-mel", "constant-q", "ink-raster"])
def test_a_gate_changes_nothing_else(tmp_path, kind):
    card = tiny_card(kind)
    bare = Recognizer.load(save_tiny(tmp_path / "bare.onnx", card))
    gated_card = card.model_copy(update={"rejection": GATED})
    gated = Recognizer.load(save_guarded(tmp_path / "gated.onnx", gated_card, slope=0.01))
    if kind == "ink-raster":
        outputs, feed = (
            ["logits", "embedding"],
            {"features": np.random.default_rng(0).random((3, *card.features.shape))},
        )
        feed = {name: values.astype(np.float32) for name, values in feed.items()}
    else:
        outputs, feed = ["logits", "embedding", "features_out"], {"samples": np.stack([noise(), tone()])}
    for before, after in zip(bare.network.run(outputs, **feed), gated.network.run(outputs, **feed), strict=True):
        np.testing.assert_array_equal(after, before)
    (familiarity,) = gated.network.run(["familiarity"], **feed)
    assert familiarity.shape == (len(next(iter(feed.values()))),)


def test_a_gate_is_replaced_and_arguments_stay_as_they_are():
    card = tiny_card(rejection=GATED)
    model = assemble(tiny_network(card.features), card)
    first = add_detector(model, tiny_detector(slope=1, offset=0), card)
    before = first.SerializeToString(deterministic=True)
    again = add_detector(first, tiny_detector(slope=1, offset=0), card)
    other = add_detector(first, tiny_detector(slope=2, offset=0), card)
    assert again.SerializeToString(deterministic=True) == before == first.SerializeToString(deterministic=True)
    assert other.SerializeToString(deterministic=True) != before
    assert [item.name for item in other.graph.output] == ["logits", "embedding", "features_out", "familiarity"]


def test_what_is_no_gate_is_refused():
    card = tiny_card(rejection=GATED)
    network = tiny_network(card.features)
    with pytest.raises(ModelError, match=r"the detector has inputs \['features'\] and outputs .* needs the inputs"):
        add_detector(assemble(network, card), network, card)


def test_a_card_that_promises_a_gate_needs_one(tmp_path):
    with pytest.raises(ModelError, match="the graph does not fit its card"):
        Recognizer.load(save_tiny(tmp_path / "bare.onnx", tiny_card(rejection=GATED)))


def test_what_was_learned_is_answered_as_before(ears, careless):
    prediction = ears.predict(tone(), sample_rate_hz=RATE_HZ)
    expected = careless.predict(tone(), sample_rate_hz=RATE_HZ)
    assert (prediction.label, prediction.reason) == (expected.label, None)
    assert prediction.familiarity > 0.99
    for answer, plain in zip(prediction.top, expected.top, strict=True):
        assert answer.label == plain.label
        assert answer.confidence == pytest.approx(prediction.familiarity * plain.confidence)
    assert (expected.familiarity, "familiarity" in as_dict(expected)) == (None, False)


def test_what_is_unlike_anything_learned_is_declined(ears, careless):
    prediction = ears.predict(noise(), sample_rate_hz=RATE_HZ, timeline=True)
    assert prediction.label == "unknown"
    assert prediction.reason.startswith("unlike anything learned: its familiarity is 0.0 %, and 50.0 % is needed")
    assert prediction.confidence == prediction.top[0].confidence < 0.01
    assert prediction.top[0].label == careless.predict(noise(), sample_rate_hz=RATE_HZ).label
    assert [answer.label for _, _, answer in prediction.timeline] == ["unknown"]
    values = as_dict(prediction)
    assert (values["label"], values["reason"]) == ("unknown", prediction.reason)
    assert values["familiarity"] == pytest.approx(prediction.familiarity, abs=1e-6)
    assert "midi" not in values


def test_an_answer_can_be_forced(ears):
    declined = ears.predict(noise(), sample_rate_hz=RATE_HZ)
    forced = ears.predict(noise(), sample_rate_hz=RATE_HZ, force=True, timeline=True)
    assert (forced.label, forced.confidence) == (declined.top[0].label, declined.confidence)
    assert forced.reason == declined.reason
    assert forced.timeline[0][2].label == forced.label
    silence = ears.predict(np.zeros(RATE_HZ), sample_rate_hz=RATE_HZ, force=True)
    assert (silence.label, silence.top, silence.familiarity) == ("unknown", (), None)


def test_windows_unlike_anything_learned_count_less(tmp_path, careless):
    window = Window(length_s=1.0, hop_s=1.0, min_s=0.25)
    ears = guarded(tmp_path, window=window)
    mixed = np.concatenate([tone(), noise(), noise()])
    scored = ears.score(Sound(mixed, RATE_HZ))
    alone = careless.score(Sound(tone(), RATE_HZ))
    np.testing.assert_allclose(scored.mean(), alone.mean(), atol=1e-3)
    assert scored.mean_familiarity() == pytest.approx(1 / 3, abs=0.01)
    answers = ears.predict(mixed, sample_rate_hz=RATE_HZ, timeline=True).timeline
    assert [answer.label == "unknown" for _, _, answer in answers] == [False, True, True]
    # Without anything familiar, all windows vote again.
    foreign = ears.score(Sound(np.concatenate([noise(), noise()]), RATE_HZ))
    assert foreign.mean().sum() == pytest.approx(1, abs=1e-5)


def test_the_uncertain_is_declined(tmp_path):
    ears = guarded(tmp_path, Rejection(min_familiarity=0.5, min_confidence=0.999))
    prediction = ears.predict(tone(), sample_rate_hz=RATE_HZ)
    best = prediction.top[0]
    assert prediction.label == "unknown"
    assert prediction.reason == (
        f"too uncertain: the best guess, {best.label}, has a probability of"
        f" {100 * best.confidence / prediction.familiarity:.1f} % among the labels, and 99.9 % is needed"
    )


def test_thresholds_need_no_gate(tmp_path):
    card = tiny_card(temperature=40.0, rejection=Rejection(min_confidence=0.999))
    prediction = Recognizer.load(save_tiny(tmp_path / "bare.onnx", card)).predict(tone(), sample_rate_hz=RATE_HZ)
    assert prediction.reason.startswith("too uncertain: ")
    assert prediction.familiarity is None


def test_what_has_no_pitch_is_declined(tmp_path):
    card = tiny_card("constant-q", rejection=Rejection(min_pitch_salience=20.0))
    ears = Recognizer.load(save_tiny(tmp_path / "bare.onnx", card))
    assert ears.predict(tone(), sample_rate_hz=RATE_HZ).reason is None
    reason = ears.predict(noise(), sample_rate_hz=RATE_HZ).reason
    assert reason.startswith("no pitch: partials stand out by ")
    assert reason.endswith(" dB, and 20.0 dB is needed")


def test_tones_stand_out_and_noise_does_not():
    features = tiny_card("constant-q").features
    of_tone, of_noise = pitch_salience(np.stack([features(tone()), features(noise())]))
    assert of_tone > 30
    assert of_noise < 12


def test_evaluation_says_how_much_is_answered(tmp_path, ears):
    soundfile.write(tmp_path / "tone.wav", tone(), RATE_HZ)
    soundfile.write(tmp_path / "noise.wav", noise(), RATE_HZ)
    examples = tuple(Example(f"{name}.wav", LABELS[0], name) for name in ("tone", "noise"))
    outcome, scores = evaluate(ears, Manifest(examples, "sound", tmp_path, "two sounds"))
    assert outcome.answered.tolist() == [True, False]
    assert (scores.n, scores.selective.n, scores.selective.answered) == (2, 1, 0.5)
    assert scores.selective.precision == float(outcome.correct[0])
    assert scores.accuracy == outcome.correct.mean()


def test_a_stream_is_declined_alike(ears):
    config = ListenConfig(hop_s=0.5, smoothing_s=0.0, early=False)
    (update,) = Listener(ears, RATE_HZ, config=config).feed(noise())
    offline = ears.predict(noise(), sample_rate_hz=RATE_HZ)
    assert (update.answer.label, update.reason) == ("unknown", offline.reason)
    assert update.as_dict()["reason"] == offline.reason
    assert math.isclose(update.probabilities.max(), offline.confidence, rel_tol=1e-4)
    forced = ListenConfig(hop_s=0.5, smoothing_s=0.0, early=False, force=True)
    (update,) = Listener(ears, RATE_HZ, config=forced).feed(noise())
    assert update.answer.label == offline.top[0].label
    (update,) = Listener(ears, RATE_HZ, config=config).feed(tone())
    assert update.reason is None


def test_pictures_are_declined_alike(ears):
    picture = Picture(ears.card.features(noise())[0])
    assert ears.predict(picture).reason.startswith("unlike anything learned: ")


@pytest.fixture
def files(tmp_path, ears):
    soundfile.write(tmp_path / "noise.wav", noise(), RATE_HZ)
    return save_guarded(tmp_path / "guarded.onnx", ears.card, **HEARS_TONES), tmp_path / "noise.wav"


def test_predict_shows_why_and_is_not_a_failure(run, files):
    code, out, err = run("predict", *files)
    assert (code, err) == (0, "")
    assert "unknown (unlike anything learned: its familiarity is 0.0 %" in out
    code, out, _ = run("predict", *files, "--force", "--format", "json")
    (values,) = json.loads(out)
    assert code == 0
    assert values["label"] in LABELS
    assert values["reason"].startswith("unlike anything learned: ")


def test_csv_keeps_the_guesses_of_what_is_declined(run, files):
    _, out, _ = run("predict", *files, "--format", "csv", "--top", "3")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (row["label"], row["midi"]) == ("unknown", "")
    assert row["label_2"] in LABELS
    assert float(row["familiarity"]) < 0.01
    assert row["reason"].startswith("unlike anything learned: ")


def test_info_says_what_is_declined(run, files):
    code, out, _ = run("info", files[0])
    assert code == 0
    assert "in-distribution probability (familiarity) below 50.0 %" in out
    assert json.loads(run("info", files[0], "--json")[1])["rejection"]["min_familiarity"] == 0.5


def test_the_service_declines_alike_and_can_be_forced(files):
    from fastapi.testclient import TestClient

    from earmark.serve import make_app

    model, sound = files
    with TestClient(make_app({"ears": model}), base_url="http://127.0.0.1") as client:
        declined, forced = (
            client.post(f"/v1/predict/ears?{query}", content=sound.read_bytes()).json()
            for query in ("top=2", "top=2&force=true")
        )
    assert (declined["label"], declined["familiarity"] < 0.01) == ("unknown", True)
    assert forced["label"] == declined["top"][0]["label"]
    assert forced["reason"] == declined["reason"]


@pytest.mark.parametrize("force", [False, True])
def test_a_stream_declines_alike_and_can_be_forced(files, force):
    from fastapi.testclient import TestClient

    from earmark.serve import make_app

    model, _ = files
    hello = {"model": "ears", "sample_rate_hz": RATE_HZ, "force": force}
    with (
        TestClient(make_app({"ears": model}), base_url="http://127.0.0.1") as client,
        client.websocket_connect("ws://127.0.0.1/v1/listen") as stream,
    ):
        stream.send_json(hello)
        stream.receive_json()
        stream.send_bytes(noise().tobytes())
        update = stream.receive_json()
    assert update["reason"].startswith("unlike anything learned: ")
    assert (update["label"] in LABELS) == force


def test_the_gate_travels_in_plain_onnx(files):
    model = onnx.load(files[0])
    assert [entry.key for entry in model.metadata_props] == ["earmark"]

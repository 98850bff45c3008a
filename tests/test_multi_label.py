"""Recognizers that give any number of labels: answers, formats, streams, the card, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.data import Example, Manifest, Split, apply_split, read_manifest
from earmark.errors import ConfigError, DataError, ModelError
from earmark.explanation.explain import explain
from earmark.live import ListenConfig, Listener
from earmark.live.smoother import LabelSmoother
from earmark.recognizer import Card, Recognizer, Rejection, WindowScores, as_dict
from earmark.recognizer.card import UNCHOSEN_THRESHOLD
from earmark.recognizer.file import parse_card
from earmark.recognizer.prediction import to_prediction
from earmark.recognizer.segments import label_segments
from earmark.training import Recipe, load_recipe
from tiny import save_tiny, tiny_card, tiny_recognizer, tone

RATE_HZ = 22050
LABELS = ("guitar", "rock", "sad")


def tag_card(**changes):
    values = {"task": "tag", "target": "multi-label", "labels": LABELS, "thresholds": (0.5, 0.4, 0.6)}
    return tiny_card(**{**values, **changes})


def scores_of(rows, *, weights=None, familiarity=None):
    """Return the scores of windows of a second, half a second apart."""
    probabilities = np.float32(rows)
    n = len(probabilities)
    starts_s = 0.5 * np.arange(n)
    return WindowScores(
        starts_s,
        starts_s + 1,
        probabilities,
        np.ones(n, np.float32) if weights is None else np.float32(weights),
        np.ones(n, np.float32) if familiarity is None else np.float32(familiarity),
        np.full(n, np.inf, np.float32),
    )


class TestAnswers:
    def test_every_label_above_its_own_threshold_is_given(self):
        prediction = to_prediction(tag_card(), scores_of([[0.45, 0.42, 0.9], [0.5, 0.42, 0.7]]), "a.wav", top=2)
        assert [(a.label, round(a.confidence, 3)) for a in prediction.labels] == [("sad", 0.8), ("rock", 0.42)]
        assert [answer.label for answer in prediction.top] == ["sad", "guitar"]
        assert (prediction.label, prediction.reason) == ("sad", None)

    def test_the_best_label_may_be_below_its_threshold(self):
        prediction = to_prediction(tag_card(), scores_of([[0.1, 0.45, 0.55]]), "a.wav")
        assert prediction.top[0].label == "sad"
        assert (prediction.label, prediction.confidence) == ("rock", pytest.approx(0.45))

    def test_none_is_no_tag_and_not_unknown(self):
        prediction = to_prediction(tag_card(), scores_of([[0.1, 0.2, 0.3]]), "a.wav", timeline=True)
        assert (prediction.label, prediction.labels, prediction.reason) == ("no tag", (), None)
        assert [answer.label for *_, answer in prediction.timeline] == ["no tag"]
        assert prediction.segments == ()

    def test_silence_is_unknown(self):
        prediction = to_prediction(tag_card(), scores_of([[0, 0, 0]], weights=[0]), "a.wav", timeline=True)
        assert (prediction.label, prediction.labels, prediction.top) == ("unknown", (), ())
        assert prediction.reason.startswith("silence")
        assert [answer.label for *_, answer in prediction.timeline] == ["unknown"]

    @pytest.mark.parametrize(("force", "label", "given"), [(False, "unknown", []), (True, "sad", ["sad"])])
    def test_what_is_unfamiliar_has_no_labels_unless_forced(self, force, label, given):
        card = tag_card(rejection=Rejection(min_familiarity=0.5))
        scores = scores_of([[0.1, 0.2, 0.9]], familiarity=[0.2])
        prediction = to_prediction(card, scores, "a.wav", force=force, timeline=True)
        assert prediction.label == label
        assert [answer.label for answer in prediction.labels] == given
        assert [answer.label for *_, answer in prediction.segments] == given
        assert prediction.top[0].confidence == pytest.approx(0.18)

    def test_a_window_has_a_span_for_each_of_its_labels(self):
        scores = scores_of([[0.9, 0.1, 0.1], [0.9, 0.9, 0.1], [0.1, 0.1, 0.1]])
        prediction = to_prediction(tag_card(), scores, "a.wav", timeline=True)
        spans = [(start_s, answer.label) for start_s, _, answer in prediction.timeline]
        assert spans == [(0, "guitar"), (0.5, "guitar"), (0.5, "rock"), (1, "no tag")]
        assert [(s, e, a.label) for s, e, a in prediction.segments] == [(0, 1.25, "guitar"), (0.75, 1.25, "rock")]

    def test_stretches_of_labels_overlap_and_end_at_gaps(self):
        given = np.array([[1, 0], [1, 1], [0, 1], [1, 1]], bool)
        stretches = [(s, e, label) for s, e, label, _ in label_segments(scores_of(np.zeros((4, 2))), given)]
        assert stretches == [(0, 1.25, 0), (0.75, 2.5, 1), (1.75, 2.5, 0)]

    def test_plain_values(self):
        values = as_dict(to_prediction(tag_card(), scores_of([[0.9, 0.8, 0.1]]), "a.wav", top=1))
        assert values["labels"] == [{"label": "guitar", "confidence": 0.9}, {"label": "rock", "confidence": 0.8}]
        assert values["top"] == [{"label": "guitar", "confidence": 0.9}]
        assert "labels" not in as_dict(to_prediction(tiny_card(), scores_of([[0.9, 0.05, 0.05]]), "a.wav"))

    def test_probabilities_are_sigmoids_of_tempered_logits(self, tmp_path):
        recognizer = tiny_recognizer(tmp_path, tag_card(temperature=2.0))
        sound = tone()
        logits = recognizer.network.logits(samples=sound[None])[0]
        scored = recognizer.score(sound, sample_rate_hz=RATE_HZ)
        np.testing.assert_allclose(scored.mean(), 1 / (1 + np.exp(-logits / 2)), rtol=1e-4)

    def test_an_explanation_asks_for_the_label_alone(self, tmp_path):
        recognizer = tiny_recognizer(tmp_path, tag_card())
        probability = recognizer.score(tone(), sample_rate_hz=RATE_HZ).mean()[1]
        found = explain(recognizer, tone(), sample_rate_hz=RATE_HZ, label="rock")
        assert found.confidence == pytest.approx(probability, rel=1e-4)


class TestCard:
    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"thresholds": (0.5,)}, r"a multi-label recognizer of 3 labels has 3 thresholds, not 1"),
            ({"target": "multi-class"}, r"a multi-class recognizer of 3 labels has 0 thresholds, not 3"),
            ({"thresholds": (0.5, 0.5, 1.5)}, r"thresholds"),
        ],
    )
    def test_thresholds_belong_to_labels(self, changes, match):
        values = json.loads(tag_card().model_dump_json()) | changes
        with pytest.raises(ModelError, match=match):
            parse_card(json.dumps(values), where="a.onnx")

    def test_older_cards_are_multi_class(self):
        values = json.loads(tiny_card().model_dump_json())
        del values["target"], values["thresholds"]
        assert not parse_card(json.dumps(values), where="a.onnx").is_multi_label

    def test_a_draft_waits_for_its_thresholds(self, tmp_path):
        recipe = load_recipe("sound-tags")
        manifest = tagged(tmp_path, {"a.wav": "rock;sad", "b.wav": "rock"}).with_target("multi-label")
        card = Card.draft(recipe.model_dump(mode="json"), manifest.with_splits(["train", "train"]))
        assert (card.labels, card.thresholds) == (("rock", "sad"), (UNCHOSEN_THRESHOLD,) * 2)


def tagged(folder: Path, labels: dict[str, str]) -> Manifest:
    for name in labels:
        soundfile.write(folder / name, tone(), RATE_HZ)
    with (folder / "tags.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label"), *labels.items()])
    return read_manifest(folder / "tags.csv")


class TestManifest:
    def test_semicolons_separate_labels(self, tmp_path):
        manifest = tagged(tmp_path, {"a.wav": "rock; sad", "b.wav": "guitar"}).with_target("multi-label")
        assert manifest.labels == LABELS
        assert [manifest.labels_of(example) for example in manifest] == [("rock", "sad"), ("guitar",)]

    @pytest.mark.parametrize(
        ("cell", "match"),
        [
            ("", r"b\.wav: has no label; give it one or remove it"),
            ("rock|sad", r"b\.wav: '\|' in the labels 'rock\|sad' separates nothing; write ';' between labels"),
            ("rock,sad", r"b\.wav: ',' in the labels 'rock,sad' separates nothing"),
            ("rock;;sad", r"b\.wav: the labels 'rock;;sad' hold an empty one; write each label once"),
            ("rock;rock", r"b\.wav: the labels 'rock;rock' hold one of them twice"),
        ],
    )
    def test_bad_cells(self, tmp_path, cell, match):
        with pytest.raises(DataError, match=match):
            tagged(tmp_path, {"a.wav": "rock;sad", "b.wav": cell}).with_target("multi-label")

    def test_several_labels_for_a_recipe_of_one(self, run, tmp_path):
        tagged(tmp_path, {f"{name}.wav": "rock;sad" for name in "abcdef"})
        code, _, err = run("train", "sound", "--data", tmp_path / "tags.csv", "-o", tmp_path / "run")
        assert code == 1
        assert "a.wav: has the labels 'rock;sad', and one is wanted here; use a multi-label recipe" in err
        assert err.count("earmark: ") == 1

    def test_every_label_is_spread_over_the_parts(self):
        rng = np.random.default_rng(0)
        names = [f"tag {n}" for n in range(6)]
        examples = tuple(
            Example(f"{n}.wav", ";".join(rng.choice(names, rng.integers(1, 4), replace=False)), f"artist {n // 3}")
            for n in range(300)
        )
        whole = Manifest(examples, "sound", Path(), "made up", target="multi-label")
        divided = apply_split(whole, Split(fractions=(0.6, 0.2, 0.2)))
        for name in names:
            held = [
                sum(name in divided.labels_of(e) for e in divided.part(part)) for part in ("train", "valid", "test")
            ]
            assert np.array(held) / sum(held) == pytest.approx([0.6, 0.2, 0.2], abs=0.06)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"training": {"class_weights": "balanced"}}, r"needs training\.class_weights = 'none'"),
        ({"training": {"label_smoothing": 0.1}}, r"needs training\.label_smoothing = 0"),
        ({"model": {"head": "logistic"}}, r"needs model\.head = 'linear'"),
        ({"model": {"head": "ridge"}}, r"needs model\.head = 'linear'"),
        ({"rejection": {}}, r"needs no \[rejection\], since none of the labels is an answer too"),
    ],
)
def test_recipes_that_cannot_learn_several_labels(changes, match):
    base = load_recipe("sound-tags").model_dump()
    base = {**base, **{key: {**(base[key] or {}), **value} for key, value in changes.items()}}
    with pytest.raises(ConfigError, match=match):
        Recipe.parse(base, where="test")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A recognizer that gives two of its labels to a tone, and not the third."""
    folder = tmp_path_factory.mktemp("tags")
    mild = tag_card(temperature=40.0)
    probabilities = tiny_recognizer(folder, mild).score(tone(), sample_rate_hz=RATE_HZ).mean()
    thresholds = tuple((probabilities + np.float32([-0.1, -0.1, 0.05])).tolist())
    return save_tiny(folder / "tagger.onnx", mild.model_copy(update={"thresholds": thresholds}))


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(seconds=2.0), RATE_HZ, subtype="FLOAT")
    return tmp_path / "a.wav"


class TestCommandLine:
    def test_table(self, run, model, wav):
        code, out, _ = run("predict", model, wav)
        assert code == 0
        given, rest = out.strip().split("   ")
        assert {"guitar", "rock"} == {part.rsplit(" ", 2)[0].split()[-1] for part in given.split(", ")}
        assert rest.startswith("sad ")

    def test_csv_has_all_labels_in_one_cell(self, run, model, wav):
        _, out, _ = run("predict", model, wav, "--format", "csv", "--top", "2")
        (row,) = csv.DictReader(io.StringIO(out))
        assert set(row["labels"].split(";")) == {"guitar", "rock"}
        assert row["label"] == row["labels"].split(";")[0]
        assert {"label_1", "confidence_1", "label_2", "confidence_2"} <= set(row)

    def test_csv_of_a_timeline_has_a_row_for_each_label_of_a_window(self, run, model, wav):
        _, out, _ = run("predict", model, wav, "--format", "csv", "--timeline")
        rows = list(csv.DictReader(io.StringIO(out)))
        assert len(rows) == 6
        assert {row["label"] for row in rows if row["start_s"] == "0.5"} == {"guitar", "rock"}

    @pytest.mark.parametrize("form", ["json", "jsonl"])
    def test_json(self, run, model, wav, form):
        _, out, _ = run("predict", model, wav, "--format", form)
        values = json.loads(out)
        values = values[0] if form == "json" else values
        assert {answer["label"] for answer in values["labels"]} == {"guitar", "rock"}

    def test_a_taggram(self, run, model, wav, tmp_path):
        code, out, _ = run("predict", model, wav, "--timeline", "-o", tmp_path / "t.png")
        assert code == 0
        assert out.count(" – ") == 2
        assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")

    def test_info(self, run, model):
        _, out, _ = run("info", model)
        assert "multi-label: any number of the labels, or 'no tag'" in out
        assert "thresholds" in out

    def test_listen(self, run, model, wav):
        _, out, _ = run("listen", "--model", model, "--input", wav, "--fast")
        assert "guitar" in out.splitlines()[-1]
        assert "rock" in out.splitlines()[-1]
        _, out, _ = run("listen", "--model", model, "--input", wav, "--fast", "--json")
        assert {answer["label"] for answer in json.loads(out.splitlines()[-1])["labels"]} == {"guitar", "rock"}


class TestStream:
    def test_probabilities_are_those_of_predict(self, model):
        recognizer = Recognizer.load(model)
        hop_s = recognizer.card.window.hop_s
        listener = Listener(recognizer, RATE_HZ, config=ListenConfig(hop_s=hop_s, early=False, smoothing_s=0))
        updates = [*listener.feed(tone(seconds=2.0)), *listener.finish()]
        offline = recognizer.score(tone(seconds=2.0), sample_rate_hz=RATE_HZ)
        np.testing.assert_allclose([update.probabilities for update in updates], offline.probabilities, atol=1e-5)
        assert {answer.label for answer in updates[-1].labels} == {"guitar", "rock"}
        assert updates[-1].answer == updates[-1].labels[0]

    def test_silence_has_no_labels(self, model):
        (update, *_) = Listener(Recognizer.load(model), RATE_HZ).feed(np.zeros(RATE_HZ, np.float32))
        assert (update.answer.label, update.labels) == ("silence", ())

    def test_a_label_stays_until_it_is_clearly_below(self):
        smoother = LabelSmoother(keep=0.0, margin=0.2, thresholds=(0.5, 0.5))
        on = [smoother.update(np.float32([p, 0.9]))[0].tolist() for p in (0.45, 0.55, 0.45, 0.39, 0.45)]
        assert on == [[False, True], [True, True], [True, True], [False, True], [False, True]]
        smoother.reset()
        assert smoother.update(np.float32([0.45, 0.45]))[0].tolist() == [False, False]


def test_the_service_gives_labels(model, wav):
    from fastapi.testclient import TestClient

    from earmark.serve import Limits, make_app

    with TestClient(make_app({"tagger": model}, limits=Limits()), base_url="http://127.0.0.1") as client:
        files = {"file": ("a.wav", wav.read_bytes())}
        values = client.post("/v1/predict/tagger?timeline=true", files=files).json()
        assert {answer["label"] for answer in values["labels"]} == {"guitar", "rock"}
        assert {span["label"] for span in values["segments"]} == {"guitar", "rock"}
        assert client.get("/v1/models").json()["models"]["tagger"]["target"] == "multi-label"
        examples = client.get("/v1/openapi.json").json()["paths"]["/v1/predict/{model}"]["post"]["responses"]["200"]
        assert "labels" in examples["content"]["application/json"]["examples"]["multi-label"]["value"]
        with client.websocket_connect("ws://127.0.0.1/v1/listen") as socket:
            socket.send_json({"model": "tagger", "sample_rate_hz": RATE_HZ})
            assert socket.receive_json()["ready"]
            socket.send_bytes(tone(seconds=1.0).astype("<f4").tobytes())
            assert {answer["label"] for answer in socket.receive_json()["labels"]} == {"guitar", "rock"}


def test_a_label_of_the_data_that_is_not_known(model, tmp_path, run):
    tagged(tmp_path, {"a.wav": "rock;saad", "b.wav": "sad"})
    code, _, err = run("evaluate", model, "--data", tmp_path / "tags.csv")
    assert code == 1
    assert "does not know 1 of the 3 labels of the data: 'saad' (did you mean 'sad'?)" in err


def test_a_split_of_one_label_each_is_as_before():
    examples = tuple(Example(f"{n}.wav", "ab"[n % 2], f"g{n}") for n in range(20))
    single = Manifest(examples, "sound", Path(), "made up")
    parts = [example.split for example in apply_split(single, Split())]
    several = [example.split for example in apply_split(replace(single, target="multi-label"), Split())]
    assert parts == several

"""Evaluating a recognizer gives what `predict` answers, beside the truth, and names what it could not read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from PIL import Image

from earmark.data import Example, Manifest
from earmark.errors import DataError, ModelError
from earmark.evaluation import write_report
from earmark.evaluation.evaluate import calibrate, evaluate, example_feature_maps
from earmark.features import InkRaster, Window
from tiny import LABELS, tiny_card, tiny_recognizer, tone

RATE_HZ = 22050


class Counting:
    """A session that counts its runs."""

    def __init__(self, session):
        self.session, self.n_runs = session, 0

    def run(self, *args):
        self.n_runs += 1
        return self.session.run(*args)


class Timid:
    """A session whose logits are as small as those of a trained network."""

    def __init__(self, session):
        self.session = session

    def run(self, *args):
        return [logits / 20 for logits in self.session.run(*args)]


@pytest.fixture
def listener(tmp_path):
    window = Window(length_s=1.0, hop_s=0.5, min_s=0.25, aggregate="energy")
    return tiny_recognizer(tmp_path, tiny_card(window=window, temperature=2.0))


@pytest.fixture
def reader(tmp_path):
    return tiny_recognizer(tmp_path, tiny_card("ink-raster", features=InkRaster(height=24, width=24), task="label"))


@pytest.fixture
def sounds(tmp_path):
    """Four sounds of 0.5 to 2 s that die away, of two pianos."""
    examples = []
    for index, hz in enumerate((110.0, 440.0, 1760.0, 3520.0)):
        seconds = 0.5 * (index + 1)
        samples = tone(seconds=seconds, hz=hz) * np.linspace(1, 0.01, round(seconds * RATE_HZ))
        soundfile.write(tmp_path / f"{index}.wav", samples, RATE_HZ, subtype="FLOAT")
        examples.append(Example(path=f"{index}.wav", label=LABELS[index % 3], group=f"piano{index % 2}", split="test"))
    return Manifest(examples=tuple(examples), domain="sound", root=tmp_path, name="tones")


@pytest.fixture
def drawings(tmp_path):
    random = np.random.default_rng(0)
    for index in range(10):
        points = ";".join(f"{x},{y}" for x, y in random.integers(0, 100, (6, 2)))
        (tmp_path / f"{index}.txt").write_text(f"{LABELS[index % 3]}\n{points};\n")
    examples = tuple(
        Example(path=f"{index}.txt", label=LABELS[index % 3], group=f"writer{index % 4}") for index in range(10)
    )
    return Manifest(examples=examples, domain="ink", root=tmp_path, name="scrawl")


def test_sounds_are_answered_as_by_predict(listener, sounds):
    seen = []
    outcome, scores = evaluate(listener, sounds, progress=lambda *step: seen.append(step[:3]))

    for row, example in enumerate(sounds.examples):
        prediction = listener.predict(sounds.root / example.path)
        assert LABELS[outcome.answers[row]] == prediction.label
        assert outcome.confidence[row] == pytest.approx(prediction.confidence, rel=1e-5)
    right = [listener.predict(sounds.root / each.path).label == each.label for each in sounds.examples]
    assert scores.accuracy == np.mean(right)
    assert (scores.n, scores.n_groups, scores.protocol) == (4, 2, "all examples of tones")
    # Windows of 1 s every 0.5 s: the sounds of 0.5, 1, 1.5 and 2 s have 1, 1, 2 and 3.
    assert scores.per_clip.n == 7
    assert scores.per_track is None
    assert ("evaluating", 4, 4) in seen
    assert outcome.logits_uncalibrated is not None


def test_logits_before_the_temperature_are_those_of_the_graph(listener, sounds):
    outcome, _ = evaluate(listener, replace(sounds, examples=sounds.examples[:2]))
    samples, _ = soundfile.read(sounds.root / "1.wav", dtype="float32")
    shares = np.exp(outcome.logits_uncalibrated[1].astype(np.float64))
    logits = np.exp(listener.network.logits(samples=samples[None])[0].astype(np.float64))
    np.testing.assert_allclose(shares / shares.sum(), logits / logits.sum(), rtol=1e-4)


def test_drawings_go_through_the_network_together(reader, drawings):
    counting = Counting(reader.network.session)
    reader.network.session = counting
    outcome, scores = evaluate(reader, drawings, batch_size=4)
    n_runs = counting.n_runs

    answers = [reader.predict(drawings.root / each.path) for each in drawings.examples]
    assert n_runs == 3
    assert [LABELS[index] for index in outcome.answers] == [answer.label for answer in answers]
    assert outcome.confidence == pytest.approx([answer.confidence for answer in answers], rel=1e-5)
    assert (scores.n_groups, scores.per_clip, scores.ece_uncalibrated) == (4, None, None)


def test_pictures_enter_behind_the_front_end(listener, tmp_path):
    pictures = np.random.default_rng(1).integers(0, 255, (5, 128, 100), dtype=np.uint8)
    np.savez(tmp_path / "mel.npz", X=pictures)
    examples = tuple(Example(path=f"mel.npz::{row}", label=LABELS[row % 3], group=f"g{row}") for row in range(5))
    manifest = Manifest(examples=examples, domain="picture", root=tmp_path, name="mel")
    outcome, scores = evaluate(listener, manifest)

    assert scores.n == 5
    assert example_feature_maps(listener, manifest, outcome)(2).shape == (128, 44)  # its first window


def test_bad_and_silent_files_are_listed_and_the_others_scored(listener, sounds):
    (sounds.root / "text.wav").write_text("this is no sound")
    soundfile.write(sounds.root / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    bad = tuple(Example(path=name, label="A4", group="x") for name in ("text.wav", "silent.wav", "missing.wav"))
    outcome, scores = evaluate(listener, replace(sounds, examples=(*bad, *sounds.examples)))

    assert (scores.n, scores.n_failed) == (4, 3)
    assert [failure.input for failure in scores.failures] == ["text.wav", "silent.wav", "missing.wav"]
    assert "silence" in scores.failures[1].reason
    assert outcome.inputs == ("0.wav", "1.wav", "2.wav", "3.wav")


def test_bad_drawings_are_listed(reader, drawings):
    (drawings.root / "3.txt").write_text("A4\n1,1;x,y;\n")
    _, scores = evaluate(reader, drawings)
    assert (scores.n, [failure.input for failure in scores.failures]) == (9, ["3.txt"])


def test_nothing_readable_is_an_error(listener, sounds):
    gone = replace(sounds, examples=(Example(path="gone.wav", label="A4", group="x"),))
    with pytest.raises(DataError, match=r"1 could not be read, the first because: .*gone\.wav"):
        evaluate(listener, gone)


def test_labels_the_recognizer_does_not_know(listener, sounds):
    strange = replace(sounds.examples[0], label="Sharp")
    near = replace(sounds.examples[1], label="AA4")
    with pytest.raises(
        ModelError, match=r"does not know 2 of the .* labels of the data: 'AA4' \(did you mean 'A4'\?\), 'Sharp'"
    ):
        evaluate(listener, replace(sounds, examples=(strange, near, *sounds.examples[2:])))


def test_flats_are_the_keys_that_they_are(listener, sounds):
    flat = replace(sounds.examples[0], label="Fb4")
    outcome, _ = evaluate(listener, replace(sounds, examples=(flat,)))
    assert LABELS[outcome.truth[0]] == "E4"


def test_data_of_another_kind_is_refused(listener, drawings):
    with pytest.raises(ModelError, match="takes sound and picture, but scrawl holds ink"):
        evaluate(listener, drawings)


def test_one_part_is_scored_and_named(listener, sounds):
    parts = sounds.with_splits(["train", "test", "test", None])
    outcome, scores = evaluate(listener, parts, split="test")
    assert (outcome.inputs, scores.protocol) == (("1.wav", "2.wav"), "test part of tones")
    _, worded = evaluate(listener, parts, split="test", protocol="published/fold, test part", seeds=(3,))
    assert (worded.protocol, worded.seeds) == ("published/fold, test part", (3,))
    with pytest.raises(DataError, match="no examples to score"):
        evaluate(listener, parts, split="valid")


def test_spans_of_one_file_are_pieces_of_one_recording(listener, sounds):
    whole = sounds.examples[3]
    spans = tuple(replace(whole, start_s=start_s, duration_s=0.5) for start_s in (0.0, 0.5, 1.0))
    outcome, scores = evaluate(listener, replace(sounds, examples=spans))
    assert outcome.inputs == ("3.wav @ 0 s", "3.wav @ 0.5 s", "3.wav @ 1 s")
    assert (scores.n, scores.per_track.n) == (3, 1)


def test_where_nobody_knows_the_groups_every_recording_is_one(listener, sounds):
    unknown = tuple(replace(example, group="") for example in sounds.examples)
    _, scores = evaluate(listener, replace(sounds, examples=unknown))
    assert scores.n_groups == 4
    assert "each its own group" in scores.sentence or scores.interval_basis == "wilson"


def test_names_and_paths_will_do(tmp_path, reader):
    for label in LABELS[:2]:
        (tmp_path / "set" / label).mkdir(parents=True)
        for row in range(2):
            pixels = np.full((20, 20), 255, np.uint8)
            pixels[5:15, 5 + row : 8] = 0
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{row}.png")
    _, scores = evaluate(str(tmp_path / "tiny.onnx"), tmp_path / "set")
    assert scores.n == 4


def test_a_report_shows_what_the_network_saw(listener, sounds, tmp_path):
    outcome, scores = evaluate(listener, sounds)
    pictures = example_feature_maps(listener, sounds, outcome)
    features = listener.card.features
    # The sound of 2 s: its first window of 1 s.
    assert pictures(3).shape == (features.n_bins, features.n_frames(RATE_HZ))
    path = tmp_path / "report.html"
    write_report(path, title="tiny", scores=scores, outcome=outcome, picture=pictures, card=listener.card)
    assert "Trained on" in path.read_text(encoding="utf-8")


def test_the_temperature_suits_the_pooled_answers(listener, sounds):
    listener.network.session = Timid(listener.network.session)
    # Right three times of four, so that neither certainty nor despair is best.
    labels = [listener.predict(sounds.root / example.path).label for example in sounds.examples]
    labels[0] = next(label for label in LABELS if label != labels[0])
    examples = [replace(each, label=label, split="valid") for each, label in zip(sounds.examples, labels, strict=True)]
    parts = replace(sounds, examples=tuple(examples))
    temperature, outcome = calibrate(listener, parts)
    assert outcome.n == len(parts)
    nll = {}
    # So few answers leave room for doubt, and the temperature is warmer than the likelihood alone would have it.
    for factor in (0.2, 1.0, 5.0):
        listener.card = listener.card.model_copy(update={"temperature": factor * temperature})
        nll[factor] = evaluate(listener, parts, split="valid")[1].nll
    assert min(nll, key=nll.get) == 1.0
    # The temperature that the card already has makes no difference.
    assert calibrate(listener, parts)[0] == pytest.approx(temperature, rel=1e-3)

"""One window, one array: what training, validation, a live stream and a prediction make of the same samples."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from earmark.config import parse_kind
from earmark.data import Manifest, read_manifest
from earmark.features import FEATURES, FeatureCache, Features, LogMel, SoundFeatures, Window, WindowFeatures
from earmark.live import ListenConfig, Listener
from earmark.live.streaming import CachedFrames, WholeWindow
from earmark.recognizer import Recognizer
from earmark.recognizer.network import WindowScores
from earmark.recognizer.windows import WindowBatch
from earmark.sound import read
from earmark.training import Recipe
from earmark.training.batches import training_batches, whole_batches
from earmark.training.crops import RecordingCrops, WindowCrops
from earmark.training.examples import FeatureSet, prepare
from earmark.training.loop import validate
from earmark.types import Picture, Sound
from tiny import tiny_card, tiny_recognizer

KINDS = sorted(kind for kind in FEATURES if issubclass(FEATURES[kind], SoundFeatures | WindowFeatures))
SHORT, LONG = Window(length_s=0.7, hop_s=0.3, min_s=0.25, aggregate="energy"), Window(length_s=4.1, hop_s=2.0, min_s=1)
# Frames taken from the whole recording differ from those of the window by the rounding of sums.
SAME_DB = {"rtol": 0, "atol": 1e-3}


def sound(seconds: float, rate_hz: int = 22_050) -> np.ndarray:
    """Return tones that decay, with some noise: the decibels of nothing are a matter of rounding."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tones = np.sin(2 * np.pi * 220 * (1 + time_s // 0.4) * time_s) * np.exp(-3 * (time_s % 0.4))
    return (0.3 * tones + 1e-2 * np.random.default_rng(0).standard_normal(len(time_s))).astype(np.float32)


@pytest.fixture(scope="module", params=[(1.75, SHORT), (0.4, SHORT), (7.3, LONG)], ids=["short", "shorter", "long"])
def case(request, tmp_path_factory) -> tuple[Manifest, Window]:
    """Return a data set of one recording, at another rate than that of the features, and windows."""
    seconds, window = request.param
    root = tmp_path_factory.mktemp("data")
    for label in "ab":
        (root / label).mkdir()
    soundfile.write(root / "a" / "a.wav", sound(seconds, 16_000), 16_000, "FLOAT")
    soundfile.write(root / "b" / "b.wav", np.zeros(8000, np.float32), 16_000, "FLOAT")
    return read_manifest(root), window


def prepared(manifest: Manifest, features: Features, window: Window, folder, *, augmented: bool) -> FeatureSet:
    settings = {"name": "test", "features": features.model_dump(), "window": window.model_dump()}
    recipe = Recipe.parse({**settings, "model": {"kind": "cnn", "widths": [4]}}, where="test")
    return prepare(manifest, recipe, labels=("a", "b"), cache=FeatureCache(folder), augmented=augmented)


def predicted(recognizer: Recognizer, item: object) -> WindowBatch:
    """Return what the network is given of an input by `predict`, computed by the recognizer where it can."""
    cuts = WindowBatch.joined(recognizer.cut(item))
    if cuts.enters == "features":
        return cuts
    (pictures,) = recognizer.network.run(["features_out"], samples=cuts.batch)
    return WindowBatch(cuts.starts_s, cuts.ends_s, cuts.weights, "features", pictures)


@pytest.fixture(scope="module", params=KINDS)
def features(request):
    return parse_kind(FEATURES, {"kind": request.param}, where="test")


def test_validation_windows_are_those_of_predictions(case, features, tmp_path):
    manifest, window = case
    recognizer = tiny_recognizer(tmp_path, tiny_card(features=features, window=window))
    expected = predicted(recognizer, manifest.root / "a" / "a.wav")
    examples = prepared(manifest, features, window, tmp_path / "cache", augmented=False)
    batches = list(whole_batches(examples, batch_size=1000))
    # The silent example has no window that counts.
    assert {int(owner) for _, owners, _ in batches for owner in owners} == {0}
    ((given, _, weights),) = batches
    np.testing.assert_allclose(given, expected.batch, **SAME_DB)
    np.testing.assert_allclose(weights, expected.weights, rtol=1e-5)


@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_training_crop_is_the_window_of_a_prediction(case, features, tmp_path, place):
    manifest, window = case
    recognizer = tiny_recognizer(tmp_path, tiny_card(features=features, window=window))
    crops = prepared(manifest, features, window, tmp_path / "cache", augmented=True).load(0, 0)
    crop = crops.random(place, window.length_s)
    samples = read(manifest.root / "a" / "a.wav", sample_rate_hz=features.sample_rate_hz).samples
    length = round(window.length_s * features.sample_rate_hz)
    if isinstance(crops, WindowCrops):  # one of the windows that predictions are made of
        expected = predicted(recognizer, manifest.root / "a" / "a.wav").batch
        expected = expected[int(place * len(expected))]
        width = expected.shape[2]
        np.testing.assert_allclose(crop[..., :width], expected, **SAME_DB)
        return
    assert isinstance(crops, RecordingCrops)
    hop = features.hop_samples
    start = hop * int(place * (max(len(samples) - length, 0) // hop + 1))
    cut = samples[start : start + length]
    # What is shorter than a window is followed by silence.
    (expected,) = recognizer.network.run(["features_out"], samples=np.pad(cut, (0, length - len(cut)))[None])
    np.testing.assert_allclose(crop, expected[0], **SAME_DB)


def test_crops_of_any_length_are_windows(case, features, tmp_path):
    manifest, window = case
    if not isinstance(features, SoundFeatures):
        pytest.skip("windows of these features are made whole")
    crops = prepared(manifest, features, window, tmp_path / "cache", augmented=True).load(0, 0)
    samples = read(manifest.root / "a" / "a.wav", sample_rate_hz=features.sample_rate_hz).samples
    for length_s in np.linspace(window.min_s, window.length_s, 7):
        length = round(length_s * features.sample_rate_hz)
        expected = features(np.pad(samples, (0, length))[:length])
        np.testing.assert_allclose(crops.random(0.0, length_s), expected, **SAME_DB)


@pytest.mark.parametrize("kind", sorted(kind for kind in KINDS if issubclass(FEATURES[kind], SoundFeatures)))
@pytest.mark.parametrize("window", [SHORT, LONG], ids=["short", "long"])
def test_a_live_window_is_that_of_a_prediction(kind, window, tmp_path, monkeypatch):
    recognizer = tiny_recognizer(tmp_path, tiny_card(kind, window=window))
    seen: list[np.ndarray] = []
    score = Recognizer.score_together

    def recorded(self, parts):
        seen.extend(part.batch for part in parts)
        return score(self, parts)

    monkeypatch.setattr(Recognizer, "score_together", recorded)
    rate_hz, samples = recognizer.card.features.sample_rate_hz, sound(9.0)
    listener = Listener(recognizer, rate_hz, config=ListenConfig(gate_db=-120, early=False))
    assert isinstance(listener._strategy, CachedFrames if window is LONG else WholeWindow)
    updates = [*listener.feed(samples), *listener.finish()]
    assert len(updates) > 10
    if window is LONG:
        # The last window is aligned with the end of the stream, and so with no frame.
        assert len(seen) == len(updates) - 1
    for update, (picture,) in zip(updates, seen, strict=False):
        start, end = (round(second * rate_hz) for second in (update.start_s, update.end_s))
        (expected,) = recognizer.network.run(["features_out"], samples=samples[None, start:end])
        np.testing.assert_allclose(picture, expected[0], **SAME_DB)
    for update in updates:
        start, end = (round(second * rate_hz) for second in (update.start_s, update.end_s))
        expected = recognizer.score(Sound(samples[start:end], rate_hz)).mean()
        assert update.probabilities == pytest.approx(expected, abs=1e-4)


def test_pictures_are_cut_as_predictions_cut_them(tmp_path):
    values = np.random.default_rng(0).normal(size=(2, 128, 100)).astype(np.float32)
    np.savez(tmp_path / "x.npz", X=values, track=["a.1", "b.1"], label=["a", "b"])
    manifest = read_manifest(tmp_path / "x.npz")
    recognizer = tiny_recognizer(tmp_path, tiny_card(window=SHORT))
    examples = prepared(manifest, LogMel(), SHORT, tmp_path / "cache", augmented=False)
    ((given, owners, weights),) = whole_batches(examples, batch_size=1000)
    (cuts,) = recognizer.cut(Picture(values[0]))
    np.testing.assert_array_equal(given[owners == 0], cuts.batch)
    np.testing.assert_array_equal(weights, 1)
    crop = prepared(manifest, LogMel(), SHORT, tmp_path / "cache", augmented=True).load(1, 0).random(0.5, 0.7)
    n_frames = LogMel().n_frames(round(0.7 * 22_050))
    first = int(0.5 * (100 - n_frames + 1))
    np.testing.assert_array_equal(crop, values[1:, :, first : first + n_frames])


class MeanRows(torch.nn.Module):
    """A network whose logits are the means of the first two rows."""

    n_labels = 2

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures[:, 0, :2].mean(-1) / 10


@pytest.mark.parametrize("aggregate", ["mean", "energy"])
def test_validation_aggregates_as_predictions_do(aggregate, tmp_path):
    root = tmp_path / "data"
    for label, gain in (("a", 1.0), ("b", 0.2)):
        (root / label).mkdir(parents=True)
        # A loud beginning and a quiet end, on which the network disagrees, and a window of silence between them.
        noise = np.random.default_rng(ord(label)).standard_normal(22_050).astype(np.float32)
        parts = [0.5 * gain * noise, np.zeros(33_075, np.float32), 1e-3 * noise]
        soundfile.write(root / label / "x.wav", np.concatenate(parts), 22_050, "FLOAT")
    manifest, window = read_manifest(root), Window(length_s=0.5, hop_s=0.5, min_s=0.25, aggregate=aggregate)
    examples = prepared(manifest, LogMel(), window, tmp_path / "cache", augmented=False)
    row = validate(MeanRows(), examples, batch_size=3, device=torch.device("cpu"))
    recognizer = tiny_recognizer(tmp_path, tiny_card(window=window))
    answers = []
    for label in "ab":
        cuts = WindowBatch.joined(recognizer.cut(root / label / "x.wav"))
        counts = cuts.weights > 0
        assert not counts.all()
        (pictures,) = recognizer.network.run(["features_out"], samples=cuts.batch)
        logits = pictures[:, 0, :2].mean(-1) / 10
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        probabilities[~counts] = 0
        ones = np.ones(len(counts), np.float32)
        scores = WindowScores(cuts.starts_s, cuts.ends_s, probabilities, cuts.weights, ones, ones)
        answers.append(scores.mean())
    likelihood = np.array([answers[0][0], answers[1][1]])
    assert row["valid_loss"] == pytest.approx(-np.log(likelihood).mean(), abs=1e-5)
    assert row["valid_accuracy"] == np.mean([np.argmax(answer) == i for i, answer in enumerate(answers)])


def test_a_silent_example_is_wrong_and_ends_nothing(tmp_path):
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "b").mkdir()
    soundfile.write(tmp_path / "data/a/a.wav", np.zeros(22_050, np.float32), 22_050)
    soundfile.write(tmp_path / "data/b/b.wav", sound(1.0), 22_050)
    window = Window(length_s=0.5, hop_s=0.5, min_s=0.25)
    examples = prepared(read_manifest(tmp_path / "data"), LogMel(), window, tmp_path / "cache", augmented=False)
    row = validate(MeanRows(), examples, batch_size=3, device=torch.device("cpu"))
    assert row["valid_accuracy"] <= 0.5
    assert np.isfinite(row["valid_loss"])


def test_batches_of_crops_have_one_length(case, tmp_path):
    manifest, window = case
    examples = prepared(manifest, LogMel(), window, tmp_path / "cache", augmented=True)
    rng = np.random.default_rng(0)
    lengths = {
        pictures.shape[3]
        for _ in range(5)
        for pictures, _ in training_batches(examples, batch_size=2, vary_length=True, rng=rng)
    }
    assert len(lengths) > 1


def test_nothing_is_computed_twice_for_the_same_features(tmp_path, case, monkeypatch):
    manifest, window = case
    prepared(manifest, LogMel(), window, tmp_path / "cache", augmented=True)
    prepared(manifest, LogMel(), window, tmp_path / "cache", augmented=False)

    def refuse(*_, **__):
        raise AssertionError("read again")

    monkeypatch.setattr("earmark.training.examples.read_content", refuse)
    prepared(manifest, LogMel(), window, tmp_path / "cache", augmented=True)
    prepared(manifest, LogMel(), window, tmp_path / "cache", augmented=False)

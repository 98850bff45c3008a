"""Recipes on the numbers of the feature table, alone and beside a spectrogram, on tones and noise made here."""

from __future__ import annotations

import csv

import numpy as np
import onnx
import pytest
import soundfile
import torch
from onnx import numpy_helper

from earmark.data import read_content, read_manifest
from earmark.errors import ConfigError, DataError
from earmark.evaluation.evaluate import evaluate
from earmark.features import FusedFeatures, LinearSpectrogram, TableFeatures
from earmark.features.table import FEATURE_COLUMNS, SAMPLE_RATE_HZ
from earmark.models import CnnConfig, CrnnConfig, DoubleResidualConfig
from earmark.models.base import Standardize
from earmark.recognizer import Recognizer
from earmark.runs.compare import compare_runs, count_parameters
from earmark.runs.pipeline import train
from earmark.training import Recipe, load_recipe
from earmark.training.checkpoint import load_weights
from earmark.training.export import export_recurrent
from earmark.types import Numbers, Picture, Sound
from tiny import tone

LABELS = ("noise", "tone")
WINDOW = {"length_s": 0.5, "hop_s": 0.5, "min_s": 0.5}
PICTURE = {"kind": "linear", "sample_rate_hz": 8000, "n_fft": 128, "hop_samples": 80, "n_bins": 32}
FUSION = {
    "name": "small fusion",
    "features": {"kind": "fusion", "picture": PICTURE},
    "window": WINDOW,
    "model": {"kind": "double-residual", "widths": [4, 8], "hidden": 16, "normalize": "min-max"},
    "training": {"epochs": 4, "batch_size": 8, "learning_rate": 0.01},
}
MLP = {
    "name": "small mlp",
    "features": {"kind": "table"},
    "window": WINDOW,
    "model": {"kind": "mlp", "widths": [16]},
    "training": {"epochs": 12, "batch_size": 8, "learning_rate": 0.03},
}


def recipe(values, **changes):
    return Recipe.parse({**values, **changes}, where="test")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder of six noises and six tones of a second."""
    root = tmp_path_factory.mktemp("fusion") / "sounds"
    rng = np.random.default_rng(0)
    for n in range(6):
        made = {"noise": 0.1 * rng.normal(size=SAMPLE_RATE_HZ), "tone": tone(hz=300 + 90 * n)}
        for label, samples in made.items():
            (root / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(root / label / f"{n}.wav", samples, SAMPLE_RATE_HZ)
    return root


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of all 57 numbers, each a little higher for tones."""
    path = tmp_path_factory.mktemp("fusion") / "features.csv"
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["filename", *FEATURE_COLUMNS, "label"])
        for n in range(60):
            numbers = rng.normal(1000 + 90 * (n % 2), 50, len(FEATURE_COLUMNS))
            writer.writerow([f"{n}.wav", *numbers, LABELS[n % 2]])
    return path


@pytest.fixture(scope="module")
def fused(sounds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fusion")
    return train(recipe(FUSION), data=sounds, out=folder / "run", cache=folder / "cache")


def numbers_of_part(run, part):
    """The numbers of every window of the sounds of one part of a run."""
    manifest = read_manifest(run / "manifest.csv").part(part)
    windows = [
        read_content(manifest, example).samples[start : start + SAMPLE_RATE_HZ // 2]
        for example in manifest
        for start in (0, SAMPLE_RATE_HZ // 2)
    ]
    return np.stack([TableFeatures()(window)[0, :, 0] for window in windows]).astype(np.float64)


def test_the_published_size():
    fusion = load_recipe("genre/resnet34-fusion")
    assert count_parameters(fusion, n_labels=10, input_shape=(1, 512, 512)) == 19_779_450
    plain = load_recipe("genre/resnet34-scratch")
    assert count_parameters(plain, n_labels=10, input_shape=(1, 512, 512)) == 19_779_450 - 57 * 1000


def test_the_shipped_fusion_sees_512_columns():
    features = load_recipe("genre/resnet34-fusion").features
    made = features(tone(seconds=3.0235))
    assert made.shape == (1, 512 + 57, 512)
    assert features.n_frames(round(3.0235 * SAMPLE_RATE_HZ)) == 512


def test_numbers_stand_below_the_picture_in_every_column():
    features = FusedFeatures(picture=LinearSpectrogram(sample_rate_hz=SAMPLE_RATE_HZ, n_bins=20))
    samples = tone(seconds=0.4)
    made = features(samples)
    np.testing.assert_array_equal(made[:, :20], features.picture(samples))
    np.testing.assert_array_equal(made[:, 20:], np.repeat(TableFeatures()(samples), made.shape[2], axis=2))


@pytest.mark.parametrize("n_samples", [5000, 11025, 22050, 22051])
def test_columns_are_as_many_as_promised(n_samples):
    features = FusedFeatures(picture=LinearSpectrogram(sample_rate_hz=12_000, hop_samples=71))
    assert features(tone(seconds=n_samples / SAMPLE_RATE_HZ)).shape[2] == features.n_frames(n_samples)


@pytest.mark.slow
def test_numbers_are_scaled_by_the_training_part_alone(fused):
    stored = {item.name: numpy_helper.to_array(item) for item in onnx.load(fused.model).graph.initializer}
    learned, unseen = numbers_of_part(fused.folder, "train"), numbers_of_part(fused.folder, "test")
    deviation = learned.std(0)
    deviation[deviation <= 1e-6 * abs(learned).max(0)] = 1
    np.testing.assert_allclose(stored["network.normalize.standardize.mean"], learned.mean(0), rtol=1e-4)
    np.testing.assert_allclose(stored["network.normalize.standardize.deviation"], deviation, rtol=1e-4)
    assert not np.allclose(np.concatenate([learned, unseen]).mean(0), learned.mean(0), rtol=1e-2)


@pytest.mark.slow
def test_the_file_says_what_the_network_says(fused, sounds):
    recognizer = Recognizer.load(fused.model)
    features = recognizer.card.features
    network = recipe(FUSION).model.build(n_labels=2, input_shape=(1, 32, features.n_frames(11025)), n_numbers=57)
    load_weights(fused.folder / "best.safetensors", network)
    batch = np.stack([features(tone(seconds=0.5, hz=hz)) for hz in (310, 2000, 77)])
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(batch)).numpy()
    assert np.abs(recognizer.network.logits(batch) - expected).max() < 1e-4


@pytest.mark.slow
def test_a_fused_recognizer_hears_a_song(fused, tmp_path):
    soundfile.write(tmp_path / "song.wav", np.stack([tone(seconds=2.2, rate_hz=44100)] * 2, 1), 44100)
    prediction = Recognizer.load(fused.model).predict(tmp_path / "song.wav", timeline=True)
    assert prediction.label in LABELS
    assert len(prediction.timeline) == 5


@pytest.mark.slow
def test_a_perceptron_learns_from_sounds_and_is_compared(fused, sounds, tmp_path):
    run = train(recipe(MLP), data=sounds, out=tmp_path / "run", cache=tmp_path / "cache")
    assert Recognizer.load(run.model).predict(Sound(tone(hz=555), SAMPLE_RATE_HZ)).label == "tone"
    entries = compare_runs([run.folder, fused.folder])
    assert {entry.n_parameters for entry in entries} == {
        count_parameters(recipe(MLP), n_labels=2, input_shape=(1, 57, 1)),
        count_parameters(recipe(FUSION), n_labels=2, input_shape=(1, 32, 51)),
    }


@pytest.mark.slow
def test_a_perceptron_learns_from_a_table_and_hears_songs(table, tmp_path):
    run = train(recipe(MLP), data=table, out=tmp_path / "run", cache=tmp_path / "cache")
    assert run.scores.accuracy > 0.9
    recognizer = Recognizer.load(run.model)
    assert evaluate(recognizer, table)[1].n == 60
    assert recognizer.predict(Sound(tone(), SAMPLE_RATE_HZ)).label in LABELS


def test_a_table_without_a_needed_column(tmp_path):
    (tmp_path / "f.csv").write_text("filename,tempo,label\na.wav,100,a\nb.wav,120,b\n")
    manifest = read_manifest(tmp_path / "f.csv")
    row = read_content(manifest, manifest.examples[1])
    assert TableFeatures(columns=("tempo",)).from_numbers(row)[0, 0, 0] == 120
    with pytest.raises(
        DataError, match=r"no column 'mfcc1_mean'; make it with 'earmark features', or name the columns"
    ):
        TableFeatures(columns=("tempo", "mfcc1_mean")).from_numbers(row)


@pytest.mark.slow
def test_data_without_the_sound(fused, table, tmp_path):
    with pytest.raises(DataError, match=r"holds table data, but recipe 'small fusion' reads sound"):
        train(recipe(FUSION), data=table, out=tmp_path / "run")
    for content in (Picture(np.zeros((32, 50), np.float32)), Numbers(("tempo",), np.ones(1))):
        with pytest.raises(DataError, match="fusion features cannot be made of it; give the sound"):
            Recognizer.load(fused.model).predict(content)


def test_numbers_that_would_not_fit_any_more():
    with pytest.raises(ConfigError, match=r"would not fit the picture any more after 'time-shift'; remove it"):
        recipe(FUSION, augment=[{"kind": "time-shift"}])
    with pytest.raises(ConfigError, match=r"cannot be cut shorter; set training\.vary_length = false"):
        recipe(FUSION, training={"vary_length": True})
    assert recipe(FUSION, augment=[{"kind": "mixup"}, {"kind": "gain"}], training={"views": 2}).augment


def test_a_model_for_pictures_only():
    with pytest.raises(ConfigError, match=r"'cnn' sees pictures only, and these features hold 57 numbers"):
        CnnConfig().build(n_labels=2, input_shape=(1, 64, 64), n_numbers=57)


def test_only_a_spectrogram_is_a_picture():
    with pytest.raises(ConfigError, match=r"'table' is no spectrogram; choose one, such as 'log-mel'"):
        recipe(FUSION, features={"kind": "fusion", "picture": {"kind": "table"}})


def test_standardized_numbers_have_mean_0_and_deviation_1():
    numbers = torch.from_numpy(np.random.default_rng(0).normal([3, -1e4, 5], [2, 50, 0], (40, 3)).astype(np.float32))
    layer = Standardize(3)
    layer.learn(numbers.split(7))
    scaled = layer(numbers)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-4, rtol=0)


@torch.no_grad()
def test_numbers_are_not_scaled_as_decibels():
    network = DoubleResidualConfig(widths=(4,), hidden=4, normalize="peak", size=(24, 24)).build(
        n_labels=2, input_shape=(1, 20, 30), n_numbers=3
    )
    features = torch.randn(2, 1, 23, 30) * 20 - 60
    features[:, :, 20:] = torch.tensor([1e4, -5.0, 0.1])[:, None]
    seen = network.normalize(features)
    assert seen.shape == (2, 1, 27, 24)
    assert (seen[:, :, :24] >= 0).all()
    assert (seen[:, :, :24] <= 1).all()
    torch.testing.assert_close(seen[0, 0, 24:, 5], torch.tensor([1e4, -5.0, 0.1]))


@pytest.mark.slow
@torch.no_grad()
def test_a_stream_with_numbers_gives_what_the_whole_gives():
    import onnxruntime

    torch.manual_seed(0)
    network = CrnnConfig(widths=(4, 6), hidden=8).build(n_labels=3, input_shape=(1, 20, 30), n_numbers=5).eval()
    features = torch.randn(1, 1, 25, 23) * 30 - 40
    features[:, :, 20:] = features[:, :, 20:, :1]
    state = network.start(1, like=features)
    for piece in features.split((7, 16), dim=3):
        logits, state = network.advance(piece, state)
    torch.testing.assert_close(logits, network(features), atol=1e-5, rtol=0)
    session = onnxruntime.InferenceSession(export_recurrent(network).SerializeToString())
    names = [item.name for item in session.get_inputs()]
    start = network.start(1, like=features)
    state = [value.numpy() for value in (*start.contexts, start.hidden, start.total, start.n_frames)]
    got = session.run(["logits"], dict(zip(names, [features.numpy(), *state], strict=True)))[0]
    assert np.abs(got - logits.numpy()).max() < 1e-4

"""Transfer learning on sounds made up here: embeddings are computed once, and the file says what was trained."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch

from earmark.data import read_manifest
from earmark.errors import ConfigError, DataError
from earmark.features import FeatureCache, LogMel, Window
from earmark.features.table import FEATURE_COLUMNS
from earmark.models import Transfer, TransferConfig
from earmark.models.pretrained import PRETRAINED
from earmark.recognizer import Recognizer
from earmark.recognizer.assemble import find_head
from earmark.runs.pipeline import train
from earmark.training import Recipe, load_recipe
from earmark.training import embeddings as embedding
from earmark.training.crops import WindowCrops
from earmark.training.embeddings import embed_examples
from earmark.training.examples import FeatureSet, prepare
from earmark.training.fit import learn_scales, unscaled_network, warn_of_gap, with_floor
from earmark.training.logistic import USUAL_STRENGTH, fit_logistic
from earmark.training.loop import validate
from earmark.training.ridge import STRENGTHS, fit_ridge
from earmark.training.ridge import USUAL_STRENGTH as USUAL_RIDGE
from earmark.training.settle import recipe_for_data, split_for
from earmark.training.training_config import Training
from synthetic_pictures import write_pictures

RATE_HZ = 16000
WINDOW = Window(length_s=1.0, hop_s=0.5, min_s=0.5)


def sound(label, rng):
    """Return 1.2 to 2.5 s of tones (low, high) or clicks."""
    seconds = rng.uniform(1.2, 2.5)
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    if label == "clicks":
        return 0.5 * (rng.random(len(t)) < 0.002) + rng.normal(0, 0.002, len(t))
    hz = {"low": 110, "high": 1760}[label] * 2 ** rng.uniform(-0.3, 0.3)
    return 0.3 * np.sin(2 * np.pi * hz * t) + rng.normal(0, 0.002, len(t))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder of three kinds of sound, six of each."""
    root = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for label in ("low", "high", "clicks"):
        (root / label).mkdir()
        for n in range(6):
            soundfile.write(root / label / f"{n}.wav", sound(label, rng), RATE_HZ)
    return root


def recipe(**changes):
    base = load_recipe("sound-transfer").model_dump()
    base |= {"window": WINDOW.model_dump(), "split": {"protocol": "random", "fractions": [0.5, 0.25, 0.25]}}
    for key, value in changes.items():
        base[key] = {**base[key], **value} if isinstance(value, dict) else value
    return Recipe.parse(base, where="test")


def train_part(sounds, tmp_path, **changes):
    asked = recipe(**changes)
    manifest = read_manifest(sounds).hashed()
    manifest = manifest.with_splits(["train"] * len(manifest))
    return asked, prepare(manifest, asked, labels=manifest.labels, cache=FeatureCache(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("head", ["logistic", "ridge", "linear", "mlp"])
def test_a_few_sounds_are_enough(sounds, tmp_path, head):
    changes = {"model": {"head": head, "hidden": 16}, "training": {"epochs": 40, "batch_size": 4}}
    run = train(recipe(**changes), data=sounds, out=tmp_path / "run", cache=tmp_path / "cache")
    assert run.scores.accuracy == 1
    recognizer = Recognizer.load(run.model)
    rng = np.random.default_rng(5)
    for label in ("low", "high", "clicks"):
        answer = recognizer.predict(sound(label, rng).astype(np.float32), sample_rate_hz=RATE_HZ)
        assert answer.top[0].label == label
    rows = list(csv.DictReader((run.folder / "log.csv").read_text().splitlines()))
    assert len(rows) == (1 if head in ("logistic", "ridge") else 40)
    assert run.model.stat().st_size < 2e6


def test_branches_of_one_file(sounds, tmp_path):
    """A backbone, the modulation spectrum and the 57 numbers of a window, side by side."""
    base = load_recipe("genre/musicnn-fusion").model_dump()
    base |= {"window": WINDOW.model_dump(), "split": {"protocol": "random", "fractions": [0.5, 0.25, 0.25]}}
    run = train(Recipe.parse(base, where="test"), data=sounds, out=tmp_path / "run", cache=tmp_path / "cache")
    assert run.scores.accuracy == 1
    recognizer = Recognizer.load(run.model)
    window = sound("high", np.random.default_rng(5)).astype(np.float32)
    answer = recognizer.predict(window, sample_rate_hz=RATE_HZ)
    assert answer.top[0].label == "high"
    n_embedding = PRETRAINED["musicnn+modulation"].n_embedding + len(FEATURE_COLUMNS)
    assert find_head(onnx.load(run.model))[0].dims == [3, n_embedding]


def test_embeddings_are_computed_once(sounds, tmp_path, monkeypatch):
    asked, examples = train_part(sounds, tmp_path)
    network = unscaled_network(asked, examples, n_labels=3)
    cache = FeatureCache(tmp_path)
    first = embed_examples(examples, network, cache=cache).load(0, 0).windows()
    seen = examples.load(0, 0).windows()
    assert first.batch.shape == (len(seen.batch), 1, 762, 1)
    with torch.no_grad():
        expected = network.body(torch.from_numpy(seen.batch)).numpy()
    np.testing.assert_allclose(first.batch[:, 0, :, 0], expected, atol=1e-4)
    np.testing.assert_array_equal(first.weights, seen.weights)

    monkeypatch.setattr(embedding, "_embed", lambda *_: pytest.fail("computed again"))
    again = embed_examples(examples, network, cache=cache)
    np.testing.assert_array_equal(again.load(0, 0).windows().batch, first.batch)
    with torch.no_grad():
        network.body.tags.bias += 1
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        embed_examples(examples, network, cache=cache)


def test_an_open_backbone_learns_and_its_norms_stay(sounds, tmp_path):
    changes = {
        "model": {"head": "linear"},
        "training": {"epochs": 1, "batch_size": 4, "open_stages": 2},
    }
    before = TransferConfig().build(n_labels=3, input_shape=(1, 96, 63)).state_dict()
    train_weights = recipe(**changes)
    run = train(train_weights, data=sounds, out=tmp_path / "run", cache=tmp_path / "cache")
    from safetensors.torch import load_file

    after = load_file(run.folder / "best.safetensors")
    changed = {
        ".".join(key.split(".")[1:3])
        for key in before
        if key.startswith("body") and not torch.equal(after[key], before[key])
    }
    assert changed == {
        "dense.weight",
        "dense.bias",
        "dense_norm.weight",
        "dense_norm.bias",
        "tags.weight",
        "tags.bias",
        "pool_norm.weight",
        "pool_norm.bias",
    }


def embeddings_of(n_each, *, n_labels=2, seed=0):
    """Return three windows of embeddings a recording, ``(3, 1, 4, 1)``, whose first number tells the label."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(n_labels), n_each)[:, None]
    arrays = [rng.normal(0, 1, (3, 1, 4, 1)).astype(np.float32) for _ in targets]
    for array, (label,) in zip(arrays, targets, strict=True):
        array[:, :, 0] += 4 * label
    groups = tuple(f"g{i}" for i in range(len(targets)))
    features = embedding.EmbeddingFeatures(n_embedding=4)
    crops = [WindowCrops(array, np.ones(3, np.float32), features, WINDOW) for array in arrays]
    return FeatureSet(lambda i, _: crops[i], targets, groups, WINDOW, features)


def head_of(examples, n_labels):
    network = Transfer(torch.nn.Identity(), torch.nn.Linear(4, n_labels), n_embedding=4)
    network.n_labels = n_labels
    head = network.on_embeddings()
    learn_scales(head, examples, batch_size=8)
    return head.eval()


# Three labels along one number hide the middle one from regressions on the labels.
@pytest.mark.parametrize(("fit_head", "n_labels"), [(fit_logistic, 2), (fit_logistic, 3), (fit_ridge, 2)])
def test_a_fitted_head_finds_the_number_that_tells(fit_head, n_labels):
    examples = embeddings_of(12, n_labels=n_labels)
    head = head_of(examples, n_labels)
    fit_head(head, examples, balanced=True, seed=0)
    row = validate(head, examples, batch_size=8, device=torch.device("cpu"))
    assert row["valid_accuracy"] > 0.9
    weights = head.head.weight.detach().abs()
    assert weights[:, 0].max() > 3 * weights[:, 1:].max()


def test_uneven_labels_count_the_same():
    examples = embeddings_of(12)
    few = FeatureSet(examples.load, examples.targets[:16], examples.groups[:16], WINDOW, examples.features)
    biases = []
    for balanced in (False, True):
        head = head_of(few, 2)
        fit_logistic(head, few, balanced=balanced, seed=0)
        biases.append(float(head.head.bias[1].detach() - head.head.bias[0].detach()))
    assert biases[1] > biases[0]


@pytest.mark.parametrize(
    ("fit", "usual", "name"), [(fit_logistic, USUAL_STRENGTH, "logistic"), (fit_ridge, USUAL_RIDGE, "ridge")]
)
def test_one_example_a_label(fit, usual, name, caplog):
    examples = embeddings_of(1)
    head = head_of(examples, 2)
    assert fit(head, examples, balanced=True, seed=0) == usual
    assert f"a label has 1 training example, so the strength of the {name} head" in caplog.text
    assert validate(head, examples, batch_size=8, device=torch.device("cpu"))["valid_accuracy"] == 1


def test_ridge_regression_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge

    examples = embeddings_of(12, n_labels=3)
    head = head_of(examples, 3)
    assert fit_ridge(head, examples, balanced=False, seed=0, strength=0.3) == 0.3
    pooled = [head.standardize(torch.from_numpy(examples.load(i, 0).windows().batch[:, 0, :, 0])) for i in range(36)]
    x = torch.stack([each.mean(0) for each in pooled]).numpy()
    x = x - x.mean(0)
    known = Ridge(alpha=0.3 * (x**2).sum() / len(x)).fit(x, np.eye(3)[examples.targets[:, 0]])
    found = head.head.weight.detach().numpy()
    scale = found.ravel() @ known.coef_.ravel() / (known.coef_**2).sum()
    assert scale > 1
    np.testing.assert_allclose(found, scale * known.coef_, atol=1e-4)


def test_ridge_scores_are_scaled_to_be_probabilities():
    examples = embeddings_of(40)
    head = head_of(examples, 2)
    assert fit_ridge(head, examples, balanced=True, seed=0) in STRENGTHS
    row = validate(head, embeddings_of(40, seed=1), batch_size=8, device=torch.device("cpu"))
    assert row["valid_loss"] < 0.2


def test_ridge_leaves_out_numbers_that_hardly_vary():
    examples = embeddings_of(12)
    for i in range(len(examples)):
        examples.load(i, 0).windows().batch[:, :, 3] *= 0.001
    head = head_of(examples, 2)
    fit_ridge(head, examples, balanced=True, seed=0)
    weights = head.head.weight.detach()
    assert not weights[:, 3].any()
    assert weights[:, :3].all()


def test_a_label_without_examples_is_refused():
    head = head_of(embeddings_of(2), 3)
    with pytest.raises(DataError, match="a label has no training example; add some"):
        fit_ridge(head, embeddings_of(2), balanced=True, seed=0)


def test_what_a_head_may_be():
    with pytest.raises(ConfigError, match=r"head.*'lasso'"):
        recipe(model={"head": "lasso"})
    with pytest.raises(ConfigError, match=r"strength.*greater than 0"):
        recipe(model={"head": "ridge", "strength": 0})
    with pytest.raises(ConfigError, match=r"the head is 'linear'; remove it, or set model\.head = 'ridge'"):
        recipe(model={"head": "linear", "strength": 0.3})


def test_a_backbone_for_sounds_sees_no_pictures(tmp_path):
    with pytest.raises(ConfigError, match="trained on log-mel spectrograms of sounds, and cannot see pictures; choose"):
        load_recipe("genre/musicnn", overrides=["features.kind=picture"])
    data = read_manifest(write_pictures(tmp_path / "p", each=2))
    with pytest.raises(DataError, match="of sounds itself; choose picture/minivgg or picture/resnet18"):
        split_for(load_recipe("genre/musicnn"), data)


def test_a_backbone_that_wants_another_rate():
    with pytest.raises(ConfigError, match=r"other features; set in \[features\] sample_rate_hz = 16000, not 22050"):
        recipe(features={"sample_rate_hz": 22050})
    with pytest.raises(ConfigError, match=r"kind = 'log-mel', not 'constant-q'"):
        Recipe.parse({**recipe().model_dump(), "features": {"kind": "constant-q"}}, where="test")
    assert recipe().features == LogMel(
        sample_rate_hz=16000, n_fft=512, hop_samples=256, n_mels=96, compression="logarithmic"
    )


@pytest.mark.parametrize("head", ["logistic", "ridge"])
def test_a_head_fitted_at_once_needs_a_frozen_backbone(head):
    with pytest.raises(
        ConfigError, match=rf"a {head} head .*set training\.freeze = 'backbone' and training\.open_stages"
    ):
        recipe(model={"head": head}, training={"freeze": "none"})
    with pytest.raises(ConfigError, match=rf"'mixup' changes every batch anew, and a {head} head"):
        recipe(model={"head": head}, augment=[{"kind": "mixup"}])


def test_features_stay_as_they_are():
    with pytest.raises(ConfigError, match=r"set model\.normalize = 'none', not 'peak'"):
        TransferConfig(normalize="peak").build(n_labels=2, input_shape=(1, 96, 187))


def test_few_examples_get_as_many_steps():
    training = Training(epochs=10, batch_size=32, min_steps=300, patience=5)
    few = with_floor(training, n_examples=25)
    assert (few.batch_size, few.epochs, few.patience) == (8, 100, 50)
    assert with_floor(training, n_examples=3200) == training
    assert load_recipe("sound", overrides=["training.epochs=3"]).training.min_steps == 0
    assert load_recipe("sound").training.min_steps == 200


def test_a_large_gap_is_said(caplog):
    warn_of_gap([{"train_accuracy": 0.96, "valid_accuracy": 0.33, "valid_loss": 1.1}])
    assert "right on 96 % of the training examples and on 33 % of the validation examples" in caplog.text
    caplog.clear()
    warn_of_gap([{"train_accuracy": 0.96, "valid_accuracy": 0.9, "valid_loss": 0.3}])
    warn_of_gap([{"train_accuracy": 0.96}])
    assert not caplog.text


def test_the_licence_travels_with_the_wheel():
    lines = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert "src/earmark/zoo/*-LICENSE.txt" in lines


def test_few_examples_choose_pretrained_weights(sounds, caplog):
    manifest = read_manifest(sounds)
    asked = load_recipe("sound", overrides=["split.protocol=random"])
    chosen = recipe_for_data(asked, manifest, overrides=["split.protocol=random", "training.epochs=3"])
    assert (chosen.name, chosen.split.protocol, chosen.training.epochs) == ("sound-transfer", "random", 3)
    assert "of 3 labels are few, so the recipe 'sound-transfer' is used in place of 'sound'" in caplog.text
    assert "--set small_data.below=0" in caplog.text


@pytest.mark.parametrize(
    "overrides", [["small_data.below=0"], ["model.widths=[4, 8]"], ["small_data.below=2"]], ids=lambda each: each[0]
)
def test_the_recipe_asked_for_stays(sounds, caplog, overrides):
    overrides = ["split.protocol=random", *overrides]
    asked = load_recipe("sound", overrides=overrides)
    assert recipe_for_data(asked, read_manifest(sounds), overrides=overrides) is asked
    assert not caplog.text

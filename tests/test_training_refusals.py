"""What a training cannot do with what it was given: one clear sentence each."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.data import Example, Manifest, read_manifest
from earmark.data.facts import published_split
from earmark.errors import ConfigError, DataError, ModelError
from earmark.features import FEATURES
from earmark.models import CnnConfig, MlpConfig
from earmark.runs.pipeline import train
from earmark.training import Recipe, Training, loop
from earmark.training import learner as learning
from earmark.training.checkpoint import load_weights, save_weights
from earmark.training.crops import WindowCrops
from earmark.training.examples import FeatureSet
from earmark.training.learner import explains_memory
from earmark.training.settle import split_for
from earmark.types import Picture
from synthetic_pictures import write_pictures

SOUND = {
    "name": "listener",
    "features": {"kind": "log-mel"},
    "window": {"length_s": 3, "hop_s": 1, "min_s": 1},
    "model": {"kind": "cnn", "widths": [4]},
}


def recipe(**changes):
    return Recipe.parse({**SOUND, **changes}, where="test")


@pytest.fixture
def pictures(tmp_path):
    """Spectrograms without their sounds, of two genres."""
    tracks = [f"{('blues', 'pop')[i % 2]}.{i:05d}" for i in range(16)]
    values = np.random.default_rng(0).normal(size=(16, 128, 20)).astype(np.float32)
    np.savez(tmp_path / "x.npz", X=values, track=tracks, label=[track.split(".")[0] for track in tracks])
    return read_manifest(tmp_path / "x.npz")


@pytest.mark.parametrize("kind", ["noise", "microphone", "codec", "mp3", "room"])
def test_pictures_cannot_be_degraded_as_sounds(pictures, kind):
    degrading = recipe(augment=[{"kind": kind}], training={"views": 2})
    with pytest.raises(DataError, match=rf"x: holds picture data made of sounds, and '{kind}' .* give the recordings"):
        split_for(degrading, pictures)


def test_a_leaking_split_is_one_warning_however_many_groups_leak(caplog):
    examples = [
        Example(f"{group}-{n}.wav", ("blues", "pop")[group % 2], f"artist {group:03}", sha256=f"{group}-{n}")
        for group in range(120)
        for n in range(4)
    ]
    manifest = Manifest(tuple(examples), "sound", Path(), "made up")
    split_for(recipe(split={"protocol": "random"}), manifest)
    (record,) = caplog.records
    leaking = (
        r"the split leaks: \d+ groups are in more than one part \(artist 00\d, artist 00\d, artist 00\d and \d+ more\)"
    )
    assert re.match(leaking, record.getMessage())


def test_pictures_can_be_shifted_masked_and_mixed(pictures):
    kinds = ["time-shift", "spec-augment", "mixup", "tilt", "freq-shift"]
    assert len(split_for(recipe(augment=[{"kind": kind} for kind in kinds]), pictures)) == 16


def test_changes_of_sounds_need_views():
    with pytest.raises(
        ConfigError, match=r"'codec' changes examples before .* set training\.views = 4, say, or remove"
    ):
        recipe(augment=[{"kind": "codec"}])


@pytest.mark.parametrize("kind", ["flip", "affine", "elastic"])
def test_spectrograms_are_not_mirrored_turned_or_bent(kind):
    with pytest.raises(
        ConfigError, match=rf"'{kind}' is for ink, not for sound \(a \w+ spectrogram is another sound\)"
    ):
        recipe(augment=[{"kind": kind}])


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        ("given", r"no example of 'zither' falls into train; such labels need more groups"),
        (
            "gtzan/fault-filtered",
            r"the training part has no example of zither; .* leave the label out, or change \[split\]",
        ),
    ],
)
def test_a_label_without_training_examples(tmp_path, protocol, sentence):
    blues = next(track for track, part in published_split("gtzan/fault-filtered").items() if part == "train")
    examples = [
        Example(path=track, label=label, group=track, split=part, sha256=track, track=track)
        for track, label, part in ((blues, "blues", "train"), ("zither.00000", "zither", "test"))
    ]
    manifest = Manifest(name="band", domain="sound", root=tmp_path, examples=tuple(examples))
    with pytest.raises(DataError, match=sentence):
        split_for(recipe(split={"protocol": protocol}), manifest)


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_memory_that_runs_out(error):
    @explains_memory
    def fail():
        raise error

    sentence = r"memory ran out; lower training\.batch_size, model\.size .* raise training\.accumulate"
    with pytest.raises(ModelError, match=sentence):
        fail()


def test_memory_that_really_runs_out_on_a_cpu():
    with pytest.raises(ModelError, match="memory ran out"):
        explains_memory(torch.empty)(2**58)


def test_other_errors_are_not_blamed_on_memory():
    with pytest.raises(RuntimeError, match="another matter"):
        explains_memory(lambda: (_ for _ in ()).throw(RuntimeError("another matter")))()


def test_weights_of_another_network(tmp_path):
    shape = (1, 16, 16)
    save_weights(tmp_path / "cnn.safetensors", CnnConfig(widths=(4,)).build(n_labels=2, input_shape=shape))
    with pytest.raises(ModelError, match=r"these weights are of another network; give the run of this recipe"):
        load_weights(tmp_path / "cnn.safetensors", MlpConfig(widths=(4,)).build(n_labels=2, input_shape=shape))
    (tmp_path / "torn.safetensors").write_bytes((tmp_path / "cnn.safetensors").read_bytes()[:100])
    with pytest.raises(ModelError, match=r"torn\.safetensors: not a checkpoint .* delete it to start again"):
        load_weights(tmp_path / "torn.safetensors", CnnConfig().build(n_labels=2, input_shape=shape))


def test_pictures_of_other_features(pictures):
    values = np.zeros((96, 20), np.float32)
    with pytest.raises(DataError, match="96"):
        FEATURES["log-mel"]().from_picture(Picture(values))
    with pytest.raises(DataError, match="cannot be read from pictures; give the sound files"):
        FEATURES["constant-q"]().from_picture(Picture(values))


def examples(n=8):
    arrays = torch.rand(n, 1, 16, 16, generator=torch.Generator().manual_seed(0)).numpy()
    crops = [WindowCrops.one(array, FEATURES["log-mel"]()) for array in arrays]
    targets = np.arange(n)[:, None] % 2
    return FeatureSet(lambda i, _: crops[i], targets, tuple("g" * n), None, FEATURES["log-mel"]())


def test_a_compiled_network_learns_the_same(monkeypatch, tmp_path):
    """By a compiler that only counts, since the real one takes a minute."""
    calls = []

    def compile_nothing(function):
        return lambda pictures: calls.append(len(pictures)) or function(pictures)

    monkeypatch.setattr(torch, "compile", compile_nothing)
    states = []
    for wanted in (False, True):
        torch.manual_seed(0)
        network = CnnConfig(widths=(4,), dropout=0).build(n_labels=2, input_shape=(1, 16, 16))
        training = Training(epochs=1, batch_size=4, compile=wanted)
        learner = learning.make_learner(network, training=training, augment=[], n_steps=2)
        folder = tmp_path / str(wanted)
        folder.mkdir()
        rows = loop.fit(learner, train=examples(), valid=None, folder=folder, on_epoch=list)
        states.append(network.state_dict())
        assert 0 <= rows[0]["waiting_share"] <= 1
    assert calls == [4, 4]
    assert all(torch.allclose(states[0][key], states[1][key], atol=1e-6) for key in states[0])


def test_the_share_spent_waiting_is_told(tmp_path):
    told = []
    learner = learning.make_learner(
        CnnConfig(widths=(4,)).build(n_labels=2, input_shape=(1, 16, 16)),
        training=Training(epochs=1, batch_size=4),
        augment=[],
        n_steps=2,
    )
    loop.train_epoch(learner, examples(), epoch=0, progress=lambda *row: told.append(row))
    assert told[-1][:3] == ("epoch 1 of 1", 1, 2)
    assert told[-1][3].endswith("% waiting for data")


def test_what_cannot_be_learned_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    data = write_pictures(tmp_path / "p", each=2)
    monkeypatch.setattr(
        "earmark.runs.pipeline.set_aside_unreadable", lambda *_args, **_options: pytest.fail("was read")
    )
    with pytest.raises(DataError, match="reads ink"):
        train("drawing", data=data, out=tmp_path / "run")
    for label in ("low", "mid"):
        shutil.rmtree(data / label)
    with pytest.raises(DataError, match="has only one label"):
        train("picture/minivgg", data=data, out=tmp_path / "run")


def test_folds_without_a_validation_part_are_refused(tmp_path):
    data = write_pictures(tmp_path / "p", each=3)
    with pytest.raises(DataError, match=r"no example falls into the validation part \(grouped, fold 6 of 8, seed 0\)"):
        train(
            "picture/minivgg",
            data=read_manifest(data, domain="picture"),
            out=tmp_path / "run",
            overrides=["split.folds=8", "split.fold=5"],
        )

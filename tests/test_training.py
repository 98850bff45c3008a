"""Recipes, batches, the loop and whole runs, on drawings made up here."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch

from earmark.errors import ConfigError, DataError, ModelError, UnknownNameError
from earmark.evaluation import read_outcome
from earmark.features import FEATURES, Window
from earmark.models import CnnConfig
from earmark.recognizer import Recognizer
from earmark.runs import pipeline
from earmark.runs.pipeline import cross_validate, train
from earmark.training import Recipe, Training, load_recipe, shipped_recipes
from earmark.training import batches as batching
from earmark.training.checkpoint import load_weights
from earmark.training.crops import FrameCrops, WindowCrops, frames_of
from earmark.training.examples import FeatureSet
from earmark.training.learner import make_learner
from earmark.training.loop import fit
from light_training import lighten

LABELS = ("Cross", "Line", "Ring")
SMALL = {
    "name": "small",
    "features": {"kind": "ink-raster", "height": 24, "width": 24},
    "model": {"kind": "cnn", "widths": [8, 16, 16]},
    "augment": [{"kind": "affine"}, {"kind": "mixup", "alpha": 0.1}],
    "training": {"epochs": 30, "batch_size": 16, "learning_rate": 0.01, "label_smoothing": 0.0},
}


def strokes(label, rng):
    """Draw one shape by an unsteady hand, as HOMUS writes it."""
    turn = rng.uniform(-0.3, 0.3)
    t = np.linspace(-1, 1, 12)
    shapes = {
        "Line": [np.stack([t, 0 * t], 1)],
        "Cross": [np.stack([t, t], 1), np.stack([t, -t], 1)],
        "Ring": [np.stack([np.cos(np.pi * t), np.sin(np.pi * t)], 1)],
    }
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    pen = [100 + 40 * (points + rng.normal(0, 0.04, points.shape)) @ rotation for points in shapes[label]]
    return "\n".join([label, *("".join(f"{x:.0f},{y:.0f};" for x, y in points) for points in pen)])


@pytest.fixture(scope="session")
def homus(tmp_path_factory):
    """A folder of 10 writers who draw each of three symbols three times."""
    root = tmp_path_factory.mktemp("drawings") / "HOMUS"
    rng = np.random.default_rng(0)
    for writer in range(1, 11):
        (root / str(writer)).mkdir(parents=True)
        for n in range(9):
            (root / str(writer) / f"{writer}-{n + 1}.txt").write_text(strokes(LABELS[n % 3], rng))
    return root


def recipe(**changes):
    return Recipe.parse({**SMALL, **changes}, where="test")


def test_every_shipped_recipe_is_valid():
    assert [load_recipe(name).name for name in shipped_recipes()]


def test_overrides_reach_the_recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[features]\nkind = "ink-raster"\n[model]\nkind = "cnn"\n')
    changed = load_recipe(path, overrides=["training.epochs=3", "model.dropout=0.5"])
    assert (changed.name, changed.training.epochs, changed.model.dropout) == ("mine", 3, 0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"epoch": 3}}, r"unknown key 'training.epoch' \(did you mean 'epochs'\?\)"),
        ({"model": {"kind": "cnn", "width": 3}}, r"\[model\]: unknown key 'width' \(did you mean 'widths'\?\)"),
        ({"model": {"widths": [3]}}, r"\[model\]: needs a key 'kind'; allowed: .*cnn"),
        ({"augment": [{"kind": "spec-augment"}]}, r"'spec-augment' is for picture and sound, not for ink; remove it"),
        ({"augment": {"kind": "mixup"}}, r"\[\[augment\]\] is a list of tables"),
        ({"window": {"length_s": 3, "hop_s": 1, "min_s": 1}}, r"read ink, which takes no \[window\]"),
        ({"training": {"epochs": 0}}, r"training.epochs: .*greater than or equal to 1 \(given 0\)"),
    ],
)
def test_bad_recipes(changes, message):
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)


def test_a_spectrogram_is_never_turned():
    with pytest.raises(ConfigError, match="a turned spectrogram is another sound"):
        recipe(
            features={"kind": "log-mel"},
            window={"length_s": 3, "hop_s": 1, "min_s": 1},
            augment=[{"kind": "affine"}],
        )


def test_unknown_recipe_and_missing_file():
    with pytest.raises(UnknownNameError, match="there is no recipe called 'zoo/symbol'"):
        load_recipe("zoo/symbol")
    with pytest.raises(ConfigError, match=r"no such file"):
        load_recipe("nowhere.toml")


def feature_set(n=7, length=50, window=None):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(1, 128, length)).astype(np.float32) + i for i in range(n)]
    targets = np.arange(n)[:, None] % 3
    features = FEATURES["log-mel"]()
    crops = [
        WindowCrops.one(array, features) if window is None else FrameCrops(array, features, window) for array in arrays
    ]
    return FeatureSet(lambda i, _: crops[i], targets, tuple("g" * n), window, features), arrays


def test_batches_hold_every_example_once_and_none_is_lonely():
    examples, _ = feature_set(n=9)
    seen = list(
        batching.training_batches(examples, batch_size=4, vary_length=False, rng=np.random.default_rng(0)),
    )
    assert sorted(round(float(p.mean())) for batch, _ in seen for p in batch) == list(range(9))
    assert min(len(batch) for batch, _ in seen) > 1


def test_crops_are_windows_of_the_sound():
    window = Window(length_s=0.5, hop_s=0.25, min_s=0.25)
    examples, arrays = feature_set(n=4, window=window)
    n_frames = frames_of(examples.features, 0.5)
    batch, targets = next(
        batching.training_batches(examples, batch_size=4, vary_length=False, rng=np.random.default_rng(1))
    )
    assert batch.shape == (4, 1, 128, n_frames)
    for picture, target in zip(batch, targets, strict=True):
        found = [
            i
            for i, array in enumerate(arrays)
            for start in range(array.shape[2] - n_frames + 1)
            if np.array_equal(picture, array[:, :, start : start + n_frames])
        ]
        assert [i % 3 for i in found] == [target]


def test_validation_sees_every_window_in_order():
    window = Window(length_s=0.5, hop_s=0.25, min_s=0.25)
    examples, arrays = feature_set(n=3, window=window)
    owners = np.concatenate([o for _, o, _ in batching.whole_batches(examples, batch_size=2)])
    n_frames = frames_of(examples.features, 0.5)
    starts = window.starts(arrays[0].shape[2], length=n_frames, hop=round(n_frames / 2))
    assert owners.tolist() == sorted(list(range(3)) * len(starts))


def test_prefetch_keeps_order_and_passes_errors_on():
    assert list(batching.prefetch(range(10))) == list(range(10))

    def broken():
        yield 1
        raise DataError("the disk has gone")

    with pytest.raises(DataError, match="the disk has gone"):
        list(batching.prefetch(broken()))


def test_a_loss_that_explodes_is_an_error(tmp_path):
    examples, _ = feature_set(n=6)
    network = CnnConfig(widths=(4,)).build(n_labels=3, input_shape=(1, 128, 50))
    torch.nn.init.constant_(network.head[1].weight, float("nan"))
    learner = make_learner(network, training=Training(epochs=1, batch_size=3), augment=[], n_steps=2)
    with pytest.raises(ModelError, match=r"the loss became nan in epoch 1; lower training\.learning_rate"):
        fit(learner, train=examples, valid=examples, folder=tmp_path, on_epoch=list)


@pytest.fixture(scope="session")
def finished(homus, tmp_path_factory):
    """One whole run."""
    root = tmp_path_factory.mktemp("run")
    refit = recipe(training={**SMALL["training"], "refit": "valid"})
    return train(refit, data=homus, out=root / "run", cache=root / "cache")


@pytest.mark.slow
def test_a_run_learns_and_its_file_agrees_with_its_scores(finished):
    assert finished.scores.accuracy >= 0.9
    assert finished.scores.protocol == "grouped 70/15/15, seed 0, test part"
    card = Recognizer.load(finished.model).card
    assert card.labels == LABELS
    assert card.scores[0].accuracy == finished.scores.accuracy
    assert card.temperature != 1.0
    assert json.loads((finished.folder / "scores.json").read_text())["n"] == finished.scores.n


@pytest.mark.slow
def test_refit_learns_from_the_validation_part_but_not_from_the_test_part(finished):
    card = Recognizer.load(finished.model).card
    assert (finished.scores.n, finished.scores.n_groups) == (9, 1)
    assert (card.data.n_examples, card.data.n_groups) == (81, 9)


@pytest.mark.slow
def test_refit_from_everything_keeps_the_score_of_what_had_not_seen_the_test_part(finished, homus, tmp_path):
    everything = recipe(training={**SMALL["training"], "refit": "everything"})
    run = train(everything, data=homus, out=tmp_path / "run", cache=tmp_path / "cache")
    card = Recognizer.load(run.model).card
    assert (card.data.n_examples, card.data.n_groups) == (90, 10)
    assert card.data.learned == ("train", "valid", "test")
    assert card.scores[0].n == finished.scores.n
    plain = recipe(training={**SMALL["training"], "refit": "none"})
    scores = train(plain, data=homus, out=tmp_path / "plain", cache=tmp_path / "cache").scores
    assert card.scores[0].accuracy == scores.accuracy
    assert card.scores[0].ece == scores.ece


@pytest.mark.slow
def test_every_fold_scores_every_example_once_and_the_file_learns_all(homus, tmp_path, monkeypatch):
    rejected = []
    monkeypatch.setattr(pipeline, "add_rejection", lambda model, *_, outcome, **__: rejected.append((model, outcome.n)))
    settings = {**SMALL["training"], "epochs": 12, "refit_epochs": 3}
    few = recipe(split={"folds": 3}, training=settings, rejection={"precision": 0.99})
    run = cross_validate(few, data=homus, out=tmp_path / "run", cache=tmp_path / "cache")
    outcome = read_outcome(run.folder / "outcome.npz")
    assert sorted(outcome.inputs) == sorted(set(outcome.inputs))
    assert (run.scores.n, run.scores.n_groups) == (90, 10)
    card = Recognizer.load(run.model).card
    assert (card.data.n_examples, card.data.n_groups) == (90, 10)
    assert card.scores[0].protocol == "grouped, 3 folds, seed 0, every fold in turn"
    n_epochs = [
        len((run.folder / name / "log.csv").read_text().splitlines()) - 1 for name in ("fold-1", "fold-3", "all")
    ]
    assert n_epochs == [12, 12, 3]
    # One detector, not one a fold; its threshold is chosen on validation parts, its cost is told of test parts.
    assert rejected == [(run.model, 90)]
    validation = read_outcome(run.folder / "validation.npz")
    assert sorted(validation.inputs) == sorted(outcome.inputs)
    assert not np.array_equal(validation.logits, outcome.logits)
    least = card.rejection.min_confidence
    assert least == pipeline.min_confidence_for(validation, 0.99)
    assert run.scores.selective.n == (outcome.confidence >= least).sum()
    for number in (1, 2, 3):
        assert Recognizer.load(run.folder / f"fold-{number}" / "model.onnx").card.rejection is None


@pytest.mark.parametrize(("asked", "done"), [("none", "none"), ("valid", "valid"), ("everything", "none")])
def test_a_fold_never_learns_what_it_tests(asked, done):
    fold = pipeline._fold(recipe(split={"folds": 3}, training={"refit": asked}), 1)
    assert (fold.training.refit, fold.split.fold) == (done, 1)


def test_every_fold_needs_folds(homus, tmp_path):
    with pytest.raises(ConfigError, match=r"'small' has no folds; add --set split\.folds=5"):
        cross_validate(recipe(), data=homus, out=tmp_path / "run")


@pytest.mark.slow
def test_a_run_leaves_its_artifacts(finished):
    rows = list(csv.DictReader((finished.folder / "log.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 31))
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert any((finished.folder / "tensorboard").iterdir())
    assert "<html" in finished.report.read_text()
    assert not list(finished.folder.glob("*.tmp")) + list(finished.folder.glob(".*.tmp"))


def killed_run(data, out, cache):
    """Train, and die without a word after the third epoch."""
    from earmark.training import loop

    save = loop.save_checkpoint

    def save_and_die(path, checkpoint):
        save(path, checkpoint)
        if len(checkpoint.facts["rows"]) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    loop.save_checkpoint = save_and_die
    train(recipe(training={**SMALL["training"], "ema_decay": 0.9}), data=data, out=out, cache=cache)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_result(homus, tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=killed_run, args=(homus, tmp_path / "killed", tmp_path / "cache")
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    same = recipe(training={**SMALL["training"], "ema_decay": 0.9})
    weights = []
    for name in ("killed", "whole"):
        run = train(same, data=homus, out=tmp_path / name, cache=tmp_path / "cache")
        network = same.model.build(n_labels=3, input_shape=(1, 24, 24))
        load_weights(run.folder / "best.safetensors", network)
        weights.append(network.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.slow
def test_the_folder_of_another_run_is_left_alone(finished, homus):
    with pytest.raises(ModelError, match="holds a run of another recipe or other data; choose another folder"):
        train(recipe(training={"epochs": 1}), data=homus, out=finished.folder)


def old_run(folder, data, **changes):
    """Make the folder of a run that an earlier version has fitted and not finished."""
    few = recipe(training={**SMALL["training"], "epochs": 2}, rejection={"detector": {"hidden": 8}}, **changes)
    train(few, data=data, out=folder, cache=folder.parent / "cache")
    identity = json.loads((folder / "recipe.json").read_text())
    # The second fit was a flag, the detector was the gate, and there was no choice of which epoch to keep.
    identity["recipe"]["training"]["refit"] = False
    del identity["recipe"]["training"]["keep"]
    rejection = identity["recipe"]["rejection"]
    for old, new in (("gate", "detector"), ("n_check", "n_validation"), ("real_declined", "max_false_rejections")):
        rejection[old] = rejection.pop(new)
    (folder / "recipe.json").write_text(json.dumps(identity))
    (folder / "scores.json").unlink()
    return few


def test_a_run_of_an_earlier_version_goes_on(homus, tmp_path, monkeypatch):
    lighten(monkeypatch.setattr)
    same = old_run(tmp_path / "run", homus)
    rows = (tmp_path / "run" / "log.csv").read_text()
    monkeypatch.setattr("earmark.training.loop.train_epoch", None)  # nothing is left to fit
    other = same.model_copy(update={"rejection": None})  # the fit does not depend on it
    for each in (same, other):
        run = train(each, data=homus, out=tmp_path / "run", cache=tmp_path / "cache")
        assert (run.folder / "scores.json").is_file()
        assert (run.folder / "log.csv").read_text() == rows
        assert json.loads((run.folder / "recipe.json").read_text())["recipe"] == each.model_dump(mode="json")


def test_a_run_that_this_version_cannot_read_says_what_to_do(homus, tmp_path):
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": {"name": "x", "hearing": 3}, "data": "0"}))
    with pytest.raises(ModelError, match=r"can read \(.*'hearing'.*\); choose another folder with -o"):
        train(recipe(), data=homus, out=tmp_path)


def test_a_folder_that_is_not_a_run_is_left_alone(homus, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="exists and is not a run"):
        train(recipe(), data=homus, out=tmp_path)


def test_a_recipe_for_sound_refuses_drawings(homus, tmp_path):
    sound = recipe(features={"kind": "log-mel"}, window={"length_s": 3, "hop_s": 1, "min_s": 1}, augment=[])
    with pytest.raises(DataError, match="holds ink data, but recipe 'small' reads sound or picture"):
        train(sound, data=homus, out=tmp_path / "run")

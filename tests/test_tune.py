"""The search over recipes, on drawings made up here."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from earmark import cli
from earmark.errors import ConfigError, ModelError, UsageError
from earmark.runs.tune import parse_axis, tune, usual_axes
from earmark.training import load_recipe
from earmark.training.lr_range import find_learning_rate
from written import write_homus

TOML = """
[features]
kind = "ink-raster"
height = 16
width = 16
[model]
kind = "cnn"
widths = [4]
convolutions = 1
[training]
epochs = 2
batch_size = 16
"""
SEARCH = ["training.learning_rate=1e-4..1e-1", "model.pool='mean','mean-max'"]


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "mine.toml").write_text(TOML)
    return tmp_path / "mine.toml"


@pytest.fixture(scope="session")
def drawings(tmp_path_factory):
    """Lines that lie and lines that stand, by eight writers."""
    root = tmp_path_factory.mktemp("tune") / "HOMUS"
    write_homus(root, np.random.default_rng(0), n_writers=8)
    return root


def test_axes_are_ranges_or_choices():
    rate, pool = map(parse_axis, SEARCH)
    assert (rate.low, rate.high, rate.whole) == (1e-4, 1e-1, False)
    assert pool.choices == ('"mean"', '"mean-max"')
    assert parse_axis("training.freeze=true,false").choices == ("true", "false")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training.epochs=3..2", r"3 is not less than 2; write KEY=LOW\.\.HIGH"),
        ("training.epochs=3", r"needs a key and two values at least"),
        ("training.epochs=a,b", r"not readable"),
        ("training.epochs='a'..3", r"not readable"),
        ("=1,2", r"needs a key"),
    ],
)
def test_bad_axes(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_axis(text)


def test_what_is_searched_when_nothing_is_said(recipe):
    axes = usual_axes(load_recipe(recipe))
    assert [axis.key for axis in axes] == ["training.learning_rate", "training.weight_decay", "model.dropout"]
    assert (axes[0].low, axes[0].high) == (1e-4, 1e-2)


def test_a_search_goes_on_where_it_was(recipe, drawings, tmp_path):
    arguments = {"data": drawings, "search": SEARCH, "out": tmp_path / "search", "cache": tmp_path / "cache"}
    seen = []
    first = tune(recipe, n_trials=2, progress=lambda *report: seen.append(report[:3]), **arguments)
    # Each epoch of a trial is reported too, so numbers come several times.
    reports = list(dict.fromkeys(report for report in seen if report[0] == "trials"))
    assert reports == [("trials", done, 2) for done in range(3)]
    again = tune(recipe, n_trials=3, **arguments)
    assert set(first.trials) < set(again.trials)
    assert [trial.accuracy for trial in again.trials] == sorted((t.accuracy for t in again.trials), reverse=True)
    rows = list(csv.DictReader((tmp_path / "search" / "trials.csv").read_text().splitlines()))
    assert [float(row["accuracy"]) for row in rows] == [trial.accuracy for trial in again.trials]
    best = load_recipe(recipe, overrides=again.best.overrides)
    assert best.model.pool in ("mean", "mean-max")
    assert 1e-4 <= best.training.learning_rate <= 1e-1
    with pytest.raises(ModelError, match="holds a search of another recipe, other fields or other data"):
        tune(recipe, n_trials=3, **{**arguments, "search": SEARCH[:1]})


def test_a_killed_trial_is_tried_again(recipe, drawings, tmp_path, monkeypatch):
    from earmark.runs import tune as module

    arguments = {"data": drawings, "search": SEARCH, "out": tmp_path / "search", "cache": tmp_path / "cache"}
    with monkeypatch.context() as patch:
        # The power goes: the journal keeps a trial that runs for ever.
        patch.setattr(module, "fit_network", lambda *_, **__: pytest.exit("power cut"))
        patch.setattr("optuna.study._tell._tell_with_warning", lambda **_: None)
        with pytest.raises(pytest.exit.Exception):
            tune(recipe, n_trials=1, **arguments)
    tuning = tune(recipe, n_trials=1, **arguments)
    assert len(tuning.trials) == 1
    assert tuning.best.n_epochs == 2


def test_the_best_of_several_labels_has_the_least_loss(drawings, recipe, tmp_path, capsys):
    recipe.write_text(f'target = "multi-label"\n{TOML}label_smoothing = 0\n')
    rows = [
        f"{path.relative_to(drawings.parent).as_posix()},{('Lies', 'Stands')[i % 2]};Line,{path.parent.name}"
        for i, path in enumerate(sorted(drawings.rglob("*.txt")))
    ]
    data = drawings.parent / "tags.csv"
    data.write_text("\n".join(["path,label,group", *rows]) + "\n")
    with pytest.raises(SystemExit, match="0"):
        cli.main(f"tune {recipe} --data {data} -o {tmp_path}/s --trials 3 --search {SEARCH[0]}".split())
    assert "VALIDATION LOSS" in capsys.readouterr().out
    with (tmp_path / "s" / "trials.csv").open() as stream:
        losses = [float(row["loss"]) for row in csv.DictReader(stream)]
    assert losses == sorted(losses)


def test_a_field_that_does_not_exist(recipe, drawings, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown key 'training.epoch' \(did you mean 'epochs'\?\)"):
        tune(recipe, data=drawings, out=tmp_path / "search", search=["training.epoch=1,2"], cache=tmp_path / "cache")


def test_a_folder_that_is_not_a_search_is_left_alone(recipe, drawings, tmp_path):
    with pytest.raises(UsageError, match="exists and is not a search"):
        tune(recipe, data=drawings, out=tmp_path)


def test_the_command(recipe, drawings, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    call = ["tune", recipe, "--data", drawings, "-o", tmp_path / "search", "--trials", 1, "--search", SEARCH[1]]
    with pytest.raises(SystemExit) as stop:
        cli.main([*map(str, call), "--set", "training.epochs=1"])
    output = capsys.readouterr().out
    assert stop.value.code == 0
    assert "--set training.epochs=1 --set 'model.pool=\"mean" in output


def test_the_learning_rate_is_found_where_the_loss_falls(recipe, drawings, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    plot = tmp_path / "curve.svg"
    with pytest.raises(SystemExit) as stop:
        cli.main(["find-rate", str(recipe), "--data", str(drawings), "--plot", str(plot), "--steps", "30"])
    key, _, value = capsys.readouterr().out.strip().partition("=")
    assert (stop.value.code, key) == (0, "training.learning_rate")
    assert 1e-6 <= float(value) <= 1
    assert plot.read_text().startswith("<svg")


def test_rates_rise_evenly_and_the_losses_are_those_of_a_network_that_learns(recipe, drawings, tmp_path):
    # All examples in every step, and nothing left out, so that the loss is smooth.
    steady = load_recipe(recipe, overrides=["training.batch_size=64", "model.dropout=0"])
    found = find_learning_rate(steady, data=drawings, n_steps=40, cache=tmp_path / "cache")
    ratios = np.diff(np.log(found.rates))
    assert np.allclose(ratios, np.log(1e6) / 39)
    assert found.rates[0] == pytest.approx(1e-6)
    assert min(found.losses) < found.losses[0] - 0.02
    assert found.suggestion in found.rates

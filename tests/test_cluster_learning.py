"""Learning over two Ray nodes: folds, settings and trials as on one machine."""

from __future__ import annotations

import json
from contextlib import nullcontext

import numpy as np
import pytest

import earmark
from earmark.runs.pipeline import cross_validate
from earmark.runs.tune import tune
from earmark.training import load_recipe
from opt_in import takes_minutes
from ray_nodes import nodes_of_one_core
from written import write_homus

TOML = """
[features]
kind = "ink-raster"
height = 16
width = 16
[model]
kind = "cnn"
widths = [4, 8]
[split]
folds = 3
[training]
epochs = 2
batch_size = 12
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A recipe, and lines that lie and lines that stand by nine writers."""
    root = tmp_path_factory.mktemp("apart")
    rng = np.random.default_rng(0)
    write_homus(root / "HOMUS", rng, n_writers=9)
    (root / "mine.toml").write_text(TOML)
    rows = "".join(
        f"t{n}.wav,{rng.normal(n % 2, 0.5):.3f},{rng.normal():.3f},{'ab'[n % 2]},g{n // 4}\n" for n in range(48)
    )
    (root / "numbers.csv").write_text(f"filename,one,two,label,group\n{rows}")
    return root


@pytest.fixture(scope="module")
def nodes():
    with nodes_of_one_core(2):
        yield


@takes_minutes
def test_folds_are_those_of_one_machine(nodes, workshop):
    recipe = load_recipe(workshop / "mine.toml")
    scores = {}
    for name in ("here", "apart"):
        with earmark.cluster("auto") if name == "apart" else nullcontext():
            run = cross_validate(recipe, data=workshop / "HOMUS", out=workshop / name, cache=workshop / f"cache-{name}")
        scores[name] = [
            json.loads((folder / "scores.json").read_text())
            for folder in (run.folder, *(run.folder / f"fold-{number}" for number in (1, 2, 3)))
        ]
    assert scores["here"] == scores["apart"]
    assert (workshop / "apart" / "model.onnx").stat().st_size == (workshop / "here" / "model.onnx").stat().st_size


def test_trials_run_beside_each_other_and_go_on(nodes, workshop):
    with earmark.cluster("auto"):
        first = tune(workshop / "mine.toml", data=workshop / "HOMUS", out=workshop / "search", n_trials=2)
        both = tune(workshop / "mine.toml", data=workshop / "HOMUS", out=workshop / "search", n_trials=3)
    assert len(first.trials) == 2
    assert len(both.trials) == 3
    assert {trial.overrides for trial in first.trials} <= {trial.overrides for trial in both.trials}
    assert not any(trial.pruned for trial in both.trials)


def test_settings_of_a_table_are_those_of_one_machine(nodes, workshop, run):
    arguments = ["explore", workshop / "numbers.csv", "--transform", "none", "--model", "logistic", "--model", "tree"]
    found = {}
    for name, more in (("here", ["--workers", "1"]), ("apart", ["--cluster", "auto"])):
        code, out, err = run(*arguments, "-o", workshop / f"explored-{name}", *more)
        assert code == 0, err
        found[name] = out.replace(f"explored-{name}", "explored")
    assert found["here"] == found["apart"]

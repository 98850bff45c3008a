"""Runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from earmark import cli
from earmark.errors import ModelError, UsageError
from earmark.evaluation import Outcome, score, write_outcome
from earmark.models import MiniVggConfig
from earmark.runs.compare import (
    compare_runs,
    count_parameters,
    learning_curves,
    short_names,
    write_comparison,
    write_learning_curves,
)
from earmark.training import Recipe
from tiny import DATA, LABELS, save_tiny, tiny_card

RECIPE = {
    "name": "made up",
    "features": {"kind": "log-mel"},
    "window": {"length_s": 1.0, "hop_s": 0.5, "min_s": 0.25},
    "model": {"kind": "cnn", "widths": [4]},
}


def make_run(folder: Path, *, n_right: int, inputs: str = "clip", n_learned: int = 3, n: int = 30) -> Path:
    """Write what a finished run leaves: `n_right` of `n` answers are right."""
    folder.mkdir()
    truth = np.arange(n) % 3
    answers = np.where(np.arange(n) < n_right, truth, (truth + 1) % 3)
    outcome = Outcome.from_logits(
        4.0 * np.eye(3)[answers],
        truth,
        labels=LABELS,
        groups=[str(i % 10) for i in range(n)],
        inputs=[f"{inputs} {i}" for i in range(n)],
    )
    recipe = Recipe.parse(RECIPE, where="test").model_dump(mode="json")
    (folder / "recipe.json").write_text(json.dumps({"recipe": recipe, "data": "0"}))
    (folder / "scores.json").write_text(score(outcome, protocol="made up").to_json())
    (folder / "log.csv").write_text("epoch,seconds\n1,1.5\n2,2.5\n")
    write_outcome(folder / "outcome.npz", outcome)
    save_tiny(folder / "model.onnx", tiny_card(data=DATA.model_copy(update={"n_examples": n_learned})))
    return folder


@pytest.fixture
def runs(tmp_path):
    return [
        make_run(tmp_path / "worse", n_right=12),
        make_run(tmp_path / "better", n_right=27),
        make_run(tmp_path / "other", n_right=20, inputs="piece"),
    ]


def test_the_best_comes_first_and_the_others_are_paired_with_it(runs):
    best, other, worse = compare_runs(runs)
    assert [entry.name for entry in (best, other, worse)] == ["better", "other", "worse"]
    assert best.against_rival is None
    assert (other.rival, other.against_rival) == (None, None)
    assert worse.rival == "better"
    assert (worse.against_rival.only_first, worse.against_rival.only_second) == (0, 15)
    assert worse.against_rival.p_value == pytest.approx(2 * 0.5**15)
    assert worse.against_rival.difference == pytest.approx(-0.5)


def test_a_run_of_every_fold_is_one_too(runs):
    whole = runs[0]
    for part in ("fold-1", "fold-2", "all"):
        (whole / part).mkdir()
        (whole / part / "log.csv").write_bytes((whole / "log.csv").read_bytes())
    (whole / "recipe.json").rename(whole / "all" / "recipe.json")
    (whole / "log.csv").unlink()
    worse = compare_runs(runs[:2])[1]
    assert (worse.name, worse.recipe, worse.training_s) == ("worse", "made up", 12.0)


def test_what_a_run_costs(runs):
    entry = compare_runs(runs)[0]
    # A convolution 1 to 4 and one 4 to 4, without bias, two norms, and a dense layer.
    assert entry.n_parameters == 36 + 8 + 144 + 8 + 4 * 3 + 3
    assert entry.training_s == 4.0
    assert entry.size_bytes == (runs[1] / "model.onnx").stat().st_size
    assert entry.clip_ms > 0


def test_the_page_needs_nothing_else(runs, tmp_path):
    write_comparison(tmp_path / "page.html", compare_runs(runs))
    page = (tmp_path / "page.html").read_text()
    assert "<b>worse</b> against better: -50.0 points" in page
    assert "one curve a recipe" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_command(runs, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", *map(str, runs)])
    output = capsys.readouterr().out
    assert stop.value.code == 0
    assert [line.split()[0] for line in output.splitlines()[:4]] == ["RUN", "better", "other", "worse"]
    assert "worse against better: -50.0 points" in output
    assert "other: no better run answered to the same examples" in output


def test_the_command_prints_json(runs, capsys):
    with pytest.raises(SystemExit):
        cli.main(["compare", *map(str, runs), "--json"])
    values = json.loads(capsys.readouterr().out)
    assert [entry["scores"]["accuracy"] for entry in values] == [0.9, pytest.approx(2 / 3), 0.4]
    assert values[2]["against_rival"]["n"] == 30


def test_a_learning_curve(tmp_path, capsys):
    """Its points are the runs of one recipe, by the number of examples that each learned from."""
    few, more, most = [
        make_run(tmp_path / f"n{n}", n_right=n_right, n_learned=n) for n, n_right in ((6, 12), (15, 21), (60, 27))
    ]
    curve = learning_curves(compare_runs([most, few, more]))
    assert list(curve) == ["made up"]
    assert [(n, share) for n, share, _ in curve["made up"]] == [(2, 0.4), (5, 0.7), (20, 0.9)]
    with pytest.raises(SystemExit):
        cli.main(["compare", *map(str, (few, more, most)), "--curve", str(tmp_path / "curve.svg")])
    drawing = (tmp_path / "curve.svg").read_text()
    assert "made up" in drawing
    assert "training examples a label" in drawing
    write_comparison(tmp_path / "page.html", compare_runs([few, most]))
    assert "one curve a recipe" in (tmp_path / "page.html").read_text()


def test_runs_without_a_learning_curve(runs, tmp_path):
    with pytest.raises(UsageError, match=r"the 3 runs hold no learning curve; give runs of one recipe that learned"):
        write_learning_curves(tmp_path / "curve.svg", compare_runs(runs))


def test_one_run_alone_or_twice(runs):
    for given in (runs[:1], [runs[0], runs[0]]):
        with pytest.raises(UsageError, match=r"runs were given; name at least two, each once"):
            compare_runs(given)


def test_runs_scored_on_one_example_stand_unpaired(tmp_path):
    runs = [make_run(tmp_path / name, n_right=n_right, n=1) for name, n_right in (("right", 1), ("wrong", 0))]
    assert [(entry.name, entry.against_rival) for entry in compare_runs(runs)] == [("right", None), ("wrong", None)]


def test_a_run_that_is_not_finished(runs):
    (runs[0] / "outcome.npz").unlink()
    with pytest.raises(ModelError, match=r"worse: not a finished run \(outcome.npz is missing\)"):
        compare_runs(runs)


def test_names_are_as_long_as_needed():
    assert short_names([Path("/r/a/run"), Path("/r/b/run")]) == ["a/run", "b/run"]


def test_weights_are_counted_without_being_made():
    recipe = Recipe.parse({**RECIPE, "model": {"kind": "timm", "weights": "imagenet"}}, where="test")
    assert count_parameters(recipe, n_labels=1000, input_shape=(1, 224, 224)) == 11_689_512 - 2 * 64 * 49
    huge = recipe.model_copy(update={"model": MiniVggConfig()})
    assert count_parameters(huge, n_labels=10, input_shape=(3, 480, 640)) == 629_218_218

"""Exploring feature tables: honest parts, honest choice, everything written, and a winner that predicts."""

import csv
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
import soundfile

import earmark
from earmark.cli import main
from earmark.data import Split, read_content, read_manifest
from earmark.errors import ConfigError, DataError, ModelError, UnknownNameError
from earmark.features.table import FEATURE_COLUMNS, SAMPLE_RATE_HZ, describe
from earmark.search import Study
from earmark.tables import Exploration, explore, trials, write_recognizer, write_results
from earmark.tables.classical import CLASSIFIERS, TRANSFORMS
from earmark.tables.export import write_every_recognizer
from earmark.tables.onnx_nodes import to_onnx
from earmark.tables.search import tuned_search
from earmark.tables.split import split_table

FAST = {"transforms": ("none", "pca"), "models": ("neighbours", "ridge")}


def write_table(path, rows, *, columns):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def artists_table(
    path, *, n_artists=24, n_rows=8, group=True, columns=("mfcc1_mean", "mfcc2_mean", "tempo", "rms_mean")
):
    """Write a table in which rows of an artist are alike and say little about the label."""
    rng = np.random.default_rng(0)
    rows = []
    for artist in range(n_artists):
        label = "abc"[artist % 3]
        centre = rng.normal(size=len(columns)) * 4 + (artist % 3)
        for take in range(n_rows):
            values = centre + 0.1 * rng.normal(size=len(columns))
            rows.append([f"{artist}.{take}.wav", *values, label, *([f"artist {artist}"] if group else [])])
    return write_table(path, rows, columns=["filename", *columns, "label", *(["group"] if group else [])])


@pytest.fixture
def table(tmp_path):
    return artists_table(tmp_path / "table.csv")


def explored(table, protocol="grouped", **changes):
    values = {**FAST, "split": {"protocol": protocol}, **changes}
    return explore(read_manifest(table), Exploration.parse(values, where="test"))


def test_no_row_is_on_two_sides(table):
    exam = split_table(read_manifest(table), Split())
    for learn, validate in exam.folds:
        assert not set(exam.groups[learn]) & set(exam.groups[validate])
        assert not set(exam.groups[exam.test]) & (set(exam.groups[learn]) | set(exam.groups[validate]))
    assert exam.part == "test"


def test_without_a_test_part_settings_are_searched_within_train(table, tmp_path):
    lines = table.read_text(encoding="utf-8").splitlines()
    parts = ["train" if int(line.split(".")[0]) < 15 else "valid" for line in lines[1:]]
    given = tmp_path / "given.csv"
    given.write_text(
        "\n".join([lines[0] + ",split", *(f"{a},{b}" for a, b in zip(lines[1:], parts, strict=True))]), "utf-8"
    )
    exam = split_table(read_manifest(given), Split(protocol="given"))
    assert exam.part == "valid"
    assert len(exam.test) == parts.count("valid")
    assert len(exam.folds) == 3
    for learn, validate in exam.folds:
        assert set(learn) | set(validate) == set(exam.train)
        assert not set(exam.groups[learn]) & set(exam.groups[validate])


def test_a_random_protocol_says_how_much_leaked(table):
    findings = explored(table, "random")
    nearest = next(c for c in findings.candidates if c.name == "none + neighbours")
    assert nearest.scores.accuracy > 0.95
    assert nearest.grouped_accuracy < 0.75
    assert "groups on both sides" in findings.protocol
    assert explored(table).best.grouped_accuracy is None


def test_the_best_is_the_one_of_the_search(table):
    findings = explored(table)
    searched = [max(tried.valid_accuracy for tried in c.search) for c in findings.candidates]
    assert searched == sorted(searched, reverse=True)
    assert len(findings.comparisons) == len(findings.candidates) - 1 == 3
    best, other = findings.best.outcome, findings.candidates[1].outcome
    assert findings.comparisons[0].difference == pytest.approx(best.correct.mean() - other.correct.mean())
    for candidate in findings.candidates:
        assert candidate.chosen in [tried.parameters for tried in candidate.search]
        assert candidate.scores.n == len(findings.table.test)


def test_scalers_never_see_what_they_are_judged_on(table):
    findings = explored(table)
    exam = findings.table
    scaler = findings.fitted["scale"]
    np.testing.assert_allclose(scaler.mean_, exam.values[exam.train].mean(axis=0))


def test_the_same_call_gives_the_same_numbers(table):
    first, second = explored(table), explored(table)
    assert [c.name for c in first.candidates] == [c.name for c in second.candidates]
    assert [c.scores for c in first.candidates] == [c.scores for c in second.candidates]


def test_a_stopped_exploration_goes_on_and_several_processes_give_the_same(table, tmp_path, monkeypatch):
    asked = {"transforms": ("none",), "models": ("ridge", "tree", "neighbours"), "n_trials": 3}
    exploration = Exploration.parse(asked, where="test")
    original, measured = trials.run_trial, []

    def stopped(job, transform, model, *, on_trial):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(model)
        return original(job, transform, model, on_trial=on_trial)

    with monkeypatch.context() as patch:
        patch.setattr(trials, "run_trial", stopped)
        with pytest.raises(KeyboardInterrupt):
            explore(read_manifest(table), exploration, folder=tmp_path / "a")
        measured.pop()
        resumed = explore(read_manifest(table), exploration, folder=tmp_path / "a")
        assert measured == ["ridge", "neighbours"]
        measured.clear()
        explore(read_manifest(table), exploration, folder=tmp_path / "a")
        assert measured == []
        other = exploration.model_copy(update={"seed": 1, "models": ("ridge",)})
        explore(read_manifest(table), other, folder=tmp_path / "a")
        assert measured == ["ridge"]
    at_once = explore(read_manifest(table), exploration, folder=tmp_path / "b", workers=2)
    assert [(c.name, c.search, c.scores) for c in at_once.candidates] == [
        (c.name, c.search, c.scores) for c in resumed.candidates
    ]


def test_a_killed_command_goes_on(table, tmp_path, monkeypatch):
    # Boosting outlasts the kill; the nearest neighbours are finished before it.
    asked = ["explore", str(table), "-o", str(tmp_path / "out"), "--workers", "1"]
    asked += ["--transform", "none", "--model", "neighbours"]
    journal = tmp_path / "out" / trials.JOURNAL
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark.cli", *asked, "--model", "boosting"], stderr=subprocess.DEVNULL
    )
    try:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "out/accuracy.csv").exists()
    with journal.open("ab") as torn:
        torn.write(b'{"index": 40, "val')
    original, measured = trials.run_trial, []

    def counted(job, transform, model, *, on_trial):
        measured.append(model)
        return original(job, transform, model, on_trial=on_trial)

    monkeypatch.setattr(trials, "run_trial", counted)
    again = Exploration(transforms=("none",), models=("neighbours", "ridge"))
    resumed = explore(read_manifest(table), again, folder=tmp_path / "out")
    assert measured == ["ridge"]
    whole = explore(read_manifest(table), again)
    assert [(c.name, c.search, c.scores) for c in resumed.candidates] == [
        (c.name, c.search, c.scores) for c in whole.candidates
    ]


def test_the_command_tunes_and_shapes_the_net(table, tmp_path, run, monkeypatch):
    monkeypatch.setattr("earmark.tables.results._draw_many", lambda _path, _draw: None)
    layers = ("--width", 16, "--dropout", 0.1, "--width", 8, "--dropout", 0)
    asked = ("explore", table, "-o", tmp_path / "out", "--transform", "none", "--model", "neural-net")
    code, out, _ = run(*asked, *layers, "--tune", 2)
    assert code == 0
    assert "best: none + neural-net" in out
    (found,) = json.loads((tmp_path / "out/findings.json").read_bytes())["candidates"]
    decays = [tried["settings"]["model__weight_decay"] for tried in found["search"]]
    assert len(decays) == 2
    assert all(1e-3 <= decay <= 1e-1 for decay in decays)
    assert (tmp_path / "out/studies/none-neural-net.journal").exists()
    recipe = earmark.load(tmp_path / "out/best.onnx").card.recipe
    assert (recipe["widths"], recipe["dropout"]) == ([16, 8], [0.1, 0.0])
    shapes = {tuple(weights.dims) for weights in onnx.load(tmp_path / "out/best.onnx").graph.initializer}
    assert {(16, 8), (8, 3)} <= shapes or {(8, 16), (3, 8)} <= shapes
    code, _, err = run(*asked, "--width", 16, "--width", 8, "--dropout", 0.1)
    assert code == 2
    assert "2 widths and 1 dropout" in err


def test_more_trials_go_on_from_fewer(table, tmp_path):
    asked = {"transforms": ("none",), "models": ("ridge",)}
    fewer, more = (
        explore(read_manifest(table), Exploration(**asked, n_trials=n), folder=tmp_path).best.search for n in (2, 3)
    )
    assert len(more) == 3
    assert more[:2] == fewer
    stored = (tmp_path / "studies/none-ridge.journal").read_text(encoding="utf-8")
    assert stored.count('"tried"') == 3


def test_a_stopped_study_goes_on_as_if_it_had_not_been(tmp_path):
    values = {"C": (0.01, 100.0), "depth": (3, 20), "k": (1, 25), "weights": ("uniform", "distance", None)}
    heard, judged = [], []

    def judge(setting, *, most=99):
        if len(judged) == most:
            raise KeyboardInterrupt
        judged.append(setting)
        return 1.0, 1 / (1 + abs(setting["depth"] - 10))

    def search(name, **most):
        study = Study(tmp_path / name, name="a study", seed=0)
        return tuned_search(
            values, lambda s: judge(s, **most), lambda n, best: heard.append((n, best)), study=study, n_trials=14
        )

    with pytest.raises(KeyboardInterrupt):
        search("stopped", most=12)
    assert len(judged) == 12
    resumed = search("stopped")
    assert len(judged) == 14
    assert resumed == search("whole")
    assert heard[-1] == (14, max(tried.valid_accuracy for tried in resumed))
    n_before = len(judged)
    assert search("whole") == resumed
    assert len(judged) == n_before
    for tried in resumed:
        assert 0.01 <= tried.parameters["C"] <= 100
        assert tried.parameters["depth"] in range(3, 21)
        assert tried.parameters["weights"] in values["weights"]


def test_a_setting_is_not_tried_twice(tmp_path):
    judged = []

    def judge(setting):
        judged.append(setting["k"])
        return 1.0, 0.5

    tried = tuned_search(
        {"k": (1, 2)}, judge, lambda _n, _best: None, study=Study(tmp_path / "s", name="k", seed=0), n_trials=6
    )
    assert len(tried) == 6
    assert sorted(judged) == [1, 2]


def test_layers_of_the_neural_net_are_settings():
    made = Exploration(widths=(32, 8), dropout=(0.1, 0.0)).unfitted("none", "neural-net")
    assert made["model"].widths == (32, 8)
    assert made["model"].dropout == (0.1, 0.0)
    with pytest.raises(ConfigError, match="2 widths and 3 dropout; give one of each"):
        Exploration.parse({"widths": [32, 8]}, where="explore")
    with pytest.raises(ConfigError, match="at least 0 and below 1"):
        Exploration.parse({"widths": [32], "dropout": [1.0]}, where="explore")


def test_a_small_table_is_searched_among_as_many_neighbours_as_it_has(tmp_path):
    table = artists_table(tmp_path / "t.csv", n_artists=12, n_rows=1)
    findings = explored(table, transforms=("none",), models=("neighbours",))
    assert {tried.parameters["model__n_neighbors"] for tried in findings.best.search} == {1, 3, 5}


def test_everything_is_written(table, tmp_path):
    findings = explored(table, "random", transforms=("pca",))
    write_results(findings, tmp_path / "out")
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    names = {f"pca-{model}.png" for model in FAST["models"]}
    assert written == {
        *("accuracy.csv", "findings.json", "heatmap.png", "importances.csv", "importances.png"),
        *("components.png", "clusters.png"),
        *(f"confusion/{name}" for name in names),
        *(f"search/{name}" for name in names),
    }
    with (tmp_path / "out/accuracy.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    assert int(rows[0]["size_bytes"]) == to_onnx(findings.fitted).ByteSize()
    for row in rows:
        assert float(row["fit_s"]) > 0
        assert float(row["predict_ms_per_1000"]) > 0
        assert float(row["leaked"]) == pytest.approx(float(row["accuracy"]) - float(row["grouped_accuracy"]))
    found = json.loads((tmp_path / "out/findings.json").read_text(encoding="utf-8"))
    assert found["best"] == f"{rows[0]['transform']} + {rows[0]['model']}"
    assert found["constant_columns"] == []
    assert len(found["candidates"][0]["search"]) > 1


def test_a_constant_column_is_named_and_does_no_harm(table, tmp_path):
    lines = table.read_text(encoding="utf-8").splitlines()
    constant = tmp_path / "constant.csv"
    constant.write_text("\n".join([f"chroma_stft_mean,{lines[0]}", *(f"0.5,{line}" for line in lines[1:])]), "utf-8")
    findings, expected = (explored(source, transforms=("none",)) for source in (constant, table))
    assert [c.scores.accuracy for c in findings.candidates] == [c.scores.accuracy for c in expected.candidates]
    write_results(findings, tmp_path / "out")
    assert json.loads((tmp_path / "out/findings.json").read_bytes())["constant_columns"] == ["chroma_stft_mean"]


@pytest.fixture
def songs_table(tmp_path):
    """Return sounds of two kinds, and the table of all 57 features of each."""
    rng = np.random.default_rng(3)
    t = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    rows = []
    for take in range(24):
        tone = 0.3 * np.sin(2 * np.pi * (200 + 15 * take) * t) + 0.003 * rng.normal(size=len(t))
        sound = tone if take % 2 else 0.1 * rng.normal(size=len(t)) * (1 + take / 24)
        soundfile.write(tmp_path / f"{take}.wav", sound, SAMPLE_RATE_HZ, subtype="FLOAT")
        samples, _ = soundfile.read(tmp_path / f"{take}.wav", dtype="float32")
        rows.append([f"{take}.wav", len(samples), *describe(samples), "tone" if take % 2 else "noise"])
    return write_table(tmp_path / "songs.csv", rows, columns=["filename", "length", *FEATURE_COLUMNS, "label"])


def test_the_winner_hears_sounds(songs_table, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explore", str(songs_table), "-o", str(tmp_path / "out"), "--transform", "pca", "--model", "ridge"])
    assert stop.value.code == 0
    assert "best: pca + ridge, 100.0 %" in capsys.readouterr().out
    recognizer = earmark.load(tmp_path / "out/best.onnx")
    assert recognizer.card.window.length_s == 1
    assert recognizer.card.features.columns == FEATURE_COLUMNS
    for take, label in ((2, "noise"), (5, "tone")):
        assert recognizer.predict(tmp_path / f"{take}.wav").label == label
    samples, _ = soundfile.read(tmp_path / "5.wav", dtype="float32")
    features = describe(samples).astype(np.float32)[None, None, :, None]
    manifest = read_manifest(songs_table)
    findings = explore(manifest, Exploration(transforms=("pca",), models=("ridge",)))
    expected = findings.fitted.decision_function(features.reshape(1, -1).astype(np.float64))
    logits = recognizer.network.logits(features)
    assert logits[0, 1] - logits[0, 0] == pytest.approx(expected[0], rel=1e-5)


def test_a_recognizer_of_other_columns_answers_rows_only(tmp_path):
    table = artists_table(tmp_path / "t.csv", columns=("mfcc1_mean", "charm", "tempo"))
    findings = explored(table)
    manifest = read_manifest(table)
    write_recognizer(findings, manifest, tmp_path / "best.onnx", window_s=3)
    recognizer = earmark.load(tmp_path / "best.onnx")
    assert recognizer.card.features.kind == "numbers"
    row = read_content(manifest, manifest.examples[0])
    assert recognizer.predict(row).label in manifest.labels
    with pytest.raises(DataError, match="reads rows of a table"):
        recognizer.predict(str(table))


def test_the_help_names_what_there_is():
    from earmark.cli import explore as command

    assert set(command._TRANSFORMS.split(", ")) == set(TRANSFORMS)
    assert set(command._MODELS.split(", ")) == set(CLASSIFIERS)


@pytest.mark.parametrize("scale", ["min-max", "none"])
def test_scaling_is_a_choice_that_the_recognizer_keeps(songs_table, tmp_path, scale):
    manifest = read_manifest(songs_table)
    findings = explore(manifest, Exploration(transforms=("none",), models=("ridge",), scale=scale))
    (path,) = write_every_recognizer(findings, manifest, tmp_path / "models", window_s=1)
    recognizer = earmark.load(path)
    row = read_content(manifest, manifest.examples[0])
    logits = recognizer.network.logits(recognizer.card.features.from_numbers(row)[None])
    expected = findings.fitted.decision_function(row.values[None])
    assert logits[0, 1] - logits[0, 0] == pytest.approx(expected[0], rel=1e-4, abs=1e-4)


def test_a_recognizer_on_tables_takes_no_pictures(songs_table, tmp_path):
    findings = explore(read_manifest(songs_table), Exploration(transforms=("none",), models=("ridge",)))
    write_recognizer(findings, read_manifest(songs_table), tmp_path / "best.onnx", window_s=1)
    recognizer = earmark.load(tmp_path / "best.onnx")
    with pytest.raises(DataError, match="cannot be made of it; give the sound"):
        recognizer.predict(earmark.types.Picture(np.zeros((128, 50), np.uint8)))
    with pytest.raises(ModelError, match="the graph cannot take"):
        recognizer.network.logits(np.zeros((1, 1, 3, 1), np.float32))


def test_a_label_with_one_example_is_refused(table):
    with table.open("a", encoding="utf-8") as stream:
        stream.write("99.0.wav,1,2,3,4,rare,artist 99\n")
    with pytest.raises(DataError, match="the label 'rare' has 1 example; at least 3"):
        explored(table)


@pytest.mark.parametrize("cell", ["", "nan", "?"])
def test_a_missing_value_is_refused(table, cell):
    header, first, *others = table.read_text(encoding="utf-8").splitlines()
    *cells_before, _, label, group = first.split(",")
    table.write_text("\n".join([header, ",".join([*cells_before, cell, label, group]), *others]), "utf-8")
    with pytest.raises(DataError, match=re.escape(f"row 2: rms_mean is {cell!r}; ")):
        explored(table)


def test_a_label_that_cannot_be_learned_is_refused(table, tmp_path):
    header, *lines = table.read_text(encoding="utf-8").splitlines()
    parts = ["valid" if ",b,artist" in line else "train" for line in lines]
    given = tmp_path / "given.csv"
    rows = [f"{line},{part}" for line, part in zip(lines, parts, strict=True)]
    given.write_text("\n".join([f"{header},split", *rows]), "utf-8")
    with pytest.raises(DataError, match="no example of 'b' falls into train"):
        explored(given, "given")


def test_groups_are_needed_to_keep_them_whole(tmp_path):
    table = artists_table(tmp_path / "t.csv", group=False)
    lines = [line.split(",", 1)[1] for line in table.read_text(encoding="utf-8").splitlines()]
    table.write_text("\n".join(lines), "utf-8")
    with pytest.raises(DataError, match="do not say which group"):
        explored(table)
    assert explored(table, "random").best.grouped_accuracy is None


def test_only_tables_are_explored(tmp_path):
    for label in "ab":
        (tmp_path / "s" / label).mkdir(parents=True)
        for take in range(3):
            soundfile.write(tmp_path / "s" / label / f"{take}.wav", np.zeros(100), SAMPLE_RATE_HZ)
    with pytest.raises(DataError, match="make a table of it with 'earmark features'"):
        explored(tmp_path / "s")


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError, match="no transform called 'pcb'"):
        Exploration.parse({"transforms": ["pcb"]}, where="test")
    with pytest.raises(UnknownNameError, match="no classical model called 'rigde'"):
        Exploration.parse({"models": ["rigde"]}, where="test")


def test_the_default_is_everything():
    exploration = Exploration()
    assert set(exploration.transforms) == set(TRANSFORMS)
    assert set(exploration.models) == set(CLASSIFIERS)


def test_one_nearest_neighbour_leaks_on_the_class_projects_table(shared_data):
    table = shared_data / "gtzan/features_3_sec_5genres.csv"
    findings = explored(table, "random", transforms=("none",), models=("neighbours",))
    assert findings.best.chosen["model__n_neighbors"] == 1
    assert findings.best.scores.accuracy == pytest.approx(0.93, abs=0.03)

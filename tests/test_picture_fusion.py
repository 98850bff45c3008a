"""Pictures with numbers beside them: the join by names, what it refuses, and a recognizer of both."""

from __future__ import annotations

import csv
import re
import shutil

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image

from earmark.data import read_content, read_manifest
from earmark.data.numbers import rows_of
from earmark.errors import DataError, ModelError, UsageError
from earmark.evaluation.evaluate import evaluate
from earmark.features import NumberFeatures, PictureFeatures, PictureFusion
from earmark.live import Listener
from earmark.recognizer import Recognizer
from earmark.runs.compare import compare_runs
from earmark.runs.pipeline import train
from earmark.training import Recipe, load_recipe
from earmark.training.settle import fitting
from earmark.types import Image as Pixels
from earmark.types import Numbers
from synthetic_pictures import loudness, page

LABELS = ("blues", "jazz", "rock")
SMALL = {
    "name": "small fusion",
    "features": {"kind": "picture-fusion", "picture": {"height": 32, "width": 32}},
    "model": {"kind": "double-residual", "widths": [4, 8], "hidden": 16, "normalize": "min-max"},
    "training": {"epochs": 16, "batch_size": 8, "learning_rate": 0.01},
}


def write_rows(path, rows, *, head=("filename", "length", "tempo", "energy", "label")):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Pictures and a table named as in the usual download of GTZAN; only `tempo` says what the genre is."""
    root = tmp_path_factory.mktemp("archive") / "Data"
    rng, rows = np.random.default_rng(0), []
    for place, label in enumerate(LABELS):
        (root / "images_original" / label).mkdir(parents=True)
        for number in range(12):
            name = f"images_original/{label}/{label}{number:05d}.png"
            page(loudness(0.5, rng, height=24, width=30), margins=(2, 2, 2, 4)).save(root / name)
            rows.append([f"{label}.{number:05d}.wav", 661794, 1e4 * place + rng.normal(), rng.normal(), label])
    write_rows(root / "features.csv", rows)
    return root


@pytest.fixture(scope="module")
def fused(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    data = read_manifest(archive, domain="picture", table=archive / "features.csv")
    return train(Recipe.parse(SMALL, where="test"), data=data, out=folder / "run", cache=folder / "cache")


@pytest.fixture
def pictures(tmp_path):
    """Two grey pictures of two labels."""
    for label in ("a", "b"):
        (tmp_path / "d" / label).mkdir(parents=True)
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "d" / label / f"{label}1.png")
    return tmp_path / "d"


@pytest.mark.parametrize(
    ("picture", "row"),
    [
        ("blues/blues00000.png", "blues.00000.wav"),
        ("blues/blues.00000.3.png", "blues.00000.3.wav"),
        ("/home/me/out/song.3.PNG", "song.3"),
        ("song.wav.png", "takes/song.wav"),
        ("rock/one.png", "rock/one.wav"),
        ("Künstler.png", "Ku\u0308nstler.mp3"),
        ("deep\\down.png", "down.au"),
    ],
)
def test_names_that_belong_together(tmp_path, picture, row):
    rows = [[row, 1, 2, 3, "x"], ["blues.00000.7.wav", 1, 2, 3, "x"], ["pop/one.wav", 1, 2, 3, "x"]]
    assert rows_of([picture, "other.png"], write_rows(tmp_path / "t.csv", rows)) == [0, None]


def test_a_picture_has_the_numbers_of_its_row(archive):
    manifest = read_manifest(archive, domain="picture", table=archive / "features.csv")
    assert {example.group for example in manifest if example.track == "blues.00000"} == {"artist 0"}
    content = read_content(manifest, manifest.examples[-1])
    assert isinstance(content, Pixels)
    assert content.numbers.names == ("tempo", "energy")
    assert content.numbers.values[0] == pytest.approx(2e4, abs=9)
    features = PictureFusion(
        picture=PictureFeatures(height=16, width=24, channels=3), table=NumberFeatures(columns=("tempo",))
    )
    made = features(content)
    assert made.shape == features.shape == (3, 17, 24)
    np.testing.assert_array_equal(made[:, :16], features.picture(content))
    np.testing.assert_array_equal(made[:, 16:], np.full((3, 1, 24), content.numbers.values[0], np.float32))


def test_other_numbers_are_another_example(archive, tmp_path):
    manifest = read_manifest(archive, domain="picture", table=archive / "features.csv").hashed()
    text = (archive / "features.csv").read_text().replace("tempo", "speed")
    (tmp_path / "same.csv").write_text(text)
    (tmp_path / "other.csv").write_text(re.sub(r"(00000\.wav,661794,)[^,]*", r"\g<1>7", text))
    same, other = (
        read_manifest(archive, domain="picture", table=tmp_path / name).hashed() for name in ("same.csv", "other.csv")
    )
    assert same.fingerprint == manifest.fingerprint
    changed = [a.track for a, b in zip(manifest, other, strict=True) if a.sha256 != b.sha256]
    assert changed == ["blues.00000", "jazz.00000", "rock.00000"]


def test_a_manifest_keeps_the_numbers(archive, tmp_path):
    manifest = read_manifest(archive, domain="picture", table=archive / "features.csv")
    manifest.to_csv(tmp_path / "list.csv")
    again = read_manifest(tmp_path / "list.csv", domain="picture")
    for before, after in zip(manifest, again, strict=True):
        np.testing.assert_array_equal(
            read_content(manifest, before).numbers.values, read_content(again, after).numbers.values
        )
    text = (tmp_path / "list.csv").read_text()
    (tmp_path / "list.csv").write_text(
        text.replace("features.csv::3,", "features.csv::three,").replace("features.csv::3\n", "features.csv::three\n")
    )
    damaged = read_manifest(tmp_path / "list.csv", domain="picture")
    with pytest.raises(DataError, match=r"features\.csv::three' are no row of a table; write table\.csv::0"):
        read_content(damaged, damaged.examples[3])


def test_arrays_are_joined_by_their_names_or_tracks(tmp_path):
    arrays = {"X": np.zeros((2, 8, 8), np.uint8), "track": ["song", "song"], "label": ["a", "b"]}
    np.savez(tmp_path / "p.npz", **arrays, name=["song.0", "song.1"])
    table = write_rows(tmp_path / "t.csv", [["song.1.wav", 1, 7, 0, "b"], ["song.0.wav", 1, 5, 0, "a"]])
    manifest = read_manifest(tmp_path / "p.npz", table=table)
    assert [read_content(manifest, example).numbers.values[0] for example in manifest] == [5, 7]
    np.savez(tmp_path / "p.npz", **arrays)
    whole = write_rows(tmp_path / "w.csv", [["song.wav", 1, 9, 0, ""]])
    manifest = read_manifest(tmp_path / "p.npz", table=whole)
    assert [read_content(manifest, example).numbers.values[0] for example in manifest] == [9, 9]


def test_groups_come_from_the_table(pictures, tmp_path):
    head = ("id", "tempo", "group", "genre")
    table = write_rows(tmp_path / "t.csv", [["a1", 1, "Abba", 7], ["b1", 2, "Blur", 8]], head=head)
    manifest = read_manifest(pictures, domain="picture", table=table)
    assert manifest.groups == ("Abba", "Blur")
    # What names a row, and what says what it is, is no number to learn from.
    assert read_content(manifest, manifest.examples[0]).numbers.names == ("tempo",)


def test_rows_without_a_picture_are_named(pictures, tmp_path, caplog):
    rows = [["a1", 1, 2, 3, "a"], ["b1", 1, 2, 3, "b"], *([f"c{place}", 1, 2, 3, "a"] for place in range(5))]
    assert len(read_manifest(pictures, domain="picture", table=write_rows(tmp_path / "t.csv", rows))) == 2
    assert "5 of its 7 rows have no picture ('c0', 'c1', 'c2' and 2 more); they are not used" in caplog.text


A, B = ["a1.wav", 1, 2, 3, "a"], ["b1.wav", 1, 5, 3, "b"]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([A], r"has no row for 1 of 2 pictures \('b/b1\.png'\); add the rows, or take these pictures away"),
        (
            [["x", 1, 2, 3, "a"]],
            r"none of its rows \('x'\) is called as one of the pictures \('a/a1\.png', 'b/b1\.png'\)",
        ),
        ([A, B, ["b1.au", 1, 2, 3, "b"]], r"2 names that stand in several rows \('b1\.au', 'b1\.wav'\)"),
        ([A, ["b1.wav", 1, "nan", 3, "b"]], "row 3: tempo is 'nan'"),
        ([A, ["b1.wav", 1, "", 3, "b"]], "row 3: tempo is ''"),
        ([["a1", 1, 2, 3, "b"], B], r"1 row has another label than the picture \(a/a1\.png is a, its row b\)"),
        ([A, ["x/b1", 1, 2, 3, "b"], ["y/b1", 1, 2, 3, "b"]], r"b/b1\.png: may be of 2 rows of .* \('x/b1', 'y/b1'\)"),
    ],
)
def test_tables_that_do_not_fit(pictures, tmp_path, rows, sentence):
    with pytest.raises(DataError, match=sentence):
        read_manifest(pictures, domain="picture", table=write_rows(tmp_path / "t.csv", rows))


def test_other_things_that_do_not_fit(pictures, tmp_path):
    (pictures / "a" / "b1.png").write_bytes((pictures / "a" / "a1.png").read_bytes())
    table = write_rows(tmp_path / "t.csv", [A, B])
    with pytest.raises(DataError, match=r"its row 'b1\.wav' fits several pictures \(a/b1\.png and b/b1\.png\)"):
        read_manifest(pictures, domain="picture", table=table)
    with pytest.raises(UsageError, match=r"holds ink data; a table of numbers can only stand beside spectrogram"):
        read_manifest(pictures, domain="ink", table=table)
    nameless = write_rows(tmp_path / "n.csv", [[1, "a"], [2, "b"]], head=("tempo", "label"))
    with pytest.raises(
        DataError, match=r"no column that names its rows among 'tempo', 'label'; add the column filename"
    ):
        read_manifest(pictures, domain="picture", table=nameless)


def test_the_shipped_recipe(pictures, tmp_path):
    recipe = load_recipe("picture/resnet34-fusion")
    assert recipe.features.picture.shape == (1, 224, 224)
    with pytest.raises(
        DataError, match=r"d: has no numbers, and recipe 'resnet34-fusion' reads pictures and numbers; add"
    ):
        train(recipe, data=pictures, out=tmp_path / "run")


@pytest.mark.slow
def test_both_branches_are_learned(fused, archive, tmp_path):
    recognizer = Recognizer.load(fused.model)
    stored = {item.name: numpy_helper.to_array(item) for item in onnx.load(fused.model).graph.initializer}
    train_part = read_manifest(fused.folder / "manifest.csv", domain="picture").part("train")
    tempo = np.array([read_content(train_part, example).numbers.values[0] for example in train_part])
    np.testing.assert_allclose(stored["network.normalize.standardize.mean"][0], tempo.mean(), rtol=1e-4)
    # The pictures of all labels look alike, so that the answers can only come from the numbers.
    _, scores = evaluate(recognizer, read_manifest(archive, domain="picture", table=archive / "features.csv"))
    assert scores.n == 36
    assert scores.accuracy > 0.8
    picture = archive / "images_original" / "jazz" / "jazz00003.png"
    row = {"tempo": 2e4, "energy": 0.0, "more": 1.0}
    assert recognizer.predict({"picture": picture, "numbers": row}).label == "rock"
    assert (
        recognizer.predict({"picture": Image.open(picture), "numbers": Numbers(("energy", "tempo"), np.zeros(2))}).label
        == "blues"
    )
    assert recognizer.feature_map({"picture": picture, "numbers": row}).shape == (32, 32)
    with pytest.raises(DataError, match=r"jazz00003\.png: a row has no column 'tempo' \(did you mean 'temp'"):
        recognizer.predict({"picture": picture, "numbers": {"temp": 1.0, "energy": 0.0}})
    with pytest.raises(DataError, match=r"jazz00003\.png: has no numbers beside it, and both are read; give --table"):
        recognizer.predict(picture)
    with pytest.raises(DataError, match=r"cannot be decoded as an image .* sound and strokes are not taken"):
        recognizer.predict({"picture": b"RIFF....WAVE", "numbers": row})
    with pytest.raises(ModelError, match="small fusion: reads pictures, it does not listen"):
        Listener(recognizer, 8000)
    shutil.copytree(fused.folder, tmp_path / "copy")
    network = Recipe.parse(SMALL, where="test").model.build(n_labels=3, input_shape=(1, 32, 32), n_numbers=2)
    first, second = compare_runs([fused.folder, tmp_path / "copy"])
    assert first.n_parameters == second.n_parameters == sum(map(torch.numel, network.parameters()))


@pytest.mark.slow
def test_commands_take_the_table(fused, archive, tmp_path, run):
    jazz, table = archive / "images_original" / "jazz", archive / "features.csv"
    code, out, _ = run("predict", fused.folder, jazz, "--table", table, "--top", "1", "--format", "csv")
    assert code == 0
    assert out.count("jazz00") == 12
    code, out, err = run("evaluate", fused.folder, "--data", archive, "--table", table, "--split", "test")
    assert code == 0
    assert "examples of" in out
    # One picture has no row: it is named, and the others are answered.
    (tmp_path / "new").mkdir()
    for name in ("jazz00001.png", "unheard.png"):
        (tmp_path / "new" / name).write_bytes((jazz / "jazz00001.png").read_bytes())
    code, out, err = run("predict", fused.folder, tmp_path / "new", "--table", table)
    assert code == 1
    assert "jazz00001.png" in out
    assert "unheard.png: has no numbers beside it" in err
    (tmp_path / "sample.csv").write_text("id,label\njazz00001,\nunheard,\n")
    files = ("--data", tmp_path / "new", "--sample", tmp_path / "sample.csv", "-o", tmp_path / "s.csv")
    submit = ("submit", fused.folder, *files)
    code, _, err = run(*submit, "--table", table)
    assert code == 1
    assert "unheard.png: has no numbers beside it" in err
    code, _, _ = run(*submit, "--table", table, "--fallback", "rock")
    assert code == 0
    assert re.fullmatch(r"id,label\njazz00001,(blues|jazz|rock)\nunheard,rock\n", (tmp_path / "s.csv").read_text())


@pytest.mark.slow
def test_pictures_in_arrays_are_called_by_their_names(fused, archive, tmp_path, run):
    names = ["jazz.00001", "rock.00002"]
    np.savez(tmp_path / "p.npz", X=np.zeros((2, 24, 30), np.uint8), name=names)
    code, out, err = run("predict", fused.folder, tmp_path / "p.npz", "--table", archive / "features.csv", "--top", "1")
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines()] == names
    np.savez(tmp_path / "p.npz", Y=np.zeros(2))
    code, _, err = run("predict", fused.folder, tmp_path / "p.npz", "--table", archive / "features.csv")
    assert (code, "p.npz: has no array 'X' (it holds Y)" in err) == (1, True)


@pytest.mark.slow
def test_commands_say_which_of_both_is_missing(fused, archive, tmp_path, run):
    picture, table = archive / "images_original" / "jazz" / "jazz00001.png", archive / "features.csv"
    code, _, err = run("predict", fused.folder, picture)
    assert (code, "small fusion reads pictures with numbers; add --table CSV" in err) == (2, True)
    code, _, err = run("predict", "symbols", picture, "--table", table)
    assert (code, "symbols reads ink without numbers beside it; leave --table out" in err) == (2, True)
    code, _, err = run("predict", fused.folder, picture, "--table", table, "--format", "parquet", "-o", tmp_path / "p")
    assert (code, "--format parquet reads no --table" in err) == (2, True)
    text = table.read_text()
    (tmp_path / "t.csv").write_text(text.replace("energy", "energie"))
    code, _, err = run("predict", fused.folder, picture, "--table", tmp_path / "t.csv")
    assert code == 1
    assert "jazz00001.png: a row has no column 'energy' (did you mean 'energie'?)" in err
    code, _, err = run("predict", fused.folder, picture, "--table", tmp_path / "t.csv", "--explain")
    assert (code, "have no place in it" in err) == (2, True)


def test_a_recipe_for_pictures_alone_says_that_it_leaves_numbers(archive, caplog):
    manifest = read_manifest(archive, domain="picture", table=archive / "features.csv")
    fitting(load_recipe("picture/minivgg"), manifest)
    assert "recipe 'minivgg' does not read the numbers beside the pictures; picture/resnet34-fusion does" in caplog.text

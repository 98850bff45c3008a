"""Competition files."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile

from earmark import cli
from earmark.errors import DataError, UsageError
from earmark.runs.submit import match_files, read_sample, submit
from tiny import LABELS, tiny_card, tiny_recognizer, tone

RATE_HZ = 22050
IDS = ("b", "c", "a")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "test"
    folder.mkdir()
    for name, hz in (("a", 440), ("b", 262), ("c", 330)):
        soundfile.write(folder / f"{name}.wav", tone(hz=hz, seconds=0.5), RATE_HZ)
    return folder


@pytest.fixture
def recognizer(tmp_path):
    return tiny_recognizer(tmp_path)


def sample_file(tmp_path, *lines):
    path = tmp_path / "sample.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_one_label_a_row_in_the_order_of_the_sample(folder, recognizer, tmp_path):
    sample = sample_file(tmp_path, "id,genre", *(f"{name},rock" for name in IDS))
    assert submit(recognizer, folder, sample=sample, out=tmp_path / "out.csv") == 3
    rows = list(csv.reader((tmp_path / "out.csv").read_text().splitlines()))
    assert rows == [["id", "genre"], *([name, recognizer.predict(folder / f"{name}.wav").label] for name in IDS)]


def test_one_probability_a_column_in_the_order_of_the_sample(folder, recognizer, tmp_path):
    columns = LABELS[::-1]
    sample = sample_file(tmp_path, f"file,{','.join(columns)}", *(f"{name}.wav,0,0,0" for name in IDS))
    submit(recognizer, folder, sample=sample, out=tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert tuple(rows[0]) == ("file", *columns)
    for row in rows:
        expected = {a.label: a.confidence for a in recognizer.predict(folder / row["file"]).top}
        assert {label: float(row[label]) for label in LABELS} == pytest.approx(expected, abs=1e-6)


def test_several_labels_a_row_each_with_its_own_probability(folder, tmp_path):
    """Of several labels each is a decision of its own: probabilities are not made to add up to 1."""
    tagger = tiny_recognizer(tmp_path, tiny_card(task="tag", target="multi-label", thresholds=(0.2, 0.2, 0.2)))
    sample = sample_file(tmp_path, f"file,{','.join(LABELS)}", *(f"{name}.wav,0,0,0" for name in IDS))
    submit(tagger, folder, sample=sample, out=tmp_path / "out.csv")
    for row in csv.DictReader((tmp_path / "out.csv").read_text().splitlines()):
        expected = {a.label: a.confidence for a in tagger.predict(folder / row["file"], top=3).top}
        assert {label: float(row[label]) for label in LABELS} == pytest.approx(expected, abs=1e-6)
    sample = sample_file(tmp_path, "id,tags", *(f"{name},rock" for name in IDS))
    submit(tagger, folder, sample=sample, out=tmp_path / "out.csv")
    for row in csv.DictReader((tmp_path / "out.csv").read_text().splitlines()):
        given = {a.label for a in tagger.predict(folder / f"{row['id']}.wav").labels}
        assert row["tags"] == ";".join(label for label in LABELS if label in given)


def test_the_line_ends_of_the_sample_are_kept(folder, recognizer, tmp_path):
    (tmp_path / "sample.csv").write_bytes(b"\xef\xbb\xbfid,label\r\na,\r\nb,\r\nc,\r\n")
    submit(recognizer, folder, sample=tmp_path / "sample.csv", out=tmp_path / "out.csv")
    written = (tmp_path / "out.csv").read_bytes()
    assert written.startswith(b"id,label\r\na,")
    assert written.count(b"\r\n") == written.count(b"\n") == 4


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("a,x", "b,x", "c,x", "d,x"), r"has no file for 'd' of .*sample.csv; add the files"),
        (("a,x", "b,x"), r"holds 'c.wav', which .*sample.csv does not ask for"),
        (("a,x", "b,x", "c,x", "a,x"), r"names 'a' more than once"),
        (("a,x", "a.wav,x", "b,x", "c,x"), r"names one file by several ids"),
        (("a,x", "b", "c,x"), r"not a sample submission"),
        ((), r"not a sample submission"),
    ],
)
def test_ids_that_do_not_match_are_refused(folder, recognizer, tmp_path, rows, message):
    sample = sample_file(tmp_path, "id,label", *rows)
    with pytest.raises(DataError, match=message):
        submit(recognizer, folder, sample=sample, out=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_two_files_of_one_id(folder):
    (folder / "more").mkdir()
    soundfile.write(folder / "more" / "a.flac", tone(seconds=0.2), RATE_HZ)
    extensions = frozenset({".wav", ".flac"})
    with pytest.raises(DataError, match=r"has several files for 'a' of sample; keep one, or write the ids as paths"):
        match_files(IDS, folder, extensions=extensions, where="sample")
    paths = ("a.wav", "more/a", "b", "c")
    assert match_files(paths, folder, extensions=extensions, where="sample")["more/a"].suffix == ".flac"


def test_columns_that_are_not_the_labels(folder, recognizer, tmp_path):
    sample = sample_file(tmp_path, "id,A4,C4", "a,0,0", "b,0,0", "c,0,0")
    with pytest.raises(UsageError, match=r"not the labels of tiny \(they differ in 'E4'\)"):
        submit(recognizer, folder, sample=sample, out=tmp_path / "out.csv")


def test_silence_is_refused_or_answered_as_told(folder, recognizer, tmp_path):
    soundfile.write(folder / "c.wav", np.zeros(RATE_HZ), RATE_HZ)
    sample = sample_file(tmp_path, "id,label", "a,x", "b,x", "c,x")
    with pytest.raises(DataError, match=r"c.wav: silence.*; or give a fallback"):
        submit(recognizer, folder, sample=sample, out=tmp_path / "out.csv")
    with pytest.raises(UsageError, match=r"the fallback 'polka' is no label of tiny"):
        submit(recognizer, folder, sample=sample, out=tmp_path / "out.csv", fallback="polka")
    submit(recognizer, folder, sample=sample, out=tmp_path / "out.csv", fallback="E4")
    assert (tmp_path / "out.csv").read_text().splitlines()[-1] == "c,E4"


def test_a_missing_sample():
    with pytest.raises(DataError, match="no such file; give the sample submission"):
        read_sample("nowhere.csv")


def test_the_command(folder, recognizer, tmp_path, capsys):
    sample = sample_file(tmp_path, "id,label", "a,x", "b,x", "c,x")
    out = str(tmp_path / "out.csv")
    with pytest.raises(SystemExit) as stop:
        cli.main(["submit", str(tmp_path / "tiny.onnx"), "--data", str(folder), "--sample", str(sample), "-o", out])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip().endswith("out.csv: 3 rows")

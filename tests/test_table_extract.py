"""Tables of many sounds: layout, bad files, segments, several processes, and going on after a stop."""

import csv
import json

import numpy as np
import pytest
import soundfile

from earmark.cli import main
from earmark.data import Split, apply_split, read_manifest
from earmark.errors import ConfigError, DataError, UsageError
from earmark.features.table import COLUMNS, SAMPLE_RATE_HZ, describe
from earmark.features.window import sound_windows
from earmark.tables import Segments, extract
from earmark.tables.journal import Journal


@pytest.fixture
def songs(tmp_path):
    """Return a folder of two classes with three sounds each, 0.5 s to 1.3 s."""
    rng = np.random.default_rng(1)
    for label in ("hum", "hiss"):
        (tmp_path / "songs" / label).mkdir(parents=True)
        for take in range(3):
            n = round((0.5 + 0.4 * take) * SAMPLE_RATE_HZ)
            tone = np.sin(2 * np.pi * (110 + 20 * take) * np.arange(n) / SAMPLE_RATE_HZ)
            sound = 0.3 * (tone if label == "hum" else rng.uniform(-1, 1, n))
            soundfile.write(tmp_path / "songs" / label / f"{label}.{take}.wav", sound, SAMPLE_RATE_HZ)
    return tmp_path / "songs"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_whole_sounds(songs, tmp_path):
    out = tmp_path / "table.csv"
    result = extract(read_manifest(songs), out=out)
    assert result.n_rows == 6
    assert result.failures == ()
    rows = rows_of(out)
    assert tuple(rows[0]) == COLUMNS
    assert [row["filename"] for row in rows] == [f"{label}.{k}.wav" for label in ("hiss", "hum") for k in range(3)]
    samples, _ = soundfile.read(songs / "hum/hum.1.wav", dtype="float32")
    row = rows[4]
    assert int(row["length"]) == len(samples)
    assert row["label"] == "hum"
    assert [float(row[column]) for column in COLUMNS[2:-1]] == describe(samples).tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["songs", "table.csv"]


def test_segments_are_those_of_pictures(songs, tmp_path):

    out = tmp_path / "table.csv"
    manifest = read_manifest(songs)
    extract(manifest, out=out, segments=Segments(segment_s=0.5, hop_s=0.25))
    names = [row["filename"] for row in rows_of(out) if row["filename"].startswith("hum.1")]
    windows = list(sound_windows(songs / "hum/hum.1.wav", length_s=0.5, hop_s=0.25, sample_rate_hz=SAMPLE_RATE_HZ))
    assert names == [f"hum.1.{k}.wav" for k in range(len(windows))]
    last = next(row for row in rows_of(out) if row["filename"] == names[-1])
    assert [float(last[column]) for column in COLUMNS[2:-1]] == describe(windows[-1][1]).tolist()


def test_names_that_occur_twice_keep_their_folder(songs, tmp_path):
    (songs / "hum/hiss.0.wav").write_bytes((songs / "hum/hum.0.wav").read_bytes())
    extract(read_manifest(songs), out=tmp_path / "table.csv")
    names = {row["filename"] for row in rows_of(tmp_path / "table.csv")}
    assert {"hum/hiss.0.wav", "hiss/hiss.0.wav"} <= names


def test_parquet_holds_the_same(songs, tmp_path):
    from pyarrow import parquet

    manifest = read_manifest(songs)
    for ending in ("csv", "parquet"):
        extract(manifest, out=tmp_path / f"table.{ending}", extra=("group",))
    table = parquet.read_table(tmp_path / "table.parquet")
    assert tuple(table.column_names) == (*COLUMNS, "group")
    rows = rows_of(tmp_path / "table.csv")
    assert table["mfcc3_var"].to_pylist() == [float(row["mfcc3_var"]) for row in rows]
    assert table["length"].to_pylist() == [int(row["length"]) for row in rows]
    assert table["group"].to_pylist() == [row["group"] for row in rows]


def test_groups_and_splits_come_back(songs, tmp_path):
    manifest = apply_split(read_manifest(songs), Split(fractions=(0.6, 0.2, 0.2)))
    out = tmp_path / "table.csv"
    extract(manifest, out=out, segments=Segments(segment_s=0.4), extra=("group", "split"))
    again = read_manifest(out)
    assert {(e.group, e.split, e.label) for e in again} == {(e.group, e.split, e.label) for e in manifest}
    assert again.table.values.shape == (len(again), 57)


def test_bad_sounds_are_named_and_the_others_done(songs, tmp_path, capsys):
    (songs / "hum/broken.wav").write_text("no sound", encoding="utf-8")
    out = tmp_path / "table.csv"
    with pytest.raises(SystemExit) as stop:
        main(["features", str(songs), "-o", str(out)])
    assert stop.value.code == 1
    assert len(rows_of(out)) == 6
    complaint = capsys.readouterr().err
    assert "broken.wav" in complaint
    assert "1 of 7 sounds are not in the table" in complaint


def test_a_stopped_run_goes_on(songs, tmp_path, monkeypatch):
    from earmark.tables import extraction as module

    manifest, out = read_manifest(songs), tmp_path / "table.csv"
    extract(manifest, out=tmp_path / "whole.csv")
    described = []
    real = module.describe_example

    def describe_three(one, example, segments):
        if len(described) == 3:
            raise KeyboardInterrupt
        described.append(example.path)
        return real(one, example, segments)

    monkeypatch.setattr(module, "describe_example", describe_three)
    with pytest.raises(KeyboardInterrupt):
        extract(manifest, out=out)
    assert not out.exists()
    with (tmp_path / ".table.csv.part").open("a", encoding="utf-8") as part:
        part.write('{"index": 3, "val')
    monkeypatch.setattr(module, "describe_example", real)
    seen = []
    extract(manifest, out=out, progress=lambda _stage, done, _total, _note: seen.append(done))
    assert seen == [3, 4, 5, 6]
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not (tmp_path / ".table.csv.part").exists()


def test_a_changed_file_is_described_again(songs, tmp_path):
    part = tmp_path / ".table.csv.part"
    part.write_text(json.dumps({"asked": "something else"}) + '\n{"index": 0, "value": [[1, [2.0]]]}\n', "utf-8")
    extract(read_manifest(songs), out=tmp_path / "table.csv")
    assert rows_of(tmp_path / "table.csv")[0]["length"] != "1"


def test_several_processes_give_the_same(songs, tmp_path):
    (songs / "hum/broken.wav").write_text("no sound", encoding="utf-8")
    manifest = read_manifest(songs)
    results = [extract(manifest, out=tmp_path / f"{n}.csv", workers=n) for n in (1, 2)]
    assert results[0] == results[1]
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_the_journal_keeps_what_was_finished(tmp_path):
    with Journal(tmp_path / "j", "a") as journal:
        journal.add(4, "four")
        journal.add(1, [1.5])
        assert list(journal.values()) == [(1, [1.5]), (4, "four")]
    with Journal(tmp_path / "j", "a") as journal:
        assert 4 in journal
        assert 2 not in journal
        assert len(journal) == 2
    with Journal(tmp_path / "j", "b") as journal:
        assert len(journal) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["-o", "table.txt"], 2, "ends in .csv or .parquet"),
        (["-o", "table.csv", "--hop-s", "2"], 2, "needs a segment_s"),
        (["-o", "table.csv", "--segment-s", "-1"], 2, "greater than 0"),
        (["-o", "table.csv", "--split", "guess"], 2, "no split protocol called 'guess'"),
    ],
)
def test_wrong_calls(  # noqa: PLR0917
    songs, tmp_path, monkeypatch, capsys, arguments, code, sentence
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["features", str(songs), *arguments])
    assert stop.value.code == code
    assert sentence in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["songs"]


def test_only_sounds_have_features(tmp_path):
    np.savez(
        tmp_path / "p.npz",
        X=np.zeros((2, 8, 8), np.uint8),
        label=np.array(["a", "b"]),
        track=np.array(["a", "b"]),
        frame=np.arange(8),
    )
    with pytest.raises(DataError, match="describe sounds"):
        extract(read_manifest(tmp_path / "p.npz"), out=tmp_path / "t.csv")


def test_nothing_readable_leaves_nothing(tmp_path):
    for label in "ab":
        (tmp_path / "s" / label).mkdir(parents=True)
        (tmp_path / "s" / label / "x.wav").write_text("no sound", encoding="utf-8")
    with pytest.raises(DataError, match="none of its 2 sounds"):
        extract(read_manifest(tmp_path / "s"), out=tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_segments_are_checked():
    with pytest.raises(ConfigError, match="at least as long"):
        Segments.parse({"segment_s": 1, "hop_s": 2}, where="here")
    with pytest.raises(UsageError, match="did you mean 'hop_s'"):
        Segments.parse({"hops_s": 2}, where="here")

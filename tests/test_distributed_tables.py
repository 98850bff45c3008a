"""Tables in parts without a cluster: the same rows, resumed, refused."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import earmark
from earmark.data import read_manifest
from earmark.distributed.parts import INPUTS, Job, Made, part_name, write_in_parts
from earmark.distributed.predict import list_inputs, predict_table
from earmark.errors import DataError, UsageError
from object_storage import put_sounds
from tiny import save_tiny


def rows_in(folder):
    return [row for path in sorted(folder.glob("part-*")) for row in pq.read_table(path).to_pylist()]


def bytes_in(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def make(row):
    return Made(({"n": row["n"] ** 2},), "odd" if row["n"] % 2 else "")


JOB = Job({"kind": "squares"}, {"n": "int64"}, {"n": "int64"}, make, crashed=lambda _: Made((), "crashed"))


def numbers(n):
    return ({"n": place} for place in range(n))


def test_parts_hold_all_rows_in_order(tmp_path):
    table = write_in_parts(JOB, numbers(10), out=tmp_path / "t", rows_a_part=4)
    assert [row["n"] for row in rows_in(table.folder)] == [place**2 for place in range(10)]
    assert (table.n_inputs, table.n_rows, table.failures) == (10, 10, ("odd",) * 5)
    assert json.loads((table.folder / "_table.json").read_text())["parts"] == 3


def test_only_what_is_missing_is_done_and_the_listing_counts(tmp_path):
    whole = write_in_parts(JOB, numbers(10), out=tmp_path / "a", rows_a_part=4)
    before = bytes_in(whole.folder)
    for name in (part_name(1), "_table.json"):
        (whole.folder / name).unlink()
    kept = (whole.folder / part_name(0)).stat().st_mtime_ns
    again = write_in_parts(JOB, numbers(99), out=whole.folder, rows_a_part=2)
    assert again == whole
    assert bytes_in(whole.folder) == before
    assert (whole.folder / part_name(0)).stat().st_mtime_ns == kept


def killed(folder):
    def deadly(row):
        if row["n"] == 6:
            os.kill(os.getpid(), 9)
        return make(row)

    write_in_parts(
        Job(JOB.identity, JOB.listed, JOB.columns, deadly, JOB.crashed), numbers(10), out=folder, rows_a_part=2
    )


def test_a_killed_table_goes_on_to_the_same_bytes(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=killed, args=(tmp_path / "killed",))
    process.start()
    process.join()
    assert process.exitcode == -9
    assert len(list((tmp_path / "killed").glob("part-*"))) == 3
    write_in_parts(JOB, numbers(10), out=tmp_path / "killed")
    write_in_parts(JOB, numbers(10), out=tmp_path / "whole", rows_a_part=2)
    assert bytes_in(tmp_path / "killed") == bytes_in(tmp_path / "whole")


@pytest.mark.parametrize("where", ["listing", "part"])
def test_a_full_disk_is_one_sentence_and_the_table_goes_on(tmp_path, monkeypatch, where):
    whole = write_in_parts(JOB, numbers(10), out=tmp_path / "whole", rows_a_part=2).folder
    writer, n_left = pq.ParquetWriter.write_table, 0 if where == "listing" else 2

    def write_table(self, table, *arguments, **options):
        nonlocal n_left
        is_part = table.schema.metadata and b"failures" in table.schema.metadata.get(b"earmark", b"")
        if where == "listing" or is_part:
            n_left -= 1
            if n_left < 0:
                Path(self.where).write_bytes(b"half")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        writer(self, table, *arguments, **options)

    with monkeypatch.context() as full:
        full.setattr(pq.ParquetWriter, "write_table", write_table)
        with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); .* free some space$"):
            write_in_parts(JOB, numbers(10), out=tmp_path / "t", rows_a_part=2)
    kept = {INPUTS, part_name(0), part_name(1)} if where == "part" else set()
    assert {path.name for path in (tmp_path / "t").iterdir()} == kept
    write_in_parts(JOB, numbers(10), out=tmp_path / "t", rows_a_part=2)
    assert bytes_in(tmp_path / "t") == bytes_in(whole)


def test_a_folder_of_something_else_is_refused_before_any_work(tmp_path):
    write_in_parts(JOB, numbers(3), out=tmp_path / "t")
    for columns in (JOB.columns, {"cube": "int64"}):
        other = Job({"kind": "cubes"}, JOB.listed, columns, make, JOB.crashed)
        with pytest.raises(UsageError, match=r'begun with kind "squares" instead of "cubes"; choose another folder'):
            write_in_parts(other, numbers(3), out=tmp_path / "t")
    wider = Job(JOB.identity, JOB.listed, {"n": "int64", "m": "string"}, make, JOB.crashed)
    with pytest.raises(UsageError, match=r"begun with columns"):
        write_in_parts(wider, numbers(3), out=tmp_path / "t")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("")
    with pytest.raises(UsageError, match=r"exists and is no table in parts"):
        write_in_parts(JOB, numbers(3), out=tmp_path / "full")
    with pytest.raises(DataError, match="there is nothing to write"):
        write_in_parts(JOB, numbers(0), out=tmp_path / "empty")
    assert not (tmp_path / "empty" / INPUTS).exists()


def test_a_damaged_part_is_named(tmp_path):
    write_in_parts(JOB, numbers(3), out=tmp_path / "t")
    (tmp_path / "t" / part_name(0)).write_bytes(b"")
    with pytest.raises(DataError, match=r"part-000000.parquet: is damaged .* delete it"):
        write_in_parts(JOB, numbers(3), out=tmp_path / "t")


def test_predictions_in_parts_are_those_on_the_screen(tmp_path, run):
    model = save_tiny(tmp_path / "tiny.onnx")
    put_sounds(tmp_path / "sounds")
    code, out, err = run("predict", model, tmp_path / "sounds", "--format", "csv")
    code_in_parts, _, err_in_parts = run(
        "predict", model, tmp_path / "sounds", "--format", "parquet", "-o", tmp_path / "t"
    )
    assert code == code_in_parts == 1
    assert err
    assert err_in_parts.endswith(err)  # after the progress
    found = rows_in(tmp_path / "t")
    good = [row for row in found if not row["error"]]
    heading, *lines = out.splitlines()
    assert [tuple("" if row[name] is None else str(row[name]) for name in heading.split(",")) for row in good] == [
        tuple(line.split(",")) for line in lines
    ]
    (bad,) = (row for row in found if row["error"])
    assert bad["input"].endswith("broken.wav")
    assert bad["error"] in err
    for arguments in (["--format", "parquet"], ["--format", "parquet", "-o", tmp_path / "x", "--explain"]):
        assert run("predict", model, tmp_path / "sounds", *arguments)[0] == 2


def test_lists_of_files_are_inputs(tmp_path):
    put_sounds(tmp_path / "sounds")
    manifest = read_manifest(tmp_path / "sounds")
    manifest.to_csv(tmp_path / "list.csv")
    manifest.to_parquet(tmp_path / "list.parquet")
    expected = [str(tmp_path / "sounds" / example.path) for example in manifest]
    for name in ("list.csv", "list.parquet", "sounds"):
        assert list(list_inputs([str(tmp_path / name)], frozenset({".wav"}))) == expected
    (tmp_path / "other.csv").write_text("name\na.wav\n")
    with pytest.raises(DataError, match="has no column 'path'"):
        list(list_inputs([str(tmp_path / "other.csv")], frozenset()))
    table = predict_table(
        earmark.load(save_tiny(tmp_path / "tiny.onnx")), [str(tmp_path / "list.csv")], out=tmp_path / "t"
    )
    assert table.n_inputs == len(expected) == 7


def test_features_in_parts_are_those_of_one_file(tmp_path, run):
    put_sounds(tmp_path / "sounds")
    run("features", tmp_path / "sounds", "-o", tmp_path / "one.parquet", "--group", "--segment-s", "1")
    code, _, err = run("features", tmp_path / "sounds", "-o", tmp_path / "parts", "--group", "--segment-s", "1")
    assert code == 1
    assert "broken.wav" in err
    one = pq.read_table(tmp_path / "one.parquet").to_pylist()
    parts = rows_in(tmp_path / "parts")
    for row in parts:
        row["filename"] = row["filename"].rpartition("/")[2]
    assert parts == one

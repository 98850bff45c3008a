"""Manifests from every kind of source, and what each reader refuses."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.data import READERS, read_content, read_manifest
from earmark.data.archive import open_zip
from earmark.errors import DataError, EarmarkError, UnknownNameError, UnreadableError, UsageError
from earmark.types import Ink, Picture, Sound

STROKES = "{label}\n1,1;5,9;\n7,2;8,8;9,9;\n"


def write_sound(path: Path, n_samples: int = 800, rate_hz: int = 8_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.linspace(-0.5, 0.5, n_samples), rate_hz)


def write_homus(path: Path, writers: int = 3, each: int = 4) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("HOMUS/", "")
        archive.writestr("__MACOSX/HOMUS/1/1-1.txt", "junk")
        archive.writestr("HOMUS/README.txt", "a note")
        for writer in range(1, writers + 1):
            for n in range(1, each + 1):
                label = ("Barline", "C-Clef")[n % 2]
                archive.writestr(f"HOMUS/{writer}/{writer}-{n}.txt", STROKES.format(label=label))


def pictures(**changes) -> dict[str, np.ndarray]:
    tracks = [f"blues.0000{n}" for n in range(6)] + ["pop.00042", "mine"]
    return {
        "X": np.arange(8 * 4 * 5, dtype=np.uint8).reshape(8, 4, 5),
        "track": np.array(tracks),
        "label": np.array(["blues"] * 6 + ["pop"] * 2),
        "frame": np.arange(5),
    } | changes


class TestFolderOfClasses:
    def test_sounds(self, tmp_path):
        for name in ("jazz/b.wav", "jazz/a.wav", "jazz/live/c.flac", "日本/é 🎵.ogg"):
            write_sound(tmp_path / name)
        for junk in (
            "jazz/.DS_Store",
            "jazz/notes.txt",
            "jazz/cover.docx",
            ".git/x.wav",
            "readme.md",
            "__MACOSX/x.wav",
        ):
            (tmp_path / junk).parent.mkdir(exist_ok=True)
            (tmp_path / junk).write_text("x")
        manifest = read_manifest(tmp_path)
        assert manifest.domain == "sound"
        assert manifest.labels == ("jazz", "日本")
        paths = [example.path for example in manifest]
        assert paths == ["jazz/a.wav", "jazz/b.wav", "jazz/live/c.flac", "日本/é 🎵.ogg"]
        assert [example.group for example in manifest] == paths
        content = read_content(manifest, manifest.examples[-1])
        assert isinstance(content, Sound)
        assert content.sample_rate_hz == 8_000
        resampled = read_content(manifest, manifest.examples[0], sample_rate_hz=16_000)
        assert len(resampled.samples) == 1_600

    def test_strokes(self, tmp_path):
        for n in range(2):
            (tmp_path / "clef").mkdir(exist_ok=True)
            (tmp_path / "clef" / f"{n}.txt").write_text(STROKES.format(label="something else"))
        manifest = read_manifest(tmp_path)
        assert manifest.domain == "ink"
        assert manifest.labels == ("clef",)
        content = read_content(manifest, manifest.examples[0])
        assert isinstance(content, Ink)
        assert content.strokes[1].tolist() == [[7, 2], [8, 8], [9, 9]]

    def test_images(self, tmp_path):
        from PIL import Image

        (tmp_path / "clef").mkdir()
        Image.new("L", (6, 4), 200).save(tmp_path / "clef" / "a.PNG")
        manifest = read_manifest(tmp_path)
        assert manifest.domain == "ink"
        assert read_content(manifest, manifest.examples[0]).pixels.shape == (4, 6)

    def test_note_names_are_ordered_by_pitch(self, tmp_path):
        for note in ("C4", "A0", "A#0", "B3"):
            write_sound(tmp_path / note / "x.wav")
        assert read_manifest(tmp_path).labels == ("A0", "A#0", "B3", "C4")

    def test_a_pattern_names_the_group(self, tmp_path):
        for name in ("song1.0", "song1.1", "song2.0"):
            write_sound(tmp_path / "pop" / f"{name}.wav")
        manifest = read_manifest(tmp_path, groups=r"/([^/.]+)\.")
        assert [example.group for example in manifest] == ["song1", "song1", "song2"]
        with pytest.raises(DataError, match=r"finds nothing in 1 path\(s\) \(pop/song2\.0\.wav\)"):
            read_manifest(tmp_path, groups="(song1)")
        with pytest.raises(UsageError, match="has 2 parentheses"):
            read_manifest(tmp_path, groups="(so)(ng)")
        with pytest.raises(UsageError, match="is not a regular expression"):
            read_manifest(tmp_path, groups="(song")

    def test_a_loop_of_links_ends(self, tmp_path):
        write_sound(tmp_path / "pop" / "a.wav")
        (tmp_path / "pop" / "loop").symlink_to(tmp_path / "pop", target_is_directory=True)
        assert len(read_manifest(tmp_path)) == 1

    def test_refusals(self, tmp_path):
        with pytest.raises(DataError, match="no such file or folder"):
            read_manifest(tmp_path / "none")
        with pytest.raises(DataError, match="is an empty folder"):
            read_manifest(tmp_path)
        (tmp_path / "readme.md").write_text("x")
        with pytest.raises(DataError, match="has no sub-folders"):
            read_manifest(tmp_path)
        (tmp_path / "rock").mkdir()
        with pytest.raises(DataError, match="its sub-folders hold no sounds"):
            read_manifest(tmp_path)
        write_sound(tmp_path / "pop" / "a.wav")
        with pytest.raises(DataError, match=r"no sound files in 1 class folder\(s\): rock"):
            read_manifest(tmp_path)
        (tmp_path / "rock" / "a.png").write_bytes(b"x")
        with pytest.raises(DataError, match="holds 1 sounds and 1 drawings"):
            read_manifest(tmp_path)
        with pytest.raises(UnknownNameError, match="did you mean 'classes'"):
            read_manifest(tmp_path, kind="clases")


class TestHomus:
    def test_zip(self, tmp_path):
        write_homus(tmp_path / "h.zip")
        manifest = read_manifest(tmp_path / "h.zip")
        assert manifest.domain == "ink"
        assert len(manifest) == 12
        assert manifest.labels == ("Barline", "C-Clef")
        assert manifest.groups == ("writer 1", "writer 2", "writer 3")
        assert manifest.examples[1].path == "h.zip::HOMUS/1/1-2.txt"
        assert manifest.examples[1].sha256 == manifest.examples[3].sha256 != manifest.examples[0].sha256
        content = read_content(manifest, manifest.examples[0])
        assert isinstance(content, Ink)
        assert content.strokes[0].tolist() == [[1, 1], [5, 9]]

    def test_folder_is_the_same_as_the_zip(self, tmp_path):
        write_homus(tmp_path / "h.zip", writers=11)
        with zipfile.ZipFile(tmp_path / "h.zip") as archive:
            archive.extractall(tmp_path / "out")
        packed, unpacked = read_manifest(tmp_path / "h.zip"), read_manifest(tmp_path / "out" / "HOMUS")
        assert packed.fingerprint == unpacked.fingerprint
        assert [e.group for e in packed] == [e.group for e in unpacked]
        assert read_manifest(tmp_path / "out").fingerprint == packed.fingerprint

    def test_many_threads_read_one_archive_and_processes_their_own(self, tmp_path, monkeypatch):
        from concurrent.futures import ThreadPoolExecutor

        write_homus(tmp_path / "h.zip", writers=20, each=10)
        manifest = read_manifest(tmp_path / "h.zip")
        with ThreadPoolExecutor(8) as pool:
            contents = list(pool.map(lambda example: read_content(manifest, example), manifest.examples * 3))
        assert all(content.strokes[1].shape == (3, 2) for content in contents)
        mine = open_zip(tmp_path / "h.zip")
        assert open_zip(tmp_path / "h.zip") is mine
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert open_zip(tmp_path / "h.zip") is not mine

    def test_refusals(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
            archive.writestr("a/b.txt", "x")
        with pytest.raises(DataError, match="so it is not HOMUS"):
            read_manifest(tmp_path / "other.zip")
        (tmp_path / "not.zip").write_text("text")
        with pytest.raises(UnreadableError, match="is not an intact zip archive"):
            read_manifest(tmp_path / "not.zip")
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
            archive.writestr("1/1-1.txt", "1,2;3,4;")
            archive.writestr("1/1-2.txt", b"\xff\xfe\x00")
        with pytest.raises(UnreadableError, match=r"2 file\(s\) do not begin with a line that is a label \(bad\.zip::"):
            read_manifest(tmp_path / "bad.zip")

    def test_a_damaged_member_is_named(self, tmp_path):
        write_homus(tmp_path / "h.zip")
        manifest = read_manifest(tmp_path / "h.zip")
        data = bytearray((tmp_path / "h.zip").read_bytes())
        at = data.index(b"HOMUS/3/3-4.txt") + 20
        data[at : at + 6] = b"\0" * 6
        (tmp_path / "h.zip").write_bytes(data)
        with pytest.raises(UnreadableError, match=r"3-4\.txt: is damaged"):
            read_content(manifest, manifest.examples[-1])


class TestGtzan:
    def test_artists_are_groups(self, tmp_path):
        for name in ("blues.00000.wav", "blues.00001.au", "blues.00099.flac"):
            write_sound(tmp_path / "genres_original" / "blues" / name)
        write_sound(tmp_path / "genres_original" / "pop" / "pop.00003.wav")
        (tmp_path / "images_original" / "blues").mkdir(parents=True)
        (tmp_path / "features_3_sec.csv").write_text("filename,label\n")
        manifest = read_manifest(tmp_path)
        assert [example.track for example in manifest][:3] == ["blues.00000", "blues.00001", "blues.00099"]
        groups = [example.group for example in manifest]
        assert groups[0] == groups[1] == "artist 0"
        assert manifest.root == tmp_path / "genres_original"

    def test_a_stranger_among_the_tracks_is_named(self, tmp_path):
        for name in ("blues.00000.wav", "my song.wav"):
            write_sound(tmp_path / "blues" / name)
        with pytest.raises(DataError, match=r"my song\.wav: is not named like the GTZAN tracks"):
            read_manifest(tmp_path)


class TestPianos:
    @pytest.mark.parametrize("columns", ["file,midi,note,piano", "file,midi,piano", "file,note,piano"])
    def test_notes(self, tmp_path, columns):
        rows = [{"file": "a/1.wav", "midi": "22", "note": "A#0", "piano": "a"}]
        rows += [{"file": "b/2.wav", "midi": "61", "note": "Db4", "piano": "b"}]
        for row in rows:
            write_sound(tmp_path / row["file"])
        lines = [columns, *(",".join(row[name] for name in columns.split(",")) for row in rows)]
        (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8-sig")
        for source in (tmp_path, tmp_path / "labels.csv"):
            manifest = read_manifest(source)
            assert manifest.labels == ("A#0", "C#4")
            assert manifest.groups == ("a", "b")

    @pytest.mark.parametrize(
        ("row", "sentence"),
        [
            ("1.wav,60,C5,a", r"row 2: midi 60 is C4, not C5"),
            ("1.wav,,H4,a", r"'H4' is not a note"),
            ("1.wav,200,,a", r"midi is '200'"),
            ("1.wav,,,a", "has neither midi nor note"),
            ("2.wav,60,,a", r"names 1 file\(s\) that are not there \(2\.wav\)"),
            ("1.wav,60,a", "has 3 cells, the header has 4"),
        ],
    )
    def test_refusals(self, tmp_path, row, sentence):
        write_sound(tmp_path / "1.wav")
        (tmp_path / "labels.csv").write_text(f"file,midi,note,piano\n{row}\n")
        with pytest.raises(DataError, match=sentence):
            read_manifest(tmp_path)


class TestPictures:
    def test_rows(self, tmp_path):
        arrays = pictures()
        np.savez_compressed(tmp_path / "x.npz", **arrays)
        manifest = read_manifest(tmp_path / "x.npz")
        assert manifest.domain == "picture"
        assert [example.path for example in manifest][:2] == ["x.npz::0", "x.npz::1"]
        assert manifest.examples[0].group == manifest.examples[1].group == "artist 0"
        assert manifest.examples[-1].group == "mine"
        content = read_content(manifest, manifest.examples[3])
        assert isinstance(content, Picture)
        np.testing.assert_array_equal(content.values, arrays["X"][3])
        with pytest.raises(ValueError, match="read-only"):
            content.values[0, 0] = 1

    def test_frame_may_be_absent(self, tmp_path):
        arrays = pictures()
        del arrays["frame"]
        np.savez(tmp_path / "x.npz", **arrays)
        assert len(read_manifest(tmp_path / "x.npz")) == 8

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"X": np.zeros((8, 4), np.uint8)}, r"X is uint8 of shape \(8, 4\)"),
            ({"X": np.zeros((0, 4, 5))}, "none of them 0"),
            ({"X": np.full((8, 4, 5), "a")}, "it must be numbers"),
            ({"label": np.array(["a"] * 7)}, "it must be 8 texts"),
            ({"label": np.arange(8)}, "it must be 8 texts"),
            ({"label": np.array(["a", None] * 4)}, "plain arrays"),
            ({"frame": np.arange(4)}, "one number a column of X"),
            ({"label": np.array([""] * 8)}, "has no label"),
        ],
    )
    def test_refusals(self, tmp_path, changes, sentence):
        np.savez(tmp_path / "x.npz", **pictures(**changes))
        with pytest.raises(DataError, match=sentence):
            read_manifest(tmp_path / "x.npz")

    def test_what_is_no_npz(self, tmp_path):
        np.savez(tmp_path / "x.npz", Y=np.zeros(3))
        with pytest.raises(DataError, match=r"has no array 'X' \(it holds Y\)"):
            read_manifest(tmp_path / "x.npz")
        whole = io.BytesIO()
        np.savez(whole, **pictures())
        plain = io.BytesIO()
        np.save(plain, np.zeros(3))
        for n, content in enumerate((b"", b"text", whole.getvalue()[:-200], plain.getvalue())):
            (tmp_path / f"{n}.npz").write_bytes(content)
            with pytest.raises(DataError, match=r"cannot be read as an \.npz of plain arrays"):
                read_manifest(tmp_path / f"{n}.npz")

    def test_values_that_are_not_finite_are_met_on_reading(self, tmp_path):
        values = np.zeros((8, 4, 5), np.float32)
        values[2, 1, 1] = np.nan
        np.savez(tmp_path / "x.npz", **pictures(X=values))
        manifest = read_manifest(tmp_path / "x.npz")
        with pytest.raises(DataError, match=r"\(x\.npz::2\): has values that are NaN"):
            read_content(manifest, manifest.examples[2])


class TestFeatureTable:
    def test_excerpts_of_a_track_are_one_group(self, tmp_path):
        lines = ["filename,length,tempo,mfcc1_mean,label"]
        lines += [
            f"{name},66149,{n},0.5,{name.split('.')[0]}"
            for n, name in enumerate(["blues.00000.0.wav", "blues.00000.9.wav", "blues.00099.0.wav", "mine.wav"])
        ]
        (tmp_path / "f.csv").write_text("\n".join(lines) + "\n\n")
        manifest = read_manifest(tmp_path / "f.csv")
        assert manifest.domain == "table"
        assert [example.track for example in manifest] == ["blues.00000", "blues.00000", "blues.00099", "mine.wav"]
        assert manifest.examples[0].group == manifest.examples[1].group == "artist 0"
        assert manifest.table.names == ("tempo", "mfcc1_mean")
        part = manifest.with_splits(["train", "test", None, "test"]).part("test")
        np.testing.assert_array_equal(part.table.values, [[1, 0.5], [3, 0.5]])
        row = read_content(manifest, manifest.examples[2])
        assert (row.names, row.values.tolist()) == (("tempo", "mfcc1_mean"), [2, 0.5])

    def test_without_names_the_groups_are_unknown(self, tmp_path):
        (tmp_path / "f.csv").write_text("mfcc1_mean,label\n1,a\n2,b\n")
        manifest = read_manifest(tmp_path / "f.csv")
        assert not manifest.groups_known
        assert manifest.groups == ()

    def test_a_column_group_and_folders_in_the_names(self, tmp_path):
        (tmp_path / "f.csv").write_text(
            "filename,group,mfcc1_mean,label\nx/blues.00000.1.wav,anna,1,a\ny/z.wav,bob,2,b\n"
        )
        manifest = read_manifest(tmp_path / "f.csv")
        assert [(example.track, example.group) for example in manifest] == [("blues.00000", "anna"), ("y/z.wav", "bob")]
        assert manifest.table.names == ("mfcc1_mean",)

    def test_parquet_is_the_same(self, tmp_path):
        csv, parquet = pytest.importorskip("pyarrow.csv"), pytest.importorskip("pyarrow.parquet")
        (tmp_path / "f.csv").write_text("filename,mfcc1_mean,label\na.wav,1.25,a\nb.wav,2.5,b\n")
        parquet.write_table(csv.read_csv(tmp_path / "f.csv"), tmp_path / "f.parquet")
        read, same = read_manifest(tmp_path / "f.csv"), read_manifest(tmp_path / "f.parquet")
        assert read.fingerprint == same.fingerprint
        (tmp_path / "bad.parquet").write_text("text")
        with pytest.raises(UnreadableError, match="is not an intact Parquet file"):
            read_manifest(tmp_path / "bad.parquet")

    @pytest.mark.parametrize("cell", ["nan", "inf", "", "loud"])
    def test_cells_that_are_no_finite_numbers(self, tmp_path, cell):
        (tmp_path / "f.csv").write_text(f"filename,mfcc1_mean,label\na.wav,1,a\nb.wav,{cell},b\n")
        with pytest.raises(DataError, match=f"row 3: mfcc1_mean is '{cell}'"):
            read_manifest(tmp_path / "f.csv")

    def test_without_label(self, tmp_path):
        (tmp_path / "f.csv").write_text("filename,mfcc1_mean\na.wav,1\n")
        with pytest.raises(DataError, match="has no column 'label'"):
            read_manifest(tmp_path / "f.csv")


class TestManifestFile:
    def test_spans_and_splits(self, tmp_path):
        write_sound(tmp_path / "a.wav")
        (tmp_path / "m.csv").write_text(
            "path,label,group,split,start_s,duration_s\na.wav,x,g,train,0,0.05\na.wav,y,g,test,0.05,0.025\n"
        )
        manifest = read_manifest(tmp_path / "m.csv")
        assert [example.split for example in manifest] == ["train", "test"]
        assert [len(read_content(manifest, example).samples) for example in manifest] == [400, 200]
        whole = read_content(read_manifest(_one_line(tmp_path)), manifest.examples[0].__class__("a.wav", "x", "g"))
        np.testing.assert_array_equal(read_content(manifest, manifest.examples[1]).samples, whole.samples[400:600])

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("path,label,gruop\na.wav,x,g\n", r"unknown column 'gruop' \(did you mean 'group'\?\)"),
            ("path,group\na.wav,g\n", "has no column 'label'"),
            ("label,group\nx,g\n", "has no column 'path'"),
            ("path,label\n", "has no rows"),
            ("", "is empty"),
            ("path,label\nb.wav,x\nc.wav,x\n", r"names 2 file\(s\) that are not there \(b\.wav, c\.wav\)"),
            ("path,label\na.wav,x\na.wav,y\n", "a.wav is listed twice"),
            ("path,label\na.wav, \n", "row 2: a.wav: has no label"),
            ("path,label,split\na.wav,x,tset\n", "row 2: a.wav: the split is 'tset'"),
            ("path,label,start_s\na.wav,x,one\n", "row 2: 'one' is not a number of seconds"),
            ("path,label,start_s\na.wav,x,-1\n", r"the span starts at -1\.0 s"),
            ("path,label,duration_s\na.wav,x,0\n", r"the span lasts 0\.0 s"),
            ("path,label\na.wav,x\nm.csv,x\n", r"'m\.csv' is neither a sound"),
            ("path,label\na.wav,x\nt.txt,x\n", r"mixes sound \(a\.wav\) and ink \(t\.txt\)"),
            ("path,label,path\na.wav,x,a.wav\n", "the column 'path' is there twice"),
            ("path,label\na.wav,x,y\n", "has 3 cells"),
        ],
    )
    def test_refusals(self, tmp_path, text, sentence):
        write_sound(tmp_path / "a.wav")
        (tmp_path / "t.txt").write_text("x")
        (tmp_path / "m.csv").write_text(text)
        with pytest.raises(DataError, match=sentence):
            read_manifest(tmp_path / "m.csv")

    def test_bytes_that_are_no_text(self, tmp_path):
        (tmp_path / "m.csv").write_bytes(b"path,label\n\xff\xfe,x\n")
        with pytest.raises(UnreadableError, match="is not text in UTF-8"):
            read_manifest(tmp_path / "m.csv")

    def test_any_other_file(self, tmp_path):
        (tmp_path / "m.doc").write_text("x")
        with pytest.raises(DataError, match=r"is not a kind of data that can be read; allowed: an \.npz"):
            read_manifest(tmp_path / "m.doc")


def _one_line(folder: Path) -> Path:
    (folder / "one.csv").write_text("path,label\na.wav,x\n")
    return folder / "one.csv"


def test_every_reader_says_what_it_reads():
    assert all(reader.about for reader in READERS.values())
    assert list(READERS)[-1] == "classes"


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b"text\n", b'"', b"a,b\n1,2\n", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.npz", "x.zip", "x", "labels.csv"])
def test_any_file_is_refused_in_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EarmarkError) as caught:
        read_manifest(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


class TestRealData:
    def test_homus(self, shared_data):
        manifest = read_manifest(shared_data / "homus" / "HOMUS-80-writers.zip")
        assert (len(manifest), len(manifest.groups), len(manifest.labels)) == (12_160, 80, 32)
        assert isinstance(read_content(manifest, manifest.examples[5_000]), Ink)

    def test_pictures(self, shared_data):
        manifest = read_manifest(shared_data / "gtzan" / "mel128x387.npz")
        assert (len(manifest), len(manifest.labels)) == (709, 10)
        assert read_content(manifest, manifest.examples[0]).values.shape == (128, 387)

    def test_gtzan(self, shared_data):
        manifest = read_manifest(shared_data / "gtzan" / "audio")
        assert (len(manifest), len(manifest.labels)) == (96, 10)
        assert read_content(manifest, manifest.examples[0]).sample_rate_hz == 22_050

    def test_pianos(self, shared_data):
        manifest = read_manifest(shared_data / "pianos")
        assert (len(manifest), len(manifest.groups), len(manifest.labels)) == (776, 8, 88)
        assert manifest.labels[0] == "A0"
        assert manifest.labels[-1] == "C8"

    def test_tables(self, shared_data):
        manifest = read_manifest(shared_data / "gtzan" / "features_30_sec.csv")
        assert (len(manifest), manifest.table.values.shape) == (710, (710, 57))
        assert manifest.groups_known
        nameless = read_manifest(shared_data / "gtzan" / "features_3_sec_5genres.csv")
        assert (len(nameless), len(nameless.labels), nameless.groups_known) == (4_995, 5, False)

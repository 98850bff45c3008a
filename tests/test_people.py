"""What real people ran into: files, tables and samples as they come, each with the answer that one would expect."""

from __future__ import annotations

import io
import logging
import unicodedata
import zipfile

import numpy as np
import pytest
import soundfile

from earmark import sound
from earmark.data import content_sha256, read_manifest
from earmark.data.archive import read_bytes
from earmark.data.table import read_columns, read_table
from earmark.doctor import check
from earmark.errors import DataError, UnreadableError, UsageError
from earmark.features import FeatureCache
from earmark.runs.sample import read_sample, spellings
from earmark.runs.submit import match_files, read_label_map, submit
from earmark.training.readable import set_aside_unreadable
from tiny import tiny_recognizer, tone

HEAD = ("filename", "length", "chroma_stft_mean", "mfcc1_mean", "label")
ROWS = [(f"{g}.{i:05d}.wav", "661794", f"{(7 * i) % 5}.25", f"-{(3 * i) % 7}.5", g) for g in "ab" for i in range(8)]


def write_table(path, *, separator=",", head=HEAD, rows=ROWS, encoding="utf-8"):
    path.write_text("\n".join(separator.join(row) for row in (head, *rows)) + "\n", encoding=encoding)
    return path


class TestSound:
    def test_a_codec_that_cannot_seek_is_read(self, tmp_path):
        samples = tone(rate_hz=8000)
        soundfile.write(tmp_path / "g.au", samples, 8000, format="AU", subtype="G721_32")
        whole = sound.read(tmp_path / "g.au")
        assert len(whole.samples) == pytest.approx(8000, abs=200)
        part = sound.read(tmp_path / "g.au", start_s=0.5, duration_s=0.2)
        np.testing.assert_allclose(part.samples, whole.samples[4000:5600], atol=1e-6)

    def test_channels_that_cancel_each_other_are_named(self, tmp_path):
        samples = tone()
        soundfile.write(tmp_path / "inv.wav", np.stack([samples, -0.99 * samples], 1), 22050)
        with pytest.raises(UnreadableError, match=r"inv\.wav: its channels cancel each other"):
            sound.read(tmp_path / "inv.wav")
        soundfile.write(tmp_path / "side.wav", np.stack([samples, 0 * samples], 1), 22050)
        assert sound.read(tmp_path / "side.wav").samples.max() > 0.1

    def test_bad_files_are_set_aside_with_a_sentence(self, tmp_path, caplog):
        for label in ("a", "b"):
            for number in range(2):
                (tmp_path / "d" / label).mkdir(parents=True, exist_ok=True)
                soundfile.write(tmp_path / "d" / label / f"{number}.wav", tone(seconds=0.1), 22050)
        (tmp_path / "d" / "a" / "2.wav").write_bytes(np.random.default_rng(0).bytes(500))
        manifest, cache = read_manifest(tmp_path / "d"), FeatureCache(tmp_path / "c")
        kept = set_aside_unreadable(manifest, cache=cache)
        assert [example.path for example in kept] == ["a/0.wav", "a/1.wav", "b/0.wav", "b/1.wav"]
        assert all(example.sha256 for example in kept)
        assert "1 example of 5 cannot be read" in caplog.text
        assert "check --quarantine" in caplog.text
        with pytest.raises(DataError, match="1 example of 5 cannot be read"):
            set_aside_unreadable(manifest, cache=cache, strict=True)

    def test_a_name_that_is_no_text(self, tmp_path, run):
        folder = tmp_path / "d"
        folder.mkdir()
        name = b"f\xfcr.wav".decode("utf-8", "surrogateescape")
        try:
            soundfile.write(str(folder / "x.wav"), tone(), 22050)
            (folder / "x.wav").rename(folder / name)
        except OSError:
            pytest.skip("this file system takes names of text only")
        code, out, _ = run("predict", "notes", folder, "--top", "1")
        assert code == 0
        assert "A4" in out

    def test_a_folder_of_names_that_are_no_text(self, tmp_path, run):
        odd = b"f\xfcr".decode("utf-8", "surrogateescape")
        try:
            (tmp_path / odd).mkdir()
        except OSError:
            pytest.skip("this file system takes names of text only")
        for label in ("low", odd):
            (tmp_path / odd / label).mkdir()
            for number in range(3):
                hz = 110 if label == "low" else 1760
                name = f"{odd}{number}" if number else str(number)
                soundfile.write(tmp_path / "made.wav", tone(seconds=0.5, hz=hz + number), 22050)
                (tmp_path / "made.wav").rename(tmp_path / odd / label / f"{name}.wav")
        changes = ("--set", "training.epochs=1", "--set", "window.length_s=0.5", "--set", "window.hop_s=0.5")
        small = (*changes, "--set", "window.min_s=0.5", "--set", "small_data.below=0", "--set", "model.widths=[4,8]")
        code, _, err = run("train", "sound", "--data", tmp_path / odd, "-o", tmp_path / odd / "run", *small)
        assert (code, "is a name in another encoding than UTF-8; choose another folder with -o" in err) == (2, True)
        trained = tmp_path / "run"
        code, _, err = run("train", "sound", "--data", tmp_path / odd, "-o", trained, *small)
        assert code == 0, err
        for data in (tmp_path / odd, trained / "manifest.csv"):
            assert run("evaluate", trained, "--data", data, "--html", tmp_path / "report.html")[0] == 0
        table = tmp_path / "t.csv"
        assert run("features", tmp_path / odd, "-o", table)[0] == 0
        assert read_manifest(table).labels == (r"f\udcfcr", "low")
        code, _, err = run("features", tmp_path / odd, "-o", tmp_path / "t.parquet")
        assert code == 1
        assert "is a file name in another encoding than UTF-8, which Parquet cannot hold; rename the file" in err

    def test_a_list_in_another_encoding_is_not_taken_for_odd_names(self, tmp_path):
        for name in ("für", "wider"):
            soundfile.write(tmp_path / f"{name}.wav", tone(seconds=0.1), 22050)
        (tmp_path / "list.csv").write_bytes("path,label\nfür.wav,a\nwider.wav,b\n".encode("latin-1"))
        with pytest.raises(UnreadableError, match=r"not text in UTF-8 \(the byte 0xfc at 12\); save it as 'CSV UTF-8'"):
            read_manifest(tmp_path / "list.csv")

    @pytest.mark.parametrize("stored", ["NFC", "NFD"])
    def test_a_list_that_writes_names_in_other_letters(self, tmp_path, stored):
        name = unicodedata.normalize(stored, "blüs/ö.wav")
        (tmp_path / name).parent.mkdir()
        soundfile.write(str(tmp_path / name), tone(seconds=0.1), 22050)
        lines = [
            unicodedata.normalize(other, text) for other in ("NFC", "NFD") for text in ("blüs/ö.wav", "blüs\\ö.wav ")
        ]
        for line in lines:
            (tmp_path / "list.csv").write_text(f"path,label\n{line},a\n", encoding="utf-8")
            assert [example.path for example in read_manifest(tmp_path / "list.csv")] == [name]
            (tmp_path / "labels.csv").write_text(f"file,note,piano\n{line},A4,x\n", encoding="utf-8")
            assert [example.path for example in read_manifest(tmp_path / "labels.csv")] == [name]
        ids = ["blüs/ö.wav", unicodedata.normalize("NFD", "ö")]
        for written in ids:
            found = match_files([written], tmp_path, extensions=frozenset({".wav"}), where="s")
            assert found == {written: tmp_path / name}

    def test_a_zip_that_does_not_say_in_what_its_names_are(self, tmp_path):
        stored = "blüs/ö.wav".encode().decode("cp437")
        buffer = io.BytesIO()
        soundfile.write(buffer, tone(seconds=0.1), 22050, format="WAV")
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            archive.writestr(stored, buffer.getvalue())
        (tmp_path / "list.csv").write_text("path,label\nset.zip::blüs/ö.wav,a\n", encoding="utf-8")
        manifest = read_manifest(tmp_path / "list.csv")
        assert read_bytes(manifest.root, manifest.examples[0].path) == buffer.getvalue()
        with pytest.raises(UnreadableError, match=r"holds no 'x\.wav'; check the name"):
            read_bytes(tmp_path, "set.zip::x.wav")

    def test_labels_that_look_alike_are_one(self, tmp_path):
        labels = ("blüs", unicodedata.normalize("NFD", "blüs"), "blüs\u200b", "\ufeffblüs", "jazz")
        lines = "".join(f"{place}.wav,{label}\n" for place, label in enumerate(labels))
        for place in range(5):
            soundfile.write(tmp_path / f"{place}.wav", tone(seconds=0.1), 22050)
        (tmp_path / "list.csv").write_text(f"path,label\n{lines}", encoding="utf-8")
        assert read_manifest(tmp_path / "list.csv").labels == ("blüs", "jazz")
        rows = [(*row[:-1], label) for row, label in zip(ROWS, labels, strict=False)]
        assert read_manifest(write_table(tmp_path / "t.csv", rows=rows, encoding="utf-8")).labels == ("blüs", "jazz")

    def test_spans_of_one_file_may_have_several_labels(self, tmp_path, run):
        lines = ["path,label,start_s,duration_s"]
        for number in range(6):
            halves = [tone(seconds=0.5, hz=110 + number), tone(seconds=0.5, hz=1760 + number)]
            soundfile.write(tmp_path / f"{number}.wav", np.concatenate(halves), 22050)
            lines += [f"{number}.wav,low,0,0.5", f"{number}.wav,high,0.5,0.5"]
        (tmp_path / "list.csv").write_text("\n".join(lines))
        changes = ("--set", "training.epochs=1", "--set", "small_data.below=0", "--set", "model.widths=[4,8]")
        code, _, err = run("train", "sound", "--data", tmp_path / "list.csv", "-o", tmp_path / "run", *changes)
        assert code == 0, err


class TestTables:
    def test_an_index_is_left_out_and_named(self, tmp_path, caplog):
        for name in ("Unnamed: 0", "", "number", "Unnamed: 0.1", "Unnamed: 0_level_0", "level_0", "Row ID"):
            indexed = [(str(place + 3), *row) for place, row in enumerate(ROWS)]
            path = write_table(tmp_path / f"{name[:2]}.csv", head=(name, *HEAD), rows=indexed)
            assert read_table(path).names == ("chroma_stft_mean", "mfcc1_mean")
            assert f"leaves out the column(s) {name!r}" in caplog.text

    @pytest.mark.parametrize(
        ("numbers", "why"),
        [
            (range(0, 48, 3), "grows by 3 from row to row"),
            ([n * n for n in range(16)], "grows or falls with every row"),
            ([7 * n % 16 for n in range(16)], "numbers the rows in another order"),
            ([n % 3 for n in range(16)], ""),
            ([n * n / 2 for n in range(16)], ""),
        ],
    )
    def test_numbers_that_give_the_order_away(self, tmp_path, caplog, numbers, why):
        rows = [(str(number), *row) for number, row in zip(numbers, ROWS, strict=True)]
        path = write_table(tmp_path / "t.csv", head=("take", *HEAD), rows=rows)
        assert ("take" in read_table(path).names) == (not why)
        assert why in caplog.text

    def test_by_their_extension(self, tmp_path):
        path = write_table(tmp_path / "t.tsv", separator="\t")
        manifest = read_manifest(path)
        assert manifest.labels == ("a", "b")
        assert content_sha256(manifest.root, manifest.examples[1].path) == manifest.examples[1].sha256
        (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
        with pytest.raises(DataError, match=r"t\.xlsx: is a spreadsheet, which is not read; save it as 'CSV UTF-8'"):
            read_manifest(tmp_path / "t.xlsx")

    def test_check_names_columns_that_are_no_features(self, tmp_path):
        indexed = [(str(place), *row) for place, row in enumerate(ROWS)]
        report = check(write_table(tmp_path / "t.csv", head=("Unnamed: 0", *HEAD), rows=indexed))
        (finding,) = (each for each in report.findings if each.kind == "no-feature")
        assert finding.message.startswith("the column 'Unnamed: 0' only counts or names the rows")

    @pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (",", "utf-8-sig")])
    def test_as_spreadsheets_write_them(self, tmp_path, separator, encoding):
        rows = [(*row[:2], *(cell.replace(".", ",") for cell in row[2:4]), row[4]) for row in ROWS]
        path = write_table(
            tmp_path / "t.csv", separator=separator, rows=rows if separator == ";" else ROWS, encoding=encoding
        )
        expected = read_table(write_table(tmp_path / "plain.csv"))
        np.testing.assert_array_equal(read_table(path).values, expected.values)
        assert read_manifest(path).labels == ("a", "b")

    @pytest.mark.parametrize(
        ("text", "numbers"),
        [
            ("sep=;\nfilename;tempo;mfcc1_mean;label\na;0,5;-1.234;x\nb;1.000,25;7;y\n", [0.5, -1234, 1000.25, 7]),
            ('"sep=,"\r\nfilename,tempo,mfcc1_mean,label\r\na,1,2,x\r\n,,,\r\n', [1, 2]),
            ("\n\nfilename|tempo|mfcc1_mean|label\na|1|2|x\n", [1, 2]),
            (" filename;a, b;tempo ; label\na;1 234,5;-1\u00a0234\u202f567,5;x\n", [1234.5, -1234567.5]),
            ('filename,tempo,mfcc1_mean,label\na,"1,234.5","12,34,567",x\n', [1234.5, 1234567]),
            ("filename,tempo,mfcc1_mean,label\na,'7',(3.5),x\nb,\u22122.5,1\u2019234.5,y\n", [7, -3.5, -2.5, 1234.5]),
            ("filename,tempo,mfcc1_mean,label\na,\u0661\u066b\u0665,\uff11\uff12\uff0e\uff15,x\n", [1.5, 12.5]),
        ],
    )
    def test_numbers_of_any_country(self, tmp_path, text, numbers):
        path = tmp_path / "t.csv"
        for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-32"):
            path.write_bytes(text.encode(encoding))
            assert read_table(path).values.ravel().tolist() == numbers
            assert read_manifest(path).labels[0] == "x"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
    def test_the_heading_of_a_long_table(self, tmp_path, encoding):
        path = tmp_path / "t.csv"
        lines = (f"{place}ü.wav;0,{place};-1,5;x" for place in range(30_000))
        path.write_bytes("\n".join(["filename;tempo;mfcc1_mean;label", *lines]).encode(encoding))
        assert read_columns(path) == ("filename", "tempo", "mfcc1_mean", "label")

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (
                b"filename;tempo;label\na;0,5;x\nb;0.25;y\n",
                r"t.csv: has numbers with decimal points \(0.25 in row 3, column tempo\) and with",
            ),
            (
                b"filename,tempo,label\na,1,caf\xe9\n",
                r"not text in UTF-8 \(the byte 0xe9 at 28\); save it as 'CSV UTF-8'",
            ),
            (b"PK\x03\x04" + bytes(99), "is a spreadsheet or an archive, not csv"),
            (b" \n", "is empty"),
            (
                b"filename;tempo;label\na;2;x\nb;1,234;x\n",
                "row 3: tempo is '1,234'; the comma may stand before decimals or",
            ),
            (b"a.wav,1,2\nb.wav,3,4\n", "no column 'path' among 'a.wav', '1', '2'"),
            (b"filename,tempo,label\na,1,nan\n", "row 2: has no label"),
            (b'"filename","tempo","label"\n"1","a",1,"x"\n', "one cell more than the header, as R writes the names"),
            (b"\n<html><body>Sign in</body></html>", "is a page of HTML or XML, not csv"),
            (b'[{"filename": "a"}]', "is JSON, not csv"),
            (b"\x1f\x8b\x08" + bytes(99), "is compressed by gzip, not csv"),
            (b"PAR1" + bytes(99), "is Parquet, whose name ends in .parquet, not csv"),
        ],
    )
    def test_what_no_table_is_says_why(self, tmp_path, content, sentence):
        path = tmp_path / "t.csv"
        path.write_bytes(content)
        with pytest.raises(DataError, match=sentence):
            read_manifest(path).table  # noqa: B018

    @pytest.mark.parametrize(
        ("before", "after"), [("\ufeff\ufeff", ""), ("", "\x1a"), ("", "\0\0"), ("\ufeffsep=,\r\n", "")]
    )
    def test_marks_around_the_text(self, tmp_path, before, after):
        path = write_table(tmp_path / "t.csv")
        expected = read_table(path).values
        path.write_text(f"{before}{path.read_text()}{after}", encoding="utf-8")
        np.testing.assert_array_equal(read_table(path).values, expected)
        assert read_columns(path) == HEAD

    def test_a_comma_at_the_end_of_every_line(self, tmp_path):
        path = write_table(tmp_path / "t.csv", head=(*HEAD, ""), rows=[(*row, "") for row in ROWS])
        assert read_table(path).names == ("chroma_stft_mean", "mfcc1_mean")

    @pytest.mark.parametrize(
        ("cell", "sentence"),
        [
            ('"1,2,3"', "row 2: mfcc1_mean is '1,2,3'; only finite numbers are features"),
            ("", "the cell is empty"),
            ("N/A", "says that there is no value"),
            ("3%", "without the percent sign"),
            ("\u2014", "says that there is no value"),
            ("#WERT!", "a spreadsheet writes so what it could not compute"),
        ],
    )
    def test_cells_that_are_no_numbers_say_why(self, tmp_path, cell, sentence):
        rows = [(*ROWS[0][:3], cell, "a"), *ROWS[1:]]
        with pytest.raises(DataError, match=sentence):
            read_table(write_table(tmp_path / "t.csv", rows=rows))

    @pytest.mark.parametrize("name", ["Label", "genre", "class", "target"])
    def test_labels_of_another_name_are_suggested(self, tmp_path, name):
        with pytest.raises(DataError, match=f"did you mean '{name}'"):
            read_manifest(write_table(tmp_path / "t.csv", head=(*HEAD[:-1], name)))

    def test_labels_that_differ_in_case_and_empty_ones(self, tmp_path, caplog):
        rows = [*ROWS, (*ROWS[0][:-1], "A")]
        read_manifest(write_table(tmp_path / "t.csv", rows=rows))
        assert "'A' and 'a' seem to mean the same label" in caplog.text
        with pytest.raises(DataError, match="row 4: has no label"):
            read_manifest(write_table(tmp_path / "e.csv", rows=[*ROWS[:2], (*ROWS[2][:-1], ""), *ROWS[3:]]))


class TestSubmission:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "test"
        folder.mkdir()
        for name, hz in (("40", 440), ("50", 262), ("60", 330)):
            soundfile.write(folder / f"{name}.wav", tone(hz=hz, seconds=0.5), 22050)
        (folder / ".ipynb_checkpoints").mkdir()
        soundfile.write(folder / ".ipynb_checkpoints" / "40-checkpoint.wav", tone(), 22050)
        (folder / ".DS_Store").write_bytes(b"x")
        return folder

    @pytest.mark.parametrize(
        "text",
        [
            "id,label\n40.wav,x\n50.wav,x\n60.wav,x\n",
            "id,label\n40.0,x\n50.0,x\n60.0,x\n",
            "id;label\n40;x\n50;x\n60;x\n",
            "id, label\n40, x\n50 , x\n 60, x\n",
            "id,label\ntest/40.wav,x\ntest/50.wav,x\ntest/60.wav,x\n",
            "id,filename,label\n1,40.wav,x\n2,50.wav,x\n3,60.wav,x\n",
        ],
    )
    def test_ids_of_any_spelling(self, folder, tmp_path, text):
        (tmp_path / "s.csv").write_text(text)
        assert submit(tiny_recognizer(tmp_path), folder, sample=tmp_path / "s.csv", out=tmp_path / "o.csv") == 3
        written, given = (tmp_path / "o.csv").read_text().splitlines(), text.splitlines()
        assert written[0] == given[0]
        assert [line.rpartition(",;"[";" in text])[0] for line in written] == [
            line.rpartition(",;"[";" in text])[0] for line in given
        ]

    def test_an_index_before_the_ids_is_named(self, tmp_path):
        (tmp_path / "s.csv").write_text(",id,label\n0,40,x\n1,50,x\n2,60,x\n")
        with pytest.raises(DataError, match="only counts the rows, so the ids seem to be in 'id'"):
            read_sample(tmp_path / "s.csv")

    def test_id_patterns(self, folder, tmp_path):
        (tmp_path / "s.csv").write_text("id,label\n4,x\n5,x\n6,x\n")
        recognizer, out = tiny_recognizer(tmp_path), tmp_path / "o.csv"
        assert submit(recognizer, folder, sample=tmp_path / "s.csv", out=out, id_pattern="{id}0.wav") == 3
        with pytest.raises(UsageError, match=r"has no \{id\}"):
            submit(recognizer, folder, sample=tmp_path / "s.csv", out=out, id_pattern="x")

    def test_what_is_written_for_a_label(self, folder, tmp_path, run):
        (tmp_path / "s.csv").write_text("id,label\n40,x\n50,x\n60,x\n")
        (tmp_path / "map.csv").write_text("label,value\nA4,la\nC4,do\nE4,mi\n")
        recognizer = tiny_recognizer(tmp_path)
        words = read_label_map(tmp_path / "map.csv")
        submit(recognizer, folder, sample=tmp_path / "s.csv", out=tmp_path / "o.csv", written=words)
        answers = [line.split(",")[1] for line in (tmp_path / "o.csv").read_text().splitlines()[1:]]
        assert set(answers) <= {"la", "do", "mi"}
        with pytest.raises(UsageError, match="says nothing for 'E4'"):
            submit(recognizer, folder, sample=tmp_path / "s.csv", out=tmp_path / "o.csv", written={"A4": "", "C4": ""})
        code, _, err = run(
            *("submit", tmp_path / "tiny.onnx", "--data", folder, "--sample", tmp_path / "s.csv"),
            *("-o", tmp_path / "m.csv", "--as", "midi"),
        )
        assert code == 0, err
        numbers = [line.split(",")[1] for line in (tmp_path / "m.csv").read_text().splitlines()[1:]]
        assert numbers == [{"la": "69", "do": "60", "mi": "64"}[word] for word in answers]

    def test_hidden_folders_hold_no_files(self, folder):
        ids = ("40", "50", "60")
        assert set(match_files(ids, folder, extensions=frozenset({".wav"}), where="s")) == set(ids)

    def test_spellings(self):
        assert spellings("007") == ("007",)
        assert spellings("./a\\b.wav") == ("./a\\b.wav", "a/b.wav")


def test_a_cache_that_cannot_be_written_is_gone_without(tmp_path, caplog):
    (tmp_path / "file").write_text("x")
    cache = FeatureCache(tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(cache.get("a", lambda: np.ones(3, np.float32)), np.ones(3))
        cache.get("b", lambda: np.ones(3, np.float32))
    assert caplog.text.count("EARMARK_CACHE") == 1


def test_weights_without_counters_are_taken(tmp_path):
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    from earmark.models.backbone import timm_body

    old = timm.create_model("resnet18", num_classes=7).state_dict()
    torch.save({key: value for key, value in old.items() if "num_batches" not in key}, tmp_path / "old.pth")
    body = timm_body("resnet18", weights=str(tmp_path / "old.pth"), channels=3)
    torch.testing.assert_close(body.model.conv1.weight, old["conv1.weight"])


def test_a_blank_image_is_called_by_its_name(tmp_path, run):
    from PIL import Image

    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    code, _, err = run("predict", "symbols", tmp_path / "blank.png", "--top", "1")
    assert code == 1
    assert err.startswith(f"earmark: {tmp_path / 'blank.png'}: ")

"""Data as it is found: parts in folders, unpacked archives, one label only, and groups that a person names."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from earmark.data import Split, apply_split, leaks, read_manifest
from earmark.data.clips import clips_of
from earmark.errors import DataError, UsageError
from earmark.features.window import sound_windows
from earmark.training import load_recipe
from earmark.training.settle import settle
from earmark.types import Sound


def write_sound(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(800), 8000)


def write_parts(folder, *, train="train", valid="val", test="test"):
    for part, n in ((train, 8), (valid, 2), (test, 3)):
        for label in ("jazz", "rock"):
            for number in range(n if part else 0):
                write_sound(folder / part / label / f"{part}{number}.wav", seed=hash((part, label, number)) % 1000)
    return folder


class TestParts:
    @pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "Validation", "TEST")])
    def test_folders_are_the_given_split(self, tmp_path, names):
        manifest = read_manifest(write_parts(tmp_path, **dict(zip(("train", "valid", "test"), names, strict=True))))
        assert manifest.labels == ("jazz", "rock")
        assert [len(manifest.part(part)) for part in ("train", "valid", "test")] == [16, 4, 6]
        assert manifest.is_divided

    def test_a_recipe_uses_them_unless_it_asks_for_others(self, tmp_path, caplog):
        manifest = read_manifest(write_parts(tmp_path))
        recipe, divided = settle(load_recipe("sound"), manifest)
        assert recipe.split.description == "given"
        assert len(divided.part("test")) == 6
        assert "divided already" in caplog.text
        recipe, divided = settle(load_recipe("sound", overrides=["split.protocol=grouped"]), manifest)
        assert recipe.split.protocol == "grouped"
        recipe, _ = settle(load_recipe("sound", overrides=["split.folds=4"]), manifest)
        assert recipe.split.folds == 4

    def test_a_validation_part_is_taken_from_the_training_part_by_groups(self, tmp_path):
        manifest = read_manifest(write_parts(tmp_path, valid=""), groups=r"(\w\d?)\.wav")
        _, divided = settle(load_recipe("sound"), manifest)
        assert len(divided.part("test")) == 6
        assert len(divided.part("valid")) > 0
        assert not set(divided.part("valid").groups) & set(divided.part("train").groups)

    def test_a_test_folder_without_classes_is_left_for_submit(self, tmp_path, caplog):
        write_parts(tmp_path, test="")
        write_sound(tmp_path / "test" / "1.wav")
        manifest = read_manifest(tmp_path)
        assert len(manifest.part("test")) == 0
        assert "earmark submit --data" in caplog.text

    def test_below_another_folder(self, tmp_path):
        manifest = read_manifest(write_parts(tmp_path / "Data").parent)
        assert len(manifest.part("train")) == 16
        assert manifest.name == tmp_path.name

    def test_two_folders_for_one_part(self, tmp_path):
        write_parts(tmp_path)
        write_sound(tmp_path / "validation" / "jazz" / "1.wav")
        with pytest.raises(DataError, match="both name the valid part"):
            read_manifest(tmp_path)


class TestKaggle:
    @pytest.fixture
    def archive(self, tmp_path):
        from synthetic_pictures import write_pictures

        for genre in ("blues", "jazz"):
            for number in range(3):
                write_sound(tmp_path / "Data" / "genres_original" / genre / f"{genre}.0000{number}.wav", seed=number)
        write_pictures(tmp_path / "Data" / "images_original")
        header = "filename,length,chroma_stft_mean,label"
        rows = [f"{genre}.0000{number}.wav,66149,{number},{genre}" for genre in ("blues", "jazz") for number in "0123"]
        (tmp_path / "Data" / "features_30_sec.csv").write_text("\n".join([header, *rows]))
        (tmp_path / "Data" / "genres_original" / "blues" / "._blues.00000.wav").write_bytes(b"junk")
        (tmp_path / "__MACOSX").mkdir()
        (tmp_path / "Data" / ".DS_Store").write_bytes(b"junk")
        return tmp_path

    def test_sounds_pictures_or_the_table(self, archive, caplog):
        sounds = read_manifest(archive)
        assert (sounds.domain, len(sounds), sounds.labels) == ("sound", 6, ("blues", "jazz"))
        assert "takes the examples in Data/genres_original" in caplog.text
        assert read_manifest(archive / "Data").fingerprint == sounds.fingerprint
        pictures = read_manifest(archive, domain="picture")
        assert (pictures.domain, pictures.labels) == ("picture", ("high", "low", "mid"))
        table = read_manifest(archive, domain="table")
        assert (table.domain, len(table)) == ("table", 8)

    def test_every_command(self, archive, run, tmp_path):
        _, out, _ = run("check", archive)
        assert "2 labels" in out
        _, out, err = run("features", archive, "-o", tmp_path / "f.csv")
        assert "f.csv: 6 rows" in out, err


class TestOneLabel:
    def test_is_refused_before_any_work(self, tmp_path, run):
        for number in range(4):
            write_sound(tmp_path / "d" / "A" / f"{number}.wav", seed=number)
        for command in (("train", "sound"), ("tune", "sound", "--search", "training.learning_rate=1e-3,1e-2")):
            code, _, err = run(*command, "--data", tmp_path / "d", "-o", tmp_path / "out")
            assert code == 1
            assert "only one label, 'A'" in err
            assert not (tmp_path / "out").exists()

    def test_of_a_table(self, tmp_path, run):
        rows = [f"s{number}.wav,{number % 7},A" for number in range(30)]
        (tmp_path / "one.csv").write_text("\n".join(["filename,mfcc1_mean,label", *rows]))
        code, _, err = run("explore", tmp_path / "one.csv", "-o", tmp_path / "e", "--protocol", "random")
        assert code == 1
        assert "only one label" in err


class TestGroups:
    @pytest.fixture
    def songs(self, tmp_path):
        for label in ("pop", "rock"):
            for song in ("a", "b", "c"):
                for number in range(2):
                    write_sound(tmp_path / label / song / f"{label}-{song}.{number}.wav", seed=number)
        return tmp_path

    @pytest.mark.parametrize(
        ("how", "first", "n"), [("parent", "pop/a", 6), ("prefix", "pop-a", 6), (r"/(\w)/", "a", 3)]
    )
    def test_a_person_names_them_and_is_told(self, songs, caplog, how, first, n):
        manifest = read_manifest(songs, groups=how)
        assert manifest.examples[0].group == first
        assert len(manifest.groups) == n
        assert f"{n} groups by" in caplog.text

    def test_a_column(self, songs):
        paths = sorted(path.relative_to(songs) for path in songs.rglob("*.wav"))
        lines = [f"{path},{path.parts[0]},band {path.parts[1]}" for path in paths]
        (songs / "list.csv").write_text("\n".join(["path,label,band", *lines]))
        manifest = read_manifest(songs / "list.csv", groups="band")
        assert manifest.groups == ("band a", "band b", "band c")
        with pytest.raises(UsageError, match="did you mean 'band'"):
            read_manifest(songs / "list.csv", groups="bnd")

    def test_a_column_of_a_table_is_no_feature(self, tmp_path):
        rows = [f"s{number}.wav,{7 * number**2 % 12},{number % 3},{'ab'[number % 2]}" for number in range(12)]
        (tmp_path / "t.csv").write_text("\n".join(["filename,mfcc1_mean,artist,label", *rows]))
        manifest = read_manifest(tmp_path / "t.csv", groups="artist")
        assert manifest.groups == ("0", "1", "2")
        assert manifest.table.names == ("mfcc1_mean",)

    def test_refusals(self, songs):
        with pytest.raises(UsageError, match="has no columns; give parent, prefix"):
            read_manifest(songs, groups="artist")
        flat = songs / "flat"
        for label in ("x", "y"):
            write_sound(flat / label / "1.wav")
        with pytest.raises(DataError, match="each label is a single group"):
            read_manifest(flat, groups="parent")

    def test_the_commands_take_them(self, songs, run):
        _, out, err = run("check", songs, "--groups", "parent")
        assert "6 groups" in out
        assert "6 groups by the folders of the files" in err


def test_given_parts_without_validation_need_groups_enough(tmp_path):
    for part in ("train", "test"):
        for label in ("a", "b"):
            write_sound(tmp_path / part / label / "1.wav", seed=hash((part, label)) % 99)
    with pytest.raises(DataError, match="too few"):
        apply_split(read_manifest(tmp_path, groups=r"(train|test)"), Split(protocol="given"))


class TestClips:
    def test_a_track_becomes_clips_of_its_group(self, tmp_path):
        for label in ("jazz", "rock"):
            for number in range(4):
                path = tmp_path / label / f"{number}.wav"
                path.parent.mkdir(exist_ok=True)
                soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(8000 * 7), 8000)
        manifest = clips_of(read_manifest(tmp_path), 3.0)
        assert [(clip.start_s, clip.duration_s) for clip in manifest][:2] == [(0.0, 3.0), (3.0, 3.0)]
        assert len(manifest) == 16
        changes = ["split.unit=clip", "split.protocol=random", "window.length_s=2", "window.hop_s=1"]
        recipe, divided = settle(load_recipe("sound", overrides=changes), read_manifest(tmp_path))
        assert recipe.split.description == "random of clips 70/15/15, seed 0"
        assert len(divided) == 32
        assert leaks(divided)
        grouped = settle(load_recipe("sound", overrides=[changes[0], *changes[2:]]), read_manifest(tmp_path))[1]
        assert not leaks(grouped)

    def test_only_sounds_have_clips(self, tmp_path):
        from synthetic_pictures import write_symbols

        with pytest.raises(DataError, match="only sounds are cut into clips"):
            clips_of(read_manifest(write_symbols(tmp_path)), 3.0)
        with pytest.raises(UsageError, match="needs the windows of sounds"):
            settle(load_recipe("drawing", overrides=["split.unit=clip"]), read_manifest(tmp_path))


def test_only_the_beginning_of_a_sound_is_used():
    sound = Sound(np.arange(80, dtype=np.float32), 10)
    windows = list(sound_windows(sound, length_s=2, hop_s=2, sample_rate_hz=10, first_s=3))
    assert [start_s for start_s, _ in windows] == [0, 1]
    assert windows[-1][1][-1] == 29

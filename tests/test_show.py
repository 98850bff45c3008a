"""Pictures got out of a data set: the gallery, and everything as PNG or arrays."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile
from PIL import Image

from earmark.data import read_manifest
from earmark.errors import DataError, UsageError
from earmark.features import LogMel
from earmark.show import Look, render_all, write_gallery
from earmark.training import load_recipe
from synthetic_pictures import write_pictures
from tiny import tone

RATE_HZ = 22050


@pytest.fixture
def sounds(tmp_path):
    for genre, hz in (("blues", 220), ("jazz", 880)):
        folder = tmp_path / "genres" / genre
        folder.mkdir(parents=True)
        for number in range(2):
            soundfile.write(folder / f"{genre}.0000{number}.wav", tone(seconds=3.01, hz=hz + 30 * number), RATE_HZ)
    return tmp_path / "genres"


class TestEverything:
    def test_a_picture_of_each_segment_joins_the_table_of_the_same_segments(self, sounds, tmp_path, run):
        code, out, err = run("show", sounds, "--all", "--segment-s", "1", "-o", tmp_path / "png", "--workers", "1")
        assert code == 0, err
        assert "12 pictures" in out
        code, _, err = run("features", sounds, "-o", tmp_path / "f.csv", "--segment-s", "1")
        assert code == 0, err
        with (tmp_path / "f.csv").open() as stream:
            rows = [row["filename"].rpartition("/")[2].removesuffix(".wav") for row in csv.DictReader(stream)]
        pictures = sorted(path.stem for path in (tmp_path / "png").rglob("*.png"))
        assert sorted(rows) == pictures
        assert pictures[:3] == ["blues.00000.0", "blues.00000.1", "blues.00000.2"]
        manifest = read_manifest(tmp_path / "png" / "manifest.csv")
        assert (manifest.domain, len(manifest), manifest.labels) == ("picture", 12, ("blues", "jazz"))
        assert {example.group for example in manifest.examples[:6]} == {"artist 0"}

    def test_files_of_one_name_in_two_folders_are_two_recordings(self, tmp_path):
        for label in ("a", "b"):
            (tmp_path / "d" / label).mkdir(parents=True)
            soundfile.write(tmp_path / "d" / label / "1.wav", tone(seconds=0.5), RATE_HZ)
        made = render_all(read_manifest(tmp_path / "d"), tmp_path / "out", workers=1)
        assert [example.track for example in read_manifest(made.manifest, domain="picture")] == ["a/1", "b/1"]

    def test_a_stopped_call_goes_on(self, sounds, tmp_path):
        manifest = read_manifest(sounds)
        first = render_all(manifest, tmp_path / "out", workers=1)
        path = tmp_path / "out" / "jazz" / "jazz.00001.png"
        path.unlink()
        untouched = (tmp_path / "out" / "blues" / "blues.00000.png").stat().st_mtime_ns
        assert render_all(manifest, tmp_path / "out", workers=1) == first
        assert path.exists()
        assert (tmp_path / "out" / "blues" / "blues.00000.png").stat().st_mtime_ns == untouched

    def test_the_picture_shows_the_spectrogram(self, sounds, tmp_path):
        look = Look(features=LogMel(n_mels=64), colour_map="grey")
        render_all(read_manifest(sounds), tmp_path / "out", look=look, workers=1)
        pixels = np.asarray(Image.open(tmp_path / "out" / "blues" / "blues.00000.png"))
        assert pixels.shape == (64, LogMel().n_frames(round(3.01 * RATE_HZ)), 3)
        loudest = 63 - int(pixels[:, 60, 0].argmax())
        assert LogMel(n_mels=64).frequencies_hz[loudest] == pytest.approx(220, rel=0.25)

    def test_arrays_are_data_to_learn_from(self, sounds, tmp_path):
        made = render_all(read_manifest(sounds), tmp_path / "out", form="npz", segment_s=1.0, workers=1)
        assert made.n_pictures == 12
        read = read_manifest(tmp_path / "out" / "pictures.npz")
        assert (read.domain, len(read), read.examples[0].track) == ("picture", 12, "blues.00000")
        assert len(read_manifest(tmp_path / "out" / "manifest.csv")) == 12

    def test_a_stopped_call_for_arrays_goes_on(self, sounds, tmp_path, monkeypatch):
        from earmark.show import everything as module

        whole = render_all(read_manifest(sounds), tmp_path / "whole", form="npz", segment_s=1.0, workers=1)
        read, asked = module.read_content, []

        def stopping(place, example, **options):
            asked.append(example.path)
            if len(asked) == 3:
                raise KeyboardInterrupt
            return read(place, example, **options)

        monkeypatch.setattr(module, "read_content", stopping)
        with pytest.raises(KeyboardInterrupt):
            render_all(read_manifest(sounds), tmp_path / "out", form="npz", segment_s=1.0, workers=1)
        made = render_all(read_manifest(sounds), tmp_path / "out", form="npz", segment_s=1.0, workers=1)
        assert asked[2] == asked[3]
        assert len(asked) == len(read_manifest(sounds)) + 1
        assert made.n_pictures == whole.n_pictures
        first, second = (np.load(folder / "pictures.npz") for folder in (tmp_path / "whole", tmp_path / "out"))
        assert all(np.array_equal(first[name], second[name]) for name in first.files)
        assert not (tmp_path / "out" / "pictures.parts").exists()
        with pytest.raises(DataError, match="made with other settings"):
            render_all(read_manifest(sounds), tmp_path / "out", form="npz", segment_s=2.0, workers=1)

    def test_strokes_of_any_size_and_pen(self, tmp_path, run):
        for writer in (1, 2):
            for number in (1, 2):
                path = tmp_path / "H" / str(writer) / f"{writer}-{number}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("Barline\n1,1;5,9;\n7,2;8,8;9,9;\n")
        code, out, err = run("show", tmp_path / "H", "--all", "-o", tmp_path / "o", "--size", "96x192", "--pen", "5")
        assert code == 0, err
        assert "4 pictures" in out
        images = [np.asarray(Image.open(path)) for path in (tmp_path / "o").rglob("*.png")]
        assert {image.shape for image in images} == {(96, 192, 3)}
        assert images[0].min() < 60

    def test_what_cannot_be_read_is_named(self, sounds, tmp_path, run):
        (sounds / "jazz" / "jazz.00005.wav").write_bytes(b"nothing")
        code, out, err = run("show", sounds, "--all", "-o", tmp_path / "o")
        assert code == 1
        assert "4 pictures" in out
        assert "jazz.00005.wav" in err

    def test_refusals(self, tmp_path, run):
        data = write_pictures(tmp_path / "p", each=1)
        with pytest.raises(UsageError, match="only sounds have segments"):
            render_all(read_manifest(data), tmp_path / "o", segment_s=1.0)
        for options, words in (
            (("--size", "tall"), "write height and width"),
            (("--colours", "magna"), "did you mean 'magma'"),
            (("--features", "table"), "is no spectrogram"),
            (("--augmented", "2"), "say which by --recipe"),
            (("--augmented", "2", "--recipe", "genre/cnn"), "the recipe 'genre/cnn' augments nothing"),
        ):
            code, _, err = run("show", data, "-o", tmp_path / "o", *options)
            assert code == 2
            assert words in err


class TestGallery:
    def test_of_sounds_has_waveforms_spectrograms_and_play_buttons(self, sounds, tmp_path):
        page = write_gallery(read_manifest(sounds), tmp_path / "g", per_label=2).read_text()
        assert page.count("<audio controls") == page.count("waveform of") == page.count("spectrogram of") == 4
        assert "blues" in page
        assert len(list((tmp_path / "g" / "pictures").glob("*.png"))) == 8

    def test_what_a_network_sees_plain_and_augmented(self, sounds, tmp_path):
        for genre in ("blues", "jazz"):
            for number in range(2, 8):
                soundfile.write(sounds / genre / f"{genre}.000{number}5.wav", tone(seconds=1, hz=300 + number), RATE_HZ)
        recipe = load_recipe("sound", overrides=["split.protocol=random"])
        page = write_gallery(read_manifest(sounds), tmp_path / "g", per_label=1, recipe=recipe, n_augmented=2)
        text = page.read_text()
        assert text.count("network input of") == text.count("augmented 2 of") == 2
        plain, changed = (
            np.asarray(Image.open(tmp_path / "g" / "pictures" / f"blues-1-{name}.png"))
            for name in ("network-input", "augmented-1")
        )
        assert plain.shape == changed.shape
        assert (plain != changed).any()

    def test_of_pictures_and_of_a_label_with_odd_letters(self, tmp_path):
        data = write_pictures(tmp_path / "p", each=2)
        (data / "low").rename(data / "lo w<&>")
        page = write_gallery(read_manifest(data), tmp_path / "g").read_text()
        assert "lo w&lt;&amp;&gt;" in page
        assert (tmp_path / "g" / "pictures" / "lo_w___-1-picture.png").exists()

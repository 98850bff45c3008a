"""Spectrogram pictures in image files: recognised, cut, read by their colour map, learned and answered."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from earmark import pictures
from earmark.data import read_content, read_manifest
from earmark.errors import DataError, UnknownNameError, UsageError
from earmark.features import FEATURES, PictureFeatures
from earmark.training import Recipe, load_recipe, shipped_recipes
from earmark.training.settle import settle
from earmark.types import Image as Content
from earmark.types import Picture
from synthetic_pictures import MARGINS, loudness, page, write_pictures, write_symbols


@pytest.mark.parametrize("name", pictures.COLOUR_MAPS)
def test_a_colour_map_is_found_and_undone(name):
    values = loudness(0.5, np.random.default_rng(0))
    pixels = np.asarray(page(values, colour_map=name, margins=(0, 0, 0, 0)))
    assert pictures.find_colour_map([pixels]) == name
    np.testing.assert_allclose(pictures.to_loudness(pixels, name), values[::-1], atol=0.03)


def test_colour_maps_are_those_of_matplotlib():
    matplotlib = pytest.importorskip("matplotlib")
    for name in pictures.COLOUR_MAPS[1:]:
        colours = matplotlib.colormaps[name](np.arange(256))[:, :3] * 255
        assert np.abs(colours - pictures.colours_of(name)).max() < 12


def test_colours_of_no_map_are_said_to_be_none():
    rng = np.random.default_rng(0)
    assert pictures.find_colour_map([rng.integers(0, 255, (40, 40, 3), np.uint8)]) is None


def test_margins_and_axes_are_what_all_files_share():
    rng = np.random.default_rng(0)
    images = [np.asarray(page(loudness(low, rng))) for low in (0.2, 0.5, 0.8)]
    assert pictures.find_margins(images) == MARGINS
    assert pictures.cut_margins(images[0], MARGINS).shape == (40, 60, 3)
    assert pictures.find_margins(images[:2]) == (0, 0, 0, 0)
    assert pictures.find_margins([*images, images[0][1:]]) == (0, 0, 0, 0)
    assert pictures.find_margins([images[0]] * 3) == (0, 0, 0, 0)


def test_what_is_transparent_is_paper():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (200, 100, 50, 255)
    assert pictures.to_rgb(pixels)[0, 0].tolist() == [200, 100, 50]
    assert pictures.to_rgb(pixels)[1, 1].tolist() == [255, 255, 255]


class TestFeatures:
    def test_low_frequencies_come_first_in_decibels(self):
        values = loudness(0.2, np.random.default_rng(0))
        images = [np.asarray(page(loudness(low, np.random.default_rng(1)))) for low in (0.1, 0.5, 0.9)]
        features = PictureFeatures(height=40, width=60).fitted([Content(image) for image in images])
        assert (features.colour_map, features.margins, features.file_size) == ("viridis", MARGINS, (54, 81))
        seen = features(Content(np.asarray(page(values))))
        assert (seen.shape, seen.dtype) == (features.shape, np.float32)
        np.testing.assert_allclose(seen[0], (values - 1) * 80, atol=3)

    def test_margins_follow_the_size_of_the_file(self):
        features = PictureFeatures(height=40, width=60, margins=MARGINS, file_size=(54, 81), colour_map="viridis")
        image = page(loudness(0.2, np.random.default_rng(0)))
        double = image.resize((162, 108), Image.Resampling.NEAREST)
        np.testing.assert_allclose(features(Content(np.asarray(double))), features(Content(np.asarray(image))), atol=10)

    def test_three_channels_are_the_colours(self):
        image = page(loudness(0.2, np.random.default_rng(0)), margins=(0, 0, 0, 0))
        features = PictureFeatures(height=40, width=60, channels=3, margins=(0, 0, 0, 0))
        expected = np.asarray(image)[::-1].transpose(2, 0, 1) / 255 * 80 - 80
        np.testing.assert_allclose(features(Content(np.asarray(image))), expected, atol=1e-3)

    def test_arrays_of_pictures_are_read_as_well(self):
        features = PictureFeatures(height=8, width=8)
        eight_bits = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
        np.testing.assert_allclose(features(Picture(eight_bits))[0], eight_bits / 255 * 80 - 80, rtol=1e-5)
        decibels = np.linspace(-100, 20, 64).reshape(8, 8)
        assert features(Picture(decibels)).min() == -80
        with pytest.raises(DataError, match="NaN"):
            features(Picture(np.full((8, 8), np.nan)))

    def test_refusals(self):
        with pytest.raises(UnknownNameError, match="did you mean 'viridis'"):
            PictureFeatures(colour_map="virdis")
        with pytest.raises(DataError, match="nothing inside the margins"):
            PictureFeatures(margins=(30, 0, 30, 0))(Content(np.zeros((54, 81), np.uint8)))


class TestRecognised:
    def test_by_colours_with_a_sentence(self, tmp_path, caplog):
        manifest = read_manifest(write_pictures(tmp_path))
        assert manifest.domain == "picture"
        assert "takes its images for spectrogram pictures (the colours of viridis" in caplog.text
        assert "--as ink" in caplog.text
        assert isinstance(read_content(manifest, manifest.examples[0]), Content)

    def test_jpeg_and_palettes(self, tmp_path):
        assert (
            read_manifest(write_pictures(tmp_path / "j", form="jpg", colour_map="magma", quality=92)).domain
            == "picture"
        )
        write_pictures(tmp_path / "p", colour_map="jet")
        for path in (tmp_path / "p").rglob("*.png"):
            Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
        assert read_manifest(tmp_path / "p").domain == "picture"

    def test_by_names_of_gtzan_with_tracks_and_artists(self, tmp_path):
        for name in ("blues00000", "blues00001", "blues.00012.3"):
            path = tmp_path / "blues" / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("L", (20, 20), 255).save(path)
        manifest = read_manifest(tmp_path)
        assert manifest.domain == "picture"
        assert [example.track for example in manifest] == ["blues.00012", "blues.00000", "blues.00001"]
        assert manifest.examples[1].group == manifest.examples[2].group == "artist 0"

    def test_grey_half_tones_are_pictures_and_black_on_white_is_ink(self, tmp_path):
        rng = np.random.default_rng(0)
        for name in ("a", "b"):
            (tmp_path / "p" / name).mkdir(parents=True)
            for number in range(3):
                values = rng.random((20, 30)).cumsum(axis=1) % 1
                page(values, colour_map="grey").save(tmp_path / "p" / name / f"{number}.png")
        assert read_manifest(tmp_path / "p").domain == "picture"
        assert read_manifest(write_symbols(tmp_path / "i")).domain == "ink"

    def test_what_may_be_both_is_asked(self, tmp_path):
        write_symbols(tmp_path)
        for path in tmp_path.rglob("*.png"):
            Image.eval(Image.open(path), lambda value: 255 - value).save(path)
        with pytest.raises(UsageError, match=r"may be spectrogram pictures or handwriting .*--as picture or --as ink"):
            read_manifest(tmp_path)
        assert read_manifest(tmp_path, domain="picture").domain == "picture"
        assert read_manifest(tmp_path, domain="ink").domain == "ink"

    def test_a_manifest_of_images(self, tmp_path):
        write_pictures(tmp_path)
        lines = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(tmp_path.rglob("*.png"))]
        (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
        assert read_manifest(tmp_path / "list.csv").domain == "picture"

    def test_strokes_are_no_pictures(self, tmp_path):
        (tmp_path / "clef").mkdir()
        (tmp_path / "clef" / "1.txt").write_text("clef\n1,1;2,2;\n")
        with pytest.raises(UsageError, match="pen strokes, which are drawings"):
            read_manifest(tmp_path, domain="picture")


class TestRecipes:
    @pytest.mark.parametrize("name", ["sound", "drawing"])
    def test_other_recipes_refuse_pictures_and_say_what_to_do(self, tmp_path, name):
        manifest = read_manifest(write_pictures(tmp_path))
        way = "features.kind=picture" if name == "sound" else "picture/minivgg"
        with pytest.raises(DataError, match=way):
            settle(load_recipe(name), manifest)

    def test_networks_for_sounds_take_pictures_by_an_override(self):
        seen = 0
        for name in shipped_recipes():
            if not name.startswith(("genre/", "notes/")) or name == "genre/mlp":
                continue
            if load_recipe(name).model.kind == "transfer":
                continue  # its backbone knows one kind of features only
            changes = ["features.kind=picture", "features.height=64", "features.width=64", "model.weights=none"]
            changes = changes if load_recipe(name).model.kind == "timm" else changes[:3]
            recipe = load_recipe(name, overrides=[*changes, "model.size=[64,64]"])
            assert recipe.window is None
            network = recipe.model.build(n_labels=3, input_shape=recipe.features.shape)
            import torch

            network.eval()
            logits = network(torch.zeros(2, *recipe.features.shape))
            assert logits.shape == (2, 3)
            seen += 1
        assert seen > 5

    def test_a_spectrogram_is_never_turned(self):
        for kind in ("affine", "flip", "elastic"):
            values = load_recipe("picture/minivgg").model_dump(mode="json")
            with pytest.raises(UsageError, match="spectrogram"):
                Recipe.parse({**values, "augment": [{"kind": kind}]}, where="test")

    def test_colour_map_and_margins_are_decided_by_the_data_and_said(self, tmp_path, caplog):
        manifest = read_manifest(write_pictures(tmp_path))
        recipe, divided = settle(load_recipe("picture/minivgg"), manifest)
        assert recipe.features.colour_map == "viridis"
        assert recipe.features.margins == MARGINS
        assert len(divided.part("test")) > 0
        assert "cut to 40 × 60" in caplog.text

    def test_pictures_are_a_feature_kind(self):
        assert FEATURES["picture"] is PictureFeatures


@pytest.mark.slow
def test_pictures_are_learned_and_the_file_answers_images_and_no_sound(tmp_path, run):
    data = write_pictures(tmp_path / "data", each=12)
    settings = ("model.size=[24,32]", "model.hidden=16", "model.widths=[8,16]", "training.epochs=12")
    changes = [word for setting in settings for word in ("--set", setting)]
    code, out, err = run(
        "train", "picture/minivgg", "--data", data, "-o", tmp_path / "r", *changes, "--set", "training.batch_size=8"
    )
    assert code == 0, err
    code, out, err = run("predict", tmp_path / "r", data / "low" / "low00000.png", "--top", "1", "--format", "csv")
    assert (code, out.splitlines()[1].split(",")[1]) == (0, "low")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    code, out, err = run("predict", tmp_path / "r", tmp_path / "a.wav")
    assert code == 1
    assert "does not take sound" in err
    code, out, err = run("evaluate", tmp_path / "r", "--data", data, "--html", tmp_path / "r.html")
    assert code == 0, err
    picture = data / "mid" / "mid00000.png"
    code, out, err = run("predict", tmp_path / "r", picture, "--explain", "-o", tmp_path / "e.png")
    assert code == 0, err
    assert (tmp_path / "e.png").stat().st_size > 1000

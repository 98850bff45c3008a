"""Examples in memory, and the scikit-learn estimator around training."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import earmark
from earmark.data import Examples, as_manifest, read_content
from earmark.errors import ConfigError, DataError, UsageError
from earmark.features import NumberFeatures
from earmark.training import load_recipe
from earmark.training.settle import settle
from earmark.types import Ink, Numbers, Picture, Sound
from synthetic_pictures import loudness, page
from tiny import tone

LABELS = ["a", "b", "a", "b"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))


def noise(n=4, length=800):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (n, length)).astype(np.float32)


class TestContents:
    def test_samples_keep_their_values(self):
        sounds = noise()
        manifest = Examples(sounds, LABELS, groups=["x", "x", "y", "y"], sample_rate_hz=8000).manifest()
        assert (manifest.domain, manifest.labels, manifest.groups) == ("sound", ("a", "b"), ("x", "y"))
        content = read_content(manifest, manifest.examples[2])
        assert isinstance(content, Sound)
        np.testing.assert_array_equal(content.samples, sounds[2])

    def test_integers_channels_and_sounds(self):
        sounds = [(noise()[0] * 32767).astype(np.int16), np.stack([noise()[0]] * 2), Sound(noise()[0], 8000)]
        manifest = Examples(sounds, ["a", "b", "c"], sample_rate_hz=8000).manifest()
        for example in manifest:
            np.testing.assert_allclose(read_content(manifest, example).samples, noise()[0], atol=1e-4)

    def test_the_same_examples_are_the_same_data(self):
        first, again = (Examples(noise(), LABELS, sample_rate_hz=8000).manifest() for _ in range(2))
        assert first.root == again.root
        assert first.fingerprint == again.fingerprint
        other = Examples(noise() * 0.5, LABELS, sample_rate_hz=8000).manifest()
        assert other.fingerprint != first.fingerprint

    def test_strokes(self):
        strokes = [[np.array([[1, 1], [5, 9]]), np.array([[7, 2], [8, 8], [9, 9]])]] * 2
        manifest = Examples(strokes, ["x", "y"]).manifest()
        content = read_content(manifest, manifest.examples[0])
        assert isinstance(content, Ink)
        assert content.strokes[1].tolist() == [[7, 2], [8, 8], [9, 9]]

    def test_images_are_drawings_or_pictures(self):
        rng = np.random.default_rng(0)
        images = [page(loudness(low, rng)) for low in (0.2, 0.8, 0.3, 0.7)]
        assert Examples(images, LABELS).manifest().domain == "picture"
        assert Examples(images, LABELS, domain="ink").manifest().domain == "ink"
        assert Examples([np.asarray(image) for image in images], LABELS).manifest().domain == "picture"

    def test_spectrograms(self):
        spectrograms = [np.full((4, 5), value, np.float32) for value in (-1, -2, -3, -4)]
        manifest = Examples(spectrograms, LABELS, groups=["x", "x", "y", "y"]).manifest()
        content = read_content(manifest, manifest.examples[3])
        assert isinstance(content, Picture)
        assert content.values[0, 0] == -4
        assert manifest.groups == ("x", "y")

    def test_rows_of_numbers(self):
        rows = np.random.default_rng(0).normal(size=(4, 3))
        manifest = Examples(rows, LABELS, splits=["train", "train", "valid", "test"]).manifest()
        assert manifest.domain == "table"
        assert manifest.table.names == ("number 0", "number 1", "number 2")
        np.testing.assert_array_equal(manifest.table.values, rows)
        assert [example.split for example in manifest] == ["train", "train", "valid", "test"]

    def test_files_and_mappings_as_hugging_face_has_them(self, tmp_path):
        import soundfile

        soundfile.write(tmp_path / "a.wav", tone(), 22050)
        data = (tmp_path / "a.wav").read_bytes()
        contents = [
            tmp_path / "a.wav",
            {"array": tone(), "sampling_rate": 22050},
            {"bytes": data, "path": "x.wav"},
            {"bytes": None, "path": str(tmp_path / "a.wav")},
        ]
        with pytest.raises(DataError, match="listed twice"):
            Examples(contents, LABELS).manifest()
        manifest = Examples(contents[:3], LABELS[:3]).manifest()
        for example in manifest:
            assert len(read_content(manifest, example).samples) == 22050

    def test_columns_of_a_table(self):
        class Feature:
            names = ("blues", "jazz")

        class Table(dict):
            features = property(lambda _: {"genre": Feature()})

        table = Table(audio=list(noise()), genre=[0, 1, 0, 1], artist=["x", "x", "y", "y"])
        examples = Examples.from_table(table, content="audio", label="genre", group="artist", sample_rate_hz=8000)
        manifest = examples.manifest()
        assert (manifest.labels, manifest.groups) == (("blues", "jazz"), ("x", "y"))
        with pytest.raises(UsageError, match="has no column 'sound'; it has audio, genre, artist"):
            Examples.from_table(table, content="sound", label="genre")

    def test_a_data_frame(self):
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame({"tempo": [1.0, 5.0, 2.0, 7.0], "rms": [3.0, 1.0, 4.0, 1.5], "genre": LABELS})
        manifest = Examples(frame[["tempo", "rms"]], frame["genre"].tolist()).manifest()
        assert manifest.table.names == ("tempo", "rms")
        # A part of a frame keeps its index, which does not begin at 0.
        part = frame[1:]
        manifest = Examples(part[["tempo", "rms"]], part["genre"], groups=part["genre"]).manifest()
        assert [example.label for example in manifest] == list(LABELS)[1:]

    @pytest.mark.parametrize(
        ("contents", "sentence"),
        [
            ([], "holds no examples"),
            ([noise()[0]] * 3, "3 contents and 4 labels"),
            ([np.array([np.nan] * 9)] * 4, "NaN or infinite"),
            (["/nowhere/a.wav"] * 4, "is no file"),
            ([object()] * 4, "none of the known contents"),
            ([{"sampling_rate": 8000}] * 4, "a mapping needs array"),
        ],
    )
    def test_refusals(self, contents, sentence):
        with pytest.raises(DataError, match=sentence):
            Examples(contents, LABELS, sample_rate_hz=8000).manifest()

    def test_anything_else_is_no_data(self):
        with pytest.raises(UsageError, match=r"a tuple is no data; .*earmark\.Examples"):
            as_manifest((noise(), LABELS))


def test_the_columns_of_a_table_are_settled_by_the_data():
    rows = np.random.default_rng(0).normal(size=(30, 2))
    manifest = Examples(rows, ["a", "b"] * 15).manifest()
    recipe, _ = settle(load_recipe("numbers"), manifest)
    assert recipe.features == NumberFeatures(columns=("number 0", "number 1"))
    seen = recipe.features(Numbers(("number 1", "x", "number 0"), np.array([1.0, 2.0, 3.0])))
    assert seen.ravel().tolist() == [3, 1]
    with pytest.raises(DataError, match="did you mean 'number_1'"):
        recipe.features(Numbers(("number 0", "number_1"), np.zeros(2)))


def test_public_names_alone_are_listed():
    assert dir(earmark) == sorted(earmark.__all__)
    assert {"Examples", "EarmarkClassifier"} <= set(dir(earmark))


class TestEstimator:
    @pytest.mark.slow
    def test_rows_of_numbers(self):
        from sklearn.base import clone

        rng = np.random.default_rng(0)
        classes = np.array(["low", "high"])[np.arange(80) % 2]
        rows = rng.normal(size=(80, 3)) + 3 * (classes == "high")[:, None]
        estimator = earmark.EarmarkClassifier(overrides=("training.epochs=15",), random_state=0)
        assert clone(estimator).get_params() == estimator.get_params()
        estimator.fit(rows, classes)
        probabilities = estimator.predict_proba(rows)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
        assert estimator.classes_.tolist() == ["high", "low"]
        assert estimator.score(rows, classes) > 0.95
        assert estimator.n_features_in_ == 3

    def test_refusals(self):
        with pytest.raises(ValueError, match="only one class"):
            earmark.EarmarkClassifier().fit(np.zeros((9, 2)), np.zeros(9))
        with pytest.raises(ValueError, match="NaN"):
            earmark.EarmarkClassifier().fit(np.full((9, 2), np.nan), np.arange(9) % 2)
        image = Image.new("L", (4, 4))
        with pytest.raises(ConfigError, match="say how to learn"):
            earmark.EarmarkClassifier().fit([image] * 9, np.arange(9) % 2)

    def test_common_checks_that_do_not_train(self):
        checks = pytest.importorskip("sklearn.utils.estimator_checks")
        for check in (
            checks.check_estimator_cloneable,
            checks.check_estimator_repr,
            checks.check_no_attributes_set_in_init,
            checks.check_parameters_default_constructible,
            checks.check_get_params_invariance,
            checks.check_set_params,
            checks.check_estimators_unfitted,
        ):
            check("EarmarkClassifier", earmark.EarmarkClassifier())

"""What an answer rests on: taking it away must cost more than taking away as much of anything else."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
import soundfile

import earmark
from earmark import extras
from earmark.demo.samples import dance_piece, drawings
from earmark.errors import DataError, UsageError
from earmark.explanation.explain import MARKED_SHARE, decisive, explain, occluded_log_odds, strongest_window
from earmark.explanation.figures import explanation_figure, timeline_figure
from earmark.explanation.occlusion import GridCells, StrokeParts, surroundings
from earmark.features import InkRaster
from earmark.recognizer import load
from earmark.sound.synthesis import synthesize_note
from earmark.types import Image, Ink, Picture, Sound
from tiny import save_tiny, tiny_card, tiny_recognizer, tone

NOTE = synthesize_note(60, timbre="grand", duration_s=1.5, sample_rate_hz=16_000, seed=1)


@pytest.fixture(scope="module")
def ears(tmp_path_factory):
    return tiny_recognizer(tmp_path_factory.mktemp("ears"), tiny_card(temperature=20.0))


def drops(model: str, item, *, n_random: int = 6) -> tuple[float, float]:
    """Return what the marked pieces cost in log-odds, and what as many random ones do."""
    recognizer = load(model)
    explanation = explain(recognizer, item)
    place, window = strongest_window(recognizer, item)
    pieces = window.pieces
    (whole,) = occluded_log_odds(recognizer, pieces, np.zeros((1, len(pieces.sizes)), bool), place=place)
    rng = np.random.default_rng(0)
    n_marked = max(1, round(MARKED_SHARE * len(pieces.sizes)))
    others = [rng.permutation(len(pieces.sizes)) < n_marked for _ in range(n_random)]
    random = whole - occluded_log_odds(recognizer, pieces, np.array(others), place=place).mean()
    marked = whole - np.log(explanation.without / (1 - explanation.without))
    return float(marked), float(random)


@pytest.mark.parametrize(
    ("model", "item"), [("notes", NOTE), *(("symbols", drawings()[name]) for name in ("Flat", "G-Clef", "Sharp"))]
)
def test_without_the_marked_part_it_is_less_sure_than_without_a_random_one(model, item):
    marked, random = drops(model, item)
    assert marked > random + 0.5


def test_what_a_key_rests_on_is_its_partials():
    explanation = earmark.explain("notes", NOTE)
    assert explanation.label == "C4"
    assert explanation.feature_map.shape == explanation.importance.shape == explanation.marked.shape
    assert explanation.feature_map.shape == (len(explanation.frequencies_hz), len(explanation.times_s))
    assert 0 < explanation.marked.mean() <= MARKED_SHARE + 1e-6
    marked_hz = explanation.frequencies_hz[explanation.marked.any(axis=1)]
    assert np.any(np.abs(np.log2(marked_hz / 261.6)) < 1 / 12)
    first_s, last_s = explanation.deciding_s
    assert explanation.sound.duration_s == pytest.approx(last_s - first_s, abs=1e-3)


def test_of_a_long_sound_the_window_that_decides_is_explained(ears):
    silence = np.zeros(3 * 22050, np.float32)
    explanation = explain(ears, Sound(np.concatenate([silence, tone(seconds=1.2), silence]), 22050))
    assert 2.5 <= explanation.times_s[0] <= 3.5
    assert explanation.deciding_s[0] >= explanation.times_s[0]


def test_another_label_can_be_explained(ears):
    best = explain(ears, Sound(tone(), 22050))
    other = next(label for label in ears.card.labels if label != best.label)
    assert explain(ears, Sound(tone(), 22050), label=other).confidence < best.confidence


def test_a_picture_of_a_sound_is_explained_without_an_excerpt(ears):
    picture = Picture(ears.feature_map(Sound(tone(), 22050)))
    explanation = explain(ears, picture)
    assert explanation.sound is None
    np.testing.assert_array_equal(explanation.feature_map, picture.values)


def test_a_scan_is_explained_by_its_pixels():
    pixels = np.full((60, 60), 255, np.uint8)
    pixels[10:50, 28:32] = 0
    explanation = explain("symbols", Image(pixels))
    assert explanation.strokes == ()
    assert explanation.label == "Barline"
    assert explanation.importance.shape == load("symbols").card.features.shape[1:]


def test_parts_of_strokes_are_left_out_and_the_rest_stays_where_it_is():
    raster = InkRaster(channels=("ink", "direction", "progress", "size"))
    ink = drawings()["Sharp"]
    pieces = StrokeParts(ink, raster)
    nothing = np.zeros(len(pieces.parts), bool)
    np.testing.assert_allclose(pieces.without(nothing), raster(ink), atol=0.02)
    first = np.array([part.stroke == 0 for part in pieces.parts])
    rest = pieces.without(first)[0]
    assert not np.any(rest > raster(ink)[0] + 0.02)
    assert rest.sum() < raster(ink)[0].sum()
    assert pieces.sizes.sum() == pytest.approx(1)


def test_a_drawing_of_one_point_has_nothing_to_leave_out():
    explanation = explain("symbols", Ink((np.zeros((1, 2), np.float32),)))
    assert explanation.without == explanation.confidence
    assert not explanation.marked.any()


def test_cells_are_filled_with_their_surroundings():
    picture = np.random.default_rng(0).normal(size=(1, 50, 70)).astype(np.float32)
    filled = surroundings(picture)
    assert filled[0, 25, 35] == pytest.approx(picture[0, 17:34, 24:47].mean(), abs=1e-5)
    pieces = GridCells(picture, filled)
    np.testing.assert_array_equal(pieces.without(np.ones(len(pieces.sizes), bool)), filled)
    assert pieces.removals.any(axis=0).all()


def test_at_most_a_tenth_is_decisive():
    importance = np.linspace(-1, 1, 40).astype(np.float32)
    chosen = decisive(importance, np.full(40, 1 / 40, np.float32))
    assert chosen.sum() == 4
    assert importance[chosen].min() > importance[~chosen].max()
    assert not decisive(-np.ones(5, np.float32), np.full(5, 0.2, np.float32)).any()


@pytest.mark.parametrize("item", [NOTE, drawings()["Flat"], Image(np.eye(40, dtype=np.uint8) * 255)])
def test_an_explanation_is_drawn(item):
    explanation = explain("notes" if isinstance(item, Sound) else "symbols", item)
    image = PIL.Image.open(io.BytesIO(explanation_figure(explanation)))
    assert image.format == "PNG"
    assert min(image.size) > 300


def test_a_timeline_is_drawn(ears):
    prediction = ears.predict(dance_piece(duration_s=4), timeline=True)
    assert PIL.Image.open(io.BytesIO(timeline_figure(prediction))).format == "PNG"


def test_what_cannot_be_explained_is_refused(ears, tmp_path):
    with pytest.raises(DataError, match="only silence"):
        explain(ears, Sound(np.zeros(9000, np.float32), 22050))
    with pytest.raises(UsageError, match=r"knows no label 'A44' \(did you mean"):
        explain(ears, Sound(tone(), 22050), label="A44")


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(seconds=2), 22050)
    return tmp_path / "a.wav"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx", tiny_card(temperature=20.0))


def test_the_command_writes_a_picture_and_the_deciding_seconds(run, model, wav, tmp_path):
    code, out, err = run("predict", model, wav, "--explain", "-o", tmp_path / "why.png")
    assert (code, err) == (0, "")
    assert out.startswith(str(wav))
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    assert soundfile.info(tmp_path / "why.wav").duration >= 0.4


def test_a_folder_takes_the_pictures_of_many(run, model, wav, tmp_path):
    code, _, _ = run("predict", model, wav, wav, "--explain", "--timeline", "-o", tmp_path / "why")
    assert code == 0
    kinds = ("explain.png", "explain.wav", "timeline.png")
    expected = {f"{name}.{kind}" for name in ("a.wav", "a.wav-2") for kind in kinds}
    assert {path.name for path in (tmp_path / "why").iterdir()} == expected


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-o", "a.png"), "say which: --explain, or --timeline"),
        (("--explain", "-o", "a.jpg"), "pictures are written as .png"),
        (("--explain", "--timeline", "-o", "a.png"), "one file for 2 pictures; give a folder"),
        (("--timeline", "--window", "5"), "tiny was not trained on windows of 5 s; choose 0.25 to 1 s"),
    ],
)
def test_a_wrong_call_is_one_sentence(run, model, wav, options, says):
    code, out, err = run("predict", model, wav, *options)
    assert (code, out) == (2, "")
    assert says in err


def test_without_matplotlib_the_extra_is_named(run, model, wav, monkeypatch):
    monkeypatch.setattr(extras, "installed", lambda _: False)
    code, _, err = run("predict", model, wav, "--explain")
    assert code == 2
    assert "pip install 'earmark[train]'" in err


def test_shorter_windows_give_a_finer_timeline(run, model, wav):
    _, coarse, _ = run("predict", model, wav, "--timeline", "--format", "csv")
    code, fine, _ = run("predict", model, wav, "--timeline", "--format", "csv", "--window", "0.5")
    assert code == 0
    assert len(fine.splitlines()) > len(coarse.splitlines())

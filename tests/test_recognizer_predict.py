from __future__ import annotations

import io
import json
import tracemalloc
import zipfile

import numpy as np
import PIL.Image
import pytest
import soundfile
import soxr

from earmark.errors import DataError, ModelError, UsageError
from earmark.features import LogMel, Window
from earmark.recognizer import Failure
from earmark.types import Image, Ink, Picture, Sound
from tiny import tiny_card, tiny_recognizer

RATE_HZ = 22050
CROSS = [np.array([[0, 0], [9, 9]]), np.array([[9, 0], [0, 9]])]
HOMUS = "G-Clef\n0,0;9,9;\n9,0;0,9;\n"


def varied(seconds: float, *, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Return noise and a tone that differ from window to window."""
    n = round(seconds * rate_hz)
    sweep = np.sin(2 * np.pi * np.cumsum(np.linspace(200, 3000, n)) / rate_hz)
    noise = np.random.default_rng(n).normal(scale=0.05, size=n)
    return (np.linspace(1, 0.2, n) * (0.3 * sweep + noise)).astype(np.float32)


@pytest.fixture(scope="module")
def ears(tmp_path_factory):
    return tiny_recognizer(tmp_path_factory.mktemp("ears"), tiny_card(temperature=40.0))


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    card = tiny_card("ink-raster", task="symbol", labels=("G-Clef", "Dot", "Flat"), temperature=0.1)
    return tiny_recognizer(tmp_path_factory.mktemp("eyes"), card)


def same(first, second, *, tolerance: float = 1e-5) -> bool:
    return [answer.label for answer in first.top] == [answer.label for answer in second.top] and np.allclose(
        [answer.confidence for answer in first.top], [answer.confidence for answer in second.top], atol=tolerance
    )


def test_a_prediction_is_the_softmax_of_calibrated_logits(ears):
    samples = varied(1.0)
    logits = ears.network.logits(samples=samples[None])[0].astype(float) / ears.card.temperature
    expected = np.exp(logits) / np.exp(logits).sum()
    prediction = ears.predict(samples, sample_rate_hz=RATE_HZ)
    for answer in prediction.top:
        assert answer.confidence == pytest.approx(expected[ears.card.labels.index(answer.label)], abs=1e-5)
    confidences = [answer.confidence for answer in prediction.top]
    assert confidences == sorted(confidences, reverse=True)
    assert (prediction.label, prediction.confidence) == (prediction.top[0].label, confidences[0])
    assert prediction.top[0].details["midi"] in {69, 60, 64}


def test_windows_are_averaged(ears):
    samples = varied(2.3)
    starts = (0, RATE_HZ // 2, RATE_HZ, len(samples) - RATE_HZ)
    each = [ears.probabilities(Sound(samples[start : start + RATE_HZ], RATE_HZ)) for start in starts]
    np.testing.assert_allclose(ears.probabilities(Sound(samples, RATE_HZ)), np.mean(each, axis=0), atol=1e-5)
    timeline = ears.predict(samples, sample_rate_hz=RATE_HZ, timeline=True).timeline
    np.testing.assert_allclose([span[:2] for span in timeline], [(0, 1), (0.5, 1.5), (1, 2), (1.3, 2.3)], atol=1e-3)
    best = [ears.card.labels[int(row.argmax())] for row in each]
    assert [answer.label for _, _, answer in timeline] == best


def test_energy_lets_the_loud_windows_decide(tmp_path):
    window = Window(length_s=1.0, hop_s=1.0, min_s=0.25, aggregate="energy")
    recognizer = tiny_recognizer(tmp_path, tiny_card(temperature=40.0, window=window))
    loud, quiet = varied(1.0), 1e-3 * varied(1.0)[::-1]
    both = recognizer.probabilities(Sound(np.concatenate([loud, quiet]), RATE_HZ))
    np.testing.assert_allclose(both, recognizer.probabilities(Sound(loud, RATE_HZ)), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "subtype"), [("a.wav", "PCM_16"), ("a.flac", "PCM_24"), ("a.au", "FLOAT"), ("a.aiff", "PCM_16")]
)
def test_files_bytes_and_arrays_agree(ears, tmp_path, name, subtype):
    samples = varied(1.7)
    path = tmp_path / name
    soundfile.write(path, samples, RATE_HZ, subtype=subtype)
    from_array = ears.predict(samples, sample_rate_hz=RATE_HZ)
    from_path = ears.predict(path)
    assert same(from_path, from_array, tolerance=2e-3)
    assert from_path.input == str(path)
    assert same(ears.predict(str(path)), from_path)
    assert same(ears.predict(path.read_bytes(), name="-"), from_path)
    assert same(ears.predict(io.BytesIO(path.read_bytes())), from_path)
    assert ears.predict(path.read_bytes(), name="-").input == "-"


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000, 192000])
def test_any_rate_is_resampled(ears, rate_hz):
    samples = soxr.resample(varied(1.5, rate_hz=44100), 44100, rate_hz)
    expected = ears.predict(soxr.resample(samples, rate_hz, RATE_HZ), sample_rate_hz=RATE_HZ)
    assert same(ears.predict(samples, sample_rate_hz=rate_hz), expected)


def test_channels_are_mixed_whichever_axis_they_are_on(ears, tmp_path):
    channels = np.stack([varied(1.2) * gain for gain in np.linspace(0, 2, 8)])
    mono = ears.predict(channels.mean(axis=0), sample_rate_hz=RATE_HZ)
    assert same(ears.predict(channels, sample_rate_hz=RATE_HZ), mono)
    assert same(ears.predict(channels.T, sample_rate_hz=RATE_HZ), mono)
    soundfile.write(tmp_path / "eight.wav", channels.T, RATE_HZ, subtype="FLOAT")
    assert same(ears.predict(tmp_path / "eight.wav"), mono)


def test_whole_numbers_are_scaled(ears):
    samples = varied(1.0)
    expected = ears.predict(samples, sample_rate_hz=RATE_HZ)
    for dtype, full in ((np.int16, 2**15), (np.int32, 2**31)):
        assert same(ears.predict((samples * full).astype(dtype), sample_rate_hz=RATE_HZ), expected, tolerance=5e-3)
    loud = samples / np.abs(samples).max()
    unsigned = np.clip(np.rint(loud * 128 + 128), 0, 255).astype(np.uint8)
    coarse = (unsigned.astype(np.float32) - 128) / 128
    assert same(ears.predict(unsigned, sample_rate_hz=RATE_HZ), ears.predict(coarse, sample_rate_hz=RATE_HZ))


def test_short_sounds_are_extended_with_silence(ears):
    short = varied(0.1)
    extended = np.pad(short, (0, round(0.25 * RATE_HZ) - len(short)))
    assert same(ears.predict(short, sample_rate_hz=RATE_HZ), ears.predict(extended, sample_rate_hz=RATE_HZ))
    assert ears.predict(varied(0.1), sample_rate_hz=RATE_HZ, timeline=True).timeline[0][1] == pytest.approx(
        0.1, abs=1e-3
    )


def test_silence_is_declined(ears):
    prediction = ears.predict(np.zeros(RATE_HZ), sample_rate_hz=RATE_HZ, timeline=True)
    assert (prediction.label, prediction.confidence, prediction.top) == ("unknown", 0.0, ())
    assert prediction.reason.startswith("silence: ")
    assert [answer.label for _, _, answer in prediction.timeline] == ["unknown"]


def test_silent_windows_do_not_vote(ears):
    sound = np.concatenate([varied(1.0), np.zeros(3 * RATE_HZ, np.float32)])
    window_hop = ears.predict(sound, sample_rate_hz=RATE_HZ, timeline=True).timeline
    assert [answer.label == "unknown" for _, _, answer in window_hop] == [False] * 2 + [True] * 5
    audible = sound[: RATE_HZ + RATE_HZ // 2]
    assert same(ears.predict(sound, sample_rate_hz=RATE_HZ), ears.predict(audible, sample_rate_hz=RATE_HZ))


def test_pictures_enter_behind_the_front_end(ears):
    samples = varied(2.0)
    picture = Picture(ears.card.features(samples)[0])
    whole = ears.predict(picture, timeline=True)
    assert len(whole.timeline) == len(ears.predict(samples, sample_rate_hz=RATE_HZ, timeline=True).timeline)
    one = ears.predict(Picture(ears.card.features(varied(1.0))[0]))
    assert same(one, ears.predict(varied(1.0), sample_rate_hz=RATE_HZ), tolerance=1e-4)


def test_what_the_network_sees_can_be_looked_at(ears, eyes):
    samples = varied(2.0)
    seen = ears.feature_map(samples, sample_rate_hz=RATE_HZ)
    np.testing.assert_allclose(seen, ears.card.features(samples[:RATE_HZ])[0], atol=1e-3)
    np.testing.assert_array_equal(ears.feature_map(Picture(seen)), seen)
    assert eyes.feature_map(CROSS).shape == eyes.card.features.shape[1:]


def peak_bytes(function) -> int:
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length_of_a_file(tmp_path):
    features = LogMel(sample_rate_hz=8000, n_fft=512, hop_samples=512, n_mels=32)
    window = Window(length_s=10, hop_s=10, min_s=1)
    recognizer = tiny_recognizer(tmp_path, tiny_card(features=features, window=window))
    minute = varied(60, rate_hz=8000)
    peaks = []
    for n_minutes in (5, 15):
        path = tmp_path / f"{n_minutes}.flac"
        with soundfile.SoundFile(path, "w", 8000, 1) as file:
            for _ in range(n_minutes):
                file.write(minute)
        peaks.append(peak_bytes(lambda path=path: recognizer.predict(path)))
        assert len(recognizer.predict(path, timeline=True).timeline) == 6 * n_minutes
    assert peaks[1] < 1.05 * peaks[0]


def test_strokes_files_and_arrays_agree(eyes, tmp_path):
    expected = eyes.predict(CROSS)
    assert expected.top[0].details["character"]
    (tmp_path / "a.txt").write_text(HOMUS)
    (tmp_path / "a.json").write_text(json.dumps([stroke.tolist() for stroke in CROSS]))
    for item in (
        Ink(tuple(stroke.astype(np.float32) for stroke in CROSS)),
        tmp_path / "a.txt",
        str(tmp_path / "a.json"),
        HOMUS.encode(),
        (tmp_path / "a.json").read_bytes(),
        io.BytesIO(HOMUS.encode()),
    ):
        assert same(eyes.predict(item), expected)


def test_images_and_arrays_agree(eyes, tmp_path):
    pixels = np.full((60, 80), 255, np.uint8)
    pixels[20:40, 30:34] = 0
    expected = eyes.predict(pixels)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
    PIL.Image.fromarray(pixels).save(tmp_path / "a.pgm")
    palette = PIL.Image.fromarray(pixels).convert("P")
    for item in (
        Image(pixels),
        tmp_path / "a.png",
        (tmp_path / "a.png").read_bytes(),
        (tmp_path / "a.pgm").read_bytes(),
        palette,
        pixels / 255,
        pixels > 0,
        np.dstack([pixels] * 3),
        np.dstack([pixels] * 3 + [np.full_like(pixels, 255)]),
    ):
        assert same(eyes.predict(item), expected, tolerance=1e-3)


def test_a_batch_goes_on_after_a_bad_input(ears):
    items = [varied(1.0), np.array([np.nan]), "missing.wav", varied(0.5)]
    results = list(ears.predict_many(items, sample_rate_hz=RATE_HZ, top=1))
    assert [isinstance(result, Failure) for result in results] == [False, True, True, False]
    assert results[2].input == "missing.wav"
    assert "no such file" in str(results[2].error)
    assert len(results[0].top) == 1


@pytest.mark.parametrize(
    ("item", "options", "error", "match"),
    [
        (np.zeros(9), {}, UsageError, "needs its rate; pass sample_rate_hz"),
        (np.zeros(9), {"sample_rate_hz": 0}, UsageError, "sample_rate_hz=0"),
        (np.zeros(0), {"sample_rate_hz": 8000}, DataError, "holds no samples"),
        (np.array([0, np.nan, np.inf]), {"sample_rate_hz": 8000}, DataError, "2 samples are NaN or infinite"),
        (np.zeros((2, 2, 2)), {"sample_rate_hz": 8000}, DataError, r"shape \(time,\) or \(channel, time\)"),
        (np.array(["a"]), {"sample_rate_hz": 8000}, DataError, "samples are numbers"),
        (np.zeros(9), {"sample_rate_hz": 8000, "top": 0}, UsageError, "ask for 1 or more"),
        ("drawing.png", {}, DataError, "a drawing, but this recognizer listens to sounds"),
        (Ink((np.zeros((1, 2), np.float32),)), {}, DataError, "this recognizer listens to sounds; give a sound file"),
        (Sound(np.float32([np.nan]), 8000), {}, DataError, "NaN"),
        (Picture(np.full((128, 9), np.nan)), {}, DataError, "only finite numbers are a picture"),
        (np.float32([0.5]), {"sample_rate_hz": 8000}, DataError, "at least 0.05 s are needed"),
        (np.full(900, 3e7), {"sample_rate_hz": 8000}, DataError, "they belong in -1…1; scale them"),
        (Picture(np.zeros((3, 9))), {}, DataError, "does not fit log-mel features"),
        (None, {}, DataError, "NoneType: this recognizer listens"),
    ],
)
def test_what_cannot_be_heard_is_refused(ears, item, options, error, match):
    with pytest.raises(error, match=match):
        ears.predict(item, **options)


@pytest.mark.parametrize(
    ("item", "match"),
    [
        ("song.mp3", "this recognizer reads drawings; give a stroke file"),
        (Sound(np.zeros(9, np.float32), 8000), "sound of .* this recognizer reads drawings"),
        ([], "no strokes"),
        ([[[0, np.nan]]], "not finite"),
        ([[1, 2, 3]], "shape"),
        (np.zeros((5, 5, 2)), "pixels are uint8, bool or 0…1 floats"),
        (np.full((5, 5), 7.0), "float pixels are 0…1"),
        (b"", "is empty"),
        (b"\xff\xfe\x00junk", "cannot be decoded as an image"),
        (b'{"a": 1}', "give a list of strokes"),
    ],
)
def test_what_cannot_be_read_is_refused(eyes, item, match):
    with pytest.raises(DataError, match=match):
        eyes.predict(item)


def test_drawings_have_no_timeline(eyes):
    with pytest.raises(UsageError, match="no timeline"):
        eyes.predict(CROSS, timeline=True)


def test_the_graph_takes_samples_or_features(ears, eyes):
    with pytest.raises(UsageError, match="samples or features, not both"):
        ears.network.logits()
    with pytest.raises(UsageError, match="give this recognizer features"):
        eyes.network.logits(samples=np.zeros((1, 9), np.float32))
    with pytest.raises(ModelError, match="the graph cannot take"):
        ears.network.logits(np.zeros((1, 1, 3, 9), np.float32))


def test_real_recordings_are_heard(ears, shared_data):
    files = sorted((shared_data / "pianos").glob("*/*_C4_*"))
    one_of_each = {(path.suffix, soundfile.info(path).samplerate): path for path in files}
    one_of_each[".au", 22050] = shared_data / "gtzan" / "blues.00000.au"
    predictions = list(ears.predict_many(one_of_each.values()))
    assert {suffix for suffix, _ in one_of_each} >= {".au", ".flac", ".mp3"}
    assert all(prediction.label in ears.card.labels for prediction in predictions)


def test_real_drawings_are_read(eyes, shared_data):
    with zipfile.ZipFile(shared_data / "homus" / "HOMUS-80-writers.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")][::500]
        predictions = list(eyes.predict_many(archive.read(name) for name in names))
    assert len(predictions) == len(names) > 20
    assert all(prediction.label in eyes.card.labels for prediction in predictions)

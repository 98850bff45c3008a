"""What every feature kind promises, over the whole registry."""

from __future__ import annotations

import json
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from earmark.config import parse_kind
from earmark.errors import ConfigError, DataError, MissingExtraError
from earmark.features import FEATURES, Features, InkFeatures, SoundFeatures
from earmark.features.front_end import session_of
from earmark.types import Image, Ink, Picture

SOUND_KINDS = sorted(kind for kind in FEATURES if issubclass(FEATURES[kind], SoundFeatures))
INK_KINDS = sorted(kind for kind in FEATURES if issubclass(FEATURES[kind], InkFeatures))

# Beside the defaults: what makes each kind take another path.
VARIANTS: dict[str, list[dict[str, object]]] = {
    "log-mel": [{"hop_samples": 1708}, {"n_fft": 512, "n_mels": 40, "hop_samples": 700, "f_min_hz": 100}],
    "linear": [
        {"n_fft": 64, "n_bins": 33, "hop_samples": 1},
        {"n_fft": 4096, "n_bins": 300, "hop_samples": 441},
        {"window_samples": 400, "hop_samples": 160},
    ],
    "constant-q": [
        {"hop_samples": 441, "f_min_hz": 220, "n_bins": 30},
        {"bins_per_octave": 36, "n_bins": 200, "gamma_hz": 10},
        {"bins_per_octave": 1, "n_bins": 8},
    ],
}
CASES = [(kind, values) for kind in SOUND_KINDS for values in [{}, *VARIANTS.get(kind, [])]]


def features_of(kind: str, values: dict[str, object]) -> SoundFeatures:
    features = parse_kind(FEATURES, {"kind": kind, **values}, where="test")
    assert isinstance(features, SoundFeatures)
    return features


def sounds(n_samples: int) -> np.ndarray:
    """Two sounds: noise, and a falling tone that ends in digital silence."""
    t = np.arange(n_samples) / 22050
    noise = 0.1 * np.random.default_rng(0).standard_normal(n_samples)
    tone = np.sin(2 * np.pi * 880 * t) * np.exp(-3 * t) * (t < 0.7 * t[-1])
    return np.stack([noise, tone]).astype(np.float32)


@pytest.mark.parametrize(("kind", "values"), CASES)
def test_a_batch_in_a_recognizer_is_the_same_array(kind, values):
    features = features_of(kind, values)
    batch = sounds(min(30_000, 400 * features.hop_samples))
    (together,) = session_of(features).run(None, {"samples": batch})
    alone = np.stack([features(samples) for samples in batch])
    assert together.dtype == alone.dtype == np.float32
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-4)


def test_a_long_recording_is_computed_in_parts(monkeypatch):
    sound = sounds(100_000)[0]
    for kind, values in CASES:
        features = features_of(kind, values)
        whole = features(sound)
        with monkeypatch.context() as patch:
            patch.setattr("earmark.features.front_end.FRAMES_AT_ONCE", 37)
            np.testing.assert_allclose(features(sound), whole, rtol=0, atol=2e-4)


def test_a_session_is_not_part_of_the_features():
    features = features_of("log-mel", {})
    features(sounds(1000)[0])
    assert pickle.loads(pickle.dumps(features)) == features  # noqa: S301 - its own bytes
    assert session_of(features) is session_of(features_of("log-mel", {}))


def test_threads_share_a_session():
    features, sound = features_of("log-mel", {}), sounds(20_000)[0]
    expected = features(sound)
    with ThreadPoolExecutor(4) as pool:
        for picture in pool.map(lambda _: features(sound), range(20)):
            np.testing.assert_array_equal(picture, expected)


def test_without_the_builder_of_graphs_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"earmark\[train\]"):
        features_of("log-mel", {"hop_samples": 511})(np.zeros(9, np.float32))


@pytest.mark.parametrize(("kind", "values"), CASES)
@pytest.mark.parametrize("n_samples", [0, 1, 511, 512, 5000])
def test_promised_shape_and_finite_numbers_at_any_length(kind, values, n_samples):
    features = features_of(kind, values)
    samples = np.linspace(-1, 1, n_samples, dtype=np.float32)
    picture = features(samples)
    assert picture.dtype == np.float32
    assert picture.shape == (features.n_channels, features.n_bins, features.n_frames(n_samples))
    assert np.isfinite(picture).all()


@pytest.mark.parametrize("kind", SOUND_KINDS)
def test_silence_is_the_floor(kind):
    features = features_of(kind, {})
    silence = np.zeros(4000, np.float32)
    np.testing.assert_allclose(features(silence), -100, atol=1e-4)


@pytest.mark.parametrize("kind", SOUND_KINDS)
@pytest.mark.parametrize("n_frames", [1, 2, 100])
def test_fewest_samples_for_so_many_frames(kind, n_frames):
    features = features_of(kind, {})
    n_samples = features.n_samples(n_frames)
    assert features.n_frames(n_samples) == n_frames
    assert n_samples == 0 or features.n_frames(n_samples - 1) == n_frames - 1


@pytest.mark.parametrize("kind", SOUND_KINDS)
def test_frames_are_centred_on_multiples_of_the_hop(kind):
    features = features_of(kind, {})
    click = np.zeros(20 * features.hop_samples, np.float32)
    click[7 * features.hop_samples] = 1
    assert features(click)[0, -1].argmax() == 7


@pytest.mark.parametrize("kind", SOUND_KINDS)
def test_a_sound_may_be_any_memory_layout_and_is_left_alone(kind):
    features = features_of(kind, {})
    stereo = np.ascontiguousarray(sounds(3000).T)
    before = stereo.copy()
    np.testing.assert_array_equal(features(stereo[:, 0]), features(stereo[:, 0].copy()))
    np.testing.assert_array_equal(stereo, before)


@pytest.mark.parametrize("kind", sorted(FEATURES))
def test_fingerprint_follows_the_configuration(kind):
    features: Features = parse_kind(FEATURES, {"kind": kind}, where="test")
    again = parse_kind(FEATURES, json.loads(features.model_dump_json()), where="test")
    assert again == features
    assert again.fingerprint == features.fingerprint
    whole = [name for name, value in features if isinstance(value, int) and not isinstance(value, bool)]
    assert whole or kind in (
        "table",
        "fusion",
        "numbers",
        "picture-fusion",
    )  # whose only settings are names and other features
    for name in whole:
        value = getattr(features, name)
        others = [other for changed in (value * 2, value // 2, value + 2) if (other := parsed(kind, {name: changed}))]
        assert others
        assert all(other.fingerprint != features.fingerprint for other in others), name


def parsed(kind, settings):
    """Return features with these settings, or None where they are not allowed."""
    try:
        return parse_kind(FEATURES, {"kind": kind, **settings}, where="test")
    except ConfigError:
        return None


@pytest.mark.parametrize("kind", sorted(FEATURES))
def test_an_unknown_key_is_refused(kind):
    with pytest.raises(ConfigError, match="hop_sample"):
        parse_kind(FEATURES, {"kind": kind, "hop_sample": 3}, where="test")


@pytest.mark.parametrize("kind", SOUND_KINDS)
def test_a_picture_of_the_wrong_shape_is_refused(kind):
    with pytest.raises(DataError, match="give"):
        features_of(kind, {}).from_picture(Picture(np.zeros((3, 9), np.uint8)))


@pytest.mark.parametrize("kind", INK_KINDS)
def test_a_drawing_becomes_the_promised_shape(kind):
    features = parse_kind(FEATURES, {"kind": kind}, where="test")
    assert isinstance(features, InkFeatures)
    line = Ink((np.float32([[0, 0], [30, 10], [60, 50]]),))
    dot = Ink((np.float32([[5, 5]]),))
    pixels = np.full((40, 60), 255, np.uint8)
    pixels[10:30, 20:24] = 0
    for drawing in (line, dot, Image(pixels)):
        raster = features(drawing)
        assert raster.dtype == np.float32
        assert raster.shape == features.shape
        assert 0 <= raster.min() < raster.max() <= 1


@pytest.mark.parametrize(("kind", "values"), CASES)
def test_a_frame_sees_no_further_than_its_reach(kind, values):
    features = features_of(kind, values)
    hop, reach = features.hop_samples, features.reach_samples
    sound = sounds(2 * reach + 40 * hop)[0]
    whole = features(sound)
    first = -(-reach // hop)
    stretch = features(sound[: first * hop + 5 * hop + reach])
    np.testing.assert_allclose(stretch[..., : first + 5], whole[..., : first + 5], rtol=0, atol=2e-4)
    begun = features(sound[2 * hop :])
    np.testing.assert_allclose(begun[..., first:], whole[..., first + 2 :], rtol=0, atol=2e-4)

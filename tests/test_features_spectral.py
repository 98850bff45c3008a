"""Spectrograms against independent implementations."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import soundfile

from earmark.errors import ConfigError, DataError
from earmark.features import ConstantQ, LinearSpectrogram, LogMel
from earmark.features.mel import mel_filters
from earmark.types import Picture

RATE_HZ = 22050


def chirp(duration_s: float) -> np.ndarray:
    """A tone gliding over seven octaves, over quiet noise."""
    t = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    rate = np.log(2**7) / duration_s
    tone = 0.5 * np.sin(2 * np.pi * 55 * np.expm1(rate * t) / rate)
    return (tone + 0.01 * np.random.default_rng(1).standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize("settings", [(22050, 2048, 128, 0, 11025), (16000, 512, 40, 50, 7000)])
def test_mel_filters_are_those_of_librosa(settings):
    rate, n_fft, n_mels, low, high = settings
    ours = mel_filters(rate, n_fft, n_mels=n_mels, f_min_hz=low, f_max_hz=high)
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=low, fmax=high)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-7 * expected.max())


@pytest.mark.parametrize("settings", [(22050, 2048, 512, 128), (22050, 2048, 1708, 128), (16000, 512, 160, 40)])
def test_log_mel_is_that_of_librosa(settings):
    rate, n_fft, hop, n_mels = settings
    samples = chirp(2)
    features = LogMel(sample_rate_hz=rate, n_fft=n_fft, hop_samples=hop, n_mels=n_mels)
    power = librosa.feature.melspectrogram(
        y=samples.astype(float), sr=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels, pad_mode="constant"
    )
    ours = features(samples)[0]
    np.testing.assert_allclose(10 ** (ours / 10), power, rtol=1e-5, atol=1e-6 * power.max())
    np.testing.assert_allclose(ours, librosa.power_to_db(power, ref=1, top_db=None), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("n_fft", "hop_samples"), [(64, 17), (512, 128), (1024, 300), (2048, 512), (8192, 9000)])
def test_linear_is_the_power_of_librosas_stft(n_fft, hop_samples):
    samples = chirp(1)
    # In double precision: the reference should not add its own rounding.
    power = np.abs(librosa.stft(samples.astype(float), n_fft=n_fft, hop_length=hop_samples)) ** 2
    n_bins = min(512, 1 + n_fft // 2)
    ours = LinearSpectrogram(n_fft=n_fft, hop_samples=hop_samples, n_bins=n_bins)(samples)[0]
    np.testing.assert_allclose(10 ** (ours / 10), power[:n_bins], rtol=1e-5, atol=1e-6 * power.max())


def test_a_window_shorter_than_the_transform():
    samples = chirp(1)
    power = np.abs(librosa.stft(samples.astype(float), n_fft=512, win_length=400, hop_length=160)) ** 2
    features = LinearSpectrogram(sample_rate_hz=16000, n_fft=512, window_samples=400, hop_samples=160, n_bins=257)
    np.testing.assert_allclose(10 ** (features(samples)[0] / 10), power, rtol=1e-5, atol=1e-6 * power.max())


def direct_products(features: ConstantQ, samples: np.ndarray) -> np.ndarray:
    """Inner products in the time domain, in double precision, with librosa's kernels."""
    kernels, lengths = librosa.filters.wavelet(
        freqs=features.frequencies_hz,
        sr=features.sample_rate_hz,
        filter_scale=features.filter_scale,
        gamma=features.gamma_hz,
        dtype=np.complex128,
    )
    n = kernels.shape[1]
    padded = np.pad(samples.astype(float), (n // 2, n // 2 + features.hop_samples))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n)[:: features.hop_samples]
    frames = frames[: features.n_frames(len(samples))]
    return np.abs((kernels.conj() * np.sqrt(lengths)[:, None]) @ frames.T)


CONSTANT_Q = [
    ConstantQ(),
    ConstantQ(n_bins=264, bins_per_octave=36, filter_scale=0.25, hop_samples=1024),
    ConstantQ(gamma_hz=20),
    ConstantQ(f_min_hz=110, n_bins=50, hop_samples=441),
]


@pytest.mark.parametrize("features", CONSTANT_Q, ids=str)
@pytest.mark.parametrize("sound", ["chirp", "click", "tone"])
def test_constant_q_is_the_inner_product_with_librosas_kernels(features, sound):
    samples = {
        "chirp": chirp(2),
        "click": np.eye(1, 30_000, 15_000, dtype=np.float32)[0],
        "tone": np.sin(2 * np.pi * 3520 / RATE_HZ * np.arange(30_000)).astype(np.float32),
    }[sound]
    expected = direct_products(features, samples)
    ours = 10 ** (features(samples)[0] / 20)
    np.testing.assert_allclose(ours, np.maximum(expected, 1e-5), rtol=0, atol=1e-5 * expected.max())


def test_constant_q_resembles_librosas_which_resamples():
    samples = chirp(3)
    ours = 10 ** (ConstantQ()(samples)[0] / 20)
    theirs = np.abs(librosa.cqt(samples, sr=RATE_HZ, fmin=27.5, n_bins=88, tuning=0, pad_mode="constant"))
    error = np.abs(ours - theirs[:, : ours.shape[1]])
    assert error.max() < 0.05 * ours.max()
    assert error.mean() < 0.002 * ours.max()


@pytest.mark.parametrize("midi", [21, 33, 60, 84, 108])
def test_constant_q_finds_the_key(midi):
    features = ConstantQ()
    tone = np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) / RATE_HZ * np.arange(2 * RATE_HZ)).astype(np.float32)
    assert features(tone)[0].mean(axis=1).argmax() == midi - 21


def test_pictures_are_decibels():
    features = LogMel(n_mels=4, n_fft=512, picture_range_db=51)
    grey = np.arange(8, dtype=np.uint8).reshape(4, 2)
    np.testing.assert_allclose(features.from_picture(Picture(grey))[0], grey * 0.2 - 51, atol=1e-5)
    levels = np.linspace(-80, 0, 8).reshape(4, 2)
    np.testing.assert_allclose(features.from_picture(Picture(levels))[0], levels, rtol=1e-6)


@pytest.mark.parametrize("values", [np.zeros((5, 9), np.uint8), np.zeros((4, 0), np.uint8), np.zeros((4, 9), np.int64)])
def test_other_pictures_are_refused(values):
    with pytest.raises(DataError, match="give"):
        LogMel(n_mels=4, n_fft=512).from_picture(Picture(values))


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (LogMel, {"n_fft": 2000}, "power of two; try 1024 or 2048"),
        (LogMel, {"f_max_hz": 12000}, "f_max_hz"),
        (LogMel, {"f_min_hz": 9000, "f_max_hz": 8000}, "f_min_hz"),
        (LogMel, {"n_fft": 256}, "hold no frequency bin; lower n_mels"),
        (LinearSpectrogram, {"n_bins": 514}, "exceeds the 513 bins"),
        (LinearSpectrogram, {"window_samples": 1026}, r"window_samples \(1026\) exceeds n_fft \(1024\)"),
        (ConstantQ, {"n_bins": 120}, "above half the sample rate"),
    ],
)
def test_impossible_settings_are_refused(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind.parse(values, where="test")


def as_picture(decibels: np.ndarray) -> np.ndarray:
    """The last steps of the GTZAN pictures: floor 80 dB below the peak, then minimum to maximum as 0 to 255."""
    floored = np.maximum(decibels, decibels.max() - 80)
    return 255 * (floored - floored.min()) / (floored.max() - floored.min())


def test_log_mel_makes_the_gtzan_pictures(shared_data):
    with np.load(shared_data / "gtzan" / "mel128x387.npz") as archive:
        tracks, pictures = archive["track"].tolist(), archive["X"]
    paths = sorted((shared_data / "gtzan" / "audio").rglob("*.flac"))
    paths = [path for path in paths if path.stem in tracks][::32]
    exact_steps, near_steps = [], []
    for path in paths:
        samples, _ = soundfile.read(path, dtype="float32")
        given = pictures[tracks.index(path.stem)].astype(float)
        picture = as_picture(LogMel()(samples)[0])
        frames = np.round((3.336576 * np.arange(387) + 1.206) * picture.shape[1] / 1293).astype(int)
        exact_steps.append(np.abs(picture[:, frames] - given).mean())
        # A hop of 1708 samples stays within half a frame of where the pictures were sampled, 617 samples later.
        near = as_picture(LogMel(hop_samples=1708)(samples[617:])[0])
        near_steps.append(np.abs(near[:, :386] - given[:, :386]).mean())
    # Of 255 steps. Over 24 tracks: 0.36 on average and at most 0.48; with the hop alone 5.6 and 23.
    assert len(paths) >= 2
    assert max(exact_steps) < 0.6
    assert np.mean(near_steps) < 12

from __future__ import annotations

import re

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import image

from earmark import cli
from earmark.errors import ConfigError, DataError, UnreadableError, UsageError
from earmark.live import DenoiseConfig, Denoiser, denoise, denoise_file
from earmark.live.denoise_file import Spectrograms
from earmark.sound import read
from earmark.types import Sound

RATE_HZ = 8000


def noise_of(seconds: float, *, seed: int = 0, level: float = 0.05) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def music(seconds: float) -> np.ndarray:
    """Return three notes that begin and end, after a second of rest."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pulse = np.where(time_s > 1, np.exp(-3 * ((time_s - 1) % 0.5)), 0)
    return (0.2 * pulse * sum(np.sin(2 * np.pi * hz * time_s) for hz in (330, 440, 550))).astype(np.float32)


def snr_db(clean: np.ndarray, noisy: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(clean**2) / np.sum((noisy - clean) ** 2)))


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=20))
def test_any_chunks_give_the_same_stream(sizes):
    sound = music(2) + noise_of(2)
    whole = denoise(Sound(sound, RATE_HZ)).samples
    stream = Denoiser(DenoiseConfig(), RATE_HZ)
    ends = np.cumsum(sizes)
    pieces = [stream.process(piece) for piece in np.split(sound, ends[ends < len(sound)])]
    assert np.concatenate([*pieces, stream.flush()]) == pytest.approx(whole, abs=1e-6)
    removed_db = 10 * np.log10(np.square(sound).sum() / np.square(whole).sum())
    assert stream.removed_db == pytest.approx(removed_db, abs=1e-3)


@pytest.mark.parametrize("n_samples", [1, 100, 1023, 1024, 1025, 5000])
def test_what_has_no_noise_comes_out_as_it_went_in(n_samples):
    sound = Sound(music(3)[RATE_HZ : RATE_HZ + n_samples], RATE_HZ)
    silence = Sound(np.zeros(RATE_HZ, np.float32), RATE_HZ)
    assert denoise(sound, noise=silence).samples == pytest.approx(sound.samples, abs=1e-6)


@pytest.mark.parametrize("snr", [0, 10, 20])
def test_music_gains_on_noise_and_hum(snr):
    clean = music(4)
    hum = np.sin(2 * np.pi * 50 * np.arange(len(clean)) / RATE_HZ).astype(np.float32)
    noise = noise_of(4, level=1.0) + hum
    noise *= np.sqrt(np.sum(clean**2) / np.sum(noise**2)) * 10 ** (-snr / 20)
    cleaned = denoise(Sound(clean + noise, RATE_HZ)).samples
    assert snr_db(clean, cleaned) > snr + 3


def test_noise_alone_sinks_to_the_floor():
    cleaned = denoise(Sound(noise_of(4), RATE_HZ), DenoiseConfig(floor=0.1)).samples
    assert 0.1 < np.std(cleaned[RATE_HZ:]) / 0.05 < 0.2


def test_the_noise_is_learnt_from_the_beginning_or_given():
    learnt = Denoiser(DenoiseConfig(noise_s=2.0, follow_s=0), RATE_HZ)
    learnt.process(noise_of(3))
    told = Denoiser(DenoiseConfig(), RATE_HZ, noise=Sound(noise_of(2), RATE_HZ))
    # The mean magnitude of white noise under a window whose squares sum to n / 2 (Rayleigh).
    expected = 0.05 * np.sqrt(learnt.n_fft / 2 * np.pi / 4)
    for stream in (learnt, told):
        assert stream.noise[2:-2].mean() == pytest.approx(expected, rel=0.05)


def test_the_estimate_follows_noise_that_grows_slowly():
    growing = noise_of(20) * np.linspace(1, 2, 20 * RATE_HZ, dtype=np.float32)
    following, fixed = (Denoiser(DenoiseConfig(follow_s=follow_s), RATE_HZ) for follow_s in (2.0, 0.0))
    for stream in (following, fixed):
        stream.process(growing)
    assert following.noise.mean() / fixed.noise.mean() > 1.5


def test_a_noise_shorter_than_a_frame_is_refused():
    with pytest.raises(DataError, match=r"the noise lasts 0\.001 s; at least one frame"):
        Denoiser(DenoiseConfig(), RATE_HZ, noise=Sound(noise_of(0.001), RATE_HZ))


def test_the_noise_may_have_another_rate():
    noise = Sound(noise_of(2), RATE_HZ * 2)
    assert Denoiser(DenoiseConfig(), RATE_HZ, noise=noise).noise.min() > 0


def test_nonsense_is_refused():
    with pytest.raises(ConfigError, match="floor"):
        DenoiseConfig.parse({"floor": 2}, where="test")


def test_a_stereo_file_stays_stereo(tmp_path):
    left, right = music(3) + noise_of(3), noise_of(3, seed=1)
    soundfile.write(tmp_path / "in.wav", np.stack([left, right], axis=1), RATE_HZ, "FLOAT")
    assert denoise_file(tmp_path / "in.wav", tmp_path / "out.flac", plot=tmp_path / "p.png") == 3.0
    written, rate_hz = soundfile.read(tmp_path / "out.flac", dtype="float32")
    assert (written.shape, rate_hz) == ((3 * RATE_HZ, 2), RATE_HZ)
    for channel, samples in enumerate((left, right)):
        assert written[:, channel] == pytest.approx(denoise(Sound(samples, RATE_HZ)).samples, abs=1e-6)
    assert image.imread(tmp_path / "p.png").shape[:2] == (880, 990)


def test_spectrograms_of_long_sounds_are_thinned_out():
    traces = Spectrograms()
    for index in range(10_000):
        column = np.full(4, index + 1, np.float32)
        traces(column, column, column)
    noisy, _, _ = traces.pictures()
    assert noisy.shape[0] == 4
    assert noisy.shape[1] <= 1501
    assert noisy[0, -1] == pytest.approx(0, abs=0.01)


def test_the_command(tmp_path, capsys):
    soundfile.write(tmp_path / "in.wav", music(2) + noise_of(2), RATE_HZ)
    soundfile.write(tmp_path / "noise.wav", noise_of(2, seed=3), RATE_HZ)
    names = [str(tmp_path / name) for name in ("in.wav", "out.wav", "noise.wav")]
    with pytest.raises(SystemExit) as stop:
        cli.main(["denoise", *names[:2], "--noise", names[2], "--strength", "2"])
    assert stop.value.code == 0
    assert re.fullmatch(re.escape(f"{names[1]}: 2.00 s, ") + r"\d+\.\d dB taken away\n", capsys.readouterr().out)
    clean = read(tmp_path / "out.wav")
    assert snr_db(music(2)[RATE_HZ:], clean.samples[RATE_HZ:]) > snr_db(
        music(2)[RATE_HZ:], (music(2) + noise_of(2))[RATE_HZ:]
    )


def test_bad_files_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UnreadableError, match="no such file"):
        denoise_file(tmp_path / "no.wav", tmp_path / "out.wav")
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), RATE_HZ, "FLOAT")
    with pytest.raises(UnreadableError, match="NaN or infinite"):
        denoise_file(tmp_path / "nan.wav", tmp_path / "out.wav")
    with pytest.raises(UsageError, match=r"written as \.wav \.flac \.ogg"):
        denoise_file(tmp_path / "nan.wav", tmp_path / "out.mp3")
    assert not (tmp_path / "out.wav").exists()

"""Degradations do what their names say, by as much as asked."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.errors import UsageError
from earmark.sound.degrade import (
    add_hum,
    add_noise,
    change_speed,
    code_mp3,
    code_ogg,
    equalize,
    limit_band,
    record,
    reverberate,
    telephone,
)
from earmark.types import Sound

RATE_HZ = 16_000


def tone(hz: float = 440.0, seconds: float = 1.0) -> Sound:
    samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return Sound(samples.astype(np.float32), RATE_HZ)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples.astype(np.float64))) + 1e-20))


@pytest.mark.parametrize("slope_db", [0.0, 3.0, 6.0])
def test_noise_has_the_level_and_colour_asked_for(slope_db):
    sound = tone(seconds=4)
    noise = add_noise(sound, rng(), snr_db=20, slope_db=slope_db).samples - sound.samples
    assert abs(level_db(sound.samples) - level_db(noise) - 20) < 0.1
    power = np.abs(np.fft.rfft(noise)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    low, high = (power[(hz > f) & (hz < 1.5 * f)].mean() for f in (200, 1600))
    assert abs(10 * np.log10(low / high) - 3 * slope_db) < 1.0


def test_hum_is_at_the_mains_frequency():
    sound = tone()
    hum = add_hum(sound, rng(), level_db=-20, mains_hz=60).samples - sound.samples
    assert np.argmax(np.abs(np.fft.rfft(hum))) == 60
    assert 0.015 < np.abs(hum).max() < 0.06


def test_room_rings_on_and_decays_as_fast_as_asked():
    click = Sound(np.eye(1, RATE_HZ, dtype=np.float32)[0], RATE_HZ)
    heard = reverberate(click, rng(), t60_s=0.5, wet_db=0.0).samples
    assert heard[0] == pytest.approx(1.0, abs=1e-4)
    assert abs(level_db(heard[1:]) - level_db(click.samples)) < 0.1
    assert abs(level_db(heard[800:1600]) - level_db(heard[4800:5600]) - 30) < 2


def test_equalize_changes_the_level_at_a_frequency():
    curve = {"gains_db": np.array([0.0, 0.0, -24.0]), "frequencies_hz": np.array([20.0, 1000.0, 4000.0])}
    assert abs(level_db(equalize(tone(500), **curve).samples) - level_db(tone(500).samples)) < 0.1
    assert abs(level_db(equalize(tone(2000), **curve).samples) - level_db(tone(2000).samples) + 12) < 0.1


def test_a_lower_rate_keeps_low_and_loses_high():
    assert abs(level_db(limit_band(tone(1000), sample_rate_hz=8000).samples) - level_db(tone().samples)) < 0.2
    assert level_db(limit_band(tone(5000), sample_rate_hz=8000).samples) < -60
    np.testing.assert_array_equal(limit_band(tone(), sample_rate_hz=44_100).samples, tone().samples)


def test_faster_is_higher_and_shorter():
    octave = change_speed(tone(440), semitones=12).samples
    assert len(octave) == RATE_HZ // 2
    assert np.argmax(np.abs(np.fft.rfft(octave))) * 2 == 880


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_mp3_sounds_alike_but_not_equal(rate_hz):
    time_s = np.arange(rate_hz) / rate_hz
    sound = Sound((1.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32), rate_hz)
    coded = code_mp3(sound, kbps=64)
    assert coded.samples.shape == sound.samples.shape
    # LAME scales everything by 0.95, which is 0.45 dB.
    assert abs(level_db(coded.samples) - level_db(sound.samples)) < 0.5
    assert not np.allclose(coded.samples, sound.samples, atol=1e-4)


def test_mp3_has_its_own_rates():
    with pytest.raises(UsageError, match="no sample rate of 96000 Hz; allowed are 8000"):
        code_mp3(Sound(np.zeros(10, np.float32), 96_000), kbps=64)


@pytest.mark.parametrize("codec", ["vorbis", "opus"])
@pytest.mark.parametrize("rate_hz", [16_000, 22_050])
def test_ogg_keeps_the_moment_and_loses_more_with_fewer_bits(codec, rate_hz):
    time_s = np.arange(2 * rate_hz) / rate_hz
    sweep = Sound((1.2 * np.sin(2 * np.pi * 300 * time_s * (1 + time_s))).astype(np.float32), rate_hz)
    losses = []
    for quality in (0.0, 0.8):
        coded = code_ogg(sweep, codec=codec, quality=quality)
        assert coded.samples.shape == sweep.samples.shape
        losses.append(level_db(coded.samples - sweep.samples) - level_db(sweep.samples))
    assert losses[1] < losses[0] < -3


def test_a_telephone_is_narrow_and_coarse():
    assert abs(level_db(telephone(tone(1000)).samples) - level_db(tone(1000).samples)) < 0.2
    assert level_db(telephone(tone(100)).samples) < level_db(tone(100).samples) - 20
    assert level_db(telephone(tone(5000)).samples) < -60
    inside = slice(RATE_HZ // 4, -RATE_HZ // 4)
    error = (telephone(tone(1000)).samples - tone(1000).samples)[inside]
    # The mu-law of 8 bits keeps tones about 38 dB above its noise, at any level.
    assert -45 < level_db(error) - level_db(tone(1000).samples) < -28


def test_a_small_microphone_has_a_band_a_resonance_and_a_limit():
    settings = {"low_hz": 200, "high_hz": 4000, "resonance_hz": 2000, "resonance_db": 6}
    change = {
        hz: level_db(record(tone(hz), **settings).samples) - level_db(tone(hz).samples)
        for hz in (50, 500, 2000, 8000 - 1)
    }
    assert change[50] == pytest.approx(-24, abs=1)
    assert change[500] == pytest.approx(0, abs=0.5)
    assert change[2000] == pytest.approx(6, abs=0.5)
    assert change[7999] == pytest.approx(-18, abs=1)
    loud = record(tone(500), **settings, overload_db=12).samples
    spectrum = np.abs(np.fft.rfft(loud))
    assert np.abs(loud).max() == pytest.approx(0.3, rel=0.05)
    assert spectrum[1500] > 0.05 * spectrum[500] > 0

"""Synthesised notes have the pitch, the partials and the decay that their formulas promise."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.errors import UnknownNameError, UsageError
from earmark.sound.synthesis import TIMBRES, inharmonicity, synthesize_note
from earmark.units import midi_to_hz

RATE_HZ = 16_000


def peak_hz(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Frequency of the strongest component between two limits, by a parabola through the largest bins."""
    level = np.log(np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples))) + 1e-12)
    width_hz = RATE_HZ / (8 * len(samples))
    low = round(low_hz / width_hz)
    k = low + int(np.argmax(level[low : round(high_hz / width_hz)]))
    a, b, c = level[k - 1 : k + 2]
    return float(width_hz * (k + 0.5 * (a - c) / (a - 2 * b + c)))


@pytest.mark.parametrize("timbre", sorted(TIMBRES))
@pytest.mark.parametrize("midi", [45, 69, 93])
def test_fundamental_is_the_key(timbre: str, midi: int) -> None:
    note = synthesize_note(midi, timbre=timbre, duration_s=1.0, sample_rate_hz=RATE_HZ, seed=4)
    hz = midi_to_hz(midi)
    cents = 1200 * np.log2(peak_hz(note.samples, hz * 0.95, hz * 1.05) / hz)
    assert abs(cents) < 20


@pytest.mark.parametrize("timbre", sorted(TIMBRES))
def test_every_key_is_finite_and_scaled(timbre: str) -> None:
    for midi in (21, 108):
        note = synthesize_note(midi, timbre=timbre, duration_s=0.5, sample_rate_hz=RATE_HZ)
        assert note.samples.dtype == np.float32
        assert note.samples.shape == (RATE_HZ // 2,)
        assert np.isclose(np.abs(note.samples).max(), 0.5)


def test_piano_partials_are_stiff_and_organ_partials_are_not() -> None:
    def stretch(timbre: str) -> float:
        samples = synthesize_note(60, timbre=timbre, duration_s=1.0, sample_rate_hz=RATE_HZ, seed=1).samples
        first = peak_hz(samples, 255, 270)
        return peak_hz(samples, first * 5.9, first * 6.25) / first / 6

    assert abs(stretch("organ") - 1) < 2e-3
    assert 1.002 < stretch("grand") < 1.04


def test_inharmonicity_is_least_in_the_tenor() -> None:
    values = [inharmonicity(midi) for midi in range(21, 109)]
    assert 35 < 21 + int(np.argmin(values)) < 50
    assert values[-1] > 10 * values[0] > 100 * 1e-5


def test_piano_decays_and_organ_holds() -> None:
    def fall_db(timbre: str, midi: int) -> float:
        samples = synthesize_note(midi, timbre=timbre, duration_s=2.0, sample_rate_hz=RATE_HZ).samples
        start, end = samples[2000:6000], samples[-4000:]
        return float(10 * np.log10(np.mean(start**2) / np.mean(end**2)))

    assert abs(fall_db("organ", 69)) < 1
    assert 1 < fall_db("grand", 60) < fall_db("grand", 96)


def test_a_seed_is_an_instrument() -> None:
    first, again, other = (synthesize_note(60, duration_s=0.2, seed=seed).samples for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="midi is 128; allowed is 0 to 127"):
        synthesize_note(128)
    with pytest.raises(UsageError, match="duration_s is 0; allowed"):
        synthesize_note(60, duration_s=0)
    with pytest.raises(UsageError, match="sample_rate_hz is 4000"):
        synthesize_note(60, sample_rate_hz=4000)
    with pytest.raises(UnknownNameError, match="did you mean 'grand'"):
        synthesize_note(60, timbre="grnd")

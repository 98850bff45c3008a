"""Foreign sounds: made the same again, all different from each other, and with or without a pitch as their kind has."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.errors import UnknownNameError, UsageError
from earmark.recognizer import find, load
from earmark.recognizer.network import pitch_salience
from earmark.rejection.sounds import FAMILIES, choose_chord, make_ood, mix_chord, ood_kinds
from earmark.sound.synthesis import synthesize_note

RATE_HZ = 16_000
ALL_KINDS = ood_kinds(chords=True)


def _made(kind, seed=0, *, duration_s=0.7, rate_hz=RATE_HZ):
    return make_ood(kind, np.random.default_rng(seed), duration_s=duration_s, sample_rate_hz=rate_hz)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_kind_is_made_again_by_its_seed_and_only_by_it(kind):
    sound, again, other = _made(kind), _made(kind), _made(kind, 1)
    assert sound.dtype == np.float32
    assert sound.shape == (round(0.7 * RATE_HZ),)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() == pytest.approx(0.5)
    assert np.array_equal(sound, again)
    assert not np.array_equal(sound, other)


@pytest.mark.parametrize("rate_hz", [8000, 44_100])
@pytest.mark.parametrize("kind", ["speech", "bird", "telephone", "clatter", "drum-kit", "chord"])
def test_other_rates_give_as_long_a_sound(kind, rate_hz):
    assert len(_made(kind, duration_s=0.3, rate_hz=rate_hz)) == round(0.3 * rate_hz)


def test_kinds_differ_from_each_other():
    spectra = {}
    for kind in ALL_KINDS:
        power = np.abs(np.fft.rfft(_made(kind, 3))) ** 2
        spectra[kind] = np.log(power[:5600].reshape(56, 100).sum(1) + 1e-9)
    near = [(a, b) for a in ALL_KINDS for b in ALL_KINDS if a < b and np.abs(spectra[a] - spectra[b]).mean() < 0.3]
    assert not near


def test_chords_are_left_out_unless_asked_for():
    assert set(ALL_KINDS) - set(ood_kinds()) == set(FAMILIES["chords"])
    assert sorted(ALL_KINDS) == sorted(kind for family in FAMILIES.values() for kind in family)


def test_chords_have_no_two_keys_that_melt_into_one():
    for seed in range(200):
        keys = choose_chord(np.random.default_rng(seed))
        assert 2 <= len(keys) <= 5
        assert not {abs(a - b) for a in keys for b in keys if a != b} & {12, 19, 24}
        assert len(set(keys)) == len(keys)


def test_a_chord_holds_the_partials_of_its_notes():
    notes = [synthesize_note(midi, duration_s=1.0, sample_rate_hz=RATE_HZ, seed=1).samples for midi in (69, 73)]
    mixed = mix_chord(notes, np.random.default_rng(0), sample_rate_hz=RATE_HZ)
    power = np.abs(np.fft.rfft(mixed))
    floor = np.median(power[400:600])
    assert power[435:445].max() > 20 * floor
    assert power[549:560].max() > 20 * floor


def test_one_note_is_no_chord():
    with pytest.raises(UsageError, match="at least 2"):
        mix_chord([np.zeros(8, np.float32)], np.random.default_rng(0), sample_rate_hz=RATE_HZ)


def test_what_cannot_be_made_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(UnknownNameError, match="speach"):
        make_ood("speach", rng, duration_s=1, sample_rate_hz=RATE_HZ)
    with pytest.raises(UsageError, match="duration_s"):
        make_ood("rain", rng, duration_s=0, sample_rate_hz=RATE_HZ)
    with pytest.raises(UsageError, match="sample_rate_hz"):
        make_ood("rain", rng, duration_s=1, sample_rate_hz=400)


LEAST_DB = 8.0
"""What the recipe notes/one-key asks of a pitch."""


@pytest.fixture(scope="module")
def notes():
    return load(find("notes"))


def _salience(recognizer, samples):
    return float(pitch_salience(recognizer.network.run(["features_out"], samples=samples[None])[0])[0])


@pytest.mark.parametrize("midi", [21, 28, 45, 69, 93, 108])
def test_partials_of_a_note_stand_out_on_the_whole_keyboard(notes, midi):
    note = synthesize_note(midi, duration_s=1.0, sample_rate_hz=RATE_HZ, seed=2).samples
    noise = np.random.default_rng(midi).standard_normal(len(note)).astype(np.float32)
    heard = note + noise * np.sqrt(np.mean(note**2)) * np.float32(0.1)
    assert _salience(notes, note) > LEAST_DB
    assert _salience(notes, heard) > LEAST_DB


@pytest.mark.parametrize("kind", ["white-noise", "pink-noise", "rain", "sea", "rustle", "crackle"])
def test_nothing_stands_out_of_noise(notes, kind):
    pitched = sum(_salience(notes, _made(kind, seed)) >= LEAST_DB for seed in range(6))
    assert pitched <= 2


@pytest.mark.parametrize("kind", ["speech", "bird", "rain", "white-noise", "drum-kit"])
def test_the_shipped_notes_decline_most_of_what_is_no_note(notes, kind):
    labels = [notes.predict(_made(kind, 70 + seed, duration_s=1.0), sample_rate_hz=RATE_HZ).label for seed in range(6)]
    assert labels.count("unknown") + labels.count("no key") >= 4


@pytest.mark.parametrize("keys", [(60,), (48, 55, 64), (60, 64, 67, 72), (40, 69)])
def test_the_shipped_notes_name_keys_alone_and_together(notes, keys):
    notes_of = [synthesize_note(midi, duration_s=1.5, sample_rate_hz=RATE_HZ, seed=midi).samples for midi in keys]
    prediction = notes.predict(sum(notes_of) / len(keys), sample_rate_hz=RATE_HZ)
    assert [key.midi for key in prediction.sounding] == list(keys)

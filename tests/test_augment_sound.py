"""Augmentations of sounds: labels move with the pitch, a seed gives one change, nothing breaks on silence."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.sound.synthesis import synthesize_note
from earmark.training.augment import (
    AUGMENTATIONS,
    ContentAugmentation,
    Drawn,
    Excerpt,
    Gain,
    PitchShift,
    SynthesizeNote,
)
from earmark.types import Sound
from earmark.units import midi_to_hz, note_midi
from tiny import KEY_NAMES

KINDS = sorted(
    kind for kind, entry in AUGMENTATIONS.items() if issubclass(entry, ContentAugmentation) and "sound" in entry.domains
)
NOTE = synthesize_note(60, duration_s=1.5, sample_rate_hz=16_000)


def changed(augmentation: ContentAugmentation, sound: Sound = NOTE, *, label: str = "C4", seed: int = 0):
    rng = np.random.default_rng(seed)
    drawn = augmentation.draw(label, KEY_NAMES, rng)
    return augmentation(sound, drawn, rng), drawn.label


def always(kind: str) -> ContentAugmentation:
    entry = AUGMENTATIONS[kind]
    return entry(probability=1) if "probability" in entry.model_fields else entry()


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_one_change(kind):
    first, second, other = (changed(always(kind), seed=seed) for seed in (1, 1, 2))
    assert first[1] == second[1]
    np.testing.assert_array_equal(first[0].samples, second[0].samples)
    assert first[0].samples.dtype == np.float32
    assert np.isfinite(first[0].samples).all()
    assert first[0].samples.shape != other[0].samples.shape or not np.array_equal(first[0].samples, other[0].samples)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_samples", [0, 1, 8000])
def test_silence_and_scraps_survive(kind, n_samples):
    silence = Sound(np.zeros(n_samples, np.float32), 16_000)
    for seed in range(3):
        assert np.isfinite(changed(always(kind), silence, seed=seed)[0].samples).all()


def test_pitch_moves_with_its_label():
    for seed in range(4):
        sound, label = changed(PitchShift(max_semitones=5, detune_cents=0), seed=seed)
        hz = midi_to_hz(note_midi(label))
        spectrum = np.abs(np.fft.rfft(sound.samples * np.hanning(len(sound.samples))))
        found = np.fft.rfftfreq(len(sound.samples), 1 / sound.sample_rate_hz)
        near = (found > hz * 0.97) & (found < hz * 1.03)
        assert abs(1200 * np.log2(found[near][np.argmax(spectrum[near])] / hz)) < 15


def test_pitch_stays_on_the_keyboard_and_other_labels_keep_theirs():
    shift = PitchShift(max_semitones=6)
    rng = np.random.default_rng(0)
    assert {shift.draw("C8", KEY_NAMES, rng).label for _ in range(60)} == set(KEY_NAMES[-7:])
    assert {shift.draw("jazz", ("jazz", "rock"), rng) for _ in range(9)} == {Drawn("jazz")}


def test_synthesised_notes_take_the_place_of_a_share():
    synthesize = SynthesizeNote(probability=0.25)
    rng = np.random.default_rng(0)
    drawn = [synthesize.draw("C4", KEY_NAMES, rng) for _ in range(400)]
    assert 0.15 < np.mean([each.is_synthesized for each in drawn]) < 0.35
    assert {each.label for each in drawn if not each.is_synthesized} == {"C4"}
    assert synthesize(NOTE, Drawn("C4"), rng) is NOTE
    # Also when the key drawn is the one that it was.
    for label in ("C4", "D4"):
        assert synthesize(NOTE, Drawn(label, is_synthesized=True), rng).sample_rate_hz == 44_100


def test_excerpts_have_the_length_asked_for_and_are_not_silent():
    late = Excerpt(start_share=0, latest_s=3.0, length_s=(0.4, 0.5), lead_s=0)
    for seed in range(8):
        sound, _ = changed(late, synthesize_note(100, duration_s=3.5, sample_rate_hz=16_000), seed=seed)
        assert 0.4 <= sound.duration_s <= 0.5
        assert np.abs(sound.samples).max() > 0.5 * 10 ** (-45 / 20) * 0.99


def test_gain_sets_the_peak():
    sound, _ = changed(Gain(peak_db=(-20, -20), clip=0))
    assert np.abs(sound.samples).max() == pytest.approx(0.1, abs=1e-4)

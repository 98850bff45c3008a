"""Mixtures of keys: strokes, notes of a bank, what is rendered of them, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.data import read_manifest
from earmark.errors import ConfigError, DataError
from earmark.features import ConstantQ, FeatureCache, Window
from earmark.sound.synthesis import synthesize_note
from earmark.training import Recipe, load_recipe
from earmark.training.mixtures.bank import LEAD_S, NoteBank, bank_of, make_note
from earmark.training.mixtures.config import MixtureConfig
from earmark.training.mixtures.examples import MixtureSet, packed
from earmark.training.mixtures.render import UNSURE, Sounding, mix, perform, truth_of
from earmark.training.mixtures.scored import MIXTURE, has_mixtures, single_notes, with_mixtures
from earmark.training.mixtures.strokes import HIGHEST, LOWEST, Stroke, choose_keys, draw_strokes, ended, piece
from earmark.types import Sound
from earmark.units import note_name

RATE_HZ, HOP_S = 16_000, 0.032
KEYS = (60, 64, 67, 72, 96)
FEATURES = ConstantQ(sample_rate_hz=RATE_HZ, f_min_hz=26.975577, n_bins=293, bins_per_octave=36, gamma_hz=2.0)
WINDOW = Window(length_s=1.0, hop_s=0.5, min_s=0.5, aggregate="max")


def note_of(midi, *, lead_s=0.0, seconds=2.0):
    sound = synthesize_note(midi, duration_s=seconds, sample_rate_hz=RATE_HZ, seed=midi)
    return Sound(np.pad(sound.samples, (round(lead_s * RATE_HZ), 0)), RATE_HZ)


@pytest.fixture(scope="module")
def bank():
    return NoteBank(tuple(make_note(note_of(midi), midi=midi, piano="one") for midi in KEYS), RATE_HZ)


@pytest.fixture(scope="module")
def pianos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pianos")
    rows = ["file,midi,note,piano"]
    for piano in ("one", "two"):
        for midi in KEYS:
            name = f"{piano}_{midi}.wav"
            soundfile.write(folder / name, note_of(midi, seconds=1.0).samples, RATE_HZ)
            rows.append(f"{name},{midi},{note_name(midi)},{piano}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return read_manifest(folder)


def sounding(bank, midi, onset_s, off_s=np.inf, *, gain_db=0.0, release_s=0.1):
    return Sounding(Stroke(midi, onset_s, off_s, gain_db), bank.by_midi[midi][0], release_s)


def mixtures_of(bank, **changes):
    config = MixtureConfig(clips=8, **changes)
    return MixtureSet(bank, config, FEATURES, WINDOW, tuple(map(note_name, KEYS)))


class TestStrokes:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32), st.integers(1, 8))
    def test_keys_are_on_the_keyboard_and_no_two_are_the_same(self, seed, n):
        keys = choose_keys(np.random.default_rng(seed), n)
        assert len(set(keys)) == n
        assert all(LOWEST <= key <= HIGHEST for key in keys)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32), st.floats(0.5, 2.0))
    def test_a_clip_has_strokes_on_the_keyboard_before_its_end(self, seed, length_s):
        strokes = draw_strokes(np.random.default_rng(seed), length_s, alone=0.2)
        assert strokes
        assert all(LOWEST <= each.midi <= HIGHEST and each.onset_s < length_s < 9 for each in strokes)

    def test_a_key_that_is_stilled_as_it_is_struck_is_unsure(self, bank):
        truth = truth_of([sounding(bank, 60, 0.3), sounding(bank, 64, 0.5, 0.3)], n_frames=20, hop_s=HOP_S, keys=KEYS)
        assert truth.clip.tolist()[:2] == [1, 0]
        assert truth.onsets[:, 1].max() <= 0

    def test_a_key_struck_again_ends_there_and_one_struck_twice_at_once_is_struck_once(self):
        strokes = ended([Stroke(60, 0.0), Stroke(60, 1.0, 1.5), Stroke(64, 0.5), Stroke(64, 0.51)])
        assert [(each.midi, each.onset_s, each.off_s) for each in strokes] == [
            (60, 0.0, 1.0),
            (64, 0.51, np.inf),
            (60, 1.0, 1.5),
        ]

    def test_a_piece_is_as_long_as_was_asked_for(self):
        strokes = piece(np.random.default_rng(3), 20.0)
        assert 18 < max(each.onset_s for each in strokes) < 20
        assert min(each.onset_s for each in strokes) == 0


class TestBank:
    def test_a_note_begins_with_its_stroke(self):
        early, late = (make_note(note_of(60, lead_s=lead_s), midi=60, piano="one") for lead_s in (0.0, 0.4))
        first = np.argmax(np.abs(late.samples) > 300) / RATE_HZ
        assert first == pytest.approx(LEAD_S, abs=0.006)
        assert len(early.samples) == pytest.approx(len(late.samples), abs=0.02 * RATE_HZ)

    def test_notes_are_equally_loud(self):
        loud, quiet = (make_note(Sound(note_of(60).samples * gain, RATE_HZ), midi=60, piano="a") for gain in (1, 0.01))
        assert np.abs(loud.samples - quiet.samples.astype(int)).max() <= 1

    def test_copies_are_recordings_of_other_keys_that_exist(self, pianos):
        whole = bank_of(pianos, sample_rate_hz=RATE_HZ, mixtures=MixtureConfig(shifted=3, synthesized=0))
        assert {note.midi for note in whole.notes} <= set(range(60, 97))
        assert len(whole.notes) > len(pianos)
        assert whole.pianos == ("one", "two")
        synthesized = bank_of(pianos, sample_rate_hz=RATE_HZ, mixtures=MixtureConfig(shifted=0, synthesized=1))
        assert len(synthesized.by_piano["grand 1, synthesised"]) == 96 - 60 + 1

    def test_what_is_no_note_is_refused(self, pianos):
        wrong = replace(pianos, examples=(replace(pianos.examples[0], label="piano"),))
        with pytest.raises(DataError, match="'piano' is not the name of a note"):
            bank_of(wrong, sample_rate_hz=RATE_HZ)
        with pytest.raises(DataError, match=r"x\.wav: is silent"):
            make_note(Sound(np.zeros(800, np.float32), RATE_HZ), midi=60, piano="a", where="x.wav")


class TestRendering:
    def test_strokes_add_up_at_their_times(self, bank):
        first, second = sounding(bank, 60, 0.25), sounding(bank, 67, -0.5, gain_db=-6)
        both = mix([first, second], n_samples=RATE_HZ, sample_rate_hz=RATE_HZ)
        apart = [mix([each], n_samples=RATE_HZ, sample_rate_hz=RATE_HZ) for each in (first, second)]
        assert np.allclose(both, apart[0] + apart[1], atol=1e-6)
        assert np.argmax(np.abs(apart[0]) > 0.01) / RATE_HZ == pytest.approx(0.25, abs=0.01)
        assert np.abs(apart[1][:1000]).max() > 0.01

    def test_a_damper_stills_a_string_and_the_highest_keys_have_none(self, bank):
        rng = np.random.default_rng(0)
        performed = perform([Stroke(60, 0.0, 0.5), Stroke(96, 0.0, 0.5)], bank, rng, pianos=["one"])
        assert [each.stroke.midi for each in performed] == [96, 60]
        free, damped = (mix([each], n_samples=2 * RATE_HZ, sample_rate_hz=RATE_HZ) for each in performed)
        assert np.abs(damped[RATE_HZ:]).max() < 1e-3 * np.abs(damped).max()
        assert np.abs(free[RATE_HZ:]).max() > 1e-3 * np.abs(free).max()

    def test_a_key_that_the_bank_lacks_becomes_one_that_it_has(self, bank):
        (played,) = perform([Stroke(61, 0.0)], bank, np.random.default_rng(0), pianos=["one"])
        assert played.stroke.midi in KEYS

    def test_a_key_sounds_until_it_is_damped(self, bank):
        truth = truth_of([sounding(bank, 60, 0.32, 0.8)], n_frames=47, hop_s=HOP_S, keys=KEYS)
        frames = truth.frames[:, 0]
        assert (frames[:10] == 0).all()
        assert (frames[10:25] == 1).all()
        assert (frames[30:] == 0).all()
        assert truth.clip.tolist() == [1, 0, 0, 0, 0]

    def test_an_onset_is_a_peak_at_its_frame_and_unsure_before_it_sounds(self, bank):
        truth = truth_of([sounding(bank, 64, 10 * HOP_S)], n_frames=47, hop_s=HOP_S, keys=KEYS)
        assert truth.onsets[:, 1].argmax() == 10
        assert truth.onsets[10, 1] == pytest.approx(1)
        assert truth.onsets[9:12, 1] == pytest.approx([UNSURE, 1, 1 / 3], abs=1e-5)
        assert (truth.onsets != 0).sum() == 3

    def test_what_is_hardly_audible_is_unsure(self, bank):
        performed = [sounding(bank, 60, 0.1), sounding(bank, 64, 0.1, gain_db=-45), sounding(bank, 67, 1.45)]
        truth = truth_of(performed, n_frames=47, hop_s=HOP_S, keys=KEYS)
        assert truth.clip.tolist() == [1, UNSURE, UNSURE, 0, 0]

    def test_velocities_follow_the_gain(self, bank):
        performed = [sounding(bank, 60, 0.32), sounding(bank, 64, 0.32, gain_db=-12)]
        truth = truth_of(performed, n_frames=20, hop_s=HOP_S, keys=KEYS)
        assert truth.velocities[10, 0] - truth.velocities[10, 1] == pytest.approx(0.2)
        assert np.isnan(truth.velocities[0]).all()
        assert packed(truth, 6.0)[2 * 20 + 10, 0] == pytest.approx(truth.velocities[10, 0] - 0.1)


class TestMixtureSet:
    def test_batches_are_what_a_network_learns_from(self, bank):
        mixtures = mixtures_of(bank)
        batches = list(mixtures.batches(batch_size=5, vary_length=False, rng=np.random.default_rng(0)))
        assert [len(features) for features, _ in batches] == [5, 3]
        features, targets = batches[0]
        assert features.shape == (5, *mixtures.input_shape)
        assert targets.shape == (5, 3 * mixtures.input_shape[2] + 1, len(KEYS))
        assert np.nanmax(targets[:, : features.shape[3]]) == 1

    def test_the_same_generator_gives_the_same_clips(self, bank):
        mixtures = mixtures_of(bank)
        first, second = (
            next(mixtures.batches(batch_size=4, vary_length=True, rng=np.random.default_rng(9))) for _ in range(2)
        )
        assert np.array_equal(first[0], second[0])
        assert np.array_equal(first[1], second[1], equal_nan=True)

    def test_of_nothing_nothing_sounds(self, bank):
        others = (np.ones(RATE_HZ * 2, np.float32),)
        mixtures = replace(mixtures_of(bank, nothing=0.999), others=others)
        for seed in range(6):
            samples, truth = mixtures.clip(RATE_HZ, np.random.default_rng(seed))
            assert np.abs(samples).max() > 0
            assert truth.frames.max() == truth.onsets.max() == truth.clip.max() == 0


class TestScored:
    def test_every_piano_has_mixtures_of_every_number_of_keys(self, pianos, tmp_path):
        cache = FeatureCache(tmp_path)
        whole = with_mixtures(pianos, load_recipe("zoo/notes", overrides=["mixtures.scored=10"]), cache=cache)
        mixed = [example for example in whole if example.source == MIXTURE]
        assert {example.group for example in mixed} == {"one", "two"}
        counts = [len(whole.labels_of(example)) for example in mixed if example.group == "one"]
        assert sorted(counts) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
        assert whole.labels == pianos.labels
        assert single_notes(whole).examples == pianos.hashed().examples
        assert all((whole.root / example.path).exists() for example in mixed)
        assert not has_mixtures(pianos)

    def test_they_are_the_same_every_time_and_added_once(self, pianos, tmp_path):
        recipe = load_recipe("zoo/notes", overrides=["mixtures.scored=6"])
        first, second = (with_mixtures(pianos, recipe, cache=FeatureCache(tmp_path / name)) for name in "ab")
        assert first.fingerprint == second.fingerprint
        assert with_mixtures(first, recipe, cache=FeatureCache(tmp_path / "a")) is first
        plain = load_recipe("notes/one-key")
        assert with_mixtures(pianos, plain, cache=FeatureCache(tmp_path)) is pianos


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixtures": None}, "has model 'transcription' and not"),
        ({"model": {"kind": "keys"}}, "has .mixtures. and not its model"),
        ({"augment": [{"kind": "gain"}], "training": {"views": 1, "label_smoothing": 0}}, "no .*augment"),
        ({"task": "label"}, "task = 'note'"),
        ({"target": "multi-class"}, "target = 'multi-label'"),
    ],
)
def test_a_recipe_of_mixtures_fits_together(changes, message):
    values = {**load_recipe("zoo/notes").model_dump(), "rejection": None}
    with pytest.raises(ConfigError, match=message):
        Recipe.parse({**values, **changes}, where="test")

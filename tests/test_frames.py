"""Frame outputs: stitched windows, note events, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import DataError, ModelError
from earmark.live import ListenConfig, Listener
from earmark.recognizer import Rejection, WindowScores, as_dict, assemble, load
from earmark.recognizer.frame_outputs import FrameOutputs, FrameScores
from earmark.recognizer.network import HighestScores
from earmark.recognizer.note_events import NoteDecoder, note_events
from earmark.recognizer.prediction import to_prediction, with_notes
from earmark.recognizer.stitching import FrameStitcher
from earmark.types import Note, Picture
from tiny import tiny_recognizer
from tiny_keys import HOP, KEYS, RATE_HZ, keys_card, keys_network, keys_recognizer, played, save_keys

HOP_S = HOP / RATE_HZ
CHORD = ((0.3, 1.5, 60), (0.3, 1.5, 64), (0.3, 1.5, 67))
TUNE = (*CHORD, (1.7, 2.2, 72), (2.35, 2.8, 72))


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    return keys_recognizer(tmp_path_factory.mktemp("keys"))


def frames_of(recognizer, samples):
    return FrameScores.joined(recognizer.frames(samples, sample_rate_hz=RATE_HZ))


def blocks(n_frames, **keys):
    """Return frames in which keys sound from their onset on: ``C4=[(onset, last frame)]``."""
    sounding, onset, velocity = (np.zeros((n_frames, len(KEYS)), np.float32) for _ in range(3))
    for name, strokes in keys.items():
        key = KEYS.index(name)
        for first, last in strokes:
            sounding[first : last + 1, key] = 0.9
            onset[first, key] = 0.8
            velocity[first, key] = 0.5
    return FrameScores(np.arange(n_frames) * HOP_S, sounding, onset, velocity)


def decoded(scores):
    return list(note_events([scores], NoteDecoder(keys_card())))


class TestStitching:
    def test_frames_are_as_far_apart_as_the_card_says_and_reach_to_the_end(self, recognizer):
        scores = frames_of(recognizer, played(*TUNE, seconds=3.21))
        np.testing.assert_allclose(scores.times_s, np.arange(len(scores)) * HOP_S)
        assert 3.21 - HOP_S <= scores.times_s[-1] < 3.21
        assert scores.sounding.shape == scores.onset.shape == scores.velocity.shape == (len(scores), len(KEYS))

    def test_they_equal_those_of_one_window_over_all(self, recognizer):
        samples = played(*TUNE)
        logits = recognizer.network.run(["frame_logits", "onset_logits", "velocities"], samples=samples[None])
        scores = frames_of(recognizer, samples)
        n = len(scores)
        with np.errstate(over="ignore"):
            whole = [1 / (1 + np.exp(-values[0, :n])) for values in logits[:2]]
        np.testing.assert_allclose(scores.sounding, whole[0], atol=2e-3)
        np.testing.assert_allclose(scores.onset, whole[1], atol=2e-3)
        np.testing.assert_allclose(scores.velocity, np.clip(logits[2][0, :n], 0, 1), atol=1e-3)

    @settings(max_examples=20, deadline=None)
    @given(cuts=st.lists(st.integers(1, 30_000), max_size=6), n_samples=st.integers(800, 48_000))
    def test_pieces_of_any_size_give_the_same_frames(self, recognizer, cuts, n_samples):
        samples = played(*TUNE)[:n_samples]
        stitcher, parts = FrameStitcher(recognizer.network, recognizer.card), []
        for piece in np.split(samples, sorted(cut for cut in cuts if cut < n_samples)):
            parts += stitcher.feed(piece)
        parts += stitcher.finish()
        streamed, whole = FrameScores.joined(parts), frames_of(recognizer, samples)
        np.testing.assert_allclose(streamed.times_s, whole.times_s)
        np.testing.assert_allclose(streamed.sounding, whole.sounding, atol=1e-5)
        np.testing.assert_allclose(streamed.onset, whole.onset, atol=1e-5)

    def test_memory_does_not_grow_with_the_sound(self, recognizer):
        stitcher = FrameStitcher(recognizer.network, recognizer.card)
        minute, held, longest = played(*TUNE, seconds=60), 0, 0
        for _ in range(5):
            for block in stitcher.feed(minute):
                longest = max(longest, len(block))
            held = max(held, len(stitcher._buffer))
        assert held < 2 * RATE_HZ
        assert longest < 31 / HOP_S

    def test_silence_is_not_computed(self, recognizer, monkeypatch):
        stitcher = FrameStitcher(recognizer.network, recognizer.card)
        monkeypatch.setattr(stitcher._network, "run", None)
        parts = [*stitcher.feed(np.zeros(5 * RATE_HZ, np.float32)), *stitcher.finish()]
        assert sum(map(len, parts)) == 5 * RATE_HZ // HOP + 1
        assert not FrameScores.joined(parts).sounding.any()

    def test_nothing_has_no_frames(self, recognizer):
        stitcher = FrameStitcher(recognizer.network, recognizer.card)
        assert [*stitcher.feed(np.zeros(0, np.float32)), *stitcher.finish()] == []


class TestDecoding:
    def test_strokes_have_start_end_velocity_and_confidence(self):
        (note,) = decoded(blocks(40, C4=[(10, 29)]))
        assert note == Note(
            pytest.approx(10 * HOP_S), pytest.approx(29.5 * HOP_S - 0.08), 60, "C4", 64, pytest.approx(0.8, abs=1e-6)
        )

    def test_a_key_struck_again_while_it_sounds_is_two_notes(self):
        first, second = decoded(blocks(40, C4=[(5, 30), (20, 30)]))
        assert first.end_s == pytest.approx(second.start_s)
        assert first.start_s == pytest.approx(5 * HOP_S)
        assert second.end_s == pytest.approx(30.5 * HOP_S - 0.08)

    def test_one_frame_below_the_threshold_does_not_end_a_note(self):
        scores = blocks(40, C4=[(5, 30)])
        scores.sounding[15, 0] = 0.1
        assert decoded(scores)[0].end_s == pytest.approx(30.5 * HOP_S - 0.08)
        scores.sounding[16, 0] = 0.1
        assert [note.end_s for note in decoded(scores)] == [pytest.approx(14.5 * HOP_S - 0.08)]

    def test_what_sounds_without_an_onset_or_for_one_frame_is_no_note(self):
        scores = blocks(40, C4=[(5, 30)], E4=[(5, 5)])
        scores.onset[:, 0] = 0.1
        assert decoded(scores) == []

    def test_the_onset_lies_between_frames(self):
        scores = blocks(40, C4=[(10, 29)])
        scores.onset[9, 0] = 0.7
        assert 9 * HOP_S < decoded(scores)[0].start_s < 10 * HOP_S

    def test_a_sound_may_begin_and_end_with_a_note(self):
        first, last = decoded(blocks(12, C4=[(0, 4)], C5=[(9, 11)]))
        assert (first.start_s, last.end_s) == (0, pytest.approx(11.5 * HOP_S))

    def test_what_sounds_from_the_beginning_on_began_with_it(self):
        scores = blocks(40, C4=[(0, 20)], E4=[(0, 3)], G4=[(4, 20)])
        scores.onset[:] = 0
        (note,) = decoded(scores)
        assert (note.name, note.start_s, note.confidence) == ("C4", 0, pytest.approx(0.9))

    def test_blocks_of_any_size_give_the_same_notes(self):
        scores = blocks(200, C4=[(5, 30), (50, 70), (60, 90)], G4=[(0, 199)], E5=[(197, 199)])
        pieces = [scores.part(slice(start, start + 7)) for start in range(0, 200, 7)]
        assert list(note_events(pieces, NoteDecoder(keys_card()))) == decoded(scores)


class TestPredictions:
    def test_a_chord_then_a_melody(self, recognizer):
        prediction = recognizer.predict(played(*TUNE), sample_rate_hz=RATE_HZ, timeline=True)
        assert [(note.name, round(note.start_s, 1)) for note in prediction.notes] == [
            ("C4", 0.3), ("E4", 0.3), ("G4", 0.3), ("C5", 1.7), ("C5", 2.4)
        ]  # fmt: skip
        assert prediction.tonality.name == "C major"
        values = as_dict(prediction)
        assert values["notes"][0].keys() == {"start_s", "end_s", "midi", "name", "velocity", "confidence"}
        assert values["key"]["name"] == "C major"

    def test_the_keys_of_a_chord_sound_and_have_a_name(self, recognizer):
        prediction = recognizer.predict(played((0, 1, 64), (0, 1, 67), (0, 1, 72), seconds=1), sample_rate_hz=RATE_HZ)
        assert [key.name for key in prediction.sounding] == ["E4", "G4", "C5"]
        assert (prediction.sounding[2].midi, prediction.sounding[2].frequency_hz) == (72, 523.25)
        assert prediction.chord.symbol == "C/E"
        assert prediction.notes is None
        values = as_dict(prediction)
        assert values["chord"]["name"] == "C major over E"
        assert [key["frequency_hz"] for key in values["sounding"]] == [329.63, 392.0, 523.25]

    def test_keys_that_follow_each_other_are_no_chord(self):
        card = keys_card()
        rows = np.zeros((3, len(card.labels)), np.float32)
        for row, name in enumerate(("E4", "G4", "C5")):
            rows[row, card.labels.index(name)] = 0.9
        for scores, symbol in ((rows, None), (np.maximum(rows, rows.max(axis=0)), "C/E")):
            starts_s, ones = np.arange(3.0), np.ones(3, np.float32)
            windows = HighestScores(starts_s, starts_s + 1, scores, ones, ones, np.inf * ones)
            prediction = to_prediction(card, windows, "a.wav")
            assert [key.name for key in prediction.sounding] == ["E4", "G4", "C5"]
            assert (prediction.chord and prediction.chord.symbol) == symbol

    def test_a_recognizer_of_one_key_says_which_sounds(self, tmp_path):
        prediction = tiny_recognizer(tmp_path).predict(played((0, 1, 69)), sample_rate_hz=RATE_HZ, force=True)
        assert [key.name for key in prediction.sounding] == [prediction.label]
        assert prediction.chord is None

    def test_files_bytes_and_open_files_give_the_same_notes(self, recognizer, tmp_path):
        soundfile.write(tmp_path / "a.wav", played(*TUNE), RATE_HZ, subtype="FLOAT")
        data = (tmp_path / "a.wav").read_bytes()
        by_path = recognizer.predict(tmp_path / "a.wav", timeline=True).notes
        assert len(by_path) == 5
        assert recognizer.predict(data, timeline=True).notes == by_path
        assert recognizer.predict(io.BytesIO(data), timeline=True).notes == by_path

    def test_silence_has_no_notes_and_no_keys(self, recognizer):
        prediction = recognizer.predict(np.zeros(RATE_HZ, np.float32), sample_rate_hz=RATE_HZ, timeline=True)
        assert (prediction.label, prediction.sounding, prediction.notes) == ("unknown", (), ())
        assert as_dict(prediction)["key"] is None

    def test_a_click_has_no_keys(self, recognizer):
        click = np.zeros(RATE_HZ, np.float32)
        click[5000] = 0.2
        prediction = recognizer.predict(click, sample_rate_hz=RATE_HZ, timeline=True)
        assert (prediction.label, prediction.notes) == ("no key", ())

    def test_notes_of_what_is_declined_are_left_out(self):
        card = keys_card(rejection=Rejection(min_familiarity=0.5))
        starts_s = np.arange(4.0)
        probabilities = np.full((4, len(KEYS)), 0.9, np.float32)
        ones = np.ones(4, np.float32)
        for familiarity, kept in (([1, 1, 0.1, 1], [0.5, 3.2]), ([0.1] * 4, [])):
            scores = WindowScores(starts_s, starts_s + 1, probabilities, ones, np.float32(familiarity), ones)
            notes = [Note(start_s, start_s + 1, 60, "C4", 64) for start_s in (0.5, 2.4, 3.2)]
            plain = to_prediction(card, scores, "a.wav", timeline=True)
            given = with_notes(plain, notes, card=card, scores=scores, force=False)
            assert [note.start_s for note in given.notes] == kept
            forced = with_notes(plain, notes, card=card, scores=scores, force=True)
            assert len(forced.notes) == 3


class TestRefusals:
    def test_a_recognizer_without_frames_gives_no_notes(self, tmp_path):
        recognizer = tiny_recognizer(tmp_path)
        with pytest.raises(ModelError, match=r"tiny: gives no notes with start and end.*; choose a recognizer"):
            recognizer.notes(played(*TUNE), sample_rate_hz=RATE_HZ)

    def test_a_picture_has_no_notes(self, recognizer):
        with pytest.raises(DataError, match="notes are found in sounds"):
            list(recognizer.frames(Picture(np.zeros((25, 40)))))

    def test_absurd_samples_are_refused(self, recognizer):
        with pytest.raises(DataError, match=r"samples as large as 3\.2e\+07"):
            list(recognizer.frames(np.full(8000, 3.2e7, np.float32), sample_rate_hz=RATE_HZ))

    def test_a_graph_without_the_promised_outputs_is_refused(self, tmp_path):
        network = keys_network(len(KEYS))
        del network.graph.output[3]
        with pytest.raises(ModelError, match="'frame_logits', 'onset_logits' and 'velocities'"):
            assemble(network, keys_card())
        path = save_keys(tmp_path / "keys.onnx")
        model = onnx.load(path)
        kept = [output for output in model.graph.output if output.name != "velocities"]
        del model.graph.output[:]
        model.graph.output.extend(kept)
        onnx.save(model, path)
        with pytest.raises(ModelError, match="the graph does not fit its card"):
            load(path)

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"task": "tag"}, "frames are of multi-label recognizers of notes"),
            ({"target": "multi-class", "thresholds": ()}, "frames are of multi-label recognizers of notes"),
            ({"labels": ("C4", "jazz"), "thresholds": (0.5, 0.5)}, "names of notes, not 'jazz'"),
            ({"frames": FrameOutputs(hop_s=0.01234)}, "197.44 samples apart, no whole number"),
        ],
    )
    def test_cards_that_do_not_fit(self, changes, match):
        with pytest.raises(ValueError, match=match):
            keys_card(**changes)


class TestStreams:
    def hear(self, recognizer, samples, *, chunk=777, **config):
        listener = Listener(recognizer, RATE_HZ, config=ListenConfig(**config))
        updates = []
        for first in range(0, len(samples), chunk):
            updates += listener.feed(samples[first : first + chunk])
        return updates + listener.finish()

    @pytest.mark.parametrize("chunk", [100, 4096, 100_000])
    def test_a_stream_gives_the_notes_of_the_file(self, recognizer, chunk):
        updates = self.hear(recognizer, played(*TUNE), chunk=chunk)
        heard = sorted((note for update in updates for note in update.notes), key=lambda n: (n.start_s, n.midi))
        offline = recognizer.predict(played(*TUNE), sample_rate_hz=RATE_HZ, timeline=True).notes
        assert [(n.name, round(n.start_s, 4), round(n.end_s, 4), n.velocity) for n in heard] == [
            (n.name, round(n.start_s, 4), round(n.end_s, 4), n.velocity) for n in offline
        ]

    def test_the_last_notes_come_although_no_window_is_left(self, recognizer):
        samples = played((0.2, 1.0, 60), seconds=1.024)
        assert [note.name for update in self.hear(recognizer, samples, hop_s=0.512) for note in update.notes] == ["C4"]

    def test_keys_light_up_and_go_out_soon(self, recognizer):
        samples = played(
            (0.5, 2.5, 60), (0.5, 2.5, 64), (0.5, 2.5, 67), (2.5, 4, 62), (2.5, 4, 65), (2.5, 4, 69), seconds=4
        )
        names = {
            round(u.end_s, 2): " ".join(k.name for k in u.sounding) for u in self.hear(recognizer, samples, hop_s=0.256)
        }
        ends_s = sorted(names)
        assert all(names[end_s] == "" for end_s in ends_s if end_s < 0.6)
        assert all(names[end_s] == "C4 E4 G4" for end_s in ends_s if 1.0 < end_s < 2.5)
        assert all(names[end_s] == "D4 F4 A4" for end_s in ends_s if 3.1 < end_s < 3.9)

    def test_an_update_names_keys_and_chord(self, recognizer):
        update = self.hear(recognizer, played((0, 2, 60), (0, 2, 64), (0, 2, 67), seconds=2))[-2]
        values = update.as_dict()
        assert [key["name"] for key in values["sounding"]] == ["C4", "E4", "G4"]
        assert values["chord"]["name"] == "C major"
        assert values["notes"] == []

    def test_silence_has_no_keys(self, recognizer):
        updates = self.hear(recognizer, np.zeros(2 * RATE_HZ, np.float32))
        assert all(update.sounding == () and update.chord is None and update.notes == () for update in updates)

    def test_what_is_declined_has_no_keys_and_no_notes(self, tmp_path):
        card = keys_card(rejection=Rejection(min_pitch_salience=500.0))
        strict = keys_recognizer(tmp_path, card)
        updates = self.hear(strict, played(*TUNE))
        assert not any(update.sounding or update.notes for update in updates)
        forced = self.hear(strict, played(*TUNE), force=True)
        assert sum(len(update.notes) for update in forced) == 5

    def test_recognizers_of_one_key_light_it_too(self, tmp_path):
        for update in self.hear(tiny_recognizer(tmp_path), played(*TUNE), force=True):
            assert update.notes is None
            assert [key.name for key in update.sounding] == ([update.answer.label] if update.top else [])

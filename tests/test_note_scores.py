"""Scores of notes: those of mir_eval, intervals over pieces, and the command."""

from __future__ import annotations

import json

import mir_eval
import numpy as np
import pytest
import soundfile

from earmark.errors import DataError
from earmark.evaluation.notes import FRAME_S, NoteScores, evaluate_notes, recordings_with_midi, score_notes
from earmark.notes import write_midi
from earmark.types import Note
from earmark.units import midi_to_hz
from tiny import save_tiny
from tiny_keys import RATE_HZ, keys_recognizer, played, save_keys

SCORE = ((0.3, 1.0, 60), (0.3, 1.0, 67), (1.2, 1.8, 64), (2.0, 2.6, 72))


def notes(*events):
    return [Note(start_s, end_s, midi, "", 64) for start_s, end_s, midi in events]


@pytest.fixture
def folder(tmp_path):
    """Two recordings with their scores, one without, and a score alone."""
    for name, shift_s in (("a", 0.0), ("deep/b", 0.1)):
        path = tmp_path / "pieces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        events = [(start_s + shift_s, end_s + shift_s, midi) for start_s, end_s, midi in SCORE]
        soundfile.write(path.with_suffix(".wav"), played(*events), RATE_HZ)
        write_midi(path.with_suffix(".mid"), notes(*events))
    soundfile.write(tmp_path / "pieces" / "alone.wav", played(*SCORE), RATE_HZ)
    write_midi(tmp_path / "pieces" / "score.midi", notes(*SCORE))
    return tmp_path / "pieces"


def test_onsets_offsets_and_frames():
    truth = notes((0, 1, 60), (1, 2, 62), (2, 3, 64), (3, 4, 65))
    found = notes((0.04, 1, 60), (1.06, 2, 62), (2, 2.5, 64), (3, 4, 66))
    score = score_notes(truth, found)
    assert (score.precision, score.recall, score.f1) == (0.5, 0.5, 0.5)
    assert score.f1_with_offset == 0.25
    assert (score.n_notes, score.n_found) == (4, 4)
    assert score.frame_f1 == pytest.approx(2 * (96 + 94 + 50) / (400 + 340), abs=0.003)


def test_frames_are_those_of_mir_eval():
    truth, found = notes(*SCORE), notes((0.25, 0.9, 60), (0.3, 1.1, 55), (1.2, 1.8, 64), (2.0, 2.6, 72), (2.0, 2.5, 60))
    times_s = np.arange(0, 2.6, FRAME_S)

    def sounding(events):
        held = [
            [n.midi for n in events if round(n.start_s / FRAME_S) <= i < round(n.end_s / FRAME_S)] for i in range(260)
        ]
        return [midi_to_hz(np.array(sorted(set(keys)), float)) for keys in held]

    precision, recall, *_ = mir_eval.multipitch.metrics(times_s, sounding(truth), times_s, sounding(found))
    assert score_notes(truth, found).frame_f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_nothing_found_is_nothing_right_unless_there_is_nothing():
    assert score_notes(notes(*SCORE), []).f1 == score_notes([], notes(*SCORE)).frame_f1 == 0
    assert score_notes([], []).f1 == score_notes([], []).frame_f1 == 1


def test_means_have_intervals_over_groups():
    pieces = [score_notes(notes(*SCORE), notes(*SCORE[:n]), piece=str(n)) for n in (1, 2, 3, 4)]
    scores = NoteScores.of(pieces)
    mean, (low, high) = scores.f1
    assert mean == pytest.approx(np.mean([piece.f1 for piece in pieces]))
    assert 0.4 <= low < mean < high <= 1
    by_two = NoteScores.of(pieces, groups=["x", "x", "y", "y"])
    assert by_two.f1[0] == mean
    assert by_two.f1[1] != (low, high)


def test_recordings_are_found_with_their_scores(folder):
    names = [(sound.name, score.name) for sound, score in recordings_with_midi(folder)]
    assert names == [("a.wav", "a.mid"), ("b.wav", "b.mid")]


def test_a_recognizer_is_scored(folder, tmp_path):
    scores = evaluate_notes(keys_recognizer(tmp_path), recordings_with_midi(folder))
    assert scores.f1[0] == 1
    assert scores.frame_f1[0] > 0.9


def test_a_bad_score_is_named(folder, tmp_path):
    write_midi(folder / "a.mid", [])
    with pytest.raises(DataError, match=r"a\.mid: a MIDI file without notes"):
        evaluate_notes(keys_recognizer(tmp_path), recordings_with_midi(folder))


def test_the_command(folder, tmp_path, run):
    save_keys(tmp_path / "keys.onnx")
    code, out, _ = run("evaluate", tmp_path / "keys.onnx", "--data", folder)
    assert code == 0
    assert out.splitlines()[0] == "2 pieces, 8 notes"
    assert "note F1       1.000 (95 % interval " in out
    _, out, _ = run("evaluate", tmp_path / "keys.onnx", "--data", folder, "--json")
    values = json.loads(out)
    assert values["f1"]["mean"] == 1
    assert [piece["n_notes"] for piece in values["pieces"]] == [4, 4]


def test_the_command_refuses_what_does_not_fit(folder, tmp_path, run):
    save_keys(tmp_path / "keys.onnx")
    code, _, err = run("evaluate", tmp_path / "keys.onnx", "--data", folder, "--split", "test")
    assert (code, err.count("\n")) == (2, 1)
    assert "recordings with MIDI files are scored whole" in err
    code, _, err = run("evaluate", save_tiny(tmp_path / "tiny.onnx"), "--data", folder)
    assert code == 1
    assert "tiny: gives no notes with start and end" in err

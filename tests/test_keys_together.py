"""Keys together on the command line and over HTTP: formats, MIDI files, piano rolls, the keyboard in the terminal."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from earmark.cli.keyboard import keyboard
from earmark.notes import read_midi
from earmark.serve import make_app
from earmark.units import note_midi
from tiny import save_tiny
from tiny_keys import RATE_HZ, played, save_keys

CHORD = ((0.1, 1.2, 64), (0.1, 1.2, 67), (0.1, 1.2, 72))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a recognizer and sounds."""
    save_keys(tmp_path / "keys.onnx")
    soundfile.write(tmp_path / "chord.wav", played(*CHORD, seconds=1.3), RATE_HZ)
    soundfile.write(tmp_path / "piece.wav", played(*CHORD, (1.3, 2, 60), (2.1, 2.6, 62), (2.7, 3, 64)), RATE_HZ)
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE_HZ), RATE_HZ)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    models = {"keys": save_keys(folder / "keys.onnx"), "tiny": save_tiny(folder / "tiny.onnx")}
    with TestClient(make_app(models), base_url="http://127.0.0.1") as client:
        yield client


class TestFormats:
    def test_a_table_names_the_chord_and_its_keys(self, place, run):
        code, out, _ = run("predict", "keys.onnx", "chord.wav", "--top", "1")
        assert code == 0
        assert out.startswith("chord.wav  C major over E: E4 (MIDI 64, 329.63 Hz) ")
        assert out.index("E4") < out.index("G4") < out.index("C5")

    def test_a_table_lists_the_notes_of_a_timeline(self, place, run):
        code, out, _ = run("predict", "keys.onnx", "piece.wav", "--timeline")
        first, *notes = out.splitlines()
        assert code == 0
        assert first == "piece.wav  6 notes on 5 keys; C major (scale C major: C D E F G A B)"
        assert len(notes) == 6
        assert "1.31 – 1.98 s" in notes[3]
        assert "C4 (MIDI 60, velocity" in notes[3]

    def test_json(self, place, run):
        _, out, _ = run("predict", "keys.onnx", "piece.wav", "--timeline", "--format", "json")
        (values,) = json.loads(out)
        assert [note["name"] for note in values["notes"]] == ["E4", "G4", "C5", "C4", "D4", "E4"]
        assert all(note["start_s"] < note["end_s"] and 1 <= note["velocity"] <= 127 for note in values["notes"])
        assert {"sounding", "chord", "key"} <= values.keys()

    def test_csv(self, place, run):
        _, out, _ = run("predict", "keys.onnx", "chord.wav", "--format", "csv")
        (row,) = csv.DictReader(io.StringIO(out))
        assert (row["sounding"], row["chord"]) == ("E4;G4;C5", "C/E")
        _, out, _ = run("predict", "keys.onnx", "piece.wav", "--format", "csv", "--timeline")
        rows = list(csv.DictReader(io.StringIO(out)))
        assert [row["name"] for row in rows] == ["E4", "G4", "C5", "C4", "D4", "E4"]
        assert list(rows[0]) == ["input", "start_s", "end_s", "midi", "name", "velocity", "confidence"]

    def test_listening_prints_chords(self, place, run):
        code, out, _ = run("listen", "--model", "keys.onnx", "--input", "chord.wav", "--fast")
        assert code == 0
        assert "C major over E: E4 " in out
        _, out, _ = run("listen", "--model", "keys.onnx", "--input", "chord.wav", "--fast", "--json")
        updates = [json.loads(line) for line in out.splitlines()]
        assert sorted(note["name"] for update in updates for note in update["notes"]) == ["C5", "E4", "G4"]


class TestMidiFiles:
    @pytest.mark.parametrize("timeline", [(), ("--timeline",)])
    def test_a_piece_becomes_a_midi_file(self, place, run, timeline):
        code, _, err = run("predict", "keys.onnx", "piece.wav", *timeline, "-o", "piece.mid")
        assert (code, err) == (0, "")
        notes = read_midi("piece.mid")
        assert [note.name for note in notes] == ["E4", "G4", "C5", "C4", "D4", "E4"]
        assert notes[3].start_s == pytest.approx(1.3, abs=0.03)

    def test_a_folder_gets_rolls_and_midi_files(self, place, run):
        code, _, _ = run("predict", "keys.onnx", "piece.wav", "chord.wav", "--timeline", "-o", "out")
        assert code == 0
        assert sorted(path.name for path in (place / "out").iterdir()) == [
            "chord.wav.mid",
            "chord.wav.timeline.png",
            "piece.wav.mid",
            "piece.wav.timeline.png",
        ]

    def test_a_roll_is_a_picture(self, place, run):
        assert run("predict", "keys.onnx", "piece.wav", "--timeline", "-o", "roll.png")[0] == 0
        assert (place / "roll.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("tiny.onnx", "piece.wav", "-o", "a.mid"), 1, "tiny: gives no notes with start and end"),
            (("tiny.onnx", "nowhere.wav", "-o", "a.mid"), 1, "tiny: gives no notes with start and end"),
            (("keys.onnx", "piece.wav", "chord.wav", "-o", "a.mid"), 2, "one MIDI file for 2 inputs; give a folder"),
            (("keys.onnx", "piece.wav", "--explain", "-o", "a.mid"), 2, "leave --explain out"),
            (("keys.onnx", "silence.wav", "-o", "a.mid"), 1, "silence.wav: silence: the sound never rises above"),
        ],
    )
    def test_what_cannot_be_written_is_one_sentence(self, place, run, arguments, code, said):
        save_tiny(place / "tiny.onnx")
        found, _, err = run("predict", *arguments)
        assert found == code
        assert said in err
        assert err.count("\n") == 1
        assert not (place / "a.mid").exists()

    def test_a_sound_without_notes_gives_no_file(self, place, run):
        soundfile.write("quiet.wav", 1e-3 * played(*CHORD, seconds=1.3), RATE_HZ)
        code, _, err = run("predict", "keys.onnx", "quiet.wav", "-o", "a.mid")
        assert (code, err) == (1, "earmark: quiet.wav: no notes were found (no key); no MIDI file was written\n")
        assert not (place / "a.mid").exists()


class TestKeyboard:
    def test_it_has_88_keys_in_52_columns(self):
        black, white, names = keyboard(range(21, 109)).plain.split("\n")
        assert (len(black), len(white), len(names)) == (52, 52, 53)
        assert (black + white).count("●") == 88

    def test_keys_light_where_they_are(self):
        black, white, names = keyboard({note_midi("C4"), note_midi("F#5")}).plain.split("\n")
        assert white.index("●") == names.index("C4")
        assert black.index("●") == names.index("C5") + 3
        assert (black + white).count("●") == 2


class TestService:
    def test_a_chord_over_rest(self, client):
        samples = played(*CHORD, seconds=1.3).tobytes()
        short = client.post(f"/v1/predict/keys?sample_rate_hz={RATE_HZ}", content=samples).json()
        assert [key["name"] for key in short["sounding"]] == ["E4", "G4", "C5"]
        assert short["chord"]["symbol"] == "C/E"
        assert "notes" not in short
        long = client.post(f"/v1/predict/keys?sample_rate_hz={RATE_HZ}&timeline=true", content=samples).json()
        assert [note["name"] for note in long["notes"]] == ["E4", "G4", "C5"]
        assert long["key"] is None

    def test_the_notes_of_a_piece_as_midi(self, client, place):
        samples = played(*CHORD, seconds=1.3).tobytes()
        query = f"sample_rate_hz={RATE_HZ}&wanted=midi"
        answer = client.post(f"/v1/predict/keys?{query}", content=samples)
        assert answer.headers["content-type"] == "audio/midi"
        (place / "a.mid").write_bytes(answer.content)
        given = client.post(f"/v1/predict/keys?sample_rate_hz={RATE_HZ}&timeline=true", content=samples).json()
        assert [note.name for note in read_midi("a.mid")] == [note["name"] for note in given["notes"]]
        silence = client.post(f"/v1/predict/keys?{query}", content=np.zeros(RATE_HZ, "<f4").tobytes())
        assert silence.status_code == 200
        assert silence.content.startswith(b"MThd")

    def test_midi_of_what_has_no_notes_is_refused(self, client):
        answer = client.post("/v1/predict/tiny?sample_rate_hz=8000&wanted=midi", content=np.ones(8000, "<f4").tobytes())
        assert (answer.status_code, answer.json()["detail"]) == (
            400,
            "model 'tiny' names no notes; for MIDI ask one of piano keys",
        )

    def test_midi_is_of_one_recording(self, client, place):
        soundfile.write("a.wav", played(*CHORD, seconds=1.3), RATE_HZ)
        files = [("file", (name, Path("a.wav").read_bytes())) for name in ("a.wav", "b.wav")]
        answer = client.post("/v1/predict/keys?wanted=midi", files=files)
        assert answer.status_code == 400
        assert "a MIDI file is of one recording, and here are 2" in answer.json()["detail"]

    def test_a_chord_over_a_websocket(self, client):
        samples = played(*((0.1, 2.0, midi) for midi in (64, 67, 72)), seconds=2)
        with client.websocket_connect("ws://127.0.0.1/v1/listen") as stream:
            stream.send_json({"model": "keys", "sample_rate_hz": RATE_HZ})
            stream.receive_json()
            stream.send_bytes(samples.astype("<f4").tobytes())
            stream.send_text("end")
            updates = [stream.receive_json()]
            while updates[-1]["end_s"] < 2:
                updates.append(stream.receive_json())
        lit = [" ".join(key["name"] for key in update["sounding"]) for update in updates]
        assert "E4 G4 C5" in lit
        assert updates[lit.index("E4 G4 C5")]["chord"]["name"] == "C major over E"
        assert sorted(note["name"] for update in updates for note in update["notes"]) == ["C5", "E4", "G4"]

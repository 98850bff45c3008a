"""Music theory and MIDI files: chord names, keys and scales, what is written and read."""

from __future__ import annotations

import mido
import pytest

from earmark.errors import DataError, UnreadableError
from earmark.notes import chord_of, read_midi, tonality_of, write_midi
from earmark.types import Note
from earmark.units import note_midi, note_name


def keys(text):
    return [note_midi(name) for name in text.split()]


def melody(names, *, seconds=0.5):
    """Return notes one after the other; a name may end in ``:2`` for one that lasts twice as long."""
    notes, now_s = [], 0.0
    for item in names.split():
        name, _, length = item.partition(":")
        end_s = now_s + seconds * float(length or 1)
        notes.append(Note(now_s, end_s, note_midi(name), name, 64))
        now_s = end_s
    return notes


class TestChords:
    @pytest.mark.parametrize(
        ("held", "symbol", "name"),
        [
            ("C4 E4 G4", "C", "C major"),
            ("C3 G3 C4 E4 G4", "C", "C major"),
            ("E3 C4 G4", "C/E", "C major over E"),
            ("A3 C4 E4", "Am", "A minor"),
            ("A3 C#4 E4 F#4", "F#m7/A", "F# minor seventh over A"),
            ("G3 B3 D4 F4", "G7", "G dominant seventh"),
            ("F3 G3 B3 D4", "G7/F", "G dominant seventh over F"),
            ("F3 A3 C4 E4", "Fmaj7", "F major seventh"),
            ("B3 D4 F4", "Bdim", "B diminished"),
            ("B3 D4 F4 A4", "Bm7b5", "B half-diminished seventh"),
            ("C#3 E3 G3 A#3", "C#dim7", "C# diminished seventh"),
            ("C4 E4 G#4", "Caug", "C augmented"),
            ("A3 C4 E4 G#4", "Am(maj7)", "A minor major seventh"),
            ("D4 G4 A4", "Dsus4", "D suspended fourth"),
            ("A#3 D4 F4", "Bb", "Bb major"),
            ("D3 A#3 F4", "Bb/D", "Bb major over D"),
            ("F3 A#3 C#4", "Bbm/F", "Bb minor over F"),
            ("G3 C4 D#4", "Cm/G", "C minor over G"),
            ("D#3 C4 G4", "Cm/Eb", "C minor over Eb"),
        ],
    )
    def test_names(self, held, symbol, name):
        chord = chord_of(keys(held))
        assert (chord.symbol, chord.name) == (symbol, name)

    def test_of_two_names_that_with_its_root_in_the_bass_is_given(self):
        assert chord_of(keys("A3 C4 E4 G4")).symbol == "Am7"
        assert chord_of(keys("C4 E4 G4 A4")).symbol == "Am7/C"
        assert chord_of(keys("G3 C4 D4")).symbol == "Gsus4"
        assert chord_of(keys("C4 D4 G4")).symbol == "Csus2"

    @pytest.mark.parametrize("held", ["", "C4", "C4 E4", "C4 C5", "C4 C#4 D4", "C4 D4 E4 F4 G4", "C4 E4 G4 C#5"])
    def test_what_is_no_common_chord_has_no_name(self, held):
        assert chord_of(keys(held)) is None

    def test_all_twelve_roots_of_a_chord_have_the_same_quality(self):
        for shape, quality in (((0, 4, 7), "major"), ((0, 3, 7, 10), "minor seventh")):
            found = [chord_of([root + step for step in shape]) for root in range(48, 60)]
            assert {chord.quality for chord in found} == {quality}
            assert len({chord.root for chord in found}) == 12
            assert all(chord.root == chord.bass for chord in found)


class TestTonality:
    @pytest.mark.parametrize(
        ("names", "name", "scale", "degrees"),
        [
            ("C4 D4 E4 F4 G4 A4 B4 C5", "C major", "C major", "C D E F G A B"),
            ("A#3 C4 D4 D#4 F4 G4 A4 A#4", "Bb major", "Bb major", "Bb C D Eb F G A"),
            ("F#4 G#4 A#4 B4 C#5 D#5 F5 F#5", "F# major", "F# major", "F# G# A# B C# D# E#"),
            ("A3:2 B3 C4 D4 E4:2 F4 G#4 A4:2", "A minor", "A harmonic minor", "A B C D E F G#"),
            ("A3:2 B3 C4:2 D4 E4:2 F4 G4 A4:2 E4 C4 A3:2", "A minor", "A minor", "A B C D E F G"),
            ("D4:2 E4 F4 G4 A4:2 B4 C#5 D5:2 A4 F4 D4:2", "D minor", "D melodic minor", "D E F G A B C#"),
        ],
    )
    def test_scales(self, names, name, scale, degrees):
        found = tonality_of(melody(names))
        assert (found.name, found.scale, " ".join(found.degrees)) == (name, scale, degrees)
        assert 0.5 < found.correlation <= 1
        assert found.runner_up != name

    def test_a_major_scale_is_found_from_every_tonic(self):
        for tonic in range(60, 72):
            tune = melody(" ".join(note_name(tonic + step) for step in (0, 2, 4, 5, 7, 9, 11, 12)))
            name = tonality_of(tune).name
            assert name.endswith("major")
            assert note_midi(f"{name.split()[0]}4") % 12 == tonic % 12

    @pytest.mark.parametrize("names", ["", "C4 E4 G4", "C4 C4 C4 C4 C5 C5", "C4 G4 C4 G4 C4 G4"])
    def test_too_few_notes_have_no_key(self, names):
        assert tonality_of(melody(names)) is None

    def test_all_pitches_alike_have_no_key(self):
        assert tonality_of(melody(" ".join(note_name(midi) for midi in range(60, 72)))) is None


class TestMidi:
    def test_what_is_written_is_read(self, tmp_path):
        notes = (
            Note(0.0, 0.5, 60, "C4", 64),
            Note(0.5, 1.0, 60, "C4", 100),
            Note(0.5, 3600.0, 64, "E4", 1),
            Note(7.25, 7.26, 108, "C8", 127),
        )
        write_midi(tmp_path / "a.mid", notes)
        found = read_midi(tmp_path / "a.mid")
        for before, after in zip(notes, found, strict=True):
            assert (after.midi, after.name, after.velocity) == (before.midi, before.name, before.velocity)
            assert (after.start_s, after.end_s) == pytest.approx((before.start_s, before.end_s), abs=0.0011)

    def test_others_read_it(self, tmp_path):
        write_midi(tmp_path / "a.mid", [Note(1.0, 1.5, 69, "A4", 80)])
        file = mido.MidiFile(tmp_path / "a.mid")
        assert file.length == pytest.approx(1.5, abs=0.002)
        assert [(m.type, m.note) for m in file if m.type.startswith("note")] == [("note_on", 69), ("note_off", 69)]

    def test_no_notes_are_a_file_without_notes(self, tmp_path):
        write_midi(tmp_path / "a.mid", [])
        with pytest.raises(DataError, match=r"a MIDI file without notes; give one"):
            read_midi(tmp_path / "a.mid")

    def test_the_pedal_holds_notes(self, tmp_path):
        track = mido.MidiTrack()
        for kind, time, values in (
            ("note_on", 0, {"note": 60, "velocity": 90}),
            ("control_change", 0, {"control": 64, "value": 127}),
            ("note_off", 480, {"note": 60}),
            ("note_on", 480, {"note": 60, "velocity": 50}),
            ("note_on", 480, {"note": 60, "velocity": 0}),
            ("control_change", 480, {"control": 64, "value": 0}),
            ("note_on", 480, {"channel": 9, "note": 38, "velocity": 90}),
            ("note_on", 0, {"note": 64, "velocity": 30}),
            ("program_change", 480, {"program": 3}),
        ):
            track.append(mido.Message(kind, time=time, **values))
        mido.MidiFile(tracks=[track], ticks_per_beat=480).save(tmp_path / "a.mid")
        found = [(n.start_s, n.end_s, n.midi, n.velocity) for n in read_midi(tmp_path / "a.mid")]
        assert found == [(0, 1, 60, 90), (1, 2, 60, 50), (2.5, 3, 64, 30)]

    @pytest.mark.parametrize("content", [b"", b"RIFF", b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00"])
    def test_what_is_no_midi_file_is_named(self, tmp_path, content):
        (tmp_path / "a.mid").write_bytes(content)
        with pytest.raises(UnreadableError, match=r"a\.mid: not a readable MIDI file .*; export it again"):
            read_midi(tmp_path / "a.mid")

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(UnreadableError, match=r"nowhere\.mid: no such file"):
            read_midi(tmp_path / "nowhere.mid")

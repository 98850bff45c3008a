"""Notes as musicians read them: names of chords, key and scale of a passage, MIDI files."""

from earmark.notes.chords import chord_of
from earmark.notes.midi import MIDI_EXTENSIONS, midi_bytes, read_midi, write_midi
from earmark.notes.tonality import tonality_of

__all__ = ["MIDI_EXTENSIONS", "chord_of", "midi_bytes", "read_midi", "tonality_of", "write_midi"]

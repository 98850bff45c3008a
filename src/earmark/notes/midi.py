"""Standard MIDI files of note events, by way of mido: written for players and notation programs, read as the truth."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from earmark.errors import DataError, UnreadableError, refusing
from earmark.files import write_bytes
from earmark.types import Note
from earmark.units import note_name

MIDI_EXTENSIONS = frozenset({".mid", ".midi"})
TICKS_A_BEAT = 480
_TEMPO_US = 500_000  # 120 beats a minute: a tick is 1.04 ms
_PEDAL, _PEDAL_DOWN = 64, 64
_PERCUSSION = 9


def write_midi(path: Path | str, notes: Iterable[Note]) -> None:
    """Write note events to a standard MIDI file, see `midi_bytes`.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    write_bytes(path, midi_bytes(notes))


def midi_bytes(notes: Iterable[Note]) -> bytes:
    """Return note events as a standard MIDI file with one track of a grand piano, 120 beats a minute."""
    import mido

    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=_TEMPO_US), mido.Message("program_change", program=0)])
    before = 0
    for tick, is_on, midi, velocity in sorted(_strokes(notes)):
        kind = "note_on" if is_on else "note_off"
        track.append(mido.Message(kind, note=midi, velocity=velocity, time=tick - before))
        before = tick
    track.append(mido.MetaMessage("end_of_track"))
    written = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=TICKS_A_BEAT, tracks=[track]).save(file=written)
    return written.getvalue()


def read_midi(path: Path | str) -> tuple[Note, ...]:
    """Read the notes of a standard MIDI file, by their onsets.

    A note that the sustain pedal holds ends where the pedal is released or the key is struck again, because that is how
    long it sounds. Percussion is left out.

    Raises
    ------
    UnreadableError
        When the file is missing, or no MIDI file.
    DataError
        When it holds no notes.
    """
    import mido

    path = Path(path)
    if not path.is_file():
        raise UnreadableError(f"{path}: no such file; check the path")
    with refusing(lambda error: UnreadableError(f"{path}: not a readable MIDI file ({error}); export it again")):
        notes, now_s = _Reader(), 0.0
        for message in mido.MidiFile(path):
            now_s += message.time
            notes.take(message, now_s)
        found = notes.finish(now_s)
    if not found:
        raise DataError(f"{path}: a MIDI file without notes; give one that holds the notes of the recording")
    return found


def _strokes(notes: Iterable[Note]) -> Iterable[tuple[int, bool, int, int]]:
    """Yield tick, whether the key goes down, MIDI number and velocity; a key goes up before it goes down again."""
    ticks_a_second = TICKS_A_BEAT * 1e6 / _TEMPO_US
    for note in notes:
        start, end = (round(time_s * ticks_a_second) for time_s in (note.start_s, note.end_s))
        yield start, True, note.midi, note.velocity
        yield max(end, start + 1), False, note.midi, 0


class _Reader:
    """Follows keys and sustain pedals of all channels."""

    def __init__(self) -> None:
        self._down: dict[tuple[int, int], tuple[float, int]] = {}
        self._held: defaultdict[int, set[int]] = defaultdict(set)
        self._is_down: defaultdict[int, bool] = defaultdict(bool)
        self._notes: list[Note] = []

    def take(self, message: Any, now_s: float) -> None:
        """Take the next message of the file."""
        channel = getattr(message, "channel", _PERCUSSION)
        if channel == _PERCUSSION:
            return
        if message.type == "note_on" and message.velocity:
            self._end(channel, message.note, now_s)
            self._down[channel, message.note] = (now_s, message.velocity)
        elif message.type in {"note_on", "note_off"}:
            if self._is_down[channel]:
                self._held[channel].add(message.note)
            else:
                self._end(channel, message.note, now_s)
        elif message.type == "control_change" and message.control == _PEDAL:
            self._is_down[channel] = message.value >= _PEDAL_DOWN
            if not self._is_down[channel]:
                for note in sorted(self._held[channel]):
                    self._end(channel, note, now_s)

    def finish(self, now_s: float) -> tuple[Note, ...]:
        """Return all notes; what is still down ends with the file."""
        for channel, note in list(self._down):
            self._end(channel, note, now_s)
        return tuple(sorted(self._notes, key=lambda note: (note.start_s, note.midi)))

    def _end(self, channel: int, midi: int, now_s: float) -> None:
        start_s, velocity = self._down.pop((channel, midi), (now_s, 0))
        self._held[channel].discard(midi)
        if velocity and now_s > start_s:
            self._notes.append(Note(start_s, now_s, midi, note_name(midi), velocity))

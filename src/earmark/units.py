"""Conversions between the units used in names: ``_hz``, ``_midi``, ``_db``, ``_s``, ``_samples``."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import numpy.typing as npt

A4_HZ = 440.0
A4_MIDI = 69
LOWEST_KEY_MIDI = 21
N_PIANO_KEYS = 88
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@overload
def midi_to_hz(midi: float) -> float: ...
@overload
def midi_to_hz(midi: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]: ...
def midi_to_hz(midi: Any) -> Any:
    """Return the equal-tempered frequency of a MIDI number, A4 (69) = 440 Hz.

    >>> midi_to_hz(69)
    440.0
    """
    return A4_HZ * 2.0 ** ((midi - A4_MIDI) / 12.0)


def note_name(midi: int) -> str:
    """Return the name of a MIDI number in scientific pitch notation, with sharps.

    >>> note_name(21), note_name(60), note_name(108)
    ('A0', 'C4', 'C8')
    """
    return f"{PITCH_CLASSES[midi % 12]}{midi // 12 - 1}"


def note_midi(name: str) -> int | None:
    """Return the MIDI number of a name such as ``A0``, ``C#4`` or ``Db4``; None when `name` is not a note.

    >>> note_midi("A4"), note_midi("Db4"), note_midi("jazz")
    (69, 61, None)
    """
    letters = name.rstrip("-0123456789")
    octave = name[len(letters) :]
    if letters[1:] not in ("", "#", "b") or letters[:1] not in "CDEFGAB" or not letters:
        return None
    try:
        base = PITCH_CLASSES.index(letters[0]) + {"": 0, "#": 1, "b": -1}[letters[1:]]
        return base + 12 * (int(octave) + 1)
    except ValueError:
        return None


def seconds_to_samples(seconds: float, sample_rate_hz: int) -> int:
    """Return the nearest whole number of samples.

    >>> seconds_to_samples(0.5, 22050)
    11025
    """
    return round(seconds * sample_rate_hz)

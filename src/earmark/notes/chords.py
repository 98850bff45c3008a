"""Chord names: triads and sevenths in every inversion, spelled as on a lead sheet.

The chords and their intervals are those of the shorthands of Harte, Sandler, Abdallah & Gómez, "Symbolic representation
of musical chords" (ISMIR 2005), table 1, without sixths and ninths: these hold the same keys as the inversion of a
seventh, or more than four. The symbols are the usual ones of lead sheets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from earmark.types import Chord
from earmark.units import PITCH_CLASSES

LETTERS = "CDEFGAB"
_NATURALS = (0, 2, 4, 5, 7, 9, 11)


@dataclass(frozen=True, slots=True)
class _Quality:
    """A kind of chord.

    Attributes
    ----------
    suffix, name
        What follows the root in a symbol, and in words.
    tones
        Of every tone the steps of the scale and the semitones above the root: the third of a triad is two steps up.
    """

    suffix: str
    name: str
    tones: tuple[tuple[int, int], ...]

    @property
    def semitones(self) -> frozenset[int]:
        return frozenset(semitones for _, semitones in self.tones)

    @property
    def is_minor(self) -> bool:
        return 3 in self.semitones


def _stacked(suffix: str, name: str, third: int, fifth: int, seventh: int | None = None) -> _Quality:
    above = ((6, seventh),) if seventh is not None else ()
    return _Quality(suffix, name, ((0, 0), (2, third), (4, fifth), *above))


# Where one set of keys has two names without either root in the bass, the earlier one is given.
_QUALITIES = (
    _stacked("", "major", 4, 7),
    _stacked("m", "minor", 3, 7),
    _stacked("7", "dominant seventh", 4, 7, 10),
    _stacked("m7", "minor seventh", 3, 7, 10),
    _stacked("maj7", "major seventh", 4, 7, 11),
    _stacked("dim", "diminished", 3, 6),
    _stacked("m7b5", "half-diminished seventh", 3, 6, 10),
    _stacked("dim7", "diminished seventh", 3, 6, 9),
    _stacked("aug", "augmented", 4, 8),
    _stacked("m(maj7)", "minor major seventh", 3, 7, 11),
    _stacked("maj7#5", "augmented major seventh", 4, 8, 11),
    _stacked("7#5", "augmented seventh", 4, 8, 10),
    _Quality("sus4", "suspended fourth", ((0, 0), (3, 5), (4, 7))),
    _Quality("sus2", "suspended second", ((0, 0), (1, 2), (4, 7))),
    _Quality("7sus4", "seventh suspended fourth", ((0, 0), (3, 5), (4, 7), (6, 10))),
)
_MAJOR_ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


def chord_of(midi_numbers: Iterable[int]) -> Chord | None:
    """Return the chord that keys sound together, or None when they are no common chord.

    The lowest key is the bass. Of chords with the same keys, the one with its root in the bass is named.

    >>> chord_of([48, 64, 67, 72]).name, chord_of([57, 61, 64, 66]).symbol
    ('C major', 'F#m7/A')
    >>> chord_of([60, 64]) is None
    True
    """
    keys = sorted(midi_numbers)
    classes = {midi % 12 for midi in keys}
    if not 3 <= len(classes) <= 4:
        return None
    bass = keys[0] % 12
    for root in sorted(classes, key=lambda each: each != bass):
        above = {(each - root) % 12 for each in classes}
        for quality in _QUALITIES:
            if quality.semitones == above:
                return _named(root, quality, bass)
    return None


def spelled(root: str, steps: int, semitones: int) -> str:
    """Return the name of the tone so many steps and semitones above `root`: a third above D is some F.

    >>> spelled("D", 2, 4), spelled("Eb", 2, 3), spelled("C#", 2, 4)
    ('F#', 'Gb', 'E#')
    """
    place = (LETTERS.index(root[0]) + steps) % len(LETTERS)
    wanted = (pitch_class(root) + semitones) % 12
    change = (wanted - _NATURALS[place] + 6) % 12 - 6
    if abs(change) > 1:  # double sharps and flats are harder to read than another name of the same key
        return PITCH_CLASSES[wanted]
    return LETTERS[place] + ("", "#", "b")[change]


def pitch_class(name: str) -> int:
    """Return the pitch class of a name without an octave.

    >>> pitch_class("C"), pitch_class("Bb"), pitch_class("E#")
    (0, 10, 5)
    """
    return (_NATURALS[LETTERS.index(name[0])] + name.count("#") - name[1:].count("b")) % 12


def _named(root: int, quality: _Quality, bass: int) -> Chord:
    root_name = (_MINOR_ROOTS if quality.is_minor else _MAJOR_ROOTS)[root]
    steps, semitones = next(tone for tone in quality.tones if tone[1] == (bass - root) % 12)
    bass_name = spelled(root_name, steps, semitones)
    is_inverted = bass != root
    return Chord(
        symbol=f"{root_name}{quality.suffix}" + (f"/{bass_name}" if is_inverted else ""),
        name=f"{root_name} {quality.name}" + (f" over {bass_name}" if is_inverted else ""),
        root=root_name,
        quality=quality.name,
        bass=bass_name,
    )

"""Key finding: the most likely key of a passage by the profiles of Krumhansl & Kessler, and which scale it uses.

The algorithm is that of Krumhansl and Schmuckler: the durations of the twelve pitch classes are correlated with a
profile of each of the 24 keys, and the best one wins (Krumhansl, "Cognitive Foundations of Musical Pitch", 1990,
chapter 4). The profiles are the probe-tone ratings of Krumhansl & Kessler, "Tracing the dynamic changes in perceived
tonal organization in a spatial representation of musical keys", Psychological Review 89 (1982), 334-368.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from earmark.notes.chords import spelled
from earmark.types import Note, Tonality

_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_MAJOR_TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
_SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
}
FEWEST_NOTES = 5
FEWEST_PITCH_CLASSES = 3


def tonality_of(notes: Sequence[Note]) -> Tonality | None:
    """Return the most likely key and scale of note events; None of fewer than five, or of less than three pitches.

    >>> melody = [60, 62, 64, 65, 67, 69, 71, 72]
    >>> found = tonality_of([Note(0.5 * i, 0.5 * i + 0.5, midi, "", 64) for i, midi in enumerate(melody)])
    >>> found.name, "".join(found.degrees)
    ('C major', 'CDEFGAB')
    """
    durations_s = pitch_class_durations_s(notes)
    if len(notes) < FEWEST_NOTES or np.count_nonzero(durations_s) < FEWEST_PITCH_CLASSES:
        return None
    if np.ptp(durations_s) == 0:  # all twelve alike: no key is likelier than another
        return None
    # Row `tonic` holds the durations from this tonic up.
    turned = np.stack([np.roll(durations_s, -tonic) for tonic in range(12)])
    correlations = np.corrcoef(np.vstack([_MAJOR, _MINOR, turned]))[:2, 2:]
    order = np.argsort(-correlations, axis=None, kind="stable")
    (mode, tonic), (next_mode, next_tonic) = (divmod(int(place), 12) for place in order[:2])
    name = (_MINOR_TONICS if mode else _MAJOR_TONICS)[tonic]
    scale = _scale(turned[tonic], is_minor=bool(mode))
    return Tonality(
        name=f"{name} {'minor' if mode else 'major'}",
        scale=f"{name} {scale}",
        degrees=tuple(spelled(name, steps, semitones) for steps, semitones in enumerate(_SCALES[scale])),
        correlation=float(correlations[mode, tonic]),
        runner_up=f"{(_MINOR_TONICS if next_mode else _MAJOR_TONICS)[next_tonic]} {'minor' if next_mode else 'major'}",
    )


def pitch_class_durations_s(notes: Sequence[Note]) -> npt.NDArray[np.float64]:
    """Return how long each pitch class sounds, C first, ``(12,)``."""
    durations_s = np.zeros(12)
    for note in notes:
        durations_s[note.midi % 12] += note.end_s - note.start_s
    return durations_s


def _scale(durations_s: npt.NDArray[np.float64], *, is_minor: bool) -> str:
    """Return the scale that holds most of the durations from the tonic up; of those that hold as much the first."""
    if not is_minor:
        return "major"
    return max(list(_SCALES)[1:], key=lambda name: float(durations_s[list(_SCALES[name])].sum()))

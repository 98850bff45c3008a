"""Strokes of keys, drawn at random: single keys, chords, lines, and pieces for two hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

Rng = np.random.Generator

HELD = np.inf
LOWEST, HIGHEST = 21, 108

# Octaves, twelfths and fifths melt into one tone, and clusters beat: they are what is hardest to tell apart.
_INTERVALS = (12, 12, 12, 12, 24, 24, 7, 7, 19, 19, 5, 4, 3, 28, 36, 1, 1, 2, 2)
_CHORDS = (
    (0, 4, 7),
    (0, 3, 7),
    (0, 4, 7, 10),
    (0, 3, 7, 10),
    (0, 4, 7, 11),
    (0, 3, 6),
    (0, 3, 6, 9),
    (0, 5, 7),
    (0, 4, 8),
    (0, 4, 7, 12),
    (0, 3, 7, 12),
)
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_N_TOGETHER = np.array([0.26, 0.24, 0.19, 0.13, 0.1, 0.05, 0.03])


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke of a key.

    Attributes
    ----------
    midi
        The key.
    onset_s
        When it is struck; negative: before the clip begins.
    off_s
        When the damper falls; `HELD`: it does not.
    gain_db
        How loud, relative to others.
    """

    midi: int
    onset_s: float
    off_s: float = HELD
    gain_db: float = 0.0


def draw_strokes(rng: Rng, length_s: float, *, alone: float) -> list[Stroke]:
    """Return the strokes of a clip: some before it begins, whose strings still sound, and at least one.

    Parameters
    ----------
    length_s
        Of the clip.
    alone
        Share of the clips with one key.
    """
    if rng.random() < alone:
        strokes = [Stroke(int(rng.integers(LOWEST, HIGHEST + 1)), _first_onset_s(rng, length_s))]
    else:
        make: Callable[[Rng, float], list[Stroke]] = (_chord, _scatter, _line, _two_hands)[
            int(rng.choice(4, p=(0.46, 0.2, 0.14, 0.2)))
        ]
        strokes = make(rng, length_s)
    return _touched(rng, strokes)


def choose_keys(rng: Rng, n: int) -> tuple[int, ...]:
    """Return `n` keys that sound together: intervals that melt, common chords, clusters, or any keys."""
    kind = rng.random()
    if kind < 0.35:
        keys = [int(rng.integers(LOWEST, HIGHEST + 1))]
        while len(keys) < n:
            step = int(rng.choice(_INTERVALS)) * int(rng.choice((-1, 1)))
            keys.append(keys[int(rng.integers(len(keys)))] + step)
    elif kind < 0.55:
        base, chord = int(rng.integers(LOWEST, HIGHEST - 11)), _CHORDS[int(rng.integers(len(_CHORDS)))]
        tones = [base + tone + 12 * octave for octave in range(3) for tone in chord]
        near = tones[: max(n, int(rng.integers(n, n + 6)))]
        keys = [near[i] for i in rng.permutation(len(near))[:n]]
    elif kind < 0.72:
        base, span = int(rng.integers(LOWEST, HIGHEST)), int(rng.integers(n, 2 * n + 3))
        keys = [base + int(step) for step in rng.permutation(span)[:n]]
    else:
        keys = []
    return _completed(rng, keys, n)


def _completed(rng: Rng, keys: Sequence[int], n: int) -> tuple[int, ...]:
    """Return the keys that exist, each once, with others until there are `n`."""
    chosen = dict.fromkeys(key for key in keys if LOWEST <= key <= HIGHEST)
    while len(chosen) < n:
        chosen[int(rng.integers(LOWEST, HIGHEST + 1))] = None
    return tuple(chosen)[:n]


def _n_keys(rng: Rng) -> int:
    return 2 + int(rng.choice(len(_N_TOGETHER), p=_N_TOGETHER))


def _first_onset_s(rng: Rng, length_s: float) -> float:
    """Return when the first stroke comes: mostly as a clip begins, sometimes later, sometimes long before."""
    place = rng.random()
    if place < 0.5:
        return float(rng.uniform(0, 0.15))
    return float(rng.uniform(0.15, max(0.2, length_s - 0.2)) if place < 0.7 else rng.uniform(-1.2, 0))


def _chord(rng: Rng, length_s: float) -> list[Stroke]:
    start_s, spread_s = _first_onset_s(rng, length_s), float(rng.choice((0, 0.01, 0.04)))
    off_s = start_s + rng.uniform(0.15, 1.2) if rng.random() < 0.3 else HELD
    keys = choose_keys(rng, _n_keys(rng))
    return [Stroke(key, start_s + spread_s * rng.random(), off_s) for key in keys]


def _scatter(rng: Rng, length_s: float) -> list[Stroke]:
    """Keys that are struck one after the other and all ring on."""
    keys = choose_keys(rng, _n_keys(rng))
    return [Stroke(key, float(rng.uniform(-1.8, length_s - 0.1))) for key in keys]


def _line(rng: Rng, length_s: float) -> list[Stroke]:
    """A scale, an arpeggio, a trill or one repeated key."""
    step_s, pedal = float(np.exp(rng.uniform(np.log(0.07), np.log(0.6)))), rng.random() < 0.35
    kind, low, high = rng.integers(4), LOWEST + 4, HIGHEST - 4
    midi, direction = int(rng.integers(low, high + 1)), int(rng.choice((-1, 1)))
    steps = ((2, 2, 1, 2, 2, 2, 1), (4, 3, 5), (2, -2), (0,))[int(kind)]
    strokes, time_s, index = [], -float(rng.uniform(0.2, 1.5)), 0
    while time_s < length_s:
        off_s = HELD if pedal else time_s + step_s * rng.uniform(0.6, 1.1)
        strokes.append(Stroke(midi, time_s, off_s))
        midi += direction * steps[index % len(steps)]
        if not low <= midi <= high:
            direction, midi = -direction, int(np.clip(midi, low, high))
        time_s, index = time_s + step_s * rng.uniform(0.95, 1.05), index + 1
    return strokes


def _two_hands(rng: Rng, length_s: float) -> list[Stroke]:
    return piece(rng, length_s + 1.5, start_s=-1.5)


def piece(rng: Rng, length_s: float, *, start_s: float = 0.0) -> list[Stroke]:
    """Return a piece for two hands in a random key: chords or broken chords below a line of its scale.

    Keys of a broken chord that come after the end of its bar are stilled as they are struck, unless there is pedal.

    Parameters
    ----------
    length_s
        Of the piece; the last strokes come before that.
    start_s
        When it begins.
    """
    beat_s, pedal = float(rng.uniform(0.3, 0.8)), rng.random() < 0.5
    tonic, scale = int(rng.integers(12)), _MAJOR if rng.random() < 0.6 else _MINOR
    low, middle = int(rng.integers(28, 48)), int(rng.integers(55, 82))
    strokes: list[Stroke] = []
    degree, time_s = int(rng.integers(7)), start_s
    while time_s < start_s + length_s:
        root = int(rng.integers(7))
        chord = [_scale_key(tonic, scale, root + 2 * i, low) for i in range(int(rng.integers(1, 5)))]
        n_beats = int(rng.choice((1, 2, 4)))
        bar_end_s = time_s + n_beats * beat_s
        broken_s = beat_s * float(rng.choice((0, 0.25, 0.5)))
        for index, key in enumerate(chord):
            onset_s = time_s + index * broken_s
            strokes.append(Stroke(key, onset_s, HELD if pedal else bar_end_s))
        while time_s < bar_end_s - 1e-6:
            step_s = beat_s * float(rng.choice((0.25, 0.5, 1.0)))
            degree += int(rng.choice((-2, -1, -1, 1, 1, 2)))
            degree = int(np.clip(degree, 0, 14))
            key = _scale_key(tonic, scale, degree, middle)
            off_s = HELD if pedal else time_s + step_s * rng.uniform(0.7, 1.05)
            tops = [key, key - 12] if rng.random() < 0.15 else [key]
            strokes += [Stroke(top, time_s, off_s, gain_db=3.0) for top in tops]
            time_s += step_s
        time_s = bar_end_s
    return [stroke for stroke in strokes if stroke.onset_s < start_s + length_s]


def _scale_key(tonic: int, scale: Sequence[int], degree: int, near: int) -> int:
    """Return a key of a scale, counted in degrees from the tonic above `near`."""
    octave, place = divmod(degree, len(scale))
    return int(np.clip(near + (tonic - near) % 12 + 12 * octave + scale[place], LOWEST, HIGHEST))


def _touched(rng: Rng, strokes: Sequence[Stroke]) -> list[Stroke]:
    """Return strokes of different loudness; now and then they differ widely."""
    spread_db = float(rng.choice((1.0, 3.0, 5.0, 8.0)))
    gains = np.clip(rng.normal(0, spread_db, len(strokes)), -18, 12)
    return [replace(stroke, gain_db=stroke.gain_db + float(gain)) for stroke, gain in zip(strokes, gains, strict=True)]


def ended(strokes: Sequence[Stroke]) -> list[Stroke]:
    """Return strokes by onset, each ending at the next stroke of its key, when the hammer meets the string again."""
    result: list[Stroke] = []
    later: dict[int, float] = {}
    for stroke in sorted(strokes, key=lambda each: -each.onset_s):
        if (again_s := later.get(stroke.midi, HELD)) - stroke.onset_s < 0.03:
            continue  # struck twice at once is struck once
        result.append(replace(stroke, off_s=min(stroke.off_s, again_s)))
        later[stroke.midi] = stroke.onset_s
    return result[::-1]

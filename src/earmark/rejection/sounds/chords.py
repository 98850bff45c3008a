"""Several notes instead of one: chords, clusters, runs, trills, from real notes or synthesised ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from earmark.errors import UsageError
from earmark.rejection.sounds.parts import Curve, Rng, gain, lay, unit_rms
from earmark.sound.synthesis import synthesize_note
from earmark.types import FloatArray

_PIANOS = ("grand", "upright", "electric-piano", "harpsichord", "guitar")
_LOWEST, _HIGHEST = 24, 104
# Their partials fall on those of the lower note, so that nobody could tell the two from one.
_MELTING = frozenset({0, 12, 19, 24, 28, 31, 36})

Play = Callable[[float], Curve]


def choose_chord(rng: Rng) -> tuple[int, ...]:
    """Return the MIDI numbers of two to five keys, close or wide, no two of them an octave or a twelfth apart."""
    wanted, span = int(rng.integers(2, 6)), int(rng.integers(7, 32))
    base = int(rng.integers(_LOWEST, _HIGHEST - 8))
    keys = [base]
    for _ in range(64):
        key = int(rng.integers(base, min(base + span, _HIGHEST) + 1))
        if len(keys) < wanted and all(abs(key - other) not in _MELTING for other in keys):
            keys.append(key)
    return tuple(keys) if len(keys) > 1 else (base, base + 4)


def chord(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Two to five keys together."""
    return mix_chord([_note(rng, midi, n, rate_hz) for midi in choose_chord(rng)], rng, sample_rate_hz=rate_hz)


def cluster(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Three to seven keys beside each other."""
    base, step = int(rng.integers(_LOWEST, _HIGHEST - 14)), int(rng.integers(1, 3))
    notes = [_note(rng, base + step * i, n, rate_hz) for i in range(rng.integers(3, 8))]
    return mix_chord(notes, rng, sample_rate_hz=rate_hz)


def run(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Key after key, quickly: a scale, an arpeggio or a trill."""
    rate = rng.uniform(6, 16)
    midi, steps = int(rng.integers(36, 84)), [rng.integers(1, 5, 4), rng.integers(-5, 0, 4), np.array([2, -2])]
    walk = steps[rng.integers(3)]
    events = []
    for index in range(int(n / rate_hz * rate) + 1):
        events.append((index / rate, _note(rng, float(midi), round(min(1.0, 3 / rate) * rate_hz), rate_hz)))
        midi = int(np.clip(midi + walk[index % len(walk)], 24, 100))
    return lay(n, rate_hz, events)


def slide(rng: Rng, n: int, rate_hz: int) -> Curve:
    """One note whose pitch slides by a third or more: a trombone, a slide guitar, a bend."""
    seconds = n / rate_hz
    share = np.clip((np.arange(n) / n - rng.uniform(0, 0.2)) / rng.uniform(0.5, 0.9), 0, 1)
    octaves = rng.choice([-1, 1]) * rng.uniform(0.35, 1.5)
    held = _note(rng, float(rng.uniform(40, 84)), max(64, round(2.9 * n)), rate_hz)
    # Reading the samples faster and faster raises the pitch.
    place = np.cumsum(2 ** (octaves * share))
    slid: Curve = np.interp(place, np.arange(len(held)), held)
    return slid if seconds > 0 else held[:n]


def mix_chord(
    notes: Sequence[FloatArray] | Sequence[Curve], rng: Rng, *, sample_rate_hz: int, spread_db: float = 3.0
) -> Curve:
    """Return notes sounding together, as of one hand: about as loud, begun within a few hundredths of a second.

    Parameters
    ----------
    notes
        Two or more, ``(time,)`` each, real or synthesised, of different keys.
    spread_db
        Standard deviation of their levels.

    Returns
    -------
    ``(time,)``, as long as the longest note.

    Raises
    ------
    UsageError
        When there are fewer than two.
    """
    if len(notes) < 2:
        raise UsageError(f"{len(notes)} note(s) given; a chord has at least 2; give more")
    late_s = rng.choice([0.0, 0.01, 0.05]) * rng.random(len(notes))
    events = [
        (float(late), unit_rms(np.asarray(note, np.float64)) * gain(rng.normal(0, spread_db)))
        for late, note in zip(late_s, notes, strict=True)
    ]
    return lay(max(len(note) for note in notes), sample_rate_hz, events)


def _note(rng: Rng, midi: float, n: int, rate_hz: int) -> Curve:
    timbre = _PIANOS[rng.integers(len(_PIANOS))]
    seed = int(rng.integers(2**31))
    note = synthesize_note(midi, timbre=timbre, duration_s=n / rate_hz, sample_rate_hz=rate_hz, seed=seed)
    return np.resize(note.samples.astype(np.float64), n)

"""Additive synthesis of notes: a piano and simple instruments, so that the truth is known and no data set is needed.

A note is a sum of decaying partials, a knock or breath of noise, and a little noise floor. Every random choice comes
from `seed`: within a timbre, another seed is another instrument of the same kind (other strings, hammer, room for
touch), so a model that learns from many seeds cannot learn one instrument by heart.

Examples
--------
>>> note = synthesize_note(69, timbre="grand", duration_s=0.5, sample_rate_hz=16000, seed=1)
>>> len(note.samples), note.sample_rate_hz
(8000, 16000)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.config import Registry
from earmark.errors import UsageError
from earmark.types import FloatArray, Sound
from earmark.units import midi_to_hz, seconds_to_samples

HIGHEST_PARTIAL = 96
NOISE_FLOOR_DB = -75.0
PEAK = 0.5


@dataclass(frozen=True, slots=True)
class Timbre:
    """How an instrument sounds; each number is the middle of what a seed may choose.

    Attributes
    ----------
    tilt_db
        Change of level an octave of partial number; negative.
    even_level
        Level of the even partials relative to the odd ones, 0…1: 0 is a closed pipe or a square wave.
    strike
        Where the string is struck or plucked, as a part of its length; 0 for no string. Partial `n` gets
        ``|sin(pi * n * strike)|`` (Fletcher & Rossing, The Physics of Musical Instruments, 1998, section 12.3).
    stiffness
        Multiplies the inharmonicity of a piano string; 0 for exact harmonics.
    stretch_cents
        How much too high C8 is tuned, and how much too low A0 (Railsback 1938), as pianos are.
    strings
        Most strings a key has; they are slightly out of tune with each other.
    body_hz
        Below this frequency the body radiates 12 dB an octave less; this is why a piano's lowest keys have no
        fundamental.
    cutoff_hz
        Above this frequency partials lose 12 dB an octave: a felt hammer, or a filter.
    decay_s
        Time in which A4 loses 60 dB; infinite for a tone that is held.
    attack_s
        Time until the full level.
    knock_db, breath_db
        Level of the noise burst at the start and of the noise that lasts, relative to the tone.
    """

    tilt_db: float
    even_level: float = 1.0
    strike: float = 0.0
    stiffness: float = 0.0
    stretch_cents: float = 0.0
    strings: int = 1
    body_hz: float = 0.0
    cutoff_hz: float = 20_000.0
    decay_s: float = np.inf
    attack_s: float = 0.002
    knock_db: float = -90.0
    breath_db: float = -90.0


TIMBRES: Registry[Timbre] = Registry("timbre")
for _name, _timbre in {
    "grand": Timbre(
        -5, strike=0.125, stiffness=1, stretch_cents=32, strings=3, body_hz=90, cutoff_hz=2500, decay_s=8, knock_db=-24
    ),
    "upright": Timbre(
        -6, strike=0.14, stiffness=2, stretch_cents=34, strings=3, body_hz=150, cutoff_hz=1800, decay_s=5, knock_db=-18
    ),
    "electric-piano": Timbre(-14, even_level=0.5, cutoff_hz=3000, decay_s=5, attack_s=0.004, knock_db=-30),
    "harpsichord": Timbre(
        -2, strike=0.11, stiffness=0.2, strings=2, body_hz=100, cutoff_hz=9000, decay_s=4, attack_s=0.001, knock_db=-26
    ),
    "guitar": Timbre(-6, strike=0.2, stiffness=0.3, body_hz=90, cutoff_hz=3000, decay_s=4, knock_db=-28),
    "organ": Timbre(-5, cutoff_hz=6000, attack_s=0.03, breath_db=-45),
    "clarinet": Timbre(-5, even_level=0.15, cutoff_hz=3000, attack_s=0.04, breath_db=-38),
    "flute": Timbre(-13, cutoff_hz=4000, attack_s=0.06, breath_db=-28),
    "strings": Timbre(-6, strings=3, body_hz=200, cutoff_hz=5000, attack_s=0.08, breath_db=-40),
    "sine": Timbre(-120),
}.items():
    TIMBRES.register(_name)(_timbre)
del _name, _timbre


def inharmonicity(midi: float) -> float:
    """Return the coefficient `B` of a piano string: partial `n` sounds at ``n * f0 * sqrt(1 + B * n**2)``.

    The stiff-string formula is that of Fletcher, Blackham & Stratton (1962); `B` over the keyboard is the sum of a
    bass and a treble branch of Rigaud, David & Daudet, "A parametric model of piano tuning" (DAFx 2011).

    >>> round(inharmonicity(21), 5), round(inharmonicity(69), 5), round(inharmonicity(108), 4)
    (0.00051, 0.00072, 0.0263)
    """
    return float(np.exp(-0.0847 * midi - 5.82) + np.exp(0.0926 * midi - 13.64))


def synthesize_note(
    midi: float, *, timbre: str = "grand", duration_s: float = 1.0, sample_rate_hz: int = 22_050, seed: int = 0
) -> Sound:
    """Return a note that starts at the first sample.

    Parameters
    ----------
    midi
        MIDI number, 0…127; fractions are in between the keys.
    timbre
        A name in `TIMBRES`.
    duration_s
        More than 0, at most 60.
    sample_rate_hz
        8000…192000; partials above 0.47 of it are left out.
    seed
        The same seed gives the same samples; another one another instrument and touch.

    Returns
    -------
    Sound
        With its peak at 0.5.

    Raises
    ------
    UsageError, UnknownNameError
        When an argument is outside its range, or there is no such timbre.
    """
    _refuse_outside("midi", midi, 0, 127)
    _refuse_outside("duration_s", duration_s, 1e-3, 60)
    _refuse_outside("sample_rate_hz", sample_rate_hz, 8000, 192_000)
    rng = np.random.default_rng([seed, *timbre.encode()])
    instrument = _vary(TIMBRES[timbre], rng)
    n_samples = seconds_to_samples(duration_s, sample_rate_hz)
    time_s = np.arange(n_samples, dtype=np.float32) / np.float32(sample_rate_hz)
    tone = _tone(instrument, midi, time_s, sample_rate_hz=sample_rate_hz, rng=rng)
    level = float(np.sqrt(np.mean(tone[: sample_rate_hz // 5] ** 2)))
    knock = _coloured_noise(n_samples, sample_rate_hz, rng.uniform(200, 1500), rng)
    knock *= np.exp(-time_s / np.float32(rng.uniform(0.008, 0.04)))
    breath = _coloured_noise(n_samples, sample_rate_hz, rng.uniform(1500, 6000), rng)
    floor = rng.standard_normal(n_samples, dtype=np.float32)
    noise = _gain(instrument.knock_db) * knock + _gain(instrument.breath_db) * breath + _gain(NOISE_FLOOR_DB) * floor
    samples = tone + level * noise
    return Sound((samples * (PEAK / np.abs(samples).max())).astype(np.float32), sample_rate_hz)


def _refuse_outside(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} is {value}; allowed is {low:g} to {high:g}; give a number in that range")


def _vary(timbre: Timbre, rng: np.random.Generator) -> Timbre:
    """Return another instrument of the same kind."""

    def factor(spread: float) -> float:
        return float(np.exp(rng.normal(0, spread)))

    return Timbre(
        tilt_db=timbre.tilt_db * factor(0.25),
        even_level=timbre.even_level * rng.uniform(0.7, 1.0),
        strike=timbre.strike * rng.uniform(0.8, 1.2),
        stiffness=timbre.stiffness * factor(0.4),
        stretch_cents=timbre.stretch_cents * rng.uniform(0.2, 1.6),
        strings=timbre.strings,
        body_hz=timbre.body_hz * factor(0.3),
        cutoff_hz=timbre.cutoff_hz * factor(0.5),
        decay_s=timbre.decay_s * factor(0.4),
        attack_s=timbre.attack_s * factor(0.5),
        knock_db=timbre.knock_db + rng.normal(0, 5),
        breath_db=timbre.breath_db + rng.normal(0, 4),
    )


def _tone(
    timbre: Timbre, midi: float, time_s: FloatArray, *, sample_rate_hz: int, rng: np.random.Generator
) -> FloatArray:
    """Return the sum of the partials of all strings of a key, ``(time,)``."""
    number = np.arange(1, HIGHEST_PARTIAL + 1)
    stiffness = timbre.stiffness * inharmonicity(midi)
    f0_hz = _tuned_hz(timbre, midi)
    # The first partial, not the ideal string, is what a tuner sets.
    ratio = number * np.sqrt((1 + stiffness * number**2) / (1 + stiffness))
    frequency_hz = f0_hz * ratio
    audible = frequency_hz < 0.47 * sample_rate_hz
    number, frequency_hz = number[audible], frequency_hz[audible]
    amplitude = _amplitudes(timbre, number, frequency_hz) * 10 ** (rng.normal(0, 4, number.size) / 20)
    # Air and friction damp high partials faster (Chaigne & Askenfelt 1994): 1/decay = b1 + b3 * f**2.
    decay_s = timbre.decay_s * 2 ** (-(midi - 69) / 16) / (1 + (frequency_hz / 2500) ** 2)
    decay_s = decay_s * np.exp(rng.normal(0, 0.3, number.size))
    # Coupled strings give a fast and a slow decay (Weinreich 1977).
    slow = rng.uniform(0.05, 0.5)
    tone = np.zeros_like(time_s)
    for _ in range(_n_strings(timbre, midi)):
        detuned_hz = frequency_hz * 2 ** (rng.normal(0, 0.8) / 1200)
        phase = rng.uniform(0, 2 * np.pi, number.size)
        for f, a, p, d in zip(detuned_hz, amplitude, phase, decay_s, strict=True):
            wave = np.sin(np.float32(2 * np.pi * f) * time_s + np.float32(p))
            tone += np.float32(a) * _envelope(time_s, d, slow) * wave
    tone *= np.minimum(1, time_s / np.float32(timbre.attack_s))
    return tone


def _tuned_hz(timbre: Timbre, midi: float) -> float:
    """Return the frequency that a key is tuned to: equal temperament, stretched towards both ends."""
    distance = (midi - 69) / (39 if midi > 69 else 48)
    return float(midi_to_hz(midi + timbre.stretch_cents / 100 * distance**3))


def _n_strings(timbre: Timbre, midi: float) -> int:
    """A piano has one string a key in the low bass, two in the bass, three above."""
    return min(timbre.strings, 1 if midi < 32 else 2 if midi < 48 else 3)


def _amplitudes(timbre: Timbre, number: npt.NDArray[Any], frequency_hz: npt.NDArray[Any]) -> npt.NDArray[Any]:
    amplitude = 10 ** (timbre.tilt_db * np.log2(number) / 20)
    amplitude = amplitude * np.where(number % 2 == 0, timbre.even_level, 1.0)
    if timbre.strike:
        amplitude = amplitude * (0.02 + np.abs(np.sin(np.pi * number * timbre.strike)))
    radiated = 1 / (1 + (timbre.body_hz / frequency_hz) ** 2)
    felt = 1 / (1 + (frequency_hz / timbre.cutoff_hz) ** 2)
    audible: npt.NDArray[Any] = np.maximum(amplitude * radiated * felt, 1e-9)
    return audible


def _envelope(time_s: FloatArray, decay_s: float, slow: float) -> FloatArray:
    if np.isinf(decay_s):
        return np.ones_like(time_s)
    rate = np.float32(np.log(1000) / decay_s)
    fast: FloatArray = np.exp(-2.5 * rate * time_s)
    envelope: FloatArray = np.float32(1 - slow) * fast + np.float32(slow) * np.exp(-rate * time_s)
    return envelope


def _coloured_noise(n_samples: int, sample_rate_hz: int, cutoff_hz: float, rng: np.random.Generator) -> FloatArray:
    """Return noise with a mean square of 1 that falls by 12 dB an octave above `cutoff_hz`."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum /= 1 + (np.fft.rfftfreq(n_samples, 1 / sample_rate_hz) / cutoff_hz) ** 2
    noise = np.fft.irfft(spectrum, n_samples)
    scaled: FloatArray = (noise / np.sqrt(np.mean(noise**2))).astype(np.float32)
    return scaled


def _gain(level_db: float) -> np.float32:
    return np.float32(10 ** (level_db / 20))

"""Synthetic out-of-distribution sounds: neither a note nor a piece of music.

Examples
--------
>>> import numpy as np
>>> from earmark.rejection.sounds import make_ood, ood_kinds
>>> "speech" in ood_kinds()
True
>>> make_ood("rain", np.random.default_rng(0), duration_s=0.5, sample_rate_hz=16000).shape
(8000,)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from earmark.config import Registry
from earmark.errors import UsageError
from earmark.rejection.sounds import chords, machines, nature, strikes, voices
from earmark.rejection.sounds.chords import choose_chord, mix_chord
from earmark.rejection.sounds.parts import Curve, Rng, finished
from earmark.sound.degrade import add_noise, equalize, limit_band, reverberate
from earmark.types import FloatArray, Sound
from earmark.units import seconds_to_samples

__all__ = ["FAMILIES", "choose_chord", "make_ood", "mix_chord", "ood_kinds", "some_of_each_kind"]

SHORTEST_S, LONGEST_S = 0.1, 120.0
N_OF_EACH = 6

_Maker: TypeAlias = Callable[[Rng, int, int], Curve]

FAMILIES: dict[str, dict[str, _Maker]] = {
    "voices": {
        "speech": voices.speech,
        "dialogue": voices.dialogue,
        "babble": voices.babble,
        "whisper": voices.whisper,
        "shout": voices.shout,
        "laughter": voices.laughter,
        "cough": voices.cough,
    },
    "animals": {
        "bird": nature.bird,
        "insects": nature.insects,
        "frogs": nature.frogs,
        "cry": voices.cry,
    },
    "weather": {
        "rain": nature.rain,
        "stream": nature.stream,
        "sea": nature.sea,
        "wind": nature.wind,
        "thunder": nature.thunder,
        "fire": nature.fire,
    },
    "noise": {
        "white-noise": machines.white_noise,
        "pink-noise": machines.pink_noise,
        "brown-noise": machines.brown_noise,
        "noise-band": machines.noise_band,
        "radio": machines.radio,
    },
    "machines": {
        "hum": machines.hum,
        "engine": machines.engine,
        "appliance": machines.appliance,
    },
    "signals": {
        "siren": machines.siren,
        "sweep": machines.sweep,
        "beeps": machines.beeps,
        "telephone": machines.telephone,
    },
    "strikes": {
        "clicks": strikes.clicks,
        "crackle": strikes.crackle,
        "knocks": strikes.knocks,
        "footsteps": strikes.footsteps,
        "applause": strikes.applause,
        "clatter": strikes.clatter,
        "rustle": strikes.rustle,
    },
    "drums": {
        "drum": strikes.drum,
        "drum-kit": strikes.drum_kit,
        "shaker": strikes.shaker,
    },
    "chords": {
        "chord": chords.chord,
        "cluster": chords.cluster,
        "run": chords.run,
        "slide": chords.slide,
    },
}
"""Kinds by what they have in common: a family is left out as a whole to measure how unforeseen kinds are rejected."""

_KINDS: Registry[_Maker] = Registry("kind of out-of-distribution sound")
for _family in FAMILIES.values():
    for _name, _maker in _family.items():
        _KINDS.register(_name)(_maker)
del _family, _name, _maker


def ood_kinds(*, chords: bool = False) -> tuple[str, ...]:
    """Return the names of the kinds, in a fixed order.

    Parameters
    ----------
    chords
        Also those that are music, but not one note.
    """
    return tuple(kind for kind in _KINDS if chords or kind not in FAMILIES["chords"])


def make_ood(kind: str, rng: Rng, *, duration_s: float, sample_rate_hz: int) -> FloatArray:
    """Return a sound of `kind` as a microphone would hear it, another one for every state of `rng`.

    Parameters
    ----------
    kind
        One of `ood_kinds`.
    duration_s
        0.1…120.
    sample_rate_hz
        8000…96000.

    Returns
    -------
    FloatArray
        float32 ``(time,)``, its peak at 0.5.

    Raises
    ------
    UnknownNameError, UsageError
        When there is no such kind, or an argument is outside its range.
    """
    maker = _KINDS[kind]
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        raise UsageError(
            f"duration_s is {duration_s}; allowed is {SHORTEST_S:g} to {LONGEST_S:g}; give a number in that range"
        )
    if not 8000 <= sample_rate_hz <= 96_000:
        raise UsageError(f"sample_rate_hz is {sample_rate_hz}; allowed is 8000 to 96000; give a rate in that range")
    made = finished(maker(rng, seconds_to_samples(duration_s, sample_rate_hz), sample_rate_hz))
    return finished(_recorded(Sound(made, sample_rate_hz), rng).samples)


def some_of_each_kind(rng: Rng, duration_s: float, sample_rate_hz: int) -> Iterator[FloatArray]:
    """Yield `N_OF_EACH` sounds of every kind that is no music, ``(time,)`` each."""
    for kind in ood_kinds():
        for _ in range(N_OF_EACH):
            yield make_ood(kind, rng, duration_s=duration_s, sample_rate_hz=sample_rate_hz)


def _recorded(sound: Sound, rng: Rng) -> Sound:
    """Return a sound as some microphone records it: a third as it is, the others coloured, far or noisy."""
    if rng.random() < 1 / 3:
        return sound
    if rng.random() < 0.7:
        octaves = np.arange(-4.0, 5.0, 2.0)
        gains_db = rng.normal(0, 4, len(octaves)) + octaves * rng.normal(0, 1.5)
        sound = equalize(sound, gains_db=gains_db, frequencies_hz=880 * 2**octaves)
    if rng.random() < 0.5:
        sound = reverberate(sound, rng, t60_s=rng.uniform(0.1, 1.5), wet_db=rng.uniform(-18, 3))
    if rng.random() < 0.5:
        sound = add_noise(sound, rng, snr_db=rng.uniform(10, 50), slope_db=rng.uniform(0, 6))
    if rng.random() < 0.2:
        sound = limit_band(sound, sample_rate_hz=int(rng.choice([8000, 11_025, 16_000])))
    return sound

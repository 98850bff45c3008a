"""Voices: speech of one or many, whispering, crying; a source and a moving filter (Fant 1960).

A speaker says syllables that mean nothing: consonants of noise, stops and nasals, vowels whose formants move from one
to the next, a pitch that falls over a phrase and rises on accents, pauses for breath.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.rejection.sounds.parts import (
    FRAME_S,
    Curve,
    Rng,
    frame_hz,
    gain,
    lay,
    log_uniform,
    moments,
    moving_filter,
    n_frames,
    pulses,
    sloped_noise,
    unit_rms,
    wander,
)
from earmark.types import FloatArray

N_FORMANTS = 5


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks: pitch, length of the vocal tract relative to a man's, tempo, and how rough and breathy."""

    pitch_hz: float
    tract: float
    syllable_s: float
    melody: float
    jitter: float
    breath_db: float
    tilt_db: float
    voiced: bool = True


@dataclass(slots=True)
class Tracks:
    """What a mouth does, frame by frame: levels of voice and of hiss, formants, where the hiss is, and the pitch.

    Attributes
    ----------
    voice, hiss
        ``(n_frames,)``, linear.
    formants_hz, widths_hz
        ``(n_frames, N_FORMANTS)``.
    hiss_hz
        ``(n_frames,)``, centre of the noise of a consonant.
    pitch_octaves
        ``(n_frames,)``, relative to the speaker's pitch.
    """

    voice: Curve
    hiss: Curve
    formants_hz: npt.NDArray[np.float64]
    widths_hz: npt.NDArray[np.float64]
    hiss_hz: Curve
    pitch_octaves: Curve


def speaker(rng: Rng, *, voiced: bool = True) -> Speaker:
    """Return a random speaker: a child, a woman or a man."""
    pitch_hz = log_uniform(rng, 75, 320)
    return Speaker(
        pitch_hz=pitch_hz,
        tract=float(np.clip(0.72 * (pitch_hz / 75) ** 0.24 * rng.normal(1.15, 0.06), 0.8, 1.5)),
        syllable_s=rng.uniform(0.11, 0.26),
        melody=rng.uniform(0.05, 0.5),
        jitter=rng.uniform(0.002, 0.03),
        breath_db=rng.uniform(-45, -18),
        tilt_db=rng.uniform(6, 14),
        voiced=voiced,
    )


def speech(rng: Rng, n: int, rate_hz: int) -> Curve:
    """One reads or talks."""
    return say(rng, speaker(rng), n, rate_hz, pause_s=rng.uniform(0.1, 0.8))


def dialogue(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Two or three take turns."""
    talkers = [say(rng, speaker(rng), n, rate_hz, pause_s=0.3) for _ in range(rng.integers(2, 4))]
    turn = np.repeat(rng.integers(len(talkers), size=64), max(1, round(rng.uniform(0.7, 3) * rate_hz)))
    turn = np.resize(turn, n)
    return sum((np.where(turn == i, talker, 0) * rng.uniform(0.4, 1) for i, talker in enumerate(talkers)), np.zeros(n))


def babble(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Many speak at once, some near, some far."""
    crowd = [say(rng, speaker(rng), n, rate_hz, pause_s=0.25) for _ in range(rng.integers(3, 7))]
    return sum((unit_rms(voice) * gain(-rng.exponential(5)) for voice in crowd), np.zeros(n))


def whisper(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Speech without voice."""
    return say(rng, speaker(rng, voiced=False), n, rate_hz, pause_s=rng.uniform(0.1, 0.8))


def shout(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Loud and strained calls, high and sliding, far apart."""
    base = speaker(rng)
    high = Speaker(
        pitch_hz=base.pitch_hz * rng.uniform(1.5, 2.5),
        tract=base.tract,
        syllable_s=rng.uniform(0.25, 0.7),
        melody=rng.uniform(0.3, 0.8),
        jitter=rng.uniform(0.01, 0.05),
        breath_db=rng.uniform(-30, -12),
        tilt_db=rng.uniform(3, 7),
    )
    return say(rng, high, n, rate_hz, pause_s=rng.uniform(0.3, 1.5))


def laughter(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Short breathy vowels at a quick even pace, falling in pitch and dying away."""
    base = speaker(rng)
    bouts = []
    for at_s in moments(rng, n / rate_hz, rate=0.5, irregular=0.5):
        length = min(n, round(rng.uniform(0.6, 1.8) * rate_hz))
        tracks = _still_tracks(rng, base, n_frames(length, rate_hz))
        frame_s = np.arange(len(tracks.voice)) * FRAME_S
        pace = rng.uniform(4, 7)
        tracks.voice = np.maximum(0, np.sin(2 * np.pi * pace * frame_s)) ** 1.5 * np.exp(-frame_s)
        tracks.hiss = 0.1 * np.maximum(0, -np.sin(2 * np.pi * pace * frame_s)) * np.exp(-frame_s)
        tracks.pitch_octaves = np.subtract(rng.uniform(0.2, 1), 0.5 * frame_s, dtype=np.float64)
        bouts.append((float(at_s), _utter(rng, base, tracks, length, rate_hz)))
    return lay(n, rate_hz, bouts)


def cough(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Coughs and throats cleared: a burst of breath through one shape of the mouth, hardly any voice."""
    base = speaker(rng)
    coughs = []
    for at_s in moments(rng, n / rate_hz, rate=rng.uniform(0.8, 2.5), irregular=0.7):
        length = min(n, round(rng.uniform(0.15, 0.5) * rate_hz))
        tracks = _still_tracks(rng, base, n_frames(length, rate_hz))
        frame_s = np.arange(len(tracks.voice)) * FRAME_S
        tracks.hiss = np.minimum(1, frame_s / 0.01) * np.exp(-frame_s / rng.uniform(0.03, 0.1))
        tracks.voice = rng.uniform(0, 0.4) * tracks.hiss
        coughs.append((float(at_s), _utter(rng, base, tracks, length, rate_hz) * rng.uniform(0.3, 1)))
    return lay(n, rate_hz, coughs)


def cry(rng: Rng, n: int, rate_hz: int) -> Curve:
    """A baby, a dog or a cat: long calls whose pitch arches, rich in harmonics."""
    base = speaker(rng)
    high = Speaker(
        log_uniform(rng, 250, 900), rng.uniform(1.1, 1.8), 0.5, rng.uniform(0.2, 0.8), rng.uniform(0.005, 0.06),
        rng.uniform(-30, -8), rng.uniform(2, 8),
    )  # fmt: skip
    calls = []
    longest_s = log_uniform(rng, 0.12, 1.5)
    for at_s in moments(rng, n / rate_hz, rate=rng.uniform(0.4, 0.9) / longest_s, irregular=0.4):
        length = min(n, round(longest_s * rng.uniform(0.5, 1) * rate_hz))
        tracks = _still_tracks(rng, base, n_frames(length, rate_hz))
        share = np.linspace(0, 1, len(tracks.voice))
        tracks.voice = np.sin(np.pi * share) ** 0.5
        tracks.pitch_octaves = high.melody * np.sin(np.pi * share ** rng.uniform(0.5, 1.5)) + 0.05 * wander(
            rng, len(share), knots=20
        )
        calls.append((float(at_s), _utter(rng, high, tracks, length, rate_hz)))
    return lay(n, rate_hz, calls)


def say(rng: Rng, who: Speaker, n: int, rate_hz: int, *, pause_s: float) -> Curve:
    """Return `n` samples of a speaker's syllables, with pauses of about `pause_s` between phrases."""
    return _utter(rng, who, _speech_tracks(rng, who, n_frames(n, rate_hz), pause_s=pause_s), n, rate_hz)


def _still_tracks(rng: Rng, who: Speaker, n: int) -> Tracks:
    formants, widths = _vowel(rng, who)
    return Tracks(
        np.zeros(n), np.zeros(n), np.tile(formants, (n, 1)), np.tile(widths, (n, 1)),
        np.full(n, log_uniform(rng, 800, 4000)), np.zeros(n),
    )  # fmt: skip


def _vowel(rng: Rng, who: Speaker) -> tuple[Curve, Curve]:
    """Return the formants of any vowel and their widths: the ranges of Peterson & Barney (1952)."""
    first = rng.uniform(260, 800)
    # Open vowels leave the second formant less room.
    second = rng.uniform(max(800, first + 350), 2400 - 0.9 * (first - 260))
    formants = np.array([first, second, max(second + 400, rng.uniform(2200, 3000)), rng.uniform(3200, 3900), 4600])
    widths = np.array([60, 90, 130, 180, 250]) * rng.uniform(0.6, 1.6, N_FORMANTS)
    return formants * who.tract, widths


def _speech_tracks(rng: Rng, who: Speaker, n: int, *, pause_s: float) -> Tracks:
    """Return the tracks of phrase after phrase."""
    tracks = _still_tracks(rng, who, n)
    tracks.pitch_octaves[:] = 0.05 * wander(rng, n, knots=n * FRAME_S * 8)
    frame = round(rng.uniform(0, 0.3) / FRAME_S)
    while frame < n:
        n_syllables = int(rng.integers(2, 13))
        start, drop = frame, rng.uniform(0, 0.5)
        for _ in range(n_syllables):
            frame = _add_syllable(rng, who, tracks, frame)
        phrase = slice(start, min(n, frame))
        share = np.linspace(0, 1, phrase.stop - phrase.start)
        tracks.pitch_octaves[phrase] += drop * (0.5 - share) + who.melody * wander(rng, len(share), knots=n_syllables)
        frame += round(pause_s * rng.exponential() / FRAME_S)
    for track in (tracks.voice, tracks.hiss, *tracks.formants_hz.T):
        track[:] = _smooth(track)
    return tracks


def _add_syllable(rng: Rng, who: Speaker, tracks: Tracks, frame: int) -> int:
    """Write a consonant or none, then a vowel; return the frame after it."""
    formants, widths = _vowel(rng, who)
    kind = rng.choice(["fricative", "stop", "nasal", "none"], p=[0.3, 0.3, 0.2, 0.2])
    n_consonant = round(rng.uniform(0.04, 0.14) / FRAME_S) if kind != "none" else 0
    part = slice(frame, frame + n_consonant)
    if kind == "fricative":
        tracks.hiss[part] = rng.uniform(0.05, 0.6)
        tracks.hiss_hz[part] = log_uniform(rng, 1200, 7500)
        tracks.voice[part] = rng.choice([0, 0.3])
    elif kind == "stop":
        release = slice(max(frame, part.stop - 3), part.stop)
        tracks.hiss[release] = rng.uniform(0.1, 0.9)
        tracks.hiss_hz[release] = log_uniform(rng, 600, 5000)
    elif kind == "nasal":
        tracks.voice[part] = rng.uniform(0.3, 0.7)
        tracks.formants_hz[part] = np.array([260, 1100, 2300, 3400, 4600]) * who.tract
        tracks.widths_hz[part] = 250
    n_vowel = max(3, round(who.syllable_s * rng.uniform(0.4, 1.6) / FRAME_S))
    vowel = slice(part.stop, part.stop + n_vowel)
    length = len(tracks.voice[vowel])
    tracks.voice[vowel] = rng.uniform(0.4, 1.0) * np.sin(np.pi * (np.arange(length) + 1) / (n_vowel + 1)) ** 0.3
    towards, _ = _vowel(rng, who)
    moved = np.linspace(0, rng.uniform(0, 0.7), length)[:, None]
    tracks.formants_hz[vowel] = formants * (1 - moved) + towards * moved
    tracks.widths_hz[vowel] = widths
    return vowel.stop


def _smooth(track: Curve) -> Curve:
    """Return a track without jumps: a mouth takes some 30 ms from one place to the next."""
    weights = np.array([1, 2, 3, 2, 1]) / 9
    return np.convolve(np.pad(track, 2, mode="edge"), weights, mode="valid")


def _utter(rng: Rng, who: Speaker, tracks: Tracks, n: int, rate_hz: int) -> Curve:
    """Return the sound of the tracks."""
    hz = frame_hz(rate_hz)
    at = np.arange(n) / (rate_hz * FRAME_S)
    frames = np.arange(len(tracks.voice))
    pitch = who.pitch_hz * 2 ** np.interp(at, frames, tracks.pitch_octaves)
    breath = rng.standard_normal(n)
    if who.voiced:
        source = pulses(rng, pitch, rate_hz, jitter=who.jitter, shimmer=4 * who.jitter)
        source = unit_rms(source) + gain(who.breath_db) * breath
    else:
        source = 0.3 * breath
    # The pulse of the glottis falls with frequency; lips radiate high frequencies better.
    octaves = np.log2(np.maximum(hz, 50) / 100)
    tilt = gain(-(who.tilt_db - 2) * np.maximum(octaves, 0) / 1.5)
    voiced = _tract(tracks, hz) * (tilt * tracks.voice[:, None]).astype(np.float32)
    distance = octaves - np.log2(tracks.hiss_hz[:, None] / 100)
    hissed = 2.0 ** np.minimum(0, 1.2 - 2 * np.abs(distance)) * tracks.hiss[:, None]
    spoken = moving_filter(source, rate_hz, voiced)
    return spoken + 0.4 * moving_filter(sloped_noise(rng, n, rate_hz, slope_db=0), rate_hz, hissed)


def _tract(tracks: Tracks, hz: Curve) -> FloatArray:
    """Return the gain of the resonances together, ``(n_frames, n_bins)``."""
    square = np.float32(1e-6) * (hz**2).astype(np.float32)
    power = np.ones((len(tracks.voice), len(hz)), np.float32)
    for formant, width in zip(tracks.formants_hz.T, tracks.widths_hz.T, strict=True):
        centre = (1e-6 * formant[:, None] ** 2).astype(np.float32)
        power *= (1 - square / centre) ** 2 + (1e-6 * width[:, None] ** 2).astype(np.float32) * square / centre**2
    response: FloatArray = np.reciprocal(np.sqrt(power))
    return response

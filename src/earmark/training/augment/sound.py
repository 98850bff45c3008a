"""Augmentations of sounds before they become a picture: another moment, instrument, microphone, room or codec."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from earmark.sound import resample
from earmark.sound.degrade import (
    MP3_RATES_HZ,
    add_hum,
    add_noise,
    change_speed,
    code_mp3,
    equalize,
    limit_band,
    reverberate,
)
from earmark.sound.synthesis import synthesize_note
from earmark.training.augment.base import AUGMENTATIONS, ContentAugmentation
from earmark.types import Content, Sound
from earmark.units import note_midi

Range = tuple[float, float]


class SoundAugmentation(ContentAugmentation):
    """Base of those that happen with a probability.

    Attributes
    ----------
    probability
        Share of the views that are changed.
    """

    domains = frozenset({"sound"})
    probability: float = Field(default=0.5, gt=0, le=1)

    def __call__(self, content: Content, label: str, new_label: str, rng: np.random.Generator) -> Content:
        if not isinstance(content, Sound) or not len(content.samples) or rng.random() >= self.probability:
            return content
        return self.changed(content, rng)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        """Return the changed sound."""
        raise NotImplementedError


@AUGMENTATIONS.register("synthesize-note")
class SynthesizeNote(ContentAugmentation):
    """Put a synthesised note of a random key in the place of some examples; the labels must be names of notes.

    Attributes
    ----------
    probability
        Share of the views that are synthesised.
    timbres
        Names in `earmark.sound.synthesis.TIMBRES`, drawn evenly; name one twice to hear it more often.
    duration_s
        Length of the notes.
    """

    domains = frozenset({"sound"})
    kind: Literal["synthesize-note"] = "synthesize-note"
    probability: float = Field(default=0.3, gt=0, le=1)
    timbres: tuple[str, ...] = Field(default=("grand", "upright"), min_length=1)
    duration_s: float = Field(default=2.0, gt=0, le=60)

    def relabel(self, label: str, labels: tuple[str, ...], rng: np.random.Generator) -> str:
        chosen = rng.random() < self.probability
        other = labels[int(rng.integers(len(labels)))]
        return other if chosen and note_midi(other) is not None else label

    def __call__(self, content: Content, label: str, new_label: str, rng: np.random.Generator) -> Content:
        # A change of label is the only sign of having been chosen that both calls see.
        midi = note_midi(new_label)
        if new_label == label or midi is None:
            return content
        timbre = self.timbres[int(rng.integers(len(self.timbres)))]
        seed = int(rng.integers(2**31))
        return synthesize_note(midi, timbre=timbre, duration_s=self.duration_s, sample_rate_hz=44_100, seed=seed)


@AUGMENTATIONS.register("pitch-shift")
class PitchShift(ContentAugmentation):
    """Play faster or slower: by whole semitones, which moves the label when it is a note, and a little out of tune.

    Attributes
    ----------
    max_semitones
        Most steps up or down; only to labels that exist. Labels that are no notes keep their pitch.
    detune_cents
        Standard deviation of the mistuning.
    """

    domains = frozenset({"sound"})
    kind: Literal["pitch-shift"] = "pitch-shift"
    max_semitones: int = Field(default=4, ge=0, le=24)
    detune_cents: float = Field(default=10.0, ge=0, le=100)

    def relabel(self, label: str, labels: tuple[str, ...], rng: np.random.Generator) -> str:
        semitones = int(rng.integers(-self.max_semitones, self.max_semitones + 1))
        midi = note_midi(label)
        if midi is None:
            return label
        moved = [other for other in labels if note_midi(other) == midi + semitones]
        return moved[0] if moved else label

    def __call__(self, content: Content, label: str, new_label: str, rng: np.random.Generator) -> Content:
        if not isinstance(content, Sound):
            return content
        old, new = note_midi(label), note_midi(new_label)
        steps = new - old if old is not None and new is not None else 0
        return change_speed(content, semitones=steps + self.detune_cents / 100 * rng.standard_normal())


@AUGMENTATIONS.register("excerpt")
class Excerpt(ContentAugmentation):
    """Keep a part of a sound, from its beginning or from later, perhaps after a moment of silence.

    Attributes
    ----------
    start_share
        Share of the views that begin with the sound.
    latest_s
        Latest beginning of the others; what has died away by 45 dB is not heard as an example of anything.
    length_s
        Shortest and longest part.
    lead_s
        Longest silence before it.
    sample_rate_hz
        Rate to go on with; what follows is quicker at the rate of the features. None keeps that of the file.
    """

    domains = frozenset({"sound"})
    kind: Literal["excerpt"] = "excerpt"
    start_share: float = Field(default=0.6, ge=0, le=1)
    latest_s: float = Field(default=1.2, ge=0)
    length_s: Range = (0.45, 1.4)
    lead_s: float = Field(default=0.1, ge=0)
    sample_rate_hz: int | None = None

    def __call__(self, content: Content, label: str, new_label: str, rng: np.random.Generator) -> Content:
        if not isinstance(content, Sound):
            return content
        sound = content if self.sample_rate_hz is None else resample(content, self.sample_rate_hz)
        rate_hz, peak = sound.sample_rate_hz, np.abs(sound.samples).max(initial=0.0)
        length = round(rng.uniform(*self.length_s) * rate_hz)
        later = rng.random() >= self.start_share
        start = round(rng.uniform(0, self.latest_s) * rate_hz) if later else 0
        part = sound.samples[start : start + length]
        if np.abs(part).max(initial=0.0) < 10 ** (-45 / 20) * peak or len(part) < round(self.length_s[0] * rate_hz):
            part = sound.samples[:length]
        lead = round(rng.uniform(0, self.lead_s) * rate_hz)
        return Sound(np.pad(part, (lead, 0)), rate_hz)


@AUGMENTATIONS.register("equalize")
class Equalize(SoundAugmentation):
    """Colour a sound as another microphone or loudspeaker would: a tilt, bumps, perhaps no bass.

    Attributes
    ----------
    tilt_db
        Standard deviation of the slope an octave.
    bumps_db
        Standard deviation of the gain at points two octaves apart.
    bass_cut
        Share of the changed views that lose their bass, below 80 to 400 Hz, as in a small loudspeaker.
    """

    kind: Literal["equalize"] = "equalize"
    tilt_db: float = Field(default=2.0, ge=0)
    bumps_db: float = Field(default=5.0, ge=0)
    bass_cut: float = Field(default=0.25, ge=0, le=1)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        octaves = np.arange(-6, 8, 0.5)
        hz = 440 * 2.0**octaves
        knots = octaves[::4]
        gains = np.interp(octaves, knots, rng.normal(0, self.bumps_db, len(knots)))
        gains += octaves * rng.normal(0, self.tilt_db)
        if rng.random() < self.bass_cut:
            gains -= rng.uniform(6, 24) * np.maximum(0, np.log2(rng.uniform(80, 400) / hz))
        return equalize(sound, gains_db=np.maximum(gains, -60), frequencies_hz=hz)


@AUGMENTATIONS.register("room")
class Room(SoundAugmentation):
    """Add the sound of a room.

    Attributes
    ----------
    t60_s
        Shortest and longest reverberation time.
    wet_db
        Least and greatest energy of the room relative to the direct sound.
    """

    kind: Literal["room"] = "room"
    t60_s: Range = (0.15, 1.0)
    wet_db: Range = (-15.0, 3.0)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        return reverberate(sound, rng, t60_s=rng.uniform(*self.t60_s), wet_db=rng.uniform(*self.wet_db))


@AUGMENTATIONS.register("noise")
class Noise(SoundAugmentation):
    """Add steady noise of any colour, and sometimes hum.

    Attributes
    ----------
    snr_db, slope_db
        Least and greatest, see `earmark.sound.degrade.add_noise`.
    hum
        Share of the changed views with mains hum.
    """

    kind: Literal["noise"] = "noise"
    snr_db: Range = (8.0, 50.0)
    slope_db: Range = (0.0, 7.0)
    hum: float = Field(default=0.2, ge=0, le=1)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        sound = add_noise(sound, rng, snr_db=rng.uniform(*self.snr_db), slope_db=rng.uniform(*self.slope_db))
        if rng.random() < self.hum:
            mains_hz = float(rng.choice([50.0, 60.0]))
            sound = add_hum(sound, rng, level_db=rng.uniform(-60, -25), mains_hz=mains_hz)
        return sound


@AUGMENTATIONS.register("limit-band")
class LimitBand(SoundAugmentation):
    """Take away what a lower sample rate cannot hold.

    Attributes
    ----------
    sample_rates_hz
        Drawn evenly.
    """

    kind: Literal["limit-band"] = "limit-band"
    probability: float = Field(default=0.25, gt=0, le=1)
    sample_rates_hz: tuple[int, ...] = Field(default=(8000, 8000, 11_025, 12_000), min_length=1)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        return limit_band(sound, sample_rate_hz=int(rng.choice(self.sample_rates_hz)))


@AUGMENTATIONS.register("mp3")
class Mp3(SoundAugmentation):
    """Code as mp3 and decode; sounds of a rate that mp3 does not have stay as they are.

    Attributes
    ----------
    kbps
        Bit rates, drawn evenly.
    """

    kind: Literal["mp3"] = "mp3"
    probability: float = Field(default=0.2, gt=0, le=1)
    kbps: tuple[int, ...] = Field(default=(32, 48, 64), min_length=1)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        kbps = int(rng.choice(self.kbps))
        return code_mp3(sound, kbps=kbps) if sound.sample_rate_hz in MP3_RATES_HZ else sound


@AUGMENTATIONS.register("gain")
class Gain(SoundAugmentation):
    """Play at another level, sometimes clipped, rounded to 16 bits.

    Attributes
    ----------
    peak_db
        Least and greatest level of the peak.
    clip
        Share of the changed views that are clipped at half their peak first.
    """

    kind: Literal["gain"] = "gain"
    probability: float = Field(default=1.0, gt=0, le=1)
    peak_db: Range = (-45.0, 0.0)
    clip: float = Field(default=0.1, ge=0, le=1)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        peak = float(np.abs(sound.samples).max())
        if peak == 0:
            return sound
        samples = sound.samples / peak
        if rng.random() < self.clip:
            samples = np.clip(samples, -0.5, 0.5)
        scaled = samples * np.float32(10 ** (rng.uniform(*self.peak_db) / 20))
        return Sound((np.round(scaled * 32767) / 32767).astype(np.float32), sound.sample_rate_hz)

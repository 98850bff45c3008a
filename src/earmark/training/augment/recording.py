"""Augmentations of how a sound was recorded: another microphone, room, noise, rate, codec, level."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field, PositiveFloat

from earmark.sound.degrade import (
    MP3_RATES_HZ,
    add_hum,
    add_noise,
    code_mp3,
    code_ogg,
    equalize,
    limit_band,
    record,
    reverberate,
    telephone,
)
from earmark.training.augment.base import AUGMENTATIONS, ContentAugmentation, Drawn, Range
from earmark.types import Content, Sound

Band: TypeAlias = tuple[PositiveFloat, PositiveFloat]


def by_octave(rng: np.random.Generator, low_hz: float, high_hz: float) -> float:
    """Return a random frequency, every octave between the two being as likely."""
    return float(np.exp(rng.uniform(np.log(low_hz), np.log(high_hz))))


class SoundAugmentation(ContentAugmentation):
    """Base of those that happen with a probability.

    Attributes
    ----------
    probability
        Share of the views that are changed.
    """

    domains = frozenset({"sound"})
    probability: float = Field(default=0.5, gt=0, le=1)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        if not isinstance(content, Sound) or not len(content.samples) or rng.random() >= self.probability:
            return content
        return self.changed(content, rng)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        """Return the changed sound."""
        raise NotImplementedError


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


@AUGMENTATIONS.register("microphone")
class Microphone(SoundAugmentation):
    """Record by the small microphone of a telephone, a laptop or a headset.

    Attributes
    ----------
    low_hz, high_hz
        Where its response begins and ends, see `earmark.sound.degrade.record`.
    resonance_db
        Least and greatest height of its resonance, which lies between 1 and 8 kHz.
    overload
        Share of the changed views that it cannot follow, by up to 12 dB.
    """

    kind: Literal["microphone"] = "microphone"
    low_hz: Band = (40.0, 300.0)
    high_hz: Band = (3500.0, 16_000.0)
    resonance_db: Range = (0.0, 12.0)
    overload: float = Field(default=0.2, ge=0, le=1)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        low_hz, high_hz = by_octave(rng, *self.low_hz), by_octave(rng, *self.high_hz)
        resonance_hz = by_octave(rng, 1000, 8000)
        resonance_db = rng.uniform(*self.resonance_db)
        overload_db = rng.uniform(3, 12) if rng.random() < self.overload else 0.0
        return record(
            sound,
            low_hz=low_hz,
            high_hz=high_hz,
            resonance_hz=resonance_hz,
            resonance_db=resonance_db,
            overload_db=overload_db,
        )


@AUGMENTATIONS.register("codec")
class Codec(SoundAugmentation):
    """Code and decode as a call or a stream would; for mp3 see `Mp3`.

    Attributes
    ----------
    codecs
        Drawn evenly; ``"telephone"`` is narrow and of 8 bits.
    quality
        Least and greatest, of Vorbis and Opus: 0 has the fewest bits.
    """

    kind: Literal["codec"] = "codec"
    probability: float = Field(default=0.2, gt=0, le=1)
    codecs: tuple[Literal["vorbis", "opus", "telephone"], ...] = Field(
        default=("vorbis", "opus", "telephone"), min_length=1
    )
    quality: Range = (0.0, 0.4)

    def changed(self, sound: Sound, rng: np.random.Generator) -> Sound:
        codec, quality = self.codecs[int(rng.integers(len(self.codecs)))], rng.uniform(*self.quality)
        return telephone(sound) if codec == "telephone" else code_ogg(sound, codec=codec, quality=quality)


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

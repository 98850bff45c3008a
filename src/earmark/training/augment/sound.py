"""Augmentations of what plays: another moment, another pitch, another instrument."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from earmark.sound import resample
from earmark.sound.degrade import change_speed
from earmark.sound.synthesis import synthesize_note
from earmark.training.augment.base import AUGMENTATIONS, ContentAugmentation, Drawn, Range
from earmark.types import Content, Sound
from earmark.units import note_midi


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

    def draw(self, label: str, labels: tuple[str, ...], rng: np.random.Generator) -> Drawn:
        is_chosen = rng.random() < self.probability
        other = labels[int(rng.integers(len(labels)))]
        return Drawn(other, is_synthesized=True) if is_chosen and note_midi(other) is not None else Drawn(label)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        midi = note_midi(drawn.label)
        if not drawn.is_synthesized or midi is None:
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

    def draw(self, label: str, labels: tuple[str, ...], rng: np.random.Generator) -> Drawn:
        semitones = int(rng.integers(-self.max_semitones, self.max_semitones + 1))
        midi = note_midi(label)
        moved = [other for other in labels if midi is not None and note_midi(other) == midi + semitones]
        return Drawn(moved[0], semitones=semitones) if moved else Drawn(label)

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
        if not isinstance(content, Sound):
            return content
        detuned = drawn.semitones + self.detune_cents / 100 * rng.standard_normal()
        return change_speed(content, semitones=detuned)


@AUGMENTATIONS.register("excerpt")
class Excerpt(ContentAugmentation):
    """Keep a part of a sound, from its beginning or from later, perhaps after a moment of silence.

    Attributes
    ----------
    start_share
        Share of the views that begin with the sound.
    latest_s
        Latest beginning of the others; what has died away by 45 dB is an example of nothing.
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

    def __call__(self, content: Content, drawn: Drawn, rng: np.random.Generator) -> Content:
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

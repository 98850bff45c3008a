"""Settings of mixtures: clips of several keys, rendered from recordings of single notes while a network is trained."""

from __future__ import annotations

from pydantic import Field

from earmark.config import Config


class MixtureConfig(Config):
    """How recordings of single notes become clips with any number of keys; the labels must be names of notes.

    Attributes
    ----------
    clips
        Clips rendered for one epoch; none is rendered twice.
    shifted
        Copies of every note that are played a little faster or slower, beside the note itself.
    max_semitones
        Most whole semitones that a copy is moved by; it is then a recording of that other key.
    detune_cents
        Standard deviation of the mistuning of a copy.
    synthesized
        Instruments that are synthesised and played as well, each with all keys, see `earmark.sound.synthesis`.
    timbres
        Of these instruments, in turn.
    nothing
        Share of the clips without any key: noise, and out-of-distribution sounds where the caller gives them.
    alone
        Share of the clips with one key.
    scored
        Mixtures rendered of the notes of each piano to score by, beside the notes themselves.
    margin_s, onset_threshold, frame_threshold
        What the card says of the frames, see `earmark.recognizer.frame_outputs.FrameOutputs`.
    """

    clips: int = Field(default=2048, ge=2)
    shifted: int = Field(default=3, ge=0, le=16)
    max_semitones: int = Field(default=3, ge=0, le=12)
    detune_cents: float = Field(default=10.0, ge=0, le=100)
    synthesized: int = Field(default=6, ge=0, le=64)
    timbres: tuple[str, ...] = Field(default=("grand", "upright", "electric-piano"), min_length=1)
    nothing: float = Field(default=0.1, ge=0, lt=1)
    alone: float = Field(default=0.2, ge=0, lt=1)
    scored: int = Field(default=144, ge=0)
    margin_s: float = Field(default=0.25, ge=0)
    onset_threshold: float = Field(default=0.4, gt=0, lt=1)
    frame_threshold: float = Field(default=0.5, gt=0, lt=1)

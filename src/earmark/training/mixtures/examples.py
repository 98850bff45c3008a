"""The training part of a recipe with mixtures: batches of clips that are rendered as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from earmark.data import Manifest
from earmark.features import SoundFeatures, Window
from earmark.features.front_end import session_of
from earmark.models.transcription import VELOCITY_RANGE_DB
from earmark.training.mixtures.bank import NoteBank, bank_of
from earmark.training.mixtures.config import MixtureConfig
from earmark.training.mixtures.recording import color, noise_alone, noises, record
from earmark.training.mixtures.render import Sounding, Truth, mix, perform, truth_of
from earmark.training.mixtures.scored import single_notes
from earmark.training.mixtures.strokes import draw_strokes
from earmark.training.recipe import Recipe
from earmark.types import FloatArray, IntArray, Progress, no_progress
from earmark.units import note_midi, seconds_to_samples

_ONE_PIANO_SHARE = 0.8
_OTHER_SOUND_SHARE = 0.7
_BACKGROUND_SHARE = 0.04
_GAIN_DB = (-35.0, 10.0)
OTHER_S = 4.0
"""Length of the sounds without any key."""

Rng = np.random.Generator

OtherSounds: TypeAlias = Callable[[Rng, float, int], Iterator[FloatArray]]
"""Gives sounds without any key, of a length in s at a rate in Hz."""


@dataclass(frozen=True, eq=False)
class MixtureSet:
    """Clips of several keys, rendered anew in every epoch; takes the place of a `FeatureSet` in the training loop.

    Attributes
    ----------
    bank
        The notes.
    labels
        Names of the keys, in the order of the logits.
    others
        Sounds that are no keys, ``(time,)`` each and longer than a window; may be empty.
    """

    bank: NoteBank
    mixtures: MixtureConfig
    features: SoundFeatures
    window: Window
    labels: tuple[str, ...]
    others: Sequence[FloatArray] = ()

    target: ClassVar[Literal["transcription"]] = "transcription"

    def __len__(self) -> int:
        return self.mixtures.clips

    def label_counts(self, n_labels: int) -> IntArray:
        """Return that all labels are as frequent as each other."""
        return np.full(n_labels, len(self), np.int64)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """``(channel, freq, time)`` of a clip as long as a window."""
        n_samples = seconds_to_samples(self.window.length_s, self.features.sample_rate_hz)
        return self.features.n_channels, self.features.n_bins, self.features.n_frames(n_samples)

    @cached_property
    def keys(self) -> tuple[int, ...]:
        """MIDI numbers of the labels."""
        return tuple(midi for midi in map(note_midi, self.labels) if midi is not None)

    @cached_property
    def noise(self) -> list[FloatArray]:
        """Long noises of several colours."""
        return noises(np.random.default_rng(0), sample_rate_hz=self.bank.sample_rate_hz)

    def batches(
        self, *, batch_size: int, vary_length: bool, rng: Rng, rows_of: Callable[[int], IntArray] = np.arange
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield the batches of one epoch, as `earmark.training.batches.training_batches` does.

        Yields
        ------
        features, targets
            float32 ``(n_loaded, channel, freq, time)``, and `packed` truths of the whole batch, whose levels are
            relative to the loudest bin of the features.
        """
        rate_hz = self.bank.sample_rate_hz
        for first in range(0, len(self), batch_size):
            n_clips = min(batch_size, len(self) - first)
            length_s = rng.uniform(self.window.min_s, self.window.length_s) if vary_length else self.window.length_s
            n_samples = seconds_to_samples(length_s, rate_hz)
            clips = [self.clip(n_samples, np.random.default_rng(seed)) for seed in rng.integers(2**62, size=n_clips)]
            (spectrograms,) = session_of(self.features).run(None, {"samples": np.stack([clip for clip, _ in clips])})
            colored = color(spectrograms, rng, frequencies_hz=self.features.frequencies_hz)
            peaks_db = colored.max((1, 2, 3))
            targets = np.stack([packed(truth, peak_db) for (_, truth), peak_db in zip(clips, peaks_db, strict=True)])
            yield colored[rows_of(n_clips)], targets

    def clip(self, n_samples: int, rng: Rng) -> tuple[FloatArray, Truth]:
        """Return the samples of a random clip and what can be heard in it."""
        rate_hz = self.bank.sample_rate_hz
        performed: list[Sounding] = []
        if rng.random() < self.mixtures.nothing:
            samples = self._no_key(n_samples, rng)
        else:
            names = self.bank.pianos
            one = [names[int(rng.integers(len(names)))]]
            pianos = one if rng.random() < _ONE_PIANO_SHARE else names
            strokes = draw_strokes(rng, n_samples / rate_hz, alone=self.mixtures.alone)
            performed = perform(strokes, self.bank, rng, pianos=pianos)
            samples = mix(performed, n_samples=n_samples, sample_rate_hz=rate_hz)
            if self.others and rng.random() < _BACKGROUND_SHARE:
                level = np.abs(samples).max() * np.float32(10 ** rng.uniform(-1.5, -0.6))
                samples = samples + level * self._other(n_samples, rng)
        gain_db = rng.uniform(*_GAIN_DB)
        samples = record(samples, rng, noise=self.noise, sample_rate_hz=rate_hz) * np.float32(10 ** (gain_db / 20))
        hop_s = self.features.hop_samples / self.features.sample_rate_hz
        n_frames = self.features.n_frames(n_samples)
        truth = truth_of(performed, n_frames=n_frames, hop_s=hop_s, keys=self.keys)
        return samples, replace(truth, velocities=truth.velocities + np.float32(gain_db / VELOCITY_RANGE_DB))

    def _no_key(self, n_samples: int, rng: Rng) -> FloatArray:
        if self.others and rng.random() < _OTHER_SOUND_SHARE:
            return self._other(n_samples, rng)
        return noise_alone(rng, n_samples, noise=self.noise)

    def _other(self, n_samples: int, rng: Rng) -> FloatArray:
        sound = self.others[int(rng.integers(len(self.others)))]
        first = int(rng.integers(max(1, len(sound) - n_samples)))
        part = sound[first : first + n_samples]
        return np.pad(part, (0, n_samples - len(part)))


def packed(truth: Truth, peak_db: float) -> FloatArray:
    """Return a truth as one array ``(3 * frame + 1, key)``: frames, onsets, velocities, the clip.

    Parameters
    ----------
    peak_db
        Level of the loudest bin, which a network is told nothing about; velocities are made relative to it.
    """
    velocities = truth.velocities - peak_db / VELOCITY_RANGE_DB
    return np.concatenate([truth.frames, truth.onsets, velocities, truth.clip[None]]).astype(np.float32)


def mixture_set(
    part: Manifest,
    recipe: Recipe,
    *,
    seed: int = 0,
    others: OtherSounds | None = None,
    progress: Progress = no_progress,
) -> MixtureSet:
    """Return the clips that are rendered from the notes of a part.

    Raises
    ------
    DataError
        As `bank_of`.
    """
    if recipe.mixtures is None or recipe.window is None or not isinstance(recipe.features, SoundFeatures):
        raise TypeError(f"recipe {recipe.name!r} renders no mixtures")
    rate_hz = recipe.features.sample_rate_hz
    bank = bank_of(
        single_notes(part),
        sample_rate_hz=rate_hz,
        mixtures=recipe.mixtures,
        seed=seed,
        progress=progress,
    )
    made = () if others is None else tuple(others(np.random.default_rng([seed, 1]), OTHER_S, rate_hz))
    return MixtureSet(bank, recipe.mixtures, recipe.features, recipe.window, part.labels, made)

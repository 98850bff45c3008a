"""Training data of the detector of a recognizer of several keys: rendered mixtures against other sounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from earmark.data import Manifest
from earmark.features.front_end import session_of
from earmark.recognizer import Recognizer
from earmark.rejection.sources import OodSource
from earmark.rejection.windows import REAL, Windows
from earmark.sound import resample
from earmark.training.mixtures.examples import MixtureSet, mixture_set
from earmark.training.mixtures.recording import color, record
from earmark.training.recipe import Recipe
from earmark.types import FloatArray, Progress, Sound, no_progress
from earmark.units import seconds_to_samples

N_LENGTHS = 3
_BATCH_SIZE = 32
_FADED_PEAK = 1e-4

Rng = np.random.Generator


class MixtureSampler:
    """Draws windows of mixtures and of other sounds, recorded alike, so that the recording tells nothing.

    Parameters
    ----------
    recognizer
        Gives logits and embeddings.
    recipe
        Its recipe, with mixtures.
    sources
        Of out-of-distribution inputs, by kind.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        recipe: Recipe,
        sources: Mapping[str, OodSource],
        *,
        progress: Progress = no_progress,
    ) -> None:
        self._recognizer, self._recipe, self._sources, self._progress = recognizer, recipe, sources, progress

    def __call__(self, part: Manifest, *, n_real: int, n_ood: int, seed: tuple[int, int]) -> list[Windows]:
        """Return windows by width; parameters as for `WindowSampler`."""
        rng = np.random.default_rng([*seed, n_real, n_ood])
        mixtures = mixture_set(part, self._recipe, seed=seed[1] + 2, progress=self._progress)
        clips = replace(mixtures, mixtures=mixtures.mixtures.model_copy(update={"nothing": 0.0}))
        window = clips.window
        result = []
        for length_s in np.linspace(window.min_s, window.length_s, N_LENGTHS).tolist():
            n_samples = seconds_to_samples(length_s, clips.bank.sample_rate_hz)
            drawn = [(REAL, _heard_clip(clips, n_samples, rng)) for _ in range(n_real // N_LENGTHS)]
            drawn += self._others(clips, n_samples, n_ood // N_LENGTHS, rng)
            result.append(self._windows(clips, drawn, rng))
        return result

    def _others(self, clips: MixtureSet, n_samples: int, n: int, rng: Rng) -> Iterator[tuple[int, FloatArray]]:
        """Yield the kind and the samples of sounds that are no keys, as many of each kind."""
        sources = list(self._sources.values())
        for number in range(n):
            kind = number % len(sources)
            content = sources[kind].make(rng)
            if not isinstance(content, Sound):
                raise TypeError(f"{sources[kind].kind} is no sound")
            samples = resample(content, clips.bank.sample_rate_hz).samples
            first = int(rng.integers(max(1, len(samples) - n_samples + 1)))
            part = samples[first : first + n_samples]
            if np.abs(part).max(initial=0) < _FADED_PEAK:
                part = samples[:n_samples]
            part = np.pad(part, (0, n_samples - len(part)))
            yield kind, record(part, rng, noise=clips.noise, sample_rate_hz=clips.bank.sample_rate_hz)
            self._progress("other sounds", number + 1, n, sources[kind].kind)

    def _windows(self, clips: MixtureSet, drawn: list[tuple[int, FloatArray]], rng: Rng) -> Windows:
        features: list[FloatArray] = []
        logits: list[FloatArray] = []
        embedding: list[FloatArray] = []
        for first in range(0, len(drawn), _BATCH_SIZE):
            batch = np.stack([samples for _, samples in drawn[first : first + _BATCH_SIZE]]).astype(np.float32)
            (spectrograms,) = session_of(clips.features).run(None, {"samples": batch})
            colored = color(spectrograms, rng, frequencies_hz=clips.features.frequencies_hz)
            outputs = self._recognizer.network.run(["logits", "embedding"], features=colored)
            for parts, part in zip((features, logits, embedding), (colored, *outputs), strict=True):
                parts.append(part)
        kinds = np.array([kind for kind, _ in drawn], np.int64)
        return Windows(np.concatenate(features), np.concatenate(logits), np.concatenate(embedding), kinds)


def _heard_clip(clips: MixtureSet, n_samples: int, rng: Rng) -> FloatArray:
    """Return a clip in which at least one key sounds."""
    while True:
        samples, truth = clips.clip(n_samples, rng)
        if truth.clip.max() == 1:
            return samples

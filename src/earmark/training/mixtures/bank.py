"""A bank of notes: recordings of single keys at one rate, each beginning with its stroke, to render mixtures from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from earmark.data import Manifest, read_content
from earmark.errors import DataError
from earmark.sound import resample
from earmark.sound.degrade import change_speed
from earmark.sound.synthesis import synthesize_note
from earmark.training.mixtures.config import MixtureConfig
from earmark.types import FloatArray, Progress, Sound, no_progress
from earmark.units import note_midi

LEAD_S = 0.01
"""What a note of a bank holds before its stroke."""
FRAME_S = 0.032
"""Of the level curves."""
SYNTHESIZED_S = 3.0
ATTACK_S = 0.25
_FADE_S = 0.05
_DETUNED_SHARE, _DETUNED_CENTS = 0.05, 35.0


@dataclass(frozen=True, eq=False)
class Note:
    """A recording of one key.

    Attributes
    ----------
    midi, piano
        Which key of which instrument.
    samples
        int16 ``(time,)``; the stroke is at `LEAD_S`, and the root mean square of the loudest `ATTACK_S` is that of a
        tenth of full scale.
    levels_db
        Level of every frame of `FRAME_S` from the stroke on, relative to the loudest, ``(frame,)``.
    """

    midi: int
    piano: str
    samples: npt.NDArray[np.int16]
    levels_db: FloatArray


@dataclass(frozen=True, eq=False)
class NoteBank:
    """Recordings of single keys of one or more instruments.

    Attributes
    ----------
    notes
        All of them.
    sample_rate_hz
        Of their samples.
    """

    notes: tuple[Note, ...]
    sample_rate_hz: int

    @cached_property
    def pianos(self) -> tuple[str, ...]:
        """The names of the instruments."""
        return tuple(dict.fromkeys(note.piano for note in self.notes))

    @cached_property
    def by_piano(self) -> dict[str, dict[int, list[Note]]]:
        """The recordings of every key of every instrument."""
        result: dict[str, dict[int, list[Note]]] = {piano: {} for piano in self.pianos}
        for note in self.notes:
            result[note.piano].setdefault(note.midi, []).append(note)
        return result

    @cached_property
    def by_midi(self) -> dict[int, list[Note]]:
        """The recordings of every key by any instrument."""
        result: dict[int, list[Note]] = {}
        for note in self.notes:
            result.setdefault(note.midi, []).append(note)
        return result

    def draw(self, midi: int, piano: str, rng: np.random.Generator) -> Note:
        """Return a random recording of a key by an instrument, or by any where it has none."""
        among = self.by_piano[piano].get(midi) or self.by_midi[midi]
        return among[int(rng.integers(len(among)))]


def bank_of(
    manifest: Manifest,
    *,
    sample_rate_hz: int,
    mixtures: MixtureConfig | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> NoteBank:
    """Read the notes of a manifest and the copies and synthesised instruments that the settings ask for.

    Parameters
    ----------
    manifest
        One label an example, the name of its key.
    mixtures
        None: the notes as they are, and no others.
    progress
        Called after each note.

    Raises
    ------
    DataError
        When a label is not the name of a note, or a file cannot be read or is silent.
    """
    keys = [(_midi_of(example.label, example.path), example) for example in manifest.examples]
    lowest, highest = min(key for key, _ in keys), max(key for key, _ in keys)
    notes: list[Note] = []
    for done, (midi, example) in enumerate(keys):
        sound = read_content(manifest, example)
        if not isinstance(sound, Sound):
            raise DataError(f"{example.path}: is no sound; mixtures are rendered from recordings of notes")
        sound = resample(sound, sample_rate_hz)
        notes.append(make_note(sound, midi=midi, piano=example.group, where=example.path))
        rng = np.random.default_rng([seed, done])
        for semitones in _shifts(mixtures, rng):
            moved = midi + round(semitones)
            if lowest <= moved <= highest:
                shifted = change_speed(sound, semitones=semitones)
                notes.append(make_note(shifted, midi=moved, piano=example.group, where=example.path))
        progress("notes", done + 1, len(keys), "")
    if mixtures is not None:
        notes += _synthesized(range(lowest, highest + 1), mixtures, sample_rate_hz=sample_rate_hz, seed=seed)
    return NoteBank(tuple(notes), sample_rate_hz)


def make_note(sound: Sound, *, midi: int, piano: str, where: str = "") -> Note:
    """Return a note that begins with its stroke.

    Raises
    ------
    DataError
        When it is silent; `where` names it.
    """
    rate_hz = sound.sample_rate_hz
    first = max(0, stroke_sample(sound, where=where) - round(LEAD_S * rate_hz))
    samples = np.array(sound.samples[first:])
    n_fade = min(len(samples), round(_FADE_S * rate_hz))
    samples[len(samples) - n_fade :] *= np.linspace(1, 0, n_fade, dtype=np.float32)
    loudest = float(np.sqrt(_powers(samples, round(ATTACK_S * rate_hz)).max()))
    samples *= np.float32(0.1 / loudest)
    scaled = np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16)
    powers = _powers(samples[round(LEAD_S * rate_hz) :], round(FRAME_S * rate_hz))
    levels_db = 10 * np.log10(powers / powers.max() + 1e-10)
    return Note(midi, piano, scaled, levels_db.astype(np.float32))


def stroke_sample(sound: Sound, *, where: str = "") -> int:
    """Return where a recording of one note begins to sound: the first rise to 25 dB below the loudest 5 ms.

    Raises
    ------
    DataError
        When nothing sounds; `where` names it.
    """
    step = max(1, round(0.005 * sound.sample_rate_hz))
    powers = _powers(sound.samples, step)
    if not len(powers) or powers.max() <= 0:
        raise DataError(f"{where or 'a note'}: is silent, so nothing can be rendered from it; remove it")
    return int(np.argmax(powers >= powers.max() * 10**-2.5)) * step


def _powers(samples: FloatArray, step: int) -> npt.NDArray[np.float64]:
    """Return the mean square of every whole stretch of `step` samples; of all of them where they are fewer."""
    n_steps = len(samples) // step
    cut = samples[: n_steps * step].reshape(n_steps, step) if n_steps else samples[None]
    powers: npt.NDArray[np.float64] = np.square(cut, dtype=np.float64).mean(axis=1)
    return powers


def _shifts(mixtures: MixtureConfig | None, rng: np.random.Generator) -> Sequence[float]:
    if mixtures is None:
        return ()
    most = mixtures.max_semitones
    steps = rng.integers(-most, most + 1, mixtures.shifted)
    wide = rng.random(mixtures.shifted) < _DETUNED_SHARE
    cents = rng.normal(0, np.where(wide, _DETUNED_CENTS, mixtures.detune_cents))
    # Beyond that it would be a recording of the next key.
    shifts: list[float] = (steps + np.clip(cents, -45, 45) / 100).tolist()
    return shifts


def _synthesized(keys: Iterable[int], mixtures: MixtureConfig, *, sample_rate_hz: int, seed: int) -> Iterable[Note]:
    for number in range(mixtures.synthesized):
        timbre = mixtures.timbres[number % len(mixtures.timbres)]
        for midi in keys:
            note_seed = int(np.random.default_rng([seed, number, midi]).integers(2**31))
            sound = synthesize_note(
                midi, timbre=timbre, duration_s=SYNTHESIZED_S, sample_rate_hz=sample_rate_hz, seed=note_seed
            )
            yield make_note(sound, midi=midi, piano=f"{timbre} {number + 1}, synthesised")


def _midi_of(label: str, path: str) -> int:
    midi = note_midi(label)
    if midi is None:
        raise DataError(f"{path}: {label!r} is not the name of a note; mixtures are rendered from notes such as C4")
    return midi

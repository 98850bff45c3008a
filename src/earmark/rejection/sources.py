"""Sources of out-of-distribution inputs: kinds made in code, real examples mixed wrongly, folders of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from earmark.errors import DataError, UnknownNameError
from earmark.features import InkFeatures, SoundFeatures
from earmark.listing import files_under
from earmark.recognizer import Card, readable_extensions
from earmark.recognizer.inputs import ink_input
from earmark.sound import info, read, resample
from earmark.types import Content, Sound
from earmark.units import note_midi, seconds_to_samples

Maker: TypeAlias = Callable[[np.random.Generator], Content]
"""Makes, or picks, one out-of-distribution input."""

RealExample: TypeAlias = Callable[[np.random.Generator, str | None], Content]
"""Returns a real example, of a label when one is given."""


@dataclass(frozen=True)
class OodSource:
    """One kind of out-of-distribution input.

    Attributes
    ----------
    kind, family
        What it is called, and what it is left out together with.
    make
        Returns one.
    """

    kind: str
    family: str
    make: Maker


def ood_sources(
    card: Card,
    *,
    kinds: Sequence[str] = (),
    folders: Sequence[str | Path] = (),
    real: RealExample | None = None,
) -> dict[str, OodSource]:
    """Return the kinds of out-of-distribution input for a recognizer with this card, by name.

    Parameters
    ----------
    kinds
        Of those that can be made; all of them unless given.
    folders
        Of sounds or drawings; each is a kind and a family that is called as the folder is.
    real
        Gives the real examples that some kinds are made of; without it there are none of these.

    Raises
    ------
    UnknownNameError
        When there is no such kind.
    DataError
        When a folder is missing or holds nothing that the recognizer reads, or is called as a kind is.
    """
    known = {each.kind: each for each in _made(card, real)}
    for kind in kinds:
        if kind not in known:
            raise UnknownNameError("kind of out-of-distribution input", kind, known)
    chosen = {kind: known[kind] for kind in kinds or known}
    for folder in map(Path, folders):
        if folder.name in chosen:
            raise DataError(
                f"{folder}: there is already a kind of out-of-distribution input called {folder.name!r}; rename it"
            )
        chosen[folder.name] = OodSource(folder.name, folder.name, _picker(folder, card))
    if not chosen:
        raise DataError(
            f"{card.name}: there is no kind of out-of-distribution input to learn from; give a folder of such files"
        )
    return chosen


def _made(card: Card, real: RealExample | None) -> list[OodSource]:
    if isinstance(card.features, InkFeatures):
        return _drawings()
    if isinstance(card.features, SoundFeatures) and card.window is not None:
        return _sounds(card, card.features.sample_rate_hz, card.window.length_s, real)
    return []


def _drawings() -> list[OodSource]:
    from earmark.rejection import drawings

    families = _families(drawings.FAMILIES)
    return [OodSource(kind, families[kind], partial(drawings.make_ood, kind)) for kind in drawings.ood_kinds()]


def _sounds(card: Card, rate_hz: int, duration_s: float, real: RealExample | None) -> list[OodSource]:
    from earmark.rejection import sounds

    def make(rng: np.random.Generator, kind: str) -> Sound:
        return Sound(sounds.make_ood(kind, rng, duration_s=duration_s, sample_rate_hz=rate_hz), rate_hz)

    one_key = card.task == "note" and not card.is_multi_label
    families = _families(sounds.FAMILIES)
    made = [OodSource(kind, families[kind], partial(make, kind=kind)) for kind in sounds.ood_kinds(chords=one_key)]
    if one_key and real is not None:
        made.append(OodSource("real-chord", "chords", partial(_chord, card=card, real=real)))
    return made


def _chord(rng: np.random.Generator, *, card: Card, real: RealExample) -> Content:
    """Return several real notes that sound together."""
    from earmark.rejection.sounds import choose_chord, mix_chord

    if card.window is None or not isinstance(card.features, SoundFeatures):
        raise TypeError(f"{card.name} is not a recognizer of notes")
    rate_hz = card.features.sample_rate_hz
    length = seconds_to_samples(card.window.length_s, rate_hz)
    names = {note_midi(label): label for label in card.labels}
    notes = []
    for midi in choose_chord(rng):
        content = real(rng, names.get(midi))
        if isinstance(content, Sound):
            samples = resample(content, rate_hz).samples[:length]
            notes.append(np.pad(samples, (0, length - len(samples))))
    return Sound(np.asarray(mix_chord(notes, rng, sample_rate_hz=rate_hz), np.float32), rate_hz)


def _families(kinds_of: Mapping[str, Sequence[str] | Mapping[str, object]]) -> dict[str, str]:
    """Return the family of each kind."""
    return {kind: family for family, kinds in kinds_of.items() for kind in kinds}


def _picker(folder: Path, card: Card) -> Maker:
    """Return what picks a file of a folder, and of a sound a moment, at random."""
    allowed = readable_extensions(card)
    files = sorted(files_under(folder, allowed))
    if not files:
        raise DataError(
            f"{folder}: holds no file that {card.name!r} reads ({' '.join(sorted(allowed))}); give a folder of other"
            " sounds or drawings"
        )

    def pick(rng: np.random.Generator) -> Content:
        path = files[int(rng.integers(len(files)))]
        if card.window is None:
            return ink_input(path)
        latest_s = max(0.0, info(path).duration_s - card.window.length_s)
        return read(path, start_s=rng.uniform(0, latest_s), duration_s=card.window.length_s)

    return pick

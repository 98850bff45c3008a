"""Mixtures to score by: rendered once from the notes of every piano, and put among the examples of its part."""

from __future__ import annotations

import io
import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from earmark.data import Example, Manifest
from earmark.features import FeatureCache, SoundFeatures
from earmark.files import sha256_bytes, write_bytes
from earmark.training.mixtures.bank import NoteBank, bank_of
from earmark.training.mixtures.render import mix, perform
from earmark.training.mixtures.strokes import Stroke, choose_keys
from earmark.training.recipe import Recipe
from earmark.types import FloatArray
from earmark.units import note_name

log = logging.getLogger(__name__)

MIXTURE = "rendered mixture"
"""The source of an example that was rendered here."""
MOST_KEYS = 6
LENGTH_S = 2.0
_VERSION = 1
_LATEST_S, _LAST_ONSET_S = 0.1, 1.2
_SPREAD_DB, _NOISE_DB = 3.0, -80.0
_TRIES = 200
"""Of finding a hard set among the keys that a piano has."""


def with_mixtures(manifest: Manifest, recipe: Recipe, *, cache: FeatureCache) -> Manifest:
    """Return the examples of a manifest of single notes with mixtures of 1 to 6 keys, as many of each number.

    All keys of a mixture are of one piano, whose name is its group, so that a split keeps them together. Half of them
    are struck together, the others within 1.2 s; half of the sets are any keys, the others hard ones, see
    `earmark.training.mixtures.strokes.choose_keys`. A recipe without mixtures, or examples that have some, change
    nothing.

    Raises
    ------
    DataError
        As `bank_of`.
    """
    if recipe.mixtures is None or not recipe.mixtures.scored or has_mixtures(manifest):
        return manifest
    if not isinstance(recipe.features, SoundFeatures):
        raise TypeError(f"{recipe.features.kind} features are of no sound")  # recipes see to that
    manifest = manifest.hashed()
    rate_hz = recipe.features.sample_rate_hz
    added: list[Example] = []
    for piano in manifest.groups:
        notes = replace(manifest, examples=tuple(e for e in manifest.examples if e.group == piano))
        key = json.dumps([_VERSION, notes.fingerprint, rate_hz, recipe.mixtures.scored])
        folder = cache.folder / "mixtures" / sha256_bytes(key.encode())[:32]
        if not (folder / "mixtures.json").exists():
            _render(folder, bank_of(notes, sample_rate_hz=rate_hz), n=recipe.mixtures.scored)
        added += _listed(folder, piano, root=manifest.root)
    log.info("%s: %d mixtures of its notes are scored as well", manifest.name, len(added))
    return replace(manifest, examples=(*manifest.examples, *added)).with_target("multi-label")


def has_mixtures(manifest: Manifest) -> bool:
    """Tell whether mixtures are among the examples."""
    return any(example.source == MIXTURE for example in manifest.examples)


def single_notes(manifest: Manifest) -> Manifest:
    """Return the examples that were recorded, without the mixtures of them."""
    return replace(manifest, examples=tuple(e for e in manifest.examples if e.source != MIXTURE))


def scored_mixture(
    bank: NoteBank, piano: str, rng: np.random.Generator, *, n_keys: int, together: bool, hard: bool
) -> tuple[tuple[int, ...], FloatArray]:
    """Return the keys of one mixture, lowest first, and its samples.

    Parameters
    ----------
    together
        Strike all keys at once, or else within 1.2 s.
    hard
        Choose octaves, fifths, chords and clusters more often than chance does.
    """
    owned = np.array(sorted(bank.by_piano[piano]))
    n_keys = min(n_keys, len(owned))
    hard_sets = (choose_keys(rng, n_keys) for _ in range(_TRIES if hard else 0))
    possible = (keys for keys in hard_sets if set(keys) <= set(owned.tolist()))
    keys = next(possible, None) or tuple(rng.choice(owned, n_keys, replace=False).tolist())
    first_s = rng.uniform(0, _LATEST_S)
    strokes = [
        Stroke(key, first_s + (0.0 if together else rng.uniform(0, _LAST_ONSET_S)), gain_db=rng.normal(0, _SPREAD_DB))
        for key in keys
    ]
    n_samples = round(LENGTH_S * bank.sample_rate_hz)
    performed = perform(strokes, bank, rng, pianos=[piano])
    samples = mix(performed, n_samples=n_samples, sample_rate_hz=bank.sample_rate_hz)
    noise = np.float32(10 ** (_NOISE_DB / 20)) * rng.standard_normal(n_samples, dtype=np.float32)
    peak = float(np.abs(samples).max())
    return tuple(sorted(keys)), (samples + noise) * np.float32(min(1.0, 0.9 / peak))


def _render(folder: Path, bank: NoteBank, *, n: int) -> None:
    (piano,) = bank.pianos
    rows = []
    for number in range(n):
        rng = np.random.default_rng([_VERSION, number])
        kind = number // MOST_KEYS
        keys, samples = scored_mixture(
            bank, piano, rng, n_keys=1 + number % MOST_KEYS, together=kind % 2 == 0, hard=kind // 2 % 2 == 0
        )
        stream = io.BytesIO()
        soundfile.write(stream, samples, bank.sample_rate_hz, format="FLAC")
        data = stream.getvalue()
        write_bytes(folder / f"{number:04d}.flac", data)
        rows.append({"file": f"{number:04d}.flac", "keys": list(keys), "sha256": sha256_bytes(data)})
    write_bytes(folder / "mixtures.json", json.dumps(rows).encode())


def _listed(folder: Path, piano: str, *, root: Path) -> list[Example]:
    prefix = Path(os.path.relpath(folder.absolute(), root.absolute()))
    return [
        Example(
            path=(prefix / row["file"]).as_posix(),
            label=";".join(note_name(key) for key in row["keys"]),
            group=piano,
            sha256=row["sha256"],
            source=MIXTURE,
        )
        for row in json.loads((folder / "mixtures.json").read_text(encoding="utf-8"))
    ]

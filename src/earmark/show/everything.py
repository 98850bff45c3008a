"""A whole data set as pictures: PNG files in class folders or one ``.npz``, with a manifest of what each shows."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import starmap
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from earmark.data import Example, Manifest, read_content
from earmark.data.archive import split_member
from earmark.errors import DataError, UsageError
from earmark.features import LogMel
from earmark.features.window import sound_segments
from earmark.files import atomic_path, write_bytes, write_text
from earmark.parallel import in_order, map_processes, n_cores
from earmark.pictures import Pixels
from earmark.show.render import Look, coloured, levels_of, picture_of, png_of
from earmark.types import FloatArray, Progress, Sound, no_progress

log = logging.getLogger(__name__)

FEWEST_FOR_WORKERS = 100
MANIFEST = "manifest.csv"
ARRAYS = "pictures.npz"
PARTS = "pictures.parts"
SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class Rendering:
    """What came of a data set.

    Attributes
    ----------
    manifest
        The file that lists the pictures: with ``--as picture`` it is data to learn from.
    n_pictures
        How many there are.
    failures
        One sentence for each example that has none.
    """

    manifest: Path
    n_pictures: int
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    """One picture of an example: its place among them, what it is called, and its pixels where they are kept."""

    name: str
    levels: Pixels | None


def render_all(  # noqa: PLR0913 - what pictures are made of
    manifest: Manifest,
    out: Path,
    *,
    look: Look | None = None,
    form: Literal["png", "npz"] = "png",
    segment_s: float | None = None,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> Rendering:
    """Write a picture of every example, or of every segment of every sound.

    Pictures are called as in the published tables, ``blues/blues.00000.3.png``, so that they join row by row with a
    feature table of the same segments. A call that was stopped goes on: pictures that are there are not made again.

    Parameters
    ----------
    manifest
        Sounds, drawings or pictures.
    out
        Folder, made when missing.
    look
        How they look.
    form
        ``"png"``, or ``"npz"`` with ``X`` of 8 bits ``(n, freq, time)``, ``track`` and ``label``, which the recipes for
        sounds can learn from; its pictures are extended to one length. It is written at the end, from a file for each
        example, which are then removed.
    segment_s
        Length of the segments of sounds; None for whole ones.
    workers
        Processes; one a core by default.

    Raises
    ------
    UsageError
        When the examples are rows of a table, or strokes are wanted as arrays or segments.
    DataError
        When no picture can be made, or `out` cannot be written or holds pictures made with other settings.
    """
    if manifest.domain == "table":
        raise UsageError(f"{manifest.name}: rows of a table have no pictures; see 'earmark explore'")
    if manifest.domain != "sound" and (form == "npz" or segment_s is not None):
        raise UsageError(f"{manifest.name}: only sounds have segments and arrays of spectrograms; ask for png")
    look = look or Look()
    _keep_settings(out, look, form, segment_s)
    task = partial(_render, place=replace(manifest, examples=()), out=out, look=look, form=form, segment_s=segment_s)
    pairs = list(zip(manifest.examples, _names(manifest), strict=True))
    examples: list[Example] = []
    shown: list[_Shown] = []
    failures: list[str] = []
    for done, ((example, _), result) in enumerate(zip(pairs, _mapped(task, pairs, workers), strict=True), start=1):
        if isinstance(result, str):
            failures.append(result)
        else:
            shown += result
            examples += [_picture_example(example, each.name, form, len(examples) + n) for n, each in enumerate(result)]
        progress("pictures", done, len(pairs), f"{len(failures)} bad" if failures else "")
    if not shown:
        raise DataError(f"{manifest.name}: none of its {len(manifest)} examples can be shown; {failures[0]}")
    if form == "npz":
        _write_arrays(out / ARRAYS, examples, shown)
        shutil.rmtree(out / PARTS, ignore_errors=True)
    listed = Manifest(tuple(examples), "picture", out, manifest.name)
    listed.to_csv(out / MANIFEST)
    return Rendering(out / MANIFEST, len(examples), tuple(failures))


def _keep_settings(out: Path, look: Look, form: str, segment_s: float | None) -> None:
    """Write down how the pictures of a folder are made; refuse to go on with others, for they would be mixed."""
    features = {"fingerprint": look.features.fingerprint}
    settings = {**asdict(replace(look, features=LogMel())), "features": features, "form": form, "segment_s": segment_s}
    text = json.dumps(settings, indent=1)
    path = out / SETTINGS
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise DataError(
            f"{out}: holds pictures made with other settings ({SETTINGS}); give another folder or remove it"
        )
    write_text(path, text)


def _names(manifest: Manifest) -> list[str]:
    """Return what each example is called, with its label as folder and without an extension; each once."""
    names = []
    for example in manifest:
        file, member = split_member(example.path)
        name = PurePosixPath(example.track if member is not None and member.isdecimal() else member or file)
        stem = name.name if name.suffix.lstrip(".").isdecimal() else name.stem
        names.append(f"{_as_folder(example.label)}/{stem}")
    if len(set(names)) < len(names):
        return [f"{name}-{place}" for place, name in enumerate(names)]
    return names


def _as_folder(label: str) -> str:
    return label.replace("/", "_").replace("\\", "_").strip(".") or "_"


def _picture_example(example: Example, name: str, form: str, place: int) -> Example:
    path = f"{name}.png" if form == "png" else f"{ARRAYS}::{place}"
    track = example.track or PurePosixPath(example.path.replace("::", "/")).with_suffix("").as_posix()
    return Example(path, example.label, example.group, example.split, source=example.source, track=track)


def _mapped(
    task: partial[list[_Shown] | str], pairs: list[tuple[Example, str]], workers: int | None
) -> Iterator[list[_Shown] | str]:
    n_workers = 1 if len(pairs) < FEWEST_FOR_WORKERS else workers or n_cores()
    return in_order(map_processes(task, pairs, workers=n_workers, chunk=8))


def _render(
    pair: tuple[Example, str], *, place: Manifest, out: Path, look: Look, form: str, segment_s: float | None
) -> list[_Shown] | str:
    """Write the pictures of one example, or return what is wrong with it."""
    example, name = pair
    try:
        if form == "png" and segment_s is None:
            path = out / f"{name}.png"
            if not path.exists():
                write_bytes(path, png_of(picture_of(read_content(place, example), look)))
            return [_Shown(name, None)]
        part = out / PARTS / f"{name}.npz"
        if form == "npz" and part.exists():
            with np.load(part) as kept:
                return [_Shown(each, kept[each]) for each in kept.files]
        content = read_content(place, example, sample_rate_hz=look.features.sample_rate_hz)
        if not isinstance(content, Sound):
            raise TypeError(f"{example.path} is not a sound")
        segments = list(_cut(content, name, segment_s))
        if form == "png":
            return [_segment(out, each, samples, look) for each, samples in segments]
        levels: dict[str, Any] = {each: levels_of(samples, look) for each, samples in segments}
        with atomic_path(part) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **levels)
        return list(starmap(_Shown, levels.items()))
    except DataError as error:
        return str(error)


def _cut(sound: Sound, name: str, segment_s: float | None) -> Iterator[tuple[str, FloatArray]]:
    if segment_s is None:
        yield name, sound.samples
        return
    cuts = sound_segments(sound, length_s=segment_s, hop_s=segment_s, sample_rate_hz=sound.sample_rate_hz)
    for number, (_, samples) in enumerate(cuts):
        yield f"{name}.{number}", samples


def _segment(out: Path, name: str, samples: FloatArray, look: Look) -> _Shown:
    path = out / f"{name}.png"
    if not path.exists():
        write_bytes(path, png_of(coloured(levels_of(samples, look), look)))
    return _Shown(name, None)


def _write_arrays(path: Path, examples: list[Example], shown: list[_Shown]) -> None:
    arrays = [each.levels for each in shown if each.levels is not None]
    width = max(array.shape[1] for array in arrays)
    pictures = np.stack([np.pad(array, ((0, 0), (0, width - array.shape[1]))) for array in arrays])
    names = [PurePosixPath(each.name).name for each in shown]
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            X=pictures,
            track=np.array([example.track for example in examples]),
            label=np.array([example.label for example in examples]),
            name=np.array(names),
        )

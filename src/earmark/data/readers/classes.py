"""Reader of a folder with one sub-folder per class, holding sounds, images or stroke files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from earmark.data.facts import gtzan_group, gtzan_track
from earmark.data.manifest import Example, Manifest
from earmark.data.readers.base import (
    Reader,
    folders_in,
    label_of,
    relative,
)
from earmark.errors import DataError
from earmark.listing import files_under
from earmark.text import some
from earmark.types import Domain


def _recognises(source: Path) -> bool:
    return source.is_dir()


def read(source: Path) -> Manifest:
    """Read every sub-folder as a class; each file is its own group, unless it is named like a GTZAN track.

    Raises
    ------
    DataError
        When there is no sub-folder, one holds nothing to learn from, or sounds and images are mixed.
    """
    classes = folders_in(source)
    if not classes:
        raise DataError(f"{source}: has no sub-folders; put the examples of each class in a sub-folder with its name")
    found = [(folder, by_domain(files_under(folder))) for folder in classes]
    domain = _domain(source, [kinds for _, kinds in found])
    empty = [folder.name for folder, kinds in found if not kinds[domain]]
    if empty:
        raise DataError(
            f"{source}: no {domain} files in {len(empty)} class folder(s): {some(empty)}; "
            "add examples or remove the folder"
        )
    examples = tuple(
        _example(relative(path, source), label_of(folder)) for folder, kinds in found for path in kinds[domain]
    )
    return Manifest(examples=examples, domain=domain, root=source, name=source.name)


def _example(path: str, label: str) -> Example:
    track = gtzan_track(PurePosixPath(path).stem)
    if track is None:
        return Example(path, label, group=path)
    return Example(path, label, group=gtzan_group(track), track=track)


def by_domain(files: Iterable[Path]) -> dict[Domain, list[Path]]:
    """Sort files into sounds and drawings by extension; anything else is left aside."""
    from earmark.ink import IMAGE_EXTENSIONS
    from earmark.sound import SOUND_EXTENSIONS

    kinds: dict[Domain, list[Path]] = {"sound": [], "ink": []}
    strokes = []
    for path in files:
        suffix = path.suffix.lower()
        if suffix in SOUND_EXTENSIONS:
            kinds["sound"].append(path)
        elif suffix in IMAGE_EXTENSIONS:
            kinds["ink"].append(path)
        elif suffix == ".txt":
            strokes.append(path)
    # A text beside sounds or images is a note about them; alone, it is a drawing.
    if not kinds["sound"] and not kinds["ink"]:
        kinds["ink"] = strokes
    return kinds


def _domain(source: Path, found: list[dict[Domain, list[Path]]]) -> Domain:
    counts = {domain: sum(len(kinds[domain]) for kinds in found) for domain in ("sound", "ink")}
    if all(counts.values()):
        raise DataError(
            f"{source}: holds {counts['sound']} sounds and {counts['ink']} drawings; give a folder with one kind"
        )
    if not any(counts.values()):
        raise DataError(
            f"{source}: its sub-folders hold no sounds, images or stroke files; "
            "put examples such as .wav, .mp3, .png into one sub-folder per class"
        )
    return "sound" if counts["sound"] else "ink"


READER = Reader("a folder with one sub-folder per class", _recognises, read)

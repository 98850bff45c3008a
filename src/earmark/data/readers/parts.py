"""Data that is divided already: ``train``, ``val`` and ``test`` folders with one sub-folder per class in each."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from earmark.data.manifest import Example, Manifest
from earmark.data.readers import classes
from earmark.data.readers.base import Reader, folders_in
from earmark.errors import DataError
from earmark.listing import files_under
from earmark.text import some

log = logging.getLogger(__name__)

_NAMES = {
    "train": ("train", "training"),
    "valid": ("val", "valid", "validation", "validate", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


def part_folders(source: Path) -> dict[str, Path]:
    """Return the folders of the parts that `source` has, by the name of the split; names are of any case.

    Raises
    ------
    DataError
        When two folders are the same part.
    """
    found: dict[str, Path] = {}
    for folder in folders_in(source):
        for split, names in _NAMES.items():
            if folder.name.lower() in names:
                if split in found:
                    raise DataError(
                        f"{source}: {found[split].name!r} and {folder.name!r} both name the {split} part; keep one"
                    )
                found[split] = folder
    return found


def _recognises(source: Path) -> bool:
    if not source.is_dir():
        return False
    found = part_folders(source)
    return "train" in found and len(found) > 1 and bool(folders_in(found["train"]))


def read(source: Path) -> Manifest:
    """Read every part; groups as in a folder of classes, the split as the folders say.

    A part without class folders has no labels: it is left out, with a sentence.

    Raises
    ------
    DataError
        When two parts hold different kinds of examples, or as `classes.read`.
    """
    found = part_folders(source)
    others = [folder.name for folder in folders_in(source) if folder not in found.values()]
    if others:
        log.warning("%s: leaves out %s, which is no part; parts are train, val and test", source, some(others))
    examples: list[Example] = []
    domains = {}
    for split, folder in found.items():
        if not folders_in(folder):
            n = sum(1 for _ in files_under(folder))
            log.warning("%s: its %d files have no class folders; 'earmark submit --data' answers them", folder, n)
            continue
        part = classes.read(folder)
        domains[part.domain] = folder.name
        examples += [_moved(example, folder.name, split) for example in part]
    if len(domains) > 1:
        mixed = " and ".join(f"{domain} in {name}" for domain, name in domains.items())
        raise DataError(f"{source}: mixes {mixed}; give parts of one kind")
    return Manifest(
        examples=tuple(examples), domain=next(iter(domains)), root=source, name=source.name, is_divided=True
    )


def _moved(example: Example, folder: str, split: str) -> Example:
    path = f"{folder}/{example.path}"
    return replace(example, path=path, group=path if example.group == example.path else example.group, split=split)


READER = Reader("train, val and test folders with one sub-folder per class in each", _recognises, read)

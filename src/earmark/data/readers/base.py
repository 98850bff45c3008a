"""Base of the readers of data sets, and what they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from earmark.config import Registry
from earmark.data.manifest import Manifest
from earmark.errors import DataError
from earmark.listing import visible
from earmark.storage import is_remote, join
from earmark.text import encodable, normalized, some, spellings_of_name


@dataclass(frozen=True, slots=True)
class Reader:
    """One kind of source.

    Attributes
    ----------
    about
        What it reads, in a few words, for messages.
    recognises
        Whether an existing path looks like this kind; cheap.
    read
        The manifest of it.
    """

    about: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Manifest]


_N_LOOKED_FOR = 16

READERS: Registry[Reader] = Registry("kind of data")
"""In the order in which they are asked."""


def folders_in(folder: Path) -> list[Path]:
    """Return the visible sub-folders, by name."""
    return sorted(path for path in folder.iterdir() if visible(path.name) and path.is_dir())


def label_of(folder: Path) -> str:
    """Return a folder's name as a label: systems store the same letters in different ways."""
    return encodable(normalized(folder.name))


def relative(path: Path, root: Path) -> str:
    """Return `path` as an example writes it."""
    return path.relative_to(root).as_posix()


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts numbers within names by value."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text))


def as_stored(where: Path, root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return for each path that `where` writes the one by which the file is stored, in other letters or slashes.

    Behind a URL only some are looked for, because each look is a request; the others are named when they are read.

    Raises
    ------
    DataError
        When files are not there; it names the first of them.
    """
    if is_remote(root):
        paths = list(paths)
        looked_for = islice(paths, _N_LOOKED_FOR)
        stored: dict[str, str | None] = {**{path: path for path in paths}, **_stored(root, looked_for)}
    else:
        stored = _stored(root, paths)
    missing = [path for path, found in stored.items() if found is None]
    if missing:
        raise DataError(
            f"{where}: names {len(missing)} file(s) that are not there ({some(missing)}); "
            f"put them under {root} or remove their lines"
        )
    return {path: found for path, found in stored.items() if found is not None}


def _stored(root: Path, paths: Iterable[str]) -> dict[str, str | None]:
    return {
        path: next((name for name in spellings_of_name(path) if join(root, name).is_file()), None) for path in paths
    }

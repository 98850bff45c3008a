"""What a reader of a kind of data set is, and what all of them share."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from earmark.data.manifest import Manifest
from earmark.errors import DataError
from earmark.registry import Registry


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


READERS: Registry[Reader] = Registry("kind of data")
"""In the order in which they are asked."""


def visible(name: str) -> bool:
    """Return whether a file or folder is the user's own, not a system's, such as ``.DS_Store`` or ``Thumbs.db``."""
    return not name.startswith(".") and name not in {"__MACOSX", "Thumbs.db", "desktop.ini", "__pycache__"}


def folders_in(folder: Path) -> list[Path]:
    """Return the visible sub-folders, by name."""
    return sorted(path for path in folder.iterdir() if visible(path.name) and path.is_dir())


def files_under(folder: Path) -> Iterator[Path]:
    """Yield the visible files at any depth, by path; links are followed, but never up or twice into the same folder."""
    seen = {str(parent) for parent in folder.resolve().parents}
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(filter(visible, folders))
        yield from (Path(place, name) for name in sorted(filter(visible, files)))


def label_of(folder: Path) -> str:
    """Return a folder's name as a label: systems store the same letters in different ways."""
    return unicodedata.normalize("NFC", folder.name)


def relative(path: Path, root: Path) -> str:
    """Return `path` as an example writes it."""
    return path.relative_to(root).as_posix()


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts numbers within names by value."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text))


def first_few(names: Iterable[str], *, n: int = 5) -> str:
    """Return the first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more


def refuse_missing(where: Path, root: Path, paths: Iterable[str]) -> None:
    """Raise `DataError` when files that `where` names are not there, listing the first of them."""
    missing = [path for path in paths if not (root / path).is_file()]
    if missing:
        raise DataError(
            f"{where}: names {len(missing)} file(s) that are not there ({first_few(missing)}); "
            f"put them under {root} or remove their lines"
        )

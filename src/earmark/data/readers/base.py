"""Base of the readers of data sets, and what they share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from earmark.config import Registry
from earmark.data.manifest import Manifest
from earmark.errors import DataError
from earmark.listing import visible
from earmark.storage import is_remote, join
from earmark.text import encodable, some


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
    return encodable(unicodedata.normalize("NFC", folder.name))


def relative(path: Path, root: Path) -> str:
    """Return `path` as an example writes it."""
    return path.relative_to(root).as_posix()


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts numbers within names by value."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text))


def refuse_missing(where: Path, root: Path, paths: Iterable[str]) -> None:
    """Raise `DataError` when files that `where` names are not there, listing the first of them.

    Behind a URL only some are looked for, because each look is a request; the others are named when they are read.
    """
    if is_remote(root):
        paths = islice(paths, _N_LOOKED_FOR)
    missing = [path for path in paths if not join(root, path).is_file()]
    if missing:
        raise DataError(
            f"{where}: names {len(missing)} file(s) that are not there ({some(missing)}); "
            f"put them under {root} or remove their lines"
        )

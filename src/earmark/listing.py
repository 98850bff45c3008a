"""Files in folders, of this machine and of storage: only a user's own, in order, and none left out without a word."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from earmark.storage import as_path, explained, file_system, is_remote, key_of, written

_N_KEPT = 10_000
"""Names whose sizes storage may remember, some 0.5 kB each: what is in a small folder is not asked for again."""


def visible(name: str) -> bool:
    """Return whether a file or folder is the user's own, not a system's, such as ``.DS_Store`` or ``Thumbs.db``."""
    return not name.startswith(".") and name not in {"__MACOSX", "Thumbs.db", "desktop.ini", "__pycache__"}


def walk(
    folder: Path | str,
    *,
    closed: Callable[[str], object] | None = None,
    loop: Callable[[str], object] | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Yield every visible folder at any depth, `folder` first, with the names of its visible files, by name.

    Links are followed, but never up or twice into the same folder.

    Parameters
    ----------
    closed
        Called with a folder that may not be entered.
    loop
        Called with a link to a folder that was entered already.
    """
    folder = as_path(folder)
    if is_remote(folder):
        yield from _walk_remote(folder)
        return
    entered = {str(parent) for parent in folder.resolve().parents}
    refused = None if closed is None else lambda error: closed(str(error.filename))
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refused):
        real = os.path.realpath(place)
        if real in entered:
            folders.clear()
            if loop is not None:
                loop(place)
            continue
        entered.add(real)
        folders[:] = sorted(filter(visible, folders))
        yield place, sorted(filter(visible, names))


def files_under(folder: Path | str, extensions: Collection[str] | None = None) -> Iterator[Path]:
    """Yield the files that `walk` finds, by path; only those with one of the lower-case `extensions`, when given."""
    for place, names in walk(folder):
        root = as_path(place)
        yield from (root / name for name in names if extensions is None or _extension(name) in extensions)


def names_under(folder: Path | str, extensions: Collection[str]) -> Iterator[str]:
    """Yield what `files_under` finds as lists have it: behind a URL, a path for each would take half a millisecond."""
    for place, names in walk(folder):
        root = written(as_path(place))
        begun = "" if root == "." else f"{root.rstrip('/')}/"
        yield from (begun + name for name in names if _extension(name) in extensions)


def _extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - of very many


def _walk_remote(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the visible folders of storage; one folder's names are in memory at a time.

    The walk of fsspec would leave out a folder, without a word, whose listing fails, and keep every listing.
    """
    storage = file_system(folder)
    waiting = [key_of(folder).rstrip("/")]
    n_listed = 0
    while waiting:
        place = waiting.pop()
        with explained(storage.unstrip_protocol(place)):
            found = storage.ls(place, detail=True)
        n_listed += len(found)
        kinds = {each["name"].rstrip("/"): each["type"] for each in found}
        del found
        kinds.pop(place, None)  # what stands for the folder itself
        names = {key.rpartition("/")[2]: key for key in kinds}
        shown = sorted(filter(visible, names))
        yield storage.unstrip_protocol(place), [name for name in shown if kinds[names[name]] != "directory"]
        if n_listed > _N_KEPT:
            storage.invalidate_cache(place)
        waiting.extend(names[name] for name in reversed(shown) if kinds[names[name]] == "directory")

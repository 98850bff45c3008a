"""Reader of GTZAN: one folder per genre with files named ``blues.00000.wav`` (Tzanetakis and Cook 2002)."""

from __future__ import annotations

import re
from pathlib import Path

from earmark.data.facts import gtzan_group
from earmark.data.manifest import Example, Manifest
from earmark.data.readers.base import Reader, folders_in, label_of, relative
from earmark.data.readers.classes import by_domain
from earmark.errors import DataError
from earmark.listing import files_under

_FILE = re.compile(r"^(?P<track>[^.]+\.\d{5})(?:\.\d+)?\.(?:wav|au|flac|mp3|ogg)$", re.IGNORECASE)
_SOURCE = "GTZAN, Tzanetakis and Cook 2002"
_NESTED = ("genres_original", "genres")
"""What the usual downloads call the folder of the genres, which has pictures and tables beside it."""


def _recognises(source: Path) -> bool:
    if not source.is_dir():
        return False
    found = [path for genre in folders_in(_genres(source)) if (path := _first_sound(genre)) is not None]
    return bool(found) and all(_FILE.match(path.name) for path in found)


def read(source: Path) -> Manifest:
    """Read the tracks; the group is the artist where a published catalogue knows it, else the track.

    Raises
    ------
    DataError
        When a file in a genre folder is not named like a GTZAN track, or a folder is empty.
    """
    root = _genres(source)
    examples = []
    for genre in folders_in(root):
        files = by_domain(files_under(genre))["sound"]
        if not files:
            raise DataError(f"{genre}: holds no sound files; add the tracks of this genre or remove the folder")
        for path in files:
            named = _FILE.match(path.name)
            if not named:
                raise DataError(
                    f"{path}: is not named like the GTZAN tracks beside it (blues.00000.wav); rename it or move it away"
                )
            track = named["track"]
            group = gtzan_group(track)
            examples.append(Example(relative(path, root), label_of(genre), group, source=_SOURCE, track=track))
    return Manifest(examples=tuple(examples), domain="sound", root=root, name=source.name)


def _genres(source: Path) -> Path:
    return next((source / name for name in _NESTED if (source / name).is_dir()), source)


def _first_sound(genre: Path) -> Path | None:
    from earmark.sound import SOUND_EXTENSIONS

    return next((path for path in files_under(genre) if path.suffix.lower() in SOUND_EXTENSIONS), None)


READER = Reader("a GTZAN folder", _recognises, read)

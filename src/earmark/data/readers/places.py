"""Where the examples lie in an unpacked download: below folders that hold nothing else, or beside other data."""

from __future__ import annotations

import logging
from pathlib import Path

from earmark.data.readers.base import folders_in
from earmark.data.table import TABLE_EXTENSIONS
from earmark.errors import DataError
from earmark.listing import visible
from earmark.types import Domain

log = logging.getLogger(__name__)

_KAGGLE_SOUNDS = ("genres_original", "genres")
_KAGGLE_PICTURES = ("images_original",)
_KAGGLE_TABLES = ("features_30_sec.csv", "features_3_sec.csv")


def find_examples(source: Path, domain: Domain | None) -> Path:
    """Return the folder or file below `source` that holds the examples; `source` itself when it does.

    A folder whose only content is one folder of folders is entered. In the usual download of GTZAN, which has sounds,
    pictures and tables side by side, `domain` chooses; without it the sounds are taken.

    Raises
    ------
    DataError
        When a table is wanted and there is none.
    """
    place = source
    while (inner := _only_folder(place)) is not None:
        place = inner
    if domain == "table" and place.is_dir():
        place = _table_in(place)
    elif domain == "picture":
        place = next((place / name for name in _KAGGLE_PICTURES if (place / name).is_dir()), place)
    elif any((place / name).is_dir() for name in _KAGGLE_PICTURES):
        place = next((place / name for name in _KAGGLE_SOUNDS if (place / name).is_dir()), place)
    if place != source:
        log.warning("%s: takes the examples in %s", source, place.relative_to(source))
    return place


def _only_folder(folder: Path) -> Path | None:
    """Return the one sub-folder when there is nothing else to learn from and it holds folders itself."""
    from earmark.ink import IMAGE_EXTENSIONS
    from earmark.sound import SOUND_EXTENSIONS

    if not folder.is_dir():
        return None
    inner = folders_in(folder)
    if len(inner) != 1 or inner[0].is_symlink() or not folders_in(inner[0]):
        return None
    known = SOUND_EXTENSIONS | IMAGE_EXTENSIONS | TABLE_EXTENSIONS | {".npz", ".zip"}
    others = (path for path in folder.iterdir() if path.is_file() and visible(path.name))
    return None if any(path.suffix.lower() in known for path in others) else inner[0]


def _table_in(folder: Path) -> Path:
    tables = [folder / name for name in _KAGGLE_TABLES if (folder / name).is_file()]
    tables += sorted(path for path in folder.glob("*.csv") if path not in tables and path.name != "quarantine.csv")
    if not tables:
        raise DataError(f"{folder}: holds no table; give a .csv of features, which 'earmark features' makes of sounds")
    return tables[0]

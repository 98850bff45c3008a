"""Small tables of facts about public data sets; README.md beside them cites their sources."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources

PUBLISHED_SPLITS: Mapping[str, str] = {"gtzan/fault-filtered": "gtzan_fault_filtered.csv"}
"""Table of each published split, by name."""

_GTZAN_TRACK = re.compile(
    r"(?<![a-z])(blues|classical|country|disco|hiphop|jazz|metal|pop|reggae|rock)[._-]?(000\d\d)(?!\d)", re.IGNORECASE
)


def published_split(name: str) -> Mapping[str, str]:
    """Return the part, ``"train"``, ``"valid"`` or ``"test"``, of each track of a published split."""
    return _pairs(PUBLISHED_SPLITS[name])


def gtzan_group(track: str) -> str:
    """Return the artist group of a GTZAN track such as ``"blues.00000"``, or the track itself when it is not known.

    >>> gtzan_group("blues.00000"), gtzan_group("my song")
    ('artist 0', 'my song')
    """
    artist = _pairs("gtzan_artists.csv").get(track)
    return track if artist is None else f"artist {artist}"


def gtzan_fault(track: str) -> str | None:
    """Return what is wrong with a GTZAN track: ``"truncated"``, ``"repeats metal.00094"``, …; None when nothing known.

    >>> gtzan_fault("metal.00034"), gtzan_fault("blues.00000")
    ('repeats metal.00094', None)
    """
    return _pairs("gtzan_known_bad.csv").get(track)


def label_meaning(letters: str) -> str:
    """Return what a label, in lower case without spaces and signs, means; itself when it has no other name.

    >>> label_meaning("crotchet"), label_meaning("hiphop")
    ('quarternote', 'hiphop')
    """
    return _pairs("label_aliases.csv").get(letters, letters)


def gtzan_track(name: str) -> str | None:
    """Return the GTZAN track that a file or an excerpt is named after, ``"blues.00012"``; None when it is not.

    >>> gtzan_track("blues.00012.3.png"), gtzan_track("Blues00012.wav"), gtzan_track("my blues.mp3")
    ('blues.00012', 'blues.00012', None)
    """
    found = _GTZAN_TRACK.search(name)
    return f"{found[1].lower()}.{found[2]}" if found else None


def gtzan_spelling(name: str) -> str:
    """Return a name with the GTZAN track in it, if there is one, spelled as the sounds are.

    >>> gtzan_spelling("Blues00012.3"), gtzan_spelling("my blues")
    ('blues.00012.3', 'my blues')
    """
    return _GTZAN_TRACK.sub(lambda found: f"{found[1].lower()}.{found[2]}", name)


@lru_cache(maxsize=8)
def _pairs(table: str) -> Mapping[str, str]:
    text = resources.files(__name__).joinpath(table).read_text(encoding="utf-8")
    return dict(list(csv.reader(text.splitlines()))[1:])

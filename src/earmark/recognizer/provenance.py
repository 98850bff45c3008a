"""Compact sets of what a recognizer was trained on: 8-byte hashes of contents, recordings and groups.

A card carries them, so that a later evaluation finds out whether it scores what the recognizer was trained on, while
the names and contents themselves stay private. A set of n members takes 10.7 n characters of the card; among a million
members, a stranger is taken for one of them with a probability of 5e-14.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from earmark.data.facts import gtzan_group, gtzan_track

if TYPE_CHECKING:
    from earmark.data import Example

_N_BYTES = 8


def hash_set(keys: Iterable[str]) -> str:
    """Return the 8-byte SHA-256 prefixes of `keys`, each once and sorted, in base64.

    >>> hash_set(["b", "a", "b"]) == hash_set(["a", "b"]), len(hash_set(["a", "b"])), hash_set([])
    (True, 24, '')
    """
    return base64.b64encode(b"".join(sorted({_hash(key) for key in keys}))).decode()


class HashSet:
    """The set written by `hash_set`; ``key in it`` asks for a member.

    >>> "a" in HashSet(hash_set(["a", "b"])), "c" in HashSet(hash_set(["a", "b"]))
    (True, False)
    """

    def __init__(self, encoded: str) -> None:
        data = base64.b64decode(encoded)
        self._hashes = frozenset(data[start : start + _N_BYTES] for start in range(0, len(data), _N_BYTES))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and _hash(key) in self._hashes


def content_key(example: Example) -> str | None:
    """Return what identifies the very content of an example: the hash of its file and where its span starts."""
    if example.sha256 is None or example.start_s is None:
        return example.sha256
    return f"{example.sha256}@{example.start_s:g}"


def recording_keys(example: Example) -> tuple[str, ...]:
    """Return what identifies the recording of an example in other formats and excerpts: its track, the file of a span.

    Tracks of GTZAN are known by name, whatever the format; other tracks by name within their data set.
    """
    track = _gtzan_track(example)
    names = [f"gtzan/{track}"] if track else [f"{example.source}/{example.track}"] * bool(example.track)
    file = [example.sha256] if example.sha256 and example.start_s is not None else []
    return (*names, *file)


def group_key(example: Example) -> str | None:
    """Return what identifies the group (artist, writer, piano) of an example within its data set; None when unknown."""
    track = _gtzan_track(example)
    if track:
        return gtzan_group_key(track)
    return f"{example.source}/{example.group}" if example.group else None


def gtzan_group_key(track: str) -> str:
    """Return the key of the artist of a GTZAN track, of the track itself where the artist is not known."""
    return f"gtzan/{gtzan_group(track)}"


def _gtzan_track(example: Example) -> str | None:
    return gtzan_track(example.track) or gtzan_track(PurePosixPath(example.path).name)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:_N_BYTES]

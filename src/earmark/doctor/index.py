"""Inverted index of fingerprints: finds sounds that share keys at one constant distance in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.doctor.landmarks import FRAME_S, Fingerprint
from earmark.types import IntArray

LARGEST_BUCKET = 32
"""A key that more entries have tells nothing, like a word that every page has."""


@dataclass(frozen=True, slots=True)
class Match:
    """Two sounds that share keys.

    Attributes
    ----------
    first, second
        Their numbers in the index, or the query's and the index's.
    votes
        Keys in common at the offset.
    offset_s
        How much later the common part is in the second.
    """

    first: int
    second: int
    votes: int
    offset_s: float


class LandmarkIndex:
    """Sorted keys of many fingerprints; building is one sort, a look-up a binary search.

    Parameters
    ----------
    fingerprints
        Number `i` is called `i`.
    """

    def __init__(self, fingerprints: Sequence[Fingerprint]) -> None:
        lengths = [len(each) for each in fingerprints]
        keys = np.concatenate([np.zeros(0, np.int64), *(each.keys for each in fingerprints)])
        frames = np.concatenate([np.zeros(0, np.int32), *(each.frames for each in fingerprints)])
        self._fill(keys, np.repeat(np.arange(len(lengths), dtype=np.int32), lengths), frames)

    @classmethod
    def of_keys(cls, keys: IntArray, sounds: npt.NDArray[np.int32], frames: npt.NDArray[np.int32]) -> LandmarkIndex:
        """Return the index of keys of many sounds, ``(n,)`` each: the key, the number of its sound, and its frame."""
        order = np.argsort(sounds, kind="stable")
        index = cls(())
        index._fill(keys[order], sounds[order], frames[order])
        return index

    def _fill(self, keys: IntArray, sounds: npt.NDArray[np.int32], frames: npt.NDArray[np.int32]) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, self._sounds, self._frames = keys[order], sounds[order], frames[order]

    @property
    def n_bytes(self) -> int:
        """Memory that the index keeps."""
        return self._keys.nbytes + self._sounds.nbytes + self._frames.nbytes

    def __len__(self) -> int:
        return len(self._keys)

    def pairs(self, *, min_votes: int) -> list[Match]:
        """Return every two sounds that share at least `min_votes` keys at one offset, the strongest first."""
        return tally(*self.votes(), min_votes=min_votes)

    def votes(self) -> tuple[IntArray, IntArray]:
        """Return a vote for each key that two sounds share: ``(n,)`` the two sounds in one number, and their distance.

        The smaller number is in the upper 32 bits; the distance is in frames.
        """
        same = self._keys[1:] == self._keys[:-1]
        edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])).astype(np.int8)))
        starts, stops = edges[::2], edges[1::2] + 1
        small = stops - starts <= LARGEST_BUCKET
        starts, stops = starts[small], stops[small]
        found: list[IntArray] = []
        lefts: list[IntArray] = []
        for lag in range(1, LARGEST_BUCKET):
            wide = stops - starts > lag
            starts, stops = starts[wide], stops[wide]
            if not len(starts):
                break
            left = _ranges(starts, stops - lag)
            one, two = self._sounds[left].astype(np.int64), self._sounds[left + lag].astype(np.int64)
            apart = self._frames[left + lag].astype(np.int64) - self._frames[left]
            # A stable sort leaves the sounds of a bucket in order, so the first is never the larger.
            other = one < two
            lefts.append(one[other] << 32 | two[other])
            found.append(apart[other])
        nothing = np.zeros(0, np.int64)
        return np.concatenate([nothing, *lefts]), np.concatenate([nothing, *found])

    def query(self, fingerprint: Fingerprint, *, min_votes: int) -> list[Match]:
        """Return the sounds that share at least `min_votes` keys with one sound at one offset, the strongest first."""
        starts = np.searchsorted(self._keys, fingerprint.keys, "left")
        stops = np.searchsorted(self._keys, fingerprint.keys, "right")
        used = (stops > starts) & (stops - starts <= LARGEST_BUCKET)
        starts, stops = starts[used], stops[used]
        at = _ranges(starts, stops)
        asked = np.repeat(fingerprint.frames[used], stops - starts)
        return tally(self._sounds[at].astype(np.int64), self._frames[at].astype(np.int64) - asked, min_votes=min_votes)


def _ranges(starts: npt.NDArray[np.intp], stops: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return all numbers of all ranges, one range after the other."""
    lengths = stops - starts
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths))


def tally(pairs: IntArray, apart: IntArray, *, min_votes: int) -> list[Match]:
    """Count the votes for each pair and distance; neighbouring ones are one, because frames are not aligned."""
    order = np.lexsort((apart, pairs))
    pairs, apart = pairs[order], apart[order]
    changed = (np.diff(pairs) != 0) | (np.diff(apart) != 0)
    new = np.flatnonzero(np.concatenate((np.ones(min(1, len(pairs)), dtype=bool), changed)))
    counts = np.diff(np.append(new, len(pairs)))
    best: dict[int, tuple[int, float]] = {}
    for place in np.flatnonzero(counts >= max(1, min_votes // 2)):
        votes, row = int(counts[place]), new[place]
        for beside in (place - 1, place + 1):
            if (
                0 <= beside < len(new)
                and pairs[new[beside]] == pairs[row]
                and abs(apart[new[beside]] - apart[row]) == 1
            ):
                votes += int(counts[beside])
        if votes > best.get(int(pairs[row]), (min_votes - 1, 0.0))[0]:
            best[int(pairs[row])] = votes, float(apart[row]) * FRAME_S
    matches = [Match(pair >> 32, pair & 0xFFFFFFFF, votes, offset) for pair, (votes, offset) in best.items()]
    return sorted(matches, key=lambda match: (-match.votes, match.first, match.second))

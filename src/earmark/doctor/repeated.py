"""Duplicate detection: same bytes, same samples, and near copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np

from earmark.data import Example, Manifest, read_content
from earmark.doctor.copies import LOSSY, SURE, overlay, relation
from earmark.doctor.examine import Examined
from earmark.doctor.index import LandmarkIndex, Match
from earmark.doctor.landmarks import RATE_HZ
from earmark.doctor.signal import LOW_BANDWIDTH
from earmark.errors import EarmarkError
from earmark.parallel import in_order, map_processes
from earmark.types import FloatArray, Progress, Sound

MIN_VOTES = 8
"""Keys at one offset; two sounds without anything in common hardly ever share two."""

ALIKE_SHARE = 0.04
"""Sounds that do not fit sample by sample must share this part of their keys to be told."""

CHUNK = 16  # pairs that travel together to another process

N_OVERLAID = 20_000
"""Pairs that are decoded again and laid on each other, the strongest first."""

N_NEAREST = 16
"""Neighbours of each drawing that are compared with it."""

NEAR = {"strokes": 0.012, "image": 0.06, "picture": 0.15}
"""Largest distance of the signatures of near copies; no two of 639 GTZAN tracks without known faults are that near."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Two examples with the same content.

    Attributes
    ----------
    original, copy
        Rows; the original is the longer, better or earlier one.
    relation
        How they differ: ``"same-bytes"``, a `Relation`, or ``"near-drawing"``.
    words
        What the copy is, to be read after its name.
    evidence
        Numbers.
    """

    original: int
    copy: int
    relation: str
    words: str
    evidence: dict[str, float | str | int] = field(default_factory=dict)


FindPairs: TypeAlias = Callable[[Manifest, Sequence[Example]], list[Match]]
"""Finds the sounds with matching fingerprints among examples, by their places, where no one machine holds the keys."""


def copies(
    manifest: Manifest, examined: Sequence[Examined], *, progress: Progress, find_pairs: FindPairs | None = None
) -> list[Copy]:
    """Return every example that repeats another, once each."""
    good = [each for each in examined if not each.problem and each.sha256]
    exact = _exact(good)
    gone = {copy.copy for copy in exact}
    left = [each for each in good if each.row not in gone]
    if manifest.domain == "sound":
        return [*exact, *_near_sounds(manifest, left, progress, find_pairs)]
    return [*exact, *_near_drawings(manifest, left)]


def _exact(examined: Iterable[Examined]) -> list[Copy]:
    """Return copies by bytes, then by samples."""
    by_bytes: dict[str, Examined] = {}
    by_audio: dict[tuple[str, int], Examined] = {}
    found = []
    for each in examined:
        # Spans of one file share its bytes and are told apart by their samples.
        key = each.sha256 if each.sound is None else f"{each.sha256} {each.sound.audio_sha256}"
        if first := by_bytes.get(key):
            found.append(Copy(first.row, each.row, "same-bytes", "is, byte for byte, {original}"))
            continue
        by_bytes[key] = each
        if each.sound is None or not each.sound.peak:
            continue
        # The same samples at another rate are not the same sound.
        heard = each.sound.audio_sha256, each.sound.sample_rate_hz
        if first := by_audio.get(heard):
            channels = "mono" if each.sound.n_channels == 1 else f"{each.sound.n_channels} channels"
            kind = f"{each.sound.format}, {channels}"
            found.append(
                Copy(first.row, each.row, "same-audio", f"holds the very samples of {{original}}, here as {kind}")
            )
        else:
            by_audio[heard] = each
    return found


def _near_sounds(
    manifest: Manifest, examined: Sequence[Examined], progress: Progress, find_pairs: FindPairs | None
) -> list[Copy]:
    sounds = [each for each in examined if each.sound is not None]
    if find_pairs is not None:
        matches = find_pairs(replace(manifest, examples=()), [manifest.examples[each.row] for each in sounds])
        n_keys = [each.sound.n_keys for each in sounds if each.sound is not None]
    else:
        fingerprints = [each.sound.fingerprint for each in sounds if each.sound is not None]
        matches = LandmarkIndex(fingerprints).pairs(min_votes=MIN_VOTES)
        n_keys = [len(each) for each in fingerprints]
    matches = matches[:N_OVERLAID]

    ordered = [_ordered(sounds[match.first], sounds[match.second], match) for match in matches]
    overlaid = partial(_overlaid, bare=replace(manifest, examples=()))
    shares = [match.votes / max(1, min(n_keys[match.first], n_keys[match.second])) for match in matches]
    items = [
        (*pair, share, manifest.examples[pair[0].row], manifest.examples[pair[1].row])
        for pair, share in zip(ordered, shares, strict=True)
    ]
    kept: list[Copy] = []
    results = map_processes(overlaid, items, workers=1, chunk=CHUNK, survive_crashes=lambda _: None)
    for n, copy in enumerate(in_order(results), start=1):
        progress("comparing", n, len(matches), "")
        if copy is not None:
            kept.append(copy)
    return _one_each(kept)


def _overlaid(pair: tuple[Examined, Examined, Match, float, Example, Example], *, bare: Manifest) -> Copy | None:
    """Decode two sounds again and lay them on each other."""
    one, two, match, share, first, second = pair
    try:
        return _compared(one, two, match, share, _samples(bare, first), _samples(bare, second))
    except (EarmarkError, OSError):
        # It was readable a moment ago and is gone now: nothing can be said about it.
        return None


@lru_cache(maxsize=64)
def _samples(bare: Manifest, example: Example) -> FloatArray:
    content = read_content(bare, example, sample_rate_hz=RATE_HZ)
    return content.samples if isinstance(content, Sound) else np.zeros(0, np.float32)


def _ordered(one: Examined, two: Examined, match: Match) -> tuple[Examined, Examined, Match]:
    """Return the better one first: longer, lossless, of full bandwidth, unclipped, louder, earlier."""

    def worth(each: Examined) -> tuple[float, ...]:
        sound = each.sound
        if sound is None:
            return ()
        level_db = round(20 * np.log10(sound.rms + 1e-6))
        dull = sound.cutoff_hz < LOW_BANDWIDTH * sound.sample_rate_hz / 2
        clipped = round(sound.flat_share, 5)
        return (round(sound.duration_s), sound.format not in LOSSY, not dull, -clipped, level_db, -each.row)

    if worth(one) >= worth(two):
        return one, two, match
    return two, one, replace(match, offset_s=-match.offset_s)


def _compared(
    one: Examined, two: Examined, match: Match, share: float, first: FloatArray, second: FloatArray
) -> Copy | None:
    if one.sound is None or two.sound is None:
        return None
    fit = overlay(first, second, offset_s=match.offset_s)
    name = relation(one.sound, two.sound, fit)
    if name == "alike" and abs(fit.correlation) < SURE and share < ALIKE_SHARE:
        return None
    start_s = -fit.offset_s
    words = {
        "gain": f"is {{original}} at {fit.gain_db:+.1f} dB",
        "inverted": "is {original} with its sign turned round",
        "resampled": f"is {{original}} at {two.sound.sample_rate_hz} instead of {one.sound.sample_rate_hz} samples/s",
        "encoded": f"is {{original}} encoded as {two.sound.format}",
        "excerpt": f"is {two.sound.duration_s:.1f} s of {{original}}, from {max(0.0, start_s):.2f} s on",
        "trimmed": f"is {{original}} without {_trimmed(one.sound.duration_s, two.sound.duration_s, start_s)}",
        "processed": f"is {{original}}, processed (they fit at {abs(fit.correlation):.2f})",
        "alike": f"shares passages with {{original}} ({100 * share:.0f} % of its keys)",
    }[name]
    evidence: dict[str, float | str | int] = {
        "votes": match.votes,
        "key_share": round(share, 3),
        "correlation": round(fit.correlation, 3),
        "offset_s": round(fit.offset_s, 3),
        "gain_db": round(fit.gain_db, 1),
        "common_s": round(fit.common_s, 2),
    }
    return Copy(one.row, two.row, name, words, evidence)


def _trimmed(whole_s: float, part_s: float, start_s: float) -> str:
    end_s = whole_s - part_s - start_s
    parts = [f"its first {start_s:.2f} s"] * (start_s > 0.05) + [f"its last {end_s:.2f} s"] * (end_s > 0.05)
    return " and ".join(parts) or "a moment"


def _one_each(found: Sequence[Copy]) -> list[Copy]:
    """Return one copy for each example that has a better one: beside the best of its family, where that is known."""
    originals: dict[int, list[Copy]] = defaultdict(list)
    for copy in found:
        originals[copy.copy].append(copy)
    n_copies: dict[int, int] = defaultdict(int)
    for copy in found:
        n_copies[copy.original] += 1

    def best(candidates: list[Copy]) -> Copy:
        # One that is itself no copy is the family's original; of several, the one with most copies.
        return max(candidates, key=lambda copy: (copy.original not in originals, n_copies[copy.original]))

    return [best(candidates) for _, candidates in sorted(originals.items())]


def _near_drawings(manifest: Manifest, examined: Sequence[Examined]) -> list[Copy]:
    """Return near copies among drawings and pictures: the nearest neighbours of each in a few main directions."""
    found: list[Copy] = []
    kinds: dict[str, list[Examined]] = defaultdict(list)
    for each in examined:
        if each.signature is not None and each.ink is not None:
            shown = "strokes" if each.ink.n_strokes else "picture" if manifest.domain == "picture" else "image"
            kinds[f"{shown} {len(each.signature)}"].append(each)
    for name, members in kinds.items():
        pairs = near_pairs(np.stack([e.signature for e in members if e.signature is not None]), NEAR[name.split()[0]])
        best: dict[int, tuple[float, int]] = {}
        for one, two, distance in pairs:
            if _simple(members[one]) or _simple(members[two]):
                continue
            if two not in best or distance < best[two][0]:
                best[two] = distance, one
        words = (
            "is nearly the same drawing as {original}" if name[0] != "p" else "is nearly the same picture as {original}"
        )
        found += [
            Copy(members[one].row, members[two].row, "near-drawing", words, {"distance": round(distance, 4)})
            for two, (distance, one) in sorted(best.items())
        ]
    return found


def _simple(each: Examined) -> bool:
    """Return whether it is so plain a drawing, a dot or a straight line, that two hands make the same."""
    if each.ink is None or not each.ink.n_strokes or each.signature is None:
        return False
    points = each.signature[:-1].reshape(-1, 2)
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return each.ink.n_points < 8 or bool(spread[1] < 0.1 * spread[0])


def near_pairs(vectors: FloatArray, radius: float) -> Iterator[tuple[int, int, float]]:
    """Yield ``(earlier, later, distance)`` of vectors within `radius` of each other, among the nearest of each.

    The search is in the eight main directions, where no distance is larger than in all; so nothing near is missed but
    what has more than `N_NEAREST` neighbours that are nearer there.
    """
    from scipy.spatial import cKDTree

    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    reduced = centred @ directions[:, -8:]
    distances, others = cKDTree(reduced).query(reduced, k=min(N_NEAREST + 1, len(vectors)), distance_upper_bound=radius)
    for row, (near, beside) in enumerate(zip(np.atleast_2d(distances), np.atleast_2d(others), strict=True)):
        for bound, other in zip(near, beside, strict=True):
            if bound <= radius and other > row and other < len(vectors):
                distance = float(np.linalg.norm(vectors[row] - vectors[other]))
                if distance <= radius:
                    yield row, int(other), distance

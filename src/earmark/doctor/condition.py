"""Checks of single examples: broken files, and suspicious sounds and drawings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from earmark.data import Manifest, read_content
from earmark.doctor.examine import Examined
from earmark.doctor.findings import Finding
from earmark.doctor.index import LandmarkIndex
from earmark.doctor.landmarks import RATE_HZ, fingerprint
from earmark.doctor.repeated import MIN_VOTES
from earmark.doctor.signal import LOW_BANDWIDTH, SoundFacts
from earmark.errors import EarmarkError
from earmark.sound import resample
from earmark.types import Sound

CLIPPED_SHARE = 1e-3
TOUCHED_SHARE = 1e-5
FULL_SCALE = 0.99
"""Flat tops at full scale are told from the first few on, as a fact."""

DC_SHARE = 0.02
LONG_SILENCE_S = 5.0
LONG_SILENCE_SHARE = 0.3
OUTLIER_RATIO = 1.8
"""A duration this many times longer or shorter than the median, where most are alike."""

COMMON_SHARE = 0.6
SAME_LENGTH = 2e-3
NEAR_EMPTY_POINTS = 2
_EQUAL = 1.5 / 32768
"""Channels that differ by no more than rounding are the same."""


def broken(manifest: Manifest, examined: Sequence[Examined]) -> Iterator[Finding]:
    """Yield an error for every example that cannot be used, or is no longer what the manifest says."""
    for each in examined:
        example = manifest.examples[each.row]
        if each.problem:
            yield Finding(
                each.kind,
                "error",
                (example.path,),
                each.problem if example.path in each.problem else f"{example.path}: {each.problem}",
                "replace or remove the file",
                family="broken",
                quarantine=(example.path,),
            )
        elif example.sha256 and each.sha256 != example.sha256:
            yield Finding(
                "changed",
                "error",
                (example.path,),
                f"{example.path}: is not the content whose sha256 the manifest gives",
                "restore the file, or correct or clear its sha256",
                family="broken",
            )
        if each.other_kind and not each.problem:
            yield Finding(
                "extension",
                "warning",
                (example.path,),
                f"{example.path}: is {each.other_kind}, not what its extension says",
                "rename it; other programs may refuse it",
                family="broken",
                evidence={"content": each.other_kind},
            )


def suspicious(manifest: Manifest, examined: Sequence[Examined]) -> Iterator[Finding]:
    """Yield what can be used and should perhaps not be."""
    for each in examined:
        for look in LOOKS:
            yield from look(manifest.examples[each.row].path, each)
    yield from _unusual_lengths(manifest, examined)
    yield from _unusual_rates(manifest, examined)


def _finding(
    kind: str, path: str, fault: str, advice: str, *, leave_out: bool = False, **evidence: float | str
) -> Finding:
    return Finding(
        kind,
        "warning",
        (path,),
        f"{path}: {fault}",
        advice,
        family="suspicious",
        evidence=evidence,
        quarantine=(path,) * leave_out,
    )


def _silence(path: str, each: Examined) -> Iterator[Finding]:
    sound = each.sound
    if sound is None:
        return
    cancels = sound.channels_add < _EQUAL < sound.peak
    if sound.silent_share == 1 and not cancels:
        yield _finding(
            "silent", path, "is silent from beginning to end", "remove it", leave_out=True, peak=round(sound.peak, 6)
        )
    elif not cancels and sound.longest_silence_s >= min(
        LONG_SILENCE_S, max(1.0, LONG_SILENCE_SHARE * sound.duration_s)
    ):
        yield _finding(
            "long-silence",
            path,
            f"is silent for {sound.longest_silence_s:.1f} of its {sound.duration_s:.1f} s",
            "cut the silence away, or windows of it will carry the label",
            silence_s=round(sound.longest_silence_s, 2),
        )


def _levels(path: str, each: Examined) -> Iterator[Finding]:
    sound = each.sound
    if sound is None:
        return
    if sound.flat_share >= CLIPPED_SHARE:
        yield _finding(
            "clipping",
            path,
            f"is clipped: {100 * sound.flat_share:.2f} % of its samples lie in flat tops at {sound.peak:.2f}",
            "take it from the source again at a lower level",
            flat_share=round(sound.flat_share, 5),
        )
    elif sound.flat_share >= TOUCHED_SHARE and sound.peak >= FULL_SCALE:
        n = round(sound.flat_share * sound.n_frames)
        touched = _finding("clipping", path, f"is clipped in {n} samples", "nothing, it is hardly heard", n_samples=n)
        yield replace(touched, severity="note")
    if sound.dc >= DC_SHARE:
        yield _finding(
            "dc-offset",
            path,
            f"is shifted by {sound.dc:.3f} of full scale",
            "subtract the mean",
            dc=round(sound.dc, 4),
        )


def _channels(path: str, each: Examined) -> Iterator[Finding]:
    sound = each.sound
    if sound is None or sound.n_channels < 2 or not max(sound.channels_differ, sound.channels_add):
        return
    if sound.channels_differ < _EQUAL:
        yield _finding("equal-channels", path, "is mono stored as two equal channels", "nothing; mono takes half")
    elif sound.channels_add < _EQUAL:
        yield _finding(
            "inverted-channels",
            path,
            "has channels that cancel each other, so its mono mix is silent",
            "turn the sign of one channel round, or use one of them",
            leave_out=True,
        )


def _bandwidth(path: str, each: Examined) -> Iterator[Finding]:
    sound = each.sound
    if sound is not None and sound.cutoff_hz < LOW_BANDWIDTH * sound.sample_rate_hz / 2:
        yield _finding(
            "low-bandwidth",
            path,
            f"ends at {sound.cutoff_hz / 1000:.1f} kHz, though its rate could carry {sound.sample_rate_hz / 2000:.1f}: "
            "it was made from a low-rate or strongly compressed copy",
            "find a better copy, or make all labels equally dull, else the model hears the codec",
            cutoff_hz=round(sound.cutoff_hz),
        )


def _drawn(path: str, each: Examined) -> Iterator[Finding]:
    ink = each.ink
    if ink is None:
        return
    if not ink.contrast:
        yield _finding("constant", path, "is one constant value", "remove it", leave_out=True)
    elif ink.ink_share == 0 and not ink.n_strokes:
        yield _finding("blank", path, "shows nothing drawn", "remove it", leave_out=True)
    elif ink.n_strokes and (ink.n_points <= NEAR_EMPTY_POINTS or not ink.length):
        yield _finding(
            "near-empty",
            path,
            f"is {ink.n_points} point(s) of ink, hardly a drawing",
            "look at it; remove it unless the label is a dot",
            n_points=ink.n_points,
        )


Look: TypeAlias = Callable[[str, Examined], Iterable[Finding]]
LOOKS: tuple[Look, ...] = (_silence, _levels, _channels, _bandwidth, _drawn)
"""Everything that looks at one example; a new look is one function and one entry."""


def _unusual_lengths(manifest: Manifest, examined: Sequence[Examined]) -> Iterator[Finding]:
    """Yield sounds much longer or shorter than the others, where the others are alike."""
    sounds = [(each.row, each.sound) for each in examined if each.sound is not None]
    if len(sounds) < 8:
        return
    durations_s = np.array([sound.duration_s for _, sound in sounds])
    median_s = float(np.median(durations_s))
    ratio = np.abs(np.log(durations_s / median_s))
    limit = max(np.log(OUTLIER_RATIO), 6 * 1.4826 * float(np.median(ratio)))
    for place in np.flatnonzero(ratio > limit):
        row, duration_s = sounds[place][0], durations_s[place]
        yield _finding(
            "unusual-length",
            manifest.examples[row].path,
            f"lasts {duration_s:.2f} s; the median is {median_s:.2f} s",
            "see whether it is an excerpt, several recordings, or has a wrong header",
            duration_s=round(float(duration_s), 3),
            median_s=round(median_s, 3),
        )


def _unusual_rates(manifest: Manifest, examined: Sequence[Examined]) -> Iterator[Finding]:
    """Yield sounds whose rate is not the common one, and those whose header must be wrong."""
    sounds = [(each.row, each.sound) for each in examined if each.sound is not None]
    if len(sounds) < 8:
        return
    rates = Counter(sound.sample_rate_hz for _, sound in sounds)
    common_hz, n_common = rates.most_common(1)[0]
    if n_common == len(sounds) or n_common < COMMON_SHARE * len(sounds):
        return
    usual = [sound for _, sound in sounds if sound.sample_rate_hz == common_hz]
    index = LandmarkIndex([sound.fingerprint for sound in usual])
    rows = [row for row, sound in sounds if sound.sample_rate_hz == common_hz]
    usual_frames = float(np.median([sound.n_frames for sound in usual]))
    for row, sound in sounds:
        if sound.sample_rate_hz == common_hz:
            continue
        path = manifest.examples[row].path
        known = _heard_at(manifest, row, common_hz, index)
        if known is not None or _same_length(sound, usual_frames, usual):
            fault = f"its header says {sound.sample_rate_hz} samples/s, but it holds as many samples as the others do"
            if known is not None:
                fault = (
                    f"its header says {sound.sample_rate_hz} samples/s, but heard at {common_hz} "
                    f"it is {manifest.examples[rows[known]].path}"
                )
            yield _finding(
                "wrong-rate",
                path,
                fault,
                f"correct the rate in its header to {common_hz}, or remove it",
                leave_out=True,
                rate_hz=sound.sample_rate_hz,
                likely_rate_hz=common_hz,
            )
        else:
            yield _finding(
                "unusual-rate",
                path,
                f"has {sound.sample_rate_hz} samples/s; {n_common} of {len(sounds)} sounds have {common_hz}",
                "nothing when it is intact: it is resampled; but see that no label is known by its rate",
                rate_hz=sound.sample_rate_hz,
            )


def _heard_at(manifest: Manifest, row: int, rate_hz: int, index: LandmarkIndex) -> int | None:
    """Return the sound that a file is when its samples are taken to be at another rate, None when it is none."""
    try:
        content = read_content(manifest, manifest.examples[row])
    except (EarmarkError, OSError):
        return None
    if not isinstance(content, Sound):
        return None
    matches = index.query(fingerprint(resample(Sound(content.samples, rate_hz), RATE_HZ).samples), min_votes=MIN_VOTES)
    return matches[0].second if matches else None


def _same_length(sound: SoundFacts, usual_frames: float, usual: Sequence[SoundFacts]) -> bool:
    """Return whether it has the number of samples, not the seconds, that nearly all of the usual ones have."""
    alike = [abs(other.n_frames / usual_frames - 1) < SAME_LENGTH for other in usual]
    return abs(sound.n_frames / usual_frames - 1) < SAME_LENGTH and bool(np.mean(alike) > COMMON_SHARE)

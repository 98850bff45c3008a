"""Render strokes of keys to sound, and say what can be heard in it, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from earmark.models.transcription import VELOCITY_RANGE_DB
from earmark.training.mixtures.bank import FRAME_S, LEAD_S, Note, NoteBank
from earmark.training.mixtures.strokes import HELD, Stroke, ended
from earmark.types import FloatArray

FIRST_UNDAMPED = 90
"""MIDI number of the lowest key without a damper, F#6 on most pianos."""
UNSURE = -1.0
"""The truth of a decision that nobody could take: it counts for nothing."""
SOUNDS_DB, SILENT_DB = -30.0, -40.0
"""A key sounds until it has fallen so far below its own loudest moment; between the two it is unsure."""
MASKED_DB, INAUDIBLE_DB = -40.0, -55.0
"""The same relative to the loudest key of the clip."""
STROKE_DB = -20.0
"""Level of a stroke of 0 dB relative to full scale."""
SURE_FRAMES = 3
"""A key is one of those of a clip when it sounds in so many frames; in fewer it is unsure."""
_RELEASE_S = (0.06, 0.3)
_HALF_WIDTH_FRAMES = 1.5
_LOUD_FRAMES = 5


@dataclass(frozen=True, eq=False)
class Truth:
    """What can be heard in a clip; `UNSURE` where it counts for nothing.

    Attributes
    ----------
    frames
        1 where a key sounds, ``(frame, key)``.
    onsets
        1 at the frame of a stroke, falling to 0 within 1.5 frames, ``(frame, key)``; unsure where the key is not heard,
        as before the stroke.
    velocities
        Level of a stroke where `onsets` is above 0: 0 is 60 dB below full scale, and 1 is that; else NaN.
    clip
        1 for the keys that sound in the clip, ``(key,)``.
    """

    frames: FloatArray
    onsets: FloatArray
    velocities: FloatArray
    clip: FloatArray


@dataclass(frozen=True, eq=False)
class Sounding:
    """One stroke as it sounds: by which recording, and how quickly its damper stills it."""

    stroke: Stroke
    note: Note
    release_s: float


def perform(
    strokes: Sequence[Stroke], bank: NoteBank, rng: np.random.Generator, *, pianos: Sequence[str]
) -> list[Sounding]:
    """Choose a recording for every stroke, by one of `pianos` each; keys that the bank lacks become others."""
    owned = sorted(bank.by_midi)
    played = [s if s.midi in bank.by_midi else replace(s, midi=owned[int(rng.integers(len(owned)))]) for s in strokes]
    chosen = []
    for stroke in ended(played):
        note = bank.draw(stroke.midi, pianos[int(rng.integers(len(pianos)))], rng)
        off_s = HELD if stroke.midi >= FIRST_UNDAMPED else stroke.off_s
        chosen.append(Sounding(replace(stroke, off_s=off_s), note, float(rng.uniform(*_RELEASE_S))))
    return chosen


def mix(performed: Sequence[Sounding], *, n_samples: int, sample_rate_hz: int) -> FloatArray:
    """Return the sum of strokes, float32 ``(n_samples,)``, the loudest moments of a stroke of 0 dB at 0.1."""
    mixed = np.zeros(n_samples, np.float32)
    for each in performed:
        first = round((each.stroke.onset_s - LEAD_S) * sample_rate_hz)
        samples = each.note.samples[max(0, -first) : max(0, n_samples - first)]
        if not len(samples):
            continue
        heard = samples * np.float32(10 ** (each.stroke.gain_db / 20) / 32767)
        start = max(0, first)
        _damp(heard, each, start_s=start / sample_rate_hz, sample_rate_hz=sample_rate_hz)
        mixed[start : start + len(heard)] += heard
    return mixed


def _damp(heard: FloatArray, each: Sounding, *, start_s: float, sample_rate_hz: int) -> None:
    """Let the damper fall, in place: the string loses 60 dB within `Sounding.release_s`."""
    if each.stroke.off_s == HELD:
        return
    first = max(0, round((each.stroke.off_s - start_s) * sample_rate_hz))
    tail = heard[first:]
    if len(tail):
        late_s = start_s - each.stroke.off_s if first == 0 else 0.0
        times_s = np.arange(len(tail), dtype=np.float32) / np.float32(sample_rate_hz) + np.float32(late_s)
        tail *= np.exp(times_s * np.float32(-np.log(1000) / each.release_s))


def truth_of(performed: Sequence[Sounding], *, n_frames: int, hop_s: float, keys: Sequence[int]) -> Truth:
    """Return what can be heard of strokes, by the levels of their own recordings.

    Parameters
    ----------
    n_frames, hop_s
        Frame `t` is centred at ``t * hop_s``.
    keys
        MIDI numbers, one a column.
    """
    column = {midi: index for index, midi in enumerate(keys)}
    own = np.full((n_frames, len(keys)), -200.0, np.float32)  # relative to its own loudest moment
    level = own.copy()  # relative to a stroke of 0 dB
    onsets, velocities = np.zeros_like(own), np.full_like(own, np.nan)
    times_s = np.arange(n_frames) * hop_s
    for each in performed:
        index, onset_s = column[each.stroke.midi], each.stroke.onset_s
        first = max(0, int(np.ceil(onset_s / hop_s - 0.5)))
        if first >= n_frames:
            continue
        levels_db = frame_levels_db(each, times_s[first:])
        own[first:, index] = np.maximum(own[first:, index], levels_db)
        level[first:, index] = np.maximum(level[first:, index], levels_db + each.stroke.gain_db)
        struck = 1 - np.abs(times_s - onset_s) / (_HALF_WIDTH_FRAMES * hop_s)
        near = struck > 0
        onsets[near, index] = np.maximum(onsets[near, index], struck[near])
        velocities[near, index] = 1 + (each.stroke.gain_db + STROKE_DB) / VELOCITY_RANGE_DB
    level -= level.max()
    sounds = (own >= SOUNDS_DB) & (level >= MASKED_DB)
    maybe = (own >= SILENT_DB) & (level >= INAUDIBLE_DB) & ~sounds
    frames = np.where(sounds, 1.0, np.where(maybe, UNSURE, 0.0)).astype(np.float32)
    n_sounding = sounds.sum(0)
    clip = np.where(n_sounding >= SURE_FRAMES, 1.0, np.where((sounds | maybe).any(0), UNSURE, 0.0)).astype(np.float32)
    onsets[(level < MASKED_DB) & (onsets > 0)] = UNSURE
    return Truth(frames, onsets.astype(np.float32), velocities.astype(np.float32), clip)


def frame_levels_db(each: Sounding, times_s: FloatArray) -> FloatArray:
    """Return the level of a stroke at times of the clip, relative to its loudest moment; -200 after its end."""
    since_s = times_s - each.stroke.onset_s
    place = np.maximum(0, since_s / FRAME_S).astype(np.int64)
    known = each.note.levels_db
    levels_db = np.where(place < len(known), known[np.minimum(place, len(known) - 1)], -200.0)
    # The attack of a low string may take some frames; until its loudest one it sounds all the same.
    levels_db[place <= min(_LOUD_FRAMES, int(np.argmax(known)))] = 0.0
    if each.stroke.off_s != HELD:
        levels_db = levels_db - 60 / each.release_s * np.maximum(0, times_s - each.stroke.off_s)
    damped: FloatArray = levels_db.astype(np.float32)
    return damped

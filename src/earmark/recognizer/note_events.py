"""Note events from frames: a note begins at a peak of its onset probability and lasts while its key sounds.

This is the decoding of Hawthorne et al., "Onsets and frames: dual-objective piano transcription" (ISMIR 2018), in which
no note begins without an onset, but for some things: the probability of an onset is multiplied by that of its key in
the two frames after it; an onset is a local maximum, so that a key struck twice gives two notes, and its time is
interpolated between frames; what sounds for one frame alone is no note; and what sounds from the beginning of the
recording on began with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from earmark.recognizer.card import Card
from earmark.recognizer.frame_outputs import FrameScores
from earmark.recognizer.stitching import frame_outputs_of
from earmark.types import FloatArray, Note
from earmark.units import note_midi, note_name

_REACH = 2
"""Frames on either side that an onset is higher than."""
_GAP = 1
"""Frames below the threshold that do not end a note."""
_RELEASE_S = 0.08
"""Strings are heard on after the damper has fallen, which is when a note ends in a MIDI file."""
_BEGINNING = (2, 5)
"""Frames, from the first, in which a key must sound that began with the recording."""
_LOUDEST = 127


def note_events(blocks: Iterable[FrameScores], decoder: NoteDecoder) -> Iterator[Note]:
    """Yield the notes of the frames of a sound, by their ends."""
    for block in blocks:
        yield from decoder.feed(block)
    yield from decoder.finish()


class NoteDecoder:
    """Follows frames block by block, and gives notes as soon as they have ended.

    Parameters
    ----------
    card
        Of the recognizer: labels, hop, and thresholds.

    Raises
    ------
    ModelError
        When the recognizer has no frame outputs.
    """

    def __init__(self, card: Card) -> None:
        self._frames = frame_outputs_of(card)
        self._midi = [note_midi(label) or 0 for label in card.labels]
        n = len(self._midi)
        silence = np.zeros((_REACH, n), np.float32)
        # Silence before the sound: a first frame can be a peak.
        self._held = FrameScores(
            self._frames.hop_s * np.arange(-_REACH, 0, dtype=np.float64), silence, silence, silence
        )
        self._n_followed = 0
        self._is_down, self._is_first = np.zeros(n, np.bool_), np.ones(n, np.bool_)
        self._starts_s, self._struck_s, self._last_s = np.zeros(n), np.zeros(n), np.zeros(n)
        self._velocities, self._confidences = np.zeros(n), np.zeros(n)

    def feed(self, block: FrameScores) -> list[Note]:
        """Take the next frames; return the notes that have ended."""
        self._held = FrameScores.joined([self._held, block])
        n = len(self._held) - 2 * _REACH
        if n <= 0:
            return []
        notes = self._follow(self._held, n)
        self._held = self._held.part(slice(n, None))
        return notes

    def finish(self) -> list[Note]:
        """End the sound; return the notes of the last frames, and those whose keys still sound."""
        silence = np.zeros((_REACH, len(self._midi)), np.float32)
        after_s = self._held.times_s[-1] + self._frames.hop_s * np.arange(1, _REACH + 1)
        notes = self.feed(FrameScores(after_s, silence, silence, silence))
        return notes + self._end(self._is_down, self._last_s + self._frames.hop_s / 2)

    def _follow(self, held: FrameScores, n: int) -> list[Note]:
        """Follow frames `_REACH` to `_REACH + n`, which have neighbours on both sides."""
        struck, shifts = _peaks(held, n, threshold=self._frames.onset_threshold)
        sounding = held.sounding[_REACH : _REACH + n] >= self._frames.frame_threshold
        notes: list[Note] = []
        for row in range(n):
            time_s = float(held.times_s[_REACH + row])
            self._last_s[self._is_down & sounding[row]] = time_s
            silent = self._is_down & (time_s - self._last_s > (_GAP + 0.5) * self._frames.hop_s)
            notes += self._end(silent, self._last_s + self._frames.hop_s / 2 - _RELEASE_S)
            begun = struck[row] | self._sound_from_the_first(sounding[row])
            if begun.any():
                starts_s = np.where(struck[row], time_s + shifts[row] * self._frames.hop_s, 0.0)
                notes += self._strike(begun, starts_s, time_s)
                self._velocities[begun] = held.velocity[_REACH + row, begun]
                sure = np.where(struck[row], held.onset[_REACH + row], held.sounding[_REACH + row])
                self._confidences[begun] = sure[begun]
        return notes

    def _sound_from_the_first(self, sounding: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Take whether keys sound in the next frame; return those that began with the recording, when that is sure."""
        first, last = _BEGINNING
        frame, self._n_followed = self._n_followed, self._n_followed + 1
        if frame >= first:
            self._is_first &= sounding & ~self._is_down
        return self._is_first if frame == last else np.zeros_like(sounding)

    def _strike(self, struck: npt.NDArray[np.bool_], starts_s: npt.NDArray[np.float64], time_s: float) -> list[Note]:
        """Begin notes; return those that they end."""
        before = self._end(self._is_down & struck, starts_s)
        self._is_down |= struck
        self._starts_s[struck] = np.maximum(0, starts_s[struck])
        self._struck_s[struck] = self._last_s[struck] = time_s
        return before

    def _end(self, ended: npt.NDArray[np.bool_], ends_s: npt.NDArray[np.float64]) -> list[Note]:
        """Return the notes of some keys, and lift these keys."""
        keys = np.flatnonzero(ended & (self._last_s > self._struck_s))
        self._is_down = self._is_down & ~ended
        return [
            Note(
                start_s=float(self._starts_s[key]),
                end_s=float(max(ends_s[key], self._starts_s[key] + self._frames.hop_s)),
                midi=self._midi[key],
                name=note_name(self._midi[key]),
                velocity=int(np.clip(round(_LOUDEST * self._velocities[key]), 1, _LOUDEST)),
                confidence=float(self._confidences[key]),
            )
            for key in keys.tolist()
        ]


def _peaks(held: FrameScores, n: int, *, threshold: float) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return where onsets are local maxima, ``(n, n_labels)``, and how many frames later their middles are."""
    centre, before, after = (held.onset[_REACH + shift : _REACH + shift + n] for shift in (0, -1, 1))
    is_peak: npt.NDArray[np.bool_] = centre * _sounding_after(held.sounding, n) >= threshold
    for shift in range(1, _REACH + 1):
        is_peak &= centre > held.onset[_REACH - shift : _REACH - shift + n]
        is_peak &= centre >= held.onset[_REACH + shift : _REACH + shift + n]
    total = before.astype(np.float64) + centre + after
    shifts: npt.NDArray[np.float64] = np.where(is_peak, (after - before) / np.maximum(total, 1e-9), 0.0)
    return is_peak, shifts


def _sounding_after(sounding: FloatArray, n: int) -> FloatArray:
    """Return the mean probability of each key in the frames after each of `n` frames, ``(n, n_labels)``."""
    later: FloatArray = np.mean([sounding[_REACH + shift :][:n] for shift in range(1, _REACH + 1)], axis=0)
    return later

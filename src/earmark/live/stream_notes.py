"""Note events of a stream: those of `Recognizer.notes` for the same samples, as they end."""

from __future__ import annotations

from collections import deque

import numpy as np

from earmark.recognizer import Recognizer, WindowScores
from earmark.recognizer.note_events import NoteDecoder
from earmark.recognizer.prediction import is_foreign
from earmark.recognizer.stitching import FrameStitcher
from earmark.types import FloatArray, Note

_MOST_WINDOWS = 1000
"""Windows that are remembered: notes that last longer than these are kept, whatever they began in."""


class StreamNotes:
    """Follows a stream and gives the notes that have ended, but those that began where the recognizer declines.

    Parameters
    ----------
    recognizer
        One with frame outputs.
    force
        Give all notes.
    """

    def __init__(self, recognizer: Recognizer, *, force: bool) -> None:
        self._card, self._force = recognizer.card, force
        self._stitcher = FrameStitcher(recognizer.network, recognizer.card)
        self._decoder = NoteDecoder(recognizer.card)
        self._ended: list[Note] = []
        self._windows: deque[tuple[float, bool]] = deque(maxlen=_MOST_WINDOWS)

    def feed(self, samples: FloatArray) -> None:
        """Take the next samples ``(time,)`` at the rate of the recognizer."""
        for block in self._stitcher.feed(samples):
            self._ended += self._decoder.feed(block)

    def finish(self) -> None:
        """End the stream, and with it the notes that still sound."""
        for block in self._stitcher.finish():
            self._ended += self._decoder.feed(block)
        self._ended += self._decoder.finish()

    def take(self, scored: WindowScores | None, *, end_s: float) -> tuple[Note, ...]:
        """Return the notes that have ended since the last call.

        Parameters
        ----------
        scored
            Of the window that ends at `end_s`; None for silence.
        """
        if scored is not None:
            middle_s = end_s - float(scored.ends_s[0] - scored.starts_s[0]) / 2
            self._windows.append((middle_s, is_foreign(self._card.rejection, scored)))
        notes, self._ended = self._ended, []
        return tuple(note for note in notes if self._force or not self._began_in_foreign(note))

    def _began_in_foreign(self, note: Note) -> bool:
        """Return whether the window whose middle is nearest to an onset is unlike what was learned."""
        if not self._windows or note.start_s < self._windows[0][0] - 1:
            return False
        middles_s = np.array([middle_s for middle_s, _ in self._windows])
        return self._windows[int(np.abs(middles_s - note.start_s).argmin())][1]

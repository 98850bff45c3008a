"""Exponential smoothing with hysteresis: an answer over a stream that does not flicker."""

from __future__ import annotations

import numpy as np

from earmark.types import FloatArray

SILENCE = "silence"


class AnswerSmoother:
    """Smooths the probabilities of successive windows, and changes its label only for one that is clearly better.

    Parameters
    ----------
    keep
        Share of the past in the smoothed probabilities, 0…1.
    margin
        By how much another label must be more probable before it takes over.
    unknown_below
        Smoothed confidence under which no label is given; one that is given is kept until it is `margin` lower.
    """

    def __init__(self, *, keep: float, margin: float, unknown_below: float) -> None:
        self._keep, self._margin, self._unknown_below = keep, margin, unknown_below
        self._smooth: FloatArray | None = None
        self._current: int | None = None

    def reset(self) -> None:
        """Forget the past: what sounds after a silence is something new."""
        self._smooth = self._current = None

    def update(self, probabilities: FloatArray) -> tuple[int | None, FloatArray]:
        """Take ``(n_labels,)`` of the next window; return the index of the label and the smoothed probabilities.

        The index is None for ``"unknown"``.
        """
        past = probabilities if self._smooth is None else self._smooth
        smooth: FloatArray = (self._keep * past + (1 - self._keep) * probabilities).astype(np.float32)
        best = int(np.argmax(smooth))
        if self._current is not None and smooth[self._current] < self._unknown_below - self._margin:
            self._current = None
        if self._current is None:
            self._current = best if smooth[best] >= self._unknown_below else None
        elif smooth[best] > smooth[self._current] + self._margin:
            self._current = best
        self._smooth = smooth
        return self._current, smooth

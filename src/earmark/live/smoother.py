"""Exponential smoothing with hysteresis: an answer over a stream that does not flicker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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


class LabelSmoother:
    """Smooths the probabilities of labels that do not exclude each other, each of which comes and goes by itself.

    Parameters
    ----------
    keep
        Share of the past in the smoothed probabilities, 0…1.
    margin
        A label that is given is kept until its smoothed probability is this share below its threshold.
    thresholds
        From which on each label is given.
    """

    def __init__(self, *, keep: float, margin: float, thresholds: Sequence[float]) -> None:
        self._keep = keep
        self._on = np.array(thresholds, np.float32)
        self._off = (1 - margin) * self._on
        self.reset()

    def reset(self) -> None:
        """Forget the past: what sounds after a silence is something new."""
        self._smooth: FloatArray | None = None
        self._given = np.zeros(len(self._on), np.bool_)

    def update(self, probabilities: FloatArray) -> tuple[npt.NDArray[np.bool_], FloatArray]:
        """Take ``(n_labels,)`` of the next window; return which labels are given, and the smoothed probabilities."""
        past = probabilities if self._smooth is None else self._smooth
        smooth: FloatArray = (self._keep * past + (1 - self._keep) * probabilities).astype(np.float32)
        self._given = smooth >= np.where(self._given, self._off, self._on)
        self._smooth = smooth
        return self._given, smooth

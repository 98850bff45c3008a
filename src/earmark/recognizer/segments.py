"""Viterbi segmentation of window scores into stretches of one label.

The path of labels through the windows that explains them best, when each change costs something: the maximum over all
paths of the summed evidence minus `CHANGE_COST` for every change, found exactly by the algorithm of Viterbi (1967). The
evidence of a window is its log-probability of a label, times the share of the window that no neighbour covers better,
so that overlapping windows do not count the same second twice. "None of these" is one more label, with the probability
of being out-of-distribution; silence is not part of any path and ends a segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from earmark.recognizer.network import WindowScores

CHANGE_COST = 2.0
"""In nats: what follows must be e² times likelier with the change than without. Chosen on medleys, see docs/zoo.md."""

_LEAST = 1e-6  # one window, however sure, is no proof


def segments(scored: WindowScores) -> Iterator[tuple[float, float, WindowScores]]:
    """Yield start, end and windows of every segment; together they cover the whole sound.

    A border lies halfway between the middles of two windows.
    """
    borders = window_borders(scored)
    path = _path(_evidence(scored, np.diff(borders)), silent=scored.weights <= 0)
    changes = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    for first, last in pairwise(changes):
        yield float(borders[first]), float(borders[last]), scored.part(slice(first, last))


def label_segments(
    scored: WindowScores, given: npt.NDArray[np.bool_]
) -> Iterator[tuple[float, float, int, WindowScores]]:
    """Yield start, end, index of the label and windows of every stretch in which a label is `given` without a gap.

    They come in the order of their starts, and those of several labels overlap. Borders are those of `segments`.

    Parameters
    ----------
    given
        Whether each label is an answer to each window, ``(n_windows, n_labels)``.
    """
    borders = window_borders(scored)
    found = []
    for label, windows in enumerate(given.T):
        edges = np.flatnonzero(np.diff(windows.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
        found += [(first, label, last) for first, last in edges.tolist()]
    for first, label, last in sorted(found):
        yield float(borders[first]), float(borders[last]), label, scored.part(slice(first, last))


def window_borders(scored: WindowScores) -> npt.NDArray[np.float64]:
    """Return the times between the middles of neighbouring windows, from the start to the end of the sound."""
    middles = (scored.starts_s + scored.ends_s) / 2
    return np.concatenate([scored.starts_s[:1], (middles[:-1] + middles[1:]) / 2, scored.ends_s[-1:]])


def _evidence(scored: WindowScores, spans_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return what each window says for each label and for none of them, ``(n_windows, n_labels + 1)``."""
    known = scored.familiarity[:, None]
    claims = np.concatenate([known * scored.probabilities, 1 - known], axis=1)
    shares = np.minimum(1, spans_s / (scored.ends_s - scored.starts_s))
    logarithms: npt.NDArray[np.float64] = np.log(np.maximum(claims, _LEAST))
    return shares[:, None] * logarithms


def _path(evidence: npt.NDArray[np.float64], *, silent: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return the label of every window on the best path, -1 where it is silent."""
    path = np.full(len(evidence), -1)
    heard = np.flatnonzero(~silent)
    for run in np.split(heard, np.flatnonzero(np.diff(heard) > 1) + 1):
        if len(run):
            path[run] = _best_path(evidence[run])
    return path


def _best_path(evidence: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    n_windows, n_labels = evidence.shape
    best = evidence[0]
    came_from = np.empty((n_windows, n_labels), np.intp)
    for window in range(1, n_windows):
        leader = int(best.argmax())
        changes = best < best[leader] - CHANGE_COST
        came_from[window] = np.where(changes, leader, np.arange(n_labels))
        best = np.where(changes, best[leader] - CHANGE_COST, best) + evidence[window]
    path = np.empty(n_windows, np.intp)
    path[-1] = best.argmax()
    for window in range(n_windows - 1, 0, -1):
        path[window - 1] = came_from[window, path[window]]
    return path

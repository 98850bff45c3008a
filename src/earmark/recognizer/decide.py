"""Rejection rules: when the answer is ``unknown``, and the sentence that says why, with its numbers."""

from __future__ import annotations

import numpy as np

from earmark.recognizer.rejection import Rejection
from earmark.recognizer.windows import WindowScores
from earmark.text import percent
from earmark.types import Answer, FloatArray

SILENT = "silence: the sound never rises above -80 dB of full scale"
# Rows of a spectrogram on either side that a partial is compared with: an octave at three bins a semitone.
_NEIGHBOURHOOD = 18


def rejection_reason(rejection: Rejection | None, best: Answer, *, familiarity: float, salience: float) -> str | None:
    """Return why the answer is ``unknown``, or None when the best guess is given.

    Parameters
    ----------
    rejection
        The thresholds of the card; without any, every answer is given.
    best
        The best guess, with the confidence that would be given.
    familiarity
        Probability that the input is in-distribution, 0…1.
    salience
        How far its partials stand out, in dB, see `pitch_salience`.

    >>> from earmark.types import Answer
    >>> rejection_reason(Rejection(min_familiarity=0.5), Answer("A4", 0.03, {}), familiarity=0.031, salience=9.0)
    'unlike anything learned: its familiarity is 3.1 %, and 50.0 % is needed'
    """
    if rejection is None:
        return None
    foreign = foreign_reason(rejection, familiarity=familiarity, salience=salience)
    if foreign is not None:
        return foreign
    # The threshold was chosen on answers to what is familiar, so how familiar this is must not count twice.
    probability = best.confidence / max(familiarity, best.confidence)
    if probability < rejection.min_confidence:
        return (
            f"too uncertain: the best guess, {best.label}, has a probability of {percent(probability)} among the"
            f" labels, and {percent(rejection.min_confidence)} is needed"
        )
    return None


def foreign_reason(rejection: Rejection | None, *, familiarity: float, salience: float) -> str | None:
    """Return why an input is unlike what was learned, whatever its best guess is; parameters as `rejection_reason`."""
    least_db = None if rejection is None else rejection.min_pitch_salience
    least = None if rejection is None else rejection.min_familiarity
    if least_db is not None and salience < least_db:
        return f"no pitch: partials stand out by {salience:.1f} dB, and {least_db:.1f} dB is needed"
    if least is not None and familiarity < least:
        return f"unlike anything learned: its familiarity is {percent(familiarity)}, and {percent(least)} is needed"
    return None


def is_foreign(rejection: Rejection | None, scores: WindowScores) -> bool:
    """Return whether windows, if not silent, are unlike what was learned, whatever their best guess is."""
    familiarity, salience = scores.mean_familiarity(), scores.mean_salience()
    return not scores.is_silent and foreign_reason(rejection, familiarity=familiarity, salience=salience) is not None


def pitch_salience(spectrograms: FloatArray) -> FloatArray:
    """Return how far the strongest partial stands out of its neighbourhood, in dB, ``(batch,)``.

    Parameters
    ----------
    spectrograms
        In dB on a logarithmic axis of frequency, ``(batch, channel, freq, time)``.
    """
    power = np.exp(spectrograms[:, 0] * np.float32(np.log(10) / 10)).mean(axis=2, dtype=np.float64)
    level_db = 10 * np.log10(power + 1e-12)
    padded = np.pad(level_db, ((0, 0), (_NEIGHBOURHOOD, _NEIGHBOURHOOD)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURHOOD + 1, axis=1)
    # Of an odd number the median is the middle one; np.median takes twice as long to find it.
    medians = np.partition(around, _NEIGHBOURHOOD, axis=2)[..., _NEIGHBOURHOOD]
    rise: FloatArray = (level_db - medians).max(axis=1).astype(np.float32)
    return rise

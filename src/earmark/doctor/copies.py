"""Sample-level comparison of two sounds with matching fingerprints: whether they are copies, and of which kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from earmark.doctor.landmarks import FRAME_S, RATE_HZ
from earmark.doctor.signal import SoundFacts
from earmark.types import FloatArray

Relation: TypeAlias = Literal["gain", "inverted", "resampled", "encoded", "excerpt", "trimmed", "processed", "alike"]

COMPARED_S = 12.0
"""As much of the common part is laid on each other."""

SURE = 0.8
"""Correlation of copies; codecs, rates and clipping cost less than this."""

LOSSY = frozenset({"MP3", "OGG", "AAC", "OPUS", "WMA", "MATROSKA", "M4A"})


@dataclass(frozen=True, slots=True)
class Overlay:
    """How two sounds fit each other.

    Attributes
    ----------
    correlation
        Of the samples of the common part at 8 kHz, at the best alignment, -1…1.
    gain_db
        How much louder the second is.
    offset_s
        How much later the common part is in the second.
    common_s
        How long both have sound at this alignment.
    """

    correlation: float
    gain_db: float
    offset_s: float
    common_s: float


def overlay(first: FloatArray, second: FloatArray, *, offset_s: float) -> Overlay:
    """Lay two sounds, float32 ``(time,)`` at `RATE_HZ`, on each other near an offset and measure how well they fit."""
    from scipy.signal import correlate, correlation_lags

    slack = round(2 * FRAME_S * RATE_HZ)
    shift = round(offset_s * RATE_HZ)
    begin = max(0, -shift)
    common = min(len(first) - begin, len(second) - max(0, shift))
    size = min(common, round(COMPARED_S * RATE_HZ))
    # The middle of the common part: beginnings and ends may be silent.
    begin += max(0, (common - size) // 2)
    piece = first[begin : begin + size].astype(np.float64)
    start = max(0, begin + shift - slack)
    other = second[start : begin + shift + size + slack].astype(np.float64)
    if min(len(piece), len(other)) < RATE_HZ // 10:
        return Overlay(0.0, 0.0, offset_s, 0.0)
    products = correlate(other, piece, mode="full", method="fft")
    lags = correlation_lags(len(other), len(piece), mode="full")
    best = int(np.argmax(np.abs(products)))
    lag = int(lags[best])
    matched = other[max(0, lag) : lag + len(piece)]
    aligned = piece[max(0, -lag) : max(0, -lag) + len(matched)]
    energy = float(aligned @ aligned), float(matched @ matched)
    if min(energy) <= 0:
        return Overlay(0.0, 0.0, offset_s, 0.0)
    correlation = float(aligned @ matched / np.sqrt(energy[0] * energy[1]))
    exact = (start + lag - begin) / RATE_HZ
    gain_db = 10 * float(np.log10(energy[1] / energy[0]))
    return Overlay(correlation, gain_db, exact, common / RATE_HZ)


def relation(first: SoundFacts, second: SoundFacts, fit: Overlay) -> Relation:
    """Name what the second sound is to the first."""
    if abs(fit.correlation) < SURE:
        return "alike"
    shorter, longer = sorted((first.duration_s, second.duration_s))
    # A codec adds up to a tenth of a second at either end.
    if longer - shorter > 0.25 or abs(fit.offset_s) > 0.25:
        return "trimmed" if shorter >= 0.8 * longer else "excerpt"
    if fit.correlation < 0:
        return "inverted"
    if (first.format in LOSSY) != (second.format in LOSSY):
        return "encoded"
    if first.sample_rate_hz != second.sample_rate_hz:
        return "resampled"
    return "gain" if abs(fit.gain_db) > 0.5 else "processed"

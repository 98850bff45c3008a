"""Calibration: expected calibration error, and temperature scaling (Guo et al. 2017, ICML).

Answers are calibrated when, of those with a confidence of 90 %, nine in ten are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError
from earmark.recognizer.network import log_softmax
from earmark.types import IntArray, RealArray

N_BINS = 15
TEMPERATURES = (0.05, 20.0)
# A likelihood of exactly 0 would make the logarithm infinite.
SMALLEST_LIKELIHOOD = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Answers sorted into bins of equal width by their confidence.

    Attributes
    ----------
    edges
        Shape ``(n_bins + 1,)``, from 0 to 1; a bin holds its upper edge.
    n
        Answers in each bin, shape ``(n_bins,)``.
    accuracy, confidence
        Their mean in each bin, shape ``(n_bins,)``; NaN where a bin is empty.
    """

    edges: RealArray
    n: IntArray
    accuracy: RealArray
    confidence: RealArray

    @property
    def error(self) -> float:
        """Expected calibration error: the gap between accuracy and confidence, weighted by the bins' sizes."""
        filled = self.n > 0
        gap = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float(np.sum(gap * self.n[filled]) / self.n.sum())


def reliability(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = N_BINS) -> Reliability:
    """Sort answers into `n_bins` bins of equal width (Guo et al. 2017, section 2).

    Parameters
    ----------
    confidence
        Probability of each answer, 0…1, shape ``(n,)``.
    correct
        Whether each is right, shape ``(n,)``.
    """
    claimed = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    bins = np.clip(np.ceil(claimed * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    n = np.bincount(bins, minlength=n_bins).astype(np.int64)
    size = np.where(n > 0, n, np.nan)
    return Reliability(
        edges=np.linspace(0.0, 1.0, n_bins + 1),
        n=n,
        accuracy=np.bincount(bins, weights=right, minlength=n_bins) / size,
        confidence=np.bincount(bins, weights=claimed, minlength=n_bins) / size,
    )


def negative_log_likelihood(logits: npt.NDArray[Any], truth: npt.ArrayLike) -> float:
    """Return the mean of minus the natural logarithm of the probability given to the truth, in nats."""
    return float(-np.mean(log_softmax(logits)[np.arange(len(logits)), np.asarray(truth)]))


def fit_temperature(
    logits: npt.NDArray[Any],
    truth: npt.ArrayLike,
    *,
    row: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Return the temperature, 0.05…20, that makes the likelihood of `truth` largest (Guo et al. 2017, section 4.2).

    Dividing logits by it changes how sure the answers are, not which they are. Fit it on examples that were neither
    trained on nor are scored. When all `n` answers are right, any confidence short of certainty would be too low; as
    in Platt (1999), each is therefore taken to be wrong with Laplace's probability ``1 / (n + 2)``.

    Parameters
    ----------
    logits
        Of the examples, shape ``(n, n_labels)``, or of their windows, shape ``(n_windows, n_labels)``.
    truth
        Index of the right label of each example, shape ``(n,)``.
    row, weights
        For windows: which example each belongs to and what it counts in the mean of the probabilities, shape
        ``(n_windows,)``. The temperature is then the best one to divide each window's logits by.

    Raises
    ------
    DataError
        When there are no logits, or one is not finite.
    """
    from scipy.optimize import minimize_scalar

    if len(logits) == 0 or not np.isfinite(logits).all():
        raise DataError("a temperature needs at least one row of finite logits; give the answers to a validation part")
    place = np.arange(len(logits)) if row is None else np.asarray(row)
    counts = np.ones(len(logits)) if weights is None else np.asarray(weights, dtype=np.float64)
    share = counts / np.bincount(place, weights=counts)[place]
    right = np.asarray(truth)[place]

    def loss(log_temperature: float) -> float:
        chosen = log_softmax(logits / np.exp(log_temperature))[np.arange(len(logits)), right]
        likelihood = np.bincount(place, weights=share * np.exp(chosen))
        hit, miss = (np.log(np.maximum(p, SMALLEST_LIKELIHOOD)) for p in (likelihood, 1 - likelihood))
        doubt = 1 / (len(likelihood) + 2)
        return float(-np.mean((1 - doubt) * hit + doubt * miss))

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))

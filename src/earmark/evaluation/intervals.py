"""Confidence intervals by cluster bootstrap over groups, and paired comparison of two recognizers.

Clips of one artist, drawings of one writer and keys of one piano resemble each other, so they are resampled together
(cluster bootstrap). Few groups make the plain percentile interval too narrow; the *expanded* percentile interval
(Hesterberg 2015, The American Statistician 69(4), arXiv 1411.5279) widens it as Student's t does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.errors import DataError
from earmark.evaluation.outcome import Outcome
from earmark.types import IntArray, RealArray

Basis: TypeAlias = Literal["groups", "examples", "wilson"]
Interval: TypeAlias = tuple[float, float]

N_RESAMPLES = 2000
# Resampling weights held in memory at once.
BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two recognizers on the same examples.

    Attributes
    ----------
    difference
        Accuracy of the first minus that of the second; of multi-label answers the mean F1 of the labels of an example.
    interval
        95 % interval of it, by resampling groups (examples when there is one group; see `basis`).
    basis
        What was resampled.
    n, n_groups
        Examples and groups in common.
    only_first, only_second
        Examples that only one of them has right; of multi-label answers, that it has better than the other.
    p_value
        Exact McNemar test (of multi-label answers the sign test), two-sided: the chance of a split at least this uneven
        were both equally good. It takes examples as independent; where groups are few, trust the interval.
    """

    difference: float
    interval: Interval
    basis: Basis
    n: int
    n_groups: int
    only_first: int
    only_second: int
    p_value: float

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        low, high = (100 * value for value in self.interval)
        verdict = "the difference may be chance" if low <= 0 <= high else "a difference of this size is not chance"
        return (
            f"{100 * self.difference:+.1f} points on the same {self.n:,} examples (95 % interval {low:+.1f} to "
            f"{high:+.1f}, McNemar p = {self.p_value:.2g}): {verdict}."
        )


def accuracy_interval(
    correct: npt.ArrayLike, groups: npt.ArrayLike, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[Interval, Basis]:
    """Return a 95 % interval of the mean of `correct`, and what it rests on.

    Parameters
    ----------
    correct
        Whether each answer is right, shape ``(n,)``.
    groups
        The group of each, shape ``(n,)``.
    n_resamples, seed
        Of the bootstrap.

    Returns
    -------
    ``((low, high), basis)``. The basis is ``"groups"``; with one group nothing can be said about other groups and it
    is ``"examples"``; where resampling shows no spread, as when all answers are right, it is ``"wilson"``, the score
    interval over examples.
    """
    right = np.asarray(correct, dtype=np.float64)
    if len(right) == 0:
        raise DataError("there are no examples to score; give a source or a part that holds some")
    if right.min() == right.max():
        return wilson(int(right.sum()), len(right)), "wilson"
    (low, high), basis = _bootstrap(right, np.asarray(groups), n_resamples=n_resamples, seed=seed)
    if high - low < 1e-9:
        return wilson(int(right.sum()), len(right)), "wilson"
    return (low, high), basis


def compare(first: Outcome, second: Outcome, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Comparison:
    """Compare two recognizers on the same examples, paired.

    Raises
    ------
    DataError
        When the two do not answer to the same examples with the same truths.
    """
    from scipy.special import bdtr

    order = _same_examples(first, second)
    gain = first.credit - second.credit[order]
    only_first, only_second = int((gain > 0).sum()), int((gain < 0).sum())
    interval, basis = _bootstrap(gain, first.groups, n_resamples=n_resamples, seed=seed)
    n_differing = only_first + only_second
    tail = float(bdtr(min(only_first, only_second), n_differing, 0.5)) if n_differing else 1.0
    return Comparison(
        difference=float(gain.mean()),
        interval=interval,
        basis=basis,
        n=first.n,
        n_groups=len(np.unique(first.groups)),
        only_first=only_first,
        only_second=only_second,
        p_value=min(1.0, 2.0 * tail),
    )


def wilson(n_right: int, n: int) -> Interval:
    """Return Wilson's 95 % score interval of a share (Wilson 1927, JASA 22).

    >>> [round(bound, 3) for bound in wilson(10, 10)]
    [0.722, 1.0]
    """
    z = 1.959963984540054
    share = n_right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Rounding must not part the ends from certainty, nor the share from its interval.
    return min(max(float(centre - half), 0.0), share), max(min(float(centre + half), 1.0), share)


def _bootstrap(
    values: RealArray, groups: npt.NDArray[np.str_], *, n_resamples: int, seed: int
) -> tuple[Interval, Basis]:
    basis: Basis = "groups"
    names, row = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        basis, row = "examples", np.arange(len(values))
    if len(values) < 2:
        raise DataError(f"{len(values)} example gives no interval; score at least two")
    totals = np.stack([np.bincount(row, weights=values), np.bincount(row).astype(np.float64)], axis=1)
    means = _resampled_means(totals, n_resamples=n_resamples, seed=seed)
    tail = expanded_tail(len(totals))
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return (float(low), float(high)), basis


def resampled_counts(groups: npt.ArrayLike, *, n_resamples: int, seed: int) -> Iterator[RealArray]:
    """Yield how often each example is in each of some resamples of the groups, ``(n_resamples, n)``, in blocks.

    With one group the examples are resampled.
    """
    names, row = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) == 1:
        row = np.arange(len(row))
    for draws in _draws(int(row.max()) + 1, n_resamples=n_resamples, seed=seed, width=len(row)):
        yield draws[:, row].astype(np.float64)


def _draws(n_units: int, *, n_resamples: int, seed: int, width: int) -> Iterator[IntArray]:
    """Yield how often each unit is drawn in `n_units` draws with replacement, ``(n, n_units)``, in blocks.

    `width` is how many numbers a resample needs in memory.
    """
    random = np.random.default_rng(seed)
    step = max(1, BLOCK // width)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        yield random.multinomial(n_units, np.full(n_units, 1.0 / n_units), size=size)


def _resampled_means(totals: RealArray, *, n_resamples: int, seed: int) -> RealArray:
    """Return the mean of each resample of units with ``(sum, count)`` rows `totals`, shape ``(n_resamples,)``."""
    parts = []
    for draws in _draws(len(totals), n_resamples=n_resamples, seed=seed, width=len(totals)):
        sums = draws @ totals
        parts.append(sums[:, 0] / sums[:, 1])
    return np.concatenate(parts)


def expanded_tail(n_units: int) -> float:
    """Return the share of resamples to leave out at either end for 95 % (Hesterberg 2015)."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(np.sqrt(n_units / (n_units - 1)) * stdtrit(n_units - 1, 0.025)))


def _same_examples(first: Outcome, second: Outcome) -> npt.NDArray[np.int64]:
    """Return the rows of `second` in the order of `first`."""
    order = np.arange(second.n)
    if first.inputs != second.inputs:
        place = {name: row for row, name in enumerate(second.inputs)}
        if len(place) != second.n or len(set(first.inputs)) != first.n or set(place) != set(first.inputs):
            raise DataError(
                f"the first answers to {first.n} examples and the second to {second.n}, not the same ones; "
                "evaluate both on the same data and part"
            )
        order = np.array([place[name] for name in first.inputs], dtype=np.int64)
    if not np.array_equal(_named_truth(first), _named_truth(second)[order]):
        raise DataError("the two know different truths for the same examples; evaluate both on the same manifest")
    return order


def _named_truth(outcome: Outcome) -> npt.NDArray[np.str_]:
    """Return the right label of every example, or the name of each of its labels and nothing for the others."""
    names = np.array(outcome.labels)
    return np.where(outcome.truth, names, "") if outcome.is_multi_label else names[outcome.truth]

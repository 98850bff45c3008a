"""Several runs of one recipe, told apart only by their seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.config import Config
from earmark.errors import DataError
from earmark.evaluation.scores import Scores


class Spread(Config):
    """A figure over several runs; `std` is the sample standard deviation (n - 1), None for a single run."""

    mean: float
    std: float | None
    lowest: float
    highest: float


class Repeats(Config):
    """Scores of several runs."""

    n_runs: int
    seeds: tuple[int, ...]
    protocols: tuple[str, ...]
    accuracy: Spread
    balanced_accuracy: Spread
    macro_f1: Spread
    ece: Spread
    nll: Spread

    @property
    def sentence(self) -> str:
        """The mean accuracy and its spread in words."""
        if self.accuracy.std is None:
            return f"accuracy {100 * self.accuracy.mean:.1f} % (one run: its spread over seeds is not known)"
        return f"accuracy {100 * self.accuracy.mean:.1f} ± {100 * self.accuracy.std:.1f} % over {self.n_runs} runs"


def combine(scores: Sequence[Scores]) -> Repeats:
    """Return mean and spread over runs.

    Raises
    ------
    DataError
        When there are none, or their labels differ.
    """
    if not scores:
        raise DataError("there are no scores to combine; give those of at least one run")
    if any(set(each.labels) != set(scores[0].labels) for each in scores):
        raise DataError("scores of different labels cannot be combined; give runs of one recipe on one data set")
    return Repeats(
        n_runs=len(scores),
        seeds=tuple(dict.fromkeys(seed for each in scores for seed in each.seeds)),
        protocols=tuple(dict.fromkeys(each.protocol for each in scores)),
        accuracy=_spread([each.accuracy for each in scores]),
        balanced_accuracy=_spread([each.balanced_accuracy for each in scores]),
        macro_f1=_spread([each.macro_f1 for each in scores]),
        ece=_spread([each.ece for each in scores]),
        nll=_spread([each.nll for each in scores]),
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(
        mean=float(np.mean(values)),
        std=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        lowest=min(values),
        highest=max(values),
    )

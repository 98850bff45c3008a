"""Hyperparameter search with Optuna (Akiba et al. 2019): axes, and a study that goes on when it is opened again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark import extras
from earmark.config import Config

if TYPE_CHECKING:
    import optuna

# A range this wide is searched by its logarithm.
WIDE = 10
_NAME = "earmark"


class Axis(Config):
    """One parameter to search.

    Attributes
    ----------
    key
        Its name.
    low, high
        Ends of a range.
    whole
        Whether only whole numbers of the range are meant.
    choices
        Or the values to choose from.
    """

    key: str
    low: float | None = None
    high: float | None = None
    whole: bool = False
    choices: tuple[str | int | float | None, ...] = ()


def axis_of(key: str, values: Sequence[Any]) -> Axis:
    """Return the axis from the least to the largest of some numbers, or with `values` to choose from.

    >>> axis_of("depth", [2, 4, 8])
    Axis(key='depth', low=2.0, high=8.0, whole=True, choices=())
    """
    if not all(isinstance(value, int | float) for value in values):
        return Axis(key=key, choices=tuple(values))
    whole = all(isinstance(value, int) for value in values)
    return Axis(key=key, low=min(values), high=max(values), whole=whole)


def suggest(trial: optuna.Trial, axis: Axis) -> Any:
    """Return the value of `axis` that a trial uses."""
    if axis.choices:
        return trial.suggest_categorical(axis.key, axis.choices)
    low, high = axis.low or 0.0, axis.high or 0.0
    log = low > 0 and high / low >= WIDE
    if axis.whole:
        return trial.suggest_int(axis.key, int(low), int(high), log=log)
    return trial.suggest_float(axis.key, low, high, log=log)


class Study:
    """Trials that maximise a score, kept in a journal file.

    A search that was stopped goes on, with the same `seed`, as if it had not been.

    Parameters
    ----------
    path
        The journal; made when it is not there.
    name
        Of the study in it.
    seed
        Of the suggestions.
    pruner
        Gives up trials early.

    Raises
    ------
    MissingExtraError
        When Optuna is not installed.
    """

    def __init__(
        self, path: Path, *, name: str = _NAME, seed: int, pruner: optuna.pruners.BasePruner | None = None
    ) -> None:
        extras.require("a search", "train", "optuna")
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._seed = seed
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=name,
            pruner=pruner,
            direction="maximize",
            load_if_exists=True,
        )
        # A trial that was killed would still weigh in what is suggested; the same one is suggested again.
        for trial in self._study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def belongs_to(self, identity: Any) -> bool:
        """Return whether the study was begun for the same `identity`, plain values; a new one is begun for it."""
        known = self._study.user_attrs.get("identity", identity)
        self._study.set_user_attr("identity", known)
        return bool(known == identity)

    @property
    def finished(self) -> list[optuna.trial.FrozenTrial]:
        """The trials that ran to their end or were given up early."""
        from optuna.trial import TrialState

        return self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))

    @property
    def best_score(self) -> float | None:
        """The best score of a finished trial."""
        return max((trial.value for trial in self.finished if trial.value is not None), default=None)

    def run(self, score: Callable[[optuna.Trial], float], *, n_trials: int) -> Iterator[int]:
        """Go on until `n_trials` are finished, those of earlier calls included.

        Yields how many are finished: at the beginning and after each.

        Parameters
        ----------
        score
            What is maximised; may raise ``optuna.TrialPruned``.
        """
        from optuna.samplers import TPESampler

        while True:
            done = len(self.finished)
            yield min(done, n_trials)
            if done >= n_trials:
                return
            self._study.sampler = TPESampler(seed=self._seed + done)
            self._study.optimize(score, n_trials=1)

    def run_together(
        self, score: Callable[[Sequence[optuna.Trial]], Iterable[float]], *, n_trials: int, n_together: int
    ) -> Iterator[int]:
        """Go on as `run`, with `n_together` trials at a time, of which none knows how the others do.

        The same number at a time gives the same trials; another number gives others. None is given up early.
        """
        from optuna.samplers import TPESampler

        while True:
            done = len(self.finished)
            yield min(done, n_trials)
            if done >= n_trials:
                return
            self._study.sampler = TPESampler(seed=self._seed + done, constant_liar=True)
            trials = [self._study.ask() for _ in range(min(n_together, n_trials - done))]
            for trial, value in zip(trials, score(trials), strict=True):
                self._study.tell(trial, value)

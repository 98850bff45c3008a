"""The settings of one transform and one model: all of a grid, or what Optuna suggests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from earmark.config import Config

if TYPE_CHECKING:
    import optuna

# A range this wide is searched by its logarithm.
_WIDE = 10

Setting: TypeAlias = Mapping[str, int | float | str | None]
Objective: TypeAlias = Callable[[Setting], tuple[float, float]]
"""From a setting to the accuracy on what was learned from and on what was not."""
OnTrial: TypeAlias = Callable[[int, float], None]
"""Hears how many settings were tried, and the best accuracy so far."""


class Tried(Config):
    """One setting of a search: mean accuracy over the folds, on what was learned from and on what was not."""

    parameters: Setting
    train_accuracy: float
    valid_accuracy: float


def grid_search(values: Mapping[str, Sequence[Any]], judge: Objective, told: OnTrial) -> tuple[Tried, ...]:
    """Try every combination of the values of each parameter."""
    from sklearn.model_selection import ParameterGrid

    tried: list[Tried] = []
    for parameters in ParameterGrid(values):
        tried.append(_tried(parameters, judge(parameters)))
        told(len(tried), best_of(tried).valid_accuracy)
    return tuple(tried)


@dataclass(frozen=True, slots=True)
class Study:
    """Where trials are remembered, and how many there are to be.

    Attributes
    ----------
    storage, name
        A file, and the name of the study in it.
    n_trials
        How many there are in the end, those of an earlier call included.
    seed
        Of the suggestions: a study that was stopped goes on as if it had not been.
    """

    storage: Path
    name: str
    n_trials: int
    seed: int


def tuned_search(
    values: Mapping[str, Sequence[Any]], judge: Objective, told: OnTrial, *, plan: Study
) -> tuple[Tried, ...]:
    """Try settings between the least and the largest value of each parameter, as Optuna suggests (Akiba et al. 2019).

    A parameter that is not a number takes one of its values. A setting that was tried is not tried again.
    """
    study = _opened(plan)
    while (done := len(_finished(study))) < plan.n_trials:
        study.sampler = _sampler(plan.seed + done)
        trial = study.ask()
        parameters = {parameter: _suggested(trial, parameter, choices) for parameter, choices in values.items()}
        known = {str(each.parameters): each for each in _finished(study)}.get(str(parameters))
        made = known or _tried(parameters, judge(parameters))
        trial.set_user_attr("tried", made.model_dump(mode="json"))
        study.tell(trial, made.valid_accuracy)
        told(done + 1, best_of(_finished(study)).valid_accuracy)
    return tuple(_finished(study)[: plan.n_trials])


def best_of(tried: Sequence[Tried]) -> Tried:
    """Return the one that validated best, the first of several."""
    return max(tried, key=lambda each: each.valid_accuracy)


def _tried(parameters: Setting, accuracies: tuple[float, float]) -> Tried:
    return Tried(parameters=dict(parameters), train_accuracy=accuracies[0], valid_accuracy=accuracies[1])


def _opened(plan: Study) -> optuna.Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    plan.storage.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(plan.storage))),
        study_name=plan.name,
        direction="maximize",
        load_if_exists=True,
    )
    # A trial that was stopped would still weigh in what is suggested.
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed)


def _finished(study: optuna.Study) -> list[Tried]:
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [Tried.model_validate(trial.user_attrs["tried"]) for trial in trials]


def _suggested(trial: optuna.Trial, parameter: str, choices: Sequence[Any]) -> Any:
    if not all(isinstance(choice, int | float) for choice in choices):
        return trial.suggest_categorical(parameter, list(choices))
    low, high = min(choices), max(choices)
    wide = low > 0 and high / low >= _WIDE
    if all(isinstance(choice, int) for choice in choices):
        return trial.suggest_int(parameter, low, high, log=wide)
    return trial.suggest_float(parameter, low, high, log=wide)

"""Hyperparameter search for one transform and one model: a grid, or what Optuna suggests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from earmark.config import Config
from earmark.search import Study, axis_of, suggest

if TYPE_CHECKING:
    import optuna

Setting: TypeAlias = Mapping[str, int | float | str | None]
Objective: TypeAlias = Callable[[Setting], tuple[float, float]]
"""From a setting to the accuracy on the training rows and on the validation rows."""
OnTrial: TypeAlias = Callable[[int, float], None]
"""Called with how many settings were tried, and the best accuracy so far."""


class Tried(Config):
    """One setting of a search: mean accuracy over the folds, on training and on validation rows."""

    parameters: Setting
    train_accuracy: float
    valid_accuracy: float


def grid_search(values: Mapping[str, Sequence[Any]], objective: Objective, on_trial: OnTrial) -> tuple[Tried, ...]:
    """Try every combination of the values of each parameter."""
    from sklearn.model_selection import ParameterGrid

    tried: list[Tried] = []
    for parameters in ParameterGrid(values):
        tried.append(_tried(parameters, objective(parameters)))
        on_trial(len(tried), best_of(tried).valid_accuracy)
    return tuple(tried)


def tuned_search(
    values: Mapping[str, Sequence[Any]], objective: Objective, on_trial: OnTrial, *, study: Study, n_trials: int
) -> tuple[Tried, ...]:
    """Try settings between the least and the largest value of each parameter, as Optuna suggests (Akiba et al. 2019).

    A parameter that is not a number takes one of its values. A setting that was tried is not tried again. There are
    `n_trials` in the end, those of an earlier call included.
    """
    axes = [axis_of(parameter, choices) for parameter, choices in values.items()]

    def score(trial: optuna.Trial) -> float:
        parameters = {axis.key: suggest(trial, axis) for axis in axes}
        known = {str(each.parameters): each for each in _finished(study)}.get(str(parameters))
        made = known or _tried(parameters, objective(parameters))
        trial.set_user_attr("tried", made.model_dump(mode="json"))
        return made.valid_accuracy

    for done in study.run(score, n_trials=n_trials):
        if done:
            on_trial(done, best_of(_finished(study)).valid_accuracy)
    return tuple(_finished(study)[:n_trials])


def best_of(tried: Sequence[Tried]) -> Tried:
    """Return the one that validated best, the first of several."""
    return max(tried, key=lambda each: each.valid_accuracy)


def _tried(parameters: Setting, accuracies: tuple[float, float]) -> Tried:
    return Tried(parameters=dict(parameters), train_accuracy=accuracies[0], valid_accuracy=accuracies[1])


def _finished(study: Study) -> list[Tried]:
    return [Tried.model_validate(trial.user_attrs["tried"]) for trial in study.finished]

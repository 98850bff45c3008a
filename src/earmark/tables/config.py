"""Configuration of an exploration: what it tries, and how that is scored."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from earmark.config import Config
from earmark.data import Split
from earmark.tables.classical import CLASSIFIERS, TRANSFORMS, pipeline

NEURAL_NET = "neural-net"


class Exploration(Config):
    """What is tried, and how that is scored.

    Attributes
    ----------
    transforms, models
        Names in `TRANSFORMS` and `CLASSIFIERS`.
    scale
        What is done to each column before the transform: ``"standard"`` (mean 0, deviation 1), ``"min-max"`` (0 to 1),
        or ``"none"``.
    split
        Which rows are for training, validation and test.
    search_rows
        At most so many training rows a fold are used to choose settings; the chosen ones learn from all rows.
    n_trials
        Settings that Optuna tries for each transform and model; 0 searches the grid.
    widths, dropout
        Units, and share of them dropped in training, of each hidden layer of the neural net.
    seed
        Of the models and of the trials.
    """

    transforms: tuple[str, ...] = Field(default=("none", "pca", "rbf", "polynomial"), min_length=1)
    models: tuple[str, ...] = Field(default=tuple(CLASSIFIERS), min_length=1)
    scale: Literal["standard", "min-max", "none"] = "standard"
    split: Split = Split()
    search_rows: int = Field(default=1500, ge=20)
    n_trials: int = Field(default=0, ge=0)
    widths: tuple[int, ...] = (256, 128, 64)
    dropout: tuple[float, ...] = (0.2, 0.3, 0.4)
    seed: int = 0

    @field_validator("transforms")
    @classmethod
    def _known_transforms(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in names if TRANSFORMS[name]))

    @field_validator("models")
    @classmethod
    def _known_models(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in names if CLASSIFIERS[name]))

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        if len(self.widths) != len(self.dropout):
            raise ValueError(
                f"{len(self.widths)} widths and {len(self.dropout)} dropout; give one of each for every hidden layer"
            )
        if not all(width >= 1 for width in self.widths) or not all(0 <= share < 1 for share in self.dropout):
            raise ValueError(f"widths {self.widths} must be 1 or more, dropout {self.dropout} at least 0 and below 1")
        return self

    def unfitted(self, transform: str, model: str) -> Any:
        """Return the pipeline of a transform and a model, before any setting is chosen."""
        made = pipeline(transform, model, scale=self.scale, seed=self.seed)
        if model == NEURAL_NET:
            made.set_params(model__widths=self.widths, model__dropout=self.dropout)
        return made

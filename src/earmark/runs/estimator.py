"""A scikit-learn estimator around training and prediction."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from earmark.data import Examples
from earmark.errors import ConfigError
from earmark.recognizer import Recognizer
from earmark.recognizer.recognizer import load
from earmark.runs.pipeline import train
from earmark.training.recipe import load_recipe
from earmark.types import Numbers


class EarmarkClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Train a recipe by `fit` and answer by its recognizer file.

    Parameters
    ----------
    recipe
        A name from ``earmark recipes`` or a TOML file.
    overrides
        Changes to it, such as ``("training.epochs=20",)``.
    sample_rate_hz
        Of sounds given as arrays.
    out
        Folder of the run; by default one that is removed once the recognizer is read.
    random_state
        Seed of the training and the split; None: that of the recipe.

    Attributes
    ----------
    classes_
        The labels as they were given, in the order of `predict_proba`.
    recognizer_
        What answers; `earmark.Recognizer`.
    scores_
        Of the test part; a few examples are held out for it and for the validation part.

    Notes
    -----
    X is what `earmark.Examples` takes. An array ``(n, n_columns)`` without `sample_rate_hz` holds rows of numbers, for
    which the recipe is ``"numbers"`` unless another is named.
    """

    def __init__(
        self,
        recipe: str = "auto",
        *,
        overrides: Sequence[str] = (),
        sample_rate_hz: int | None = None,
        out: str | Path | None = None,
        random_state: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.overrides = overrides
        self.sample_rate_hz = sample_rate_hz
        self.out = out
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:  # noqa: N803 - the names of scikit-learn
        """Train on contents `X` with labels `y`, no group of `groups` being in two parts.

        Raises
        ------
        DataError, ConfigError
            As `earmark.train`.
        """
        is_table = self._is_table(X)
        if is_table:
            X, y = validate_data(self, X, y, dtype=np.float64)  # noqa: N806
        check_classification_targets(y)
        y = np.asarray(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds only one class, {self.classes_[0]!r}; a classifier needs two or more classes")
        width = len(str(len(self.classes_)))
        self._labels = [f"{place:0{width}d}" for place in range(len(self.classes_))]
        examples = Examples(
            X,
            [self._labels[code] for code in codes],
            groups=groups,
            splits=None if groups is not None else _splits(codes, seed=self.random_state or 0),
            sample_rate_hz=self.sample_rate_hz,
        )
        overrides = [*self._settings(grouped=groups is not None), *self.overrides]
        name = self._recipe_name(is_table=is_table)
        with tempfile.TemporaryDirectory(prefix="earmark-", ignore_cleanup_errors=True) as folder:
            run = train(load_recipe(name, overrides=overrides), data=examples, out=self.out or Path(folder) / "run")
            self.scores_ = run.scores
            self.recognizer_: Recognizer = load(run.model)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the calibrated probability of every class, ``(n, n_classes)``, were each input one of them."""
        check_is_fitted(self, "recognizer_")
        if self._is_table(X):
            X = validate_data(self, X, dtype=np.float64, reset=False)  # noqa: N806
            names = tuple(_NAME.format(place) for place in range(X.shape[1]))
            items: list[Any] = [Numbers(names, row) for row in X]
        else:
            items = list(X)
        order = [self.recognizer_.card.labels.index(label) for label in self._labels]
        rows = [self.recognizer_.score(item, sample_rate_hz=self.sample_rate_hz).mean()[order] for item in items]
        # Silence has no probabilities; then every class is as likely.
        known = [row / row.sum() if row.sum() else np.full(len(row), 1 / len(row)) for row in rows]
        return np.array(known, np.float64)

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """Return the most probable class of each input."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def _is_table(self, contents: Any) -> bool:
        if self.sample_rate_hz is not None or self.recipe not in ("auto", "numbers"):
            return False
        # Objects such as images and strokes are no rows; anything else is for scikit-learn to judge.
        first = contents[0] if isinstance(contents, (list, tuple)) and contents else None
        is_row = first is None or isinstance(first, (list, tuple, int, float, np.generic)) or np.ndim(first) == 1
        return is_row and not (isinstance(first, (list, tuple)) and first and np.ndim(first[0]) == 2)

    def _recipe_name(self, *, is_table: bool) -> str:
        if self.recipe != "auto":
            return self.recipe
        if is_table:
            return "numbers"
        if self.sample_rate_hz is not None:
            return "sound"
        raise ConfigError(
            "EarmarkClassifier: say how to learn from these contents, such as recipe='drawing', 'picture/minivgg' or "
            "'sound' with sample_rate_hz"
        )

    def _settings(self, *, grouped: bool) -> list[str]:
        seed = [] if self.random_state is None else [f"training.seed={int(self.random_state)}"]
        split = [f"split.seed={int(self.random_state or 0)}"] if grouped else ["split.protocol=given"]
        return [*seed, *split]


_NAME = "number {}"


def _splits(codes: npt.NDArray[np.intp], *, seed: int) -> list[str]:
    """Return the part of each example: where a class has enough, a tenth each of it is held out twice."""
    rng = np.random.default_rng(seed)
    parts = np.full(len(codes), "train", dtype="<U5")
    for code in np.unique(codes):
        rows = rng.permutation(np.flatnonzero(codes == code))
        n = len(rows) // 10 or int(len(rows) > 2)
        parts[rows[:n]], parts[rows[n : 2 * n]] = "valid", "test"
    for part in ("valid", "test"):
        if not (parts == part).any():
            raise ValueError(
                f"n_samples={len(codes)} is too few: a class needs three samples or more, to hold some out"
            )
    return parts.tolist()

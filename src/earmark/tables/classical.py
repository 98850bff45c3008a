"""Classical transforms and models for feature tables, with the settings that are searched.

Every estimator is a pipeline: standardise, transform, classify; all of it is fitted on training rows only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.config import Registry
from earmark.types import RealArray

Grid: TypeAlias = Mapping[str, Sequence[Any]]

_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
_LEAST_PROBABILITY = 1e-6


# What costs minutes on the wide outputs of a transform is made smaller there, so that the whole grid stays quick.
_CHEAPER: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("rbf", "boosting"): {"model__max_iter": 60, "model__max_bins": 63},
    ("polynomial", "boosting"): {"model__max_iter": 40, "model__max_bins": 31},
    ("polynomial", "neural-net"): {"model__n_epochs": 20, "model__batch_size": 128},
    ("polynomial", "forest"): {"model__max_features": "log2"},
}


@dataclass(frozen=True, slots=True)
class Part:
    """A step of a pipeline.

    Attributes
    ----------
    about
        What it is, in a few words.
    build
        Makes the unfitted scikit-learn object, from a seed.
    grid
        Values to search for each of its parameters.
    """

    about: str
    build: Callable[[int], Any]
    grid: Grid


TRANSFORMS: Registry[Part] = Registry("transform")
CLASSIFIERS: Registry[Part] = Registry("classical model")


def pipeline(transform: str, model: str, *, scale: str = "standard", seed: int = 0) -> Any:
    """Return an unfitted ``sklearn.pipeline.Pipeline`` with the steps scale, transform and model.

    Raises
    ------
    UnknownNameError
        When there is no such transform or model.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    scalers = {"standard": StandardScaler, "min-max": MinMaxScaler}
    steps = [
        ("scale", scalers[scale]() if scale in scalers else "passthrough"),
        ("transform", TRANSFORMS[transform].build(seed)),
        ("model", CLASSIFIERS[model].build(seed)),
    ]
    return Pipeline(steps).set_params(**_CHEAPER.get((transform, model), {}))


def grid(transform: str, model: str) -> dict[str, list[Any]]:
    """Return the values to search, by parameter of the pipeline.

    >>> grid("pca", "ridge")["model__alpha"]
    [0.1, 1.0, 10.0, 100.0, 1000.0]
    """
    parts = {"transform": TRANSFORMS[transform], "model": CLASSIFIERS[model]}
    return {f"{step}__{name}": list(values) for step, part in parts.items() for name, values in part.grid.items()}


def logits(fitted: Any, rows: npt.ArrayLike) -> RealArray:
    """Return scores ``(n, n_labels)`` whose softmax, after calibration, is a probability.

    Decision values where the model has them, else the logarithms of its probabilities, at least of 1e-6.
    """
    if not hasattr(fitted, "decision_function"):
        logarithms: RealArray = np.log(np.maximum(fitted.predict_proba(rows), _LEAST_PROBABILITY))
        return logarithms
    values = np.asarray(fitted.decision_function(rows), np.float64)
    # Of two classes only the second has a decision value.
    return values if values.ndim == 2 else np.stack([np.zeros_like(values), values], axis=1)


def _part(registry: Registry[Part], name: str, about: str, grid: Grid) -> Callable[[Callable[[int], Any]], Any]:
    def file_under(build: Callable[[int], Any]) -> Callable[[int], Any]:
        registry.register(name)(Part(about, build, grid))
        return build

    return file_under


@_part(TRANSFORMS, "none", "the features as they are", {})
def _none(_seed: int) -> Any:
    return "passthrough"


@_part(TRANSFORMS, "pca", "principal components", {"n_components": (0.8, 0.9, 0.99)})
def _pca(seed: int) -> Any:
    from sklearn.decomposition import PCA

    return PCA(n_components=0.9, random_state=seed)


@_part(TRANSFORMS, "rbf", "random Fourier map of an RBF kernel", {"gamma": (0.003, 0.01, 0.03)})
def _rbf(seed: int) -> Any:
    from sklearn.kernel_approximation import RBFSampler

    return RBFSampler(gamma=0.01, n_components=500, random_state=seed)


@_part(TRANSFORMS, "polynomial", "all products of two features", {})
def _polynomial(_seed: int) -> Any:
    from sklearn.preprocessing import PolynomialFeatures

    return PolynomialFeatures(degree=2, include_bias=False)


@_part(CLASSIFIERS, "logistic", "logistic regression", {"C": _STRENGTHS})
def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300, tol=1e-3, random_state=seed)


@_part(CLASSIFIERS, "linear-svm", "linear support vector machine", {"C": _STRENGTHS})
def _linear_svm(seed: int) -> Any:
    from sklearn.svm import LinearSVC

    return LinearSVC(max_iter=300, tol=1e-2, random_state=seed)


@_part(CLASSIFIERS, "perceptron", "perceptron", {"eta0": (0.001, 0.01, 0.1, 1.0), "alpha": (1e-5, 1e-4, 1e-3)})
def _perceptron(seed: int) -> Any:
    from sklearn.linear_model import Perceptron

    return Perceptron(penalty="l2", random_state=seed)


@_part(CLASSIFIERS, "ridge", "ridge regression on the labels", {"alpha": (0.1, 1.0, 10.0, 100.0, 1000.0)})
def _ridge(seed: int) -> Any:
    from sklearn.linear_model import RidgeClassifier

    return RidgeClassifier(random_state=seed)


@_part(CLASSIFIERS, "tree", "decision tree", {"max_depth": (3, 5, 10, 20, None), "min_samples_leaf": (1, 5)})
def _tree(seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(random_state=seed)


@_part(CLASSIFIERS, "forest", "random forest", {"n_estimators": (100, 300), "max_depth": (10, 20, None)})
def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=seed)


@_part(CLASSIFIERS, "extra-trees", "extremely randomised trees", {"n_estimators": (100, 300), "max_depth": (20, None)})
def _extra_trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(random_state=seed)


@_part(
    CLASSIFIERS,
    "boosting",
    "histogram gradient boosting",
    {"learning_rate": (0.05, 0.1), "max_leaf_nodes": (7, 15)},
)
def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=150, early_stopping=False, random_state=seed)


@_part(
    CLASSIFIERS,
    "neighbours",
    "k nearest neighbours",
    {"n_neighbors": (1, 3, 5, 9, 15, 25), "weights": ("uniform", "distance")},
)
def _neighbours(_seed: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(algorithm="brute")


@_part(CLASSIFIERS, "rbf-svm", "support vector machine with an RBF kernel", {"C": (1.0, 10.0, 100.0)})
def _rbf_svm(seed: int) -> Any:
    from sklearn.svm import SVC

    # Ties between votes go to the more confident class, so that the answer is always the largest score.
    return SVC(break_ties=True, random_state=seed)


@_part(
    CLASSIFIERS,
    "neural-net",
    "dense layers 256-128-64, batch normalised, with dropout",
    {"weight_decay": (1e-3, 1e-1)},
)
def _neural_net(seed: int) -> Any:
    from earmark.tables.mlp import DenseNet

    return DenseNet(random_state=seed)

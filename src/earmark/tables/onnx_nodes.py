"""Conversion of fitted pipelines to ONNX: one converter for each kind of step.

Comparisons that decide are made in double precision.

Written here rather than taken from skl2onnx, which has no converter for the random Fourier map, fails on histogram
gradient boosting, and answers wrongly when a neighbour is at distance zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earmark.config import Registry
from earmark.errors import ModelError
from earmark.features.graph import OPSET, Graph
from earmark.tables.onnx_trees import boosted_trees, decision_trees
from earmark.types import IntArray, RealArray

if TYPE_CHECKING:
    import onnx

_LEAST_PROBABILITY = 1e-6

Converter = Callable[[Graph, Any, str], str]
CONVERTERS: Registry[Converter] = Registry("converter to ONNX")


def to_onnx(fitted: Any) -> onnx.ModelProto:
    """Return the network of a recognizer on tables: ``features`` (batch, 1, n_features, 1) to ``logits``.

    The logits are those of `earmark.tables.classical.logits`; ``embedding`` is what the model sees, after scaling
    and transform.

    Parameters
    ----------
    fitted
        A fitted pipeline of `earmark.tables.classical.pipeline`.

    Raises
    ------
    UnknownNameError
        When a step has no converter.
    ModelError
        When the pipeline was not fitted.
    """
    from onnx import TensorProto, helper
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(fitted)
    except NotFittedError:
        raise ModelError("a pipeline that was not fitted cannot be exported; fit it first") from None
    graph = Graph("table")
    fitted_steps = [step for _, step in fitted.steps if step != "passthrough"]
    n_features, n_labels = fitted_steps[0].n_features_in_, len(fitted.classes_)
    rows = graph.add("Cast", "features", to=TensorProto.DOUBLE)
    current = graph.add("Reshape", rows, graph.integers(-1, n_features))
    *before, (_, model) = fitted.steps
    for _, step in before:
        if step != "passthrough":
            current = CONVERTERS[type(step).__name__](graph, step, current)
    scores = CONVERTERS[type(model).__name__](graph, model, current)
    outputs = {"embedding": current, "logits": scores}
    for name, value in outputs.items():
        graph.nodes.append(helper.make_node("Cast", [value], [name], name=name, to=TensorProto.FLOAT))
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "table",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 1, n_features, 1])],
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", n_labels]),
                helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", None]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=10,
        producer_name="earmark",
    )


def _double(graph: Graph, values: npt.ArrayLike) -> str:
    return graph.constant(np.asarray(values, np.float64))


def _affine(graph: Graph, rows: str, weights: npt.ArrayLike, biases: npt.ArrayLike) -> str:
    product = graph.add("MatMul", rows, _double(graph, weights))
    return graph.add("Add", product, _double(graph, biases))


def _log_probabilities(graph: Graph, probabilities: str) -> str:
    return graph.add("Log", graph.add("Max", probabilities, _double(graph, _LEAST_PROBABILITY)))


def _both(graph: Graph, scores: str) -> str:
    """Give the first of two classes the score 0 beside that of the second, ``(batch, 1)`` to ``(batch, 2)``."""
    return graph.add("Concat", graph.add("Mul", scores, _double(graph, 0.0)), scores, axis=1)


def _squared_distances(graph: Graph, rows: str, points: RealArray) -> str:
    """Return ``(batch, n_points)`` as the square of a sum; only nearly zero where row and point are the same."""
    squares = graph.add("ReduceSum", graph.add("Mul", rows, rows), graph.integers(1), keepdims=1)
    crossed = graph.add("MatMul", rows, _double(graph, -2 * points.T))
    total = graph.add("Add", graph.add("Add", crossed, squares), _double(graph, (points**2).sum(axis=1)))
    return graph.add("Max", total, _double(graph, 0.0))


@CONVERTERS.register("StandardScaler")
def _scaler(graph: Graph, step: Any, rows: str) -> str:
    return graph.add("Div", graph.add("Sub", rows, _double(graph, step.mean_)), _double(graph, step.scale_))


@CONVERTERS.register("MinMaxScaler")
def _min_max_scaler(graph: Graph, step: Any, rows: str) -> str:
    return graph.add("Add", graph.add("Mul", rows, _double(graph, step.scale_)), _double(graph, step.min_))


@CONVERTERS.register("PCA")
def _pca(graph: Graph, step: Any, rows: str) -> str:
    return graph.add("MatMul", graph.add("Sub", rows, _double(graph, step.mean_)), _double(graph, step.components_.T))


@CONVERTERS.register("RBFSampler")
def _random_fourier(graph: Graph, step: Any, rows: str) -> str:
    turns = _affine(graph, rows, step.random_weights_ / (2 * np.pi), step.random_offset_ / (2 * np.pi))
    part_turns = graph.add("Sub", turns, graph.add("Floor", turns))
    # ONNX Runtime has the sine in double precision, but not the cosine; float32 would cross thresholds of trees.
    angles = graph.add("Add", graph.add("Mul", part_turns, _double(graph, 2 * np.pi)), _double(graph, np.pi / 2))
    cosines = graph.add("Sin", angles)
    return graph.add("Mul", cosines, _double(graph, np.sqrt(2 / step.n_components)))


@CONVERTERS.register("PolynomialFeatures")
def _polynomial(graph: Graph, step: Any, rows: str) -> str:
    n_features = step.powers_.shape[1]
    factors = [np.repeat(np.arange(n_features), powers) for powers in step.powers_]
    # Column n_features is 1: what a feature of the first degree is multiplied with.
    pairs = np.array([[*f, *[n_features] * (2 - len(f))] for f in factors], np.int64)
    first = graph.add("Gather", rows, graph.integers(0), axis=1)
    ones = graph.add("Add", graph.add("Mul", first, _double(graph, 0.0)), _double(graph, 1.0))
    extended = graph.add("Concat", rows, ones, axis=1)
    left, right = (graph.add("Gather", extended, graph.constant(pairs[:, k]), axis=1) for k in (0, 1))
    return graph.add("Mul", left, right)


@CONVERTERS.register("LogisticRegression")
@CONVERTERS.register("LinearSVC")
@CONVERTERS.register("Perceptron")
@CONVERTERS.register("RidgeClassifier")
def _linear(graph: Graph, model: Any, rows: str) -> str:
    scores = _affine(graph, rows, np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_))
    return _both(graph, scores) if len(model.classes_) == 2 else scores


@CONVERTERS.register("DecisionTreeClassifier")
def _tree(graph: Graph, model: Any, rows: str) -> str:
    return _log_probabilities(graph, decision_trees(graph, [model.tree_], rows))


@CONVERTERS.register("RandomForestClassifier")
@CONVERTERS.register("ExtraTreesClassifier")
def _forest(graph: Graph, model: Any, rows: str) -> str:
    return _log_probabilities(graph, decision_trees(graph, [tree.tree_ for tree in model.estimators_], rows))


@CONVERTERS.register("HistGradientBoostingClassifier")
def _boosting(graph: Graph, model: Any, rows: str) -> str:
    raw = boosted_trees(graph, model._predictors, rows)  # noqa: SLF001 - there is no public way to the trees
    scores = graph.add("Add", raw, _double(graph, model._baseline_prediction))  # noqa: SLF001
    return _both(graph, scores) if len(model.classes_) == 2 else scores


@CONVERTERS.register("KNeighborsClassifier")
def _neighbours(graph: Graph, model: Any, rows: str) -> str:
    points, labels = np.asarray(model._fit_X, np.float64), np.eye(len(model.classes_))[model._y]  # noqa: SLF001
    distances = _squared_distances(graph, rows, points)
    nearest = _top_k(graph, distances, model.n_neighbors)
    votes = graph.add("Gather", _double(graph, labels), nearest, axis=0)
    if model.weights == "distance":
        votes = graph.add("Mul", votes, _inverse_distances(graph, rows, points, nearest))
    counted = graph.add("ReduceSum", votes, graph.integers(1), keepdims=0)
    total = graph.add("ReduceSum", counted, graph.integers(1), keepdims=1)
    return _log_probabilities(graph, graph.add("Div", counted, total))


def _top_k(graph: Graph, distances: str, k: int) -> str:
    """Return the columns of the k smallest, ``(batch, k)``."""
    from onnx import helper

    name = f"{graph.prefix}/TopK_{len(graph.nodes)}"
    outputs = [f"{name}/values", f"{name}/columns"]
    graph.nodes.append(helper.make_node("TopK", [distances, graph.integers(k)], outputs, name=name, axis=1, largest=0))
    return outputs[1]


def _inverse_distances(graph: Graph, rows: str, points: RealArray, nearest: str) -> str:
    """Return weights ``(batch, k, 1)``: 1 / distance, or 1 and 0 where some distance is 0."""
    from onnx import TensorProto

    chosen = graph.add("Gather", _double(graph, points), nearest, axis=0)
    apart = graph.add("Sub", graph.add("Unsqueeze", rows, graph.integers(1)), chosen)
    squares = graph.add("ReduceSum", graph.add("Mul", apart, apart), graph.integers(2), keepdims=1)
    zero = graph.add("Equal", squares, _double(graph, 0.0))
    same = graph.add("Cast", zero, to=TensorProto.DOUBLE)
    distances = graph.add("Where", zero, _double(graph, 1.0), graph.add("Sqrt", squares))
    any_zero = graph.add("Greater", graph.add("ReduceSum", same, graph.integers(1), keepdims=1), _double(graph, 0.0))
    return graph.add("Where", any_zero, same, graph.add("Reciprocal", distances))


@CONVERTERS.register("SVC")
def _kernel_svm(graph: Graph, model: Any, rows: str) -> str:
    """Score by the votes of all pairs of classes, ties broken by confidence, as scikit-learn does."""
    squares = _squared_distances(graph, rows, np.asarray(model.support_vectors_, np.float64))
    kernel = graph.add("Exp", graph.add("Mul", squares, _double(graph, -model._gamma)))  # noqa: SLF001
    n_labels = len(model.classes_)
    weights, pairs = _pair_weights(model)
    decisions = _affine(graph, kernel, weights, model._intercept_)
    if n_labels == 2:
        # libsvm decides for the first class, scikit-learn for the second.
        return _both(graph, graph.add("Neg", decisions))
    first, second = np.eye(n_labels)[pairs[:, 0]], np.eye(n_labels)[pairs[:, 1]]
    from onnx import TensorProto

    won = graph.add("Cast", graph.add("Greater", decisions, _double(graph, 0.0)), to=TensorProto.DOUBLE)
    votes = _affine(graph, won, first - second, second.sum(axis=0))
    confidence = graph.add("MatMul", decisions, _double(graph, first - second))
    size = graph.add("Mul", graph.add("Add", graph.add("Abs", confidence), _double(graph, 1.0)), _double(graph, 3.0))
    return graph.add("Add", votes, graph.add("Div", confidence, size))


def _pair_weights(model: Any) -> tuple[RealArray, IntArray]:
    """Return the weight of every support vector in the decision of every pair of classes, and the pairs."""
    stops = np.cumsum(model.n_support_)
    starts = stops - model.n_support_
    n_labels = len(model.classes_)
    pairs = np.array([(i, j) for i in range(n_labels) for j in range(i + 1, n_labels)])
    weights = np.zeros((len(model.support_vectors_), len(pairs)))
    for column, (i, j) in enumerate(pairs):
        weights[starts[i] : stops[i], column] = model._dual_coef_[j - 1, starts[i] : stops[i]]
        weights[starts[j] : stops[j], column] = model._dual_coef_[i, starts[j] : stops[j]]
    return weights, pairs


@CONVERTERS.register("DenseNet")
def _dense_net(graph: Graph, model: Any, rows: str) -> str:
    *hidden, last = model.layers_
    for weights, biases in hidden:
        rows = graph.add("Max", _affine(graph, rows, weights, biases), _double(graph, 0.0))
    return _affine(graph, rows, *last)

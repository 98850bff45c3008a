"""Conversion of tree ensembles to ONNX, one node for all trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from earmark.features.graph import Graph


@dataclass
class _Ensemble:
    """The lists that the node ``TreeEnsembleRegressor`` wants."""

    modes: list[str] = field(default_factory=list)
    integers: dict[str, list[int]] = field(default_factory=dict)
    thresholds: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def note(self, **values: int) -> None:
        for name, value in values.items():
            self.integers.setdefault(name, []).append(int(value))

    def branch(self, tree: int, node: int, *, feature: int, threshold: float, left: int, right: int) -> None:
        """Add a node that goes left where the feature is at most the threshold."""
        self.modes.append("BRANCH_LEQ")
        self.thresholds.append(threshold)
        self.note(nodes_treeids=tree, nodes_nodeids=node, nodes_featureids=feature)
        self.note(nodes_truenodeids=left, nodes_falsenodeids=right)

    def leaf(self, tree: int, node: int, values: dict[int, float]) -> None:
        """Add a node that gives some targets a value."""
        self.modes.append("LEAF")
        self.thresholds.append(0.0)
        self.note(nodes_treeids=tree, nodes_nodeids=node, nodes_featureids=0, nodes_truenodeids=0, nodes_falsenodeids=0)
        for target, value in values.items():
            self.note(target_treeids=tree, target_nodeids=node, target_ids=target)
            self.weights.append(value)


def decision_trees(graph: Graph, trees: Sequence[Any], rows: str) -> str:
    """Return the mean probabilities ``(batch, n_labels)`` of fitted ``sklearn.tree`` trees.

    They round rows to single precision and compare them with thresholds in double precision; so does the node. Shares
    are added first and divided by their number afterwards, so that equal votes stay equal.
    """
    from onnx import TensorProto

    ensemble = _Ensemble()
    for number, tree in enumerate(trees):
        shares = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
        for node in range(tree.node_count):
            left, right = tree.children_left[node], tree.children_right[node]
            if left < 0:
                present = np.flatnonzero(shares[node])
                ensemble.leaf(number, node, {int(label): float(shares[node, label]) for label in present})
            else:
                ensemble.branch(
                    number, node, feature=tree.feature[node], threshold=tree.threshold[node], left=left, right=right
                )
    rounded = graph.add("Cast", graph.add("Cast", rows, to=TensorProto.FLOAT), to=TensorProto.DOUBLE)
    summed = _add_ensemble(graph, ensemble, rounded, n_targets=trees[0].value.shape[2])
    return graph.add("Div", summed, graph.constant(np.float64(len(trees))))


def boosted_trees(graph: Graph, iterations: Sequence[Sequence[Any]], rows: str) -> str:
    """Return the summed values ``(batch, n_targets)`` of the trees of histogram gradient boosting."""
    ensemble = _Ensemble()
    n_targets = len(iterations[0])
    for number, predictor in enumerate(predictor for trees in iterations for predictor in trees):
        for node, record in enumerate(predictor.nodes):
            if record["is_leaf"]:
                ensemble.leaf(number, node, {number % n_targets: float(record["value"])})
            else:
                ensemble.branch(
                    number,
                    node,
                    feature=record["feature_idx"],
                    threshold=_just_above(float(record["num_threshold"])),
                    left=record["left"],
                    right=record["right"],
                )
    return _add_ensemble(graph, ensemble, rows, n_targets=n_targets)


def _just_above(threshold: float) -> float:
    """Return a threshold that what equals it stays below, though it comes out of a transform rounded otherwise.

    With more values than bins, scikit-learn's thresholds are values of training rows, not points between them.
    """
    return threshold + 1e-9 * max(abs(threshold), 1e-3)


def _add_ensemble(graph: Graph, ensemble: _Ensemble, rows: str, *, n_targets: int) -> str:
    from onnx import TensorProto, numpy_helper

    summed = graph.add(
        "TreeEnsembleRegressor",
        rows,
        domain="ai.onnx.ml",
        n_targets=n_targets,
        nodes_modes=ensemble.modes,
        nodes_values_as_tensor=numpy_helper.from_array(np.array(ensemble.thresholds), "nodes_values"),
        target_weights_as_tensor=numpy_helper.from_array(np.array(ensemble.weights), "target_weights"),
        **ensemble.integers,
    )
    return graph.add("Cast", summed, to=TensorProto.DOUBLE)

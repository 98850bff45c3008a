"""Multilayer perceptron for feature tables: dense layers, batch normalisation, ReLU and dropout, as an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from earmark.types import RealArray

if TYPE_CHECKING:
    import torch


class DenseNet(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Dense layers, each batch-normalised, rectified and with dropout; trained by AdamW and one cycle.

    Parameters
    ----------
    widths, dropout
        Units, and share of them dropped in training, of every hidden layer.
    n_epochs, batch_size, learning_rate, weight_decay
        Of the training.
    random_state
        Seed of the weights, the order and the dropout.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn finds parameters in the signature
        self,
        *,
        widths: Sequence[int] = (256, 128, 64),
        dropout: Sequence[float] = (0.2, 0.3, 0.4),
        n_epochs: int = 40,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        random_state: int = 0,
    ) -> None:
        self.widths = widths
        self.dropout = dropout
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Learn from rows ``(n, n_features)`` and their labels ``(n,)``.

        Sets `classes_`, `layers_`: weights and biases of every layer, the normalisation folded into them, and
        `loss_curve_`: the mean loss of every epoch.
        """
        import torch

        if len(self.widths) != len(self.dropout):
            raise ValueError(f"widths {self.widths} and dropout {self.dropout} must be as many")
        self.classes_, targets = np.unique(np.asarray(y), return_inverse=True)
        rows = torch.from_numpy(np.ascontiguousarray(X, np.float32))
        with torch.random.fork_rng():
            torch.manual_seed(self.random_state)
            network = self._network(rows.shape[1])
            self._train(network, rows, torch.from_numpy(targets))
        self.layers_ = _folded(network)
        return self

    def decision_function(self, X: npt.ArrayLike) -> RealArray:  # noqa: N803
        """Return logits ``(n, n_classes)``."""
        check_is_fitted(self)
        values = np.asarray(X, np.float64)
        *hidden, (weights, biases) = self.layers_
        for hidden_weights, hidden_biases in hidden:
            values = np.maximum(values @ hidden_weights + hidden_biases, 0)
        logits: RealArray = values @ weights + biases
        return logits

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:  # noqa: N803
        """Return the most likely labels ``(n,)``."""
        answers: npt.NDArray[Any] = self.classes_[self.decision_function(X).argmax(axis=1)]
        return answers

    def _network(self, n_features: int) -> torch.nn.Sequential:
        from torch import nn

        from earmark.models.mlp import dense_layers

        n_outputs = self.widths[-1] if self.widths else n_features
        hidden = dense_layers(n_features, widths=self.widths, dropout=self.dropout)
        return nn.Sequential(*hidden, nn.Linear(n_outputs, len(self.classes_)))

    def _train(self, network: torch.nn.Sequential, rows: torch.Tensor, targets: torch.Tensor) -> None:
        import torch

        from earmark.training.arrays import OneCycle, fit_arrays

        # The last, incomplete batch is left out: one row has no variance to normalise by.
        batch_size = min(self.batch_size, len(rows))
        n_batches = len(rows) // batch_size
        batches = (
            chosen
            for _ in range(self.n_epochs)
            for chosen in torch.randperm(len(rows))[: n_batches * batch_size].reshape(n_batches, batch_size)
        )
        losses: list[float] = []

        def loss(chosen: torch.Tensor) -> torch.Tensor:
            value = torch.nn.functional.cross_entropy(network(rows[chosen]), targets[chosen])
            losses.append(value.item())
            return value

        schedule = OneCycle(self.n_epochs * n_batches, self.learning_rate, self.weight_decay)
        fit_arrays(network, batches, loss=loss, schedule=schedule)
        self.loss_curve_ = np.array(losses).reshape(self.n_epochs, n_batches).mean(axis=1).tolist()


def _folded(network: torch.nn.Sequential) -> list[tuple[RealArray, RealArray]]:
    """Return weights ``(n_in, n_out)`` and biases of every layer, with the batch normalisation multiplied in."""
    from torch import nn

    folded: list[tuple[RealArray, RealArray]] = []
    for module in network:
        if isinstance(module, nn.Linear):
            folded.append((_double(module.weight).T, _double(module.bias)))
        elif isinstance(module, nn.BatchNorm1d):
            weights, biases = folded[-1]
            gain = _double(module.weight) / np.sqrt(_double(module.running_var) + module.eps)
            folded[-1] = (weights * gain, (biases - _double(module.running_mean)) * gain + _double(module.bias))
    return folded


def _double(tensor: torch.Tensor | None) -> RealArray:
    if tensor is None:
        raise TypeError("a layer without its parameters")
    values: RealArray = tensor.detach().double().numpy()
    return values

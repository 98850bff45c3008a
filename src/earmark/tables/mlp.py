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

        Sets `classes_` and `layers_`: weights and biases of every layer, the normalisation folded into them.
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

        layers: list[nn.Module] = []
        for width, dropout in zip(self.widths, self.dropout, strict=True):
            layers += [nn.Linear(n_features, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
            n_features = width
        return nn.Sequential(*layers, nn.Linear(n_features, len(self.classes_)))

    def _train(self, network: torch.nn.Sequential, rows: torch.Tensor, targets: torch.Tensor) -> None:
        import torch

        # The last, incomplete batch is left out: one row has no variance to normalise by.
        batch_size = min(self.batch_size, len(rows))
        n_batches = len(rows) // batch_size
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=self.n_epochs * n_batches
        )
        network.train()
        for _ in range(self.n_epochs):
            order = torch.randperm(len(rows))[: n_batches * batch_size].reshape(n_batches, batch_size)
            for chosen in order:
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(network(rows[chosen]), targets[chosen])
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()


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

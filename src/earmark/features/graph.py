"""A small ONNX graph builder, so that the spectrogram travels inside the recognizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

OPSET = 20


class Graph:
    """Collects nodes and constants under unique names; every method returns the name of a tensor.

    Examples
    --------
    >>> graph = Graph()
    >>> doubled = graph.add("Mul", "x", graph.constant(np.float32(2)))
    """

    def __init__(self, prefix: str = "front_end") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: npt.ArrayLike) -> str:
        """Store an array as an initializer."""
        from onnx import numpy_helper

        name = f"{self.prefix}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def integers(self, *values: int) -> str:
        """Store int64 values, as shapes, axes and bounds want them."""
        return self.constant(np.array(values, np.int64))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node with one output."""
        from onnx import helper

        name = f"{self.prefix}/{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def squared_magnitude(self, parts: str, *, axis: int) -> str:
        """Append the sum of squares over `axis`, which holds the real and the imaginary part."""
        # ReduceSumSquare would do it in one node, but takes ONNX Runtime three times as long.
        halves = [self.add("Gather", parts, self.constant(np.int64(part)), axis=axis) for part in (0, 1)]
        return self.add("Add", *[self.add("Mul", half, half) for half in halves])

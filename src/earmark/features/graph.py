"""A small ONNX graph builder, so that the spectrogram travels inside the recognizer, and the scale of its power."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.types import FloatArray

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


LOWEST_POWER = 1e-10
FLOOR_DB = -100.0
COMPRESSION = 1e4
"""The factor of `db_to_log`; powers well below its inverse vanish."""
DB_PER_NEPER = 10 / float(np.log(10))
"""Decibels of a power that is e times another."""


def add_power_to_db(graph: Graph, power: str) -> str:
    """Add ``10 * log10(max(power, 1e-10))`` to an ONNX graph: 0 dB is a power of 1, the floor -100 dB."""
    floored = graph.add("Max", power, graph.constant(np.float32(LOWEST_POWER)))
    return graph.add("Mul", graph.add("Log", floored), graph.constant(np.float32(DB_PER_NEPER)))


def db_to_log(decibels: FloatArray) -> FloatArray:
    """Return ``log10(1 + 10⁴ power)`` of decibels: 0 is silence, 4 a power of 1.

    >>> db_to_log(np.float32([-200, -40, 0])).astype(float).round(4).tolist()
    [0.0, 0.301, 4.0]
    """
    power = np.float32(10) ** (decibels / np.float32(10))
    compressed: FloatArray = np.log1p(np.float32(COMPRESSION) * power) / np.float32(np.log(10))
    return compressed


def add_power_to_log(graph: Graph, power: str) -> str:
    """Add ``log10(1 + 10⁴ power)`` to an ONNX graph."""
    raised = graph.add("Mul", power, graph.constant(np.float32(COMPRESSION)))
    logarithm = graph.add("Log", graph.add("Add", raised, graph.constant(np.float32(1))))
    return graph.add("Mul", logarithm, graph.constant(np.float32(1 / np.log(10))))

"""Power in decibels, or log-compressed, for every spectrogram alike."""

from __future__ import annotations

import numpy as np

from earmark.features.graph import Graph
from earmark.types import FloatArray

LOWEST_POWER = 1e-10
FLOOR_DB = -100.0
COMPRESSION = 1e4
"""The factor of `db_to_log`; powers well below its inverse vanish."""
_DB_PER_NEPER = 10 / np.log(10)


def add_power_to_db(graph: Graph, power: str) -> str:
    """Add ``10 * log10(max(power, 1e-10))`` to an ONNX graph: 0 dB is a power of 1, the floor -100 dB."""
    floored = graph.add("Max", power, graph.constant(np.float32(LOWEST_POWER)))
    return graph.add("Mul", graph.add("Log", floored), graph.constant(np.float32(_DB_PER_NEPER)))


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

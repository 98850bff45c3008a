"""Power in decibels, or log-compressed, for every spectrogram alike."""

from __future__ import annotations

import numpy as np

from earmark.features.graph import Graph
from earmark.types import FloatArray

LOWEST_POWER = 1e-10
FLOOR_DB = -100.0
COMPRESSION = 1e4
"""The factor of `power_to_log`; powers well below its inverse vanish."""
_DB_PER_NEPER = 10 / np.log(10)


def power_to_db(power: FloatArray) -> FloatArray:
    """Overwrite `power` with ``10 * log10(max(power, 1e-10))`` and return it: 0 dB is a power of 1, the floor -100 dB.

    >>> power_to_db(np.float32([1, 100, 0])).round(4).tolist()
    [0.0, 20.0, -100.0]
    """
    np.maximum(power, np.float32(LOWEST_POWER), out=power)
    np.log(power, out=power)
    power *= np.float32(_DB_PER_NEPER)
    return power


def add_power_to_db(graph: Graph, power: str) -> str:
    """Add the same computation to an ONNX graph."""
    floored = graph.add("Max", power, graph.constant(np.float32(LOWEST_POWER)))
    return graph.add("Mul", graph.add("Log", floored), graph.constant(np.float32(_DB_PER_NEPER)))


def power_to_log(power: FloatArray) -> FloatArray:
    """Overwrite `power` with ``log10(1 + 10⁴ power)`` and return it: 0 is silence, 4 a power of 1.

    >>> power_to_log(np.float32([0, 9.9999, 0.0099])).round(4).tolist()
    [0.0, 5.0, 2.0]
    """
    power *= np.float32(COMPRESSION)
    np.log1p(power, out=power)
    power /= np.float32(np.log(10))
    return power


def add_power_to_log(graph: Graph, power: str) -> str:
    """Add the same computation to an ONNX graph."""
    raised = graph.add("Mul", power, graph.constant(np.float32(COMPRESSION)))
    logarithm = graph.add("Log", graph.add("Add", raised, graph.constant(np.float32(1))))
    return graph.add("Mul", logarithm, graph.constant(np.float32(1 / np.log(10))))

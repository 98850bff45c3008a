"""Power in decibels, for every spectrogram alike."""

from __future__ import annotations

import numpy as np

from earmark.features.graph import Graph
from earmark.types import FloatArray

LOWEST_POWER = 1e-10
FLOOR_DB = -100.0
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

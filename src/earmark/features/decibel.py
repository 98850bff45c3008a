"""Power in decibels, for every spectrogram alike."""

from __future__ import annotations

import numpy as np

from earmark.features.graph import Graph

LOWEST_POWER = 1e-10
FLOOR_DB = -100.0
_DB_PER_NEPER = 10 / np.log(10)


def add_power_to_db(graph: Graph, power: str) -> str:
    """Add ``10 * log10(max(power, 1e-10))`` to an ONNX graph: 0 dB is a power of 1, the floor -100 dB."""
    floored = graph.add("Max", power, graph.constant(np.float32(LOWEST_POWER)))
    return graph.add("Mul", graph.add("Log", floored), graph.constant(np.float32(_DB_PER_NEPER)))

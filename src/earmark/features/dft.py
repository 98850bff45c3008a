"""The short-time Fourier transform as ONNX matrix products, several times faster than ONNX Runtime's own ``STFT``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earmark.features.graph import Graph
from earmark.types import FloatArray

_END = int(np.iinfo(np.int64).max)


def add_power(graph: Graph, samples: str, *, n_fft: int, hop_samples: int, window_samples: int | None = None) -> str:
    """Add the power spectrum of all frames of samples ``(batch, time)``; return ``(batch, frame, cell)``.

    The cells are the frequencies in the order of `cell_bins`. The transform is split once (Cooley & Tukey 1965): with
    ``n = n_columns * row + column`` and ``k = first + n_rows * second``,

        X[k] = sum over columns  exp(-2πi column * second / n_columns)
               sum over rows     x[n] window[n] exp(-2πi row * first / n_rows) exp(-2πi column * first / n_fft).

    The inner sum is one matrix a column, which also holds the window and the twiddle factors; the outer sum is one
    product over all frames. For real samples ``first`` up to ``n_rows / 2`` is enough: the rest is conjugate. The Hann
    window is as long as the transform unless `window_samples` is given; a shorter one lies in its middle.
    """
    n_rows, n_columns = _split(n_fft)
    half = n_rows // 2 + 1
    frames = graph.add(
        "Reshape",
        _add_frames(graph, samples, n_fft=n_fft, hop_samples=hop_samples),
        graph.integers(1, -1, n_rows, n_columns),
    )
    columns = graph.add("Transpose", frames, perm=[3, 0, 1, 2])
    inner = graph.add("MatMul", columns, graph.constant(_inner_matrices(n_fft, window_samples or n_fft)))
    stacked = graph.add("Reshape", inner, graph.integers(2 * n_columns, -1))
    outer = graph.add("MatMul", graph.constant(_outer_matrix(n_columns)), stacked)
    parts = graph.add("Reshape", outer, graph.integers(2, n_columns, -1, half))
    power = graph.squared_magnitude(parts, axis=0)
    by_frame = graph.add("Transpose", power, perm=[1, 0, 2])
    n_batch = graph.add("Shape", samples, start=0, end=1)
    shape = graph.add("Concat", n_batch, graph.integers(-1, n_columns * half), axis=0)
    return graph.add("Reshape", by_frame, shape)


def cell_bins(n_fft: int) -> npt.NDArray[np.int64]:
    """Return the frequency bin, 0 … n_fft / 2, of every cell; some bins own two cells."""
    n_rows, n_columns = _split(n_fft)
    first, second = np.arange(n_rows // 2 + 1), np.arange(n_columns)
    bins: npt.NDArray[np.int64] = (first + n_rows * second[:, None]).reshape(-1)
    return np.minimum(bins, n_fft - bins)


def weights_by_cell(weights: FloatArray, n_fft: int) -> FloatArray:
    """Return weights ``(n, 1 + n_fft // 2)`` over bins as ``(cell, n)``, every bin counted once."""
    bins = cell_bins(n_fft)
    _, first_cells = np.unique(bins, return_index=True)
    by_cell = np.zeros((len(bins), len(weights)), np.float32)
    by_cell[first_cells] = weights.T
    return by_cell


def _split(n_fft: int) -> tuple[int, int]:
    """Return the two factors of a power of two, the larger or equal first."""
    exponent = n_fft.bit_length() - 1
    return 1 << (exponent + 1) // 2, 1 << exponent // 2


def _add_frames(graph: Graph, samples: str, *, n_fft: int, hop_samples: int) -> str:
    """Cut zero-padded samples into ``(batch, frame, n_fft)``: neighbouring blocks of one hop each, side by side."""
    n_blocks = -(-n_fft // hop_samples)
    left, right = n_fft // 2, n_blocks * hop_samples - n_fft // 2
    padded = graph.add("Pad", samples, graph.integers(0, left, 0, right))
    hop = graph.integers(hop_samples)
    length = graph.add("Shape", padded, start=1, end=2)
    whole = graph.add("Mul", graph.add("Div", length, hop), hop)
    zero, one = graph.integers(0), graph.integers(1)
    trimmed = graph.add("Slice", padded, zero, whole, one)
    shape = graph.integers(0, -1, hop_samples)
    blocks = graph.add("Reshape", trimmed, shape)

    def shifted(block: int) -> str:
        end = _END if block == n_blocks - 1 else block - n_blocks + 1
        width = min(hop_samples, n_fft - block * hop_samples)
        return graph.add("Slice", blocks, graph.integers(block, 0), graph.integers(end, width), graph.integers(1, 2))

    return graph.add("Concat", *[shifted(block) for block in range(n_blocks)], axis=2)


def _inner_matrices(n_fft: int, window_samples: int) -> FloatArray:
    """``(column, real|imaginary, row, first)``: window, DFT over rows and twiddle factor."""
    n_rows, n_columns = _split(n_fft)
    column = np.arange(n_columns)[:, None, None]
    row = np.arange(n_rows)[None, :, None]
    first = np.arange(n_rows // 2 + 1)[None, None, :]
    n = n_columns * row + column
    within = n - (n_fft - window_samples) // 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * within / window_samples)
    window = np.where((within >= 0) & (within < window_samples), window, 0)
    waves = window * np.exp(-2j * np.pi * ((n * first) % n_fft) / n_fft)
    return np.stack([waves.real, waves.imag], axis=1).astype(np.float32)


def _outer_matrix(n_columns: int) -> FloatArray:
    """``(real|imaginary * second, column * real|imaginary)``: complex DFT over columns, as a real matrix."""
    column = np.arange(n_columns)
    waves = np.exp(-2j * np.pi * (np.outer(column, column) % n_columns) / n_columns)
    real = np.stack([waves.real, -waves.imag], axis=-1)
    imaginary = np.stack([waves.imag, waves.real], axis=-1)
    return np.stack([real, imaginary]).reshape(2 * n_columns, 2 * n_columns).astype(np.float32)

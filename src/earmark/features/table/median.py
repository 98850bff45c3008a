"""A running median over 31 values, many columns at a time.

Sixteen neighbouring windows of 31 rows share 16 rows. These are sorted once; the rows that only half, a quarter, an
eighth of the windows share are merged in step by step, and after each step the ranks that can no longer be the median
are dropped. Every step is a fixed network of minima and maxima without branches (Batcher 1968, "Sorting networks and
their applications"; the sharing follows Adams 2021, "Fast median filters using separable sorting networks"), so the
compiler turns the loop over columns into vector instructions: 36 of them a median, whatever the data.

Imported only where numba is installed; see `earmark.features.table.describe`.
"""

from __future__ import annotations

from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

WIDTH = 31
_HALF = WIDTH // 2
_TILE = 16  # windows that share a sorted core
_LANES = 64

_Two: TypeAlias = tuple[float, float]
_Four: TypeAlias = tuple[float, float, float, float]
_Eight: TypeAlias = tuple[float, float, float, float, float, float, float, float]
_Row: TypeAlias = npt.NDArray[np.float32]

# Infinities and NaN never occur in magnitudes, and only the promise lets a comparison become a minimum instruction.
_network = numba.njit(fastmath=True, error_model="numpy", forceinline=True)
_kernel = numba.njit(fastmath=True, error_model="numpy", cache=True)


@_kernel
def running_median(values: _Row, medians: _Row) -> None:
    """Fill `medians` with the median over 31 rows around each row of `values`.

    Equals ``scipy.ndimage.median_filter(values, size=(31, 1), mode="reflect")`` bit for bit.

    Parameters
    ----------
    values
        float32 ``(rows, columns)``, finite, in any memory layout: pass transposed views to filter along the other axis.
    medians
        Receives the result; same shape.
    """
    n_rows, n_columns = values.shape
    n_tiles = (n_rows + _TILE - 1) // _TILE
    strip = np.zeros(((n_tiles * _TILE + 2 * _HALF), _LANES), np.float32)
    tile = np.empty((_TILE, _LANES), np.float32)
    for first in range(0, n_columns, _LANES):
        n_lanes = min(_LANES, n_columns - first)
        _load_strip(values[:, first : first + n_lanes], strip)
        for start in range(0, n_rows, _TILE):
            n_windows = min(_TILE, n_rows - start)
            _median_tile(strip[start : start + _TILE + 2 * _HALF].reshape(-1), tile.reshape(-1))
            _copy(tile[:n_windows, :n_lanes], medians[start : start + n_windows, first : first + n_lanes])


@_kernel
def _load_strip(values: _Row, strip: _Row) -> None:
    """Copy some columns and mirror them at both ends, as often as it takes for short ones."""
    n_rows, n_lanes = values.shape
    for start in range(0, n_rows, _TILE):
        stop = min(start + _TILE, n_rows)
        _copy(values[start:stop], strip[_HALF + start : _HALF + stop, :n_lanes])
    for distance in range(_HALF):
        for row in (-1 - distance, n_rows + distance):
            mirrored = row % (2 * n_rows)
            strip[_HALF + row] = strip[_HALF + min(mirrored, 2 * n_rows - 1 - mirrored)]


@_kernel
def _copy(source: _Row, target: _Row) -> None:
    """Copy a few rows, in the order in which the wider of both lies in memory."""
    if source.strides[0] < source.strides[1] or target.strides[0] < target.strides[1]:
        for lane in range(source.shape[1]):
            for row in range(source.shape[0]):
                target[row, lane] = source[row, lane]
    else:
        for row in range(source.shape[0]):
            for lane in range(source.shape[1]):
                target[row, lane] = source[row, lane]


@_kernel
def _median_tile(rows: _Row, medians: _Row) -> None:
    """Find the medians of the first 16 windows for all lanes; they share rows 15…30.

    Every index is `lane` plus a constant, so that the compiler sees that none is negative and loads whole vectors.
    """
    for lane in range(_LANES):
        low = _sort_8(_rows_8(rows, lane + 15 * _LANES))
        high = _sort_8(_rows_8(rows, lane + 23 * _LANES))
        low, high = _sort_halves_8(_lower_8(low, high)), _sort_halves_8(_upper_8(low, high))
        _median_8(rows, lane, lane + 7 * _LANES, low, high, medians, lane)
        _median_8(rows, lane + 8 * _LANES, lane + 31 * _LANES, low, high, medians, lane + 8 * _LANES)


@_network
def _median_8(rows: _Row, at: int, extra: int, low: _Eight, high: _Eight, medians: _Row, out: int) -> None:  # noqa: PLR0913, PLR0917
    """Finish 8 windows: 16 sorted rows and the 8 rows at `extra` leave 8 candidates of 24."""
    upper = _sort_halves_8(_upper_8(low, _sort_8(_rows_8(rows, extra))))
    core = _sort_halves_8(_lower_8(upper, high))
    _median_4(rows, at, at + 3 * _LANES, core, medians, out)
    _median_4(rows, at + 4 * _LANES, at + 31 * _LANES, core, medians, out + 4 * _LANES)


@_network
def _median_4(rows: _Row, at: int, extra: int, core: _Eight, medians: _Row, out: int) -> None:
    """Finish 4 windows: the candidates and 4 more rows leave 4 candidates of 28."""
    upper = _sort_halves_4(_upper_4(core[:4], _sort_4(_rows_4(rows, extra))))
    kept = _sort_halves_4(_lower_4(upper, core[4:]))
    _median_2(rows, at, at + _LANES, kept, medians, out)
    _median_2(rows, at + 2 * _LANES, at + 31 * _LANES, kept, medians, out + 2 * _LANES)


@_network
def _median_2(rows: _Row, at: int, extra: int, core: _Four, medians: _Row, out: int) -> None:
    """Finish 2 windows: 2 more rows leave 2 candidates of 30, and the last row decides."""
    first, second = _order(rows[extra], rows[extra + _LANES])
    low, high = _order(_larger(core[0], second), _larger(core[1], first))
    low, high = _order(_smaller(low, core[3]), _smaller(high, core[2]))
    medians[out] = _larger(low, _smaller(high, rows[at]))
    medians[out + _LANES] = _larger(low, _smaller(high, rows[at + 31 * _LANES]))


@_network
def _smaller(a: float, b: float) -> float:
    return min(b, a)


@_network
def _larger(a: float, b: float) -> float:
    return max(a, b)


@_network
def _order(a: float, b: float) -> _Two:
    return _smaller(a, b), _larger(a, b)


@_network
def _rows_4(rows: _Row, at: int) -> _Four:
    return rows[at], rows[at + _LANES], rows[at + 2 * _LANES], rows[at + 3 * _LANES]


@_network
def _rows_8(rows: _Row, at: int) -> _Eight:
    return _rows_4(rows, at) + _rows_4(rows, at + 4 * _LANES)


@_network
def _lower_4(a: _Four, b: _Four) -> _Four:
    """Return the 4 smallest of two sorted fours, as a bitonic sequence."""
    return _smaller(a[0], b[3]), _smaller(a[1], b[2]), _smaller(a[2], b[1]), _smaller(a[3], b[0])


@_network
def _upper_4(a: _Four, b: _Four) -> _Four:
    """Return the 4 largest of two sorted fours, as a bitonic sequence."""
    return _larger(a[0], b[3]), _larger(a[1], b[2]), _larger(a[2], b[1]), _larger(a[3], b[0])


@_network
def _lower_8(a: _Eight, b: _Eight) -> _Eight:
    """Return the 8 smallest of two sorted eights, as a bitonic sequence."""
    return _lower_4(a[:4], b[4:]) + _lower_4(a[4:], b[:4])


@_network
def _upper_8(a: _Eight, b: _Eight) -> _Eight:
    """Return the 8 largest of two sorted eights, as a bitonic sequence."""
    return _upper_4(a[:4], b[4:]) + _upper_4(a[4:], b[:4])


@_network
def _sort_halves_4(x: _Four) -> _Four:
    """Sort a bitonic sequence of 4."""
    a, c = _order(x[0], x[2])
    b, d = _order(x[1], x[3])
    return _order(a, b) + _order(c, d)


@_network
def _sort_halves_8(x: _Eight) -> _Eight:
    """Sort a bitonic sequence of 8."""
    a, e = _order(x[0], x[4])
    b, f = _order(x[1], x[5])
    c, g = _order(x[2], x[6])
    d, h = _order(x[3], x[7])
    return _sort_halves_4((a, b, c, d)) + _sort_halves_4((e, f, g, h))


@_network
def _sort_4(x: _Four) -> _Four:
    a, b = _order(x[0], x[1])
    c, d = _order(x[2], x[3])
    a, c = _order(a, c)
    b, d = _order(b, d)
    b, c = _order(b, c)
    return a, b, c, d


@_network
def _sort_8(x: _Eight) -> _Eight:
    low, high = _sort_4(x[:4]), _sort_4(x[4:])
    return _sort_halves_4(_lower_4(low, high)) + _sort_halves_4(_upper_4(low, high))

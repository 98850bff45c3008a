"""The Fourier transform of 16 frames side by side: every instruction works on the same number of each frame.

A real frame of ``2 * half`` samples is read as ``half`` complex numbers, the even and the odd samples, whose transform
gives that of the frame (Press et al., Numerical Recipes, section 12.3). The transform is radix 4 in constant geometry
(Pease 1968): every stage reads rows ``p + j * half / 4`` and writes rows ``4 * p + j``, and only the factors differ. A
row holds the real parts of the 16 frames, then the imaginary parts.

Imported only where numba is installed; see `earmark.features.stft`.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from earmark.features.stft import Bands, Plan
from earmark.features.table.compiled import inline, kernel
from earmark.types import FloatArray

_LANES = 16
_ROW = 2 * _LANES

# Indices reduced to this many bits are known to be positive, without which the compiler makes no vector instructions.
_INDEX = (1 << 40) - 1

_Pair: TypeAlias = tuple[float, float, float, float]


@kernel
def band_power(samples: FloatArray, hop: int, plan: Plan, bands: Bands, out: FloatArray) -> None:
    """Fill `out`, ``(band, time)``, with weighted sums over the power spectrum of every frame of padded samples."""
    half = len(plan.order)
    x, y = np.empty(half * _ROW, np.float32), np.empty(half * _ROW, np.float32)
    power = np.empty((half + 1) * _LANES, np.float32)
    for first in range(0, out.shape[1], _LANES):
        n = min(_LANES, out.shape[1] - first)
        _load(samples, first * hop, hop, n, plan, x)
        _power(_transform(x, y, plan), plan, power)
        _sum_bands(power, bands, first, n, out)


@kernel
def spectrum(samples: FloatArray, hop: int, plan: Plan, out: npt.NDArray[np.complex64]) -> None:
    """Fill `out`, ``(freq, time)``, with the spectrum of every frame of padded samples."""
    half = len(plan.order)
    x, y = np.empty(half * _ROW, np.float32), np.empty(half * _ROW, np.float32)
    for first in range(0, out.shape[1], _LANES):
        n = min(_LANES, out.shape[1] - first)
        _load(samples, first * hop, hop, n, plan, x)
        _store(_transform(x, y, plan), plan, first, n, out)


@kernel
def _load(samples: FloatArray, start: int, hop: int, n: int, plan: Plan, x: FloatArray) -> None:
    """Window `n` frames into the rows of `x`; the last one fills the lanes that are left over."""
    for block in range(0, len(plan.order), _LANES):  # in blocks, so that the rows being written stay in the cache
        for lane in range(_LANES):
            frame = (start + min(lane, n - 1) * hop) & _INDEX
            for row in range(block, block + _LANES):
                x[row * _ROW + lane] = samples[frame + 2 * row] * plan.window[2 * row]
                x[row * _ROW + _LANES + lane] = samples[frame + 2 * row + 1] * plan.window[2 * row + 1]


@kernel
def _transform(x: FloatArray, y: FloatArray, plan: Plan) -> FloatArray:
    """Transform the rows of `x`, with `y` for scratch; return the one with the result, ordered by `plan.order`."""
    for stage in range(plan.waves.shape[0]):
        _radix_4(x, y, plan.waves[stage])
        x, y = y, x
    if 4 ** plan.waves.shape[0] < len(plan.order):
        _radix_2(x, y)
        x, y = y, x
    return x


@kernel
def _radix_4(x: FloatArray, y: FloatArray, waves: FloatArray) -> None:
    quarter = len(waves) & _INDEX
    step = quarter * _ROW
    for p in range(quarter):
        w1r, w1i, w2r, w2i, w3r, w3i = waves[p]
        for lane in range(_LANES):
            i, o = p * _ROW + lane, 4 * p * _ROW + lane
            ar, ai = x[i], x[i + _LANES]
            br, bi = x[i + step], x[i + step + _LANES]
            cr, ci = x[i + 2 * step], x[i + 2 * step + _LANES]
            dr, di = x[i + 3 * step], x[i + 3 * step + _LANES]
            er, ei, fr, fi = ar + cr, ai + ci, ar - cr, ai - ci
            gr, gi, hr, hi = br + dr, bi + di, bi - di, dr - br
            y[o], y[o + _LANES] = er + gr, ei + gi
            ur, ui = fr + hr, fi + hi
            y[o + _ROW], y[o + _ROW + _LANES] = ur * w1r - ui * w1i, ur * w1i + ui * w1r
            ur, ui = er - gr, ei - gi
            y[o + 2 * _ROW], y[o + 2 * _ROW + _LANES] = ur * w2r - ui * w2i, ur * w2i + ui * w2r
            ur, ui = fr - hr, fi - hi
            y[o + 3 * _ROW], y[o + 3 * _ROW + _LANES] = ur * w3r - ui * w3i, ur * w3i + ui * w3r


@kernel
def _radix_2(x: FloatArray, y: FloatArray) -> None:
    """Do the last stage of a transform whose length is not a power of four."""
    step = (len(x) // 2) & _INDEX
    for p in range(step // _ROW):
        for lane in range(_ROW):
            i, o = p * _ROW + lane, 2 * p * _ROW + lane
            y[o], y[o + _ROW] = x[i] + x[i + step], x[i] - x[i + step]


@kernel
def _power(z: FloatArray, plan: Plan, power: FloatArray) -> None:
    half = len(plan.order) & _INDEX
    for k in range(half // 2 + 1):
        a, b = plan.order[k] & _INDEX, plan.order[(half - k) % half] & _INDEX
        wr, wi = plan.halves[k]
        low, high = k * _LANES, ((half - k) & _INDEX) * _LANES
        for lane in range(_LANES):
            lr, li, hr, hi = _unpack(z, a * _ROW + lane, b * _ROW + lane, wr, wi)
            power[low + lane] = lr * lr + li * li
            power[high + lane] = hr * hr + hi * hi


@kernel
def _store(z: FloatArray, plan: Plan, first: int, n: int, out: npt.NDArray[np.complex64]) -> None:
    half = len(plan.order) & _INDEX
    for k in range(half // 2 + 1):
        a, b = plan.order[k] & _INDEX, plan.order[(half - k) % half] & _INDEX
        wr, wi = plan.halves[k]
        for lane in range(n):
            lr, li, hr, hi = _unpack(z, a * _ROW + lane, b * _ROW + lane, wr, wi)
            out[k, first + lane] = complex(lr, li)
            out[half - k, first + lane] = complex(hr, hi)


@inline
def _unpack(z: FloatArray, i: int, j: int, wr: float, wi: float) -> _Pair:
    """Return bins k and half - k of the real frame from bins k, at `i`, and -k, at `j`, of the complex one."""
    ar, ai, br, bi = z[i], z[i + _LANES], z[j], z[j + _LANES]
    half = np.float32(0.5)
    er, ei = half * (ar + br), half * (ai - bi)
    dr, di = half * (ai + bi), half * (br - ar)
    pr, pi = dr * wr - di * wi, dr * wi + di * wr
    return er + pr, ei + pi, er - pr, pi - ei


@kernel
def _sum_bands(power: FloatArray, bands: Bands, first: int, n: int, out: FloatArray) -> None:
    total = np.empty(_LANES, np.float32)
    at = 0
    for band in range(len(bands.starts)):
        total[:] = 0
        k, end = bands.starts[band], bands.ends[band]
        while k + 4 <= end:  # four at a time, because adding to memory is slow
            w0, w1, w2, w3 = bands.weights[at], bands.weights[at + 1], bands.weights[at + 2], bands.weights[at + 3]
            for lane in range(_LANES):
                i = (k & _INDEX) * _LANES + lane
                low = w0 * power[i] + w1 * power[i + _LANES]
                total[lane] += low + (w2 * power[i + 2 * _LANES] + w3 * power[i + 3 * _LANES])
            k, at = k + 4, at + 4
        while k < end:
            for lane in range(_LANES):
                total[lane] += bands.weights[at] * power[(k & _INDEX) * _LANES + lane]
            k, at = k + 1, at + 1
        out[band, first : first + n] = total[:n]

"""Symbols drawn in code, in the unit of HOMUS, lines of them, and the folder of writers that HOMUS is."""

from __future__ import annotations

import itertools

import numpy as np

from earmark.types import Ink

SPACE = 16.0


def _arc(x, y, rx, ry):
    t = np.linspace(0, 2 * np.pi, 24)
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], axis=1)


def _path(*points):
    """Return a path through points, about two units apart, as a pen leaves them."""
    points = np.array(points, np.float64)
    steps = [
        start + np.linspace(0, 1, max(2, round(float(np.hypot(*(end - start))) / 2)))[:, None] * (end - start)
        for start, end in itertools.pairwise(points)
    ]
    return np.concatenate(steps)


def _head(x, y):
    """Return a filled head."""
    t = np.linspace(0, 10 * np.pi, 90)
    r = np.linspace(1, 0.1, 90)
    return np.stack([x + 9 * r * np.cos(t), y + 6 * r * np.sin(t)], axis=1)


SYMBOLS = {
    "Sharp": [
        _path((8, 2), (7, 44)),
        _path((18, 0), (17, 42)),
        _path((0, 18), (26, 13)),
        _path((0, 32), (26, 27)),
    ],
    "Barline": [_path((0, 0), (0, 64))],
    "Whole-Note": [_arc(10, 7, 11, 7)],
    "Half-Note": [_arc(8, 47, 9, 7), _path((17, 46), (18, 0))],
    "Quarter-Note": [_head(8, 48), _path((17, 46), (18, 0))],
    "Double-Sharp": [_path((0, 0), (22, 22)), _path((22, 0), (0, 22))],
    "Dot": [_path((0, 0), (4, 2), (1, 3), (4, 4), (2, 1))],
}


def line_of(*labels, gap=14.0, heights=None):
    """Return the strokes of symbols side by side, and the strokes of each; the middle of each box is at a height."""
    strokes, groups, left = [], [], 0.0
    for place, label in enumerate(labels):
        points = np.concatenate(SYMBOLS[label])
        low, high = points.min(axis=0), points.max(axis=0)
        middle = 0.0 if heights is None else heights[place]
        move = np.array([left - low[0], middle - (low[1] + high[1]) / 2])
        groups.append(tuple(range(len(strokes), len(strokes) + len(SYMBOLS[label]))))
        strokes += [(stroke + move).astype(np.float32) for stroke in SYMBOLS[label]]
        left += float(high[0] - low[0]) + gap
    return Ink(tuple(strokes)), groups


def write_homus(folder, rng, *, n_writers, n_drawings=4):
    """Write a folder of HOMUS: each writer draws lines that lie and lines that stand, in turn."""
    for writer in range(1, n_writers + 1):
        place = folder / str(writer)
        place.mkdir(parents=True)
        for n in range(n_drawings):
            points = np.stack([np.linspace(0, 100, 8), rng.normal(0, 3, 8)], 1)[:, :: 1 - 2 * (n % 2)]
            text = "".join(f"{x:.0f},{y:.0f};" for x, y in points)
            (place / f"{writer}-{n + 1}.txt").write_text(f"{('Lies', 'Stands')[n % 2]}\n{text}")

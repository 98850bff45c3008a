"""Doodles as ideal strokes in a box of about 1 by 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.config import Registry
from earmark.rejection.drawings.hand import Drawer, Stroke

DOODLES: Registry[Drawer] = Registry("doodle")

Rng = np.random.Generator


def _line(*points: tuple[float, float]) -> Stroke:
    return np.array(points, dtype=np.float64)


def _arc(
    centre: tuple[float, float], radius: float | tuple[float, float], *, start: float = 0.0, turns: float = 1.0
) -> Stroke:
    """Return part of an ellipse; `start` and `turns` are in whole turns, clockwise from the right."""
    angle = 2 * np.pi * np.linspace(start, start + turns, max(8, int(32 * abs(turns))))
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(np.asarray(centre) + np.asarray(radius) * circle)


def _ring(n: int, *, radius: float = 0.5, start: float = -0.25) -> Stroke:
    """Return `n` corners around the middle of the box, the first on top."""
    angle = 2 * np.pi * (np.arange(n) / n + start)
    return 0.5 + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _closed(points: Stroke) -> Stroke:
    return np.concatenate([points, points[:1]])


@DOODLES.register("wandering-line")
def _wandering_line(rng: Rng) -> Sequence[Stroke]:
    """Sums of a few slow waves: one to three smooth, aimless lines."""
    time = np.linspace(0, 1, 80)
    strokes = []
    for _ in range(rng.integers(1, 4)):
        frequency, phase, height = rng.uniform(0.3, 2.5, (3, 2)), rng.uniform(0, 1, (3, 2)), rng.uniform(0, 1, (3, 2))
        waves = height * np.sin(2 * np.pi * (time[:, None, None] * frequency + phase))
        strokes.append(waves.sum(axis=1) + rng.uniform(-0.7, 0.7, 2))
    return strokes


@DOODLES.register("random-walk")
def _random_walk(rng: Rng) -> Sequence[Stroke]:
    heading = np.cumsum(rng.normal(0, rng.uniform(0.2, 0.9), rng.integers(30, 120))) + rng.uniform(0, 2 * np.pi)
    return [np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)]


@DOODLES.register("angular-line")
def _angular_line(rng: Rng) -> Sequence[Stroke]:
    return [rng.uniform(0, 1, (rng.integers(4, 9), 2))]


@DOODLES.register("scattered-lines")
def _scattered_lines(rng: Rng) -> Sequence[Stroke]:
    return [rng.uniform(0, 1, (2, 2)) for _ in range(rng.integers(3, 8))]


@DOODLES.register("scribble")
def _scribble(rng: Rng) -> Sequence[Stroke]:
    """A tangle as tall as wide, much larger than a dot."""
    time = np.linspace(0, rng.uniform(4, 10), 160)
    drift = np.cumsum(rng.normal(0, 0.03, (160, 2)), axis=0)
    turning = np.stack([np.sin(2 * np.pi * time), np.sin(2 * np.pi * (time * rng.uniform(0.8, 1.2) + 0.2))], axis=1)
    return [rng.uniform(0.2, 0.6) * turning + drift]


@DOODLES.register("spiral")
def _spiral(rng: Rng) -> Sequence[Stroke]:
    turns = rng.uniform(2, 5)
    angle = np.linspace(0, 2 * np.pi * turns, int(30 * turns)) * rng.choice([-1, 1]) + rng.uniform(0, 6)
    radius = np.linspace(0.02, 0.5, len(angle)) ** rng.uniform(0.7, 1.3)
    return [radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)]


@DOODLES.register("zigzag")
def _zigzag(rng: Rng) -> Sequence[Stroke]:
    n = rng.integers(5, 12)
    points = np.stack([np.linspace(0, 1, n), rng.uniform(0.2, 1) * (np.arange(n) % 2)], axis=1)
    return [points if rng.random() < 0.7 else points[:, ::-1]]


@DOODLES.register("wave")
def _wave(rng: Rng) -> Sequence[Stroke]:
    x = np.linspace(0, 1, 60)
    return [np.stack([x, rng.uniform(0.05, 0.35) * np.sin(2 * np.pi * rng.uniform(2, 5) * x)], axis=1)]


@DOODLES.register("loops")
def _loops(rng: Rng) -> Sequence[Stroke]:
    """A row of loops, like somebody's practice of the letter e."""
    n = rng.integers(3, 7)
    time = np.linspace(0, n, 24 * n)
    tall = rng.uniform(0.3, 1.2)
    loop = np.stack([0.5 * time - 0.45 * np.sin(2 * np.pi * time), -tall * np.cos(2 * np.pi * time)], axis=1)
    return [loop]


@DOODLES.register("signature")
def _signature(rng: Rng) -> Sequence[Stroke]:
    time = np.linspace(0, 1, 140)
    height = np.interp(time, np.linspace(0, 1, 9), rng.uniform(0.05, 0.5, 9))
    sway = 0.12 * np.sin(2 * np.pi * rng.uniform(6, 12) * time + 1)
    up_down = height * np.sin(2 * np.pi * rng.uniform(5, 9) * time)
    name = np.stack([2 * time + sway, up_down], axis=1)
    return [name, _line((0.1, 0.7), (2.1, 0.6))] if rng.random() < 0.5 else [name]


@DOODLES.register("star")
def _star(rng: Rng) -> Sequence[Stroke]:
    if rng.random() < 0.5:
        return [_closed(_ring(5)[[0, 2, 4, 1, 3]])]
    n = int(rng.integers(4, 8))
    points = np.stack([_ring(n), _ring(n, radius=rng.uniform(0.15, 0.3), start=-0.25 + 0.5 / n)], axis=1)
    return [_closed(points.reshape(-1, 2))]


@DOODLES.register("asterisk")
def _asterisk(rng: Rng) -> Sequence[Stroke]:
    ends = _ring(2 * int(rng.integers(3, 6)), start=rng.uniform(0, 1))
    return [np.stack([end, 1 - end]) for end in ends[: len(ends) // 2]]


@DOODLES.register("heart")
def _heart(rng: Rng) -> Sequence[Stroke]:
    angle = np.linspace(0, 2 * np.pi, 60)
    curve = 13 * np.cos(angle) - 5 * np.cos(2 * angle) - 2 * np.cos(3 * angle) - np.cos(4 * angle)
    return [np.stack([16 * np.sin(angle) ** 3, -curve * rng.uniform(0.8, 1.2)], axis=1)]


@DOODLES.register("polygon")
def _polygon(rng: Rng) -> Sequence[Stroke]:
    n = int(rng.integers(3, 6))
    return [_closed(_ring(n, start=rng.uniform(0, 1)) * rng.uniform(0.7, 1, 2))]


@DOODLES.register("box")
def _box(rng: Rng) -> Sequence[Stroke]:
    tall = rng.uniform(0.7, 1.6)
    box = _line((0, 0), (1, 0), (1, tall), (0, tall), (0, 0))
    inside = [_line((0, 0), (1, tall)), _line((1, 0), (0, tall)), _line((0, tall / 2), (1, tall / 2))]
    return [box, *inside[: rng.integers(0, 4)]]


@DOODLES.register("cube")
def _cube(rng: Rng) -> Sequence[Stroke]:
    away = np.array([rng.uniform(0.2, 0.5), -rng.uniform(0.2, 0.5)])
    front = _line((0, 0), (1, 0), (1, 1), (0, 1))
    edges = [np.stack([corner, corner + away]) for corner in front]
    return [_closed(front), _closed(front + away), *edges]


@DOODLES.register("house")
def _house(rng: Rng) -> Sequence[Stroke]:
    roof = -rng.uniform(0.3, 0.7)
    parts = [_line((0, 0), (1, 0), (1, 0.8), (0, 0.8), (0, 0)), _line((0, 0), (0.5, roof), (1, 0))]
    door = _line((0.4, 0.8), (0.4, 0.4), (0.6, 0.4), (0.6, 0.8))
    window = _line((0.1, 0.2), (0.3, 0.2), (0.3, 0.4), (0.1, 0.4), (0.1, 0.2))
    return [*parts, *[door, window][: rng.integers(0, 3)]]


@DOODLES.register("smiley")
def _smiley(rng: Rng) -> Sequence[Stroke]:
    mouth = _arc((0.5, rng.uniform(0.5, 0.6)), (0.25, 0.2), start=0.05, turns=0.4)
    small = rng.uniform(0.02, 0.08)
    return [_arc((0.5, 0.5), 0.5), _arc((0.33, 0.35), small), _arc((0.67, 0.35), small), mouth]


@DOODLES.register("cat")
def _cat(rng: Rng) -> Sequence[Stroke]:
    ears = [_line((0.1, 0.3), (0.15, -0.1), (0.4, 0.05)), _line((0.6, 0.05), (0.85, -0.1), (0.9, 0.3))]
    sides = [(0.4, 0.1), (0.6, 0.9)]
    whiskers = [_line((x, y), (end, y + rng.uniform(-0.1, 0.1))) for x, end in sides for y in (0.55, 0.65)]
    return [_arc((0.5, 0.5), (0.5, 0.45)), *ears, *whiskers, _arc((0.35, 0.4), 0.03), _arc((0.65, 0.4), 0.03)]


@DOODLES.register("arrow")
def _arrow(rng: Rng) -> Sequence[Stroke]:
    tip = rng.uniform(0.15, 0.4)
    head = _line((1 - tip, -tip), (1, 0), (1 - tip, tip))
    parts = [np.stack([np.linspace(0, 1, 20), rng.uniform(-0.3, 0.3) * np.sin(np.linspace(0, np.pi, 20))], 1), head]
    turn = 2 * np.pi * rng.uniform()
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return [part @ matrix for part in parts]


@DOODLES.register("tree")
def _tree(rng: Rng) -> Sequence[Stroke]:
    if rng.random() < 0.5:
        angle = np.linspace(0, 2 * np.pi, 80)
        radius = 0.4 + 0.05 * np.sin(rng.integers(5, 10) * angle)
        crown = np.stack([0.5 + radius * np.cos(angle), 0.4 + radius * np.sin(angle)], axis=1)
        return [crown, _line((0.42, 0.78), (0.42, 1.3)), _line((0.58, 0.78), (0.58, 1.3))]
    layers = [_line((0.5, y), (0.5 - w, y + 0.4), (0.5 + w, y + 0.4), (0.5, y)) for y, w in ((0, 0.25), (0.3, 0.4))]
    return [*layers, _line((0.5, 0.7), (0.5, 1.0))]


@DOODLES.register("flower")
def _flower(rng: Rng) -> Sequence[Stroke]:
    n = int(rng.integers(4, 8))
    angle = np.linspace(0, 2 * np.pi, 120)
    radius = 0.25 + 0.15 * np.cos(n * angle)
    petals = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    stem = [_line((0, 0.35), (0.03, 1.1)), _line((0.02, 0.9), (0.25, 0.7), (0.03, 0.95))]
    return [petals, _arc((0, 0), 0.1), *stem[: rng.integers(0, 3)]]


@DOODLES.register("sun")
def _sun(rng: Rng) -> Sequence[Stroke]:
    n = int(rng.integers(6, 13))
    outer, inner = _ring(n), _ring(n, radius=0.32)
    return [_arc((0.5, 0.5), 0.25), *[np.stack([a, b]) for a, b in zip(inner, outer, strict=True)]]


@DOODLES.register("stick-figure")
def _stick_figure(rng: Rng) -> Sequence[Stroke]:
    lift, step = rng.uniform(-0.3, 0.3), rng.uniform(0.15, 0.35)
    body = [_line((0.5, 0.4), (0.5, 1.0)), _line((0.15, 0.65 + lift), (0.5, 0.55), (0.85, 0.65 - lift))]
    return [_arc((0.5, 0.2), 0.2), *body, _line((0.5 - step, 1.5), (0.5, 1.0), (0.5 + step, 1.5))]


@DOODLES.register("fish")
def _fish(rng: Rng) -> Sequence[Stroke]:
    x = np.linspace(-1, 1, 40)
    belly = rng.uniform(0.25, 0.45) * (1 - np.abs(x) ** 2)
    tail = np.array([[1.4, 0.35], [1.4, -0.35]])
    outline = np.concatenate([np.stack([x, belly], 1), tail, np.stack([x[::-1], -belly[::-1]], 1)])
    return [outline, _arc((-0.6, -0.05), 0.05)]


@DOODLES.register("cloud")
def _cloud(rng: Rng) -> Sequence[Stroke]:
    n = int(rng.integers(5, 9))
    middles = _ring(n, radius=0.4) * (1.5, 0.8)
    angles = 1 / n * np.arange(n) - 0.25
    return [
        np.concatenate(
            [_arc((m[0], m[1]), 0.24, start=a - 0.2, turns=0.4) for m, a in zip(middles, angles, strict=True)]
        )
    ]


@DOODLES.register("lightning")
def _lightning(rng: Rng) -> Sequence[Stroke]:
    back = rng.uniform(0.05, 0.2)
    bolt = _line((0.6, 0), (0.2, 0.55), (0.45, 0.5), (0.2, 1.1), (0.8, 0.4), (0.5, 0.45), (0.6 + back, 0), (0.6, 0))
    return [bolt]


@DOODLES.register("check-mark")
def _check_mark(rng: Rng) -> Sequence[Stroke]:
    tick = _line((0, 0.5), (rng.uniform(0.2, 0.4), 0.9), (1, -rng.uniform(0, 0.3)))
    box = _line((-0.1, 0), (0.9, 0), (0.9, 1), (-0.1, 1), (-0.1, 0))
    return [box, tick] if rng.random() < 0.5 else [tick]


@DOODLES.register("cup")
def _cup(rng: Rng) -> Sequence[Stroke]:
    low = rng.uniform(0.05, 0.25)
    sides = _line((0, 0), (low, 1), (1 - low, 1), (1, 0))
    return [sides, _arc((0.5, 0), (0.5, 0.1)), _arc((0.95, 0.45), (0.25, 0.25), start=-0.25, turns=0.5)]


@DOODLES.register("boat")
def _boat(rng: Rng) -> Sequence[Stroke]:
    hull = _line((0, 0.7), (0.2, 1), (0.8, 1), (1, 0.7), (0, 0.7))
    return [hull, _line((0.5, 0.7), (0.5, -0.1)), _line((0.5, -0.1), (rng.uniform(0.8, 1), 0.55), (0.5, 0.55))]


@DOODLES.register("car")
def _car(rng: Rng) -> Sequence[Stroke]:
    roof = rng.uniform(0.2, 0.35)
    body = _line((0, 0.6), (0, 0.35), (0.25, 0.3), (0.4, 0.3 - roof), (0.9, 0.3 - roof), (1.1, 0.3), (1.4, 0.4))
    return [np.concatenate([body, _line((1.4, 0.6), (0, 0.6))]), _arc((0.35, 0.62), 0.13), _arc((1.05, 0.62), 0.13)]


@DOODLES.register("grid")
def _grid(rng: Rng) -> Sequence[Stroke]:
    """Three to five lines either way, more than a sharp has."""
    n, m = rng.integers(3, 6, 2)
    level = [_line((0, y), (1, y)) for y in np.linspace(0.05, 0.95, n)]
    return [*level, *[_line((x, 0), (x, 1)) for x in np.linspace(0.05, 0.95, m)]]


@DOODLES.register("hatching")
def _hatching(rng: Rng) -> Sequence[Stroke]:
    n = int(rng.integers(5, 10))
    slope, tall = rng.uniform(-0.3, 0.3), rng.uniform(0.8, 1.6)
    return [_line((x, 0), (x + slope, tall)) for x in np.linspace(0, 1, n)]


@DOODLES.register("umbrella")
def _umbrella(rng: Rng) -> Sequence[Stroke]:
    dome = _arc((0.5, 0.5), 0.5, start=0.5, turns=0.5)
    rim = [_arc((x, 0.5), (1 / 6, rng.uniform(0.05, 0.12)), start=0.5, turns=0.5) for x in (1 / 6, 0.5, 5 / 6)]
    stick = np.concatenate([_line((0.5, 0.0), (0.5, 1.0)), _arc((0.4, 1.0), 0.1, start=0.0, turns=0.5)])
    return [dome, *rim, stick]


@DOODLES.register("rings")
def _rings(rng: Rng) -> Sequence[Stroke]:
    n = int(rng.integers(2, 5))
    if rng.random() < 0.5:
        return [_arc((0.5, 0.5), 0.5 * (i + 1) / n) for i in range(n)]
    return [_arc((0.7 * i, rng.uniform(-0.3, 0.3)), rng.uniform(0.3, 0.5)) for i in range(n)]


@DOODLES.register("infinity")
def _infinity(rng: Rng) -> Sequence[Stroke]:
    angle = np.linspace(0, 2 * np.pi, 60) + rng.uniform(0, 6)
    return [np.stack([np.cos(angle), rng.uniform(0.3, 0.7) * np.sin(2 * angle) / 2 * 1.5], axis=1)]


@DOODLES.register("moon")
def _moon(rng: Rng) -> Sequence[Stroke]:
    outer = _arc((0.5, 0.5), 0.5, start=0.15, turns=0.7)
    inner = _arc((rng.uniform(0.62, 0.7), 0.5), (0.32, 0.4), start=0.85, turns=-0.7)
    return [np.concatenate([outer, inner, outer[:1]])]


@DOODLES.register("eye")
def _eye(rng: Rng) -> Sequence[Stroke]:
    x = np.linspace(0, 1, 20)
    lid = rng.uniform(0.2, 0.35) * np.sin(np.pi * x)
    lids = [np.stack([x, -lid], 1), np.stack([x, lid], 1)]
    return [*lids, _arc((0.5, 0), rng.uniform(0.1, 0.18)), _arc((0.5, 0), 0.04)]


@DOODLES.register("bars")
def _bars(rng: Rng) -> Sequence[Stroke]:
    """A bar chart: an axis and some bars on it."""
    n = int(rng.integers(3, 6))
    bars = [_line((i, 0), (i, -h), (i + 0.7, -h), (i + 0.7, 0)) for i, h in enumerate(rng.uniform(0.5, 4, n))]
    return [_line((-0.3, 0), (n, 0)), *bars]


@DOODLES.register("ladder")
def _ladder(rng: Rng) -> Sequence[Stroke]:
    """Two rails and their rungs, standing or leaning."""
    n, lean = int(rng.integers(3, 7)), rng.uniform(-0.4, 0.4)
    heights = np.linspace(0.15, 1.35, n)
    rungs = [_line((lean * y, y), (0.5 + lean * y, y)) for y in heights]
    return [_line((0, 0), (1.5 * lean, 1.5)), _line((0.5, 0), (0.5 + 1.5 * lean, 1.5)), *rungs]

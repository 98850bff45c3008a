"""Sounds of impact: clicks, knocks, steps, applause, breaking and rustling things, and drums, one or a whole kit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from earmark.rejection.sounds.parts import (
    Curve,
    Rng,
    band_noise,
    burst,
    gain,
    glide,
    lay,
    log_uniform,
    modes,
    moments,
    repeat_random,
    sloped_noise,
    times,
    unit_rms,
    wander,
)


def _quiet(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Return the noise of a room, far below what happens in it."""
    return gain(rng.uniform(-80, -35)) * sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(0, 6))


def clicks(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Ticks and clicks, as of a clock, a metronome or keys, regular or not."""
    ticks = []
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.4:
            width = int(rng.integers(1, 1 + max(2, round(0.001 * rate_hz))))
            ticks.append(np.ones(width) * rng.choice([-1, 1]))
        else:
            centre_hz = log_uniform(rng, 400, 8000)
            ticks.append(burst(rng, rate_hz, decay_s=log_uniform(rng, 0.002, 0.03), centre_hz=centre_hz, octaves=1.5))
    at_s = moments(rng, n / rate_hz, rate=log_uniform(rng, 0.7, 15), irregular=rng.choice([0, 0.3, 1]))
    return lay(n, rate_hz, repeat_random(rng, ticks, at_s, spread_db=rng.uniform(0, 5))) + _quiet(rng, n, rate_hz)


def crackle(rng: Rng, n: int, rate_hz: int) -> Curve:
    """A worn record, a bad contact: impulses of all heights, and a little hiss."""
    chance = log_uniform(rng, 3, 2000) / rate_hz
    impulses = (rng.random(n) < chance) * rng.standard_t(2.5, n)
    smooth = np.exp(-np.arange(24) / log_uniform(rng, 0.3, 8))
    impulses = np.convolve(np.clip(impulses, -20, 20), smooth, mode="full")[:n]
    return impulses + gain(rng.uniform(-60, -15)) * sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(0, 5))


def knocks(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Knocking, hammering, things put down: a few damped modes that are no harmonics."""
    hits = [_thud(rng, rate_hz, low_hz=80, high_hz=1500, decay_s=log_uniform(rng, 0.03, 0.25)) for _ in range(3)]
    at_s = moments(rng, n / rate_hz, rate=log_uniform(rng, 0.8, 8), irregular=rng.choice([0.1, 0.4, 1]))
    return lay(n, rate_hz, repeat_random(rng, hits, at_s, spread_db=4)) + _quiet(rng, n, rate_hz)


def footsteps(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Steps: heel and sole on wood, gravel or stone."""
    grit = rng.uniform(0, 1.5)
    steps = []
    for _ in range(4):
        heel = _thud(rng, rate_hz, low_hz=50, high_hz=600, decay_s=rng.uniform(0.04, 0.15))
        sole = burst(rng, rate_hz, decay_s=rng.uniform(0.05, 0.3), centre_hz=log_uniform(rng, 500, 5000), octaves=2)
        later_s = rng.uniform(0.03, 0.15)
        length = round((later_s + 0.3) * rate_hz)
        steps.append(lay(length, rate_hz, [(0.0, unit_rms(heel)), (later_s, grit * unit_rms(sole))]))
    at_s = moments(rng, n / rate_hz, rate=rng.uniform(1.2, 4), irregular=0.1)
    return lay(n, rate_hz, repeat_random(rng, steps, at_s, spread_db=3)) + _quiet(rng, n, rate_hz)


def applause(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Clapping, by one or by a hall."""
    claps = [
        burst(rng, rate_hz, decay_s=rng.uniform(0.01, 0.06), centre_hz=log_uniform(rng, 700, 3000), octaves=1.5)
        for _ in range(24)
    ]
    n_people = int(np.ceil(log_uniform(rng, 1, 300)))
    if n_people < 6:
        at_s = moments(rng, n / rate_hz, rate=n_people * rng.uniform(2, 5), irregular=0.15)
    else:
        at_s = moments(rng, n / rate_hz, rate=4.0 * n_people)
    return lay(n, rate_hz, repeat_random(rng, claps, at_s, spread_db=6)) + _quiet(rng, n, rate_hz)


def clatter(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Dishes, coins, keys, glass that breaks: many high modes that ring a little, each hit another way."""
    hits = []
    for _ in range(6):
        length = round(rng.uniform(0.1, 0.6) * rate_hz)
        n_modes = int(rng.integers(5, 16))
        hz = np.exp(rng.uniform(np.log(700), np.log(9000), n_modes))
        decays = np.exp(rng.uniform(np.log(0.03), np.log(0.5), n_modes))
        ring = modes(rng, length, rate_hz, frequencies_hz=hz, decays_s=decays, levels_db=rng.normal(-6, 6, n_modes))
        knock = burst(rng, rate_hz, decay_s=0.01, centre_hz=4000, octaves=3)
        hits.append(lay(length, rate_hz, [(0.0, unit_rms(ring)), (0.0, rng.uniform(0, 3) * knock)]))
    at_s = moments(rng, n / rate_hz, rate=log_uniform(rng, 1.5, 20))
    return lay(n, rate_hz, repeat_random(rng, hits, at_s, spread_db=7)) + _quiet(rng, n, rate_hz)


def rustle(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Paper, clothes, leaves, brushing, sawing, breathing: noise that comes and goes."""
    noise = band_noise(rng, n, rate_hz, centre_hz=log_uniform(rng, 500, 5000), octaves=rng.uniform(1, 4), skirt_db=9)
    if rng.random() < 0.5:
        strokes = np.sin(np.pi * rng.uniform(0.4, 5) * times(n, rate_hz)) ** 2
        return noise * strokes ** rng.uniform(0.5, 3) + _quiet(rng, n, rate_hz)
    flutter = np.maximum(0, wander(rng, n, knots=n / rate_hz * log_uniform(rng, 3, 80)))
    return noise * flutter * np.maximum(0.02, wander(rng, n, knots=n / rate_hz * 1.5)) + _quiet(rng, n, rate_hz)


def _thud(rng: Rng, rate_hz: int, *, low_hz: float, high_hz: float, decay_s: float) -> Curve:
    length = round(2 * decay_s * rate_hz) + 64
    n_modes = int(rng.integers(2, 7))
    hz = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), n_modes))
    decays = decay_s * np.exp(rng.normal(0, 0.4, n_modes))
    tone = modes(rng, length, rate_hz, frequencies_hz=hz, decays_s=decays, levels_db=rng.normal(-5, 5, n_modes))
    knock = burst(rng, rate_hz, decay_s=0.02, centre_hz=log_uniform(rng, 500, 4000), octaves=2)
    return lay(length, rate_hz, [(0.0, unit_rms(tone)), (0.0, rng.uniform(0, 2) * knock)])


def _kick(rng: Rng, rate_hz: int) -> Curve:
    """A bass drum: a tone that drops, and a beater."""
    n = round(rng.uniform(0.12, 0.6) * rate_hz)
    time_s = times(n, rate_hz)
    hz = rng.uniform(38, 75) * (1 + rng.uniform(0.5, 4) * np.exp(-time_s / rng.uniform(0.01, 0.05)))
    body = glide(hz, rate_hz) * np.exp(-6.9 * time_s / (n / rate_hz))
    beater = burst(rng, rate_hz, decay_s=0.012, centre_hz=log_uniform(rng, 800, 5000), octaves=2)
    return lay(n, rate_hz, [(0.0, body), (0.0, rng.uniform(0, 0.5) * beater)])


def _tom(rng: Rng, rate_hz: int) -> Curve:
    """A drum of some pitch that falls a little: tom, conga, timpani."""
    n = round(rng.uniform(0.15, 0.7) * rate_hz)
    time_s = times(n, rate_hz)
    bend = 1 + rng.uniform(0, 0.4) * np.exp(-time_s / 0.05)
    base_hz = log_uniform(rng, 70, 400)
    # The modes of a membrane (Fletcher & Rossing 1998, table 3.1), some of them.
    ratios = (1, 1.59, 2.14, 2.30, 2.65)
    body = sum(
        (rng.uniform(0, 0.7) ** i * glide(base_hz * ratio * bend, rate_hz) for i, ratio in enumerate(ratios)),
        np.zeros(n),
    )
    skin = burst(rng, rate_hz, decay_s=0.03, centre_hz=log_uniform(rng, 400, 3000), octaves=2)
    return lay(n, rate_hz, [(0.0, body * np.exp(-6.9 * time_s / (n / rate_hz))), (0.0, rng.uniform(0, 0.6) * skin)])


def _snare(rng: Rng, rate_hz: int) -> Curve:
    """A snare drum: two modes and rattling wires."""
    n = round(rng.uniform(0.1, 0.4) * rate_hz)
    low_hz = rng.uniform(150, 260)
    skin = modes(
        rng, n, rate_hz, frequencies_hz=np.array([low_hz, 1.7 * low_hz]),
        decays_s=np.array([0.2, 0.12]), levels_db=np.array([0.0, -4.0]),
    )  # fmt: skip
    wires = burst(
        rng, rate_hz, decay_s=rng.uniform(0.1, 0.4), centre_hz=log_uniform(rng, 2000, 6000), octaves=rng.uniform(2, 4)
    )
    return lay(n, rate_hz, [(0.0, unit_rms(skin)), (0.0, rng.uniform(1, 6) * wires)])


def _clap(rng: Rng, rate_hz: int) -> Curve:
    """Several hands at almost one moment."""
    hands = burst(rng, rate_hz, decay_s=rng.uniform(0.05, 0.25), centre_hz=log_uniform(rng, 900, 2500), octaves=1.5)
    return lay(2 * len(hands), rate_hz, [(late_s, hands) for late_s in np.cumsum(rng.uniform(0.006, 0.014, 3))])


def _cymbal(rng: Rng, rate_hz: int, *, decay_s: float) -> Curve:
    """Metal: a hundred close modes, so nearly noise, bright and long."""
    n = round(decay_s * rate_hz)
    top_hz = min(11_000, 0.45 * rate_hz)
    noise = band_noise(rng, n, rate_hz, centre_hz=0.6 * top_hz, octaves=rng.uniform(1, 2.5), skirt_db=12)
    n_modes = 25
    hz = rng.uniform(300, top_hz, n_modes)
    decays = decay_s * rng.uniform(0.5, 1.2, n_modes)
    metal = modes(rng, n, rate_hz, frequencies_hz=hz, decays_s=decays, levels_db=rng.normal(-6, 5, n_modes))
    time_s = times(n, rate_hz)
    return unit_rms(noise * np.exp(-6.9 * time_s / decay_s)) + rng.uniform(0, 0.8) * unit_rms(metal)


def _hat(rng: Rng, rate_hz: int) -> Curve:
    return _cymbal(rng, rate_hz, decay_s=log_uniform(rng, 0.03, 0.3))


def _crash(rng: Rng, rate_hz: int) -> Curve:
    return _cymbal(rng, rate_hz, decay_s=rng.uniform(0.6, 3))


def _rim(rng: Rng, rate_hz: int) -> Curve:
    return _thud(rng, rate_hz, low_hz=400, high_hz=3000, decay_s=rng.uniform(0.02, 0.08))


_Drum = Callable[[Rng, int], Curve]
_KIT: tuple[_Drum, ...] = (_kick, _snare, _hat, _hat, _tom, _clap, _rim, _crash)


def drum(rng: Rng, n: int, rate_hz: int) -> Curve:
    """One drum, struck now and then or rolled."""
    strike = _KIT[rng.integers(len(_KIT))]
    hits = [unit_rms(strike(rng, rate_hz))]
    rolled = rng.random() < 0.3
    rate = rng.uniform(8, 25) if rolled else log_uniform(rng, 0.6, 4)
    at_s = moments(rng, n / rate_hz, rate=rate, irregular=0.1)
    return lay(n, rate_hz, repeat_random(rng, hits, at_s, spread_db=2.5)) + _quiet(rng, n, rate_hz)


def drum_kit(rng: Rng, n: int, rate_hz: int) -> Curve:
    """A pattern of sixteenths on some drums of a kit, with fills."""
    sixteenth_s = 15 / rng.uniform(60, 190)
    swing = rng.choice([0, 0, rng.uniform(0, 0.35)])
    n_steps = int(n / rate_hz / sixteenth_s) + 2
    events = []
    for strike in (_kick, _snare, _hat, *rng.choice(np.array(_KIT, object), size=rng.integers(0, 5))):
        hit = unit_rms(strike(rng, rate_hz)) * gain(rng.uniform(-14, 0))
        bar = rng.random(16) < rng.uniform(0.1, 0.6)
        bar[rng.integers(0, 16, 2)] = True
        for step in range(n_steps):
            # Now and then a drummer leaves the pattern.
            if bar[step % 16] != (rng.random() < 0.06):
                late_s = swing * sixteenth_s * (step % 2) + max(0, rng.normal(0, 0.004))
                events.append((step * sixteenth_s + late_s, hit * gain(rng.normal(0, 2))))
    return lay(n, rate_hz, events) + _quiet(rng, n, rate_hz)


def shaker(rng: Rng, n: int, rate_hz: int) -> Curve:
    """A shaker, a tambourine, castanets: bright bursts in a quick even rhythm."""
    grains = [
        burst(
            rng, rate_hz, decay_s=log_uniform(rng, 0.03, 0.2), centre_hz=log_uniform(rng, 2500, 8000),
            octaves=rng.uniform(0.4, 2), rise_s=log_uniform(rng, 0.001, 0.04),
        )
        for _ in range(3)
    ]  # fmt: skip
    at_s = moments(rng, n / rate_hz, rate=rng.uniform(3, 12), irregular=0.05)
    return lay(n, rate_hz, repeat_random(rng, grains, at_s, spread_db=5)) + _quiet(rng, n, rate_hz)

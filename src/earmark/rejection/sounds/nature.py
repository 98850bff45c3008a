"""Sounds of animals and weather: birds, crickets, frogs; rain, streams, sea, wind, thunder, fire."""

from __future__ import annotations

import numpy as np

from earmark.rejection.sounds.parts import (
    Curve,
    Rng,
    band_noise,
    burst,
    frame_hz,
    gain,
    glide,
    lay,
    log_uniform,
    moments,
    moving_filter,
    n_frames,
    repeat_random,
    resonance,
    sloped_noise,
    times,
    unit_rms,
    wander,
)


def bird(rng: Rng, n: int, rate_hz: int) -> Curve:
    """One bird or a few: motifs of whistled, trilled and buzzing syllables, repeated with pauses."""
    singers = [_bird(rng, n, rate_hz) * gain(-rng.exponential(6)) for _ in range(1 + rng.poisson(0.7))]
    air = unit_rms(sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(0, 6)))
    return sum(singers, np.zeros(n)) + gain(rng.uniform(-70, -25)) * air


def _bird(rng: Rng, n: int, rate_hz: int) -> Curve:
    pitch_hz = min(log_uniform(rng, 900, 7000), 0.3 * rate_hz)
    syllables = [_syllable(rng, pitch_hz, rate_hz) for _ in range(rng.integers(1, 6))]
    gap_s = log_uniform(rng, 0.01, 0.25)
    events, at_s = [], rng.uniform(0, min(1.0, 0.3 * n / rate_hz))
    while at_s < n / rate_hz:
        # A strophe: some syllables, each perhaps several times.
        for _ in range(rng.integers(1, 7)):
            syllable = syllables[rng.integers(len(syllables))]
            for _ in range(rng.integers(1, 6)):
                events.append((at_s, syllable * rng.uniform(0.5, 1)))
                at_s += len(syllable) / rate_hz + gap_s * rng.uniform(0.7, 1.3)
        at_s += rng.exponential(1.0)
    return lay(n, rate_hz, events)


def _syllable(rng: Rng, pitch_hz: float, rate_hz: int) -> Curve:
    """Return a syllable whose pitch bends, warbles or buzzes."""
    n = round(log_uniform(rng, 0.02, 0.5) * rate_hz)
    share, time_s = np.linspace(0, 1, n), times(n, rate_hz)
    bend = rng.normal(0, 0.6) * share + rng.normal(0, 0.5) * np.sin(np.pi * share)
    warble = rng.choice([0, 0, 0.03, 0.15, 0.4]) * np.sin(2 * np.pi * log_uniform(rng, 8, 90) * time_s)
    hz = np.clip(pitch_hz * 2 ** (rng.normal(0, 0.4) + bend + warble + 0.02 * wander(rng, n, knots=6)), 300, 12_000)
    partials = (0, *(-rng.uniform(8, 45, 3)))
    loud = np.sin(np.pi * share) ** rng.uniform(0.3, 2)
    if rng.random() < 0.2:  # a rattle
        loud = loud * (0.5 + 0.5 * np.sin(2 * np.pi * log_uniform(rng, 20, 120) * time_s))
    return glide(hz, rate_hz, partials_db=partials) * loud


def insects(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Crickets and cicadas: a high tone or band in pulses, pulses in chirps."""
    total = np.zeros(n)
    time_s = times(n, rate_hz)
    for _ in range(rng.integers(1, 4)):
        hz = min(log_uniform(rng, 1800, 8000), 0.42 * rate_hz)
        tonal = rng.random() < 0.6
        carrier = (
            glide(hz * (1 + 0.005 * wander(rng, n, knots=n / rate_hz)), rate_hz)
            if tonal
            else band_noise(rng, n, rate_hz, centre_hz=hz, octaves=rng.uniform(0.1, 0.8))
        )
        pulsed = np.maximum(0, np.sin(2 * np.pi * log_uniform(rng, 15, 120) * time_s)) ** 2
        chirps = np.sin(2 * np.pi * rng.uniform(0.5, 5) * time_s + rng.uniform(0, 6)) > rng.uniform(-1, 0.5)
        total += gain(-rng.exponential(5)) * carrier * pulsed * chirps
    return total + gain(rng.uniform(-60, -20)) * sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(0, 6))


def frogs(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Frogs and ducks: trains of damped pulses through one or two resonances, in croaks."""
    hz = frame_hz(rate_hz)
    total = np.zeros(n)
    for _ in range(rng.integers(1, 4)):
        rate = log_uniform(rng, 15, 250)
        croaks = []
        for at_s in moments(rng, n / rate_hz, rate=rng.uniform(0.7, 3), irregular=0.5):
            length = min(n, round(rng.uniform(0.08, 0.6) * rate_hz))
            share = np.linspace(0, 1, length)
            train = np.zeros(length)
            cycles = np.cumsum(rate * 2 ** (0.3 * np.sin(np.pi * share))) / rate_hz
            train[np.flatnonzero(np.diff(np.floor(cycles)) > 0)] = 1
            croaks.append((float(at_s), (train + 0.02 * rng.standard_normal(length)) * np.sin(np.pi * share)))
        shape = resonance(hz, log_uniform(rng, 300, 1500), 80) * resonance(hz, log_uniform(rng, 1000, 3500), 200)
        total += moving_filter(lay(n, rate_hz, croaks), rate_hz, np.tile(shape, (n_frames(n, rate_hz), 1)))
    return total


def rain(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Rain: the hiss of far drops and the taps of near ones, on leaves, glass, tin or water."""
    duration_s = n / rate_hz
    hiss = sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(-2, 5))
    hiss *= 1 + rng.uniform(0, 0.6) * wander(rng, n, knots=duration_s * rng.uniform(0.2, 2))
    surface_hz = log_uniform(rng, 700, 6000)
    drops = [
        burst(
            rng, rate_hz, decay_s=log_uniform(rng, 0.003, 0.05), centre_hz=surface_hz * 2 ** rng.normal(0, 0.6),
            octaves=rng.uniform(0.2, 3),
        )
        for _ in range(12)
    ]  # fmt: skip
    at_s = moments(rng, duration_s, rate=log_uniform(rng, 4, 400))
    near = lay(n, rate_hz, repeat_random(rng, drops, at_s, spread_db=8))
    return unit_rms(near) + gain(rng.uniform(-25, 15)) * unit_rms(hiss)


def stream(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Running or dripping water: bubbles that ring as they close (Minnaert 1933), each rising a little in pitch."""
    bubbles = []
    for _ in range(16):
        length = round(log_uniform(rng, 0.01, 0.12) * rate_hz)
        share = np.linspace(0, 1, length)
        hz = min(log_uniform(rng, 250, 4000), 0.3 * rate_hz) * 2 ** (rng.uniform(0, 0.6) * share)
        bubbles.append(glide(hz, rate_hz) * np.exp(-5 * share) * np.minimum(1, share * 20))
    at_s = moments(rng, n / rate_hz, rate=log_uniform(rng, 2, 250))
    water = lay(n, rate_hz, repeat_random(rng, bubbles, at_s, spread_db=6))
    hiss = band_noise(rng, n, rate_hz, centre_hz=log_uniform(rng, 600, 3000), octaves=2, skirt_db=6)
    return unit_rms(water) + gain(rng.uniform(-40, 5)) * hiss


def sea(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Waves that come, break brightly and run out."""
    frames = n_frames(n, rate_hz)
    hz = frame_hz(rate_hz)
    swell = (1 + wander(rng, frames, knots=n / rate_hz / rng.uniform(1.5, 5))) / 2
    cutoff = 200 * 2 ** (1 + rng.uniform(2, 5) * swell)
    shape = 1 / (1 + (hz[None] / cutoff[:, None]) ** rng.uniform(1, 2))
    level = gain(-rng.uniform(6, 35) * (1 - swell))
    return moving_filter(sloped_noise(rng, n, rate_hz, slope_db=2), rate_hz, shape * level[:, None])


def wind(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Gusts: rumble, and a howl through one or two gaps whose pitch follows the strength."""
    frames = n_frames(n, rate_hz)
    hz = frame_hz(rate_hz)
    gust = wander(rng, frames, knots=n / rate_hz * rng.uniform(0.3, 2)) + 0.3 * wander(rng, frames, knots=frames / 20)
    shape = 1 / (1 + (hz[None] / log_uniform(rng, 80, 800)) ** rng.uniform(1, 3)) * np.ones((frames, 1))
    for _ in range(rng.integers(0, 3)):
        howl = log_uniform(rng, 200, 1200) * 2 ** (0.5 * gust)
        shape = (
            shape + rng.uniform(0.02, 0.5) * resonance(hz, howl[:, None], howl[:, None] * rng.uniform(0.05, 0.4)) / 5
        )
    level = gain(rng.uniform(4, 15) * gust)
    return moving_filter(sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(0, 4)), rate_hz, shape * level[:, None])


def thunder(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Thunder, explosions and things that fall: booms of low noise that roll out."""
    booms = []
    for at_s in moments(rng, n / rate_hz, rate=rng.uniform(0.3, 1.5)):
        boom = burst(
            rng, rate_hz, decay_s=log_uniform(rng, 0.3, 5), centre_hz=log_uniform(rng, 40, 400),
            octaves=rng.uniform(1, 4), rise_s=log_uniform(rng, 0.001, 0.2),
        )  # fmt: skip
        booms.append((float(at_s), boom * (1 + 0.7 * wander(rng, len(boom), knots=10)) * rng.uniform(0.2, 1)))
    return lay(n, rate_hz, booms) + gain(-50) * sloped_noise(rng, n, rate_hz, slope_db=4)


def fire(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Crackling over a soft roar."""
    sparks = [
        burst(rng, rate_hz, decay_s=log_uniform(rng, 0.002, 0.02), centre_hz=log_uniform(rng, 800, 7000), octaves=2)
        for _ in range(10)
    ]
    at_s = moments(rng, n / rate_hz, rate=log_uniform(rng, 3, 60))
    crackle = lay(n, rate_hz, repeat_random(rng, sparks, at_s, spread_db=9))
    roar = sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(4, 8))
    roar *= 1 + 0.4 * wander(rng, n, knots=n / rate_hz * 3)
    return unit_rms(crackle) + gain(rng.uniform(-25, 5)) * unit_rms(roar)

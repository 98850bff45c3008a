"""Sounds of machines and signals: mains hum, engines, appliances, sirens, beeps, telephones, and plain noise."""

from __future__ import annotations

import numpy as np

from earmark.rejection.sounds.parts import (
    Curve,
    Rng,
    band_noise,
    frame_hz,
    gain,
    glide,
    lay,
    log_uniform,
    moving_filter,
    n_frames,
    pulses,
    resonance,
    shape_spectrum,
    sloped_noise,
    times,
    unit_rms,
    wander,
)


def hum(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Mains: 50 or 60 Hz and harmonics of any balance, steady, with more or less noise."""
    mains_hz = float(rng.choice([50.0, 60.0])) * (1 + rng.normal(0, 0.001))
    n_partials = int(rng.integers(1, 40))
    number = np.arange(1, n_partials + 1)
    levels = -rng.uniform(1, 12) * np.log2(number) + rng.normal(0, 6, n_partials)
    # Rectified mains and transformers buzz at even harmonics, dimmers at odd ones.
    levels[number % 2 == rng.integers(2)] -= rng.choice([0, 10, 30])
    time_s = times(n, rate_hz)
    total = np.zeros(n)
    for partial, level_db in zip(number, levels, strict=True):
        if partial * mains_hz < 0.47 * rate_hz:
            total += gain(level_db) * np.sin(2 * np.pi * partial * mains_hz * time_s + rng.uniform(0, 2 * np.pi))
    return unit_rms(total) + gain(rng.uniform(-60, -10)) * sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(0, 6))


def engine(rng: Rng, n: int, rate_hz: int) -> Curve:
    """A motor that idles or revs: uneven pulses through the resonances of an exhaust, and noise in step with them."""
    firing_hz = log_uniform(rng, 12, 200) * 2 ** (
        rng.uniform(0, 1.2) * wander(rng, n, knots=n / rate_hz * rng.uniform(0.2, 1.5))
    )
    source = pulses(rng, firing_hz, rate_hz, jitter=rng.uniform(0, 0.06), shimmer=rng.uniform(0, 0.3))
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * np.cumsum(firing_hz) / rate_hz)
    noise = rng.standard_normal(n) * beat
    hz = frame_hz(rate_hz)
    shape = np.ones(len(hz))
    for _ in range(rng.integers(2, 6)):
        centre = log_uniform(rng, 60, 2500)
        shape = shape + rng.uniform(0.3, 2) * resonance(hz, centre, centre * rng.uniform(0.1, 0.6))
    shape /= 1 + (hz / log_uniform(rng, 150, 3000)) ** rng.uniform(1, 2)
    running = unit_rms(source) + gain(rng.uniform(-25, 5)) * noise
    return moving_filter(running, rate_hz, np.tile(shape, (n_frames(n, rate_hz), 1)))


def appliance(rng: Rng, n: int, rate_hz: int) -> Curve:
    """A fan, a vacuum cleaner, a drill, an aeroplane: noise, a few whining tones, a slow turn."""
    time_s = times(n, rate_hz)
    noise = sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(0, 7))
    octaves = np.arange(-3, 5)
    noise = shape_spectrum(noise, rate_hz, rng.normal(0, 7, len(octaves)), 800 * 2.0**octaves)
    speed = 1 + 0.15 * rng.random() * wander(rng, n, knots=n / rate_hz * 0.5)
    whine = np.zeros(n)
    for _ in range(rng.integers(0, 5)):
        partials = -np.sort(rng.uniform(0, 30, rng.integers(1, 6)))
        whine += rng.uniform(0.1, 1) * glide(log_uniform(rng, 80, 4000) * speed, rate_hz, partials_db=partials)
    turning = 1 + rng.uniform(0, 0.8) * np.sin(2 * np.pi * log_uniform(rng, 0.5, 30) * time_s)
    return (unit_rms(noise) + gain(rng.uniform(-20, 3)) * whine) * turning


def siren(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Wailing, yelping, two-toned; alarms that sweep; now and then passing by."""
    time_s = times(n, rate_hz)
    turn = time_s * log_uniform(rng, 0.1, 6) + rng.uniform()
    shapes = {
        "wail": 0.5 - 0.5 * np.cos(2 * np.pi * turn),
        "sweep": turn % 1.0,
        "fall": 1 - turn % 1.0,
        "two": np.where(turn % 1.0 < 0.5, 0.0, 1.0),
    }
    sweep = shapes[str(rng.choice(list(shapes)))]
    hz = log_uniform(rng, 250, 1500) * 2 ** (rng.uniform(0.3, 2) * sweep)
    hz = hz * (1 + 0.03 * rng.random() * wander(rng, n, knots=4))
    tone = glide(hz, rate_hz, partials_db=(0, *(-rng.uniform(3, 35, 7))))
    return tone * (1 + 0.5 * wander(rng, n, knots=3)) + gain(rng.uniform(-60, -15)) * sloped_noise(
        rng, n, rate_hz, slope_db=4
    )


def sweep(rng: Rng, n: int, rate_hz: int) -> Curve:
    """One slide of a tone over some octaves, up or down, at once or over and over."""
    span = np.linspace(0, 1, n) if rng.random() < 0.5 else (times(n, rate_hz) / log_uniform(rng, 0.2, 4)) % 1.0
    octaves = rng.uniform(1.5, 6)
    low_hz = log_uniform(rng, 40, max(60.0, 0.4 * rate_hz / 2**octaves))
    span = span if rng.random() < 0.7 else 1 - span
    return glide(low_hz * 2 ** (octaves * span), rate_hz, partials_db=(0, *(-rng.uniform(6, 60, 4))))


def beeps(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Beeps of one or two tones, on and off: clocks, monitors, doors, lorries that back up, dialled numbers."""
    dual = rng.random() < 0.5
    on_s = log_uniform(rng, 0.04, 0.25)
    off_s = on_s * log_uniform(rng, 0.3, 3)
    choices = [_tones(rng, dual=dual) for _ in range(rng.integers(1, 8))]
    partials = (0, *(-rng.uniform(10, 60, 3)))
    events, at_s = [], rng.uniform(0, off_s)
    while at_s < n / rate_hz:
        n_on = round(on_s * rate_hz)
        tones = choices[rng.integers(len(choices))]
        beep = sum((glide(np.full(n_on, hz), rate_hz, partials_db=partials) for hz in tones), np.zeros(n_on))
        edge = np.minimum(1, np.minimum(np.arange(n_on), np.arange(n_on)[::-1]) / (0.004 * rate_hz))
        events.append((at_s, beep * edge))
        at_s += on_s + off_s * (1 if rng.random() < 0.85 else rng.uniform(2, 5))
    return lay(n, rate_hz, events) + gain(rng.uniform(-70, -25)) * sloped_noise(rng, n, rate_hz, slope_db=3)


def _tones(rng: Rng, *, dual: bool) -> tuple[float, ...]:
    if not dual:
        return (log_uniform(rng, 400, 3500),)
    # The rows and columns of a dialling pad (ITU-T Q.23).
    return float(rng.choice([697, 770, 852, 941])), float(rng.choice([1209, 1336, 1477, 1633]))


def telephone(rng: Rng, n: int, rate_hz: int) -> Curve:
    """A bell or a warble that rings and rests, or the chatter of a modem."""
    time_s = times(n, rate_hz)
    kind = rng.choice(["warble", "bell", "modem"])
    if kind == "modem":
        symbols = rng.choice([1070, 1270, 2025, 2225, 1200, 2400], size=len(time_s))
        held = symbols[(time_s * log_uniform(rng, 30, 400)).astype(int) % len(symbols)]
        return glide(held.astype(float), rate_hz) + 0.3 * band_noise(rng, n, rate_hz, centre_hz=1800, octaves=1)
    turn = np.floor(time_s * rng.uniform(10, 30) * 2) % 2
    low, ratio = log_uniform(rng, 400, 1400), rng.uniform(1.1, 1.5)
    tone = glide(low * ratio**turn, rate_hz, partials_db=(0, *(-rng.uniform(3, 30, 4))))
    if kind == "bell":
        strike_s = 1 / rng.uniform(12, 25)
        tone = tone + glide(np.full(n, low * 2.76), rate_hz, partials_db=(-3, -12))
        tone *= np.exp(-(time_s % strike_s) / strike_s * rng.uniform(0.5, 3))
    rest_s = rng.uniform(0.2, 2)
    return tone * ((time_s + rng.uniform(0, 1)) % (1 + rest_s) < 1)


def white_noise(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Noise as strong at every frequency, even or uniform."""
    uniform = rng.random() < 0.2
    return rng.uniform(-1, 1, n) if uniform else sloped_noise(rng, n, rate_hz, slope_db=0)


def pink_noise(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Noise as strong in every octave, or nearly."""
    return sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(2, 4))


def brown_noise(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Noise of low frequencies."""
    return sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(5, 9))


def noise_band(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Noise in one band or two, still or pulsing."""
    total = np.zeros(n)
    for _ in range(rng.integers(1, 3)):
        centre_hz = min(log_uniform(rng, 60, 6000), 0.4 * rate_hz)
        noise = band_noise(
            rng, n, rate_hz, centre_hz=centre_hz, octaves=rng.uniform(0.1, 3), skirt_db=rng.choice([6, 12, 48])
        )
        total += noise * (1 + rng.choice([0, 0.9]) * wander(rng, n, knots=n / rate_hz * log_uniform(rng, 1, 10)))
    return total + gain(rng.uniform(-60, -20)) * sloped_noise(rng, n, rate_hz, slope_db=rng.uniform(0, 6))


def radio(rng: Rng, n: int, rate_hz: int) -> Curve:
    """Static between stations: hiss, whistles that slide, crackling."""
    hiss = band_noise(rng, n, rate_hz, centre_hz=log_uniform(rng, 500, 2500), octaves=rng.uniform(1, 4))
    hiss *= 1 + 0.8 * wander(rng, n, knots=n / rate_hz * rng.uniform(0.5, 8))
    whistle = glide(log_uniform(rng, 300, 2500) * 2 ** (1.5 * wander(rng, n, knots=n / rate_hz)), rate_hz)
    cracks = (rng.random(n) < log_uniform(rng, 1, 60) / rate_hz) * rng.normal(0, 20, n)
    return hiss + gain(rng.uniform(-30, 5)) * whistle + cracks

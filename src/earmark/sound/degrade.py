"""Degradations of a sound: other microphones, rooms, noise, codecs and rates.

Every function returns a new `Sound` of the same rate and length; what is random comes from the generator given.
"""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from earmark.errors import UsageError
from earmark.sound.reading import resample
from earmark.types import FloatArray, Sound

MP3_RATES_HZ = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
OPUS_RATE_HZ = 48_000


def add_noise(sound: Sound, rng: np.random.Generator, *, snr_db: float, slope_db: float = 0.0) -> Sound:
    """Add steady noise.

    Parameters
    ----------
    snr_db
        Mean power of the sound over that of the noise.
    slope_db
        Fall of the noise's spectrum an octave: 0 is white, 3 pink, 6 brown; a quiet room is between 3 and 6.
    """
    n_samples = len(sound.samples)
    if not n_samples:
        return sound
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    # Below 20 Hz the slope stops, so that most of the noise is not below hearing.
    hz = np.maximum(np.fft.rfftfreq(n_samples, 1 / sound.sample_rate_hz), 20.0)
    noise = np.fft.irfft(spectrum * hz ** (-slope_db / 6.0206), n_samples)
    power = float(np.mean(np.square(sound.samples)))
    scale = np.sqrt(power / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return Sound((sound.samples + scale * noise).astype(np.float32), sound.sample_rate_hz)


def add_hum(sound: Sound, rng: np.random.Generator, *, level_db: float, mains_hz: float = 50.0) -> Sound:
    """Add mains hum of three harmonics, `level_db` relative to the sound's peak."""
    time_s = np.arange(len(sound.samples)) / sound.sample_rate_hz
    phases = rng.uniform(0, 2 * np.pi, 3)
    hum = sum(np.sin(2 * np.pi * mains_hz * (i + 1) * time_s + phases[i]) / (i + 1) for i in range(3))
    level = _peak(sound.samples) * 10 ** (level_db / 20)
    return Sound((sound.samples + level * hum).astype(np.float32), sound.sample_rate_hz)


def reverberate(sound: Sound, rng: np.random.Generator, *, t60_s: float, wet_db: float) -> Sound:
    """Play a sound in a room: the direct sound, then noise that decays exponentially (Moorer 1979) and gets darker.

    Parameters
    ----------
    t60_s
        Time in which the room loses 60 dB.
    wet_db
        Energy of the room's response relative to the direct sound.
    """
    n_response = max(2, round(t60_s * sound.sample_rate_hz))
    time_s = np.arange(n_response) / sound.sample_rate_hz
    response = rng.standard_normal(n_response) * 10 ** (-3 * time_s / t60_s)
    response[1:] = 0.5 * (response[1:] + response[:-1])
    response[: round(0.002 * sound.sample_rate_hz)] = 0
    response *= 10 ** (wet_db / 20) / np.sqrt(np.sum(response**2) + 1e-12)
    response[0] = 1
    n_samples = len(sound.samples)
    n_fft = 1 << (n_samples + n_response).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound.samples, n_fft) * np.fft.rfft(response, n_fft), n_fft)[:n_samples]
    return Sound(wet.astype(np.float32), sound.sample_rate_hz)


def equalize(sound: Sound, *, gains_db: npt.NDArray[Any], frequencies_hz: npt.NDArray[Any]) -> Sound:
    """Filter by a curve of gains, given at rising frequencies and interpolated over their logarithm; no phase shift."""
    if not len(sound.samples):
        return sound
    spectrum = np.fft.rfft(sound.samples)
    hz = np.maximum(np.fft.rfftfreq(len(sound.samples), 1 / sound.sample_rate_hz), 1.0)
    curve = np.interp(np.log(hz), np.log(frequencies_hz), gains_db)
    return Sound(
        np.fft.irfft(spectrum * 10 ** (curve / 20), len(sound.samples)).astype(np.float32), sound.sample_rate_hz
    )


def limit_band(sound: Sound, *, sample_rate_hz: int) -> Sound:
    """Take a sound through a lower rate and back, so that nothing above half that rate is left."""
    if sample_rate_hz >= sound.sample_rate_hz:
        return sound
    narrow = resample(sound, sample_rate_hz)
    return _fitted(resample(narrow, sound.sample_rate_hz).samples, sound)


def change_speed(sound: Sound, *, semitones: float) -> Sound:
    """Play a sound faster by so many semitones (higher and shorter), or slower."""
    if not len(sound.samples) or not semitones:
        return sound
    samples = soxr.resample(sound.samples, sound.sample_rate_hz * 2 ** (semitones / 12), sound.sample_rate_hz)
    return Sound(samples, sound.sample_rate_hz)


def code_mp3(sound: Sound, *, kbps: int) -> Sound:
    """Write a sound as mp3 of a constant bit rate and read it again.

    Raises
    ------
    UsageError
        When mp3 has no such sample rate.
    """
    if sound.sample_rate_hz not in MP3_RATES_HZ:
        raise UsageError(
            f"mp3 has no sample rate of {sound.sample_rate_hz} Hz; allowed are "
            f"{', '.join(map(str, MP3_RATES_HZ))}; resample the sound"
        )
    # libsndfile takes 0…1 for most…fewest of the bits that the version of MPEG audio allows.
    low, high = (32, 320) if sound.sample_rate_hz >= 32_000 else (8, 160 if sound.sample_rate_hz >= 16_000 else 64)
    compression = float(np.clip((high - kbps) / (high - low), 0, 1))
    return _coded(sound, "MP3", "MPEG_LAYER_III", compression_level=compression, bitrate_mode="CONSTANT")


def code_ogg(sound: Sound, *, codec: Literal["vorbis", "opus"], quality: float) -> Sound:
    """Write a sound as Ogg Vorbis or Opus and read it again.

    Parameters
    ----------
    quality
        0…1, from the fewest bits that the codec knows to the most.
    """
    if codec == "vorbis":
        return _coded(sound, "OGG", "VORBIS", compression_level=1 - quality)
    coded = _coded(resample(sound, OPUS_RATE_HZ), "OGG", "OPUS", compression_level=1 - quality)
    return _fitted(resample(coded, sound.sample_rate_hz).samples, sound)


def telephone(sound: Sound) -> Sound:
    """Take a sound through a telephone: 300 to 3400 Hz, 8000 samples a second, 8 bits by the µ-law (ITU-T G.711)."""
    narrow = resample(sound, 8000)
    hz = np.array([150.0, 300.0, 3400.0, 3800.0])
    narrow = equalize(narrow, gains_db=np.array([-40.0, 0.0, 0.0, -40.0]), frequencies_hz=hz)
    scale = max(_peak(narrow.samples), 1.0)
    loudness = np.log1p(255 * np.abs(narrow.samples / scale)) / np.log(256)
    loudness = np.round(127 * loudness) / 127
    samples = np.sign(narrow.samples) * (256**loudness - 1) / 255 * scale
    wide = resample(Sound(samples.astype(np.float32), 8000), sound.sample_rate_hz)
    return _fitted(wide.samples, sound)


def record(
    sound: Sound, *, low_hz: float, high_hz: float, resonance_hz: float, resonance_db: float, overload_db: float = 0.0
) -> Sound:
    """Record a sound by a small microphone: no bass, no treble, a resonance, perhaps overloaded.

    Parameters
    ----------
    low_hz, high_hz
        Between them the response is level; below it falls by 12 dB an octave, above by 18.
    resonance_hz, resonance_db
        Where the response has a bump an octave wide, and how high that is.
    overload_db
        How far the peak is above what the microphone can follow; it is rounded off to its old height.
    """
    hz = 10 * 2.0 ** np.arange(0, 12, 0.1)
    falls = 12 * np.log2(np.maximum(low_hz / hz, 1)) + 18 * np.log2(np.maximum(hz / high_hz, 1))
    bump = resonance_db * np.exp(-2 * np.log2(hz / resonance_hz) ** 2)
    heard = equalize(sound, gains_db=np.maximum(bump - falls, -60), frequencies_hz=hz)
    peak = _peak(heard.samples)
    if overload_db <= 0 or peak == 0:
        return heard
    drive = 10 ** (overload_db / 20)
    rounded = np.tanh(drive * heard.samples / peak) * (peak / np.tanh(drive))
    return Sound(rounded.astype(np.float32), sound.sample_rate_hz)


def _coded(sound: Sound, container: str, codec: str, **settings: Any) -> Sound:
    """Encode and decode by libsndfile."""
    scale = 0.9 / max(_peak(sound.samples), 0.9)
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", sound.sample_rate_hz, 1, format=container, subtype=codec, **settings
    ) as encoder:
        # The encoder of Vorbis keeps all that it is given at once on its stack.
        for start in range(0, len(sound.samples), 2**15):
            encoder.write(sound.samples[start : start + 2**15] * np.float32(scale))
    file.seek(0)
    samples, _ = soundfile.read(file, dtype="float32")
    return _fitted(samples / scale, sound)


def _peak(samples: FloatArray) -> float:
    return float(np.abs(samples).max(initial=0.0))


def _fitted(samples: FloatArray, like: Sound) -> Sound:
    """Return `samples` with the rate and the length of `like`."""
    missing = len(like.samples) - len(samples)
    fitted = np.pad(samples, (0, missing)) if missing > 0 else samples[: len(like.samples)]
    return Sound(np.ascontiguousarray(fitted, np.float32), like.sample_rate_hz)

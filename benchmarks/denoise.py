"""What noise removal gains: SNR of music, and recognition of piano keys, in hum and the noise of a fan.

    python benchmarks/denoise.py DATA [MODEL]

DATA holds ``music/*.ogg`` and ``pianos/labels.csv``; MODEL recognises keys, ``notes`` unless given. The noise is learnt
from one second of it alone, and is then another second of the same kind.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import numpy as np

from earmark.live import denoise
from earmark.recognizer import Recognizer, load
from earmark.sound import read
from earmark.types import Sound
from earmark.units import note_midi

RATE_HZ = 22_050
SNRS_DB = (0, 10, 20)
KEY_SNRS_DB = (-10, -5, *SNRS_DB)
N_KEYS = 60


def noise_of(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return mains hum and the brownish noise of a fan, of the same power, together of power 1."""
    hz = np.maximum(np.fft.rfftfreq(n_samples, 1 / RATE_HZ), 20)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples)) * hz**-0.5 / np.sqrt(1 + (hz / 2000) ** 2)
    fan = np.fft.irfft(spectrum, n_samples)
    time_s = np.arange(n_samples) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * 50 * k * time_s + k) / k for k in (1, 2, 3, 5))
    noise = fan / fan.std() + hum / hum.std()
    return noise / noise.std()


def noisy_and_clean(samples: np.ndarray, snr_db: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a sound with noise, and what is left of it after removal."""
    rng = np.random.default_rng(0)
    scale = samples.std() * 10 ** (-snr_db / 20)
    alone, within = (scale * noise_of(n, rng) for n in (RATE_HZ, len(samples)))
    noisy = (samples + within).astype(np.float32)
    return noisy, denoise(Sound(noisy, RATE_HZ), noise=Sound(alone.astype(np.float32), RATE_HZ)).samples


def snr(samples: np.ndarray, heard: np.ndarray) -> float:
    """Return the power of a sound over that of its difference to what is heard, in dB."""
    return float(10 * np.log10(np.sum(samples**2) / np.sum((heard - samples) ** 2)))


def show_music(folder: Path) -> None:
    """Print the gain in SNR of every recording."""
    print("| recording | at 0 dB | at 10 dB | at 20 dB |\n|---|---|---|---|")
    for path in sorted(folder.glob("*.ogg")):
        samples = read(path, sample_rate_hz=RATE_HZ, duration_s=8).samples
        gains = [snr(samples, noisy_and_clean(samples, snr_db)[1]) - snr_db for snr_db in SNRS_DB]
        print(f"| {path.stem[:40]} | " + " | ".join(f"{gain:+.1f} dB" for gain in gains) + " |")


def show_keys(folder: Path, recognizer: Recognizer) -> None:
    """Print how many keys are recognised without noise, in noise, and after its removal."""
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen = np.random.default_rng(0).choice(len(rows), N_KEYS, replace=False)
    path_key = next(key for key in rows[0] if key in {"path", "file", "filename"})
    label_key = next(key for key in rows[0] if key in {"label", "note"})
    keys = []
    for index in chosen:
        row = rows[index]
        path = next(p for p in (folder / row[path_key], folder.parent / row[path_key]) if p.is_file())
        keys.append((note_midi(row[label_key]), read(path, sample_rate_hz=RATE_HZ, duration_s=3).samples))

    def share(heard: list[np.ndarray]) -> float:
        found = [note_midi(recognizer.predict(Sound(samples, RATE_HZ)).label) for samples in heard]
        return float(np.mean([midi == label for midi, (label, _) in zip(found, keys, strict=True)]))

    print(f"\n{recognizer.card.name}, {N_KEYS} keys, without noise: {share([samples for _, samples in keys]):.0%}")
    for snr_db in KEY_SNRS_DB:
        pairs = [noisy_and_clean(samples, snr_db) for _, samples in keys]
        noisy, cleaned = (share([pair[i] for pair in pairs]) for i in (0, 1))
        print(f"at {snr_db} dB: {noisy:.0%} in noise, {cleaned:.0%} after its removal")


def show_speed() -> None:
    """Print how much faster than real time it is."""
    sound = Sound(noise_of(30 * RATE_HZ, np.random.default_rng(0)).astype(np.float32), RATE_HZ)
    began_s = time.process_time()
    denoise(sound)
    print(f"\n{30 / (time.process_time() - began_s):.0f} times real time at {RATE_HZ} Hz, on one core")


if __name__ == "__main__":
    data = Path(sys.argv[1])
    show_music(data / "music")
    show_keys(data / "pianos", load(sys.argv[2] if len(sys.argv) > 2 else "notes"))
    show_speed()

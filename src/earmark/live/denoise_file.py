"""Noise removal for sound files, channel by channel, in flat memory, and a picture of the result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from earmark import extras
from earmark.errors import UnreadableError, UsageError
from earmark.files import atomic_path
from earmark.live.denoise import DenoiseConfig, Denoiser
from earmark.sound.decoder import Decoder
from earmark.sound.decoders import open_decoder
from earmark.types import FloatArray, Sound

WRITABLE = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}
_LEAST_POWER = 1e-12
_SUBTYPES = {"WAV": "PCM_24", "FLAC": "PCM_24", "OGG": "VORBIS"}
_MOST_COLUMNS = 1500
_RANGE_DB = 80.0


class Spectrograms:
    """Collects what a `Denoiser` traces, thinning it out so that the memory does not grow with the length."""

    def __init__(self) -> None:
        self._columns: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        self._every, self._n_seen = 1, 0

    def __call__(self, noisy: FloatArray, noise: FloatArray, clean: FloatArray) -> None:
        if self._n_seen % self._every == 0:
            self._columns.append((noisy, noise.copy(), clean))
        self._n_seen += 1
        if len(self._columns) > _MOST_COLUMNS:
            self._columns, self._every = self._columns[::2], self._every * 2

    def pictures(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return noisy, noise and clean magnitudes in dB below the loudest noisy one, each ``(freq, time)``."""
        noisy, noise, clean = (np.stack(column, axis=1) for column in zip(*self._columns, strict=True))
        top = max(float(noisy.max()), 1e-9)

        def in_db(magnitude: FloatArray) -> FloatArray:
            level: FloatArray = 20 * np.log10(np.maximum(magnitude / top, 10 ** (-_RANGE_DB / 20)))
            return level

        return in_db(noisy), in_db(noise), in_db(clean)


def removed_db(source: Path, out: Path) -> float:
    """Return how many dB quieter `out` is than `source`, over their whole length.

    Raises
    ------
    UnreadableError
        When one cannot be read.
    """
    before, after = _power(source), _power(out)
    return float(10 * np.log10((before + _LEAST_POWER) / (after + _LEAST_POWER)))


def _power(path: Path) -> float:
    total = n_samples = 0.0
    with open_decoder(path) as decoder:
        for block in decoder.blocks(start_frame=0, n_frames=None):
            total += float(np.square(block, dtype=np.float64).sum())
            n_samples += block.size
    return total / max(n_samples, 1.0)


def denoise_file(
    source: Path, out: Path, *, config: DenoiseConfig | None = None, noise: Path | None = None, plot: Path | None = None
) -> float:
    """Write `source` without its noise to `out`; return its length in seconds.

    Parameters
    ----------
    source
        A sound file of any kind, rate and number of channels; the result has the same rate and channels.
    out
        A .wav or .flac (24 bits) or .ogg file.
    config
        How; the defaults of `DenoiseConfig` unless given.
    noise
        A recording of the noise alone; without it, the beginning of `source` is the noise.
    plot
        Where to draw the spectrograms of the first channel: noisy, estimated noise, clean. Needs matplotlib.

    Raises
    ------
    UnreadableError, UsageError, MissingExtraError
        When a file cannot be read, a result has another extension, or matplotlib is needed and not there.
    """
    from earmark.sound import read

    container = sound_format(out)
    if plot is not None:
        extras.require("drawing spectrograms", "train", "matplotlib")
    noise_sound = read(noise) if noise is not None else None
    traces = Spectrograms() if plot is not None else None
    with open_decoder(source) as decoder, atomic_path(out) as temporary:
        rate_hz = decoder.sample_rate_hz
        with soundfile.SoundFile(
            temporary, "w", rate_hz, decoder.n_channels, _SUBTYPES[container], format=container
        ) as file:
            for block in _clean_blocks(decoder, config or DenoiseConfig(), noise=noise_sound, trace=traces):
                file.write(np.clip(block, -1, 1))
            duration_s = file.frames / rate_hz
    if plot is not None and traces is not None:
        _draw(traces, plot, duration_s=duration_s, highest_hz=rate_hz / 2)
    return float(duration_s)


def sound_format(path: Path) -> str:
    """Return the format of a sound file to be written, by its extension; raise `UsageError` for others."""
    container = WRITABLE.get(path.suffix.lower())
    if container is None:
        raise UsageError(f"{path}: sounds are written as {' '.join(WRITABLE)}; give it one of these extensions")
    return container


def _clean_blocks(
    decoder: Decoder, config: DenoiseConfig, *, noise: Sound | None, trace: Spectrograms | None
) -> Iterator[FloatArray]:
    """Yield clean blocks ``(time, channel)``."""
    streams = [
        Denoiser(config, decoder.sample_rate_hz, noise=noise, trace=None if channel else trace)
        for channel in range(decoder.n_channels)
    ]
    n_samples = 0
    for block in decoder.blocks(start_frame=0, n_frames=None):
        if not np.isfinite(block).all():
            raise UnreadableError(
                f"{decoder.name}: has samples that are NaN or infinite; only finite numbers are sound; export it again"
            )
        n_samples += len(block)
        yield np.stack([stream.process(block[:, i]) for i, stream in enumerate(streams)], axis=1)
    if not n_samples:
        raise UnreadableError(f"{decoder.name}: holds no samples; record it again")
    yield np.stack([stream.flush() for stream in streams], axis=1)


def _draw(traces: Spectrograms, path: Path, *, duration_s: float, highest_hz: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, sharey=True)
    titles = ("noisy", "estimated noise", "clean")
    for ax, picture, title in zip(axes, traces.pictures(), titles, strict=True):
        image = ax.imshow(
            picture,
            origin="lower",
            aspect="auto",
            extent=(0, duration_s, 0, highest_hz / 1000),
            vmin=-_RANGE_DB,
            vmax=0,
            cmap="magma",
        )
        ax.set(title=title, ylabel="kHz")
    axes[-1].set_xlabel("seconds")
    figure.colorbar(image, ax=axes, label="dB below the loudest noisy bin")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format=path.suffix.lstrip(".").lower() or "png")

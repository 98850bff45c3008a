"""A microphone, by way of PortAudio (the ``live`` extra)."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark import extras
from earmark.errors import DataError, UsageError
from earmark.live.source import CHUNK_S, Chunk
from earmark.types import FloatArray

_QUEUE_S = 2.0  # what may wait to be heard before buffers are dropped
_LOST_AFTER_S = 2.0
_POLL_S = 0.25


class Microphone:
    """An input device.

    Parameters
    ----------
    device
        Its number or a part of its name, as `devices` lists them; None for the system's default.
    sample_rate_hz
        None for the rate that the device prefers.

    Raises
    ------
    DataError, UsageError, MissingExtraError
        When there is no such device, it has no input, or it cannot record at that rate.
    """

    def __init__(self, device: int | str | None = None, *, sample_rate_hz: int | None = None) -> None:
        self._portaudio = _portaudio()
        found = self._find(device)
        self.name: str = found["name"]
        self.n_dropped = 0
        self._index: int = found["index"]
        self.sample_rate_hz = sample_rate_hz or round(found["default_samplerate"])
        self._n_channels = self._usable_channels(found)
        self._queue: queue.Queue[tuple[FloatArray, float]] = queue.Queue(max(1, round(_QUEUE_S / CHUNK_S)))

    def chunks(self) -> Iterator[Chunk]:
        """Yield what is recorded from now on; whatever waits is yielded at once.

        Raises
        ------
        DataError
            When the device stops delivering.
        """
        began_s = last_s = time.monotonic()
        try:
            stream = self._portaudio.InputStream(
                device=self._index,
                samplerate=self.sample_rate_hz,
                channels=self._n_channels,
                dtype="float32",
                blocksize=round(CHUNK_S * self.sample_rate_hz),
                callback=self._take,
            )
        except self._portaudio.PortAudioError as error:
            raise DataError(
                f"{self.name}: cannot be opened ({error}); see that nobody else uses it and that recording is allowed"
            ) from error
        with stream:
            while True:
                chunk = self._waiting()
                if chunk is not None:
                    last_s = chunk.arrived_s
                    yield chunk
                elif time.monotonic() - last_s > _LOST_AFTER_S or not stream.active:
                    raise DataError(
                        f"{self.name}: delivers no sound any more, after {last_s - began_s:.1f} s; plug it in again,"
                        " or choose another device with --device"
                    )

    def _take(self, block: npt.NDArray[np.float32], n_frames: int, when: Any, status: Any) -> None:
        """Queue a block; PortAudio calls this in a thread of its own, and it must not wait."""
        if status.input_overflow:
            self.n_dropped += 1
        try:
            self._queue.put_nowait((block.mean(axis=1, dtype=np.float32), time.monotonic()))
        except queue.Full:
            self.n_dropped += 1

    def _waiting(self) -> Chunk | None:
        """Return all that waits as one chunk; None when nothing came for a while."""
        try:
            blocks = [self._queue.get(timeout=_POLL_S)]
        except queue.Empty:
            return None
        while not self._queue.empty():
            blocks.append(self._queue.get_nowait())
        return Chunk(np.concatenate([samples for samples, _ in blocks]), blocks[-1][1])

    def _find(self, device: int | str | None) -> Any:
        inputs = [item for item in self._portaudio.query_devices() if item["max_input_channels"] > 0]
        if not inputs:
            raise DataError("there is no microphone; plug one in, allow recording, or play a file with --input FILE")
        try:
            return self._portaudio.query_devices(device, kind="input")
        except (self._portaudio.PortAudioError, ValueError) as error:
            names = "; ".join(f"{item['index']}: {item['name']}" for item in inputs)
            wanted = "a default device" if device is None else f"the device {device!r}"
            raise UsageError(f"{wanted} cannot be used ({error}); the inputs are {names}") from error

    def _usable_channels(self, found: Any) -> int:
        """Return 1, or all channels where the device cannot record one alone."""
        refusals = []
        for n_channels in (1, found["max_input_channels"]):
            try:
                self._portaudio.check_input_settings(
                    device=self._index, channels=n_channels, dtype="float32", samplerate=self.sample_rate_hz
                )
            except self._portaudio.PortAudioError as error:
                refusals.append(str(error))
            else:
                return int(n_channels)
        raise UsageError(
            f"{self.name}: cannot record at {self.sample_rate_hz} Hz ({refusals[-1]}); it prefers"
            f" {found['default_samplerate']:.0f} Hz, which is taken when no --rate is given"
        )


def devices() -> tuple[str, ...]:
    """Return a line for every input device: number, name, channels and preferred rate."""
    return tuple(
        f"{item['index']}: {item['name']} ({item['max_input_channels']} channels, {item['default_samplerate']:.0f} Hz)"
        for item in _portaudio().query_devices()
        if item["max_input_channels"] > 0
    )


def _portaudio() -> ModuleType:
    extras.require("listening to a microphone", "live", "sounddevice")
    try:
        import sounddevice
    except OSError as error:
        raise DataError(
            "the PortAudio library is not installed; on Debian: apt install libportaudio2; or play a file with"
            " --input FILE"
        ) from error
    module: ModuleType = sounddevice
    return module

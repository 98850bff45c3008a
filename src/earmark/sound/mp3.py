"""MP3 headers: whether a file says how long it is; libsndfile guesses from the first bit rate when it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from earmark.sound.header import after_id3

_TAGS = (b"Xing", b"Info", b"VBRI")
_FIRST_FRAME_BYTES = 4096
_CONSTANT = 0.98
"""Share of frames of one bit rate from which it counts as constant: tags among the frames can look like frames."""
_KBIT_S_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBIT_S_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = (44_100, 48_000, 32_000)


def length_is_a_guess(file: Path | BinaryIO) -> bool:
    """Return whether the bit rate of an MP3 varies and no Xing, Info or VBRI header states the number of frames.

    Such a file is cut, or extended with nothing, by a decoder that trusts its guess. Layout: ISO/IEC 11172-3, 2.4.1.3.
    """
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return _guessed(stream)
    position = file.tell()
    file.seek(0)
    guessed = _guessed(file)
    file.seek(position)
    return guessed


def _guessed(stream: BinaryIO) -> bool:
    stream.seek(after_id3(stream.read(10)))
    first = stream.read(_FIRST_FRAME_BYTES)
    if any(tag in first for tag in _TAGS):
        return False
    frames = Counter(_bit_rates(first + stream.read()))
    return bool(frames) and max(frames.values()) < _CONSTANT * frames.total()


def _bit_rates(data: bytes) -> Iterator[int]:
    """Yield the bit rate of each layer-III frame, in kbit/s."""
    at = 0
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        second, third = data[at + 1], data[at + 2]
        version, layer, index, rate = second >> 3 & 3, second >> 1 & 3, third >> 4, third >> 2 & 3
        if second & 0xE0 != 0xE0 or version == 1 or layer != 1 or index in {0, 15} or rate == 3:
            at += 1
            continue
        mpeg1 = version == 3
        kbit_s = (_KBIT_S_MPEG1 if mpeg1 else _KBIT_S_MPEG2)[index]
        rate_hz = _RATES_HZ[rate] // {3: 1, 2: 2, 0: 4}[version]
        yield kbit_s
        at += (144_000 if mpeg1 else 72_000) * kbit_s // rate_hz + (third >> 1 & 1)

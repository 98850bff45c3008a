"""Frames of a FLAC file, where its first block contradicts them (RFC 9639, 8.2 and 9.1)."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from earmark.errors import UnreadableError
from earmark.sound.decoder import refuse_more

_TAIL_BYTES = 1 << 17
_LONGEST_HEADER = 16
_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_BLOCKS = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 256 << (n - 8) for n in range(8, 16)}}
_RATES_HZ = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the header of a frame says; `number` counts samples or, in streams of equal blocks, frames."""

    number: int
    n_samples: int
    rate_hz: int
    counts_samples: bool

    def follows(self, other: _Frame) -> bool:
        step = other.n_samples if self.counts_samples else 1
        return self.number == other.number + step and self.rate_hz == other.rate_hz


def refuse_contradiction(stream: BinaryIO, name: str, *, start: int, n_bytes: int) -> None:
    """Raise `UnreadableError` when the frames are of another rate, or go on longer, than the first block says."""
    stream.seek(start)
    head = stream.read(42)
    if len(head) < 42 or head[4] & 0x7F:
        return  # libsndfile says what is wrong
    packed = struct.unpack(">Q", head[18:26])[0]
    rate_hz, stated = packed >> 44, packed & (1 << 36) - 1
    block = struct.unpack(">H", head[10:12])[0]
    stream.seek(_after_metadata(stream, start + 4))
    first = _frame(stream.read(_LONGEST_HEADER))
    if first is None:
        return
    if first.rate_hz not in (0, rate_hz):
        raise UnreadableError(
            f"{name}: its header says {rate_hz} samples a second and its frames {first.rate_hz}; correct the header or"
            " save it again"
        )
    last = _last(stream, n_bytes)
    if stated and last is not None:
        before = last.number if last.counts_samples else last.number * block
        refuse_more(name, stated, before + last.n_samples, unit="samples")


def _after_metadata(stream: BinaryIO, at: int) -> int:
    """Return where the first frame begins."""
    while True:
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4:
            return at
        at += 4 + int.from_bytes(head[1:], "big")
        if head[0] & 0x80:
            return at


def _last(stream: BinaryIO, n_bytes: int) -> _Frame | None:
    """Return the last frame that follows another: what only looks like a frame follows none."""
    stream.seek(max(0, n_bytes - _TAIL_BYTES), os.SEEK_SET)
    found = None
    before: list[_Frame] = []
    for frame in _frames(stream.read()):
        if any(frame.follows(other) for other in before):
            found = frame
        before = [*before[-3:], frame]
    return found


def _frames(data: bytes) -> Iterator[_Frame]:
    for place in (match.start() for match in _SYNC.finditer(data)):
        frame = _frame(data[place : place + _LONGEST_HEADER])
        if frame is not None:
            yield frame


def _frame(head: bytes) -> _Frame | None:
    """Return what the header of a frame says; None where these bytes are none, by their layout or their checksum."""
    if len(head) < 6 or not _SYNC.match(head) or head[3] & 1:
        return None
    length, bare = _coded_length(head[4])
    block, rate = head[2] >> 4, head[2] & 15
    n_more = {6: 1, 7: 2}.get(block, 0)
    end = 4 + length + n_more + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if not length or not block or rate == 15 or end >= len(head) or _crc8(head[:end]) != head[end]:
        return None
    number = bare
    for byte in head[5 : 4 + length]:
        number = number << 6 | byte & 0x3F
    more = int.from_bytes(head[4 + length : 4 + length + n_more], "big") + 1
    rate_hz = _RATES_HZ[rate] if rate < len(_RATES_HZ) else 0
    return _Frame(number, _BLOCKS.get(block, more), rate_hz, bool(head[1] & 1))


def _coded_length(byte: int) -> tuple[int, int]:
    """Return how many bytes a number has that begins with this one, as in UTF-8, and what this one holds of it."""
    n_ones = 8 - (byte ^ 0xFF).bit_length()
    if n_ones == 0:
        return 1, byte
    return (0, 0) if n_ones in {1, 8} else (n_ones, byte & (1 << (7 - n_ones)) - 1 if n_ones < 7 else 0)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc

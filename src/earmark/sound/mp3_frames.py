"""Frames of an MP3: how many there are, and how many a header before them states.

Layouts: MP3 (ISO/IEC 11172-3, 2.4.1.3), ID3 2.4.0, 3.1, and the headers Xing, Info and VBRI of encoders.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from earmark.sound.decoder import refuse_more

_XING = (b"Xing", b"Info")
_VBRI = b"VBRI"
_VBRI_FRAMES_AT = 14
_FIRST_FRAME_BYTES = 4096
_BLOCK_BYTES = 1 << 20
"""That are in memory at a time: a file may be of many hours."""
_CONSTANT = 0.98
"""Share of frames of one bit rate from which it counts as constant: tags among the frames can look like frames."""
_KBIT_S_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBIT_S_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = (44_100, 48_000, 32_000)


def after_id3(head: bytes) -> int:
    """Return where what an ID3 tag stands before begins: its size is four bytes of seven bits; 0 without a tag."""
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    return 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


def is_frame(head: bytes) -> bool:
    """Return whether these bytes begin a frame of layer III."""
    return len(head) >= 4 and _frame(head[1], head[2], first=head[0]) is not None


def open_length(stream: BinaryIO, name: str, *, start: int) -> dict[int, bytes]:
    """Return what to replace so that a header with an open number of frames is none, by place after `start`.

    Raises
    ------
    UnreadableError
        When it states fewer frames than there are, as after files were joined.
    """
    stream.seek(start)
    first = stream.read(_FIRST_FRAME_BYTES)
    place, stated = _stated(first)
    if stated is None:
        return {}
    if stated == 0:
        return {place: bytes(4)}
    stream.seek(start)
    refuse_more(name, stated, sum(1 for _ in _bit_rates(stream)), unit="frames")
    return {}


def length_is_a_guess(file: Path | BinaryIO) -> bool:
    """Return whether the bit rate of an MP3 varies and no Xing, Info or VBRI header states the number of frames.

    Such a file is cut, or extended with nothing, by a decoder that trusts its guess.
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
    start = after_id3(stream.read(10))
    stream.seek(start)
    first = stream.read(_FIRST_FRAME_BYTES)
    if any(tag in first for tag in (*_XING, _VBRI)):
        return False
    stream.seek(start)
    frames = Counter(_bit_rates(stream))
    return bool(frames) and max(frames.values()) < _CONSTANT * frames.total()


def _stated(first: bytes) -> tuple[int, int | None]:
    """Return where the header of an encoder lies in the first frame, and how many frames it states."""
    for tag in (*_XING, _VBRI):
        place = first.find(tag)
        if place < 0:
            continue
        if tag == _VBRI:
            number = first[place + _VBRI_FRAMES_AT : place + _VBRI_FRAMES_AT + 4]
        else:
            number = first[place + 8 : place + 12] if first[place + 7 : place + 8] and first[place + 7] & 1 else b""
        return place, struct.unpack(">I", number)[0] if len(number) == 4 else None
    return 0, None


def _bit_rates(stream: BinaryIO) -> Iterator[int]:
    """Yield the bit rate of each layer-III frame from here on, in kbit/s."""
    data, at = b"", 0
    while block := stream.read(_BLOCK_BYTES):
        data, at = data[at:] + block, max(0, at - len(data))
        while 0 <= (found := data.find(b"\xff", at)) <= len(data) - 4:
            frame = _frame(data[found + 1], data[found + 2])
            at = found + 1 if frame is None else found + frame[1]
            if frame is not None:
                yield frame[0]
        at = max(at, found if found >= 0 else len(data))


def _frame(second: int, third: int, *, first: int = 0xFF) -> tuple[int, int] | None:
    """Return the bit rate of a frame in kbit/s and its bytes; None when these bytes begin none."""
    version, layer, index, rate = second >> 3 & 3, second >> 1 & 3, third >> 4, third >> 2 & 3
    if first != 0xFF or second & 0xE0 != 0xE0 or version == 1 or layer != 1 or index in {0, 15} or rate == 3:
        return None
    mpeg1 = version == 3
    kbit_s = (_KBIT_S_MPEG1 if mpeg1 else _KBIT_S_MPEG2)[index]
    rate_hz = _RATES_HZ[rate] // {3: 1, 2: 2, 0: 4}[version]
    return kbit_s, (144_000 if mpeg1 else 72_000) * kbit_s // rate_hz + (third >> 1 & 1)

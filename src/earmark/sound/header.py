"""Headers of sound files that state a wrong length, or contradict themselves.

A program that writes to a pipe, or that is stopped, leaves the length of the sound open: 0, or the largest number. The
sound is then what follows, to the end of the file. Layouts: RIFF/WAVE (Microsoft 1994, EBU Tech 3306), Sun ``.snd``,
Apple CAF, ID3 2.4.0, 3.1; MP3 (ISO/IEC 11172-3, 2.4.1.3).
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from earmark.errors import UnreadableError

_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_PLAIN = frozenset({_PCM, _FLOAT, _A_LAW, _MU_LAW})
_GUID_END = bytes.fromhex("000000001000800000aa00389b71")
_AMBISONIC_END = bytes.fromhex("00002107d3118644c8c1ca000000")
_MORE_THAN_A_TRAILER = 0.1
"""Share of the stated sound that may follow it and be none: tags of programs that know no chunks."""

_MP3_LENGTHS = (b"Xing", b"Info", b"VBRI")
_FIRST_FRAME_BYTES = 4096
_CONSTANT = 0.98
"""Share of frames of one bit rate from which it counts as constant: tags among the frames can look like frames."""
_KBIT_S_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBIT_S_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = (44_100, 48_000, 32_000)


@contextmanager
def corrected(file: Path | BinaryIO, name: str) -> Iterator[Path | BinaryIO]:
    """Give `file`, or where its header leaves the length open a view of it with the length filled in.

    Raises
    ------
    UnreadableError
        When the header contradicts itself, or states less sound than there is.
    """
    if not isinstance(file, Path):
        yield _corrected(file, name) or file
        return
    with file.open("rb") as stream:
        view = _corrected(stream, name)
        yield view or file


def after_id3(head: bytes) -> int:
    """Return where what an ID3 tag stands before begins: its size is four bytes of seven bits; 0 without a tag."""
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    return 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


class _View:
    """A binary file from `start` on, with some of its bytes replaced."""

    def __init__(self, stream: BinaryIO, start: int, changes: dict[int, bytes]) -> None:
        self._stream, self._start, self._changes = stream, start, changes
        self.seek(0)

    def read(self, size: int = -1) -> bytes:
        at = self.tell()
        data = bytearray(self._stream.read(size))
        for place, new in self._changes.items():
            for offset, byte in enumerate(new, start=place - at):
                if 0 <= offset < len(data):
                    data[offset] = byte
        return bytes(data)

    def tell(self) -> int:
        return self._stream.tell() - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._stream.seek(offset + (self._start if whence == os.SEEK_SET else 0), whence)
        return self.tell()


def _corrected(stream: BinaryIO, name: str) -> BinaryIO | None:
    n_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    start = after_id3(stream.read(10))
    stream.seek(start)
    head = stream.read(12)
    changes = {}
    if head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
        changes = _wav(stream, name, order="<" if head[:4] == b"RIFF" else ">", start=start, n_bytes=n_bytes)
    elif head[:4] == b".snd":
        changes = _snd(stream, name, start=start, n_bytes=n_bytes)
    elif head[:4] == b"caff":
        changes = _caf(stream, start=start, n_bytes=n_bytes)
    # libsndfile passes over a tag before flac and mp3 itself, and before some others hangs.
    is_ours = head[:4] in (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"caff", b"OggS")
    stream.seek(0)
    return cast("BinaryIO", _View(stream, start, changes)) if changes or (start and is_ours) else None


def _wav(stream: BinaryIO, name: str, *, order: str, start: int, n_bytes: int) -> dict[int, bytes]:
    changes: dict[int, bytes] = {}
    align = 1
    for at, tag, size in _chunks(stream, start + 12, n_bytes, order=order):
        if tag == b"fmt " and size >= 16:
            stream.seek(at)
            fmt = stream.read(min(size, 40))
            if len(fmt) < 16:
                break  # libsndfile says that the file ends here
            _refuse_contradiction(fmt, name, order)
            align = max(1, struct.unpack_from(order + "H", fmt, 12)[0])
            code = struct.unpack_from(order + "H", fmt)[0]
            if code == _EXTENSIBLE and len(fmt) == 40 and fmt[26:] not in (_GUID_END, _AMBISONIC_END):
                changes[at + 26 - start] = _GUID_END
        if tag == b"data":
            present = n_bytes - at
            if size >= present or _is_trailer(stream, at + size + size % 2, n_bytes, order=order):
                break
            if size >= align:
                _refuse_more(name, size, present)
            else:
                changes[at - 4 - start] = struct.pack(order + "I", min(present, 0xFFFF_FFFF))
            break
    return changes


def _snd(stream: BinaryIO, name: str, *, start: int, n_bytes: int) -> dict[int, bytes]:
    stream.seek(start)
    head = stream.read(12)
    if len(head) < 12:
        return {}
    offset, size = struct.unpack(">II", head[4:])
    present = n_bytes - start - offset
    if size == 0 and present > 0:
        return {8: b"\xff" * 4}
    if 0 < size < present:
        _refuse_more(name, size, present)
    return {}


def _caf(stream: BinaryIO, *, start: int, n_bytes: int) -> dict[int, bytes]:
    at = start + 8
    while at + 12 <= n_bytes:
        stream.seek(at)
        tag, size = struct.unpack(">4sq", stream.read(12))
        if tag == b"data" and size == -1:
            return {at + 4 - start: struct.pack(">q", n_bytes - at - 12)}
        if size < 0 or not any(tag):
            return {}
        at += 12 + size
    return {}


def _chunks(stream: BinaryIO, at: int, n_bytes: int, *, order: str) -> Iterator[tuple[int, bytes, int]]:
    """Yield where the content of each RIFF chunk begins, what it is called, and its stated size."""
    while at + 8 <= n_bytes:
        stream.seek(at)
        tag, size = struct.unpack(order + "4sI", stream.read(8))
        if not any(tag):
            return  # a file of zeros would be looked through eight bytes at a time
        yield at + 8, tag, size
        at += 8 + size + size % 2


def _is_trailer(stream: BinaryIO, at: int, n_bytes: int, *, order: str) -> bool:
    """Return whether what follows the sound is no sound: chunks to the end of the file, or padding."""
    stream.seek(at)
    if not any(stream.read(4096)):
        return True
    end = at
    for begin, tag, size in _chunks(stream, at, n_bytes, order=order):
        if not all(32 <= byte < 127 for byte in tag) or begin + size > n_bytes:
            return False
        end = begin + size
    return n_bytes - end < 8


def _refuse_contradiction(fmt: bytes, name: str, order: str) -> None:
    code, n_channels, rate_hz, bytes_a_second, align, n_bits = struct.unpack_from(order + "HHIIHH", fmt)
    if code == _EXTENSIBLE and len(fmt) >= 26:
        code = struct.unpack_from(order + "H", fmt, 24)[0]
    for what, value in (("channels", n_channels), ("samples a second", rate_hz)):
        if not value:
            raise UnreadableError(f"{name}: its header says 0 {what}; correct the header or save it again")
    if code not in _PLAIN:
        return
    # 24 bits may lie in 32.
    allowed = {n_channels * -(-n_bits // 8), n_channels * 4 if code == _PCM and n_bits > 16 else 0}
    is_possible = {_PCM: n_bits > 0, _FLOAT: n_bits in (32, 64)}.get(code, n_bits == 8)
    if not is_possible or (align not in allowed and bytes_a_second == align * rate_hz):
        raise UnreadableError(
            f"{name}: its header contradicts itself (encoding {code}, {n_channels} channel(s) of {n_bits} bits in "
            f"{align} bytes); correct the header or save it again"
        )


def _refuse_more(name: str, stated: int, present: int) -> None:
    if present - stated > _MORE_THAN_A_TRAILER * stated:
        raise UnreadableError(
            f"{name}: its header says that the sound has {stated:,} bytes, but {present:,} are there; correct the"
            " header or save it again"
        )


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
    stream.seek(after_id3(stream.read(10)))
    first = stream.read(_FIRST_FRAME_BYTES)
    if any(tag in first for tag in _MP3_LENGTHS):
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

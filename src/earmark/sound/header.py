"""Headers of sound files that state a wrong length, or contradict themselves.

A program that writes to a pipe, or that is stopped, leaves the length of the sound open: 0, or the largest number. The
sound is then what follows, to the end of the file. Layouts: RIFF/WAVE (Microsoft 1994), RF64 (EBU Tech 3306), Sun
``.snd``, Apple CAF, ID3 2.4.0, 3.1.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from earmark.errors import UnreadableError
from earmark.sound.decoder import (
    MISSING_TOLERANCE_S,
    PEEKED_BYTES,
    not_a_sound,
    other_kind,
    refuse_more,
    truncated,
)
from earmark.sound.flac_frames import refuse_contradiction
from earmark.sound.mp3_frames import after_id3, is_frame, open_length

_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_PLAIN = frozenset({_PCM, _FLOAT, _A_LAW, _MU_LAW})
_GUID_END = bytes.fromhex("000000001000800000aa00389b71")
_AMBISONIC_END = bytes.fromhex("00002107d3118644c8c1ca000000")
_IN_DS64 = 0xFFFF_FFFF
"""What the 32 bits of a length hold where a chunk ds64 holds the length itself."""


@contextmanager
def corrected(file: Path | BinaryIO, name: str) -> Iterator[Path | BinaryIO]:
    """Give `file`, or where its header leaves the length open a view of it with the length filled in.

    Raises
    ------
    UnreadableError
        When it is a file of another kind, or its header contradicts itself or states less sound than there is.
    """
    if not isinstance(file, Path):
        yield _corrected(file, name) or file
        return
    with file.open("rb") as stream:
        view = _corrected(stream, name)
        yield view or file


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
    head = stream.read(PEEKED_BYTES)
    if other := other_kind(head):
        raise UnreadableError(not_a_sound(name, other))
    start = after_id3(head)
    stream.seek(start)
    head = stream.read(12)
    changes: dict[int, bytes] = {}
    if head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
        changes = _wav(stream, name, order="<" if head[:4] == b"RIFF" else ">", start=start, n_bytes=n_bytes)
    elif head[:4] in (b"RF64", b"BW64") and head[8:] == b"WAVE":
        changes = _rf64(stream, name, start=start, n_bytes=n_bytes)
    elif head[:4] == b".snd":
        changes = _snd(stream, name, start=start, n_bytes=n_bytes)
    elif head[:4] == b"caff":
        changes = _caf(stream, name, start=start, n_bytes=n_bytes)
    elif head[:4] == b"fLaC":
        refuse_contradiction(stream, name, start=start, n_bytes=n_bytes)
    elif is_frame(head):
        changes = open_length(stream, name, start=start)
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
                refuse_more(name, size, present)
            else:
                changes[at - 4 - start] = struct.pack(order + "I", min(present, 0xFFFF_FFFF))
            break
    return changes


def _rf64(stream: BinaryIO, name: str, *, start: int, n_bytes: int) -> dict[int, bytes]:
    """As `_wav`, with the length of the sound in a chunk of its own."""
    ds64 = bytes_a_second = stated = 0
    for at, tag, size in _chunks(stream, start + 12, n_bytes, order="<"):
        stream.seek(at)
        if tag == b"ds64" and size >= 24:
            ds64 = at
            _, stated, _ = struct.unpack("<QQQ", stream.read(24))
        elif tag == b"fmt " and size >= 16:
            bytes_a_second = struct.unpack_from("<I", stream.read(16), 8)[0]
        elif tag == b"data" and ds64 and size == _IN_DS64:
            present = n_bytes - at
            if stated in (0, _IN_DS64) or stated >= 1 << 63:
                return {ds64 + 8 - start: struct.pack("<Q", present)}
            if stated - present > MISSING_TOLERANCE_S * bytes_a_second:
                raise UnreadableError(truncated(name, f"{stated - present:,} bytes of sound are missing"))
            if not _is_trailer(stream, at + stated + stated % 2, n_bytes, order="<"):
                refuse_more(name, stated, present)
            break
    return {}


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
        refuse_more(name, size, present)
    return {}


def _caf(stream: BinaryIO, name: str, *, start: int, n_bytes: int) -> dict[int, bytes]:
    at = start + 8
    while at + 12 <= n_bytes:
        stream.seek(at)
        tag, size = struct.unpack(">4sq", stream.read(12))
        if tag == b"data" and size == -1:
            return {at + 4 - start: struct.pack(">q", n_bytes - at - 12)}
        if tag == b"data" and 0 < size < n_bytes - at - 12:
            stream.seek(at + 12 + size)
            following = stream.read(12)
            if any(following) and not all(32 <= byte < 127 for byte in following[:4]):
                refuse_more(name, size, n_bytes - at - 12)
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
        if tag == b"data" or not all(32 <= byte < 127 for byte in tag) or begin + size > n_bytes:
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

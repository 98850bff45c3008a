"""File type by magic number: the first bytes of a file."""

from __future__ import annotations

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (8, b"WAVE", "wav"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (8, b"WEBP", "webp"),
    (4, b"ftyp", "mp4"),
    (0, b".snd", "au"),
    (0, b"dns.", "au"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (0, b"caff", "caf"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"GIF8", "gif"),
    (0, b"II*\x00", "tiff"),
    (0, b"MM\x00*", "tiff"),
    (0, b"BM", "bmp"),
    (0, b"%PDF", "pdf"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"<!DOCTYPE", "html"),
    (0, b"<html", "html"),
)
"""Offset, bytes, name; from the formats' own specifications."""

_EXTENSIONS: dict[str, frozenset[str]] = {
    **dict.fromkeys((".wav",), frozenset({"wav"})),
    **dict.fromkeys((".aif", ".aiff"), frozenset({"aiff"})),
    **dict.fromkeys((".au", ".snd"), frozenset({"au"})),
    # A tag for mp3 is also put before other codecs' frames.
    **dict.fromkeys((".flac",), frozenset({"flac", "mp3"})),
    **dict.fromkeys((".aac",), frozenset({"aac", "mp3"})),
    **dict.fromkeys((".ogg", ".oga", ".opus"), frozenset({"ogg"})),
    **dict.fromkeys((".mp3",), frozenset({"mp3"})),
    **dict.fromkeys((".caf",), frozenset({"caf"})),
    **dict.fromkeys((".m4a", ".mp4"), frozenset({"mp4"})),
    **dict.fromkeys((".webm", ".mka"), frozenset({"matroska"})),
    **dict.fromkeys((".png",), frozenset({"png"})),
    **dict.fromkeys((".jpg", ".jpeg"), frozenset({"jpeg"})),
    **dict.fromkeys((".webp",), frozenset({"webp"})),
    **dict.fromkeys((".gif",), frozenset({"gif"})),
    **dict.fromkeys((".tif", ".tiff"), frozenset({"tiff"})),
    **dict.fromkeys((".bmp",), frozenset({"bmp"})),
}


def kind_of(head: bytes) -> str:
    r"""Return what the first bytes of a file say it is, or nothing when they say nothing.

    >>> kind_of(b"fLaC\0\0\0"), kind_of(b"\xff\xfb\x90\x00"), kind_of(b"hello")
    ('flac', 'mp3', '')
    """
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    # An mp3 without a tag begins with a frame: eleven bits set, layer III.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "mp3"
    return "aac" if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 else ""


def kinds_of_extension(extension: str) -> frozenset[str]:
    """Return what files of an extension such as ``".wav"`` may be; nothing when it is not known."""
    return _EXTENSIONS.get(extension, frozenset())

"""Examination of one example: whether it can be read, its measures, and its fingerprint or signature."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from earmark.data import Example, Manifest, content_sha256, read_content
from earmark.data.archive import read_bytes, source_of, split_member
from earmark.doctor import drawing
from earmark.doctor.landmarks import Fingerprint
from earmark.doctor.signal import SoundFacts, measure_sound
from earmark.errors import EarmarkError, UnreadableError
from earmark.pictures import as_picture
from earmark.storage import join, open_binary
from earmark.types import FloatArray, Image, Ink, IntArray, Picture

LARGEST_BYTES = 64_000_000
"""Of a drawing; sounds are read in pieces and may be of any size."""


@dataclass(slots=True, eq=False)
class Examined:
    """What one example is.

    Attributes
    ----------
    row
        Its place in the manifest.
    problem
        Why it cannot be used; empty when it can.
    kind
        Of the problem: ``"unreadable"``, ``"truncated"``, ``"empty"``, ``"crash"``.
    sha256
        Of the content; empty when it cannot be read.
    other_kind
        What its first bytes are, when its extension says something else.
    sound, ink
        Measures of a sound, or of a drawing or picture.
    features
        Features for the baseline, float32; None when there is none.
    signature
        float32 whose distance tells near copies among drawings and pictures; None for sounds.
    """

    row: int
    problem: str = ""
    kind: str = ""
    sha256: str = ""
    other_kind: str = ""
    sound: SoundFacts | None = None
    ink: drawing.DrawingFacts | None = None
    features: FloatArray | None = None
    signature: FloatArray | None = None


def examine(manifest: Manifest, example: Example, *, row: int, share: float = 1.0) -> Examined:
    """Read one example and describe it; what goes wrong is part of the description.

    Parameters
    ----------
    manifest, example, row
        Where its path starts, which it is, and its place.
    share
        Of the keys of its fingerprint that are kept: fewer where there are very many sounds.
    """
    found = Examined(row)
    try:
        _describe(found, manifest, example, share)
    except EarmarkError as error:
        found.problem, found.kind = str(error), _kind_of(str(error))
    except OSError as error:
        found.problem = f"{example.path}: cannot be read ({error.strerror or error}); check the file and the disk"
        found.kind = "unreadable"
    except MemoryError:
        found.problem, found.kind = f"{example.path}: does not fit into memory; split or shrink it", "unreadable"
    except Exception as error:  # noqa: BLE001 - one strange file must not end a pass over a million of them
        found.problem = f"{example.path}: stops its decoder ({type(error).__name__}: {error}); replace or remove it"
        found.kind = "crash"
    return found


def _describe(found: Examined, manifest: Manifest, example: Example, share: float) -> None:
    _refuse_special(manifest, example)
    if manifest.domain == "sound":
        _describe_sound(found, manifest, example, share)
    elif manifest.domain in ("ink", "picture"):
        _refuse_huge(manifest, example)
        content = read_content(manifest, example)
        found.sha256 = content_sha256(manifest.root, example.path)
        seen = as_picture(content) if manifest.domain == "picture" and isinstance(content, Image) else content
        if isinstance(seen, Ink | Image | Picture):
            found.ink, found.features, found.signature = drawing.measure_drawing(seen)
        if isinstance(content, Image):
            found.other_kind = _other_kind(manifest.root, example.path)


def _describe_sound(found: Examined, manifest: Manifest, example: Example, share: float) -> None:
    source = source_of(manifest.root, example.path)
    facts = measure_sound(source, start_s=example.start_s or 0.0, duration_s=example.duration_s)
    facts.n_keys = len(facts.fingerprint)
    facts.fingerprint = thinned(facts.fingerprint, share)
    found.sound, found.features = facts, facts.bands
    found.sha256 = content_sha256(manifest.root, example.path)
    found.other_kind = _other_kind(manifest.root, example.path)


def thinned(fingerprint: Fingerprint, share: float) -> Fingerprint:
    """Return about `share` of the keys, the same ones in every sound that has them."""
    if share >= 1:
        return fingerprint
    kept = mixed(fingerprint.keys) < np.uint64(share * 2**32)
    return Fingerprint(fingerprint.keys[kept], fingerprint.frames[kept])


def mixed(keys: IntArray) -> npt.NDArray[np.uint64]:
    """Return 32 well-mixed bits of each key (Fibonacci hashing, Knuth, TAOCP 3, 6.4)."""
    return (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)


def _kind_of(problem: str) -> str:
    if "truncated" in problem:
        return "truncated"
    return "empty" if "0 bytes" in problem or "holds no samples" in problem else "unreadable"


def _refuse_special(manifest: Manifest, example: Example) -> None:
    """Refuse pipes, sockets and devices: whoever opens one may wait for ever."""
    path = join(manifest.root, split_member(example.path)[0])
    if path.exists() and not path.is_file():
        raise UnreadableError(f"{example.path}: is no ordinary file; remove it")


def _refuse_huge(manifest: Manifest, example: Example) -> None:
    file, member = split_member(example.path)
    if member is None and (size := join(manifest.root, file).stat().st_size) > LARGEST_BYTES:
        raise UnreadableError(
            f"{example.path}: has {size / 1e6:,.0f} MB; a drawing has at most {LARGEST_BYTES / 1e6:.0f}; remove it"
        )


def _other_kind(root: Path, path: str) -> str:
    """Return what the content is when it is known and not what the extension says."""
    file, member = split_member(path)
    if member is None:
        with open_binary(join(root, file)) as stream:
            head = stream.read(64)
    else:
        head = read_bytes(root, path)[:64]
    found = kind_of(head)
    expected = kinds_of_extension(PurePosixPath(member or file).suffix.lower())
    return found if found and expected and found not in expected else ""


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

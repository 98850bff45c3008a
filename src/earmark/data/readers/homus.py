"""Reader of HOMUS: handwritten music symbols as pen strokes, one folder per writer (Calvo-Zaragoza, Oncina 2014)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from earmark.data.archive import join_member, open_zip, read_bytes
from earmark.data.manifest import Example, Manifest
from earmark.data.readers.base import Reader, natural, relative
from earmark.errors import DataError, UnreadableError
from earmark.files import sha256_bytes
from earmark.listing import files_under, visible
from earmark.text import some

_SAMPLE = re.compile(r"(?:^|.*/)(?P<writer>[^/]+)/(?P=writer)-\d+\.txt$")
_SOURCE = "HOMUS, Calvo-Zaragoza and Oncina, ICPR 2014"
_LARGEST_BYTES = 10_000_000


def _recognises_zip(source: Path) -> bool:
    return source.is_file() and source.suffix.lower() == ".zip"


def _recognises_folder(source: Path) -> bool:
    if not source.is_dir():
        return False
    first = (path for _, path in zip(range(50), files_under(source), strict=False))
    return any(_SAMPLE.match(path.as_posix()) for path in first)


def read_zip(source: Path) -> Manifest:
    """Read the official archive, or one of the same layout; the group is the writer."""
    archive = open_zip(source)
    names = []
    for item in archive.infolist():
        if _SAMPLE.match(item.filename) and all(map(visible, item.filename.split("/"))):
            if item.file_size > _LARGEST_BYTES:
                raise DataError(
                    f"{source}: {item.filename} has {item.file_size} bytes, which no drawing has; remove it"
                )
            names.append(item.filename)
    if not names:
        raise DataError(
            f"{source}: holds no files named <writer>/<writer>-<number>.txt, so it is not HOMUS; "
            "unpack any other archive and give the folder"
        )
    return _manifest(source.parent, [join_member(source.name, name) for name in sorted(names, key=natural)], source)


def read_folder(source: Path) -> Manifest:
    """Read the unpacked archive; the group is the writer."""
    paths = [relative(path, source.parent) for path in files_under(source) if _SAMPLE.match(path.as_posix())]
    return _manifest(source.parent, sorted(paths, key=natural), source)


def _manifest(root: Path, paths: Iterable[str], source: Path) -> Manifest:
    examples, bad = [], []
    for path in paths:
        content = read_bytes(root, path)
        label = _label(content)
        writer = _SAMPLE.match(path.replace("::", "/"))
        if label is None or writer is None:
            bad.append(path)
            continue
        digest = sha256_bytes(content)
        examples.append(Example(path, label, f"writer {writer['writer']}", sha256=digest, source=_SOURCE))
    if bad:
        raise UnreadableError(
            f"{source}: {len(bad)} file(s) do not begin with a line that is a label ({some(bad)}); "
            "correct or remove them"
        )
    return Manifest(examples=tuple(examples), domain="ink", root=root, name=source.stem)


def _label(content: bytes) -> str | None:
    """Return the first line, or None when it is no label; the strokes are left for later."""
    try:
        label = content.partition(b"\n")[0].decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return None
    return label if label and not {",", ";"} & set(label) else None


ZIP_READER = Reader("a HOMUS zip", _recognises_zip, read_zip)
FOLDER_READER = Reader("a HOMUS folder", _recognises_folder, read_folder)

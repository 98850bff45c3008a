"""Survey of a folder: closed folders, broken links and link loops."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from earmark.data import Example, Manifest
from earmark.data.readers.base import label_of, relative
from earmark.data.table import TABLE_EXTENSIONS
from earmark.doctor.findings import Finding
from earmark.errors import DataError
from earmark.ink import IMAGE_EXTENSIONS
from earmark.listing import files_under, walk
from earmark.sound import SOUND_EXTENSIONS
from earmark.storage import is_remote
from earmark.types import Domain

N_NAMED = 20


def survey(source: Path) -> Iterator[Finding]:
    """Yield what is odd about the files and folders under `source`; nothing for a single file."""
    if not source.is_dir():
        return
    closed: list[str] = []
    loops: list[str] = []
    nowhere: list[str] = []
    others: Counter[str] = Counter()
    for place, names in walk(source, closed=closed.append, loop=loops.append):
        for name in names:
            path = os.path.join(place, name)  # noqa: PTH118 - a Path for each of a million files takes seconds
            if not is_remote(source) and not os.path.exists(path):  # noqa: PTH110 - as above
                nowhere.append(path)
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - as above
            if suffix not in SOUND_EXTENSIONS | IMAGE_EXTENSIONS | TABLE_EXTENSIONS | {".txt", ".npz"}:
                others[suffix or "no extension"] += 1
    yield from _of_files("closed-folder", "error", closed, "folder(s) may not be entered", "change their permissions")
    yield from _of_files("broken-link", "error", nowhere, "link(s) lead nowhere", "mend or remove them")
    yield from _of_files("link-loop", "note", loops, "link(s) lead to a folder that was read already", "")
    if others:
        kinds = ", ".join(f"{n} × {suffix}" for suffix, n in others.most_common(5))
        yield Finding("other-files", "note", (), f"{sum(others.values())} files are no examples ({kinds})")


def _of_files(kind: str, severity: str, paths: list[str], what: str, advice: str) -> Iterator[Finding]:
    if paths:
        first = tuple(os.fsencode(path).decode("utf-8", "backslashreplace") for path in paths[:N_NAMED])
        yield Finding(
            kind,
            "error" if severity == "error" else "note",
            first,
            f"{len(paths)} {what}: {', '.join(first[:3])}",
            advice,
            family="broken" if severity == "error" else "facts",
            evidence={"n": len(paths)},
        )


def whatever_is_there(source: Path) -> Manifest:
    """Return everything readable under a folder that its reader refuses, each labelled by its folder.

    Raises
    ------
    DataError
        When there is nothing.
    """
    found: dict[Domain, list[Path]] = {"sound": [], "ink": []}
    for path in files_under(source, SOUND_EXTENSIONS | IMAGE_EXTENSIONS):
        found["sound" if path.suffix.lower() in SOUND_EXTENSIONS else "ink"].append(path)
    domain: Domain = "sound" if len(found["sound"]) >= len(found["ink"]) else "ink"
    if not found[domain]:
        raise DataError(f"{source}: holds no sounds and no images; give a folder with some")
    examples = tuple(
        Example(path=relative(path, source), label=label_of(path.parent) or "unnamed", group=relative(path, source))
        for path in found[domain]
    )
    return Manifest(examples=examples, domain=domain, root=source, name=source.name)

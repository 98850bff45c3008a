"""A folder as it is on the disk: what cannot be entered, leads nowhere, or goes round in circles."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from earmark.data import Example, Manifest
from earmark.data.readers.base import label_of, relative, visible
from earmark.doctor.findings import Finding
from earmark.errors import DataError
from earmark.ink import IMAGE_EXTENSIONS
from earmark.sound import SOUND_EXTENSIONS
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
    seen: set[str] = set()

    def cannot_enter(error: OSError) -> None:
        closed.append(str(error.filename))

    for place, folders, files in os.walk(source, followlinks=True, onerror=cannot_enter):
        real = os.path.realpath(place)
        if real in seen:
            loops.append(place)
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(filter(visible, folders))
        for name in filter(visible, files):
            path = os.path.join(place, name)  # noqa: PTH118 - a Path for each of a million files takes seconds
            if not os.path.exists(path):  # noqa: PTH110 - as above
                nowhere.append(path)
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - as above
            if suffix not in SOUND_EXTENSIONS | IMAGE_EXTENSIONS | {".txt", ".csv", ".parquet", ".npz"}:
                others[suffix or "no extension"] += 1
    yield from _told("closed-folder", "error", closed, "folder(s) may not be entered", "change their permissions")
    yield from _told("broken-link", "error", nowhere, "link(s) lead nowhere", "mend or remove them")
    yield from _told("link-loop", "note", loops, "link(s) lead to a folder that was read already", "")
    if others:
        kinds = ", ".join(f"{n} × {suffix}" for suffix, n in others.most_common(5))
        yield Finding("other-files", "note", (), f"{sum(others.values())} files are no examples ({kinds})")


def _told(kind: str, severity: str, paths: list[str], said: str, advice: str) -> Iterator[Finding]:
    if paths:
        first = tuple(os.fsencode(path).decode("utf-8", "backslashreplace") for path in paths[:N_NAMED])
        yield Finding(
            kind,
            "error" if severity == "error" else "note",
            first,
            f"{len(paths)} {said}: {', '.join(first[:3])}",
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
    seen: set[str] = set()
    for place, folders, files in os.walk(source, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(filter(visible, folders))
        for name in sorted(filter(visible, files)):
            suffix = Path(name).suffix.lower()
            if suffix in SOUND_EXTENSIONS | IMAGE_EXTENSIONS:
                found["sound" if suffix in SOUND_EXTENSIONS else "ink"].append(Path(place, name))
    domain: Domain = "sound" if len(found["sound"]) >= len(found["ink"]) else "ink"
    if not found[domain]:
        raise DataError(f"{source}: holds no sounds and no images; give a folder with some")
    examples = tuple(
        Example(path=relative(path, source), label=label_of(path.parent) or "unnamed", group=relative(path, source))
        for path in found[domain]
    )
    return Manifest(examples=examples, domain=domain, root=source, name=source.name)

"""What is wrong with a data set, found before anything is trained on it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from earmark.data.archive import content_sha256
from earmark.data.content import read_content
from earmark.data.manifest import SPLITS, UNKNOWN_GROUP, Example, Manifest
from earmark.data.readers import read_manifest
from earmark.data.readers.base import first_few
from earmark.data.splits import leaks
from earmark.errors import DataError, EarmarkError

Severity: TypeAlias = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a data set.

    Attributes
    ----------
    kind
        ``"unreadable"``, ``"leak"``, …: what was looked for.
    severity
        ``"error"``: training would fail or a score would be false. ``"warning"``: think about it. ``"note"``: a fact.
    paths
        The examples concerned; none when it is about all.
    message, advice
        What is so, and what to do; empty when there is nothing to do.
    """

    kind: str
    severity: Severity
    paths: tuple[str, ...]
    message: str
    advice: str = ""


Check: TypeAlias = Callable[[Manifest], Iterable[Finding]]


def check(source: Manifest | Path | str, *, workers: int | None = None) -> tuple[Finding, ...]:
    """Read every example once and say what is wrong, errors first.

    Parameters
    ----------
    source
        A manifest, or whatever `read_manifest` takes; a source that it refuses is one finding.
    workers
        Threads that decode; one a core by default.
    """
    if not isinstance(source, Manifest):
        try:
            source = read_manifest(source)
        except DataError as error:
            return (Finding("unreadable-source", "error", (str(source),), str(error)),)
    found = [
        *unreadable(source, workers=workers),
        *changed(source, workers=workers),
        *(finding for look in CHECKS for finding in look(source)),
    ]
    return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))


def unreadable(manifest: Manifest, *, workers: int | None = None) -> Iterator[Finding]:
    """Yield an error for every example that does not decode."""

    def problem(example: Example) -> str | None:
        try:
            read_content(manifest, example)
        except EarmarkError as error:
            return str(error)
        return None

    if manifest.domain == "table":
        # Its numbers were read, all of them, when the manifest was made.
        return
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for example, message in zip(manifest, pool.map(problem, manifest), strict=True):
            if message:
                yield Finding("unreadable", "error", (example.path,), message, "replace or remove the file")


def changed(manifest: Manifest, *, workers: int | None = None) -> Iterator[Finding]:
    """Yield an error for every example whose content is no longer what its manifest says.

    Cached features are found by the hash, so a stale one would bring back those of the old content.
    """

    def is_other(example: Example) -> bool:
        try:
            return content_sha256(manifest.root, example.path) != example.sha256
        except DataError:
            # That it cannot be read is a finding of its own.
            return False

    stated = [example for example in manifest if example.sha256]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for example, other in zip(stated, pool.map(is_other, stated), strict=True):
            if other:
                yield Finding(
                    "changed",
                    "error",
                    (example.path,),
                    f"{example.path}: is not the content whose sha256 the manifest gives",
                    "restore the file, or correct or clear its sha256",
                )


def leaking(manifest: Manifest) -> Iterator[Finding]:
    """Yield an error for every group that is in more than one part of the split."""
    for group in leaks(manifest):
        members = [example for example in manifest if example.group == group and example.split]
        parts = ", ".join(part for part in SPLITS if any(example.split == part for example in members))
        yield Finding(
            "leak",
            "error",
            tuple(example.path for example in members),
            f"the group {group!r} is in {parts}, so the score would partly measure memory",
            "keep it in one part: use protocol = 'grouped'",
        )


def unknown_groups(manifest: Manifest) -> Iterator[Finding]:
    """Yield a warning when examples do not say which group they are of."""
    n = sum(example.group == UNKNOWN_GROUP for example in manifest)
    if n:
        yield Finding(
            "unknown-group",
            "warning",
            (),
            f"{n} of {len(manifest)} examples do not say which group they are of, so only a leaky split is possible",
            "add a column group: the artist, writer or instrument",
        )


def lonely_labels(manifest: Manifest) -> Iterator[Finding]:
    """Yield a warning for every label that only one known group has."""
    groups: dict[str, set[str]] = defaultdict(set)
    for example in manifest:
        groups[example.label].add(example.group)
    for label in manifest.labels:
        if len(groups[label]) == 1 and UNKNOWN_GROUP not in groups[label]:
            yield Finding(
                "one-group",
                "warning",
                tuple(example.path for example in manifest if example.label == label),
                f"the label {label!r} comes from one group, {min(groups[label])!r}, so it cannot be tested honestly",
                "add examples of other groups",
            )


def one_label(manifest: Manifest) -> Iterator[Finding]:
    """Yield an error when there is nothing to tell apart."""
    if len(manifest.labels) < 2:
        held = first_few(manifest.labels) or "none"
        yield Finding("one-label", "error", (), f"there is only one label ({held})", "add examples of another")


def counts(manifest: Manifest) -> Iterator[Finding]:
    """Yield how many examples, groups and labels there are, in all, in each part, and of each label."""
    n_groups = len(manifest.groups) if manifest.groups_known else "unknown"
    yield Finding("counts", "note", (), f"{len(manifest)} examples, {len(manifest.labels)} labels, {n_groups} groups")
    for part in SPLITS:
        members = manifest.where(part)
        if len(members):
            text = f"{part}: {len(members)} examples, {len(members.labels)} labels, {len(members.groups)} groups"
            yield Finding("counts-split", "note", (), text)
    of_label = Counter(example.label for example in manifest)
    yield Finding("counts-label", "note", (), ", ".join(f"{label} {of_label[label]}" for label in manifest.labels))


CHECKS: tuple[Check, ...] = (leaking, unknown_groups, lonely_labels, one_label, counts)
"""Everything that looks at the manifest alone; a new check is one function and one entry."""

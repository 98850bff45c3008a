"""Checkup: all checks of a data set in one call."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from earmark import extras
from earmark.data import SPLITS, Manifest, Split, apply_split, read_manifest
from earmark.data.facts import gtzan_fault
from earmark.data.manifest import LABEL_SEPARATOR
from earmark.data.table import read_table
from earmark.doctor.condition import broken, suspicious
from earmark.doctor.examine import Examined
from earmark.doctor.findings import Finding, Report, in_order
from earmark.doctor.labels import doubtful, label_findings, two_labels
from earmark.doctor.repeated import Copy, FindPairs, copies
from earmark.doctor.scan import scan
from earmark.doctor.splits import adversarial_validation, copies_apart, split_findings
from earmark.doctor.survey import survey, whatever_is_there
from earmark.errors import DataError
from earmark.storage import as_path
from earmark.types import Domain, Progress, no_progress

_ROW = re.compile(r"[^\s,;()]+::\d+")


def check(  # noqa: PLR0913 - what is checked, and how
    source: Manifest | Path | str,
    *,
    split: Split | None = None,
    domain: Domain | None = None,
    groups: str | None = None,
    workers: int | None = None,
    find_pairs: FindPairs | None = None,
    progress: Progress = no_progress,
) -> Report:
    """Read every example once and say what is wrong.

    Parameters
    ----------
    source
        A manifest, or whatever `read_manifest` takes. Of a folder that `read_manifest` refuses, whatever is there is
        read all the same; of any other source the refusal is the only finding.
    split
        How it is going to be divided; by default its own parts are looked at, when it has some.
    domain, groups
        As for `read_manifest`.
    workers
        Processes; one a core by default.
    find_pairs
        Finds sounds with matching fingerprints where there are too many for one machine.
    progress
        Called as it goes on.

    Returns
    -------
    The report; after Ctrl-C one that is marked as partial.
    """
    name = source.name if isinstance(source, Manifest) else str(source)
    found: list[Finding] = []
    manifest, partial, sound_s, n_read = None, False, 0.0, 0
    progress("finding examples", 0, 1, "")
    try:
        manifest = _manifest(source, found, domain, groups)
        if split is not None and manifest is not None:
            manifest = apply_split(manifest, split)
    except DataError as error:
        found.append(Finding("unreadable-source", "error", (name,), str(error), family="broken"))
    if manifest is not None:
        done = scan(manifest, workers=workers, progress=progress)
        examined, partial, n_read = done.examined, done.partial, len(done.examined)
        sound_s = sum(each.sound.duration_s for each in examined if each.sound is not None)
        try:
            for finding in _looked(manifest, examined, progress, interrupted=partial, find_pairs=find_pairs):
                found.append(finding)  # noqa: PERF402 - what was found before Ctrl-C is kept
        except KeyboardInterrupt:
            partial = True
    names = {e.path: e.name for e in manifest or () if e.name != e.path}
    findings = in_order(_named(finding, names) for finding in found)
    n_examples = len(manifest) if manifest is not None else 0
    return Report(name, findings, n_examples, n_read, partial, sound_s, names)


def _named(finding: Finding, names: dict[str, str]) -> Finding:
    """Return a finding whose message calls rows of tables and arrays by the names that the data has for them."""
    if not names:
        return finding
    return replace(finding, message=_ROW.sub(lambda row: names.get(row[0], row[0]), finding.message))


def _manifest(
    source: Manifest | Path | str, found: list[Finding], domain: Domain | None, groups: str | None
) -> Manifest | None:
    if isinstance(source, Manifest):
        return source
    try:
        manifest = _with_labels_apart(read_manifest(source, domain=domain, groups=groups, quarantined=True))
    except DataError as error:
        found.append(Finding("unreadable-source", "error", (str(source),), str(error), family="broken"))
        if not as_path(source).is_dir():
            return None
        found.extend(survey(as_path(source)))
        try:
            return whatever_is_there(as_path(source).absolute())
        except DataError:
            # The refusal above says it already.
            return None
    found.extend(survey(as_path(source)))
    return manifest


def _with_labels_apart(manifest: Manifest) -> Manifest:
    """Return a manifest as multi-label where a label holds the separator: nothing can be trained from it otherwise."""
    several = any(LABEL_SEPARATOR in example.label for example in manifest)
    return manifest.with_target("multi-label") if several else manifest


def _looked(
    manifest: Manifest,
    examined: Sequence[Examined],
    progress: Progress,
    *,
    interrupted: bool,
    find_pairs: FindPairs | None,
) -> Iterator[Finding]:
    """Yield everything; after an interruption only what takes no time."""
    yield from broken(manifest, examined)
    yield from label_findings(manifest)
    yield from split_findings(manifest)
    yield from counts(manifest)
    yield from known_faults(manifest)
    yield from columns_left_out(manifest)
    if interrupted:
        return
    progress("finding repeated examples", 0, 1, "")
    yield from suspicious(manifest, examined)
    found = copies(manifest, examined, progress=progress, find_pairs=find_pairs)
    yield from repeated(manifest, found)
    yield from two_labels(manifest, found)
    yield from copies_apart(manifest, found)
    if not extras.installed("sklearn"):
        yield Finding(
            "not-judged", "note", (), "labels and parts were not judged by a model", "install 'earmark[train]' for that"
        )
        return
    progress("judging labels", 0, 1, "")
    yield from doubtful(manifest, examined)
    yield from adversarial_validation(manifest, examined)
    progress("judging labels", 1, 1, "")


def repeated(manifest: Manifest, found: Sequence[Copy]) -> Iterator[Finding]:
    """Yield a warning for every example that repeats another."""
    for copy in found:
        one, two = manifest.examples[copy.original], manifest.examples[copy.copy]
        apart = one.group != two.group
        yield Finding(
            copy.relation,
            "note" if copy.relation == "alike" else "warning",
            (one.path, two.path),
            f"{two.path} {copy.words.format(original=one.path)}",
            "leave one out" + ("; they are in two groups, so no split keeps them together" if apart else ""),
            family="repeated",
            evidence={"relation": copy.relation, **copy.evidence},
            quarantine=(two.path,) if copy.relation != "alike" else (),
        )


def known_faults(manifest: Manifest) -> Iterator[Finding]:
    """Yield a warning about the tracks of a public set that are known to be faulty."""
    faults = {example.path: fault for example in manifest if (fault := gtzan_fault(example.track))}
    if faults:
        n_of = Counter(fault.partition(" ")[0] for fault in faults.values())
        n_copies = n_of["repeats"] + n_of["nearly"]
        yield Finding(
            "known-fault",
            "warning",
            tuple(faults),
            f"{len(faults)} of {len(manifest)} GTZAN tracks are known to be faulty: {n_copies} repeat another, "
            f"{n_of['truncated']} are truncated, {n_of['catalogued']} are catalogued for another reason",
            "leave them out, as the split gtzan/fault-filtered does",
            family="facts",
            evidence=faults,
            quarantine=tuple(faults),
        )


def columns_left_out(manifest: Manifest) -> Iterator[Finding]:
    """Yield a warning for every column of a feature table that would give the answer away or says nothing."""
    if manifest.domain != "table" or manifest.table_file is None:
        return
    for name, why in read_table(manifest.table_file).left_out:
        yield Finding(
            "no-feature",
            "warning",
            (),
            f"the column {name!r} {why}; it is never learned from",
            "remove it from the table",
            family="suspicious",
            evidence={"column": name},
        )


def counts(manifest: Manifest) -> Iterator[Finding]:
    """Yield how many examples, groups and labels there are, in all, in each part, and of each label."""
    n_groups = len(manifest.groups) if manifest.groups_known else "unknown"
    yield Finding("counts", "note", (), f"{len(manifest)} examples, {len(manifest.labels)} labels, {n_groups} groups")
    for part in SPLITS:
        members = manifest.part(part)
        if len(members):
            text = f"{part}: {len(members)} examples, {len(members.labels)} labels, {len(members.groups)} groups"
            yield Finding("counts-split", "note", (), text)
    of_label = Counter(label for example in manifest for label in manifest.labels_of(example))
    yield Finding("counts-label", "note", (), ", ".join(f"{label} {of_label[label]}" for label in manifest.labels))

"""Any source to a manifest."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from earmark.data.manifest import Manifest
from earmark.data.quarantine import data_of, is_quarantine, quarantine_of, without
from earmark.data.readers.base import READERS, Reader, first_few
from earmark.errors import DataError, UsageError


def read_manifest(
    source: Path | str, *, kind: str | None = None, group_pattern: str | None = None, quarantined: bool = False
) -> Manifest:
    r"""Read a data set of any known kind.

    Parameters
    ----------
    source
        A folder of classes, a csv or Parquet manifest, a HOMUS zip or folder, a GTZAN folder, a pianos folder, an
        ``.npz`` of pictures, or a feature table.
    kind
        A name in `READERS`, when the source should not be asked what it is.
    group_pattern
        A regular expression with one parenthesis, found in each example's path: what it captures is the group. In a
        folder of classes, ``r"/([^/.]+)\."`` makes ``jazz/song7.3.wav`` part of the group "song7".
    quarantined
        Read also what a quarantine list leaves out. Such a list, written by ``earmark check --quarantine``, is obeyed
        when it lies where `earmark.data.quarantine.quarantine_of` says, or when it is itself given as the source.

    Raises
    ------
    DataError
        When the source is missing, empty, of no known kind, or bad in a way that its reader names.
    UsageError
        When `kind` is unknown or the pattern is not valid.
    """
    source = Path(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder; check the path")
    if source.is_dir() and not any(source.iterdir()):
        raise DataError(f"{source}: is an empty folder; put one sub-folder of examples per class into it")
    left_out = quarantine_of(source)
    if is_quarantine(source):
        left_out, source = source, _data_of(source)
    reader = READERS[kind] if kind else _sniff(source)
    manifest = reader.read(source.absolute())
    if not quarantined and is_quarantine(left_out):
        manifest = without(manifest, left_out)
    return manifest if group_pattern is None else _regroup(manifest, group_pattern)


def as_manifest(data: Manifest | Path | str) -> Manifest:
    """Return a manifest as it is, and read anything else by `read_manifest`."""
    return data if isinstance(data, Manifest) else read_manifest(data)


def _data_of(path: Path) -> Path:
    source = data_of(path)
    if source is None:
        raise DataError(f"{path}: is a quarantine list without lines, so it names no data; give the data itself")
    return source


def _sniff(source: Path) -> Reader:
    for reader in READERS.values():
        if reader.recognises(source):
            return reader
    known = "; ".join(reader.about for reader in READERS.values())
    raise DataError(f"{source}: is not a kind of data that can be read; allowed: {known}")


def _regroup(manifest: Manifest, pattern: str) -> Manifest:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"the group pattern {pattern!r} is not a regular expression ({error}); correct it") from error
    if compiled.groups != 1:
        raise UsageError(f"the group pattern {pattern!r} has {compiled.groups} parentheses; it needs exactly one")
    found = [(example, compiled.search(example.path)) for example in manifest.examples]
    without = [example.path for example, match in found if match is None or not match[1]]
    if without:
        raise DataError(
            f"{manifest.name}: the group pattern {pattern!r} finds nothing in {len(without)} path(s) "
            f"({first_few(without)}); widen it"
        )
    return replace(manifest, examples=tuple(replace(e, group=match[1]) for e, match in found if match))

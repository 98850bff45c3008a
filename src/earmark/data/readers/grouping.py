"""Groups that a person names: by folder, by the beginning of file names, by a pattern, or by a column of a table."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from earmark.data.archive import split_member
from earmark.data.manifest import Example, Manifest
from earmark.data.table import read_rows
from earmark.errors import DataError, UsageError, did_you_mean
from earmark.text import some

log = logging.getLogger(__name__)

PARENT, PREFIX = "parent", "prefix"
# What numbers an excerpt: "song7.3", "song7_03", "song7 (2)"; "song7" alone is a name.
_COUNTER = re.compile(r"[\s._-]+\(?\d+\)?$")


def grouped_by(manifest: Manifest, how: str) -> Manifest:
    r"""Return the same examples with other groups; say which and how many.

    Parameters
    ----------
    how
        ``"parent"``: the folder that a file lies in. ``"prefix"``: the file name without the number at its end, so that
        ``song7.3.wav`` is of "song7". A regular expression with one parenthesis: what it captures of the path. Else the
        name of a column of the manifest or feature table.

    Raises
    ------
    UsageError
        When the pattern is not valid, or there is no such column.
    DataError
        When an example has no group by it, or every label would be a single group of its own.
    """
    if how == PARENT:
        groups, words = [_parent(example) for example in manifest], "the folders of the files"
    elif how == PREFIX:
        groups, words = [_prefix(example) for example in manifest], "file names without their last number"
    elif "(" in how:
        groups, words = _captured(manifest, how), f"the pattern {how}"
    else:
        groups, words = _column(manifest, how), f"the column {how}"
    empty = [example.path for example, group in zip(manifest, groups, strict=True) if not group]
    if empty:
        raise DataError(
            f"{manifest.name}: {words} give no group to {len(empty)} example(s) ({some(empty)}); choose another"
        )
    distinct = sorted(set(groups))
    _refuse_labels(manifest, groups, how)
    log.warning("%s: %d groups by %s (%s)", manifest.name, len(distinct), words, some(distinct, n=3))
    grouped = (replace(example, group=group) for example, group in zip(manifest, groups, strict=True))
    left_out = (*manifest.not_features, how) if manifest.domain == "table" else manifest.not_features
    return replace(manifest, examples=tuple(grouped), not_features=left_out)


def _inner(example: Example) -> PurePosixPath:
    file, member = split_member(example.path)
    return PurePosixPath(member if member is not None and not member.isdecimal() else example.track or file)


def _parent(example: Example) -> str:
    file, member = split_member(example.path)
    return PurePosixPath(member or file).parent.as_posix()


def _prefix(example: Example) -> str:
    path = _inner(example)
    stem = path.name if example.track and path.as_posix() == example.track else path.stem
    prefix = _COUNTER.sub("", stem) or stem
    # A bare number counts within its folder.
    return f"{path.parent.as_posix()}/{prefix}" if prefix.isdecimal() else prefix


def _captured(manifest: Manifest, pattern: str) -> list[str]:
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
            f"({some(without)}); widen it"
        )
    return [match[1] for _, match in found if match]


def _column(manifest: Manifest, column: str) -> list[str]:
    if manifest.table_file is None:
        raise UsageError(
            f"groups by {column!r}: {manifest.name} has no columns; give parent, prefix, or a pattern with one "
            "parenthesis, such as '([^/]+)_'"
        )
    rows = read_rows(manifest.table_file)
    if column not in rows[0]:
        raise UsageError(
            f"groups by {column!r}: {manifest.table_file} has no such column{did_you_mean(column, rows[0])}; "
            f"it has {', '.join(rows[0])}; parent, prefix and a pattern with one parenthesis are allowed as well"
        )
    return [rows[_row(example, place)][column].strip() for place, example in enumerate(manifest)]


def _row(example: Example, place: int) -> int:
    _, member = split_member(example.path)
    return int(member) if member is not None and member.isdecimal() else place


def _refuse_labels(manifest: Manifest, groups: Sequence[str], how: str) -> None:
    """Refuse groups that are the labels: no split could hold a label in two parts."""
    of_label: dict[str, set[str]] = {}
    for example, group in zip(manifest, groups, strict=True):
        of_label.setdefault(example.label, set()).add(group)
    if how in (PARENT, PREFIX) and len(manifest.labels) > 1 and all(len(found) == 1 for found in of_label.values()):
        raise DataError(
            f"{manifest.name}: with groups by {how!r} each label is a single group, which no split can divide; "
            "choose groups that are smaller than a label"
        )

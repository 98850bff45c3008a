"""Manifest: the table of examples that everything is trained and scored on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from earmark.data.archive import content_sha256, join_member, split_member
from earmark.data.table import Table, parquet_modules, read_table, refuse_odd_names
from earmark.errors import DataError, UsageError
from earmark.files import atomic_path, sha256_bytes, write_csv
from earmark.storage import as_path, is_remote, join, written
from earmark.text import normalized
from earmark.types import Domain, Target
from earmark.units import note_midi

LABEL_SEPARATOR = ";"
OTHER_SEPARATORS = ("|", ",", "\t", "\n")
SPLITS = ("train", "valid", "test")
UNKNOWN_GROUP = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled item.

    Attributes
    ----------
    path
        Relative to the root of the manifest; ``"file.zip::member"``, ``"file.npz::row"``, ``"file.csv::row"``.
    label
        What it is; several labels are separated by semicolons, see `Manifest.with_target`.
    group
        What must not be split (artist, writer, piano); empty when nobody knows.
    split
        ``"train"``, ``"valid"``, ``"test"``, or None: not yet split, or left out.
    start_s, duration_s
        The span of a sound; None for all of it.
    sha256
        Hash of the content (of the whole file, the archive member or the row, and of the numbers beside it); None when
        not yet computed.
    source, licence
        Where it comes from and what may be done with it.
    track
        The recording that it is an excerpt of, as its data set calls it; empty when it stands for itself.
    numbers
        Of a picture: the row of numbers about the same recording, ``"file.csv::row"``; empty when there is none.
    """

    path: str
    label: str
    group: str
    split: str | None = None
    start_s: float | None = None
    duration_s: float | None = None
    sha256: str | None = None
    source: str = ""
    licence: str = ""
    track: str = ""
    numbers: str = ""

    @property
    def name(self) -> str:
        """What a person calls it: the path, and for a row of a table or an array the track before its place.

        >>> Example("x.npz::20", "disco", "a", track="disco.00098").name, Example("a.wav", "pop", "a").name
        ('disco.00098 (x.npz::20)', 'a.wav')
        """
        _, member = split_member(self.path)
        is_row = member is not None and member.isdecimal() and self.track
        return f"{self.track} ({self.path})" if is_row else self.path

    def __post_init__(self) -> None:
        if not self.path:
            raise DataError("an example has no path; give the file that it is in")
        # The same letters are stored in different ways, and one label must not become two.
        object.__setattr__(self, "label", normalized(self.label))
        if not self.label:
            raise DataError(f"{self.path}: has no label; give it one or remove it")
        if self.split is not None and self.split not in SPLITS:
            raise DataError(f"{self.path}: the split is {self.split!r}; allowed are {', '.join(SPLITS)} or nothing")
        if self.start_s is not None and not self.start_s >= 0:
            raise DataError(f"{self.path}: the span starts at {self.start_s} s; give 0 or more")
        if self.duration_s is not None and not self.duration_s > 0:
            raise DataError(f"{self.path}: the span lasts {self.duration_s} s; give more than 0")

    def labels_of(self, target: Target) -> tuple[str, ...]:
        """Return the one label, or for ``"multi-label"`` those that the semicolons separate.

        >>> Example("a.wav", "rock; 80s", "").labels_of("multi-label")
        ('rock', '80s')
        """
        if target == "multi-class":
            return (self.label,)
        return tuple(label.strip() for label in self.label.split(LABEL_SEPARATOR))


COLUMNS = tuple(field.name for field in fields(Example))


@dataclass(frozen=True)
class Manifest:
    """Examples of one domain, with the folder that their paths start from.

    Attributes
    ----------
    examples
        No two are the same span of the same content.
    domain
        What `read_content` gives: sound, ink (strokes or images), picture; "table" for rows of features.
    root
        Folder that the paths are relative to.
    name
        For reports.
    is_divided
        Whether the source itself is divided into parts, as train and test folders are; its splits are then used unless
        somebody asks for others.
    table_file
        The csv or Parquet file that lists the examples, row by row; None when there is none.
    not_features
        Columns of a feature table that are no features beside `NOT_FEATURES`, such as one that names the groups.
    target
        Whether an example has one label or several, see `with_target`.
    """

    examples: tuple[Example, ...]
    domain: Domain
    root: Path
    name: str
    is_divided: bool = False
    table_file: Path | None = None
    not_features: tuple[str, ...] = ()
    target: Target = "multi-class"

    def __post_init__(self) -> None:
        seen: set[tuple[str, float | None, float | None]] = set()
        for example in self.examples:
            key = (example.path, example.start_s, example.duration_s)
            if key in seen:
                raise DataError(f"{self.name}: {example.path} is listed twice; keep one of the lines")
            seen.add(key)

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels, each once: note names by pitch, others by name."""
        labels = sorted({label for example in self.examples for label in self.labels_of(example)})
        pitches = {label: note_midi(label) for label in labels}
        if None in pitches.values():
            return tuple(labels)
        return tuple(sorted(labels, key=lambda label: (pitches[label] or 0, label)))

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The known groups, each once, by name."""
        return tuple(sorted({example.group for example in self.examples} - {UNKNOWN_GROUP}))

    @property
    def groups_known(self) -> bool:
        """Whether every example says which group it is of; without that no split is honest."""
        return all(example.group != UNKNOWN_GROUP for example in self.examples)

    def labels_of(self, example: Example) -> tuple[str, ...]:
        """Return the labels of one of the examples: one, unless the target is multi-label."""
        return example.labels_of(self.target)

    def with_target(self, target: Target) -> Manifest:
        """Return the same examples, their labels read as one each or as several separated by semicolons.

        Raises
        ------
        DataError
            When a label holds another separator, is empty or is there twice, or one is wanted and there are several.
        """
        for example in self.examples:
            _refuse_labels(example, target)
        return replace(self, target=target)

    def part(self, split: str) -> Manifest:
        """Return the examples of one split; none when it has none."""
        if split not in SPLITS:
            raise UsageError(f"there is no split called {split!r}; known: {', '.join(SPLITS)}")
        return replace(self, examples=tuple(example for example in self.examples if example.split == split))

    def with_splits(self, splits: Sequence[str | None]) -> Manifest:
        """Return the same examples, the first in ``splits[0]``, and so on."""
        examples = (replace(example, split=split) for example, split in zip(self.examples, splits, strict=True))
        return replace(self, examples=tuple(examples))

    def hashed(self, *, workers: int | None = None) -> Manifest:
        """Return the same examples with every `Example.sha256` there; `workers` threads, one a core by default.

        Raises
        ------
        UnreadableError
            When a file cannot be read.
        """
        if all(example.sha256 for example in self.examples):
            return self

        def hashed(example: Example) -> Example:
            return example if example.sha256 else replace(example, sha256=example_sha256(self.root, example))

        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            return replace(self, examples=tuple(pool.map(hashed, self.examples)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over content, span, label and group of all examples, whatever their order and place."""
        rows = sorted(json.dumps([e.sha256, e.start_s, e.duration_s, e.label, e.group]) for e in self.hashed().examples)
        return sha256_bytes("\n".join(rows).encode())

    @cached_property
    def table(self) -> Table:
        """The numbers of the examples, row by row; only in the domain "table"."""
        if self.domain != "table":
            raise DataError(f"{self.name}: holds {self.domain} examples, not a feature table; give a csv of features")
        located = [split_member(example.path) for example in self.examples]
        files = sorted({file for file, _ in located})
        if len(files) != 1:
            raise DataError(f"{self.name}: its rows come from {len(files)} tables; give one table")
        whole = read_table(join(self.root, files[0])).without(self.not_features)
        return Table(names=whole.names, values=whole.values[[int(row or 0) for _, row in located]])

    def to_csv(self, path: Path | str) -> None:
        """Write the manifest as CSV, paths relative to the folder of `path`."""
        rows = self._rows(as_path(path).parent)
        write_csv(path, ([row[column] for column in COLUMNS] for row in rows), columns=COLUMNS)

    def to_parquet(self, path: Path | str) -> None:
        """Write the manifest as Parquet, paths relative to the folder of `path`."""
        arrow, parquet = parquet_modules("writing Parquet")
        refuse_odd_names(example.path for example in self.examples)
        rows = self._rows(as_path(path).parent)
        types = {"start_s": arrow.float64(), "duration_s": arrow.float64()}
        columns = {name: arrow.array([r[name] for r in rows], types.get(name, arrow.string())) for name in COLUMNS}
        with atomic_path(path) as temporary:
            parquet.write_table(arrow.table(columns), temporary)

    def _rows(self, folder: Path) -> list[dict[str, Any]]:
        # Files behind a URL keep it, wherever the list lies.
        is_apart = is_remote(self.root) or is_remote(folder)
        prefix = self.root if is_apart else Path(os.path.relpath(self.root.absolute(), folder.absolute()))
        rows = []
        for example in self.examples:
            row = {name: getattr(example, name) for name in COLUMNS}
            for column in ("path", "numbers"):
                file, member = split_member(row[column])
                row[column] = file and join_member(written(join(prefix, file)), member)
            rows.append(row)
        return rows


def example_sha256(root: Path, example: Example) -> str:
    """Return the hash of the content of an example, and of the numbers beside it where there are any."""
    content = content_sha256(root, example.path)
    return sha256_bytes(f"{content} {content_sha256(root, example.numbers)}".encode()) if example.numbers else content


def _refuse_labels(example: Example, target: Target) -> None:
    """Raise `DataError` unless the label of an example can be read as one label, or as several."""
    labels = example.labels_of(target)
    if target == "multi-class":
        if LABEL_SEPARATOR in example.label:
            raise DataError(
                f"{example.path}: has the labels {example.label!r}, and one is wanted here; use a multi-label recipe"
                " such as 'sound-tags' (target = 'multi-label'), or leave one label"
            )
        return
    for separator in OTHER_SEPARATORS:
        if separator in example.label:
            raise DataError(
                f"{example.path}: {separator!r} in the labels {example.label!r} separates nothing; write"
                f" {LABEL_SEPARATOR!r} between labels, as in 'rock;80s'"
            )
    if not all(labels) or len(set(labels)) < len(labels):
        wrong = "one of them twice" if all(labels) else "an empty one"
        raise DataError(f"{example.path}: the labels {example.label!r} hold {wrong}; write each label once")

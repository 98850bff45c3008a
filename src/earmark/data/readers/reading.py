"""Reading of any source into a manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from earmark.data.manifest import Manifest
from earmark.data.numbers import with_numbers
from earmark.data.quarantine import data_of, is_quarantine, quarantine_of, without
from earmark.data.readers.base import READERS, Reader
from earmark.data.readers.grouping import grouped_by
from earmark.data.readers.images import with_domain
from earmark.data.readers.places import find_examples
from earmark.data.table import SPREADSHEET_EXTENSIONS, is_table
from earmark.errors import DataError, UsageError
from earmark.storage import as_path, is_path, refuse_unreachable
from earmark.text import encodable
from earmark.types import Domain


def refuse_absent(source: Path) -> None:
    """Raise when a source is not there, or is an empty folder; commands ask before they load what takes long.

    Raises
    ------
    DataError
        Which of both it is.
    """
    refuse_unreachable(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder; check the path")
    if source.is_dir() and not any(source.iterdir()):
        raise DataError(f"{source}: is an empty folder; put one sub-folder of examples per class into it")


def read_manifest(
    source: Path | str,
    *,
    kind: str | None = None,
    domain: Domain | None = None,
    groups: str | None = None,
    table: Path | str | None = None,
    quarantined: bool = False,
) -> Manifest:
    r"""Read a data set of any known kind.

    Parameters
    ----------
    source
        A folder of classes, train, val and test folders of classes, a csv, tsv or Parquet manifest, a HOMUS zip or
        folder, a GTZAN folder, the unpacked Kaggle archive, a pianos folder, an ``.npz`` of pictures, or a feature
        table.
    kind
        A name in `READERS`, when the source should not be asked what it is.
    domain
        What to take where there is a choice: ``"picture"`` or ``"ink"`` says what images are; in an archive that holds
        sounds, pictures and tables, it chooses between them.
    groups
        What must not be split: ``"parent"``, ``"prefix"``, a regular expression with one parenthesis, or a column; see
        `grouped_by`. By default what the kind of data says.
    table
        A csv or Parquet file with a row of numbers for each spectrogram picture, to learn from both; joined by
        `with_numbers`.
    quarantined
        Read also what a quarantine list leaves out. Such a list, written by ``earmark check --quarantine``, is obeyed
        when it lies where `earmark.data.quarantine.quarantine_of` says, or when it is itself given as the source.

    Raises
    ------
    DataError
        When the source is missing, empty, of no known kind, or bad in a way that its reader names.
    UsageError
        When `kind` is unknown, the groups are not possible, or images may be drawings or spectrogram pictures.
    """
    source = as_path(source)
    refuse_absent(source)
    left_out = quarantine_of(source)
    if is_quarantine(source):
        left_out, source = source, _data_of(source)
    place = find_examples(source, domain) if kind is None else source
    reader = READERS[kind] if kind else _sniff(place)
    manifest = replace(reader.read(place.absolute()), table_file=place.absolute() if is_table(place) else None)
    if place != source:
        manifest = replace(manifest, name=source.resolve().name)
    manifest = replace(manifest, name=encodable(manifest.name))
    if manifest.domain == "ink":
        manifest = with_domain(manifest, domain, source=source)
    if groups is not None:
        manifest = grouped_by(manifest, groups)
    if not quarantined and is_quarantine(left_out):
        manifest = without(manifest, left_out)
    return manifest if table is None else with_numbers(manifest, table)


class InMemory(Protocol):
    """Examples that are no files, such as `earmark.Examples`."""

    def manifest(self) -> Manifest:
        """Return their manifest."""


def as_manifest(data: Manifest | InMemory | Path | str, *, domain: Domain | None = None) -> Manifest:
    """Return a manifest as it is, that of examples in memory, and read anything else by `read_manifest`.

    Raises
    ------
    UsageError
        When it is none of these.
    """
    if isinstance(data, Manifest):
        return data
    if is_path(data):
        return read_manifest(data, domain=domain)
    if hasattr(data, "manifest"):
        return data.manifest()
    raise UsageError(
        f"a {type(data).__name__} is no data; give the path of a source, a Manifest, or examples in memory as "
        "earmark.Examples(contents, labels)"
    )


def _data_of(path: Path) -> Path:
    source = data_of(path)
    if source is None:
        raise DataError(f"{path}: is a quarantine list without lines, so it names no data; give the data itself")
    return source


def _sniff(source: Path) -> Reader:
    for reader in READERS.values():
        if reader.recognises(source):
            return reader
    if source.suffix.lower() in SPREADSHEET_EXTENSIONS:
        raise DataError(f"{source}: is a spreadsheet, which is not read; save it as 'CSV UTF-8'")
    known = "; ".join(reader.about for reader in READERS.values())
    raise DataError(f"{source}: is not a kind of data that can be read; allowed: {known}")

"""Feature extraction of a data set into a table: several processes, flat memory, resumed when killed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

from earmark import extras
from earmark.data import Example, Manifest
from earmark.data.archive import split_member
from earmark.data.table import parquet_modules, refuse_odd_names
from earmark.errors import DataError, UsageError
from earmark.features.table import COLUMNS, TABLE_VERSION
from earmark.files import atomic_path, cache_folder, modified_ns, sha256_bytes, sha256_text, write_csv
from earmark.parallel import map_processes
from earmark.storage import as_path, is_remote, join, refuse_unwritable
from earmark.tables.journal import Journal
from earmark.tables.rows import Described, Segments, describe_example, row_name
from earmark.types import Progress, no_progress

Extra: TypeAlias = Literal["group", "split"]

_STAGE = "features"
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Extracted:
    """What came of a data set.

    Attributes
    ----------
    n_rows
        In the table.
    failures
        One sentence for each example that is not in it.
    """

    n_rows: int
    failures: tuple[str, ...]


def extract(
    manifest: Manifest,
    *,
    out: Path,
    segments: Segments | None = None,
    extra: Sequence[Extra] = (),
    workers: int = 1,
    progress: Progress = no_progress,
) -> Extracted:
    """Write the 57 features of every sound of `manifest` as a table in the published layout.

    What is done is kept in ``<out>.part`` until the table is complete; the same call goes on from there.

    Parameters
    ----------
    manifest
        Sounds.
    out
        A ``.csv`` or ``.parquet`` file.
    segments
        What becomes a row; a whole sound by default.
    extra
        Columns of the manifest to add after the published ones.
    workers
        Processes; each uses one thread. With 1 the work is done in this process.
    progress
        Told about every example.

    Raises
    ------
    UsageError
        When the name of `out` has another ending.
    MissingExtraError
        When numba, or pyarrow for Parquet, is not installed.
    DataError
        When the manifest holds no sounds, none of them can be read, or `out` cannot be written.
    """
    segments, out = segments or Segments(), as_path(out)
    if out.suffix.lower() not in {".csv", ".parquet"}:
        raise UsageError(f"{out}: a feature table ends in .csv or .parquet; rename it")
    extras.require("the feature table", "train", "numba", "threadpoolctl")
    if out.suffix.lower() == ".parquet":
        parquet_modules(f"writing {out}")
        refuse_odd_names(example.path for example in manifest)
    if manifest.domain != "sound":
        raise DataError(f"{manifest.name}: holds {manifest.domain} examples; the 57 features describe sounds")
    refuse_unwritable(out)
    part = _part_of(out)
    with Journal(part, _identity(manifest, segments)) as journal:
        failures = _fill(journal, manifest, segments, workers, progress)
        if not len(journal):
            part.unlink()
            raise DataError(f"{manifest.name}: none of its {len(manifest)} sounds can be described; {failures[0]}")
        n_rows = _write(out, _records(journal, manifest, segments, extra), (*COLUMNS, *extra))
    part.unlink()
    return Extracted(n_rows, tuple(failures))


def _part_of(out: Path) -> Path:
    """Return where unfinished rows are kept: beside the table, or here when that lies behind a URL."""
    if not is_remote(out):
        return out.with_name(f".{out.name}.part")
    folder = cache_folder() / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{sha256_text(str(out))[:16]}.part"


def _identity(manifest: Manifest, segments: Segments) -> str:
    """Return what identifies the results: the version, the settings, and every file with its size and time."""
    files = {split_member(example.path)[0] for example in manifest}
    stats = {file: _stat(join(manifest.root, file)) for file in sorted(files)}
    spans = [(example.path, example.start_s, example.duration_s) for example in manifest]
    return sha256_bytes(json.dumps([TABLE_VERSION, segments.model_dump(mode="json"), stats, spans]).encode())


def _stat(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # reported with the example, when it is read
        return (0, 0)
    return status.st_size, modified_ns(path, status)


def _fill(journal: Journal, manifest: Manifest, segments: Segments, workers: int, progress: Progress) -> list[str]:
    """Describe what the journal does not know yet; return what went wrong, in the order of the manifest."""
    missing = [index for index in range(len(manifest)) if index not in journal]
    describe = partial(_describe, bare=replace(manifest, examples=()), segments=segments)
    examples = [manifest.examples[index] for index in missing]
    failures: dict[int, str] = {}
    progress(_STAGE, len(journal), len(manifest), "")
    with _one_thread():
        for number, described in map_processes(describe, examples, workers=workers, survive_crashes=_crashed):
            if described.error is None:
                journal.add(missing[number], described.rows)
            else:
                failures[number] = described.error
            progress(_STAGE, len(journal) + len(failures), len(manifest), f"{len(failures)} bad" if failures else "")
    return [failures[number] for number in sorted(failures)]


def _one_thread() -> AbstractContextManager[Any]:
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def _describe(example: Example, *, bare: Manifest, segments: Segments) -> Described:
    return describe_example(bare, example, segments)


def _crashed(example: Example) -> Described:
    return Described((), f"{example.path}: ends the process that decodes it; replace or remove it")


def _records(journal: Journal, manifest: Manifest, segments: Segments, extra: Sequence[Extra]) -> Iterator[list[Any]]:
    """Yield the rows of the table, in the order of the manifest."""
    names = [PurePosixPath(example.path).name for example in manifest]
    unique = len(set(names)) == len(names)
    for index, rows in journal.values():
        example = manifest.examples[index]
        for number, (n_samples, values) in enumerate(rows):
            name = row_name(names[index] if unique else example.path, None if segments.segment_s is None else number)
            yield [name, n_samples, *values, example.label, *(getattr(example, column) or "" for column in extra)]


def _write(out: Path, records: Iterator[list[Any]], columns: Sequence[str]) -> int:
    if out.suffix.lower() == ".csv":
        return write_csv(out, records, columns=columns)
    with atomic_path(out) as temporary:
        return _write_parquet(temporary, records, columns)


def _write_parquet(path: Path, records: Iterator[list[Any]], columns: Sequence[str]) -> int:
    arrow, parquet = parquet_modules(f"writing {path}")
    types = {"filename": arrow.string(), "length": arrow.int64(), "label": arrow.string()}
    types |= {"group": arrow.string(), "split": arrow.string()}
    schema = arrow.schema([(name, types.get(name, arrow.float64())) for name in columns])
    n_rows = 0
    with parquet.ParquetWriter(path, schema) as writer:
        while some := list(islice(records, _ROWS_AT_ONCE)):
            arrays = [
                arrow.array(column, field.type) for column, field in zip(zip(*some, strict=True), schema, strict=True)
            ]
            writer.write_table(arrow.table(arrays, schema=schema))
            n_rows += len(some)
    return n_rows

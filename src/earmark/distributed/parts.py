"""A table in parts: Parquet files that many processes write, each whole or not at all, in the order of a listing.

The folder holds ``_inputs.parquet``, the listing, frozen when the table is begun: each row group becomes a part. A
part is done when its file is there, so a table that was stopped goes on where it was, and comes out the same.
``_table.json`` is written at the end. Readers of Parquet leave out names that begin with an underscore.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from earmark import extras
from earmark.data.table import parquet_modules, refuse_odd_names
from earmark.errors import DataError, UsageError, refusing
from earmark.files import atomic_path, write_text
from earmark.parallel import in_order, map_processes
from earmark.storage import as_path, explained, file_system, is_remote, key_of, open_binary, refuse_unwritable
from earmark.text import encodable
from earmark.types import Progress, no_progress

INPUTS, DONE = "_inputs.parquet", "_table.json"
ROWS_A_PART = 256
"""Inputs of one part: some minutes of work for a core, which is the most that is lost when it is killed."""

_ABOUT = b"earmark"
_PART = re.compile(r"part-(\d{6})\.parquet")

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What came of one input: its rows, and why it is bad, which may be so although it has a row."""

    rows: tuple[Row, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class PartedTable:
    """A finished table.

    Attributes
    ----------
    folder
        Of its parts.
    n_inputs, n_rows
        Listed, and in the table.
    failures
        One sentence for each bad input, in the order of the listing.
    """

    folder: Path
    n_inputs: int
    n_rows: int
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """How a table is made.

    Attributes
    ----------
    identity
        What was asked for, as plain values; a folder that was begun for something else is refused.
    listed, columns
        Columns of the listing and of the table, name to type: ``"string"``, ``"int64"``, ``"float64"``.
    make
        Called with a row of the listing; it is sent to other processes.
    crashed
        Gives what stands for an input that ends the process which reads it.
    """

    identity: Mapping[str, Any]
    listed: Mapping[str, str]
    columns: Mapping[str, str]
    make: Callable[[Row], Made]
    crashed: Callable[[Row], Made]


def write_in_parts(
    job: Job,
    inputs: Iterable[Row],
    *,
    out: Path | str,
    rows_a_part: int = ROWS_A_PART,
    workers: int = 1,
    progress: Progress = no_progress,
) -> PartedTable:
    """Write the table of all `inputs` in parts, or go on with the one in `out`, whose listing then counts.

    Neither inputs nor rows pass through this process as a whole: it holds what is under way and the failures.

    Raises
    ------
    DataError
        When nothing is listed, or `out` cannot be written to.
    UsageError
        When `out` holds something else.
    """
    folder = as_path(out)
    _claim(folder, job, inputs, rows_a_part)
    maker = PartMaker(job, folder)
    done = _done(folder)
    n_parts, n_inputs = maker.n_parts, maker.n_inputs
    missing = [number for number in range(n_parts) if number not in done]
    found = {number: maker.facts(number) for number in sorted(done) if number < n_parts}
    n_done = sum(facts.n_inputs for facts in found.values())
    for place, facts in map_processes(maker, missing, workers=workers, survive_crashes=maker.one_by_one):
        found[missing[place]] = facts
        n_done += facts.n_inputs
        progress("rows", n_done, n_inputs, "")
    table = PartedTable(
        folder,
        n_inputs,
        sum(facts.n_rows for facts in found.values()),
        tuple(failure for number in range(n_parts) for failure in found[number].failures),
    )
    about = {"parts": n_parts, "inputs": n_inputs, "rows": table.n_rows, "bad": len(table.failures)}
    write_text(folder / DONE, encodable(json.dumps({**job.identity, **about}, indent=2, ensure_ascii=False)))
    return table


@dataclass(frozen=True, slots=True)
class Facts:
    """What a part says about itself."""

    n_inputs: int
    n_rows: int
    failures: tuple[str, ...]


class PartMaker:
    """Makes the part of a number from the row group of that number; can be sent to other processes."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job, self._folder = job, folder

    @cached_property
    def _footer(self) -> Any:
        """The metadata of the listing, read once in each process."""
        _, parquet = parquet_modules(f"writing {self._folder}")
        with open_binary(self._folder / INPUTS) as stream:
            return parquet.ParquetFile(stream).metadata

    @property
    def n_parts(self) -> int:
        return int(self._footer.num_row_groups)

    @property
    def n_inputs(self) -> int:
        return int(self._footer.num_rows)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_footer"}

    def __call__(self, number: int) -> Facts:
        """Make the part and write it."""
        return self._write(number, map(self._job.make, self._listed(number)))

    def one_by_one(self, number: int) -> Facts:
        """Make a part that ended its process, with each input by itself, so that only the cause is missing."""
        rows = self._listed(number)
        made = map_processes(self._job.make, rows, workers=2, survive_crashes=self._job.crashed)
        return self._write(number, in_order(made))

    def facts(self, number: int) -> Facts:
        """Return what a part that is done says about itself."""
        _, parquet = parquet_modules("reading Parquet")
        path = self._folder / part_name(number)
        with refusing(lambda error: DataError(f"{path}: is damaged ({error}); delete it, and it is made again")):
            with open_binary(path) as stream:
                about = json.loads(parquet.ParquetFile(stream).schema_arrow.metadata[_ABOUT])
            return Facts(about["n_inputs"], about["n_rows"], tuple(about["failures"]))

    def _listed(self, number: int) -> list[Row]:
        _, parquet = parquet_modules(f"writing {self._folder}")
        path = self._folder / INPUTS
        with explained(path), open_binary(path) as stream:
            listing = parquet.ParquetFile(stream, metadata=self._footer)
            rows: list[Row] = listing.read_row_group(number).to_pylist()
        return rows

    def _write(self, number: int, made: Iterator[Made]) -> Facts:
        arrow, parquet = parquet_modules(f"writing {self._folder}")
        each = list(made)
        rows = [row for one in each for row in one.rows]
        facts = Facts(len(each), len(rows), tuple(one.error for one in each if one.error))
        schema = _schema(self._job.columns).with_metadata(
            {
                _ABOUT: json.dumps(
                    {"n_inputs": facts.n_inputs, "n_rows": facts.n_rows, "failures": facts.failures},
                    ensure_ascii=False,
                ).encode()
            }
        )
        table = arrow.Table.from_pylist(rows, schema)
        with atomic_path(self._folder / part_name(number)) as temporary:
            parquet.write_table(table, temporary)
        return facts


def part_name(number: int) -> str:
    """Return the file name of a part.

    >>> part_name(7)
    'part-000007.parquet'
    """
    return f"part-{number:06d}.parquet"


def _schema(columns: Mapping[str, str]) -> Any:
    arrow, _ = parquet_modules("writing Parquet")
    return arrow.schema([(name, getattr(arrow, kind)()) for name, kind in columns.items()])


def _done(folder: Path) -> set[int]:
    if is_remote(folder):
        # Nodes write parts too, so what this process has listed before may be old.
        file_system(folder).invalidate_cache(key_of(folder))
    names = (_PART.fullmatch(path.name) for path in folder.iterdir())
    return {int(found[1]) for found in names if found}


def _claim(folder: Path, job: Job, inputs: Iterable[Row], rows_a_part: int) -> None:
    """Write the listing, or find that the folder has the one of the same table."""
    extras.require("a table in parts", "cluster", "pyarrow")
    _, parquet = parquet_modules(f"writing {folder}")
    refuse_unwritable(folder / INPUTS)
    columns = dict(job.columns)
    identity = encodable(json.dumps({**job.identity, "columns": columns}, ensure_ascii=False, sort_keys=True))
    listing = folder / INPUTS
    if listing.is_file():
        with (
            refusing(lambda error: DataError(f"{listing}: is damaged ({error}); choose another folder")),
            open_binary(listing) as stream,
        ):
            begun = parquet.ParquetFile(stream).schema_arrow.metadata[_ABOUT].decode()
        if begun != identity:
            raise UsageError(
                f"{folder}: holds a table that was begun {_difference(json.loads(begun), json.loads(identity))}; choose"
                " another folder with -o"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: exists and is no table in parts; choose another folder with -o")
    _write_listing(listing, _schema(job.listed).with_metadata({_ABOUT: identity.encode()}), iter(inputs), rows_a_part)


def _write_listing(path: Path, schema: Any, inputs: Iterator[Row], rows_a_part: int) -> None:
    arrow, parquet = parquet_modules(f"writing {path}")
    n = 0
    with atomic_path(path) as temporary:
        with parquet.ParquetWriter(temporary, schema) as writer:
            while some := list(islice(inputs, rows_a_part)):
                refuse_odd_names(value for row in some for value in row.values() if isinstance(value, str))
                writer.write_table(arrow.Table.from_pylist(some, schema))
                n += len(some)
        if not n:
            raise DataError(f"{path.parent}: there is nothing to write, because no input was found; give some")


def _difference(begun: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Return the first thing in which what was asked for differs; the columns follow from the rest."""
    for name in sorted(asked, key=lambda name: name == "columns"):
        if begun.get(name) != asked[name]:
            return f"with {name} {_short(begun.get(name))} instead of {_short(asked[name])}"
    return "with other settings"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
